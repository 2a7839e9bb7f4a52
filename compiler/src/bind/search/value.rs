//! Paths and values of searches as the server takes them.

use std::borrow::Cow;

use bson::{Bson, Document};

use super::Draft;
use crate::bind::expr::plain;
use crate::bind::query::QueryId;
use crate::bind::{Binder, Bound, Resolve};
use crate::error::{Code, Error, Result};
use crate::functions::search::{Parameter, SCORES, Takes};
use crate::plan::{ColumnId, JsonStep, Origin, Scalar, SourceId};
use crate::queryset::{Expr, Value};
use crate::schema::{FieldKind, FieldType, StorageFamily};

impl Binder<'_> {
    /// Where a search looks: stored paths, with the type of the first.
    pub(super) fn search_paths(
        &mut self,
        q: QueryId,
        arg: &Expr,
        draft: &mut Draft,
        cx: &mut Resolve,
    ) -> Result<(Bson, std::sync::Arc<FieldType>)> {
        match arg {
            Expr::Value(Value::Str(name)) => {
                self.search_paths(q, &Expr::F(name.clone()), draft, cx)
            }
            Expr::Value(Value::List(items)) => {
                let items = items.iter().cloned().map(Expr::Value).collect();
                self.search_paths(q, &Expr::List(items), draft, cx)
            }
            Expr::List(items) if !items.is_empty() => {
                let mut out = Vec::with_capacity(items.len());
                let mut ty = None;
                for item in items {
                    if matches!(item, Expr::List(_) | Expr::Value(Value::List(_))) {
                        return Err(no_path("a list in a list"));
                    }
                    let (path, of) = self.search_paths(q, item, draft, cx)?;
                    ty.get_or_insert(of);
                    out.push(path);
                }
                let ty = ty.unwrap_or_else(|| plain(FieldKind::JSONField));
                Ok((Bson::Array(out), ty))
            }
            // `{"wildcard": "*"}`, `{"value": field, "multi": analyzer}`.
            Expr::Value(Value::Dict(entries)) => {
                let mut out = Document::new();
                for (key, value) in entries {
                    let value = match (key.as_str(), value) {
                        ("value", Value::Str(name)) => {
                            self.search_paths(q, &Expr::F(name.clone()), draft, cx)?.0
                        }
                        ("wildcard" | "multi", Value::Str(text)) => text.clone().into(),
                        _ => return Err(no_path("this object")),
                    };
                    out.insert(key, value);
                }
                Ok((Bson::Document(out), plain(FieldKind::JSONField)))
            }
            Expr::F(_) | Expr::Transform { .. } => {
                let bound = self.resolve(q, arg, cx)?;
                let path = self.search_path(q, &bound)?;
                draft.paths.push(path.clone());
                Ok((Bson::String(path), bound.ty))
            }
            _ => Err(no_path("an expression")),
        }
    }

    /// The stored path of a field of the query's own documents.
    pub(super) fn search_path(&mut self, q: QueryId, bound: &Bound) -> Result<String> {
        let alias = self.initial_alias(q)?;
        let base = self.q(q)?.alias(alias)?.source;
        match &bound.scalar {
            Scalar::Column(id) => self.stored_search_path(*id, base),
            Scalar::Json {
                base: of, steps, ..
            } => {
                let Scalar::Column(id) = &**of else {
                    return Err(no_path("a computed value"));
                };
                let mut path = self.stored_search_path(*id, base)?;
                for step in steps {
                    match step {
                        JsonStep::Key(key)
                            if !key.is_empty() && !key.contains(['.', '$', '\0']) =>
                        {
                            path = format!("{path}.{key}");
                        }
                        _ => return Err(no_path("an element of a list, or a key with a dot,")),
                    }
                }
                Ok(path)
            }
            Scalar::Call(call) if call.function == "ElementValues" => {
                let (Some(Scalar::Column(id)), Some(Value::Str(inner))) =
                    (call.args.first(), call.options.get("path"))
                else {
                    return Err(no_path("a computed value"));
                };
                Ok(format!("{}.{inner}", self.stored_search_path(*id, base)?))
            }
            _ => Err(no_path("a computed value")),
        }
    }

    fn stored_search_path(&self, id: ColumnId, base: SourceId) -> Result<String> {
        match &self.columns.get(id)?.origin {
            Origin::Stored { source, path, .. } if *source == base => Ok(path.dotted()),
            Origin::Stored { .. } => Err(Error::unsupported(
                "a search in joined documents",
                "an index knows the documents of one collection",
            )
            .with_hint("search in the queryset of the other model, and filter by the relation")),
            Origin::Computed => Err(no_path("an annotation")),
        }
    }

    /// What a parameter is given, as the server takes it.
    pub(super) fn search_value(
        &mut self,
        class: &str,
        parameter: &Parameter,
        value: &Value,
        ty: &FieldType,
    ) -> Result<Bson> {
        match parameter.takes {
            Takes::Value => self.stored_search_value(value, ty),
            Takes::Values => match value {
                Value::List(items) if !items.is_empty() => Ok(Bson::Array(
                    items
                        .iter()
                        .map(|item| self.stored_search_value(item, ty))
                        .collect::<Result<_>>()?,
                )),
                _ => Err(Error::new(
                    Code::TypeError,
                    format!("'{}' of {class}() is a list with values", parameter.option),
                )),
            },
            _ => simple(class, parameter, value),
        }
    }

    /// A value as the field stores it.
    pub(super) fn stored_search_value(&self, value: &Value, ty: &FieldType) -> Result<Bson> {
        let ty = match ty.kind.family() {
            StorageFamily::Array => ty.base.as_deref().unwrap_or(ty),
            _ => ty,
        };
        if ty.kind.family() == StorageFamily::Json {
            return raw(value);
        }
        let stored = self.store(ty, &self.prepare(ty, value)?)?;
        match stored {
            Bson::Decimal128(_) => Err(Error::unsupported(
                "a search for a decimal number",
                "indexes of MongoDB Search and Vector Search leave decimal numbers out",
            )
            .with_hint("filter() by it")),
            stored => Ok(stored),
        }
    }
}

