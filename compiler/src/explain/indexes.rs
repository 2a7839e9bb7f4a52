//! Declared indexes, and which of them serves a read.

use std::fmt;

use crate::definitions::paths;
use crate::schema::{FieldType, Schema, StorageFamily};
use crate::storage::stored_type;

/// An index: paths in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Paths with their direction: true is descending.
    pub keys: Vec<(String, bool)>,
    /// No two documents have the same values.
    pub unique: bool,
    /// Paths at which it holds no document that is null there: nullable columns of a unique index.
    pub not_null: Vec<String>,
}

/// `{ author_id: 1, published: -1 }`.
impl fmt::Display for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&keys_text(&self.keys))
    }
}

pub(super) fn keys_text(keys: &[(String, bool)]) -> String {
    let parts: Vec<String> = keys
        .iter()
        .map(|(key, desc)| {
            let key = if key.contains('.') {
                format!("{key:?}")
            } else {
                key.clone()
            };
            format!("{key}: {}", if *desc { -1 } else { 1 })
        })
        .collect();
    format!("{{ {} }}", parts.join(", "))
}

/// The indexes of a collection: that of `_id`, and those which its models declare.
pub(super) fn declared(schema: &Schema, collection: &str) -> Vec<Index> {
    let mut out = vec![Index {
        name: Some("_id_".to_owned()),
        keys: vec![("_id".to_owned(), false)],
        unique: true,
        not_null: Vec::new(),
    }];
    for model in schema.models() {
        if model.collection != collection || model.concrete != model.id || model.embedded {
            continue;
        }
        for spec in model.indexes.iter().filter(|spec| spec.is_general()) {
            let Some((paths, not_null)) = paths(schema, model, spec) else {
                continue;
            };
            let keys = paths.into_iter().zip(&spec.keys);
            let keys: Vec<(String, bool)> = keys.map(|(path, key)| (path, key.desc)).collect();
            let index = Index {
                name: spec.name.clone(),
                keys,
                unique: spec.unique,
                not_null,
            };
            if !index.keys.is_empty() && !out.iter().any(|i| i.keys == index.keys) {
                out.push(index);
            }
        }
    }
    out
}

/// Whether an index holds texts, or what texts can be in: then it serves commands of its own collation only.
pub(super) fn holds_texts(schema: &Schema, collection: &str, index: &Index) -> bool {
    index.keys.iter().any(|(path, _)| {
        let root = path.split('.').next().unwrap_or(path);
        let mut models = schema
            .models()
            .iter()
            .filter(|m| m.collection == collection);
        models.any(|m| {
            m.fields
                .iter()
                .any(|f| f.column == root && is_text(stored_family(schema, &f.ty)))
        })
    })
}

/// The family of what is stored: of a foreign key that of the key that it refers to.
fn stored_family(schema: &Schema, ty: &FieldType) -> StorageFamily {
    stored_type(schema, ty).unwrap_or(ty).kind.family()
}

fn is_text(family: StorageFamily) -> bool {
    matches!(
        family,
        StorageFamily::Text
            | StorageFamily::Json
            | StorageFamily::Array
            | StorageFamily::Embedded
            | StorageFamily::EmbeddedArray
            | StorageFamily::Key
    )
}

/// Whether a stored path of a collection is of a family.
pub(super) fn is_of(
    schema: &Schema,
    collection: &str,
    column: &str,
    wanted: &[StorageFamily],
) -> bool {
    schema
        .models()
        .iter()
        .filter(|m| m.collection == collection && !m.embedded)
        .any(|m| {
            m.fields
                .iter()
                .any(|f| f.column == column && wanted.contains(&stored_family(schema, &f.ty)))
        })
}

/// What is asked of a collection: equalities, an order, ranges.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Paths that are compared for equality, with lists too.
    pub equality: Vec<String>,
    /// The order, with descending keys.
    pub sort: Vec<(String, bool)>,
    /// Paths of ranges and prefixes.
    pub range: Vec<String>,
    /// Those of them that may be null.
    pub(super) nulls: Vec<String>,
    /// What was asked of one element of an array each.
    pub(super) elements: Vec<Asked>,
}

