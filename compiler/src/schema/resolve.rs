//! From the declared form to the resolved one: ids instead of names, inherited fields, reverse relations.

use std::sync::Arc;

use super::{FieldKind, FieldSpec, IndexKind, IndexSpec, ModelSpec, SchemaSpec, StorageFamily};
use crate::error::{Code, Error, Result};
use crate::names::{Name, NameMap, Path};

use super::{Field, FieldRef, Model, ModelId, NameTarget, RelatedObject, Schema, ThroughFields};

pub(super) struct Resolver {
    labels: NameMap<String, ModelId>,
}

impl Resolver {
    pub(super) fn new(spec: &SchemaSpec) -> Result<Self> {
        let mut labels = NameMap::default();
        for (i, label) in spec.models.keys().enumerate() {
            let id = u32::try_from(i)
                .map_err(|_| Error::new(Code::Limit, "a schema holds at most 2^32 models"))?;
            labels.insert(label.clone(), ModelId(id));
        }
        Ok(Resolver { labels })
    }

    fn model_id(&self, label: &str) -> Result<ModelId> {
        self.labels.get(label).copied().ok_or_else(|| {
            Error::new(Code::Schema, format!("no model is labelled {label:?}")).with_choices(
                self.labels
                    .keys()
                    .cloned()
                    .collect::<std::collections::BTreeSet<_>>(),
            )
        })
    }

    fn concrete(&self, spec: &SchemaSpec, label: &str) -> Result<ModelId> {
        let mut at = label;
        for _ in 0..64 {
            match spec.models.get(at).and_then(|m| m.proxy_for.as_deref()) {
                Some(next) => at = next,
                None => return self.model_id(at),
            }
        }
        Err(Error::new(
            Code::Schema,
            format!("{label:?} is a proxy of itself"),
        ))
    }

    pub(super) fn resolve(&self, spec: &SchemaSpec) -> Result<Schema> {
        let mut schema = Schema {
            settings: spec.settings.clone(),
            models: Vec::with_capacity(spec.models.len()),
            labels: self.labels.clone(),
        };
        check_zone(&spec.settings.time_zone)?;
        if let Some(zone) = &spec.settings.default_time_zone {
            check_zone(zone)?;
        }
        for (label, model) in &spec.models {
            let built = self
                .model_shell(spec, label, model)
                .map_err(|e| e.inside(label).inside("models"))?;
            schema.models.push(built);
        }
        self.inherit(spec, &mut schema)?;
        self.keys(spec, &mut schema)?;
        self.link(spec, &mut schema)?;
        self.names(spec, &mut schema)?;
        self.indexes(spec, &mut schema)?;
        unique_keys(&mut schema)?;
        places(&mut schema);
        Ok(schema)
    }

    fn model_shell(&self, spec: &SchemaSpec, label: &str, model: &ModelSpec) -> Result<Model> {
        let id = self.model_id(label)?;
        let concrete = self.concrete(spec, label)?;
        let mut fields = Vec::with_capacity(model.fields.len());
        for (i, field) in model.fields.iter().enumerate() {
            let index = u32::try_from(i)
                .map_err(|_| Error::new(Code::Limit, "a model holds at most 2^32 fields"))?;
            fields.push(self.field_shell(FieldRef { model: id, index }, field)?);
        }
        for (i, field) in fields.iter().enumerate() {
            if fields.iter().take(i).any(|f| f.name == field.name) {
                return Err(Error::new(
                    Code::Schema,
                    format!("field {:?} is declared twice", field.name),
                )
                .inside(i)
                .inside("fields"));
            }
        }
        let mut parents = Vec::new();
        for (parent, link) in &model.parents {
            let parent_id = self.concrete(spec, parent)?;
            let link = fields.iter().find(|f| &f.name == link).ok_or_else(|| {
                Error::new(
                    Code::Schema,
                    format!("the link field {link:?} is not declared"),
                )
                .inside(parent)
                .inside("parents")
            })?;
            parents.push((parent_id, link.id));
        }
        Ok(Model {
            id,
            label: label.to_owned(),
            alias: label
                .rsplit('.')
                .next()
                .unwrap_or(label)
                .to_lowercase()
                .into(),
            collection: model.collection.as_str().into(),
            stored: fields
                .iter()
                .filter(|f| f.is_concrete())
                .map(|f| f.column.clone())
                .collect(),
            concrete,
            pk: FieldRef {
                model: id,
                index: 0,
            },
            fields,
            all_fields: Vec::new(),
            parents,
            ordering: model.ordering.clone(),
            get_latest_by: model.get_latest_by.clone(),
            embedded: model.embedded,
            unique_together: Vec::new(),
            unique_keys: Vec::new(),
            indexes: model.indexes.clone(),
            checks: model.checks.clone(),
            search_indexes: model.search_indexes.clone(),
            names: NameMap::default(),
            related_objects: Vec::new(),
        })
    }

