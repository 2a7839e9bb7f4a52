//! Sort keys, `$sort`, and `$sort` with `$limit` in bounded space.
use std::cmp::Ordering;
use std::sync::Arc;

use bson::Bson;

use super::{Held, Source, Stage};
use crate::memory::error::EngineError;
use crate::memory::expr::Env;
use crate::memory::filter::visit;
use crate::memory::storage::IndexKey;
use crate::memory::value::{
    Collation, DocRef, Document, Part, Path, SCORE, Value, ValueRef, compare, compare_with,
};
use crate::memory::window::SortPart;

/// A sort pattern.
#[derive(Clone, Debug)]
pub struct SortSpec {
    /// The parts, the most significant first.
    pub parts: Vec<SortPart>,
}

impl SortSpec {
    /// Reads a sort document.
    ///
    /// # Errors
    /// 15974 and 15975 for bad directions, 15976 for an empty pattern in `$sort`.
    pub fn compile(spec: &bson::Document) -> Result<Self, EngineError> {
        let mut parts = Vec::with_capacity(spec.len());
        for (key, direction) in spec {
            let value = Value::from_bson(direction);
            if let Bson::Document(meta) = direction {
                match meta.get_str("$meta").unwrap_or_default() {
                    "textScore" | "searchScore" | "vectorSearchScore" => {
                        parts.push(SortPart {
                            path: Path::lenient(SCORE)?,
                            ascending: false,
                        });
                        continue;
                    }
                    "" => {
                        return Err(EngineError::location(
                            15974,
                            "$meta is the only expression supported by $sort right now",
                        ));
                    }
                    other => {
                        return Err(EngineError::location(
                            31138,
                            format!("Illegal $meta sort: {other}"),
                        ));
                    }
                }
            }
            if !value.is_number() {
                return Err(EngineError::location(
                    15974,
                    format!("Illegal key in $sort specification: {key}: {direction}"),
                ));
            }
            let ascending = match value.as_f64() {
                Some(1.0) => true,
                Some(-1.0) => false,
                _ => {
                    return Err(EngineError::location(
                        15975,
                        "$sort key ordering must be 1 (for ascending) or -1 (for descending)",
                    ));
                }
            };
            if key.split('.').any(|p| p.starts_with('$')) {
                return Err(EngineError::location(
                    16410,
                    format!(
                        "FieldPath field names may not start with '$'. Consider using $getField or $setField: {key}"
                    ),
                ));
            }
            if key.is_empty() || key.split('.').any(str::is_empty) {
                return Err(EngineError::location(
                    15998,
                    "FieldPath field names may not be empty strings.",
                ));
            }
            parts.push(SortPart {
                path: Path::lenient(key)?,
                ascending,
            });
        }
        Ok(Self { parts })
    }

    /// The sort key of a document: of an array its least element (greatest when descending), null when missing.
    ///
    /// # Errors
    /// `BadValue` when two parts lead through different arrays.
    pub fn key(
        &self,
        doc: DocRef<'_>,
        collation: Option<&Collation>,
    ) -> Result<IndexKey, EngineError> {
        let [part] = self.parts.as_slice() else {
            let mut array: Option<&[Part]> = None;
            let mut key = Vec::with_capacity(self.parts.len());
            for part in &self.parts {
                if let Some(here) = part.path.first_array(doc) {
                    if array.is_some_and(|a| a != here) {
                        return Err(EngineError::bad_value(
                            "cannot sort with keys that are parallel arrays",
                        ));
                    }
                    array = Some(here);
                }
                key.push(part_key(part, doc, collation));
            }
            return Ok(IndexKey::Many(key.into()));
        };
        Ok(IndexKey::One(part_key(part, doc, collation)))
    }

    /// Compares two keys.
    pub fn compare(&self, a: &IndexKey, b: &IndexKey) -> Ordering {
        for ((x, y), part) in a.values().iter().zip(b.values()).zip(&self.parts) {
            let order = compare(x.view(), y.view());
            if order != Ordering::Equal {
                return if part.ascending {
                    order
                } else {
                    order.reverse()
                };
            }
        }
        Ordering::Equal
    }
}