impl Asked {
    /// Nothing: all documents are read in any order.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.equality.is_empty() && self.sort.is_empty() && self.range.is_empty()
    }

    /// Leaves what another asks, too; what either has as a range is one.
    pub(super) fn keep(&mut self, other: &Asked) {
        let mut range = std::mem::take(&mut self.range);
        self.equality.retain(|path| {
            let equal = other.equality.contains(path);
            if !equal {
                range.push(path.clone());
            }
            equal
        });
        range.retain(|path| other.equality.contains(path) || other.range.contains(path));
        self.range = range;
        self.nulls.extend(other.nulls.iter().cloned());
    }

    /// Leaves one condition on arrays: an index has elements of one array only, and each by itself, so that several
    /// conditions narrow it only if they are about the same element.
    pub(super) fn narrow(&mut self, is_array: impl Fn(&str) -> bool) {
        let root = |path: &str| path.split('.').next().is_some_and(&is_array);
        let paths = || self.equality.iter().chain(&self.range);
        if paths().filter(|path| root(path)).count() < 2 {
            return;
        }
        let kept: Vec<String> = match self.elements.first() {
            Some(one) => one.equality.iter().chain(&one.range).cloned().collect(),
            None => paths()
                .find(|path| root(path))
                .cloned()
                .into_iter()
                .collect(),
        };
        let stays = |path: &String| !root(path) || kept.contains(path);
        self.equality.retain(stays);
        self.range.retain(stays);
    }

    /// The order without keys that have one value.
    pub(super) fn open_sort(&self) -> Vec<(String, bool)> {
        self.sort
            .iter()
            .filter(|(key, _)| !self.equality.contains(key))
            .cloned()
            .collect()
    }

    /// The index that would serve all of it: equality, sort, range.
    #[must_use]
    pub fn advice(&self) -> Vec<(String, bool)> {
        let mut keys: Vec<(String, bool)> =
            self.equality.iter().map(|k| (k.clone(), false)).collect();
        for (key, desc) in self.open_sort() {
            if !keys.iter().any(|(k, _)| *k == key) {
                keys.push((key, desc));
            }
        }
        for key in &self.range {
            if !keys.iter().any(|(k, _)| k == key) {
                keys.push((key.clone(), false));
            }
        }
        keys
    }
}

/// How much of a read an index serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// The index.
    pub index: Index,
    /// Equalities that it answers.
    pub equality: Vec<String>,
    /// It gives the order, so that nothing is sorted.
    pub sort: bool,
    /// The range that it answers.
    pub range: Option<String>,
    /// It finds at most one document.
    pub one: bool,
}

impl Service {
    /// Nothing is left for another index.
    #[must_use]
    pub fn is_complete(&self, asked: &Asked) -> bool {
        self.one
            || (self.equality.len() == asked.equality.len()
                && (self.sort || asked.open_sort().is_empty())
                && (self.range.is_some() || asked.range.is_empty()))
    }

    fn is_of_use(&self) -> bool {
        !self.equality.is_empty() || self.sort || self.range.is_some()
    }

    fn rank(&self) -> (bool, usize, bool, bool) {
        (
            self.one,
            self.equality.len(),
            self.sort,
            self.range.is_some(),
        )
    }
}

fn service(index: &Index, asked: &Asked) -> Service {
    let mut rest = index.keys.as_slice();
    let is_there = |path: &String| {
        let compared = asked.equality.contains(path) || asked.range.contains(path);
        compared && !asked.nulls.contains(path)
    };
    if !index.not_null.iter().all(is_there) {
        return Service {
            index: index.clone(),
            equality: Vec::new(),
            sort: false,
            range: None,
            one: false,
        };
    }
    let mut equality = Vec::new();
    while let Some(((key, _), tail)) = rest.split_first() {
        if !asked.equality.contains(key) {
            break;
        }
        equality.push(key.clone());
        rest = tail;
    }
    let one = index.unique && rest.is_empty();
    let sort = asked.open_sort();
    let mut ordered = false;
    if !sort.is_empty() {
        let pairs = || rest.iter().zip(&sort);
        ordered = rest.len() >= sort.len()
            && pairs().all(|((a, _), (b, _))| a == b)
            && (pairs().all(|((_, a), (_, b))| a == b) || pairs().all(|((_, a), (_, b))| a != b));
        // After a unique key there is nothing to order.
        let first = index.keys.len() == 1
            && index.unique
            && pairs().next().is_some_and(|((a, _), (b, _))| a == b);
        if first {
            ordered = true;
        }
    }
    let range = rest
        .iter()
        .map(|(key, _)| key)
        .take(if ordered { rest.len() } else { 1 })
        .find(|key| asked.range.contains(key))
        .cloned();
    Service {
        index: index.clone(),
        equality,
        sort: ordered || one,
        range,
        one,
    }
}

