//! `$vectorSearch`, and the conditions that it may filter by (MongoDB Vector Search manual, "Run Vector Search Queries").

use bson::{Bson, Document};

use super::Draft;
use super::value::{literal, missing, raw, simple, unexpected, whole};
use crate::bind::filter::FilterContext;
use crate::bind::query::QueryId;
use crate::bind::{Binder, Resolve};
use crate::error::{Code, Error, Result};
use crate::functions::search::{Parameter, Takes, VECTOR};
use crate::plan::{CompareOp, Origin, Predicate, Scalar};
use crate::queryset::{Expr, Func, Q, Value};

/// Candidates for each row that is wanted, where nobody says how many: what the manual recommends.
const CANDIDATES: i32 = 20;
/// As many candidates as the server looks at.
const MOST: i32 = 10_000;

const OPTIONS: &[Parameter] = &[
    Parameter {
        option: "limit",
        name: "limit",
        takes: Takes::Int(1),
    },
    Parameter {
        option: "num_candidates",
        name: "numCandidates",
        takes: Takes::Int(1),
    },
    Parameter {
        option: "exact",
        name: "exact",
        takes: Takes::Flag,
    },
    Parameter {
        option: "filter",
        name: "filter",
        takes: Takes::Object,
    },
    Parameter {
        option: "index",
        name: "index",
        takes: Takes::Text,
    },
];

/// `SearchVector` of the MongoDB backend, with a list of numbers; PostgreSQL's takes fields.
pub(super) fn is_vector(func: &Func) -> bool {
    func.name == VECTOR
        && (func.options.contains_key("limit")
            || matches!(
                func.args.get(1),
                Some(Expr::Value(Value::List(_) | Value::Binary { .. }) | Expr::List(_))
            ))
}

