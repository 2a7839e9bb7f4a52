//! `$jsonSchema`: the part of draft 4 that MongoDB has, with `bsonType`.
use std::collections::HashSet;

use bson::{Bson, Document};

use super::compile::type_set;
use super::pred::{Comparison, TypeSet, compares};
use crate::memory::decimal;
use crate::memory::error::EngineError;
use crate::memory::expr::arith;
use crate::memory::pattern::Pattern;
use crate::memory::value::{Key, Value, ValueRef, equal};

/// A compiled schema: every keyword must hold.
#[derive(Clone, Debug, Default)]
pub struct Schema {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
enum Rule {
    Type(TypeSet),
    Enum(Vec<Value>),
    Minimum(Value, bool),
    Maximum(Value, bool),
    MultipleOf(Value),
    Length(usize, usize),
    Pattern(Pattern),
    Items(Schema),
    Tuple(Vec<Schema>, Option<Schema>),
    ItemCount(usize, usize),
    Unique,
    Required(Vec<String>),
    PropertyCount(usize, usize),
    Properties {
        named: Vec<(String, Schema)>,
        patterns: Vec<(Pattern, Schema)>,
        rest: Option<Schema>,
    },
    Dependency(String, Schema),
    All(Vec<Schema>),
    Any(Vec<Schema>),
    One(Vec<Schema>),
    Not(Schema),
}

fn failed<T>(message: String) -> Result<T, EngineError> {
    Err(EngineError::failed_to_parse(message))
}

fn mismatch<T>(keyword: &str, what: &str) -> Result<T, EngineError> {
    Err(EngineError::type_mismatch(format!(
        "$jsonSchema keyword '{keyword}' must be {what}"
    )))
}

fn sub(keyword: &str, v: &Bson, depth: usize) -> Result<Schema, EngineError> {
    match v {
        Bson::Document(d) => Schema::at(d, depth + 1),
        _ => mismatch(keyword, "an object"),
    }
}

fn subs(keyword: &str, v: &Bson, depth: usize) -> Result<Vec<Schema>, EngineError> {
    match v {
        Bson::Array(items) if items.is_empty() => Err(EngineError::bad_value(format!(
            "$jsonSchema keyword '{keyword}' must be a non-empty array"
        ))),
        Bson::Array(items) => items.iter().map(|i| sub(keyword, i, depth)).collect(),
        _ => mismatch(keyword, "an array"),
    }
}

fn count(keyword: &str, v: &Bson) -> Result<usize, EngineError> {
    let value = Value::from_bson(v);
    if !value.is_number() {
        return failed(format!("Expected a number in: {keyword}: {v}"));
    }
    match value.as_i64().map(usize::try_from) {
        Some(Ok(n)) => Ok(n),
        _ => failed(format!(
            "$jsonSchema keyword '{keyword}' must be a non-negative integer"
        )),
    }
}

fn number(keyword: &str, v: &Bson) -> Result<Value, EngineError> {
    let value = Value::from_bson(v);
    if value.is_number() {
        Ok(value)
    } else {
        mismatch(keyword, "a number")
    }
}

/// What numbers are a multiple of: positive and finite.
fn divisor(keyword: &str, v: &Bson) -> Result<Value, EngineError> {
    let value = number(keyword, v)?;
    match value.as_f64() {
        Some(x) if x.is_nan() => Err(EngineError::bad_value("divisor cannot be NaN")),
        Some(x) if x <= 0.0 => failed(format!(
            "$jsonSchema keyword '{keyword}' must have a positive value"
        )),
        Some(x) if x.is_infinite() => Err(EngineError::bad_value("divisor cannot be infinite")),
        _ => Ok(value),
    }
}

/// Types are a text, or texts that are all different.
fn different_texts(keyword: &str, v: &Bson) -> Result<(), EngineError> {
    let items = match v {
        Bson::String(_) => return Ok(()),
        Bson::Array(items) => items,
        _ => return mismatch(keyword, "either a string or an array of strings"),
    };
    if items.is_empty() {
        return failed(format!(
            "$jsonSchema keyword '{keyword}' must name at least one type"
        ));
    }
    if items.iter().any(|item| !matches!(item, Bson::String(_))) {
        return mismatch(keyword, "an array of strings");
    }
    all_different(keyword, items)
}

fn all_different(keyword: &str, items: &[Bson]) -> Result<(), EngineError> {
    let mut seen = HashSet::new();
    let mut new = |item: &&Bson| seen.insert(Key(by_name(Value::from_bson(item).view())));
    match items.iter().find(|item| !new(item)) {
        Some(item) => failed(format!(
            "$jsonSchema keyword '{keyword}' has duplicate value: {item}"
        )),
        None => Ok(()),
    }
}

/// The types of `bsonType`.
fn bson_type(keyword: &str, v: &Bson) -> Result<TypeSet, EngineError> {
    different_texts(keyword, v)?;
    let integer = Bson::String("integer".into());
    if *v == integer || matches!(v, Bson::Array(items) if items.contains(&integer)) {
        return failed("$jsonSchema type 'integer' is not currently supported.".into());
    }
    type_set(v)
}

/// The values of `enum`. The order of a document's fields does not count.
fn choices(keyword: &str, v: &Bson) -> Result<Vec<Value>, EngineError> {
    let Bson::Array(items) = v else {
        return mismatch(keyword, "an array");
    };
    if items.is_empty() {
        return failed(format!(
            "$jsonSchema keyword '{keyword}' cannot be an empty array"
        ));
    }
    all_different(keyword, items)?;
    let value = |item: &Bson| by_name(Value::from_bson(item).view());
    Ok(items.iter().map(value).collect())
}

fn names(keyword: &str, v: &Bson) -> Result<Vec<String>, EngineError> {
    let Bson::Array(items) = v else {
        return mismatch(keyword, "an array");
    };
    if items.is_empty() {
        return failed(format!(
            "$jsonSchema keyword '{keyword}' cannot be an empty array"
        ));
    }
    let name = |b: &Bson| match b {
        Bson::String(s) => Ok(s.clone()),
        _ => mismatch(keyword, "an array of strings"),
    };
    let names = items.iter().map(name).collect::<Result<_, _>>()?;
    all_different(keyword, items)?;
    Ok(names)
}

/// JSON schema's own type names.
fn json_type(v: &Bson) -> Result<TypeSet, EngineError> {
    let rename = |b: &Bson| match b {
        Bson::String(s) => match s.as_str() {
            "boolean" => Ok(Bson::String("bool".into())),
            "integer" => failed("$jsonSchema type 'integer' is not currently supported.".into()),
            "object" | "array" | "number" | "string" | "null" => Ok(b.clone()),
            _ => Err(EngineError::bad_value(format!(
                "Unknown type name alias: {s}"
            ))),
        },
        _ => mismatch("type", "either a string or an array of strings"),
    };
    different_texts("type", v)?;
    match v {
        Bson::Array(items) => type_set(&Bson::Array(
            items.iter().map(rename).collect::<Result<_, _>>()?,
        )),
        one => type_set(&rename(one)?),
    }
}

/// The schema that nothing satisfies.
fn nothing() -> Schema {
    Schema {
        rules: vec![Rule::Not(Schema::default())],
    }
}

fn rest(keyword: &str, v: &Bson, depth: usize) -> Result<Option<Schema>, EngineError> {
    match v {
        Bson::Boolean(true) => Ok(None),
        Bson::Boolean(false) => Ok(Some(nothing())),
        other => sub(keyword, other, depth).map(Some),
    }
}

impl Schema {
    /// Compiles a schema document.
    ///
    /// # Errors
    /// `FailedToParse`, `TypeMismatch` as MongoDB for unknown keywords and malformed arguments.
    pub(super) fn compile(spec: &Document) -> Result<Self, EngineError> {
        Self::at(spec, 0)
    }

