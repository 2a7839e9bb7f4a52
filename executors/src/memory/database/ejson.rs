//! Extended JSON (v2, canonical or relaxed) to BSON, strictly: only the documented wrappers are wrappers, so that a
//! filter's `$regex` stays an operator.
use base64::Engine as _;
use bson::{
    Binary, Bson, DateTime, Document, JavaScriptCodeWithScope, Regex, Timestamp, oid::ObjectId,
};
use serde_json::Value as Json;

/// Deeper JSON is refused.
const MAX_DEPTH: usize = 220;

/// Converts a JSON value.
///
/// # Errors
/// What is malformed, in words.
pub fn from_json(v: &Json) -> Result<Bson, String> {
    convert(v, 0)
}

fn convert(v: &Json, depth: usize) -> Result<Bson, String> {
    if depth > MAX_DEPTH {
        return Err("nested too deeply".into());
    }
    Ok(match v {
        Json::Null => Bson::Null,
        Json::Bool(b) => Bson::Boolean(*b),
        Json::String(s) => Bson::String(s.clone()),
        Json::Number(n) => match n.as_i64() {
            Some(i) => i32::try_from(i).map_or(Bson::Int64(i), Bson::Int32),
            None => Bson::Double(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::Array(items) => Bson::Array(
            items
                .iter()
                .map(|v| convert(v, depth + 1))
                .collect::<Result<_, _>>()?,
        ),
        Json::Object(map) => {
            if map.keys().next().is_some_and(|k| k.starts_with('$'))
                && let Some(value) = wrapper(map, depth)?
            {
                return Ok(value);
            }
            let mut d = Document::new();
            for (k, v) in map {
                d.insert(k.clone(), convert(v, depth + 1)?);
            }
            Bson::Document(d)
        }
    })
}

fn number<T: std::str::FromStr>(v: &Json) -> Result<T, String> {
    match v {
        Json::String(s) => s.parse().map_err(|_| format!("not a number: {s}")),
        other => other
            .to_string()
            .parse()
            .map_err(|_| format!("not a number: {other}")),
    }
}

fn text(v: &Json) -> Result<&str, String> {
    v.as_str().ok_or_else(|| format!("not a string: {v}"))
}

fn cstring(v: Option<&Json>) -> Result<bson::raw::CString, String> {
    let s = v.map(text).transpose()?.unwrap_or_default();
    s.to_owned()
        .try_into()
        .map_err(|_| "a zero in a regular expression".to_owned())
}

fn wrapper(map: &serde_json::Map<String, Json>, depth: usize) -> Result<Option<Bson>, String> {
    let Some((key, v)) = map.iter().next() else {
        return Ok(None);
    };
    if map.len() == 2
        && let (Some(code), Some(scope)) = (map.get("$code"), map.get("$scope"))
    {
        let Bson::Document(scope) = convert(scope, depth + 1)? else {
            return Err("a scope is a document".into());
        };
        return Ok(Some(Bson::JavaScriptCodeWithScope(
            JavaScriptCodeWithScope {
                code: text(code)?.to_owned(),
                scope,
            },
        )));
    }
    if map.len() != 1 {
        return Ok(None);
    }
    Ok(Some(match key.as_str() {
        "$numberInt" => Bson::Int32(number(v)?),
        "$numberLong" => Bson::Int64(number(v)?),
        "$numberDouble" => Bson::Double(match v.as_str() {
            Some("NaN") => f64::NAN,
            Some("Infinity") => f64::INFINITY,
            Some("-Infinity") => f64::NEG_INFINITY,
            _ => number(v)?,
        }),
        "$numberDecimal" => Bson::Decimal128(
            text(v)?
                .parse()
                .map_err(|_| format!("not a decimal: {v}"))?,
        ),
        "$oid" => Bson::ObjectId(ObjectId::parse_str(text(v)?).map_err(|e| e.to_string())?),
        "$date" => Bson::DateTime(match v {
            Json::String(s) => DateTime::parse_rfc3339_str(s).map_err(|e| e.to_string())?,
            Json::Object(inner) => DateTime::from_millis(number(
                inner.get("$numberLong").ok_or("a date needs $numberLong")?,
            )?),
            other => DateTime::from_millis(number(other)?),
        }),
        "$timestamp" => {
            let part = |k: &str| {
                v.get(k)
                    .ok_or_else(|| format!("a timestamp needs {k}"))
                    .and_then(number)
            };
            Bson::Timestamp(Timestamp {
                time: part("t")?,
                increment: part("i")?,
            })
        }
        "$regularExpression" => Bson::RegularExpression(Regex {
            pattern: cstring(v.get("pattern"))?,
            options: cstring(v.get("options"))?,
        }),
        "$binary" => {
            let bytes = v.get("base64").map(text).transpose()?.unwrap_or_default();
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(bytes)
                .map_err(|e| e.to_string())?;
            let subtype = v.get("subType").map(text).transpose()?.unwrap_or("00");
            let subtype = u8::from_str_radix(subtype, 16).map_err(|e| e.to_string())?;
            Bson::Binary(Binary {
                subtype: subtype.into(),
                bytes,
            })
        }
        "$uuid" => Bson::Binary(Binary::from_uuid(
            bson::Uuid::parse_str(text(v)?).map_err(|e| e.to_string())?,
        )),
        "$minKey" => Bson::MinKey,
        "$maxKey" => Bson::MaxKey,
        "$undefined" => Bson::Undefined,
        "$symbol" => Bson::Symbol(text(v)?.to_owned()),
        "$code" => Bson::JavaScriptCode(text(v)?.to_owned()),
        _ => return Ok(None),
    }))
}