/// What a parameter is given that no field decides on.
pub(super) fn simple(class: &str, parameter: &Parameter, value: &Value) -> Result<Bson> {
    let wrong = |what: &str| {
        Error::new(
            Code::TypeError,
            format!("'{}' of {class}() is {what}", parameter.option),
        )
    };
    match (parameter.takes, value) {
        (Takes::Query, value) => query_text(class, parameter.option, value),
        (Takes::Text, Value::Str(text)) => Ok(text.clone().into()),
        (Takes::Text, _) => Err(wrong("a text")),
        (Takes::Choice(choices), Value::Str(text)) if choices.contains(&text.as_str()) => {
            Ok(text.clone().into())
        }
        (Takes::Choice(choices), _) => Err(Error::new(
            Code::ValueError,
            format!(
                "'{}' of {class}() is one of {}",
                parameter.option,
                choices.join(", ")
            ),
        )
        .with_choices(choices.iter().copied())),
        (Takes::Int(least), value) => whole(class, parameter.option, least, value).map(Bson::from),
        (Takes::Flag, Value::Bool(flag)) => Ok((*flag).into()),
        (Takes::Flag, _) => Err(wrong("True or False")),
        (Takes::Object, Value::Dict(_)) => raw(value),
        (Takes::Object, _) => Err(wrong("an object")),
        (Takes::Objects, Value::Dict(_)) => raw(value),
        (Takes::Objects, Value::List(items))
            if !items.is_empty() && items.iter().all(|i| matches!(i, Value::Dict(_))) =>
        {
            raw(value)
        }
        (Takes::Objects, _) => Err(wrong("an object, or a list of them")),
        (Takes::Score, value) => score_option(class, value),
        (Takes::Path | Takes::Value | Takes::Values | Takes::Operator, _) => {
            Err(Error::internal("a parameter that its field decides on"))
        }
    }
}

/// A text, or several.
pub(super) fn query_text(class: &str, option: &str, value: &Value) -> Result<Bson> {
    let words = |value: &Value| matches!(value, Value::Str(text) if !text.is_empty());
    match value {
        value if words(value) => raw(value),
        Value::List(items) if !items.is_empty() && items.iter().all(words) => raw(value),
        Value::Str(_) => Err(Error::new(
            Code::ValueError,
            format!("'{option}' of {class} is empty: there is nothing to search for"),
        )),
        _ => Err(Error::new(
            Code::TypeError,
            format!("'{option}' of {class} is a text, or a list of texts"),
        )),
    }
}

/// How a score is changed: one of the ways, as the server takes it.
pub(super) fn score_option(class: &str, value: &Value) -> Result<Bson> {
    match value {
        Value::Dict(entries)
            if entries.len() == 1 && entries.keys().all(|k| SCORES.contains(&k.as_str())) =>
        {
            raw(value)
        }
        _ => Err(Error::new(
            Code::ValueError,
            format!(
                "'score' of {class}() is an object with one of {}",
                SCORES.join(", ")
            ),
        )
        .with_choices(SCORES.iter().copied())),
    }
}

