//! Python literals.

use std::fmt::Write as _;

use bson::Bson;
use jiff::tz::Offset;

use super::{Style, Writer};
use crate::queryset::{AwareDateTime, RegexLiteral, Value};

const DAY: i64 = 86_400_000_000;
const SECOND: i64 = 1_000_000;

/// Flags of regular expressions by BSON's letters.
const FLAGS: [(char, &str); 4] = [
    ('i', "re.IGNORECASE"),
    ('m', "re.MULTILINE"),
    ('s', "re.DOTALL"),
    ('x', "re.VERBOSE"),
];

impl Writer {
    fn display(&mut self, value: impl std::fmt::Display) {
        let _ = write!(self.out, "{value}");
    }

    /// A string in double quotes.
    pub(super) fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.push("\\\""),
                '\\' => self.push("\\\\"),
                '\n' => self.push("\\n"),
                '\r' => self.push("\\r"),
                '\t' => self.push("\\t"),
                c if c.is_control() && u32::from(c) < 0x100 => {
                    let _ = write!(self.out, "\\x{:02x}", u32::from(c));
                }
                '\u{2028}' | '\u{2029}' | '\u{feff}' => {
                    let _ = write!(self.out, "\\u{:04x}", u32::from(c));
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }

    pub(super) fn strings(&mut self, items: &[String]) {
        self.commas(items, |w, item| w.string(item));
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.push("b\"");
        for byte in bytes {
            match byte {
                b'"' => self.push("\\\""),
                b'\\' => self.push("\\\\"),
                0x20..=0x7e => self.out.push(char::from(*byte)),
                byte => {
                    let _ = write!(self.out, "\\x{byte:02x}");
                }
            }
        }
        self.push("\"");
    }

    fn float(&mut self, number: f64) {
        if number.is_nan() {
            self.push("float(\"nan\")");
        } else if number.is_infinite() {
            self.push(if number > 0.0 {
                "float(\"inf\")"
            } else {
                "float(\"-inf\")"
            });
        } else {
            let _ = write!(self.out, "{number:?}");
        }
    }

    /// A literal. Kinds that Python has no literal for are calls.
    pub(super) fn literal(&mut self, value: &Value) {
        match value {
            Value::Null => self.push("None"),
            Value::Bool(true) => self.push("True"),
            Value::Bool(false) => self.push("False"),
            Value::Int(number) => self.display(number),
            Value::Float(number) => self.float(*number),
            Value::Str(text) => self.string(text),
            Value::List(items) => {
                self.push("[");
                self.commas(items, Self::literal);
                self.push("]");
            }
            Value::Dict(dict) => {
                self.push("{");
                self.commas(dict, |w, (key, value)| {
                    w.string(key);
                    w.push(": ");
                    w.literal(value);
                });
                self.push("}");
            }
            Value::DateTime(AwareDateTime { instant, offset }) => {
                self.datetime(offset.to_datetime(*instant), Some(*offset));
            }
            Value::NaiveDateTime(value) => self.datetime(*value, None),
            Value::Date(date) => {
                let (year, month, day) = (date.year(), date.month(), date.day());
                let _ = write!(self.out, "date({year}, {month}, {day})");
            }
            Value::Time(time) => {
                self.push("time(");
                self.clock(*time);
                self.push(")");
            }
            Value::Duration(micros) => self.duration(*micros),
            Value::Decimal(number) => {
                let _ = write!(self.out, "Decimal(\"{number}\")");
            }
            Value::Uuid(uuid) => {
                let _ = write!(self.out, "uuid.UUID(\"{}\")", bson::Uuid::from_bytes(*uuid));
            }
            Value::ObjectId(id) => {
                let _ = write!(self.out, "ObjectId(\"{id}\")");
            }
            Value::Binary { bytes, subtype: 0 } => self.bytes(bytes),
            Value::Binary { bytes, subtype } => {
                self.push("Binary(");
                self.bytes(bytes);
                let _ = write!(self.out, ", {subtype})");
            }
            Value::Regex(regex) => self.regex(regex),
            Value::Model { model, fields } => {
                self.class(model);
                self.push("(");
                let start = self.out.len();
                for (name, value) in fields {
                    self.keyword(start, name, |w| w.literal(value));
                }
                self.push(")");
            }
            Value::Expr(expr) => self.expr(expr, Style::Object, super::Level::Any),
            Value::JsonNull => self.push("Value(None, JSONField())"),
        }
    }

    fn regex(&mut self, regex: &RegexLiteral) {
        self.push("re.compile(");
        self.string(&regex.pattern);
        let mut between = ", ";
        for (letter, flag) in FLAGS {
            if regex.options.contains(letter) {
                self.push(between);
                self.push(flag);
                between = " | ";
            }
        }
        self.push(")");
    }

