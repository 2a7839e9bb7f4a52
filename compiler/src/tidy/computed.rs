//! Computed fields that need not be written into whole documents: `$set` copies every document, and a sort holds them.

use crate::mql::{Expr, Projection, SortOrder, Stage};

/// Applies it to every place of a pipeline.
pub(super) fn before_sorts(mut stages: Vec<Stage>) -> Vec<Stage> {
    let mut at = 0;
    while at < stages.len() {
        if matches!(stages.get(at), Some(Stage::Set(_))) {
            let tail = stages.split_off(at);
            stages.extend(before_sort(tail));
        }
        at += 1;
    }
    stages
}

/// `{$set: {x: e}}, {$sort: {x: 1}}, {$limit: 9}, {$project: {y: 1, x: 1}}` sorts the projected documents instead.
fn before_sort(mut stages: Vec<Stage>) -> Vec<Stage> {
    let cuts = stages
        .iter()
        .skip(2)
        .take_while(|s| matches!(s, Stage::Skip(_) | Stage::Limit(_)))
        .count();
    let (Some(Stage::Set(fields)), Some(Stage::Sort(keys)), Some(Stage::Project(project))) =
        (stages.first(), stages.get(1), stages.get(cuts + 2))
    else {
        return stages;
    };
    if !movable(fields, keys, project) {
        return stages;
    }
    let mut project = stages.remove(cuts + 2);
    let Stage::Set(fields) = stages.remove(0) else {
        return stages;
    };
    if let Stage::Project(project) = &mut project {
        for (path, kept) in project {
            if let Some((_, value)) = fields.iter().find(|(name, _)| name == path) {
                *kept = Projection::Expr(value.clone());
            }
        }
    }
    stages.insert(0, project);
    stages
}

/// The projection is an inclusion that computes nothing, has all sort keys, and looks into no computed value.
fn movable(
    fields: &[(String, Expr)],
    keys: &[(String, SortOrder)],
    project: &[(String, Projection)],
) -> bool {
    let inside = |path: &str, outer: &str| {
        path.strip_prefix(outer)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let plain = project.iter().all(|(path, kept)| match kept {
        Projection::Include => true,
        Projection::Exclude => path == "_id",
        Projection::Expr(_) => false,
    });
    let kept = |path: &str| {
        let named = project
            .iter()
            .find(|(p, _)| inside(path, p))
            .map(|(_, kept)| matches!(kept, Projection::Include));
        // `_id` is kept unless it is named, as a whole or in part.
        let parts = || project.iter().any(|(p, _)| inside(p, "_id"));
        named.unwrap_or_else(|| inside(path, "_id") && !parts())
    };
    let included = project
        .iter()
        .any(|(_, kept)| matches!(kept, Projection::Include));
    let apart = |name: &str| {
        !name.contains('.')
            && project
                .iter()
                .all(|(path, _)| path == name || !inside(path, name))
    };
    plain
        && included
        && keys.iter().all(|(path, _)| kept(path))
        && fields.iter().all(|(name, _)| apart(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn year() -> Expr {
        Expr::one("$year", Expr::field(["published"]))
    }

    fn set() -> Stage {
        Stage::Set(vec![("y".to_owned(), year())])
    }

    fn sort(path: &str) -> Stage {
        Stage::Sort(vec![(path.to_owned(), SortOrder::Asc)])
    }

    fn project(fields: &[(&str, Projection)]) -> Stage {
        Stage::Project(
            fields
                .iter()
                .map(|(path, kept)| ((*path).to_owned(), kept.clone()))
                .collect(),
        )
    }

    /// What is sorted is as small as what comes out.
    #[test]
    fn projections_come_before_sorts() {
        let fields = [("title", Projection::Include), ("y", Projection::Include)];
        let computed = [
            ("title", Projection::Include),
            ("y", Projection::Expr(year())),
        ];
        let stages = vec![set(), sort("y"), Stage::Limit(3), project(&fields)];
        assert_eq!(
            before_sorts(stages),
            [project(&computed), sort("y"), Stage::Limit(3)]
        );
    }

    /// A sort key that is not kept must be there when it is sorted by.
    #[test]
    fn sorts_by_other_fields_stay() {
        let fields = [("title", Projection::Include), ("_id", Projection::Exclude)];
        for key in ["y", "_id", "pages"] {
            let stages = vec![set(), sort(key), project(&fields)];
            assert_eq!(before_sorts(stages.clone()), stages);
        }
        let part = [("_id.id", Projection::Include)];
        for key in ["_id.title", "_id"] {
            let stages = vec![set(), sort(key), project(&part)];
            assert_eq!(before_sorts(stages.clone()), stages);
        }
    }
}
