//! The declared form of a schema as JSON, in both directions.
//!
//! Beyond the documented form there are `settings.content_types` (`{"app.Model": key}`) and a model's `indexes` and `checks`:
//!
//! ```json
//! {"indexes": [{"name": "by_age", "fields": ["-age", "address.city"], "unique": true}],
//!  "checks": [{"name": "grown_up", "condition": {"lookup": {"path": "age__gte", "rhs": {"value": 18}}}}]}
//! ```
//!
//! `-` is descending. Keys of an index beside `fields`, all optional:
//!
//! | key | value |
//! |---|---|
//! | `name` | text; made as Django makes it if absent |
//! | `unique` | boolean |
//! | `nulls_distinct` | boolean, true if absent: whether a unique index lets several NULLs in |
//! | `condition` | a condition of Queryset JSON: only such rows are in the index |
//! | `kind` | `"ordered"` (if absent), `"text"`, `"hashed"`, `"wildcard"`, `"2dsphere"` |
//! | `expire_after_seconds` | number: rows are deleted so long after the time in the field |
//! | `options` | further options of the server's `createIndexes`, as they stand |
//!
//! A model's `search_indexes` are those of MongoDB Search, and of Vector Search where `vector` is true:
//! `[{"name": "by_plot", "fields": ["plot"], "vector": true}]`.

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::sync::Arc;

use super::{
    CheckSpec, FieldKind, FieldSpec, FieldType, GenericSpec, IndexKey, IndexKind, IndexSpec,
    ModelSpec, OnDelete, RelationSpec, Schema, SchemaSpec, SearchIndexSpec, Settings,
    StorageFamily,
};
use crate::error::Result;
use crate::queryset::json::reader::{Kind, Reader, fields};
use crate::queryset::json::{
    Limits, MqlDocument, condition, deserialize_form, document, order_term, value,
};

impl SchemaSpec {
    /// Reads a schema from JSON. Names are not resolved yet: that is [`super::Schema::new`].
    ///
    /// # Errors
    /// `Decode` for text that is not JSON (with line and column) or not of the documented form (with the JSON path).
    pub fn from_json(text: &str) -> Result<Self> {
        Reader::new(text, Limits::default()).document(schema)
    }