    fn field_shell(&self, id: FieldRef, spec: &FieldSpec) -> Result<Field> {
        let relation = spec.relation.as_ref();
        let to = match relation {
            Some(r) if !r.to.is_empty() => Some(
                self.model_id(&r.to)
                    .map_err(|e| e.inside("to").inside(id.index).inside("fields"))?,
            ),
            _ => None,
        };
        let attname: Name = spec.attname.as_deref().unwrap_or(&spec.name).into();
        let column: Name = spec.stored_key().unwrap_or_default().into();
        Ok(Field {
            id,
            name: spec.name.clone(),
            attname,
            path: Path::key(column.clone()),
            column,
            ty: Arc::new(spec.ty.clone()),
            primary_key: spec.primary_key,
            unique: spec.unique || spec.primary_key || spec.ty.kind == FieldKind::OneToOneField,
            db_index: spec.db_index,
            generated: spec.generated,
            to,
            links: Vec::new(),
            related_query_name: relation.and_then(|r| r.related_query_name.clone()),
            related_name: relation.and_then(|r| r.related_name.clone()),
            through: None,
            symmetrical: relation.is_some_and(|r| r.symmetrical),
            on_delete: relation.and_then(|r| r.on_delete),
            on_delete_value: relation.and_then(|r| r.on_delete_value.clone()),
            parts: Vec::new(),
            generic: spec.generic.clone(),
            content_type_field: None,
            object_id_field: None,
        })
    }

    /// Fields of parents come first, in the order of the parents (Django: `Options._get_fields`).
    fn inherit(&self, spec: &SchemaSpec, schema: &mut Schema) -> Result<()> {
        for label in spec.models.keys() {
            let id = self.model_id(label)?;
            let mut fields = Vec::new();
            collect_fields(schema, id, 0, &mut fields)?;
            if let Some(model) = schema.models.get_mut(id.0 as usize) {
                model.all_fields = fields;
            }
        }
        Ok(())
    }

    fn keys(&self, spec: &SchemaSpec, schema: &mut Schema) -> Result<()> {
        for label in spec.models.keys() {
            let id = self.model_id(label)?;
            let concrete = schema.model(id)?.concrete;
            let model = schema.model(concrete)?;
            if model.embedded && !model.fields.iter().any(|f| f.primary_key) {
                continue;
            }
            let pk = model
                .fields
                .iter()
                .find(|f| f.primary_key && f.ty.kind == FieldKind::CompositePrimaryKey)
                .or_else(|| {
                    model
                        .fields
                        .iter()
                        .find(|f| f.ty.kind == FieldKind::CompositePrimaryKey)
                })
                .or_else(|| model.fields.iter().find(|f| f.primary_key))
                .map(|f| f.id)
                .or_else(|| model.parents.first().map(|(_, link)| *link))
                .ok_or_else(|| {
                    Error::new(Code::Schema, "the model has no primary key")
                        .inside("fields")
                        .inside(label)
                        .inside("models")
                })?;
            if let Some(model) = schema.models.get_mut(id.0 as usize) {
                model.pk = pk;
            }
        }
        Ok(())
    }

    fn link(&self, spec: &SchemaSpec, schema: &mut Schema) -> Result<()> {
        for (label, model_spec) in &spec.models {
            let id = self.model_id(label)?;
            for (i, field_spec) in model_spec.fields.iter().enumerate() {
                let linked = self
                    .link_field(spec, schema, id, i, field_spec)
                    .map_err(|e| e.inside(i).inside("fields").inside(label).inside("models"))?;
                if let Some(field) = schema
                    .models
                    .get_mut(id.0 as usize)
                    .and_then(|m| m.fields.get_mut(i))
                {
                    *field = linked;
                }
            }
        }
        Ok(())
    }

