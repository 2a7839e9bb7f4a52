//! Values as hash keys: equal keys mean values that the server's `==` calls equal.

use bson::oid::ObjectId;
use bson::{Bson, Document};

/// A value that can be looked up. NULL has none: it is equal to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct JoinKey(Kind);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Kind {
    Bool(bool),
    /// Whole numbers of every type.
    Int(i64),
    /// Other numbers, by the bits of the double.
    Double(u64),
    Text(String),
    Id(ObjectId),
    Date(i64),
    /// Everything else: its BSON.
    Other(Vec<u8>),
}

impl JoinKey {
    /// The key of a value; `None` for NULL.
    #[must_use]
    pub fn new(value: &Bson) -> Option<Self> {
        Some(JoinKey(match value {
            Bson::Null | Bson::Undefined => return None,
            Bson::Boolean(b) => Kind::Bool(*b),
            Bson::Int32(i) => Kind::Int(i64::from(*i)),
            Bson::Int64(i) => Kind::Int(*i),
            Bson::Double(f) => Kind::of_double(*f),
            Bson::Decimal128(d) => {
                let text = d.to_string();
                match (text.parse::<i64>(), text.parse::<f64>()) {
                    (Ok(i), _) => Kind::Int(i),
                    (_, Ok(f)) => Kind::of_double(f),
                    _ => Kind::Text(text),
                }
            }
            Bson::String(s) | Bson::Symbol(s) => Kind::Text(s.clone()),
            Bson::ObjectId(id) => Kind::Id(*id),
            Bson::DateTime(at) => Kind::Date(at.timestamp_millis()),
            other => {
                let mut holder = Document::new();
                holder.insert("", other.clone());
                Kind::Other(holder.to_vec().ok()?)
            }
        }))
    }

    /// Whether two values are equal and not NULL.
    #[must_use]
    pub fn same(a: &Bson, b: &Bson) -> bool {
        match (JoinKey::new(a), JoinKey::new(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        }
    }
}

impl Kind {
    fn of_double(f: f64) -> Self {
        if f.fract() == 0.0 && f.abs() < 9e18 {
            // Whole doubles print exactly.
            if let Ok(i) = format!("{f:.0}").parse() {
                return Kind::Int(i);
            }
        }
        Kind::Double(f.to_bits())
    }
}
