//! Pipelines that are cheaper commands.

use crate::mql::{Filter, Find, Projection, Stage};

/// The pipeline as a `find`, if it is only match, sort, skip, limit and inclusion, in this order; otherwise as it was.
///
/// # Errors
/// The pipeline.
pub fn as_find(stages: Vec<Stage>) -> Result<Box<Find>, Vec<Stage>> {
    let mut rank = 0;
    for stage in &stages {
        let position = match stage {
            Stage::Match(_) => 1,
            Stage::Sort(_) => 2,
            Stage::Skip(_) => 3,
            Stage::Limit(_) => 4,
            // Operators of `find`'s own projection would read some expressions otherwise.
            Stage::Project(fields)
                if fields
                    .iter()
                    .all(|(_, p)| !matches!(p, Projection::Expr(_))) =>
            {
                5
            }
            Stage::Unset(_) => 5,
            _ => return Err(stages),
        };
        if position <= rank {
            return Err(stages);
        }
        rank = position;
    }
    let mut find = Box::new(Find {
        collection: String::new(),
        filter: Filter::True,
        projection: Vec::new(),
        sort: Vec::new(),
        skip: 0,
        limit: None,
        hint: None,
    });
    for stage in stages {
        match stage {
            Stage::Match(filter) => find.filter = filter,
            Stage::Sort(keys) => find.sort = keys,
            Stage::Skip(n) => find.skip = n,
            Stage::Limit(n) => find.limit = Some(n),
            Stage::Project(fields) => find.projection = fields,
            Stage::Unset(fields) => {
                find.projection = fields
                    .into_iter()
                    .map(|f| (f, Projection::Exclude))
                    .collect();
            }
            _ => {}
        }
    }
    Ok(find)
}

/// The pipeline as a `count`: filter, skip, limit.
#[must_use]
pub fn as_count(stages: &[Stage]) -> Option<(Filter, u64, Option<u64>)> {
    let (mut filter, mut skip, mut limit) = (Filter::True, 0, None);
    let mut rank = 0;
    for stage in stages {
        let position = match stage {
            Stage::Match(f) => {
                filter = f.clone();
                1
            }
            Stage::Skip(n) => {
                skip = *n;
                2
            }
            Stage::Limit(n) => {
                limit = Some(*n);
                3
            }
            _ => return None,
        };
        if position <= rank {
            return None;
        }
        rank = position;
    }
    Some((filter, skip, limit))
}
