//! Collation: how strings compare when a command or a collection asks for more than bytes.
use std::cmp::Ordering;

use super::{Array, DocBuilder, Value};
use crate::memory::error::EngineError;

/// A collation of strength 1 (letters only), 2 (letters and accents) or 3 (also case).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collation {
    /// The locale, as given.
    pub locale: String,
    /// 1 to 3.
    pub strength: u8,
    /// Whether digits compare as numbers.
    pub numeric: bool,
    /// Whether case counts in spite of a strength of 1 or 2.
    pub case_level: bool,
}

impl Collation {
    /// Reads a `collation` document. The locale `simple` is no collation.
    ///
    /// # Errors
    /// `BadValue`, `TypeMismatch`, `FailedToParse` as MongoDB.
    pub fn parse(d: &bson::Document) -> Result<Option<Self>, EngineError> {
        let Some(bson::Bson::String(locale)) = d.get("locale") else {
            return Err(EngineError::failed_to_parse(
                "BSON field 'collation.locale' is missing but a required field",
            ));
        };
        let mut collation = Self {
            locale: locale.clone(),
            strength: 3,
            numeric: false,
            case_level: false,
        };
        for (key, v) in d {
            let flag = || match v {
                bson::Bson::Boolean(b) => Ok(*b),
                _ => Err(EngineError::type_mismatch(format!(
                    "Field '{key}' must be of type bool"
                ))),
            };
            match key.as_str() {
                "locale" | "version" => {}
                "strength" => {
                    let strength = Value::from_bson(v).as_i64().filter(|n| (1..=5).contains(n));
                    let bad = || {
                        EngineError::bad_value(format!(
                            "Field 'strength' must be an integer 1 through 5. Got: {v}"
                        ))
                    };
                    collation.strength = u8::try_from(strength.ok_or_else(bad)?).unwrap_or(3);
                }
                "numericOrdering" => collation.numeric = flag()?,
                "caseLevel" => collation.case_level = flag()?,
                "caseFirst" | "alternate" | "maxVariable" => {}
                "backwards" | "normalization" => {
                    flag()?;
                }
                other => {
                    return Err(EngineError::failed_to_parse(format!(
                        "Collation spec contains unknown field: {other}"
                    )));
                }
            }
        }
        Ok((locale != "simple").then_some(collation))
    }

    /// Compares two strings.
    pub fn compare(&self, a: &str, b: &str) -> Ordering {
        self.key(a).cmp(&self.key(b))
    }

    /// A string whose bytes order as the collation orders the given ones.
    pub fn key(&self, s: &str) -> String {
        if self.strength >= 3 {
            return s.to_owned();
        }
        s.chars().flat_map(char::to_lowercase).collect()
    }

    /// The value with every string in it replaced by its key, so that binary comparison follows the collation.
    pub fn fold(&self, v: &Value) -> Value {
        match v {
            Value::Str(s) => Value::str(self.key(s.as_str())),
            Value::Symbol(s) => Value::str(self.key(s.as_str())),
            Value::Array(a) => Value::Array(
                a.iter()
                    .map(|x| self.fold(&x.to_value()))
                    .collect::<Array>(),
            ),
            Value::Document(d) => {
                let mut b = DocBuilder::new();
                for (k, x) in d.iter() {
                    b.push(k.to_str(), self.fold(&x.to_value()));
                }
                b.value()
            }
            other => other.clone(),
        }
    }
}
