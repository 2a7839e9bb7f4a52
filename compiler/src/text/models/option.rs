//! The options that fields have, and which of them matter.

use indexmap::IndexMap;

use crate::error::{Result, Span};
use crate::schema::FieldKind;
use crate::text::syntax::{Arg, ArgKind, Kind, Node, python};

/// Classes that are stored as another one, with the length that they declare (Django: `get_internal_type`).
pub(super) const STORED_AS: &[(&str, FieldKind, Option<u32>)] = &[
    ("EmailField", FieldKind::CharField, Some(254)),
    ("URLField", FieldKind::CharField, Some(200)),
    ("CommaSeparatedIntegerField", FieldKind::CharField, None),
    ("ImageField", FieldKind::FileField, Some(100)),
    ("CICharField", FieldKind::CharField, None),
    ("CIEmailField", FieldKind::CharField, Some(254)),
    ("CITextField", FieldKind::TextField, None),
    ("SearchVectorField", FieldKind::TextField, None),
    ("HStoreField", FieldKind::JSONField, None),
    ("IntegerRangeField", FieldKind::JSONField, None),
    ("BigIntegerRangeField", FieldKind::JSONField, None),
    ("DecimalRangeField", FieldKind::JSONField, None),
    ("DateRangeField", FieldKind::JSONField, None),
    ("DateTimeRangeField", FieldKind::JSONField, None),
    ("NullBooleanField", FieldKind::BooleanField, None),
];

/// Lengths that classes have by themselves.
pub(super) const LENGTHS: &[(FieldKind, u32)] = &[
    (FieldKind::SlugField, 50),
    (FieldKind::FileField, 100),
    (FieldKind::FilePathField, 100),
    (FieldKind::UUIDField, 32),
    (FieldKind::GenericIPAddressField, 39),
];

/// Options that say nothing about what is stored or asked.
pub(super) const IGNORED: &[&str] = &[
    "allow_files",
    "allow_folders",
    "allow_unicode",
    "blank",
    "choices",
    "db_collation",
    "db_comment",
    "db_constraint",
    "db_persist",
    "db_tablespace",
    "decoder",
    "default_bounds",
    "dim",
    "editable",
    "encoder",
    "error_messages",
    "extent",
    "geography",
    "height_field",
    "help_text",
    "limit_choices_to",
    "match",
    "parent_link",
    "path",
    "protocol",
    "recursive",
    "serialize",
    "srid",
    "storage",
    "swappable",
    "tolerance",
    "unique_for_date",
    "unique_for_month",
    "unique_for_year",
    "unpack_ipv4",
    "upload_to",
    "validators",
    "verbose_name",
    "width_field",
];

/// Options that are read.
pub(super) const OPTIONS: &[&str] = &[
    "auto_now",
    "auto_now_add",
    "base_field",
    "db_column",
    "db_default",
    "db_index",
    "db_table",
    "decimal_places",
    "default",
    "from_fields",
    "max_digits",
    "max_length",
    "max_size",
    "null",
    "on_delete",
    "primary_key",
    "related_name",
    "related_query_name",
    "size",
    "spatial_index",
    "symmetrical",
    "through",
    "through_fields",
    "to_field",
    "to_fields",
    "unique",
];

/// The stored class of a field class.
pub(super) fn kind_of(name: &str) -> Option<FieldKind> {
    STORED_AS
        .iter()
        .find(|(class, ..)| *class == name)
        .map(|(_, kind, _)| *kind)
        .or_else(|| FieldKind::from_name(name))
}

/// Parameters by position.
pub(super) fn parameters(kind: FieldKind) -> &'static [&'static str] {
    use FieldKind as K;
    match kind {
        K::ForeignKey => &["to", "on_delete", "related_name", "related_query_name"],
        K::OneToOneField => &["to", "on_delete", "to_field"],
        K::ForeignObject => &["to", "on_delete", "from_fields", "to_fields"],
        K::ManyToManyField => &["to", "related_name", "related_query_name"],
        K::GenericForeignKey => &["ct_field", "fk_field", "for_concrete_model"],
        K::GenericRelation => &[
            "to",
            "object_id_field",
            "content_type_field",
            "for_concrete_model",
        ],
        K::ArrayField | K::ListField | K::SetField => &["base_field", "size"],
        K::EmbeddedModelField | K::EmbeddedModelArrayField => &["embedded_model"],
        K::PolymorphicEmbeddedModelField | K::PolymorphicEmbeddedModelArrayField => {
            &["embedded_models"]
        }
        K::DecimalField => &["verbose_name", "name", "max_digits", "decimal_places"],
        _ => &[
            "verbose_name",
            "name",
            "primary_key",
            "max_length",
            "unique",
        ],
    }
}

pub(super) struct Options<'n> {
    pub(super) given: IndexMap<&'n str, &'n Node>,
    pub(super) span: Span,
}

impl<'n> Options<'n> {
    pub(super) fn take(&mut self, name: &str) -> Option<&'n Node> {
        self.given.shift_remove(name)
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>> {
        match self.take(name) {
            None => Ok(None),
            Some(node) => match node.kind {
                Kind::Bool(value) => Ok(Some(value)),
                Kind::None => Ok(None),
                _ => Err(python(
                    format!("'{name}' must be True or False here"),
                    node.span,
                )),
            },
        }
    }

    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(node) => match &node.kind {
                Kind::Str(text) => Ok(Some(text.clone())),
                Kind::None => Ok(None),
                _ => Err(python(format!("'{name}' must be a string here"), node.span)),
            },
        }
    }

    pub(super) fn names(&mut self, name: &str) -> Result<Vec<String>> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(node) => super::meta::names(node, name),
        }
    }
}

pub(super) fn options<'n>(kind: FieldKind, args: &'n [Arg], span: Span) -> Result<Options<'n>> {
    let params = parameters(kind);
    let mut given: IndexMap<&str, &Node> = IndexMap::new();
    for (i, arg) in args.iter().enumerate() {
        let name = match &arg.kind {
            ArgKind::Positional => match params.get(i) {
                Some(name) => name,
                None => return Err(python("too many arguments of a field", arg.value.span)),
            },
            ArgKind::Keyword(name, _) => name.as_str(),
            ArgKind::Star | ArgKind::DoubleStar => {
                return Err(python(
                    "the options of a field are written out here",
                    arg.value.span,
                ));
            }
        };
        given.insert(name, &arg.value);
    }
    Ok(Options { given, span })
}
