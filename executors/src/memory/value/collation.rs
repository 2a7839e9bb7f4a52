//! Collation: how strings compare when a command or a collection asks for more than bytes.
use std::cmp::Ordering;

use super::{Array, DocBuilder, Value};

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
