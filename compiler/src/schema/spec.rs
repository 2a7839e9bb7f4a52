//! The declared form of a schema.

use indexmap::IndexMap;

use super::FieldSpec;
use crate::queryset::OrderTerm;

/// Settings and models as declared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SchemaSpec {
    /// Settings that change the meaning of queries.
    pub settings: Settings,
    /// Models by label, `app.Model`.
    pub models: IndexMap<String, ModelSpec>,
}

/// Settings that change the meaning of queries.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Datetimes are aware.
    pub use_tz: bool,
    /// The current time zone.
    pub time_zone: String,
    /// The zone of naive datetimes that meet aware ones, where it is another.
    pub default_time_zone: Option<String>,
    /// Registered transforms and lookups beyond Django's own: field class, name in a path, function.
    pub lookups: IndexMap<String, IndexMap<String, String>>,
    /// Keys by which generic relations refer to models: label, key.
    pub content_types: IndexMap<String, i64>,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            use_tz: true,
            time_zone: "UTC".to_owned(),
            default_time_zone: None,
            lookups: IndexMap::new(),
            content_types: IndexMap::new(),
        }
    }
}

/// A model as declared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ModelSpec {
    /// Name of the collection.
    pub collection: String,
    /// The model's own fields.
    pub fields: Vec<FieldSpec>,
    /// Default ordering.
    pub ordering: Vec<OrderTerm>,
    /// Default of `latest()` and `earliest()`.
    pub get_latest_by: Vec<String>,
    /// Concrete parents of a multi-table child: label, name of the link field.
    pub parents: IndexMap<String, String>,
    /// Stored only inside other models.
    pub embedded: bool,
    /// Concrete model of a proxy.
    pub proxy_for: Option<String>,
    /// Sets of fields that are unique together.
    pub unique_together: Vec<Vec<String>>,
    /// Declared indexes beyond those of single fields.
    pub indexes: Vec<IndexSpec>,
}

/// An index as declared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IndexSpec {
    /// Name, if given.
    pub name: Option<String>,
    /// Keys in order.
    pub keys: Vec<IndexKey>,
    /// Unique.
    pub unique: bool,
}

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    /// Field name, or a dotted path into an embedded document.
    pub field: String,
    /// Descending.
    pub desc: bool,
}
