//! The projection of `find`: that of `$project`, with `$slice`, `$elemMatch` and the positional `$`.
use bson::{Bson, Document as Bdoc};

use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr, Scope};
use crate::memory::filter::{Filter, Pred};
use crate::memory::stage::Projection;
use crate::memory::value::{Array, DocBuilder, Document, Part, Path, Value, num};

/// A compiled projection of `find`.
#[derive(Clone, Debug)]
pub struct FindProjection {
    base: Base,
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
    /// What an expression gives, on a document that is kept.
    Compute(Expr),
}

fn fail<T>(code: i32, message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::location(code, message))
}

/// An argument of `$slice`: any number, cut to an int.
fn number(b: &Bson) -> Option<i64> {
    let clamp = |n: i64| n.clamp(i64::from(i32::MIN), i64::from(i32::MAX));
    match Value::from_bson(b) {
        v @ (Value::Double(_) | Value::Decimal(_)) => v.as_f64().map(|x| clamp(num::f64_to_i64(x))),
        v => v.as_i64().map(clamp),
    }
}

fn slice(v: &Bson) -> Result<Option<Change>, EngineError> {
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

/// The leaves of a specification, with dotted paths.
fn flatten<'s>(spec: &'s Bdoc, prefix: &str, depth: usize, out: &mut Vec<(String, &'s Bson)>) {
    for (key, v) in spec {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match v {
            Bson::Document(d)
                if depth < MAX_DEPTH && !d.is_empty() && !d.keys().any(|k| k.starts_with('$')) =>
            {
                flatten(d, &path, depth + 1, out);
            }
            v => out.push((path, v)),
        }
    }
}

/// Deeper specifications are left to the reader of `$project`, which refuses them.
const MAX_DEPTH: usize = 180;

fn inside(path: &str, of: &str) -> bool {
    path.strip_prefix(of)
        .is_some_and(|rest| rest.starts_with('.'))
}

/// What a specification says so far.
#[derive(Default)]
struct Reader {
    /// Fields that `$project` understands.
    base: Bdoc,
    changes: Vec<(Path, Change)>,
    /// All paths, for collisions.
    paths: Vec<String>,
    slices: Vec<String>,
    metas: Vec<(String, Bson)>,
    positional: bool,
    elem_match: bool,
    /// Whether it includes, once something decides.
    includes: Option<bool>,
    id: Option<bool>,
}

impl Reader {
    /// No path twice, none below another.
    fn take(&mut self, path: &str) -> Result<(), EngineError> {
        for other in &self.paths {
            if other == path || inside(other, path) {
                return fail(31250, format!("Path collision at {path}"));
            }
            if inside(path, other) {
                let rest = path.get(other.len() + 1..).unwrap_or_default();
                return fail(
                    31249,
                    format!("Path collision at {path} remaining portion {rest}"),
                );
            }
        }
        self.paths.push(path.to_owned());
        Ok(())
    }

    fn positional(&mut self, key: &str, v: &Bson) -> Result<(), EngineError> {
        let at = key.find(".$.").unwrap_or(key.len().saturating_sub(2));
        let (path, rest) = key.split_at_checked(at).unwrap_or((key, ""));
        match v {
            Bson::Document(_) => {
                return fail(
                    31271,
                    "positional projection cannot be used with an expression or sub object",
                );
            }
            v if !Value::from_bson(v).is_number() && !matches!(v, Bson::Boolean(_)) => {
                return fail(31308, "positional projection cannot be used with a literal");
            }
            v if !Value::from_bson(v).truthy() => {
                return fail(31395, "positional projection cannot be used with exclusion");
            }
            _ => {}
        }
        if self.positional {
            return fail(
                31276,
                "Cannot specify more than one positional projection per query.",
            );
        }
        if self.elem_match {
            return fail(31256, "Cannot specify positional operator and $elemMatch.");
        }
        if key.ends_with(".$.") {
            return fail(31270, "Path cannot end with '.$.'");
        }
        let after = rest.strip_prefix(".$.").unwrap_or_default();
        if after == "$" || after.contains(".$.") || after.ends_with(".$") {
            return fail(
                31287,
                format!("Cannot use positional operator twice: {key}"),
            );
        }
        if !after.is_empty() {
            return fail(
                31394,
                "As of 4.4, it's illegal to specify positional operator in the middle of a path. Positional projection may only be used at the end, for example: a.b.$.",
            );
        }
        self.take(path)?;
        self.positional = true;
        self.changes.push((Path::parse(path)?, Change::Matched));
        self.base.insert(path, 1_i32);
        self.decide(key, true)
    }

    fn decide(&mut self, path: &str, includes: bool) -> Result<(), EngineError> {
        match (self.includes, includes) {
            (Some(false), true) => fail(
                31253,
                format!("Cannot do inclusion on field {path} in exclusion projection"),
            ),
            (Some(true), false) => fail(
                31254,
                format!("Cannot do exclusion on field {path} in inclusion projection"),
            ),
            _ => {
                self.includes = Some(includes);
                Ok(())
            }
        }
    }

    fn elem_match(&mut self, key: &str, arg: &Bson, scope: &Scope) -> Result<(), EngineError> {
        let Bson::Document(inner) = arg else {
            return fail(
                31274,
                format!(
                    "elemMatch: Invalid argument, object required, but got {}",
                    Value::from_bson(arg).type_name()
                ),
            );
        };
        if self.positional {
            return fail(31255, "Cannot specify positional operator and $elemMatch.");
        }
        if key.contains('.') {
            return fail(31275, "Cannot use $elemMatch projection on a nested field.");
        }
        self.take(key)?;
        let wrapped = bson::doc! {key: {"$elemMatch": inner.clone()}};
        let filter = Filter::compile(&wrapped, scope)?;
        self.changes
            .push((Path::parse(key)?, Change::ElemMatch(filter)));
        self.elem_match = true;
        Ok(())
    }

    fn leaf(&mut self, key: &str, v: &Bson, scope: &Scope) -> Result<(), EngineError> {
        if key.ends_with(".$") || key.contains(".$.") {
            return self.positional(key, v);
        }
        if let Bson::Document(d) = v
            && let (Some((op, arg)), 1) = (d.iter().next(), d.len())
        {
            match op.as_str() {
                "$elemMatch" => return self.elem_match(key, arg, scope),
                "$slice" => {
                    if let Some(change) = slice(arg)? {
                        self.take(key)?;
                        self.changes.push((Path::parse(key)?, change));
                        self.slices.push(key.to_owned());
                        return Ok(());
                    }
                }
                "$meta" => {
                    self.take(key)?;
                    self.metas.push((key.to_owned(), v.clone()));
                    return Ok(());
                }
                _ => {}
            }
        }
        self.take(key)?;
        self.base.insert(key, v.clone());
        let value = Value::from_bson(v);
        let plain = value.is_number() || matches!(v, Bson::Boolean(_));
        match key {
            "_id" if plain => {
                self.id = Some(value.truthy());
                Ok(())
            }
            _ if plain => self.decide(key, value.truthy()),
            _ if self.includes == Some(false) => fail(
                31252,
                "Cannot use expression other than $meta in exclusion projection",
            ),
            _ => self.decide(key, true),
        }
    }

    /// Whether fields are included, where no field says it.
    fn inclusive(&self) -> bool {
        self.includes.unwrap_or_else(|| {
            if !self.slices.is_empty() {
                self.id == Some(true)
            } else {
                self.elem_match || self.id == Some(true)
            }
        })
    }
}

/// The inclusion of a field of the document itself, which `$project` reads alike.
fn is_inclusion(key: &str, v: &Bson) -> bool {
    !key.contains(['.', '$']) && number(v).is_some_and(|n| n == 1)
}

/// What the base of a projection is.
#[derive(Clone, Debug)]
enum Base {
    /// The document as it is.
    Whole,
    /// Nothing of it.
    Empty,
    /// What `$project` gives.
    Project(Projection),
}

impl FindProjection {
    /// Reads a projection. The query's filter is what a positional `$` refers to.
    ///
    /// # Errors
    /// As `$project`; 31249 to 31276 for the operators of `find`.
    pub fn compile(spec: &Bdoc, filter: &Filter, scope: &Scope) -> Result<Self, EngineError> {
        if spec.iter().all(|(key, v)| is_inclusion(key, v)) {
            return Ok(Self {
                base: Base::Project(Projection::compile(spec, scope)?),
                changes: Vec::new(),
                filter: None,
            });
        }
        let mut leaves = Vec::with_capacity(spec.len());
        flatten(spec, "", 0, &mut leaves);
        let mut reader = Reader::default();
        for (key, v) in leaves {
            reader.leaf(&key, v, scope)?;
        }
        let inclusive = reader.inclusive();
        let Reader {
            mut base,
            mut changes,
            slices,
            metas,
            positional,
            id,
            ..
        } = reader;
        if inclusive {
            for key in slices {
                base.insert(key, 1_i32);
            }
        }
        for (key, v) in metas {
            if inclusive {
                base.insert(key, v);
            } else {
                let expr = Expr::compile(&v, scope)?;
                changes.push((Path::parse(&key)?, Change::Compute(expr)));
            }
        }
        let nothing = base.is_empty() || (base.len() == 1 && id == Some(true));
        let base = if nothing && !inclusive {
            Base::Whole
        } else if base.is_empty() {
            Base::Project(Projection::compile(&bson::doc! {"_id": 1_i32}, scope)?)
        } else if inclusive && base.len() == 1 && id == Some(false) {
            Base::Empty
        } else {
            Base::Project(Projection::compile(&base, scope)?)
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
    /// What evaluation gives; 51246 and 51247 when there is no element for a positional `$`.
    pub fn apply(&self, doc: &Document, env: &mut Env<'_>) -> Result<Document, EngineError> {
        let mut out = match &self.base {
            Base::Project(base) => base.apply(doc, env)?,
            Base::Whole => doc.clone(),
            Base::Empty => Document::empty(),
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
                Change::Compute(expr) => {
                    env.set_root(doc.clone());
                    let value = expr.eval(env)?;
                    out.with_path(path.parts(), value)
                }
                Change::Matched => {
                    let at = self
                        .filter
                        .as_ref()
                        .and_then(|f| f.position(doc, env.collation()));
                    matched(out, path.parts(), at)?
                }
            };
        }
        Ok(out)
    }
}

/// Leaves one element in the first array on the way.
fn matched(doc: Document, parts: &[Part], at: Option<usize>) -> Result<Document, EngineError> {
    let Some((first, rest)) = parts.split_first() else {
        return Ok(doc);
    };
    let mut out: DocBuilder = doc.edit();
    if let Some(slot) = out.get_mut(first.name.as_str()) {
        *slot = match std::mem::take(slot) {
            Value::Array(items) => {
                let Some(at) = at else {
                    return fail(
                        51246,
                        "Executor error during find command :: caused by :: positional operator '.$' couldn't find a matching element in the array",
                    );
                };
                let item = items.get(at);
                if item.is_missing() {
                    return fail(
                        51247,
                        "Executor error during find command :: caused by :: positional operator '.$' element mismatch",
                    );
                }
                Value::array(vec![item])
            }
            Value::Document(d) => Value::Document(matched(d, rest, at)?),
            other => other,
        };
    }
    Ok(out.build())
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
                .map(|v| match v {
                    // Arrays in arrays are values.
                    Value::Document(d) => Value::Document(edit(d, rest, f)),
                    other => other,
                })
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