    fn link_field(
        &self,
        _spec: &SchemaSpec,
        schema: &Schema,
        id: ModelId,
        index: usize,
        declared: &FieldSpec,
    ) -> Result<Field> {
        let model = schema.model(id)?;
        let mut field = model
            .fields
            .get(index)
            .cloned()
            .ok_or_else(|| Error::internal("field disappeared while linking"))?;
        let own = |name: &str| find_field(schema, id, name);
        if let Some(generic) = &declared.generic {
            let holder = match field.to {
                Some(to) => to,
                None => id,
            };
            // Django checks neither; queries over the relation will find nothing to join.
            field.content_type_field = find_field(schema, holder, &generic.content_type).ok();
            field.object_id_field = find_field(schema, holder, &generic.object_id).ok();
        }
        for part in &declared.fields {
            field.parts.push(own(part)?);
        }
        let Some(relation) = &declared.relation else {
            return Ok(field);
        };
        let Some(to) = field.to else {
            return Ok(field);
        };
        match field.ty.kind {
            FieldKind::ForeignKey | FieldKind::OneToOneField => {
                let target = match declared
                    .ty
                    .to_field
                    .as_deref()
                    .or_else(|| relation.to_fields.first().map(String::as_str))
                {
                    Some(name) => find_field(schema, to, name)?,
                    None => schema.model(to)?.pk,
                };
                field.links = vec![(field.id, target)];
            }
            FieldKind::ForeignObject => {
                if relation.from_fields.len() != relation.to_fields.len() {
                    return Err(Error::new(
                        Code::Schema,
                        "from_fields and to_fields must pair",
                    ));
                }
                for (local, target) in relation.from_fields.iter().zip(&relation.to_fields) {
                    field
                        .links
                        .push((own(local)?, find_field(schema, to, target)?));
                }
            }
            FieldKind::GenericRelation => {
                let pk = schema.model(id)?.pk;
                if let Some(object_id) = field.object_id_field {
                    field.links = vec![(object_id, pk)];
                }
            }
            FieldKind::ManyToManyField => {
                if let Some(through) = &relation.through {
                    let through_id = self.model_id(through)?;
                    let (source, target) = match &relation.through_fields {
                        Some((s, t)) => (
                            find_field(schema, through_id, s)?,
                            find_field(schema, through_id, t)?,
                        ),
                        None => {
                            return Err(Error::new(
                                Code::Schema,
                                "a many-to-many field with through needs through_fields",
                            ));
                        }
                    };
                    field.through = Some(ThroughFields {
                        model: through_id,
                        source,
                        target,
                    });
                }
            }
            _ => {}
        }
        Ok(field)
    }

    /// What a path may start with: fields of the model and its parents, then relations that lead back to any of them.
    fn names(&self, spec: &SchemaSpec, schema: &mut Schema) -> Result<()> {
        let mut relations: Vec<(ModelId, FieldRef)> = Vec::new();
        for model in &schema.models {
            for field in &model.fields {
                if field.to.is_some() {
                    relations.push((model.id, field.id));
                }
            }
        }
        for label in spec.models.keys() {
            let id = self.model_id(label)?;
            let model = schema.model(id)?;
            let mut names = NameMap::default();
            for field in &model.all_fields {
                let field = schema.field(*field)?;
                names.insert(field.name.clone(), NameTarget::Field(field.id));
            }
            for field in &model.all_fields {
                let field = schema.field(*field)?;
                names
                    .entry(field.attname.to_string())
                    .or_insert(NameTarget::Field(field.id));
            }
            let mut related_objects = Vec::new();
            for (owner, reference) in &relations {
                let field = schema.field(*reference)?;
                let Some(to) = field.to else { continue };
                let Some(links) = schema.parent_links(id, to) else {
                    continue;
                };
                // A parent link leads from the parent to the child, not from the child to itself.
                // Nor do the other children of a parent belong to this child.
                let own_link =
                    (!links.is_empty() || owner == &id) && is_parent_link(schema, *reference)?;
                if own_link {
                    continue;
                }
                let hidden = hidden_name(schema, field)?;
                if let Some(name) = field.related_query_name.as_ref().or(hidden.as_ref()) {
                    names
                        .entry(name.clone())
                        .or_insert(NameTarget::Reverse(*reference));
                }
                related_objects.push(RelatedObject {
                    field: *reference,
                    model: *owner,
                    accessor: field.related_name.clone(),
                });
            }
            if let Some(model) = schema.models.get_mut(id.0 as usize) {
                model.names = names;
                model.related_objects = related_objects;
            }
        }
        Ok(())
    }

    fn indexes(&self, spec: &SchemaSpec, schema: &mut Schema) -> Result<()> {
        for (label, declared) in &spec.models {
            let id = self.model_id(label)?;
            let mut sets = Vec::new();
            for (i, names) in declared.unique_together.iter().enumerate() {
                let mut set = Vec::new();
                for name in names {
                    set.push(find_field(schema, id, name).map_err(|e| {
                        e.inside(i)
                            .inside("unique_together")
                            .inside(label)
                            .inside("models")
                    })?);
                }
                sets.push(set);
            }
            let Some(model) = schema.models.get_mut(id.0 as usize) else {
                continue;
            };
            model.unique_together = sets;
            for field in &model.fields {
                if field.is_concrete() && (field.unique || field.db_index) {
                    model.indexes.push(IndexSpec {
                        kind: match field.ty.kind.family() {
                            StorageFamily::Geo if !field.unique => IndexKind::Sphere,
                            _ => IndexKind::Ordered,
                        },
                        of_field: true,
                        ..IndexSpec::ascending([field.name.as_str()], field.unique)
                    });
                }
            }
            for names in &declared.unique_together {
                let names = names.iter().map(String::as_str);
                model.indexes.push(IndexSpec::ascending(names, true));
            }
        }
        Ok(())
    }
}

