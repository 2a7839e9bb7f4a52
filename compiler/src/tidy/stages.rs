//! Adjacent stages.

use bson::Bson;

use super::computed;
use super::filter::simplify;
use crate::mql::{Accumulator, Args, Expr, Filter, Projection, Stage};

/// A pipeline without stages that do nothing and with neighbours merged.
#[must_use]
pub fn pipeline(stages: Vec<Stage>) -> Vec<Stage> {
    let mut out: Vec<Stage> = Vec::with_capacity(stages.len());
    for stage in stages {
        let Some(stage) = inner(stage) else { continue };
        out.push(stage);
        merge_last(&mut out);
    }
    counted(&mut out);
    computed::before_sorts(out)
}

/// A single group whose only value is the number of rows is `$count`, if it is the last stage: nobody reads `_id: null`,
/// and nobody needs it removed.
fn counted(stages: &mut Vec<Stage>) {
    if let [.., Stage::Group { id, fields }, Stage::Project(kept)] = stages.as_slice()
        && *id == Expr::null()
        && kept.len() == fields.len() + 1
        && kept.iter().all(|(name, projection)| match projection {
            Projection::Include => fields.iter().any(|(field, _)| field == name),
            Projection::Exclude => name == "_id",
            Projection::Expr(_) => false,
        })
    {
        stages.pop();
    }
    let Some(last) = stages.last_mut() else {
        return;
    };
    if let Stage::Group { id, fields } = last
        && *id == Expr::null()
        && let [(name, Accumulator { op: "$sum", args })] = fields.as_slice()
        && let Args::One(one) = args
        && matches!(**one, Expr::Literal(Bson::Int32(1) | Bson::Int64(1)))
    {
        *last = Stage::Count(name.clone());
    }
}

/// A stage with its own pipelines tidied; nothing if it does nothing.
fn inner(stage: Stage) -> Option<Stage> {
    Some(match stage {
        Stage::Match(filter) => match simplify(filter) {
            Filter::True => return None,
            filter => Stage::Match(filter),
        },
        Stage::Lookup(mut lookup) => {
            lookup.pipeline = pipeline(lookup.pipeline);
            // The server refuses variables that nothing could read.
            if lookup.pipeline.is_empty() {
                lookup.variables.clear();
            }
            Stage::Lookup(lookup)
        }
        Stage::UnionWith {
            collection,
            pipeline: stages,
        } => Stage::UnionWith {
            collection,
            pipeline: pipeline(stages),
        },
        Stage::Facet(facets) => Stage::Facet(
            facets
                .into_iter()
                .map(|(name, stages)| (name, pipeline(stages)))
                .collect(),
        ),
        Stage::Set(fields) if fields.is_empty() => return None,
        Stage::Unset(fields) if fields.is_empty() => return None,
        Stage::Sort(keys) if keys.is_empty() => return None,
        Stage::Skip(0) => return None,
        other => other,
    })
}

/// The last stage becomes a part of the one before it, if it can.
fn merge_last(stages: &mut Vec<Stage>) {
    let [.., a, b] = stages.as_mut_slice() else {
        return;
    };
    match (a, b) {
        (Stage::Match(a), Stage::Match(b)) => {
            let both = vec![take(a), take(b)];
            *a = simplify(Filter::all(both));
        }
        (Stage::Limit(a), Stage::Limit(b)) => *a = (*a).min(*b),
        (Stage::Skip(a), Stage::Skip(b)) => *a = a.saturating_add(*b),
        (a @ Stage::Limit(_), b @ Stage::Skip(_)) => {
            let (Stage::Limit(limit), Stage::Skip(skip)) = (&*a, &*b) else {
                return;
            };
            if skip < limit {
                (*a, *b) = (Stage::Skip(*skip), Stage::Limit(limit - skip));
            }
            return;
        }
        // A group has these fields only.
        (Stage::Group { fields, .. }, Stage::Project(kept)) if keeps_all(fields, kept) => {}
        // Fields of one stage do not see each other.
        (Stage::Set(a), Stage::Set(b)) if apart(a, b) => a.append(b),
        (Stage::Unset(a), Stage::Unset(b)) => a.append(b),
        // The later order wins, unless rows are equal in it: the sort is not stable.
        (Stage::Sort(a), Stage::Sort(b)) => *a = std::mem::take(b),
        _ => return,
    }
    stages.pop();
}

fn take(filter: &mut Filter) -> Filter {
    std::mem::replace(filter, Filter::True)
}

/// An inclusion of all that a group has.
fn keeps_all(fields: &[(String, Accumulator)], kept: &[(String, Projection)]) -> bool {
    let included = |name: &str| {
        kept.iter()
            .any(|(path, how)| path == name && *how == Projection::Include)
    };
    kept.iter().all(|(_, how)| *how == Projection::Include)
        && !kept.iter().any(|(path, _)| path.starts_with("_id."))
        && fields.iter().all(|(name, _)| included(name))
        && kept.len() <= fields.len() + usize::from(included("_id"))
}

/// The second fields neither read nor overwrite the first.
fn apart(first: &[(String, Expr)], second: &[(String, Expr)]) -> bool {
    first.iter().all(|(path, _)| {
        let key = path.split('.').next().unwrap_or(path);
        second.iter().all(|(other, expr)| {
            other.split('.').next().unwrap_or(other) != key && !expr.reads_root(key)
        })
    })
}
