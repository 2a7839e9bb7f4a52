//! Raw MQL as MongoDB's extended JSON (version 2, relaxed), in both directions.
//!
//! A number without fraction and exponent is an `int`, or a `long` if it does not fit. A `long` that would fit an
//! `int` is written as `$numberLong`, so that types survive. Dates have milliseconds, as in BSON.

use bson::{
    Binary, Bson, DateTime, Document, JavaScriptCodeWithScope, Regex, Timestamp, oid::ObjectId,
    raw::CString, spec::BinarySubtype,
};
use serde::{Serialize, Serializer, ser::SerializeMap};

use super::reader::{Kind, Number, Reader, Tags, fields};
use super::time::{self, IsoAware};
use super::value::{binary_parts, decimal, double, regex_parts};
use crate::error::Result;
use crate::queryset::AwareDateTime;

/// BSON types that JSON does not have. None of these names is an operator of MQL.
const FORMS: Tags<Bson> = &[
    ("$oid", |r| {
        text(r, "24 hexadecimal digits", |s| {
            ObjectId::parse_str(s).ok().map(Bson::ObjectId)
        })
    }),
    ("$numberInt", |r| {
        text(r, "an integer of 32 bits", |s| {
            s.parse().ok().map(Bson::Int32)
        })
    }),
    ("$numberLong", |r| {
        text(r, "an integer of 64 bits", |s| {
            s.parse().ok().map(Bson::Int64)
        })
    }),
    ("$numberDouble", |r| {
        text(r, "a float", |s| double(s).map(Bson::Double))
    }),
    ("$numberDecimal", |r| {
        text(r, "a decimal number of at most 34 digits", |s| {
            decimal(s).map(Bson::Decimal128)
        })
    }),
    ("$date", date),
    ("$uuid", |r| {
        text(r, "a UUID", |s| {
            bson::Uuid::parse_str(s).ok().map(Bson::from)
        })
    }),
    ("$binary", |r| {
        let (bytes, subtype) = binary_parts(r)?;
        let subtype = BinarySubtype::from(subtype);
        Ok(Bson::Binary(Binary { subtype, bytes }))
    }),
    ("$regularExpression", |r| {
        let (pattern, options) = regex_parts(r)?;
        match (CString::try_from(pattern), CString::try_from(options)) {
            (Ok(pattern), Ok(options)) => Ok(Bson::RegularExpression(Regex { pattern, options })),
            _ => Err(r.fail("a regular expression of BSON holds no NUL character")),
        }
    }),
    ("$timestamp", timestamp),
    ("$minKey", |r| {
        r.int::<i32>("`$minKey`", "1").map(|_| Bson::MinKey)
    }),
    ("$maxKey", |r| {
        r.int::<i32>("`$maxKey`", "1").map(|_| Bson::MaxKey)
    }),
    ("$symbol", |r| r.owned("`$symbol`").map(Bson::Symbol)),
    ("$undefined", |r| {
        r.bool("`$undefined`").map(|_| Bson::Undefined)
    }),
];

/// MQL as it stands.
pub(super) fn mql(r: &mut Reader<'_>) -> Result<Bson> {
    r.node()?;
    match r.peek()? {
        Kind::Null => r.take_null().map(|_| Bson::Null),
        Kind::Bool => r.bool("a boolean").map(Bson::Boolean),
        Kind::Number => match r.number()? {
            Number::Float(number) => Ok(Bson::Double(number)),
            Number::Int(number) => match (i32::try_from(number), i64::try_from(number)) {
                (Ok(number), _) => Ok(Bson::Int32(number)),
                (_, Ok(number)) => Ok(Bson::Int64(number)),
                _ => Err(r.fail(format!("BSON has integers of 64 bits, found {number}"))),
            },
        },
        Kind::String => r.owned("a text").map(Bson::String),
        Kind::Array => {
            r.enter()?;
            let items = r.vec("an array", mql)?;
            r.leave();
            Ok(Bson::Array(items))
        }
        Kind::Object => {
            r.enter()?;
            let content = object(r)?;
            r.leave();
            Ok(content)
        }
    }
}

/// A document of MQL.
pub(crate) fn document(r: &mut Reader<'_>) -> Result<Document> {
    r.expect(Kind::Object, "MQL here")?;
    match mql(r)? {
        Bson::Document(document) => Ok(document),
        _ => Err(r.fail("MQL here must be a document")),
    }
}

fn object(r: &mut Reader<'_>) -> Result<Bson> {
    let mut object = r.begin_object("a document")?;
    let mut document = Document::new();
    while let Some(key) = r.next_key(&mut object)? {
        if key.starts_with('$') && document.is_empty() {
            if key == "$code" {
                return code(r, &mut object);
            }
            if let Some((name, read)) = FORMS.iter().find(|(name, _)| *name == key) {
                let content = read(r)?;
                r.end_tagged(&mut object, "a value of extended JSON", name)?;
                return Ok(content);
            }
        }
        if document.contains_key(key.as_ref()) {
            return Err(r.repeated(&key));
        }
        let content = mql(r)?;
        document.insert(key, content);
    }
    Ok(Bson::Document(document))
}

fn text(
    r: &mut Reader<'_>,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<Bson>,
) -> Result<Bson> {
    if r.peek()? != Kind::String {
        return Err(r.wrong_kind("this", &format!("a string: {expected}")));
    }
    let given = r.string(expected)?;
    parse(&given).ok_or_else(|| r.fail(format!("{given:?} is not {expected}")))
}