/// The name by which a many-to-many field's own manager filters where the field hides its reverse side.
fn hidden_name(schema: &Schema, field: &Field) -> Result<Option<String>> {
    if field.related_query_name.is_some() || field.ty.kind != FieldKind::ManyToManyField {
        return Ok(None);
    }
    let owner = schema.model(field.id.model)?;
    Ok(Some(format!(
        "_{}_{}_+",
        owner.label.to_lowercase().replace('.', "_"),
        field.name
    )))
}

fn is_parent_link(schema: &Schema, reference: FieldRef) -> Result<bool> {
    Ok(schema
        .model(reference.model)?
        .parents
        .iter()
        .any(|(_, link)| *link == reference))
}

fn collect_fields(
    schema: &Schema,
    id: ModelId,
    depth: u32,
    fields: &mut Vec<FieldRef>,
) -> Result<()> {
    if depth > 64 {
        return Err(Error::new(Code::Schema, "a model is its own ancestor"));
    }
    let model = schema.model(id)?;
    let model = schema.model(model.concrete)?;
    for (parent, _) in &model.parents {
        let mut inherited = Vec::new();
        collect_fields(schema, *parent, depth + 1, &mut inherited)?;
        for field in inherited {
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
    }
    for field in &model.fields {
        fields.push(field.id);
    }
    Ok(())
}

/// The sets of stored keys that are unique: primary keys, unique fields, and fields that are unique together.
fn unique_keys(schema: &mut Schema) -> Result<()> {
    let mut all = Vec::with_capacity(schema.models.len());
    for model in &schema.models {
        let keys = |fields: &[FieldRef]| -> Result<Vec<Name>> {
            let columns = fields.iter().map(|f| Ok(schema.field(*f)?.column.clone()));
            columns.collect()
        };
        let mut sets = Vec::new();
        if let Ok(pk) = schema.field(model.pk) {
            if pk.is_concrete() {
                sets.push(vec![pk.column.clone()]);
            } else {
                sets.push(keys(&pk.parts)?);
            }
        }
        for field in &model.fields {
            if field.unique && field.is_concrete() && field.id != model.pk {
                sets.push(vec![field.column.clone()]);
            }
        }
        for set in &model.unique_together {
            sets.push(keys(set)?);
        }
        // Unique constraints of whole columns and of all rows.
        for index in model.indexes.iter().filter(|i| i.unique && i.is_general()) {
            let columns = index.keys.iter().map(|key| {
                let named = |f: &&Field| f.name == key.field || f.attname == key.field;
                model.fields.iter().find(named).map(|f| f.column.clone())
            });
            let set = columns.collect::<Option<Vec<Name>>>();
            sets.extend(set.filter(|set| !sets.contains(set)));
        }
        sets.retain(|set| !set.is_empty() && set.iter().all(|key| !key.is_empty()));
        all.push(sets);
    }
    for (model, sets) in schema.models.iter_mut().zip(all) {
        model.unique_keys = sets;
    }
    Ok(())
}

/// Which fields hold documents without a key that looks like a place in an array.
fn places(schema: &mut Schema) {
    let looks = |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_digit());
    let numbered: Vec<String> = schema
        .models
        .iter()
        .filter(|model| {
            let mut fields = model.all_fields.iter();
            fields.any(|f| schema.field(*f).is_ok_and(|f| looks(&f.column)))
        })
        .map(|model| model.label.clone())
        .collect();
    for field in schema.models.iter_mut().flat_map(|m| &mut m.fields) {
        if !field.ty.models.is_empty() && !field.ty.models.iter().any(|m| numbered.contains(m)) {
            Arc::make_mut(&mut field.ty).places = true;
        }
    }
}

/// A field of a model or its parents by name or attname.
fn find_field(schema: &Schema, id: ModelId, name: &str) -> Result<FieldRef> {
    let model = schema.model(id)?;
    if name == "pk" {
        return Ok(model.pk);
    }
    for reference in &model.all_fields {
        let field = schema.field(*reference)?;
        if field.name == name || field.attname == name {
            return Ok(*reference);
        }
    }
    Err(Error::new(
        Code::Schema,
        format!("{} has no field {name:?}", model.label),
    ))
}

fn check_zone(name: &str) -> Result<()> {
    if jiff::tz::TimeZone::get(name).is_ok() {
        return Ok(());
    }
    Err(
        Error::new(Code::Schema, format!("no time zone is named {name:?}"))
            .inside("time_zone")
            .inside("settings"),
    )
}
