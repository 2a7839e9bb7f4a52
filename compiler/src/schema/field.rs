//! Field types and declared fields.

use std::sync::Arc;

use crate::queryset::Value;

macro_rules! kinds {
    ($($name:ident $family:ident),* $(,)?) => {
        /// Django's field class (its internal name), and those of the official MongoDB backend.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[allow(missing_docs)] // the names are Django's and the backend's class names
        pub enum FieldKind { $($name),* }

        impl FieldKind {
            /// Every class.
            pub const ALL: &'static [FieldKind] = &[$(FieldKind::$name),*];

            /// The class name, `CharField`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(FieldKind::$name => stringify!($name),)* }
            }

            /// How values of the class are stored.
            #[must_use]
            pub fn family(self) -> StorageFamily {
                match self { $(FieldKind::$name => StorageFamily::$family,)* }
            }

            /// The class of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<FieldKind> {
                Self::ALL.iter().copied().find(|kind| kind.name() == name)
            }
        }
    };
}

/// How values are stored, after the official backend's table of BSON types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StorageFamily {
    /// BSON int (32 bits).
    Int,
    /// BSON long (64 bits).
    Long,
    /// BSON double.
    Double,
    /// BSON decimal128.
    Decimal,
    /// BSON string.
    Text,
    /// BSON bool.
    Bool,
    /// BSON binary.
    Binary,
    /// BSON date at midnight UTC.
    Date,
    /// BSON date, milliseconds.
    DateTime,
    /// BSON date on 0001-01-01.
    Time,
    /// BSON long, milliseconds.
    Duration,
    /// String of 32 hexadecimal digits.
    Uuid,
    /// BSON objectId.
    ObjectId,
    /// Any BSON value.
    Json,
    /// BSON array.
    Array,
    /// BSON document of another model's columns.
    Embedded,
    /// BSON array of such documents.
    EmbeddedArray,
    /// GeoJSON.
    Geo,
    /// As the key that it refers to.
    Key,
    /// Nothing of its own.
    None,
}

kinds! {
    AutoField Long, BigAutoField Long, SmallAutoField Int, ObjectIdAutoField ObjectId, ObjectIdField ObjectId,
    IntegerField Long, BigIntegerField Long, SmallIntegerField Int, PositiveIntegerField Long,
    PositiveBigIntegerField Long, PositiveSmallIntegerField Int, FloatField Double, DecimalField Decimal,
    CharField Text, TextField Text, EmailField Text, URLField Text, SlugField Text, FileField Text, FilePathField Text,
    ImageField Text, GenericIPAddressField Text, IPAddressField Text, CommaSeparatedIntegerField Text,
    BooleanField Bool, NullBooleanField Bool, BinaryField Binary,
    DateField Date, DateTimeField DateTime, TimeField Time, DurationField Duration, UUIDField Uuid, JSONField Json,
    ForeignKey Key, OneToOneField Key, ForeignObject None, ManyToManyField None,
    GenericForeignKey None, GenericRelation None, CompositePrimaryKey None,
    ArrayField Array, ListField Array, SetField Array, DictField Json,
    EmbeddedModelField Embedded, EmbeddedModelArrayField EmbeddedArray,
    PolymorphicEmbeddedModelField Embedded, PolymorphicEmbeddedModelArrayField EmbeddedArray,
    GeometryField Geo, PointField Geo, LineStringField Geo, PolygonField Geo, MultiPointField Geo,
    MultiLineStringField Geo, MultiPolygonField Geo, GeometryCollectionField Geo,
}

/// The type of a field or an expression: a field without name and column.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldType {
    /// Field class.
    pub kind: FieldKind,
    /// NULL allowed, as declared.
    pub null: bool,
    /// Longest text, in code points.
    pub max_length: Option<u32>,
    /// Digits of a decimal.
    pub max_digits: Option<u32>,
    /// Decimal places.
    pub decimal_places: Option<u32>,
    /// Exact number of elements of an array.
    pub size: Option<u32>,
    /// Largest number of elements of an array.
    pub max_size: Option<u32>,
    /// Type of the elements of an array.
    pub base: Option<Arc<FieldType>>,
    /// Labels of the embedded models: one, or the candidates of a polymorphic field.
    pub models: Vec<String>,
    /// Label of the model that a relation refers to.
    pub to: Option<String>,
    /// Field of that model, when it is not the primary key.
    pub to_field: Option<String>,
    /// No embedded model of a field is stored with a key that looks like a place in an array: a number in a path after such
    /// an array is a place. Known of the fields of a schema.
    pub places: bool,
}