    /// Writes the schema as JSON, in one line.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Writes the schema as JSON, indented.
    #[must_use]
    pub fn to_json_pretty(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl Schema {
    /// Reads a schema from JSON and resolves it.
    ///
    /// # Errors
    /// As [`SchemaSpec::from_json`] and [`Schema::new`].
    pub fn from_json(text: &str) -> Result<Self> {
        Schema::new(SchemaSpec::from_json(text)?)
    }
}

impl FieldType {
    /// Reads a type from JSON: a field without name and column.
    ///
    /// # Errors
    /// As [`SchemaSpec::from_json`].
    pub fn from_json(text: &str) -> Result<Self> {
        Reader::new(text, Limits::default()).document(output)
    }
}

deserialize_form!(SchemaSpec);
deserialize_form!(FieldType);

fn schema(r: &mut Reader<'_>) -> Result<SchemaSpec> {
    const WHAT: &str = "a schema";
    let (mut parameters, mut models) = (None, None);
    fields!(r, WHAT, {
        "settings" => parameters = Some(settings(r)?),
        "models" => models = Some(r.map("`models`", model)?),
    });
    Ok(SchemaSpec {
        settings: parameters.unwrap_or_default(),
        models: r.need(models, WHAT, "models")?,
    })
}

fn settings(r: &mut Reader<'_>) -> Result<Settings> {
    let mut settings = Settings::default();
    fields!(r, "`settings`", {
        "use_tz" => settings.use_tz = r.bool("`use_tz`")?,
        "time_zone" => settings.time_zone = r.owned("`time_zone`")?,
        "default_time_zone" => {
            settings.default_time_zone = r.nullable(|r| r.owned("`default_time_zone`"))?;
        },
        "lookups" => {
            settings.lookups = r.map("`lookups`", |r| {
                r.map("lookups of a field class", |r| r.owned("a function's name"))
            })?;
        },
        "content_types" => {
            settings.content_types = r.map("`content_types`", |r| {
                r.int("a content type", "an integer of 64 bits")
            })?;
        },
    });
    Ok(settings)
}

fn names(r: &mut Reader<'_>) -> Result<Vec<String>> {
    r.vec("a list of names", |r| r.owned("a name"))
}

fn model(r: &mut Reader<'_>) -> Result<ModelSpec> {
    const WHAT: &str = "a model";
    let mut model = ModelSpec::default();
    let (mut collection, mut declared) = (None, None);
    fields!(r, WHAT, {
        "collection" => collection = r.nullable(|r| r.owned("`collection`"))?,
        "fields" => declared = Some(r.vec("`fields`", named_field)?),
        "ordering" => model.ordering = r.vec("`ordering`", order_term)?,
        "get_latest_by" => model.get_latest_by = names(r)?,
        "parents" => model.parents = r.map("`parents`", |r| r.owned("a link field"))?,
        "embedded" => model.embedded = r.bool("`embedded`")?,
        "proxy_for" => model.proxy_for = r.nullable(|r| r.owned("`proxy_for`"))?,
        "unique_together" => model.unique_together = r.vec("`unique_together`", names)?,
        "indexes" => model.indexes = r.vec("`indexes`", index)?,
        "checks" => model.checks = r.vec("`checks`", check)?,
        "search_indexes" => model.search_indexes = r.vec("`search_indexes`", search_index)?,
    });
    if collection.is_none() && !model.embedded && model.proxy_for.is_none() {
        return Err(r.missing(WHAT, "collection"));
    }
    model.collection = collection.unwrap_or_default();
    model.fields = r.need(declared, WHAT, "fields")?;
    Ok(model)
}

fn index(r: &mut Reader<'_>) -> Result<IndexSpec> {
    const WHAT: &str = "an index";
    let (mut index, mut keys) = (IndexSpec::default(), None);
    fields!(r, WHAT, {
        "name" => index.name = r.nullable(|r| r.owned("`name`"))?,
        "fields" => keys = Some(r.vec("`fields`", index_key)?),
        "unique" => index.unique = r.bool("`unique`")?,
        "nulls_distinct" => index.nulls_equal = !r.bool("`nulls_distinct`")?,
        "condition" => index.condition = r.nullable(condition)?,
        "kind" => index.kind = r.choice("kind of index", &IndexKind::ALL)?,
        "expire_after_seconds" => index.expire_after_seconds = size(r)?,
        "options" => index.options = document(r)?,
    });
    index.keys = r.need(keys, WHAT, "fields")?;
    if index.keys.is_empty() && index.kind != IndexKind::Wildcard {
        return Err(r.fail("an index has at least one field"));
    }
    Ok(index)
}

fn check(r: &mut Reader<'_>) -> Result<CheckSpec> {
    const WHAT: &str = "a check";
    let (mut name, mut given) = (None, None);
    fields!(r, WHAT, {
        "name" => name = r.nullable(|r| r.owned("`name`"))?,
        "condition" => given = Some(condition(r)?),
    });
    Ok(CheckSpec {
        name,
        condition: r.need(given, WHAT, "condition")?,
    })
}

fn search_index(r: &mut Reader<'_>) -> Result<SearchIndexSpec> {
    const WHAT: &str = "a search index";
    let (mut name, mut declared, mut vector) = (None, None, false);
    fields!(r, WHAT, {
        "name" => name = Some(r.owned("`name`")?),
        "fields" => declared = Some(names(r)?),
        "vector" => vector = r.bool("`vector`")?,
    });
    Ok(SearchIndexSpec {
        name: r.need(name, WHAT, "name")?,
        fields: r.need(declared, WHAT, "fields")?,
        vector,
    })
}

fn index_key(r: &mut Reader<'_>) -> Result<IndexKey> {
    let text = r.string("a field of an index")?;
    Ok(match text.strip_prefix('-') {
        Some(field) => IndexKey {
            field: field.to_owned(),
            desc: true,
        },
        None => IndexKey {
            field: text.into_owned(),
            desc: false,
        },
    })
}

fn named_field(r: &mut Reader<'_>) -> Result<FieldSpec> {
    let (field, name) = field(r)?;
    let name = r.need(name, "a field", "name")?;
    Ok(FieldSpec { name, ..field })
}

/// The type of an expression or of an array's elements.
pub(crate) fn output(r: &mut Reader<'_>) -> Result<FieldType> {
    r.enter()?;
    let (field, _) = field(r)?;
    r.leave();
    Ok(field.ty)
}

fn kind(r: &mut Reader<'_>) -> Result<FieldKind> {
    let name = r.string("`type`")?;
    FieldKind::from_name(&name).ok_or_else(|| {
        let known: Vec<&str> = FieldKind::ALL.iter().map(|kind| kind.name()).collect();
        r.unknown_choice("field class", &name, &known)
    })
}

fn size(r: &mut Reader<'_>) -> Result<Option<u32>> {
    r.nullable(|r| r.int("a size", "an integer of 32 bits that is not negative"))
}

fn label(r: &mut Reader<'_>) -> Result<String> {
    r.owned("the label of a model")
}

fn name(r: &mut Reader<'_>) -> Result<String> {
    r.owned("a name")
}

/// A field, and its name apart: types have none.
fn field(r: &mut Reader<'_>) -> Result<(FieldSpec, Option<String>)> {
    const WHAT: &str = "a field";
    let mut ty = FieldType::new(FieldKind::AutoField);
    let mut field = FieldSpec::new("", ty.clone());
    let mut relation = RelationSpec::default();
    let (mut class, mut given_name, mut model, mut candidates) = (None, None, None, None);
    fields!(r, WHAT, {
        "name" => given_name = Some(name(r)?),
        "type" => class = Some(kind(r)?),
        "column" => field.column = r.nullable(name)?,
        "attname" => field.attname = r.nullable(name)?,
        "primary_key" => field.primary_key = r.bool("`primary_key`")?,
        "null" => ty.null = r.bool("`null`")?,
        "unique" => field.unique = r.bool("`unique`")?,
        "db_index" => field.db_index = r.bool("`db_index`")?,
        "max_length" => ty.max_length = size(r)?,
        "max_digits" => ty.max_digits = size(r)?,
        "decimal_places" => ty.decimal_places = size(r)?,
        "size" => ty.size = size(r)?,
        "max_size" => ty.max_size = size(r)?,
        "to" => ty.to = Some(label(r)?),
        "to_field" => ty.to_field = r.nullable(name)?,
        "related_query_name" => relation.related_query_name = r.nullable(name)?,
        "related_name" => relation.related_name = r.nullable(name)?,
        "through" => relation.through = r.nullable(label)?,
        "through_fields" => relation.through_fields = r.nullable(pair)?,
        "on_delete" => relation.on_delete = Some(r.choice("rule for deletes", &OnDelete::ALL)?),
        "on_delete_value" => relation.on_delete_value = Some(value(r)?),
        "generated" => field.generated = r.bool("`generated`")?,
        "from_fields" => relation.from_fields = names(r)?,
        "to_fields" => relation.to_fields = names(r)?,
        "fields" => field.fields = names(r)?,
        "symmetrical" => relation.symmetrical = r.bool("`symmetrical`")?,
        "base" => ty.base = Some(Arc::new(output(r)?)),
        "model" => model = Some(label(r)?),
        "models" => candidates = Some(r.vec("`models`", label)?),
        "generic" => field.generic = Some(generic(r)?),
    });
    ty.kind = r.need(class, WHAT, "type")?;
    ty.models = match (model, candidates) {
        (Some(_), Some(_)) => {
            return Err(r.fail("a field has either `model` or `models`"));
        }
        (Some(model), None) => vec![model],
        (None, candidates) => candidates.unwrap_or_default(),
    };
    match &ty.to {
        Some(to) => {
            relation.to.clone_from(to);
            field.relation = Some(relation);
        }
        None if relation != RelationSpec::default() => {
            return Err(r.fail("a relation needs the key `to`, the model that it leads to"));
        }
        None => {}
    }
    // In JSON every stored field names its key; one that does not stores nothing (Django: `Field.concrete`).
    if field.column.is_none() && ty.kind.family() != StorageFamily::None {
        field.column = Some(String::new());
    }
    field.ty = ty;
    Ok((field, given_name))
}

fn pair(r: &mut Reader<'_>) -> Result<(String, String)> {
    r.expect(Kind::Array, "`through_fields`")?;
    let mut names = names(r)?.into_iter();
    match (names.next(), names.next(), names.next()) {
        (Some(source), Some(target), None) => Ok((source, target)),
        _ => Err(r.fail("`through_fields` has two elements: source and target")),
    }
}

fn generic(r: &mut Reader<'_>) -> Result<GenericSpec> {
    const WHAT: &str = "`generic`";
    let (mut content_type, mut object_id, mut for_concrete_model) = (None, None, true);
    fields!(r, WHAT, {
        "content_type" => content_type = Some(name(r)?),
        "object_id" => object_id = Some(name(r)?),
        "for_concrete_model" => for_concrete_model = r.bool("`for_concrete_model`")?,
    });
    Ok(GenericSpec {
        content_type: r.need(content_type, WHAT, "content_type")?,
        object_id: r.need(object_id, WHAT, "object_id")?,
        for_concrete_model,
    })
}

// The other direction

/// Adds the entries whose condition holds.
macro_rules! entries {
    ($map:ident, { $($key:literal if $there:expr => $value:expr,)* }) => {
        $(if $there { $map.serialize_entry($key, $value)?; })*
    };
}

impl Serialize for SchemaSpec {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(2))?;
        map.serialize_entry("settings", &self.settings)?;
        map.serialize_entry("models", &self.models)?;
        map.end()
    }
}