fn part_key(part: &SortPart, doc: DocRef<'_>, collation: Option<&Collation>) -> Value {
    let folded = |v: ValueRef<'_>| match collation {
        Some(c) => c.fold(&v.to_value().or_null()),
        None => v.to_value().or_null(),
    };
    match part.path.get_ref(doc) {
        Some(ValueRef::Array(_)) | None => {}
        Some(v) => return folded(v),
    }
    let mut best: Option<ValueRef<'_>> = None;
    // With a number in the path, documents of an array are also entered by that name: those misses do not count.
    let indexed = part.path.parts().iter().any(|p| p.index.is_some());
    visit(part.path.parts(), doc, false, &mut |v, _| {
        match v {
            ValueRef::Missing if indexed => {}
            ValueRef::Array(items) if items.is_empty() => {
                offer(&mut best, ValueRef::Undefined, part, collation)
            }
            ValueRef::Array(items) => items
                .iter()
                .for_each(|v| offer(&mut best, v, part, collation)),
            other => offer(&mut best, other, part, collation),
        }
        false
    });
    best.map_or(Value::Null, folded)
}

/// Keeps the value that sorts first.
fn offer<'a>(
    best: &mut Option<ValueRef<'a>>,
    v: ValueRef<'a>,
    part: &SortPart,
    collation: Option<&Collation>,
) {
    let wanted = if part.ascending {
        Ordering::Less
    } else {
        Ordering::Greater
    };
    if best.is_none_or(|b| compare_with(null(v), null(b), collation) == wanted) {
        *best = Some(v);
    }
}

fn null(v: ValueRef<'_>) -> ValueRef<'_> {
    if v.is_missing() { ValueRef::Null } else { v }
}

/// `$sort`, with the limit of a following `$limit` (and `$skip`).
pub struct Sort {
    input: Option<Source>,
    spec: Arc<SortSpec>,
    limit: Option<usize>,
    sorted: std::vec::IntoIter<(IndexKey, Document)>,
}

impl Sort {
    /// Sorts the input; keeps only the first `limit` documents.
    pub fn new(input: Source, spec: Arc<SortSpec>, limit: Option<usize>) -> Self {
        Self {
            input: Some(input),
            spec,
            limit,
            sorted: Vec::new().into_iter(),
        }
    }
}

impl SortSpec {
    /// Whether a document certainly comes behind a key, or has the same: seen without making its own key.
    fn is_behind(&self, doc: DocRef<'_>, key: &IndexKey) -> bool {
        // With more parts, one that is not looked at here may be an error.
        if self.parts.len() > 2 {
            return false;
        }
        for (part, bound) in self.parts.iter().zip(key.values()) {
            let v = match part.path.get_ref(doc) {
                Some(ValueRef::Array(_)) | None => return false,
                Some(v) => null(v),
            };
            let order = compare(v, bound.view());
            if order != Ordering::Equal {
                return order.is_gt() == part.ascending;
            }
        }
        true
    }
}

impl Stage for Sort {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if let Some(mut input) = self.input.take() {
            let mut rows: Vec<(IndexKey, Document)> = Vec::new();
            let spec = &self.spec;
            let order =
                |a: &(IndexKey, Document), b: &(IndexKey, Document)| spec.compare(&a.0, &b.0);
            let limit = self.limit.unwrap_or(usize::MAX);
            // Keep up to twice the limit, then cut back: linear in the input, bounded in space.
            let room = limit.saturating_mul(2).max(limit.saturating_add(64));
            let mut held = Held::new("Sort");
            // The last key that is within the limit so far; what is not before it need not be kept.
            let mut last: Option<IndexKey> = None;
            input.each(env, &mut |doc, env| {
                if last.as_ref().is_some_and(|last| spec.is_behind(doc, last)) {
                    return Ok(());
                }
                let key = spec.key(doc, env.collation())?;
                let doc = doc.to_document();
                held.add(doc.held_bytes(), env)?;
                rows.push((key, doc));
                if rows.len() >= room {
                    rows.sort_by(order);
                    rows.truncate(limit);
                    held.set(rows.iter().map(|(_, d)| d.held_bytes()).sum(), env)?;
                    if env.collation().is_none() {
                        last = rows.last().map(|(key, _)| key.clone());
                    }
                }
                Ok(())
            })?;
            rows.sort_by(order);
            rows.truncate(limit);
            self.sorted = rows.into_iter();
        }
        Ok(self.sorted.next().map(|(_, doc)| doc))
    }
}