    fn at(spec: &Document, depth: usize) -> Result<Self, EngineError> {
        if depth > 100 {
            return failed("$jsonSchema is nested too deeply".into());
        }
        let flag = |k: &str| matches!(spec.get(k), Some(Bson::Boolean(true)));
        if spec.contains_key("type") && spec.contains_key("bsonType") {
            return failed("Cannot specify both $jsonSchema keywords 'type' and 'bsonType'".into());
        }
        let mut rules = Vec::new();
        for (keyword, v) in spec {
            let rule = match keyword.as_str() {
                "bsonType" => Rule::Type(bson_type(keyword, v)?),
                "type" => Rule::Type(json_type(v)?),
                "enum" => Rule::Enum(choices(keyword, v)?),
                "minimum" => Rule::Minimum(number(keyword, v)?, flag("exclusiveMinimum")),
                "maximum" => Rule::Maximum(number(keyword, v)?, flag("exclusiveMaximum")),
                "multipleOf" => Rule::MultipleOf(divisor(keyword, v)?),
                "minLength" => Rule::Length(count(keyword, v)?, usize::MAX),
                "maxLength" => Rule::Length(0, count(keyword, v)?),
                "pattern" => match v {
                    Bson::String(s) => Rule::Pattern(Pattern::compile(s, "")?),
                    _ => return mismatch(keyword, "a string"),
                },
                "items" => match v {
                    Bson::Array(items) => {
                        let tuple = items
                            .iter()
                            .map(|i| sub(keyword, i, depth))
                            .collect::<Result<_, _>>()?;
                        let more = spec
                            .get("additionalItems")
                            .map(|a| rest("additionalItems", a, depth))
                            .transpose()?;
                        Rule::Tuple(tuple, more.flatten())
                    }
                    other => Rule::Items(sub(keyword, other, depth)?),
                },
                "minItems" => Rule::ItemCount(count(keyword, v)?, usize::MAX),
                "maxItems" => Rule::ItemCount(0, count(keyword, v)?),
                "uniqueItems" => match v {
                    Bson::Boolean(true) => Rule::Unique,
                    Bson::Boolean(false) => continue,
                    _ => return mismatch(keyword, "a boolean"),
                },
                "required" => Rule::Required(names(keyword, v)?),
                "minProperties" => Rule::PropertyCount(count(keyword, v)?, usize::MAX),
                "maxProperties" => Rule::PropertyCount(0, count(keyword, v)?),
                "dependencies" => {
                    let Bson::Document(d) = v else {
                        return mismatch(keyword, "an object");
                    };
                    for (name, dependency) in d {
                        let schema = match dependency {
                            Bson::String(_) if matches!(name.as_str(), "title" | "description") => {
                                continue;
                            }
                            Bson::Array(_) => Self {
                                rules: vec![Rule::Required(names(keyword, dependency)?)],
                            },
                            other => sub(keyword, other, depth)?,
                        };
                        rules.push(Rule::Dependency(name.clone(), schema));
                    }
                    continue;
                }
                "allOf" => Rule::All(subs(keyword, v, depth)?),
                "anyOf" => Rule::Any(subs(keyword, v, depth)?),
                "oneOf" => Rule::One(subs(keyword, v, depth)?),
                "not" => Rule::Not(sub(keyword, v, depth)?),
                "properties" | "patternProperties" | "additionalProperties" => continue,
                "title" | "description" => match v {
                    Bson::String(_) => continue,
                    _ => return mismatch(keyword, "a string"),
                },
                "exclusiveMinimum" | "exclusiveMaximum" => {
                    let limit = if keyword == "exclusiveMinimum" {
                        "minimum"
                    } else {
                        "maximum"
                    };
                    if !matches!(v, Bson::Boolean(_)) {
                        return mismatch(keyword, "a boolean");
                    }
                    if !spec.contains_key(limit) {
                        return failed(format!(
                            "$jsonSchema keyword '{limit}' must be a present if {keyword} is present"
                        ));
                    }
                    continue;
                }
                "additionalItems" => match v {
                    Bson::Boolean(_) | Bson::Document(_) => continue,
                    _ => return mismatch(keyword, "either an object or a boolean"),
                },
                _ => return failed(format!("Unknown $jsonSchema keyword: {keyword}")),
            };
            rules.push(rule);
        }
        if let Some(rule) = properties(spec, depth)? {
            rules.push(rule);
        }
        Ok(Self { rules })
    }