impl Serialize for Settings {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        entries!(map, {
            "use_tz" if true => &self.use_tz,
            "time_zone" if true => &self.time_zone,
            "default_time_zone" if self.default_time_zone.is_some() => &self.default_time_zone,
            "lookups" if !self.lookups.is_empty() => &self.lookups,
            "content_types" if !self.content_types.is_empty() => &self.content_types,
        });
        map.end()
    }
}

impl Serialize for ModelSpec {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        entries!(map, {
            "collection" if true => &self.collection,
            "fields" if true => &self.fields,
            "ordering" if true => &self.ordering,
            "get_latest_by" if !self.get_latest_by.is_empty() => &self.get_latest_by,
            "parents" if true => &self.parents,
            "embedded" if self.embedded => &true,
            "proxy_for" if true => &self.proxy_for,
            "unique_together" if !self.unique_together.is_empty() => &self.unique_together,
            "indexes" if !self.indexes.is_empty() => &self.indexes,
            "checks" if !self.checks.is_empty() => &self.checks,
            "search_indexes" if !self.search_indexes.is_empty() => &self.search_indexes,
        });
        map.end()
    }
}

impl Serialize for IndexSpec {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let sign = |key: &IndexKey| format!("{}{}", if key.desc { "-" } else { "" }, key.field);
        let keys: Vec<String> = self.keys.iter().map(sign).collect();
        let kind = IndexKind::ALL
            .iter()
            .find(|(kind, _)| *kind == self.kind && *kind != IndexKind::Ordered)
            .map(|(_, name)| *name);
        let mut map = s.serialize_map(None)?;
        entries!(map, {
            "name" if self.name.is_some() => &self.name,
            "fields" if true => &keys,
            "unique" if self.unique => &true,
            "nulls_distinct" if self.nulls_equal => &false,
            "condition" if self.condition.is_some() => &self.condition,
            "kind" if kind.is_some() => &kind,
            "expire_after_seconds" if self.expire_after_seconds.is_some() => &self.expire_after_seconds,
            "options" if !self.options.is_empty() => &MqlDocument(&self.options),
        });
        map.end()
    }
}