impl Binder<'_> {
    /// `SearchVector(path, query_vector, limit=..., num_candidates=..., exact=..., filter=..., index=...)`.
    pub(super) fn vector_search(
        &mut self,
        q: QueryId,
        func: &Func,
        cx: &mut Resolve,
    ) -> Result<Document> {
        let (path, vector, condition) = match func.args.as_slice() {
            [path, vector] => (path, vector, None),
            [path, vector, condition] => (path, vector, Some(condition)),
            _ => {
                return Err(missing(
                    VECTOR,
                    "a path and a vector, and perhaps a condition",
                ));
            }
        };
        let mut draft = Draft::default();
        let (path, _) = self
            .search_paths(q, path, &mut draft, cx)
            .map_err(|e| e.inside(0).inside("args"))?;
        if !matches!(path, Bson::String(_)) {
            return Err(missing(VECTOR, "one path"));
        }
        let vector =
            numbers(literal(VECTOR, vector)?.as_ref()).map_err(|e| e.inside(1).inside("args"))?;
        let mut said = Document::new();
        for (name, value) in &func.options {
            if *value == Value::Null {
                continue;
            }
            let Some(option) = OPTIONS.iter().find(|o| o.option == name) else {
                return Err(unexpected(VECTOR, name).with_choices(OPTIONS.iter().map(|o| o.option)));
            };
            let value = match option.takes {
                Takes::Int(least) => whole(VECTOR, name, least, value)?.into(),
                _ => simple(VECTOR, option, value)?,
            };
            said.insert(option.name, value);
        }
        let Some(Bson::Int32(limit)) = said.get("limit").cloned() else {
            return Err(missing(VECTOR, "limit: how many rows it finds"));
        };
        let exact = said.get("exact") == Some(&Bson::Boolean(true));
        match (exact, said.get("numCandidates")) {
            (true, Some(_)) => {
                return Err(Error::new(
                    Code::ValueError,
                    "an exact vector search has no candidates: give exact or num_candidates",
                ));
            }
            (false, Some(Bson::Int32(n))) if *n < limit || *n > MOST => {
                return Err(Error::new(
                    Code::ValueError,
                    format!("num_candidates is at least the limit and at most {MOST}"),
                ));
            }
            (false, None) => {
                if limit > MOST {
                    return Err(Error::new(
                        Code::ValueError,
                        format!("a vector search that is not exact finds {MOST} rows at most"),
                    ));
                }
                let candidates = limit.saturating_mul(CANDIDATES).min(MOST);
                said.insert("numCandidates", candidates);
            }
            _ => {}
        }
        if let Some(condition) = condition {
            if said.contains_key("filter") {
                return Err(Error::new(
                    Code::TypeError,
                    "a vector search has one filter",
                ));
            }
            let filter = self
                .vector_filter(q, condition, &mut draft)
                .map_err(|e| e.inside(2).inside("args"))?;
            if let Some(filter) = filter {
                said.insert("filter", filter);
            }
        }
        let index = match said.remove("index") {
            Some(index) => index,
            None => self.search_index(q, &draft.paths, true)?.into(),
        };
        let mut spec = bson::doc! {"index": index, "path": path, "queryVector": vector};
        for name in ["exact", "numCandidates", "limit", "filter"] {
            if let Some(value) = said.remove(name) {
                spec.insert(name, value);
            }
        }
        Ok(spec)
    }

    /// A condition in the part of the match language that `$vectorSearch` takes; `None` for no condition.
    fn vector_filter(
        &mut self,
        q: QueryId,
        condition: &Expr,
        draft: &mut Draft,
    ) -> Result<Option<Document>> {
        let condition = match condition {
            Expr::Q(condition) => (**condition).clone(),
            other => Q::Expr(other.clone()),
        };
        let context = FilterContext {
            allow_joins: false,
            split: false,
            ..FilterContext::default()
        };
        let (predicate, _) = self.build_q(q, &condition, context, &mut None)?;
        match self.vector_test(&predicate, true, draft)? {
            Known::Test(filter) => Ok(Some(filter)),
            Known::Always(true) => Ok(None),
            Known::Always(false) => Err(Error::new(
                Code::EmptyResultSet,
                "the filter of the vector search holds for no row",
            )
            .with_hint("write none()")),
        }
    }

    /// A condition, or what holds where it is false. Rows for which it is unknown are in neither.
    fn vector_test(&self, predicate: &Predicate, wanted: bool, draft: &mut Draft) -> Result<Known> {
        Ok(match predicate {
            Predicate::Const(value) => Known::Always(*value == Some(wanted)),
            Predicate::Not(inner) => self.vector_test(inner, !wanted, draft)?,
            Predicate::And(parts) | Predicate::Or(parts) => {
                let all = matches!(predicate, Predicate::And(_)) == wanted;
                let mut tests = Vec::with_capacity(parts.len());
                for part in parts {
                    match self.vector_test(part, wanted, draft)? {
                        Known::Always(value) if value == all => {}
                        Known::Always(value) => return Ok(Known::Always(value)),
                        Known::Test(test) => tests.push(test),
                    }
                }
                match tests.len() {
                    0 => Known::Always(all),
                    1 => Known::Test(tests.pop().unwrap_or_default()),
                    _ => {
                        let mut out = Document::new();
                        out.insert(if all { "$and" } else { "$or" }, tests);
                        Known::Test(out)
                    }
                }
            }
            Predicate::Compare { op, lhs, rhs } => {
                let (op, column, value) = match (lhs, rhs) {
                    (column @ Scalar::Column(_), Scalar::Literal(value)) => (*op, column, value),
                    (Scalar::Literal(value), column @ Scalar::Column(_)) => {
                        (mirrored(*op), column, value)
                    }
                    _ => return Err(no_filter("a comparison with anything but a literal")),
                };
                if value.value == Bson::Null {
                    return Ok(Known::Always(false));
                }
                let path = self.vector_path(column, wanted && op != CompareOp::Ne, draft)?;
                let op = if wanted { op } else { opposite(op) };
                test(path, operator(op), indexed(&value.value)?)
            }
            Predicate::In { lhs, list } => {
                let path = self.vector_path(lhs, wanted, draft)?;
                let mut values = Vec::with_capacity(list.len());
                for item in list {
                    match item {
                        Scalar::Literal(item) if item.value == Bson::Null && wanted => {}
                        Scalar::Literal(item) if item.value == Bson::Null => {
                            return Ok(Known::Always(false));
                        }
                        Scalar::Literal(item) => values.push(indexed(&item.value)?),
                        _ => return Err(no_filter("a list with anything but literals")),
                    }
                }
                if values.is_empty() {
                    return Ok(Known::Always(!wanted));
                }
                test(path, if wanted { "$in" } else { "$nin" }, values.into())
            }
            Predicate::Bool(column @ Scalar::Column(_)) => {
                let path = self.vector_path(column, true, draft)?;
                test(path, "$eq", wanted.into())
            }
            Predicate::IsNull(column) => {
                self.vector_path(column, false, draft)?;
                Known::Always(!wanted)
            }
            _ => return Err(no_filter("this condition")),
        })
    }

    /// The stored path of a column. Unless `nullable`, it must have a value in every document: the index does not tell NULL
    /// from other values that do not fit.
    fn vector_path(&self, scalar: &Scalar, nullable: bool, draft: &mut Draft) -> Result<String> {
        let Scalar::Column(id) = scalar else {
            return Err(no_filter("a computed value"));
        };
        let column = self.columns.get(*id)?;
        let Origin::Stored { path, .. } = &column.origin else {
            return Err(no_filter("an annotation"));
        };
        if column.nullable && !nullable {
            return Err(Error::unsupported(
                format!(
                    "a negation of '{}', which can be NULL, in the filter of a vector search",
                    column.name
                ),
                "its index does not tell whether a document has a value",
            )
            .with_hint("name the values that are wanted, or filter() the rows that were found"));
        }
        let path = path.dotted();
        draft.paths.push(path.clone());
        Ok(path)
    }
}

