//! Writing values as BSON bytes.
use std::io::Write as _;

use super::{ArrRef, DocRef, ValueRef, num};

/// Appends a document.
pub(super) fn document(doc: DocRef<'_>, out: &mut Vec<u8>) {
    if let Some(raw) = doc.raw_bytes() {
        out.extend_from_slice(raw);
        return;
    }
    framed(out, |out| {
        for (key, value) in doc
            .iter()
            .filter(|(k, _)| !super::document::is_hidden(k.as_bytes()))
        {
            element(key.as_bytes(), value, out);
        }
    });
}

fn array(arr: ArrRef<'_>, out: &mut Vec<u8>) {
    if let Some(raw) = arr.raw_bytes() {
        out.extend_from_slice(raw);
        return;
    }
    framed(out, |out| {
        let mut name = Vec::with_capacity(4);
        for (i, value) in arr.iter().enumerate() {
            name.clear();
            let _infallible = write!(name, "{i}");
            element(&name, value, out);
        }
    });
}

/// Writes a body between its length and its final zero.
fn framed(out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    body(out);
    out.push(0);
    let len = num::len_i32(out.len() - start).to_le_bytes();
    if let Some(slot) = out.get_mut(start..start + 4) {
        slot.copy_from_slice(&len);
    }
}

fn string(text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&num::len_i32(text.len() + 1).to_le_bytes());
    out.extend_from_slice(text);
    out.push(0);
}

fn cstring(text: &[u8], out: &mut Vec<u8>) {
    // A zero cannot be inside a C string; what comes after it is cut, as BSON has no way to say it.
    out.extend(text.iter().copied().take_while(|b| *b != 0));
    out.push(0);
}

fn element(key: &[u8], value: ValueRef<'_>, out: &mut Vec<u8>) {
    if value.is_missing() {
        return;
    }
    out.push(kind(value));
    cstring(key, out);
    body(value, out);
}

/// BSON's byte for the type; that of null for missing.
pub(super) fn kind(value: ValueRef<'_>) -> u8 {
    match value {
        ValueRef::MinKey => 0xff,
        ValueRef::Missing => 0x0a,
        other => u8::try_from(other.type_number()).unwrap_or(0x0a),
    }
}

/// The bytes of a value.
pub(super) fn body(value: ValueRef<'_>, out: &mut Vec<u8>) {
    match value {
        ValueRef::Missing
        | ValueRef::Null
        | ValueRef::Undefined
        | ValueRef::MinKey
        | ValueRef::MaxKey => {}
        ValueRef::Bool(b) => out.push(u8::from(b)),
        ValueRef::Int32(n) => out.extend_from_slice(&n.to_le_bytes()),
        ValueRef::Int64(n) | ValueRef::Date(n) => out.extend_from_slice(&n.to_le_bytes()),
        ValueRef::Double(x) => out.extend_from_slice(&x.to_le_bytes()),
        ValueRef::Decimal(d) => out.extend_from_slice(&d.bytes()),
        ValueRef::Timestamp(t) => out.extend_from_slice(&t.to_le_bytes()),
        ValueRef::ObjectId(id) => out.extend_from_slice(&id),
        ValueRef::Str(s) | ValueRef::Symbol(s) | ValueRef::JavaScript(s) => {
            string(s.as_bytes(), out)
        }
        ValueRef::JavaScriptWithScope(code, scope) => {
            let start = out.len();
            out.extend_from_slice(&[0; 4]);
            string(code.as_bytes(), out);
            document(scope, out);
            let len = num::len_i32(out.len() - start).to_le_bytes();
            if let Some(slot) = out.get_mut(start..start + 4) {
                slot.copy_from_slice(&len);
            }
        }
        ValueRef::Binary(subtype, bytes) => {
            out.extend_from_slice(&num::len_i32(bytes.len()).to_le_bytes());
            out.push(subtype);
            out.extend_from_slice(bytes.as_slice());
        }
        ValueRef::Regex(pattern, options) => {
            cstring(pattern.as_bytes(), out);
            cstring(options.as_bytes(), out);
        }
        ValueRef::DbPointer(ns, id) => {
            string(ns.as_bytes(), out);
            out.extend_from_slice(&id);
        }
        ValueRef::Array(a) => array(a, out),
        ValueRef::Document(d) => document(d, out),
    }
}

/// The size of a document as BSON.
pub(super) fn document_size(doc: DocRef<'_>) -> usize {
    match doc.raw_bytes() {
        Some(raw) => raw.len(),
        None => {
            5 + doc
                .iter()
                .filter(|(k, _)| !super::document::is_hidden(k.as_bytes()))
                .map(|(k, v)| 2 + k.as_bytes().len() + value_size(v))
                .sum::<usize>()
        }
    }
}

fn array_size(arr: ArrRef<'_>) -> usize {
    let digits = |i: usize| {
        i.checked_ilog10()
            .map_or(1, |n| usize::try_from(n).unwrap_or(0) + 1)
    };
    match arr.raw_bytes() {
        Some(raw) => raw.len(),
        None => {
            5 + arr
                .iter()
                .enumerate()
                .map(|(i, v)| 2 + digits(i) + value_size(v))
                .sum::<usize>()
        }
    }
}

/// The size of a value as BSON, without its name and type.
pub(super) fn value_size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Missing
        | ValueRef::Null
        | ValueRef::Undefined
        | ValueRef::MinKey
        | ValueRef::MaxKey => 0,
        ValueRef::Bool(_) => 1,
        ValueRef::Int32(_) => 4,
        ValueRef::Int64(_) | ValueRef::Date(_) | ValueRef::Double(_) | ValueRef::Timestamp(_) => 8,
        ValueRef::Decimal(_) => 16,
        ValueRef::ObjectId(_) => 12,
        ValueRef::Str(s) | ValueRef::Symbol(s) | ValueRef::JavaScript(s) => 5 + s.as_bytes().len(),
        ValueRef::JavaScriptWithScope(code, scope) => {
            9 + code.as_bytes().len() + document_size(scope)
        }
        ValueRef::Binary(_, b) => 5 + b.len(),
        ValueRef::Regex(p, o) => 2 + p.as_bytes().len() + o.as_bytes().len(),
        ValueRef::DbPointer(ns, _) => 17 + ns.as_bytes().len(),
        ValueRef::Array(a) => array_size(a),
        ValueRef::Document(d) => document_size(d),
    }
}

impl ValueRef<'_> {
    /// The size of this value as BSON, in bytes, without its name and type: what memory limits count.
    pub fn byte_size(self) -> usize {
        value_size(self)
    }
}