impl Serialize for CheckSpec {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        entries!(map, {
            "name" if self.name.is_some() => &self.name,
            "condition" if true => &self.condition,
        });
        map.end()
    }
}

impl Serialize for SearchIndexSpec {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        entries!(map, {
            "name" if true => &self.name,
            "fields" if true => &self.fields,
            "vector" if self.vector => &true,
        });
        map.end()
    }
}

impl Serialize for FieldSpec {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let column = match self.column.as_deref() {
            Some(written) => Some(written).filter(|column| !column.is_empty()),
            None => self.stored_key(),
        };
        let mut map = s.serialize_map(None)?;
        entries!(map, {
            "name" if true => &self.name,
            "type" if true => self.ty.kind.name(),
            "column" if column.is_some() => &column,
            "attname" if self.attname.is_some() => &self.attname,
            "primary_key" if self.primary_key => &true,
            "unique" if self.unique => &true,
            "db_index" if self.db_index => &true,
            "generated" if self.generated => &true,
            "fields" if !self.fields.is_empty() => &self.fields,
        });
        type_entries::<S>(&self.ty, &mut map)?;
        if let Some(relation) = &self.relation {
            let rule = relation.on_delete.and_then(|given| {
                let mut rules = OnDelete::ALL.iter();
                rules
                    .find(|(rule, _)| *rule == given)
                    .map(|(_, name)| *name)
            });
            entries!(map, {
                "to" if self.ty.to.is_none() => &relation.to,
                "related_query_name" if true => &relation.related_query_name,
                "related_name" if true => &relation.related_name,
                "through" if relation.through.is_some() => &relation.through,
                "through_fields" if relation.through_fields.is_some() => &relation.through_fields,
                "from_fields" if !relation.from_fields.is_empty() => &relation.from_fields,
                "to_fields" if !relation.to_fields.is_empty() => &relation.to_fields,
                "symmetrical" if relation.symmetrical => &true,
                "on_delete" if rule.is_some() => &rule,
                "on_delete_value" if relation.on_delete_value.is_some() => &relation.on_delete_value,
            });
        }
        entries!(map, { "generic" if self.generic.is_some() => &self.generic, });
        map.end()
    }
}