    /// Whether a value satisfies the schema. Keywords of other types than the value's hold.
    pub(super) fn matches(&self, value: ValueRef<'_>) -> bool {
        self.rules.iter().all(|rule| rule.matches(value))
    }
}

fn properties(spec: &Document, depth: usize) -> Result<Option<Rule>, EngineError> {
    let (mut named, mut patterns) = (Vec::new(), Vec::new());
    let list = |keyword: &str| match spec.get(keyword) {
        None => Ok(None),
        Some(Bson::Document(d)) => Ok(Some(d)),
        Some(_) => mismatch(keyword, "an object"),
    };
    for (name, v) in list("properties")?.into_iter().flatten() {
        named.push((name.clone(), sub("properties", v, depth)?));
    }
    for (pattern, v) in list("patternProperties")?.into_iter().flatten() {
        patterns.push((
            Pattern::compile(pattern, "")?,
            sub("patternProperties", v, depth)?,
        ));
    }
    let rest = spec
        .get("additionalProperties")
        .map(|v| rest("additionalProperties", v, depth))
        .transpose()?
        .flatten();
    if named.is_empty() && patterns.is_empty() && rest.is_none() {
        return Ok(None);
    }
    Ok(Some(Rule::Properties {
        named,
        patterns,
        rest,
    }))
}

impl Rule {
    fn matches(&self, value: ValueRef<'_>) -> bool {
        match (self, value) {
            (Self::Type(set), v) => set.contains(v),
            (Self::Enum(values), v @ (ValueRef::Document(_) | ValueRef::Array(_))) => {
                let v = by_name(v);
                values.iter().any(|x| equal(x.view(), v.view()))
            }
            (Self::Enum(values), v) => values.iter().any(|x| equal(x.view(), v)),
            (Self::All(list), v) => list.iter().all(|s| s.matches(v)),
            (Self::Any(list), v) => list.iter().any(|s| s.matches(v)),
            (Self::One(list), v) => list.iter().filter(|s| s.matches(v)).count() == 1,
            (Self::Not(s), v) => !s.matches(v),
            (Self::Minimum(limit, exclusive), v) if v.is_number() => compares(
                if *exclusive {
                    Comparison::Gt
                } else {
                    Comparison::Gte
                },
                v,
                limit.view(),
                None,
            ),
            (Self::Maximum(limit, exclusive), v) if v.is_number() => compares(
                if *exclusive {
                    Comparison::Lt
                } else {
                    Comparison::Lte
                },
                v,
                limit.view(),
                None,
            ),
            (Self::MultipleOf(n), v) if v.is_number() => multiple(v, n.view()),
            (Self::Length(min, max), ValueRef::Str(s)) => {
                (*min..=*max).contains(&s.as_str().chars().count())
            }
            (Self::Pattern(p), ValueRef::Str(s)) => p.is_match(s.as_str()),
            (Self::Items(s), ValueRef::Array(a)) => a.iter().all(|v| s.matches(v)),
            (Self::Tuple(list, rest), ValueRef::Array(a)) => {
                a.iter().enumerate().all(|(i, v)| match list.get(i) {
                    Some(s) => s.matches(v),
                    None => rest.as_ref().is_none_or(|s| s.matches(v)),
                })
            }
            (Self::ItemCount(min, max), ValueRef::Array(a)) => (*min..=*max).contains(&a.len()),
            (Self::Unique, ValueRef::Array(a)) => {
                let mut seen = HashSet::new();
                a.iter().all(|v| seen.insert(Key(by_name(v))))
            }
            (Self::Required(names), ValueRef::Document(d)) => {
                names.iter().all(|n| !d.get(n).is_missing())
            }
            (Self::PropertyCount(min, max), ValueRef::Document(d)) => {
                (*min..=*max).contains(&d.len())
            }
            (Self::Dependency(name, s), ValueRef::Document(d)) => {
                d.get(name).is_missing() || s.matches(value)
            }
            (
                Self::Properties {
                    named,
                    patterns,
                    rest,
                },
                ValueRef::Document(d),
            ) => d.iter().all(|(key, v)| {
                let mut known = false;
                let name = key.as_str();
                for (_, s) in named.iter().filter(|(n, _)| n == name) {
                    known = true;
                    if !s.matches(v) {
                        return false;
                    }
                }
                for (_, s) in patterns.iter().filter(|(p, _)| p.is_match(name)) {
                    known = true;
                    if !s.matches(v) {
                        return false;
                    }
                }
                known || rest.as_ref().is_none_or(|s| s.matches(v))
            }),
            _ => true,
        }
    }
}

/// Whether a decimal division leaves nothing; doubles count with 15 digits.
fn multiple(v: ValueRef<'_>, n: ValueRef<'_>) -> bool {
    if let (ValueRef::Int32(_) | ValueRef::Int64(_), ValueRef::Int32(_) | ValueRef::Int64(_)) =
        (v, n)
        && let (Some(v), Some(n)) = (v.as_i64(), n.as_i64())
    {
        return n != 0 && v.wrapping_rem(n) == 0;
    }
    let number = |x: ValueRef<'_>| arith::to_decimal(&x.to_value());
    decimal::rem(number(v), number(n)).is_zero()
}

/// The value with the fields of all its documents in the order of their names: here their order does not count.
fn by_name(v: ValueRef<'_>) -> Value {
    match v {
        ValueRef::Document(d) => {
            let mut fields: Vec<(String, Value)> = d
                .iter()
                .map(|(k, v)| (k.as_str().to_owned(), by_name(v)))
                .collect();
            fields.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Document(
                fields
                    .iter()
                    .map(|(k, v)| (k.as_str(), v.clone()))
                    .collect(),
            )
        }
        ValueRef::Array(items) => Value::array(items.iter().map(by_name).collect()),
        other => other.to_value(),
    }
}
