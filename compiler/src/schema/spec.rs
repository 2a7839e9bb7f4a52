//! The declared form of a schema.

use bson::Document;
use indexmap::IndexMap;

use super::FieldSpec;
use crate::queryset::{OrderTerm, Q};

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
    /// Conditions that no row may break.
    pub checks: Vec<CheckSpec>,
    /// Declared indexes of MongoDB Search and Vector Search.
    pub search_indexes: Vec<SearchIndexSpec>,
}

/// An index, or a unique constraint, as declared.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IndexSpec {
    /// Name, if given.
    pub name: Option<String>,
    /// Keys in order; none for a wildcard index of whole documents.
    pub keys: Vec<IndexKey>,
    /// Unique.
    pub unique: bool,
    /// What the server keeps of its keys.
    pub kind: IndexKind,
    /// Only rows of which this is true are in it.
    pub condition: Option<Q>,
    /// NULL is equal to NULL for a unique index (Django: `nulls_distinct=False`).
    pub nulls_equal: bool,
    /// Rows are deleted so many seconds after the time in its key.
    pub expire_after_seconds: Option<u32>,
    /// Further options of the server's `createIndexes`, as they stand.
    pub options: Document,
    /// It is said by an option of a single field.
    pub of_field: bool,
}

impl IndexSpec {
    /// An ascending index of some fields, with nothing else said of it.
    #[must_use]
    pub fn ascending<'f>(fields: impl IntoIterator<Item = &'f str>, unique: bool) -> Self {
        let key = |field: &str| IndexKey {
            field: field.to_owned(),
            desc: false,
        };
        IndexSpec {
            keys: fields.into_iter().map(key).collect(),
            unique,
            ..IndexSpec::default()
        }
    }

    /// Whether it has an ordered entry for every row, but for NULLs where it is unique: what queries can rely on.
    #[must_use]
    pub fn is_general(&self) -> bool {
        let options = ["sparse", "hidden", "collation"];
        self.kind == IndexKind::Ordered
            && self.condition.is_none()
            && !options.iter().any(|o| self.options.contains_key(o))
    }
}

/// What the server keeps of the keys of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IndexKind {
    /// Values in order.
    #[default]
    Ordered,
    /// Words.
    Text,
    /// Hashes.
    Hashed,
    /// The values at every path below.
    Wildcard,
    /// Shapes on a sphere.
    Sphere,
}

impl IndexKind {
    /// Every kind with its name in a JSON schema.
    pub const ALL: [(IndexKind, &'static str); 5] = [
        (IndexKind::Ordered, "ordered"),
        (IndexKind::Text, "text"),
        (IndexKind::Hashed, "hashed"),
        (IndexKind::Wildcard, "wildcard"),
        (IndexKind::Sphere, "2dsphere"),
    ];
}

/// An index of MongoDB Search or Vector Search as declared.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SearchIndexSpec {
    /// Name: searches are asked of an index by its name.
    pub name: String,
    /// Field names, or dotted paths into embedded documents.
    pub fields: Vec<String>,
    /// Of vectors, for `$vectorSearch`.
    pub vector: bool,
}

/// One key of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexKey {
    /// Field name, or a dotted path into an embedded document.
    pub field: String,
    /// Descending.
    pub desc: bool,
}

/// A condition that no row may break; as in SQL, one that is unknown is not broken.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckSpec {
    /// Name, if given.
    pub name: Option<String>,
    /// The condition.
    pub condition: Q,
}
