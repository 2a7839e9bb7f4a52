//! The projection of `find`: that of `$project`, with `$slice`, `$elemMatch` and the positional `$`.
use bson::{Bson, Document as Bdoc};

use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::{Filter, Pred};
use crate::memory::stage::Projection;
use crate::memory::value::{Array, DocBuilder, Document, Part, Path, Value, num};

/// A compiled projection of `find`.
#[derive(Clone, Debug)]
pub struct FindProjection {
    base: Option<Projection>,
    changes: Vec<(Path, Change)>,
    filter: Option<Filter>,
}

#[derive(Clone, Debug)]
enum Change {
    /// Skip (from the end when negative, none when there is only a limit) and limit.
    Slice(Option<i64>, i64),
    /// The first element that matches, or no field.
    ElemMatch(Filter),
    /// The element that the query matched.
    Matched,
}

fn fail<T>(code: i32, message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::location(code, message))
}

fn slice(v: &Bson) -> Result<Option<Change>, EngineError> {
    let number = |b: &Bson| Value::from_bson(b).as_i64();
    Ok(match v {
        Bson::Array(items) => match items.as_slice() {
            [skip, limit] => match (number(skip), number(limit)) {
                (Some(skip), Some(limit)) if limit > 0 => Some(Change::Slice(Some(skip), limit)),
                (Some(_), Some(_)) => {
                    return fail(
                        28724,
                        "First argument to $slice must be an array, but is of type: int",
                    );
                }
                _ => None,
            },
            _ => None,
        },
        other => match number(other) {
            Some(n) => Some(Change::Slice(None, n)),
            None => {
                return fail(
                    28667,
                    "Invalid $slice syntax. The given syntax did not match the find() syntax",
                );
            }
        },
    })
}

impl FindProjection {
    /// Reads a projection. The query's filter is what a positional `$` refers to.
    ///
    /// # Errors
    /// As `$project`; 31246, 31255, 31275, 31276 for the operators of `find`.
    pub fn compile(spec: &Bdoc, filter: &Filter, scope: &Scope) -> Result<Self, EngineError> {
        let mut base = Bdoc::new();
        let mut changes: Vec<(Path, Change)> = Vec::new();
        let (mut slices, mut positional) = (Vec::new(), false);
        for (key, v) in spec {
            if let Some(path) = key.strip_suffix(".$") {
                if positional {
                    return fail(
                        31276,
                        "Cannot specify more than one positional projection per query.",
                    );
                }
                positional = true;
                changes.push((Path::parse(path)?, Change::Matched));
                base.insert(path, 1_i32);
                continue;
            }
            if let Bson::Document(d) = v
                && let (Some((op, arg)), 1) = (d.iter().next(), d.len())
            {
                if op == "$elemMatch" {
                    let Bson::Document(inner) = arg else {
                        return fail(
                            31274,
                            format!(
                                "elemMatch: Invalid argument, object required, but got {}",
                                Value::from_bson(arg).type_name()
                            ),
                        );
                    };
                    if key.contains('.') {
                        return fail(31275, "Cannot use $elemMatch projection on a nested field");
                    }
                    let wrapped = bson::doc! {key: {"$elemMatch": inner.clone()}};
                    changes.push((
                        Path::parse(key)?,
                        Change::ElemMatch(Filter::compile(&wrapped, scope)?),
                    ));
                    base.insert(key.clone(), 1_i32);
                    continue;
                }
                if op == "$slice"
                    && let Some(change) = slice(arg)?
                {
                    changes.push((Path::parse(key)?, change));
                    slices.push(key.clone());
                    continue;
                }
            }
            base.insert(key.clone(), v.clone());
        }
        let includes = |(k, v): (&String, &Bson)| {
            k != "_id"
                && (Value::from_bson(v).truthy()
                    || matches!(v, Bson::String(_) | Bson::Document(_)))
        };
        if base.iter().any(includes) {
            for key in slices {
                base.insert(key, 1_i32);
            }
        } else if positional
            && base
                .iter()
                .any(|(k, v)| k != "_id" && !Value::from_bson(v).truthy())
        {
            return fail(31395, "positional projection cannot be used with exclusion");
        }
        let only_id = base.len() == 1
            && base
                .get("_id")
                .is_some_and(|v| Value::from_bson(v).truthy())
            && !changes.is_empty();
        let base = if base.is_empty() || only_id {
            None
        } else {
            Some(Projection::compile(&base, scope)?)
        };
        Ok(Self {
            base,
            changes,
            filter: positional.then(|| filter.clone()),
        })
    }

