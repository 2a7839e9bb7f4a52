//! The border to the `bson` crate: conversion both ways.
use std::sync::Arc;

use bson::Bson;

use super::{Array, Buffer, Bytes, Decimal, DocBuilder, DocRef, Document, Regex, Value, ValueRef};

impl Value {
    /// From a BSON value; documents and arrays become built ones.
    pub fn from_bson(v: &Bson) -> Self {
        match v {
            Bson::Double(x) => Self::Double(*x),
            Bson::String(s) => Self::str(s.as_str()),
            Bson::Array(a) => Self::Array(a.iter().map(Self::from_bson).collect::<Array>()),
            Bson::Document(d) => Self::Document(Document::from_bson(d)),
            Bson::Boolean(b) => Self::Bool(*b),
            Bson::Null => Self::Null,
            Bson::RegularExpression(r) => Self::Regex(Arc::new(Regex {
                pattern: r.pattern.as_str().into(),
                options: r.options.as_str().into(),
            })),
            Bson::JavaScriptCode(c) => Self::JavaScript(c.as_str().into()),
            Bson::JavaScriptCodeWithScope(c) => Self::JavaScriptWithScope(Arc::new((
                c.code.as_str().into(),
                Document::from_bson(&c.scope),
            ))),
            Bson::Int32(n) => Self::Int32(*n),
            Bson::Int64(n) => Self::Int64(*n),
            Bson::Timestamp(t) => {
                Self::Timestamp((u64::from(t.time) << 32) | u64::from(t.increment))
            }
            Bson::Binary(b) => Self::Binary(
                b.subtype.into(),
                Bytes::whole(Buffer::from(b.bytes.as_slice())),
            ),
            Bson::ObjectId(id) => Self::ObjectId(id.bytes()),
            Bson::DateTime(d) => Self::Date(d.timestamp_millis()),
            Bson::Symbol(s) => Self::Symbol(s.as_str().into()),
            Bson::Decimal128(d) => Self::Decimal(Decimal::from_bytes(d.bytes())),
            Bson::Undefined => Self::Undefined,
            Bson::MaxKey => Self::MaxKey,
            Bson::MinKey => Self::MinKey,
            // The crate hides the parts of a pointer; its extended JSON shows them.
            Bson::DbPointer(_) => pointer(v).unwrap_or(Self::Null),
        }
    }

    /// To a BSON value; `Missing` becomes null.
    pub fn to_bson(&self) -> Bson {
        self.view().to_bson()
    }
}

fn pointer(v: &Bson) -> Option<Value> {
    let mut doc = bson::Document::new();
    doc.insert("v", v.clone());
    let raw = Document::from_raw(Buffer::from(doc.to_vec().ok()?.as_slice()));
    Some(raw.get("v"))
}

impl Document {
    /// From a BSON document, as a built one.
    pub fn from_bson(d: &bson::Document) -> Self {
        let mut b = DocBuilder::new();
        for (k, v) in d {
            b.push(k.as_str(), Value::from_bson(v));
        }
        b.build()
    }

    /// To a BSON document.
    pub fn to_bson(&self) -> bson::Document {
        self.view().to_bson()
    }
}

impl DocRef<'_> {
    /// To a BSON document.
    pub fn to_bson(self) -> bson::Document {
        self.iter()
            .filter(|(k, _)| !super::document::is_hidden(k.as_bytes()))
            .map(|(k, v)| (k.as_str().to_owned(), v.to_bson()))
            .collect()
    }
}

fn high_low(t: u64) -> (u32, u32) {
    let b = t.to_be_bytes();
    let [a, c, d, e, f, g, h, i] = b;
    (
        u32::from_be_bytes([a, c, d, e]),
        u32::from_be_bytes([f, g, h, i]),
    )
}

impl ValueRef<'_> {
    /// To a BSON value; `Missing` becomes null.
    pub fn to_bson(self) -> Bson {
        match self {
            Self::Missing | Self::Null => Bson::Null,
            Self::Undefined => Bson::Undefined,
            Self::MinKey => Bson::MinKey,
            Self::MaxKey => Bson::MaxKey,
            Self::Bool(b) => Bson::Boolean(b),
            Self::Int32(n) => Bson::Int32(n),
            Self::Int64(n) => Bson::Int64(n),
            Self::Double(x) => Bson::Double(x),
            Self::Decimal(d) => Bson::Decimal128(bson::Decimal128::from_bytes(d.bytes())),
            Self::Date(d) => Bson::DateTime(bson::DateTime::from_millis(d)),
            Self::Timestamp(t) => {
                let (time, increment) = high_low(t);
                Bson::Timestamp(bson::Timestamp { time, increment })
            }
            Self::ObjectId(id) => Bson::ObjectId(bson::oid::ObjectId::from_bytes(id)),
            Self::Str(s) => Bson::String(s.as_str().to_owned()),
            Self::Symbol(s) => Bson::Symbol(s.as_str().to_owned()),
            Self::JavaScript(s) => Bson::JavaScriptCode(s.as_str().to_owned()),
            Self::JavaScriptWithScope(c, s) => {
                Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope {
                    code: c.as_str().to_owned(),
                    scope: s.to_bson(),
                })
            }
            Self::Binary(t, b) => Bson::Binary(bson::Binary {
                subtype: t.into(),
                bytes: b.as_slice().to_vec(),
            }),
            Self::Regex(p, o) => regex(p.as_str(), o.as_str()),
            Self::DbPointer(..) => {
                let doc: Document = [("v", self.to_value())].into_iter().collect();
                bson::Document::from_reader(&*doc.to_raw())
                    .ok()
                    .and_then(|mut d| d.remove("v"))
                    .unwrap_or(Bson::Null)
            }
            Self::Array(a) => Bson::Array(a.iter().map(ValueRef::to_bson).collect()),
            Self::Document(d) => Bson::Document(d.to_bson()),
        }
    }
}

fn regex(pattern: &str, options: &str) -> Bson {
    let (Ok(pattern), Ok(options)) = (pattern.to_owned().try_into(), options.to_owned().try_into())
    else {
        return Bson::Null;
    };
    Bson::RegularExpression(bson::Regex { pattern, options })
}
