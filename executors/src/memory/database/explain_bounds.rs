//! Index bounds as `explain` shows them: intervals as text, field by field.
use std::cmp::Ordering;
use std::fmt::Write;

use bson::{Bson, Document as Bdoc};

use crate::memory::plan::{Bound, Range};
use crate::memory::storage::IndexSpec;
use crate::memory::value::{Value, ValueRef, compare};

/// Intervals of one field are listed up to here.
const MAX_SHOWN: usize = 1000;

/// A value as the server's debug text: `1`, `1.0`, `"a"`, `new Date(0)`, `ObjectId('...')`.
pub(super) fn shown(v: ValueRef<'_>) -> String {
    let mut out = String::new();
    write(v, &mut out);
    out
}

fn write(v: ValueRef<'_>, out: &mut String) {
    // Writing to a string cannot fail.
    let _ = match v {
        ValueRef::Missing | ValueRef::Undefined => write!(out, "undefined"),
        ValueRef::Null => write!(out, "null"),
        ValueRef::MinKey => write!(out, "MinKey"),
        ValueRef::MaxKey => write!(out, "MaxKey"),
        ValueRef::Bool(b) => write!(out, "{b}"),
        ValueRef::Int32(n) => write!(out, "{n}"),
        ValueRef::Int64(n) => write!(out, "{n}"),
        ValueRef::Double(x) => number(x, out),
        ValueRef::Decimal(d) => write!(out, "{d}"),
        ValueRef::Date(d) => write!(out, "new Date({d})"),
        ValueRef::Timestamp(t) => write!(out, "Timestamp({}, {})", t >> 32, t & 0xffff_ffff),
        ValueRef::ObjectId(id) => {
            let hex = bson::oid::ObjectId::from_bytes(id).to_hex();
            write!(out, "ObjectId('{hex}')")
        }
        ValueRef::Str(s) | ValueRef::Symbol(s) => write!(out, "{:?}", s.as_str()),
        ValueRef::JavaScript(s) => write!(out, "{}", s.as_str()),
        ValueRef::JavaScriptWithScope(s, _) => write!(out, "CodeWScope( {}, {{}})", s.as_str()),
        ValueRef::Regex(p, o) => write!(out, "/{}/{}", p.as_str(), o.as_str()),
        ValueRef::DbPointer(ns, _) => write!(out, "DBRef('{}')", ns.as_str()),
        ValueRef::Binary(subtype, b) => {
            let _ = write!(out, "BinData({subtype}, ");
            for byte in b.as_slice() {
                let _ = write!(out, "{byte:02X}");
            }
            write!(out, ")")
        }
        ValueRef::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                out.push_str(if i == 0 { " " } else { ", " });
                write(item, out);
            }
            out.push_str(if items.is_empty() { "]" } else { " ]" });
            Ok(())
        }
        ValueRef::Document(d) => {
            out.push('{');
            for (i, (key, item)) in d.iter().enumerate() {
                out.push_str(if i == 0 { " " } else { ", " });
                out.push_str(key.as_str());
                out.push_str(": ");
                write(item, out);
            }
            out.push_str(if d.is_empty() { "}" } else { " }" });
            Ok(())
        }
    };
}

fn number(x: f64, out: &mut String) -> std::fmt::Result {
    if x.is_nan() {
        write!(out, "nan")
    } else if x.is_infinite() {
        write!(out, "{}inf", if x < 0.0 { "-" } else { "" })
    } else {
        write!(out, "{x:?}")
    }
}