impl FieldType {
    /// A type without parameters.
    #[must_use]
    pub fn new(kind: FieldKind) -> Self {
        FieldType {
            kind,
            null: false,
            max_length: None,
            max_digits: None,
            decimal_places: None,
            size: None,
            max_size: None,
            base: None,
            models: Vec::new(),
            to: None,
            to_field: None,
            places: false,
        }
    }
}

/// A field as declared.
#[derive(Debug, Clone, PartialEq)]
pub struct FieldSpec {
    /// Name in Python.
    pub name: String,
    /// Type.
    pub ty: FieldType,
    /// Key in the stored document; where it is absent the name of the raw value, and empty for a field that stores nothing
    /// although its type would.
    pub column: Option<String>,
    /// Name of the raw value, when it differs from the name (`author_id`).
    pub attname: Option<String>,
    /// Is (or is part of) the primary key.
    pub primary_key: bool,
    /// Unique.
    pub unique: bool,
    /// Has an index.
    pub db_index: bool,
    /// Computed by the database from other columns; for queries a stored field.
    pub generated: bool,
    /// Fields of a `CompositePrimaryKey`.
    pub fields: Vec<String>,
    /// What a relation is.
    pub relation: Option<RelationSpec>,
    /// Field names of a generic foreign key or relation.
    pub generic: Option<GenericSpec>,
}

impl FieldSpec {
    /// A field of a type, with nothing else said of it: nullable or not as the type says, stored under its name.
    #[must_use]
    pub fn new(name: impl Into<String>, ty: FieldType) -> Self {
        FieldSpec {
            name: name.into(),
            ty,
            column: None,
            attname: None,
            primary_key: false,
            unique: false,
            db_index: false,
            generated: false,
            fields: Vec::new(),
            relation: None,
            generic: None,
        }
    }

    /// Key in the stored document; `None` for a field that stores nothing.
    #[must_use]
    pub fn stored_key(&self) -> Option<&str> {
        if self.ty.kind.family() == StorageFamily::None {
            return None;
        }
        let key = match &self.column {
            Some(column) => column,
            None => self.attname.as_ref().unwrap_or(&self.name),
        };
        Some(key.as_str()).filter(|key| !key.is_empty())
    }
}

/// The relational part of a field.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RelationSpec {
    /// Label of the related model.
    pub to: String,
    /// Name by which the target reaches back in lookups; `None` when hidden.
    pub related_query_name: Option<String>,
    /// Accessor on the target.
    pub related_name: Option<String>,
    /// Intermediate model of a many-to-many field.
    pub through: Option<String>,
    /// Its foreign keys: source, target.
    pub through_fields: Option<(String, String)>,
    /// Local fields of a `ForeignObject`.
    pub from_fields: Vec<String>,
    /// Target fields of a `ForeignObject`, pairwise.
    pub to_fields: Vec<String>,
    /// Many-to-many to itself that is symmetrical.
    pub symmetrical: bool,
    /// What happens to a row whose target is deleted.
    pub on_delete: Option<OnDelete>,
    /// What `SET` or `SET_DEFAULT` stores; `None` when only Python code can tell.
    pub on_delete_value: Option<Value>,
}

/// Field names of a `GenericForeignKey` or `GenericRelation`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GenericSpec {
    /// Field that names the content type.
    pub content_type: String,
    /// Field that holds the key.
    pub object_id: String,
    /// A proxy stands for its concrete model.
    pub for_concrete_model: bool,
}

/// What happens to a row whose target is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Django's constants
pub enum OnDelete {
    Cascade,
    Protect,
    Restrict,
    SetNull,
    SetDefault,
    Set,
    DoNothing,
}

impl OnDelete {
    /// Every rule with Django's name.
    pub const ALL: [(OnDelete, &'static str); 7] = [
        (OnDelete::Cascade, "CASCADE"),
        (OnDelete::Protect, "PROTECT"),
        (OnDelete::Restrict, "RESTRICT"),
        (OnDelete::SetNull, "SET_NULL"),
        (OnDelete::SetDefault, "SET_DEFAULT"),
        (OnDelete::Set, "SET"),
        (OnDelete::DoNothing, "DO_NOTHING"),
    ];
}
