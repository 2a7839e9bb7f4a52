//! Objects: `$getField`, `$setField`, `$mergeObjects`, `$bsonSize`, and the types of values.
use bson::Bson;

use super::{Context, Env, Expr, Fields, Operator, Result};
use crate::memory::error::EngineError;
use crate::memory::value::{DocBuilder, Str, Value, num};

pub(super) fn type_of(v: Value) -> Result<Value> {
    Ok(Value::str(v.type_name()))
}

pub(super) fn is_number(v: Value) -> Result<Value> {
    Ok(Value::Bool(v.is_number()))
}

pub(super) fn bson_size(v: Value) -> Result<Value> {
    match &v {
        Value::Document(d) => Ok(Value::Int32(num::len_i32(d.byte_size()))),
        v if v.is_nullish() => Ok(Value::Null),
        v => Err(EngineError::location(
            31393,
            format!(
                "$bsonSize requires a document input, found: {}",
                v.type_name()
            ),
        )),
    }
}

/// Merges documents left to right; null and missing are skipped.
pub(crate) fn merge_into(out: &mut DocBuilder, v: &Value) -> Result<()> {
    match v {
        Value::Document(d) => {
            for (k, item) in d.iter() {
                out.set(k.to_str(), item.to_value());
            }
            Ok(())
        }
        v if v.is_nullish() => Ok(()),
        v => Err(EngineError::location(
            40400,
            format!(
                "$mergeObjects requires object inputs, but input {v:?} is of type {}",
                v.type_name()
            ),
        )),
    }
}

pub(super) fn merge_objects(args: Vec<Value>) -> Result<Value> {
    let mut out = DocBuilder::new();
    match args.as_slice() {
        // One argument that is an array gives its elements.
        [Value::Array(items)] => {
            for item in items.iter() {
                merge_into(&mut out, &item.to_value())?;
            }
        }
        args => {
            for v in args {
                merge_into(&mut out, v)?;
            }
        }
    }
    Ok(out.value())
}

#[derive(Debug)]
struct GetField {
    field: Expr,
    input: Expr,
}

impl Operator for GetField {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let field = self.field.eval(env)?;
        let Some(name) = field.as_str() else {
            return Err(EngineError::location(
                3_041_704,
                format!(
                    "$getField requires 'field' to evaluate to type String, but got {}",
                    field.type_name()
                ),
            ));
        };
        Ok(match self.input.eval(env)? {
            Value::Document(d) => d.get(name),
            Value::Null | Value::Undefined => Value::Null,
            _ => Value::Missing,
        })
    }
}

pub(super) fn compile_get(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let (field, input) = match argument {
        Bson::Document(d) if !d.keys().next().is_some_and(|k| k.starts_with('$')) => {
            let fields = Fields::new(name, argument, &["field", "input"], 3_041_701, 3_041_701)?;
            (
                field_name(fields.require("field", 3_041_702)?, cx)?,
                fields.required("input", 3_041_703, cx)?,
            )
        }
        field => (
            field_name(field, cx)?,
            cx.compile(&Bson::String("$$CURRENT".to_owned()))?,
        ),
    };
    if field.as_literal().is_some_and(|f| f.as_str().is_none()) {
        return Err(EngineError::location(
            3_041_704,
            "$getField requires 'field' to evaluate to type String",
        ));
    }
    Ok(Expr::operator(GetField { field, input }))
}

/// A field's name is an expression; one that is a plain path would be the value of another field, which is allowed
/// here and not in `$setField`.
fn field_name(spec: &Bson, cx: Context<'_>) -> Result<Expr> {
    cx.compile(spec)
}

#[derive(Debug)]
struct SetField {
    field: Str,
    input: Expr,
    value: Expr,
    operator: &'static str,
}

impl Operator for SetField {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let value = self.value.eval(env)?;
        match self.input.eval(env)? {
            Value::Document(d) => {
                let mut out = d.edit();
                out.set(self.field.clone(), value);
                Ok(out.value())
            }
            v if v.is_nullish() => Ok(Value::Null),
            v => Err(EngineError::location(
                4_161_105,
                format!(
                    "{} requires 'input' to evaluate to type Object, but got {}",
                    self.operator,
                    v.type_name()
                ),
            )),
        }
    }
}

fn constant_name(name: &str, spec: &Bson, cx: Context<'_>) -> Result<Str> {
    let field = cx.compile(spec)?;
    match field.as_literal() {
        Some(Value::Str(s)) => Ok(s.clone()),
        Some(v) => Err(EngineError::location(
            4_161_107,
            format!(
                "{name} requires 'field' to evaluate to type String, but got {}",
                v.type_name()
            ),
        )),
        None => Err(EngineError::location(
            4_161_108,
            format!(
                "{name} requires 'field' to evaluate to a constant, but got a non-constant argument"
            ),
        )),
    }
}

pub(super) fn compile_set(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(
        name,
        argument,
        &["field", "input", "value"],
        4_161_100,
        4_161_101,
    )?;
    Ok(Expr::operator(SetField {
        field: constant_name(name, fields.require("field", 4_161_102)?, cx)?,
        input: fields.required("input", 4_161_109, cx)?,
        value: fields.required("value", 4_161_103, cx)?,
        operator: "$setField",
    }))
}

pub(super) fn compile_unset(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(name, argument, &["field", "input"], 4_161_110, 4_161_111)?;
    Ok(Expr::operator(SetField {
        field: constant_name(name, fields.require("field", 4_161_102)?, cx)?,
        input: fields.required("input", 4_161_109, cx)?,
        value: Expr::literal(Value::Missing),
        operator: "$unsetField",
    }))
}