/// A condition, perhaps one that needs no test.
enum Known {
    Always(bool),
    Test(Document),
}

fn test(path: String, operator: &str, value: Bson) -> Known {
    let mut ops = Document::new();
    ops.insert(operator, value);
    let mut out = Document::new();
    out.insert(path, ops);
    Known::Test(out)
}

fn operator(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "$eq",
        CompareOp::Ne => "$ne",
        CompareOp::Lt => "$lt",
        CompareOp::Lte => "$lte",
        CompareOp::Gt => "$gt",
        CompareOp::Gte => "$gte",
    }
}

fn opposite(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq => CompareOp::Ne,
        CompareOp::Ne => CompareOp::Eq,
        CompareOp::Lt => CompareOp::Gte,
        CompareOp::Lte => CompareOp::Gt,
        CompareOp::Gt => CompareOp::Lte,
        CompareOp::Gte => CompareOp::Lt,
    }
}

/// The same comparison from the other side.
fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Lte => CompareOp::Gte,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Gte => CompareOp::Lte,
        op => op,
    }
}

/// A value of a type that an index of vectors may filter by.
fn indexed(value: &Bson) -> Result<Bson> {
    match value {
        Bson::Boolean(_)
        | Bson::DateTime(_)
        | Bson::Int32(_)
        | Bson::Int64(_)
        | Bson::Double(_)
        | Bson::String(_)
        | Bson::ObjectId(_) => Ok(value.clone()),
        Bson::Binary(binary) if binary.subtype == bson::spec::BinarySubtype::Uuid => {
            Ok(value.clone())
        }
        _ => Err(no_filter(
            "a value that is no text, number, date, boolean, ObjectId or UUID",
        )),
    }
}

fn no_filter(what: &str) -> Error {
    Error::unsupported(
        format!("{what} in the filter of a vector search"),
        "it tests stored fields with =, <, >, in, AND, OR and NOT",
    )
    .with_hint("filter() the rows that were found")
}

/// The numbers of a vector.
fn numbers(value: &Value) -> Result<Bson> {
    let wrong = || {
        Error::new(
            Code::TypeError,
            "the vector of SearchVector() is a list of numbers",
        )
    };
    match value {
        // A vector that is packed.
        Value::Binary { .. } => raw(value),
        Value::List(items) if !items.is_empty() => {
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                out.push(Bson::Double(match item {
                    Value::Float(x) if x.is_finite() => *x,
                    Value::Int(n) => i32::try_from(*n).map(f64::from).map_err(|_| wrong())?,
                    _ => return Err(wrong()),
                }));
            }
            Ok(Bson::Array(out))
        }
        _ => Err(wrong()),
    }
}
