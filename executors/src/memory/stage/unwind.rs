//! `$unwind`.
use bson::Bson;

use super::{Source, Stage, StagePlan, Starting};
use crate::memory::error::EngineError;
use crate::memory::expr::Env;
use crate::memory::value::{Array, Document, Path, Value, ValueRef, num};

/// A compiled `$unwind`.
#[derive(Clone, Debug)]
pub struct Unwind {
    path: Path,
    index: Option<Path>,
    preserve: bool,
}

impl Unwind {
    /// Reads a path or a document of options.
    ///
    /// # Errors
    /// 15981, 28808 to 28812, 28818, 28822 as MongoDB.
    pub fn compile(spec: &Bson) -> Result<Self, EngineError> {
        let bad = |code, message: &str| Err(EngineError::location(code, message));
        let (mut path, mut index, mut preserve) = (None, None, false);
        match spec {
            Bson::String(s) => path = Some(s.as_str()),
            Bson::Document(d) => {
                for (key, v) in d {
                    match (key.as_str(), v) {
                        ("path", Bson::String(s)) => path = Some(s.as_str()),
                        ("path", _) => {
                            return bad(28808, "expected a string as the path for $unwind stage");
                        }
                        ("preserveNullAndEmptyArrays", Bson::Boolean(b)) => preserve = *b,
                        ("preserveNullAndEmptyArrays", _) => {
                            return bad(
                                28809,
                                "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage",
                            );
                        }
                        ("includeArrayIndex", Bson::String(s)) if s.is_empty() => {
                            return bad(
                                28810,
                                "expected a non-empty string for the includeArrayIndex option to $unwind stage",
                            );
                        }
                        ("includeArrayIndex", Bson::String(s)) if s.starts_with('$') => {
                            return bad(
                                28822,
                                "includeArrayIndex option to $unwind stage should not be prefixed with a '$'",
                            );
                        }
                        ("includeArrayIndex", Bson::String(s)) => index = Some(Path::parse(s)?),
                        ("includeArrayIndex", _) => {
                            return bad(
                                28810,
                                "expected a non-empty string for the includeArrayIndex option to $unwind stage",
                            );
                        }
                        _ => {
                            return bad(
                                28811,
                                &format!("unrecognized option to $unwind stage: {key}"),
                            );
                        }
                    }
                }
            }
            _ => {
                return bad(
                    15981,
                    "expected either a string or an object as specification for $unwind stage",
                );
            }
        }
        let Some(text) = path.filter(|p| !p.is_empty()) else {
            return bad(28812, "no path specified to $unwind stage");
        };
        let Some(text) = text.strip_prefix('$') else {
            return bad(
                28818,
                &format!("path option to $unwind stage should be prefixed with a '$': {text}"),
            );
        };
        Ok(Self {
            path: Path::parse(text)?,
            index,
            preserve,
        })
    }
}

impl StagePlan for Unwind {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Unwinding {
            input,
            plan: self.clone(),
            current: None,
        }))
    }
}

struct Unwinding {
    input: Source,
    plan: Unwind,
    current: Option<(Document, Array, usize)>,
}

impl Unwinding {
    fn row(&self, doc: &Document, value: Value, index: Value) -> Document {
        let out = doc.clone().with_path(self.plan.path.parts(), value);
        match &self.plan.index {
            Some(path) => out.with_path(path.parts(), index),
            None => out,
        }
    }
}

impl Stage for Unwinding {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        loop {
            if let Some((doc, items, at)) = &mut self.current {
                let (place, item) = (*at, items.get(*at));
                if !item.is_missing() {
                    env.tick()?;
                    *at += 1;
                    let doc = doc.clone();
                    return Ok(Some(self.row(
                        &doc,
                        item,
                        Value::Int64(num::len_i64(place)),
                    )));
                }
                self.current = None;
            }
            let Some(doc) = self.input.next(env)? else {
                return Ok(None);
            };
            // An array on the way to the path counts as missing.
            let value = self
                .plan
                .path
                .get_ref(doc.view())
                .unwrap_or(ValueRef::Missing);
            match value {
                ValueRef::Array(items) if !items.is_empty() => {
                    // Elements are taken by number: a built vector makes that quick.
                    let items =
                        Array::from(items.iter().map(ValueRef::to_value).collect::<Vec<_>>());
                    let doc = doc.clone().built();
                    self.current = Some((doc, items, 0));
                }
                ValueRef::Array(_) => {
                    if self.plan.preserve {
                        return Ok(Some(self.row(&doc, Value::Missing, Value::Null)));
                    }
                }
                ValueRef::Missing | ValueRef::Null | ValueRef::Undefined => {
                    if self.plan.preserve {
                        let value = value.to_value();
                        return Ok(Some(
                            match value.is_missing() && self.plan.index.is_none() {
                                true => doc,
                                false => self.row(&doc, value, Value::Null),
                            },
                        ));
                    }
                }
                other => {
                    let value = other.to_value();
                    return Ok(Some(self.row(&doc, value, Value::Null)));
                }
            }
        }
    }
}
