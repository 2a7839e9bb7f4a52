//! The part of the match language that the filter of a partial index may use: comparisons with values, `$exists: true` and `$type`, joined by
//! `$and` and `$or` (MongoDB manual, "Partial Indexes"; `$or` and `$in` since 6.0).

use bson::{Binary, Bson, DateTime, Document, doc, oid::ObjectId, spec::BinarySubtype};

use crate::schema::{FieldType, StorageFamily};
use crate::storage::DAY_ONE_MILLIS;

/// A condition of such a filter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Clause {
    All(Vec<Clause>),
    Any(Vec<Clause>),
    Test {
        path: String,
        op: &'static str,
        value: Bson,
    },
}

impl Clause {
    pub(super) const TRUE: Clause = Clause::All(Vec::new());
    pub(super) const FALSE: Clause = Clause::Any(Vec::new());

    pub(super) fn test(path: impl Into<String>, op: &'static str, value: impl Into<Bson>) -> Self {
        Clause::Test {
            path: path.into(),
            op,
            value: value.into(),
        }
    }

    /// The value is there and not null: it is not below the least one of its type. A comparison says this better than `$type` does, for the
    /// server knows that a query for a value asks for a part of it.
    pub(super) fn not_null(path: impl Into<String>, ty: Option<&FieldType>) -> Self {
        let family = ty.map_or(StorageFamily::Json, |ty| ty.kind.family());
        match least(family) {
            Some(least) => Clause::test(path, "$gte", least),
            None if family == StorageFamily::Json => Clause::test(path, "$exists", true),
            None => Clause::test(path, "$type", "array"),
        }
    }

    /// As a document.
    pub(super) fn render(&self) -> Document {
        let mut parts = Vec::new();
        self.flatten(&mut parts);
        let mut out = Document::new();
        let mut rest: Vec<Document> = Vec::new();
        for part in parts {
            let clash = match part {
                Clause::Test { path, op, value } => match out.get_mut(path) {
                    None => {
                        out.insert(path.clone(), doc! {*op: value.clone()});
                        None
                    }
                    Some(Bson::Document(tests)) if !tests.contains_key(op) => {
                        tests.insert(*op, value.clone());
                        None
                    }
                    Some(Bson::Document(tests)) if tests.get(op) == Some(value) => None,
                    Some(_) => Some(doc! {path.clone(): {*op: value.clone()}}),
                },
                Clause::Any(_) => {
                    let mut items = Vec::new();
                    part.alternatives(&mut items);
                    if out.contains_key("$or") {
                        Some(doc! {"$or": items})
                    } else {
                        out.insert("$or", items);
                        None
                    }
                }
                Clause::All(_) => None,
            };
            rest.extend(clash.filter(|clash| !rest.contains(clash)));
        }
        for value in out.iter_mut().map(|(_, value)| value) {
            if let Bson::Document(tests) = value
                && let (1, Some(equal)) = (tests.len(), tests.get("$eq"))
                && !matches!(equal, Bson::Document(_))
            {
                *value = equal.clone();
            }
        }
        if !rest.is_empty() {
            out.insert("$and", rest);
        }
        out
    }

    fn alternatives(&self, out: &mut Vec<Bson>) {
        match self {
            Clause::Any(items) => items.iter().for_each(|item| item.alternatives(out)),
            other => out.push(other.render().into()),
        }
    }

    fn flatten<'c>(&'c self, parts: &mut Vec<&'c Clause>) {
        match self {
            Clause::All(items) => items.iter().for_each(|item| item.flatten(parts)),
            Clause::Any(items) if items.len() == 1 => {
                items.iter().for_each(|item| item.flatten(parts));
            }
            other => parts.push(other),
        }
    }
}

/// The least value of a type.
fn least(family: StorageFamily) -> Option<Bson> {
    use StorageFamily as F;
    Some(match family {
        F::Int => Bson::Int32(i32::MIN),
        F::Long | F::Duration => Bson::Int64(i64::MIN),
        F::Double => Bson::Double(f64::NEG_INFINITY),
        F::Decimal => Bson::Decimal128("-Infinity".parse().ok()?),
        F::Text | F::Uuid => Bson::String(String::new()),
        F::Bool => Bson::Boolean(false),
        F::Binary => Bson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: Vec::new(),
        }),
        // What Django can store is not earlier.
        F::Date | F::DateTime | F::Time => Bson::DateTime(DateTime::from_millis(DAY_ONE_MILLIS)),
        F::ObjectId => Bson::ObjectId(ObjectId::from_bytes([0; 12])),
        F::Embedded | F::Geo => Bson::Document(Document::new()),
        F::Json | F::Array | F::EmbeddedArray | F::Key | F::None => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Tests of one path stand together where they can; what cannot goes under `$and`.
    #[test]
    fn clauses_as_documents() {
        let range = Clause::All(vec![
            Clause::test("a", "$gte", 1),
            Clause::test("a", "$lt", 5),
            Clause::test("b", "$eq", "x"),
        ]);
        assert_eq!(range.render(), doc! {"a": {"$gte": 1, "$lt": 5}, "b": "x"});
        let twice = Clause::All(vec![
            Clause::test("a", "$gte", 1),
            Clause::test("a", "$gte", 1),
            Clause::test("a", "$gte", 2),
        ]);
        assert_eq!(
            twice.render(),
            doc! {"a": {"$gte": 1}, "$and": [{"a": {"$gte": 2}}]}
        );
        let either = Clause::Any(vec![Clause::test("a", "$eq", 1), range]);
        let both = Clause::All(vec![either.clone(), Clause::test("c", "$eq", Bson::Null)]);
        assert_eq!(
            both.render(),
            doc! {"$or": [{"a": 1}, {"a": {"$gte": 1, "$lt": 5}, "b": "x"}], "c": null}
        );
        assert_eq!(Clause::TRUE.render(), doc! {});
    }
}