impl Serialize for GenericSpec {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        entries!(map, {
            "content_type" if true => &self.content_type,
            "object_id" if true => &self.object_id,
            "for_concrete_model" if !self.for_concrete_model => &false,
        });
        map.end()
    }
}

impl Serialize for FieldType {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(None)?;
        map.serialize_entry("type", self.kind.name())?;
        type_entries::<S>(self, &mut map)?;
        map.end()
    }
}

/// Everything of a type but its class.
fn type_entries<S: Serializer>(ty: &FieldType, map: &mut S::SerializeMap) -> Result<(), S::Error> {
    let polymorphic = matches!(
        ty.kind,
        FieldKind::PolymorphicEmbeddedModelField | FieldKind::PolymorphicEmbeddedModelArrayField
    );
    let single = ty
        .models
        .first()
        .filter(|_| ty.models.len() == 1 && !polymorphic);
    entries!(map, {
        "null" if ty.null => &true,
        "max_length" if ty.max_length.is_some() => &ty.max_length,
        "max_digits" if ty.max_digits.is_some() => &ty.max_digits,
        "decimal_places" if ty.decimal_places.is_some() => &ty.decimal_places,
        "size" if ty.size.is_some() => &ty.size,
        "max_size" if ty.max_size.is_some() => &ty.max_size,
        "to" if ty.to.is_some() => &ty.to,
        "to_field" if ty.to_field.is_some() => &ty.to_field,
        "base" if ty.base.is_some() => &ty.base.as_deref(),
        "model" if single.is_some() => &single,
        "models" if single.is_none() && !ty.models.is_empty() => &ty.models,
    });
    Ok(())
}
