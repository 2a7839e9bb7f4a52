//! `$out` and `$merge`: what they ask for. The database does the writing.
use bson::Bson;

use super::lookup::check_variable;
use super::{Compiling, Pipeline, Place};
use crate::memory::error::EngineError;
use crate::memory::expr::{Expr, Slot};
use crate::memory::value::Value;

/// A collection to write to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The database, when it is not the command's.
    pub db: Option<String>,
    /// The collection.
    pub collection: String,
}

/// A stage that writes.
#[derive(Clone, Debug)]
pub enum Write {
    /// `$out`.
    Out(Out),
    /// `$merge`.
    Merge(Box<Merge>),
}

/// `$out`.
#[derive(Clone, Debug)]
pub struct Out {
    /// What to replace.
    pub target: Target,
}

/// `$merge`.
#[derive(Clone, Debug)]
pub struct Merge {
    /// Where to.
    pub target: Target,
    /// The fields that identify a document.
    pub on: Vec<String>,
    /// Whether `on` was given.
    pub on_given: bool,
    /// What to do with a match.
    pub matched: WhenMatched,
    /// What to do without.
    pub not_matched: WhenNotMatched,
}

/// What `$merge` does with a document that is there.
#[derive(Clone, Debug)]
pub enum WhenMatched {
    /// Replace it.
    Replace,
    /// Keep it.
    Keep,
    /// Set the new document's fields on it.
    Merge,
    /// Fail.
    Fail,
    /// Apply a pipeline to it, with variables of the new document.
    Pipeline(Pipeline, Vec<(Slot, Expr)>),
}

/// What `$merge` does with a document that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenNotMatched {
    /// Insert it.
    Insert,
    /// Drop it.
    Discard,
    /// Fail.
    Fail,
}

fn fail<T>(code: i32, message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::location(code, message))
}

fn target(v: &Bson, stage: &str, code: i32) -> Result<Target, EngineError> {
    match v {
        Bson::String(s) if !s.is_empty() => Ok(Target {
            db: None,
            collection: s.clone(),
        }),
        Bson::Document(d) => match (d.get("db"), d.get("coll")) {
            (db, Some(Bson::String(c))) if !c.is_empty() => {
                let db = match db {
                    None => None,
                    Some(Bson::String(s)) => Some(s.clone()),
                    Some(_) => return fail(code, format!("{stage} 'db' must be a string")),
                };
                Ok(Target {
                    db,
                    collection: c.clone(),
                })
            }
            _ => fail(code, format!("{stage} needs a collection")),
        },
        _ => fail(
            code,
            format!(
                "{stage} only supports a string or object argument, not {}",
                Value::from_bson(v).type_name()
            ),
        ),
    }
}

impl Write {
    /// Reads a stage if it is one of the two.
    ///
    /// # Errors
    /// 16990, 40414, 40415, 51178 to 51191 as MongoDB.
    pub fn compile(
        name: &str,
        spec: &Bson,
        compiling: &Compiling<'_>,
    ) -> Result<Option<Self>, EngineError> {
        if let ("$out", Bson::Document(d)) = (name, spec) {
            let known = ["db", "coll", "timeseries"];
            if let Some(other) = d.keys().find(|k| !known.contains(&k.as_str())) {
                return fail(
                    40415,
                    format!("BSON field '$out.{other}' is an unknown field."),
                );
            }
            if let Some(key) = ["db", "coll"].iter().find(|k| !d.contains_key(k)) {
                return fail(
                    40414,
                    format!("BSON field '$out.{key}' is missing but a required field"),
                );
            }
        }
        match name {
            "$out" => Ok(Some(Self::Out(Out {
                target: target(spec, name, 16990)?,
            }))),
            "$merge" => Ok(Some(Self::Merge(Box::new(merge(spec, compiling)?)))),
            _ => Ok(None),
        }
    }
}