    fn datetime(&mut self, value: jiff::civil::DateTime, offset: Option<Offset>) {
        let (year, month, day) = (value.year(), value.month(), value.day());
        let _ = write!(self.out, "datetime({year}, {month}, {day}, ");
        self.clock(value.time());
        if let Some(offset) = offset {
            self.push(", tzinfo=");
            self.offset(offset);
        }
        self.push(")");
    }

    fn clock(&mut self, time: jiff::civil::Time) {
        let _ = write!(self.out, "{}, {}", time.hour(), time.minute());
        let micros = time.subsec_nanosecond() / 1000;
        if time.second() != 0 || micros != 0 {
            let _ = write!(self.out, ", {}", time.second());
        }
        if micros != 0 {
            let _ = write!(self.out, ", {micros}");
        }
    }

    fn offset(&mut self, offset: Offset) {
        if offset == Offset::UTC {
            self.push("timezone.utc");
        } else {
            self.push("timezone(");
            self.duration(i64::from(offset.seconds()) * SECOND);
            self.push(")");
        }
    }

    /// Days, seconds and microseconds, of which only the days may be negative, as Python holds them.
    fn duration(&mut self, micros: i64) {
        self.push("timedelta(");
        let start = self.out.len();
        for (name, amount) in [
            ("days", micros.div_euclid(DAY)),
            ("seconds", micros.rem_euclid(DAY) / SECOND),
            ("microseconds", micros.rem_euclid(SECOND)),
        ] {
            if amount != 0 {
                self.keyword(start, name, |w| w.display(amount));
            }
        }
        self.push(")");
    }

    /// The name of a zone, `UTC` or `+01:00`.
    pub(super) fn zone(&mut self, name: &str) {
        match fixed_offset(name) {
            Some(offset) => self.offset(offset),
            None => {
                self.push("ZoneInfo(");
                self.string(name);
                self.push(")");
            }
        }
    }

    /// MQL as Python writes it: the types that JSON lacks are calls, as in `bson`.
    pub(super) fn mql(&mut self, mql: &Bson) {
        match mql {
            Bson::Null | Bson::Undefined | Bson::DbPointer(_) => self.push("None"),
            Bson::Boolean(value) => self.literal(&Value::Bool(*value)),
            Bson::Int32(value) => self.display(value),
            Bson::Int64(value) if i32::try_from(*value).is_ok() => {
                let _ = write!(self.out, "Int64({value})");
            }
            Bson::Int64(value) => self.display(value),
            Bson::Double(value) => self.float(*value),
            Bson::String(text) | Bson::Symbol(text) => self.string(text),
            Bson::Array(items) => {
                self.push("[");
                self.commas(items, Self::mql);
                self.push("]");
            }
            Bson::Document(document) => self.document(document),
            Bson::Decimal128(number) => self.literal(&Value::Decimal(*number)),
            Bson::ObjectId(id) => self.literal(&Value::ObjectId(*id)),
            Bson::DateTime(time) => {
                match jiff::Timestamp::from_millisecond(time.timestamp_millis()) {
                    Ok(instant) => self.literal(&Value::from(instant)),
                    Err(_) => {
                        let _ = write!(self.out, "DatetimeMS({})", time.timestamp_millis());
                    }
                }
            }
            Bson::Binary(binary) => self.literal(&Value::Binary {
                bytes: binary.bytes.clone(),
                subtype: binary.subtype.into(),
            }),
            Bson::RegularExpression(regex) => self.regex(&RegexLiteral {
                pattern: regex.pattern.as_str().to_owned(),
                options: regex.options.as_str().to_owned(),
            }),
            Bson::Timestamp(time) => {
                let _ = write!(self.out, "Timestamp({}, {})", time.time, time.increment);
            }
            Bson::MinKey => self.push("MinKey()"),
            Bson::MaxKey => self.push("MaxKey()"),
            Bson::JavaScriptCode(code) => {
                self.push("Code(");
                self.string(code);
                self.push(")");
            }
            Bson::JavaScriptCodeWithScope(code) => {
                self.push("Code(");
                self.string(&code.code);
                self.push(", ");
                self.document(&code.scope);
                self.push(")");
            }
        }
    }

    /// A document of MQL.
    pub(super) fn document(&mut self, document: &bson::Document) {
        self.push("{");
        self.commas(document, |w, (key, value)| {
            w.string(key);
            w.push(": ");
            w.mql(value);
        });
        self.push("}");
    }
}

/// `UTC` and `+01:00`.
fn fixed_offset(name: &str) -> Option<Offset> {
    let sign = match name.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let (hours, minutes) = name.get(1..)?.split_once(':')?;
    let (hours, minutes): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).ok()
}
