//! Which fields of its documents a stage reads: what the stages before it need not make.
use bson::Bson;

use crate::memory::error::EngineError;
use crate::memory::filter::Node;
use crate::memory::value::{Part, Path};

/// Arguments and operators that read a document without a `$` before the name.
const READERS: [&str; 6] = [
    "sortBy",
    "$getField",
    "$setField",
    "$unsetField",
    "$meta",
    "$function",
];

/// The root's fields that the expressions in a specification read, or `None` for any of them. Texts that only look like
/// paths count as well: too many fields do no harm.
///
/// # Errors
/// None that compiling the expressions does not give.
pub fn of_expression(spec: &Bson) -> Result<Option<Vec<Part>>, EngineError> {
    let mut names = Vec::new();
    if !collect(spec, &mut names, 0) {
        return Ok(None);
    }
    names.sort_unstable();
    names.dedup();
    let mut parts = Vec::with_capacity(names.len());
    for name in names {
        parts.extend(Path::lenient(name)?.parts().first().cloned());
    }
    Ok(Some(parts))
}

fn collect<'s>(spec: &'s Bson, names: &mut Vec<&'s str>, depth: usize) -> bool {
    match spec {
        _ if depth > 200 => false,
        Bson::String(s) => {
            let Some(path) = s.strip_prefix('$') else {
                return true;
            };
            let first = path.split('.').next().unwrap_or_default();
            if let Some(variable) = first.strip_prefix('$') {
                return !matches!(variable, "ROOT" | "CURRENT");
            }
            names.push(first);
            true
        }
        Bson::Array(items) => items.iter().all(|v| collect(v, names, depth + 1)),
        Bson::Document(d) => d
            .iter()
            .all(|(k, v)| !READERS.contains(&k.as_str()) && collect(v, names, depth + 1)),
        _ => true,
    }
}

/// The root's fields that a filter reads; `false` when it may be any of them.
pub fn of_filter(node: &Node, parts: &mut Vec<Part>) -> bool {
    match node {
        Node::Constant(_) => true,
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().all(|n| of_filter(n, parts)),
        Node::Not(node) => of_filter(node, parts),
        Node::Leaf(Some(path), _) => {
            let first = path.parts().first().filter(|p| !parts.contains(p));
            parts.extend(first.cloned());
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::bson;

    fn names(spec: Bson) -> Option<Vec<String>> {
        let parts = of_expression(&spec).unwrap()?;
        Some(parts.iter().map(|p| p.name.as_str().to_owned()).collect())
    }

    /// Paths count by their first part, wherever they stand; variables that hold the whole document mean all fields.
    #[test]
    fn paths_are_found_and_whole_documents_noticed() {
        let found = names(
            bson!({"_id": "$a.b", "n": {"$sum": {"$cond": [{"$gt": ["$c", 1]}, "$a", "$$NOW"]}}}),
        );
        assert_eq!(found, Some(vec!["a".into(), "c".into()]));
        assert_eq!(
            names(bson!({"_id": null, "all": {"$push": "$$ROOT"}})),
            None
        );
        assert_eq!(
            names(bson!({"_id": null, "x": {"$first": "$$CURRENT.a"}})),
            None
        );
        assert_eq!(
            names(bson!({"_id": null, "x": {"$top": {"sortBy": {"a": 1}, "output": "$b"}}})),
            None
        );
        assert_eq!(names(bson!({"_id": {"$getField": "a"}})), None);
    }
}