/// Where the values of a type bracket begin and end, and whether the end itself belongs to it.
fn bracket(number: u8) -> (&'static str, &'static str, bool) {
    match number {
        1 => ("undefined", "undefined", true),
        2 => ("null", "null", true),
        3 => ("-inf.0", "inf.0", true),
        4 => ("\"\"", "{}", false),
        5 => ("{}", "[]", false),
        6 => ("[]", "BinData(0, )", false),
        7 => (
            "BinData(0, )",
            "ObjectId('000000000000000000000000')",
            false,
        ),
        8 => (
            "ObjectId('000000000000000000000000')",
            "ObjectId('ffffffffffffffffffffffff')",
            true,
        ),
        9 => ("false", "true", true),
        10 => (
            "new Date(-9223372036854775808)",
            "new Date(9223372036854775807)",
            true,
        ),
        11 => ("Timestamp(0, 0)", "Timestamp(4294967295, 4294967295)", true),
        12 => ("//", "DBRef('')", false),
        _ => ("MinKey", "MaxKey", true),
    }
}

/// One interval; `backward` turns it around.
fn interval(range: &Range, at: usize, backward: bool) -> String {
    let point = |v: &Value| {
        let text = shown(v.view());
        (text.clone(), true, text, true)
    };
    let (low, low_inside, high, high_inside) = match (range.prefix.get(at), &range.interval) {
        (Some(v), _) => point(v),
        (None, Some(i)) if at == range.prefix.len() => {
            let equal = matches!((&i.low, &i.high), (Bound::Value(a, true), Bound::Value(b, true)) if compare(a.view(), b.view()) == Ordering::Equal);
            match &i.low {
                Bound::Value(v, _) if equal => point(v),
                low => {
                    let (low, low_inside) = match low {
                        Bound::Value(v, inside) => (shown(v.view()), *inside),
                        Bound::Bracket(b) => (bracket(*b).0.to_owned(), true),
                    };
                    let (high, high_inside) = match &i.high {
                        Bound::Value(v, inside) => (shown(v.view()), *inside),
                        Bound::Bracket(b) => (bracket(*b).1.to_owned(), bracket(*b).2),
                    };
                    (low, low_inside, high, high_inside)
                }
            }
        }
        _ => ("MinKey".to_owned(), true, "MaxKey".to_owned(), true),
    };
    let (open, close) = (
        |inside| if inside { '[' } else { '(' },
        |inside| if inside { ']' } else { ')' },
    );
    if backward {
        format!("{}{high}, {low}{}", open(high_inside), close(low_inside))
    } else {
        format!("{}{low}, {high}{}", open(low_inside), close(high_inside))
    }
}

/// The bounds of every field of an index, in the direction of the scan.
pub(super) fn bounds(spec: &IndexSpec, ranges: &[Range], reverse: bool) -> Bdoc {
    let mut out = Bdoc::new();
    for (at, field) in spec.fields.iter().enumerate() {
        let mut texts: Vec<Bson> = Vec::new();
        let mut add = |range: &Range| {
            let text = Bson::String(interval(range, at, field.ascending == reverse));
            if texts.len() < MAX_SHOWN && !texts.contains(&text) {
                texts.push(text);
            }
        };
        if reverse {
            ranges.iter().rev().for_each(&mut add);
        } else {
            ranges.iter().for_each(&mut add);
        }
        out.insert(field.path.to_string(), texts);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::{bson, oid::ObjectId};

    /// Values are shown as the server's `explain` shows them.
    #[test]
    fn values_read_as_the_servers() {
        let cases = [
            (bson!(1), "1"),
            (bson!(1.0), "1.0"),
            (bson!(2.5), "2.5"),
            (bson!(f64::INFINITY), "inf"),
            (bson!("a\"b"), "\"a\\\"b\""),
            (bson!(null), "null"),
            (bson!([1, [2]]), "[ 1, [ 2 ] ]"),
            (bson!({"a": 1, "b": {}}), "{ a: 1, b: {} }"),
            (
                Bson::DateTime(bson::DateTime::from_millis(5)),
                "new Date(5)",
            ),
            (
                Bson::ObjectId(ObjectId::from_bytes([1; 12])),
                "ObjectId('010101010101010101010101')",
            ),
        ];
        for (value, text) in cases {
            assert_eq!(shown(Value::from_bson(&value).view()), text);
        }
    }
}
