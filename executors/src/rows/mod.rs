//! Rows: what documents become.
//!
//! Results are structured: a row is an object by name (model instances, `values()`), an array (`values_list()`) or the
//! value itself (flat lists, `dates()`); related objects are nested, prefetched ones are nested lists.
//!
//! | file | holds |
//! |---|---|
//! | `decode` | documents to rows by a shape, [`Decoder`] |
//! | `attach` | rows of follow-up steps inside their parents, by hash join |
//! | `key` | values as hash keys, [`JoinKey`] |
//! | `serde` | rows to Rust types, [`from_row`], and to JSON |

mod attach;
mod decode;
mod key;
mod serde;

use std::sync::Arc;

use mqlc_compiler::queryset::Value;

pub use decode::Decoder;
pub(crate) use decode::at_path;
pub use key::JoinKey;
pub use serde::from_row;

/// A row, or a part of one.
#[derive(Debug, Clone, PartialEq)]
pub enum RowValue {
    /// A value.
    Value(Value),
    /// A model instance or a row of `values()`: by name.
    Object(Row),
    /// A row of `values_list(named=True)`: in order, with names.
    Named(Row),
    /// A row of `values_list()`, or prefetched objects.
    List(Vec<RowValue>),
}

/// Values by name. The names are shared by all rows of a result.
#[derive(Clone, PartialEq)]
pub struct Row {
    names: Arc<Names>,
    values: Vec<RowValue>,
}

/// Names of the values of a row, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Names(indexmap::IndexSet<String>);

impl Names {
    /// The position of a name, which is added if it is not there.
    fn add(&mut self, name: &str) -> usize {
        match self.0.get_index_of(name) {
            Some(at) => at,
            None => self.0.insert_full(name.to_owned()).0,
        }
    }
}

impl Row {
    fn new(names: Arc<Names>, values: Vec<RowValue>) -> Self {
        Row { names, values }
    }

    /// A row of given values.
    pub fn from_pairs<S: Into<String>>(pairs: impl IntoIterator<Item = (S, RowValue)>) -> Self {
        let mut names = Names::default();
        let mut values = Vec::new();
        for (name, value) in pairs {
            let at = names.add(&name.into());
            match values.get_mut(at) {
                Some(slot) => *slot = value,
                None => values.push(value),
            }
        }
        Row::new(Arc::new(names), values)
    }

    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RowValue> {
        self.values.get(self.names.0.get_index_of(name)?)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &RowValue)> {
        self.names.0.iter().map(String::as_str).zip(&self.values)
    }

    /// The values in order.
    #[must_use]
    pub fn values(&self) -> &[RowValue] {
        &self.values
    }

    /// The names in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.names.0.iter().map(String::as_str)
    }

    /// Number of values.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Whether there are no values.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl RowValue {
    /// NULL.
    pub const NULL: RowValue = RowValue::Value(Value::Null);

    /// Whether it is NULL.
    #[must_use]
    pub fn is_null(&self) -> bool {
        matches!(self, RowValue::Value(Value::Null))
    }

    /// The value, if it is one.
    #[must_use]
    pub fn as_value(&self) -> Option<&Value> {
        match self {
            RowValue::Value(value) => Some(value),
            _ => None,
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn as_row(&self) -> Option<&Row> {
        match self {
            RowValue::Object(row) | RowValue::Named(row) => Some(row),
            _ => None,
        }
    }

    /// The list, if it is one.
    #[must_use]
    pub fn as_list(&self) -> Option<&[RowValue]> {
        match self {
            RowValue::List(items) => Some(items),
            _ => None,
        }
    }

    /// The object, if it is one.
    #[must_use]
    pub fn into_row(self) -> Option<Row> {
        match self {
            RowValue::Object(row) | RowValue::Named(row) => Some(row),
            _ => None,
        }
    }

    /// The part of a nested object, step by step: `row.at("author.publisher.name")`.
    #[must_use]
    pub fn at(&self, path: &str) -> Option<&RowValue> {
        path.split('.')
            .try_fold(self, |value, name| value.as_row()?.get(name))
    }
}

impl From<Value> for RowValue {
    fn from(value: Value) -> Self {
        RowValue::Value(value)
    }
}

#[cfg(test)]
mod tests;