    /// Projects a document.
    ///
    /// # Errors
    /// What evaluation gives; 51246 when there is no element for a positional `$`.
    pub fn apply(&self, doc: &Document, env: &mut Env<'_>) -> Result<Document, EngineError> {
        let mut out = match &self.base {
            Some(base) => base.apply(doc, env)?,
            None => doc.clone(),
        };
        for (path, change) in &self.changes {
            out = match change {
                Change::Slice(skip, limit) => edit(out, path.parts(), &|v| cut(v, *skip, *limit)),
                Change::ElemMatch(filter) => {
                    let found = match first_match(filter, doc, path) {
                        Some(v) => Value::array(vec![v]),
                        None => Value::Missing,
                    };
                    out.with_path(path.parts(), found)
                }
                Change::Matched => {
                    let at = self
                        .filter
                        .as_ref()
                        .and_then(|f| f.position(doc, env.collation()));
                    let Some(at) = at else {
                        return fail(
                            51246,
                            "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array",
                        );
                    };
                    edit(out, path.parts(), &|v| match v {
                        Value::Array(items) => Value::Array(
                            [items.get(at)]
                                .into_iter()
                                .filter(|v| !v.is_missing())
                                .collect::<Array>(),
                        ),
                        other => other,
                    })
                }
            };
        }
        Ok(out)
    }
}

fn first_match(filter: &Filter, doc: &Document, path: &Path) -> Option<Value> {
    let crate::memory::filter::Node::Leaf(_, pred) = filter.node() else {
        return None;
    };
    let Value::Array(items) = doc.get(path.first()) else {
        return None;
    };
    let single = |v: &Value| {
        let one = Value::array(vec![v.clone()]);
        matches!(pred, Pred::ElemMatch(_) | Pred::ElemMatchValue(_))
            && pred.matches_single(one.view(), None)
    };
    items.into_vec().into_iter().find(single)
}

/// Changes the values at a path; arrays on the way are mapped over.
fn edit(doc: Document, parts: &[Part], f: &dyn Fn(Value) -> Value) -> Document {
    let Some((first, rest)) = parts.split_first() else {
        return doc;
    };
    let mut out: DocBuilder = doc.edit();
    if let Some(slot) = out.get_mut(first.name.as_str()) {
        *slot = edit_value(std::mem::take(slot), rest, f);
    }
    out.build()
}

fn edit_value(v: Value, rest: &[Part], f: &dyn Fn(Value) -> Value) -> Value {
    if rest.is_empty() {
        return f(v);
    }
    match v {
        Value::Document(d) => Value::Document(edit(d, rest, f)),
        Value::Array(items) => Value::Array(
            items
                .into_vec()
                .into_iter()
                .map(|v| edit_value(v, rest, f))
                .collect::<Array>(),
        ),
        other => other,
    }
}

fn cut(v: Value, skip: Option<i64>, limit: i64) -> Value {
    let Value::Array(items) = v else { return v };
    let mut items = items.into_vec();
    let len = num::len_i64(items.len());
    let (from, count) = match skip {
        None if limit < 0 => ((len + limit).max(0), len),
        None => (0, limit),
        Some(n) if n < 0 => ((len + n).max(0), limit),
        Some(n) => (n.min(len), limit),
    };
    items.drain(..usize::try_from(from).unwrap_or(0).min(items.len()));
    items.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    Value::array(items)
}