fn merge(spec: &Bson, compiling: &Compiling<'_>) -> Result<Merge, EngineError> {
    let mut merge = Merge {
        target: Target {
            db: None,
            collection: String::new(),
        },
        on: vec!["_id".into()],
        on_given: false,
        matched: WhenMatched::Merge,
        not_matched: WhenNotMatched::Insert,
    };
    let d = match spec {
        Bson::String(_) => {
            merge.target = target(spec, "$merge", 51178)?;
            return Ok(merge);
        }
        Bson::Document(d) => d,
        _ => return fail(51182, "$merge requires a string or object argument"),
    };
    let Some(into) = d.get("into") else {
        return fail(
            40414,
            "BSON field '$merge.into' is missing but a required field",
        );
    };
    merge.target = target(into, "$merge", 51178)?;
    for (key, v) in d {
        match (key.as_str(), v) {
            ("into" | "let", _) => {}
            ("on", Bson::String(s)) => {
                merge.on = vec![s.clone()];
                merge.on_given = true;
            }
            ("on", Bson::Array(items)) => {
                let text = |b: &Bson| match b {
                    Bson::String(s) => Ok(s.clone()),
                    _ => fail(51134, "$merge 'on' array elements must be strings"),
                };
                merge.on = items.iter().map(text).collect::<Result<_, _>>()?;
                if merge.on.is_empty() {
                    return fail(
                        51187,
                        "If explicitly specifying $merge 'on', must include at least one field",
                    );
                }
                merge.on_given = true;
            }
            ("on", _) => {
                return fail(
                    51186,
                    "$merge 'on' field must be either a string or an array of strings",
                );
            }
            ("whenMatched", Bson::String(s)) => {
                merge.matched = match s.as_str() {
                    "replace" => WhenMatched::Replace,
                    "keepExisting" => WhenMatched::Keep,
                    "merge" => WhenMatched::Merge,
                    "fail" => WhenMatched::Fail,
                    _ => {
                        return Err(EngineError::bad_value(format!(
                            "Enumeration value '{s}' for field '$merge.whenMatched' is not a valid value."
                        )));
                    }
                };
            }
            ("whenMatched", Bson::Array(stages)) => {
                let given = match d.get("let") {
                    None => bson::doc! {"new": "$$ROOT"},
                    Some(Bson::Document(vars)) => {
                        let mut vars = vars.clone();
                        vars.entry("new")
                            .or_insert_with(|| Bson::String("$$ROOT".into()));
                        vars
                    }
                    Some(_) => {
                        return Err(EngineError::type_mismatch(
                            "BSON field '$merge.let' must be an object",
                        ));
                    }
                };
                let mut scope = compiling.scope.lazily();
                let mut bindings = Vec::new();
                for (name, value) in &given {
                    check_variable(name)?;
                    let expr = Expr::compile(value, compiling.scope)?;
                    let (inner, slot) = scope.with(name);
                    scope = inner;
                    bindings.push((slot, expr));
                }
                let pipeline = Pipeline::compile(stages, &compiling.inside(&scope, Place::Update))?;
                merge.matched = WhenMatched::Pipeline(pipeline, bindings);
            }
            ("whenMatched", _) => {
                return fail(
                    51191,
                    "$merge 'whenMatched' field  must be either a string or an array",
                );
            }
            ("whenNotMatched", Bson::String(s)) => {
                merge.not_matched = match s.as_str() {
                    "insert" => WhenNotMatched::Insert,
                    "discard" => WhenNotMatched::Discard,
                    "fail" => WhenNotMatched::Fail,
                    _ => {
                        return Err(EngineError::bad_value(format!(
                            "Enumeration value '{s}' for field '$merge.whenNotMatched' is not a valid value."
                        )));
                    }
                };
            }
            ("whenNotMatched", _) => {
                return Err(EngineError::type_mismatch(
                    "BSON field '$merge.whenNotMatched' must be a string",
                ));
            }
            _ => {
                return fail(
                    40415,
                    format!("BSON field '$merge.{key}' is an unknown field."),
                );
            }
        }
    }
    if d.contains_key("let") && !matches!(merge.matched, WhenMatched::Pipeline(..)) {
        return fail(
            51199,
            "Cannot use 'let' variables with 'whenMatched' modes other than a pipeline",
        );
    }
    Ok(merge)
}