/// The index that serves a read best, if one is of use.
pub(super) fn best(indexes: &[Index], asked: &Asked) -> Option<Service> {
    indexes
        .iter()
        .map(|index| service(index, asked))
        .filter(Service::is_of_use)
        .max_by(|a, b| {
            a.rank()
                .cmp(&b.rank())
                // Of two that serve the same, the shorter one, and the first.
                .then(b.index.keys.len().cmp(&a.index.keys.len()))
                .then(std::cmp::Ordering::Greater)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(keys: &[(&str, bool)], unique: bool) -> Index {
        Index {
            name: None,
            keys: keys.iter().map(|(k, d)| ((*k).to_owned(), *d)).collect(),
            unique,
            not_null: Vec::new(),
        }
    }

    fn asked(equality: &[&str], sort: &[(&str, bool)], range: &[&str]) -> Asked {
        let own = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect();
        Asked {
            nulls: Vec::new(),
            equality: own(equality),
            sort: sort.iter().map(|(k, d)| ((*k).to_owned(), *d)).collect(),
            range: own(range),
            elements: Vec::new(),
        }
    }

    /// Equalities in any order, then the order, then the range.
    #[test]
    fn equality_sort_range() {
        let asked = asked(&["b", "a"], &[("c", true)], &["d"]);
        assert_eq!(keys_text(&asked.advice()), "{ b: 1, a: 1, c: -1, d: 1 }");
        let full = index(
            &[("a", false), ("b", false), ("c", false), ("d", false)],
            false,
        );
        let served = best(&[index(&[("a", false)], false), full.clone()], &asked).unwrap();
        assert_eq!(served.index, full);
        assert!(served.is_complete(&asked));
    }

    /// An index that is read backwards gives the opposite order, a mixed one does not.
    #[test]
    fn directions() {
        let both = asked(&[], &[("a", true), ("b", true)], &[]);
        assert!(
            best(&[index(&[("a", false), ("b", false)], false)], &both)
                .unwrap()
                .sort
        );
        let mixed = asked(&[], &[("a", false), ("b", true)], &[]);
        assert!(best(&[index(&[("a", false), ("b", false)], false)], &mixed).is_none());
    }

    /// A unique key that is given needs nothing else.
    #[test]
    fn unique_keys_are_complete() {
        let asked = asked(&["_id", "x"], &[("y", false)], &[]);
        let served = best(&[index(&[("_id", false)], true)], &asked).unwrap();
        assert!(served.one && served.is_complete(&asked));
    }

    /// A unique index of a nullable column holds no NULL: it serves neither an order of all rows nor a search for NULL.
    #[test]
    fn nulls_are_not_in_unique_indexes() {
        let mut unique = index(&[("a", false), ("b", false)], true);
        unique.not_null = vec!["b".to_owned()];
        let indexes = [unique];
        assert!(best(&indexes, &asked(&["a"], &[], &[])).is_none());
        assert!(best(&indexes, &asked(&[], &[("a", false)], &[])).is_none());
        let mut both = asked(&["a", "b"], &[], &[]);
        assert!(best(&indexes, &both).unwrap().one);
        assert!(best(&indexes, &asked(&["a"], &[], &["b"])).is_some());
        both.nulls = vec!["b".to_owned()];
        assert!(best(&indexes, &both).is_none());
    }

    /// A key of the order that has one value is no matter.
    #[test]
    fn fixed_keys_are_in_order() {
        let asked = asked(&["a"], &[("a", false), ("b", false)], &[]);
        let served = best(&[index(&[("a", false), ("b", false)], false)], &asked).unwrap();
        assert!(served.is_complete(&asked));
        assert_eq!(keys_text(&asked.advice()), "{ a: 1, b: 1 }");
    }
}
