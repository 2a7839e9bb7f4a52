//! Pipelines that are cheaper commands.

use crate::mql::{Filter, Find, Projection, Stage};

/// The pipeline as a `find`, if it is only match, sort, skip, limit and inclusion, in this order.
#[must_use]
pub fn as_find(stages: &[Stage]) -> Option<Find> {
    let mut find = Find {
        collection: String::new(),
        filter: Filter::True,
        projection: Vec::new(),
        sort: Vec::new(),
        skip: 0,
        limit: None,
        hint: None,
    };
    let mut rank = 0;
    for stage in stages {
        let position = match stage {
            Stage::Match(filter) => {
                find.filter = filter.clone();
                1
            }
            Stage::Sort(keys) => {
                find.sort.clone_from(keys);
                2
            }
            Stage::Skip(n) => {
                find.skip = *n;
                3
            }
            Stage::Limit(n) => {
                find.limit = Some(*n);
                4
            }
            // Operators of `find`'s own projection would read some expressions otherwise.
            Stage::Project(fields)
                if fields
                    .iter()
                    .all(|(_, p)| !matches!(p, Projection::Expr(_))) =>
            {
                find.projection.clone_from(fields);
                5
            }
            Stage::Unset(fields) => {
                find.projection = fields
                    .iter()
                    .map(|f| (f.clone(), Projection::Exclude))
                    .collect();
                5
            }
            _ => return None,
        };
        if position <= rank {
            return None;
        }
        rank = position;
    }
    Some(find)
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