/// A whole number, at least so much.
pub(super) fn whole(class: &str, option: &str, least: i128, value: &Value) -> Result<i32> {
    match value {
        Value::Int(n) if *n >= least => i32::try_from(*n).map_err(|_| {
            Error::new(
                Code::ValueError,
                format!("'{option}' of {class}() is too large"),
            )
        }),
        _ => Err(Error::new(
            Code::ValueError,
            format!("'{option}' of {class}() is a whole number of at least {least}"),
        )),
    }
}

/// A value without a field: numbers as small as they fit, the rest as BSON has it.
pub(super) fn raw(value: &Value) -> Result<Bson> {
    raw_at(value, 0)
}

fn raw_at(value: &Value, depth: usize) -> Result<Bson> {
    const DEPTH: usize = 100;
    if depth > DEPTH {
        return Err(Error::new(Code::Limit, "a value is nested too deeply"));
    }
    Ok(match value {
        Value::Null | Value::JsonNull => Bson::Null,
        Value::Bool(flag) => Bson::Boolean(*flag),
        Value::Int(n) => match (i32::try_from(*n), i64::try_from(*n)) {
            (Ok(n), _) => Bson::Int32(n),
            (_, Ok(n)) => Bson::Int64(n),
            _ => {
                return Err(Error::new(
                    Code::ValueError,
                    format!("{n} is no BSON integer"),
                ));
            }
        },
        Value::Float(x) => Bson::Double(*x),
        Value::Str(text) => Bson::String(text.clone()),
        Value::List(items) => Bson::Array(
            items
                .iter()
                .map(|item| raw_at(item, depth + 1))
                .collect::<Result<_>>()?,
        ),
        Value::Dict(entries) => {
            let mut out = Document::new();
            for (key, value) in entries {
                out.insert(key, raw_at(value, depth + 1)?);
            }
            Bson::Document(out)
        }
        Value::DateTime(aware) => {
            Bson::DateTime(bson::DateTime::from_millis(aware.instant.as_millisecond()))
        }
        Value::ObjectId(id) => Bson::ObjectId(*id),
        Value::Uuid(bytes) => Bson::Binary(bson::Binary {
            subtype: bson::spec::BinarySubtype::Uuid,
            bytes: bytes.to_vec(),
        }),
        Value::Binary { bytes, subtype } => Bson::Binary(bson::Binary {
            subtype: (*subtype).into(),
            bytes: bytes.clone(),
        }),
        other => {
            return Err(Error::new(
                Code::TypeError,
                format!(
                    "a search takes no {}",
                    crate::bind::operand::python_class(other)
                ),
            ));
        }
    })
}

/// A literal argument.
pub(super) fn literal<'e>(class: &str, arg: &'e Expr) -> Result<Cow<'e, Value>> {
    match arg {
        Expr::Value(value) | Expr::Typed { value, .. } => Ok(Cow::Borrowed(value)),
        Expr::List(items) => {
            let mut out = Vec::with_capacity(items.len());
            for item in items {
                match item {
                    Expr::Value(value) | Expr::Typed { value, .. } => out.push(value.clone()),
                    _ => return Err(no_literal(class)),
                }
            }
            Ok(Cow::Owned(Value::List(out)))
        }
        _ => Err(no_literal(class)),
    }
}

/// An operator with what it takes.
pub(super) fn one(name: &str, content: Bson) -> Bson {
    let mut out = Document::new();
    out.insert(name, content);
    Bson::Document(out)
}

/// The names of parameters.
pub(super) fn names(parameters: &'static [Parameter]) -> Vec<&'static str> {
    parameters.iter().map(|p| p.option).collect()
}

/// A parameter by its name.
pub(super) fn parameter(
    class: &str,
    parameters: &'static [Parameter],
    name: &str,
) -> Result<&'static Parameter> {
    parameters
        .iter()
        .find(|p| p.option == name)
        .ok_or_else(|| unexpected(class, name).with_choices(names(parameters)))
}

pub(super) fn unexpected(class: &str, name: &str) -> Error {
    Error::new(
        Code::TypeError,
        format!("{class}() got an unexpected keyword argument '{name}'"),
    )
}

pub(super) fn missing(class: &str, what: &str) -> Error {
    Error::new(Code::TypeError, format!("{class}() needs {what}"))
}

pub(super) fn no_literal(class: &str) -> Error {
    Error::unsupported(
        format!("an expression as what {class} looks for"),
        "the server searches before it computes anything",
    )
    .with_hint("give a literal")
}

fn no_path(what: &str) -> Error {
    Error::unsupported(
        format!("{what} as the path of a search"),
        "an index knows stored fields",
    )
    .with_hint("name a field, a field inside an embedded document, or a list of them")
}
