//! Queryset JSON, version 1: statements, querysets and values from JSON and back.
//!
//! Decoding reads the text once, straight into the surface syntax; nothing else is built in between. Every refusal
//! carries the JSON path of the offending part. Encoding writes the one canonical form: keys that do not apply are
//! left out. `decode(encode(x)) == x` for every statement.
//!
//! | file | holds |
//! |---|---|
//! | `reader` | a pull reader over JSON text: paths, exact integers, limits |
//! | `statement` | statements, querysets and calls |
//! | `expr` | conditions and expressions |
//! | `value` | literals |
//! | `mql` | raw MQL as extended JSON, in both directions |
//! | `time` | dates and times in fixed forms, in both directions |
//! | `encode` | everything else in the other direction |
//!
//! Nothing here knows a schema.

mod encode;
mod expr;
mod mql;
pub(crate) mod reader;
mod statement;
pub(crate) mod time;
mod value;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

pub(crate) use expr::{order_term, q as condition};
pub(crate) use mql::{MqlDocument, document};
pub(crate) use value::value;

use super::{Expr, Q, Queryset, Statement, Value};
use crate::error::Result;
use reader::Reader;

/// How large a document may be. Both limits strike before memory or stack are in danger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How deep conditions, expressions, values and querysets may nest.
    pub depth: u32,
    /// How many conditions, expressions, values and calls there may be.
    pub nodes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            depth: 200,
            nodes: 1_000_000,
        }
    }
}

macro_rules! json_form {
    ($ty:ident, $what:literal, $read:path) => {
        impl $ty {
            #[doc = concat!("Reads ", $what, " from Queryset JSON, with the default [`Limits`].")]
            ///
            /// # Errors
            /// `Decode` for text that is not JSON (with line and column) or not of the documented form (with the JSON
            /// path), `Limit` for what is too deep or too large.
            pub fn from_json(text: &str) -> Result<Self> {
                Self::from_json_within(text, Limits::default())
            }

            #[doc = concat!("Reads ", $what, " from Queryset JSON, within limits.")]
            ///
            /// # Errors
            /// As [`Self::from_json`].
            pub fn from_json_within(text: &str, limits: Limits) -> Result<Self> {
                Reader::new(text, limits).document($read)
            }

            #[doc = concat!("Writes ", $what, " as Queryset JSON, in one line.")]
            #[must_use]
            pub fn to_json(&self) -> String {
                serde_json::to_string(self).unwrap_or_default()
            }

            #[doc = concat!("Writes ", $what, " as Queryset JSON, indented.")]
            #[must_use]
            pub fn to_json_pretty(&self) -> String {
                serde_json::to_string_pretty(self).unwrap_or_default()
            }
        }

        deserialize_form!($ty);
    };
}

/// Reads through JSON text, so that there is one reader. Integers beyond 64 bits and repeated keys do not survive
/// other formats; `from_json` sees them.
macro_rules! deserialize_form {
    ($ty:ident) => {
        impl<'de> Deserialize<'de> for $ty {
            fn deserialize<D: Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                let content = serde_json::Value::deserialize(deserializer)?;
                $ty::from_json(&content.to_string()).map_err(D::Error::custom)
            }
        }
    };
}
pub(crate) use deserialize_form;

json_form!(Statement, "a statement", statement::statement);
json_form!(Queryset, "a queryset", statement::queryset);
json_form!(Q, "a condition", expr::q);
json_form!(Expr, "an expression", expr::expr);

impl Value {
    /// Reads a literal that is already parsed as JSON, as stored documents and expected rows are.
    ///
    /// # Errors
    /// `Decode` with the JSON path for an invalid `$` form, `Limit` for what is too deep or too large.
    pub fn from_json(json: &serde_json::Value) -> Result<Self> {
        Self::from_json_text(&json.to_string())
    }

    /// Reads a literal from JSON text; integers keep 128 bits.
    ///
    /// # Errors
    /// As [`Value::from_json`], and `Decode` for text that is not JSON.
    pub fn from_json_text(text: &str) -> Result<Self> {
        Reader::new(text, Limits::default()).document(value::computed_value)
    }

    /// The literal as JSON. Integers beyond 64 bits become floats here; [`Value::to_json_text`] keeps them.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::from_str(&self.to_json_text()).unwrap_or_default()
    }

    /// The literal as JSON text.
    #[must_use]
    pub fn to_json_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let content = serde_json::Value::deserialize(deserializer)?;
        Value::from_json(&content).map_err(D::Error::custom)
    }
}

/// An object with one key, the tag.
pub(crate) fn tag<S: serde::Serializer, T: Serialize + ?Sized>(
    serializer: S,
    tag: &'static str,
    content: &T,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_newtype_variant("", 0, tag, content)
}