fn date(r: &mut Reader<'_>) -> Result<Bson> {
    const WHAT: &str = "`$date`";
    if r.peek()? == Kind::String {
        return text(
            r,
            "a datetime with an offset, `2024-01-31T10:00:00.123Z`",
            |s| {
                let AwareDateTime { instant, .. } = time::parse_aware(s)?;
                let exact = instant.subsec_nanosecond() % 1_000_000 == 0;
                exact.then(|| DateTime::from_millis(instant.as_millisecond()).into())
            },
        );
    }
    let mut millis = None;
    fields!(r, WHAT, {
        "$numberLong" => {
            let given = r.string("`$numberLong`")?;
            let number = given.parse().map_err(|_| r.fail("this is no integer of 64 bits"))?;
            millis = Some(DateTime::from_millis(number));
        },
    });
    r.need(millis, WHAT, "$numberLong").map(Bson::DateTime)
}

fn timestamp(r: &mut Reader<'_>) -> Result<Bson> {
    const WHAT: &str = "`$timestamp`";
    let (mut time, mut increment) = (None, None);
    fields!(r, WHAT, {
        "t" => time = Some(r.int("`t`", "an integer of 32 bits")?),
        "i" => increment = Some(r.int("`i`", "an integer of 32 bits")?),
    });
    Ok(Bson::Timestamp(Timestamp {
        time: r.need(time, WHAT, "t")?,
        increment: r.need(increment, WHAT, "i")?,
    }))
}

fn code(r: &mut Reader<'_>, object: &mut super::reader::Object) -> Result<Bson> {
    let code = r.owned("`$code`")?;
    match r.next_key(object)? {
        None => Ok(Bson::JavaScriptCode(code)),
        Some(key) if key == "$scope" => {
            let scope = document(r)?;
            r.end_tagged(object, "code", "$code")?;
            Ok(Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope {
                code,
                scope,
            }))
        }
        Some(key) => Err(r.unknown_key("code", &key, &["$code", "$scope"])),
    }
}

/// MQL on its way to JSON.
pub(super) struct Mql<'a>(pub &'a Bson);
/// A document of MQL on its way to JSON.
pub(crate) struct MqlDocument<'a>(pub &'a Document);
/// Stages on their way to JSON.
pub(super) struct MqlStages<'a>(pub &'a [Document]);

impl Serialize for MqlDocument<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_map(self.0.iter().map(|(key, value)| (key, Mql(value))))
    }
}

impl Serialize for MqlStages<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(MqlDocument))
    }
}

/// An object with one key.
fn one<S: Serializer, T: Serialize + ?Sized>(
    s: S,
    key: &'static str,
    content: &T,
) -> Result<S::Ok, S::Error> {
    super::tag(s, key, content)
}

impl Serialize for Mql<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct BinaryForm {
            base64: String,
            #[serde(rename = "subType")]
            sub_type: String,
        }
        #[derive(Serialize)]
        struct RegexForm<'a> {
            pattern: &'a str,
            options: &'a str,
        }
        #[derive(Serialize)]
        struct TimestampForm {
            t: u32,
            i: u32,
        }
        #[derive(Serialize)]
        struct Long {
            #[serde(rename = "$numberLong")]
            number: String,
        }
        match self.0 {
            Bson::Null => s.serialize_unit(),
            Bson::Boolean(value) => s.serialize_bool(*value),
            Bson::Int32(value) => s.serialize_i32(*value),
            Bson::Int64(value) if i32::try_from(*value).is_ok() => {
                one(s, "$numberLong", &value.to_string())
            }
            Bson::Int64(value) => s.serialize_i64(*value),
            Bson::Double(value) if value.is_finite() => s.serialize_f64(*value),
            Bson::Double(value) => one(s, "$numberDouble", super::encode::double_name(*value)),
            Bson::String(value) => s.serialize_str(value),
            Bson::Array(items) => s.collect_seq(items.iter().map(Mql)),
            Bson::Document(document) => MqlDocument(document).serialize(s),
            Bson::Decimal128(value) => one(s, "$numberDecimal", &value.to_string()),
            Bson::ObjectId(value) => one(s, "$oid", &value.to_hex()),
            Bson::DateTime(value) => {
                let millis = value.timestamp_millis();
                match jiff::Timestamp::from_millisecond(millis) {
                    Ok(instant) if (0..253_402_300_800_000).contains(&millis) => {
                        let offset = jiff::tz::Offset::UTC;
                        let date = IsoAware(AwareDateTime { instant, offset });
                        one(s, "$date", &date.to_string())
                    }
                    _ => one(
                        s,
                        "$date",
                        &Long {
                            number: millis.to_string(),
                        },
                    ),
                }
            }
            Bson::Binary(Binary { subtype, bytes }) => one(
                s,
                "$binary",
                &BinaryForm {
                    base64: super::encode::base64(bytes),
                    sub_type: format!("{:02x}", u8::from(*subtype)),
                },
            ),
            Bson::RegularExpression(regex) => one(
                s,
                "$regularExpression",
                &RegexForm {
                    pattern: regex.pattern.as_str(),
                    options: regex.options.as_str(),
                },
            ),
            Bson::Timestamp(Timestamp { time, increment }) => one(
                s,
                "$timestamp",
                &TimestampForm {
                    t: *time,
                    i: *increment,
                },
            ),
            Bson::MinKey => one(s, "$minKey", &1),
            Bson::MaxKey => one(s, "$maxKey", &1),
            Bson::Symbol(value) => one(s, "$symbol", value),
            Bson::Undefined | Bson::DbPointer(_) => one(s, "$undefined", &true),
            Bson::JavaScriptCode(code) => one(s, "$code", code),
            Bson::JavaScriptCodeWithScope(JavaScriptCodeWithScope { code, scope }) => {
                let mut map = s.serialize_map(Some(2))?;
                map.serialize_entry("$code", code)?;
                map.serialize_entry("$scope", &MqlDocument(scope))?;
                map.end()
            }
        }
    }
}
