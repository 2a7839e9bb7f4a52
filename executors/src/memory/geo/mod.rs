//! Geospatial query operators, used by the match language and by `$geoNear`.
use bson::Bson;

use super::error::{Code, EngineError};
use super::value::ValueRef;

/// A compiled geospatial predicate: `$geoWithin`, `$geoIntersects`, `$near`, `$nearSphere`.
#[derive(Clone, Debug)]
pub struct Geo {}

impl Geo {
    /// Compiles one operator (its name with `$`) and its argument. `siblings` are the other operators beside it
    /// (`$maxDistance` beside `$near: [x, y]`).
    ///
    /// # Errors
    /// `BadValue` for a malformed shape.
    pub fn compile(op: &str, _arg: &Bson, _siblings: &bson::Document) -> Result<Self, EngineError> {
        Err(EngineError::new(
            Code::BadValue,
            format!("{op} is not supported"),
        ))
    }

    /// Whether the value at the path (a GeoJSON object, a legacy pair, or an array of such) satisfies the predicate.
    pub fn matches(&self, _value: ValueRef<'_>) -> bool {
        false
    }

    /// For `$near`: the distance to the value, to sort by; `None` when the value is no point or the operator is another.
    pub fn distance(&self, _value: ValueRef<'_>) -> Option<f64> {
        None
    }

    /// Whether the operator sorts by distance.
    pub fn sorts(&self) -> bool {
        false
    }
}
