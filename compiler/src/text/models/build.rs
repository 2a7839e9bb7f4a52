//! Drafts to declared models: inheritance, keys, reverse names, intermediate models.

use indexmap::IndexMap;

use super::draft::{Draft, File};
use super::field::DraftField;
use super::meta::Meta;
use super::relation::{auto_key, embed, key_field, reverse_names};
use super::{Extras, ModelExtras, Models, ModelsOptions};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldSpec, ModelSpec, SchemaSpec};

/// Longest chain of bases.
const MAX_BASES: usize = 40;

/// Makes the declared models of a file.
pub(super) fn build(file: File, options: &ModelsOptions) -> Result<Models> {
    let builder = Builder {
        file: &file,
        options,
    };
    let mut spec = SchemaSpec::default();
    for (class, name, function) in &file.registered {
        let names = spec.settings.lookups.entry(class.clone()).or_default();
        names.insert(name.clone(), function.clone());
    }
    let mut extras = Extras {
        classes: file.classes.clone(),
        enums: file.enums.clone(),
        user_model: builder.user_label(),
        ..Extras::default()
    };
    for draft in file.models.values() {
        let merged = builder.merge(draft, 0)?;
        if merged.meta.is_abstract {
            continue;
        }
        let label = builder.label(draft, &merged.meta);
        builder
            .model(draft, &merged, &label, &mut spec, &mut extras)
            .map_err(|e| e.with_span(draft.span))?;
    }
    Ok(Models {
        spec,
        extras,
        skipped: file.skipped,
    })
}

pub(super) struct Builder<'f> {
    pub(super) file: &'f File,
    pub(super) options: &'f ModelsOptions,
}

/// A model with what it has from its abstract bases.
pub(super) struct Merged {
    pub(super) fields: Vec<DraftField>,
    pub(super) meta: Meta,
    pub(super) constants: IndexMap<String, Value>,
    pub(super) managers: IndexMap<String, Option<String>>,
    /// Bases that are stored: names in the file, or labels.
    pub(super) concrete: Vec<String>,
}

impl Builder<'_> {
    pub(super) fn user_label(&self) -> String {
        self.options.user_model.clone()
    }

    pub(super) fn label(&self, draft: &Draft, meta: &Meta) -> String {
        let app = meta.app_label.as_ref().unwrap_or(&self.file.app);
        format!("{app}.{}", draft.name)
    }

    /// What a model has from its abstract bases (Django: `ModelBase.__new__`).
    pub(super) fn merge(&self, draft: &Draft, depth: usize) -> Result<Merged> {
        if depth > MAX_BASES {
            return Err(
                Error::new(Code::Limit, "the bases of a model are nested too deeply")
                    .with_span(draft.span),
            );
        }
        let mut fields = draft.fields.clone();
        let mut constants = draft.constants.clone();
        let mut managers = draft.managers.clone();
        let mut concrete = Vec::new();
        let mut inherited: Option<Meta> = None;
        let mut concrete_meta: Option<Meta> = None;
        for base in &draft.bases {
            let Some(parent) = self.file.models.get(base) else {
                concrete.push(base.clone());
                continue;
            };
            let merged = self.merge(parent, depth + 1)?;
            for (name, value) in merged.constants {
                constants.entry(name).or_insert(value);
            }
            for (name, class) in merged.managers {
                managers.entry(name).or_insert(class);
            }
            if merged.meta.is_abstract {
                for field in merged.fields {
                    let name = &field.spec.name;
                    if !draft.removed.contains(name) && !fields.iter().any(|f| f.spec.name == *name)
                    {
                        fields.push(field);
                    }
                }
                for base in merged.concrete {
                    if !concrete.contains(&base) {
                        concrete.push(base);
                    }
                }
                inherited.get_or_insert(Meta {
                    is_abstract: false,
                    ..merged.meta
                });
            } else {
                concrete.push(base.clone());
                concrete_meta.get_or_insert(merged.meta);
            }
        }
        fields.sort_by_key(|f| f.sequence);
        let mut meta = match &draft.meta {
            None => inherited.unwrap_or_default(),
            Some(own) => match &own.base {
                None => own.clone(),
                Some(base) => self.continued(own, base, depth)?,
            },
        };
        // Children of stored models order as their parents do.
        if let Some(parent) = concrete_meta {
            meta.ordering = meta.ordering.or(parent.ordering);
            meta.get_latest_by = meta.get_latest_by.or(parent.get_latest_by);
        }
        Ok(Merged {
            fields,
            meta,
            constants,
            managers,
            concrete,
        })
    }

    /// `class Meta(Base.Meta)`.
    fn continued(&self, own: &Meta, base: &str, depth: usize) -> Result<Meta> {
        let Some(parent) = self.file.models.get(base) else {
            return Ok(own.clone());
        };
        let parent = self.merge(parent, depth + 1)?.meta;
        fn or<T: Clone>(own: &[T], parent: &[T]) -> Vec<T> {
            if own.is_empty() { parent } else { own }.to_vec()
        }
        Ok(Meta {
            base: None,
            is_abstract: own.is_abstract,
            proxy: own.proxy,
            app_label: own.app_label.clone().or(parent.app_label),
            db_table: own.db_table.clone().or(parent.db_table),
            ordering: own.ordering.clone().or(parent.ordering),
            get_latest_by: own.get_latest_by.clone().or(parent.get_latest_by),
            default_related_name: own
                .default_related_name
                .clone()
                .or(parent.default_related_name),
            unique_together: or(&own.unique_together, &parent.unique_together),
            indexes: or(&own.indexes, &parent.indexes),
            checks: or(&own.checks, &parent.checks),
            search_indexes: or(&own.search_indexes, &parent.search_indexes),
        })
    }

    fn model(
        &self,
        draft: &Draft,
        merged: &Merged,
        label: &str,
        spec: &mut SchemaSpec,
        extras: &mut Extras,
    ) -> Result<()> {
        let meta = &merged.meta;
        let (app, name) = label.split_once('.').unwrap_or(("", label));
        let mut parents: Vec<String> = Vec::new();
        for base in &merged.concrete {
            parents.push(self.base_label(base)?);
        }
        let mut own_extras = ModelExtras {
            managers: merged.managers.clone(),
            constants: merged.constants.clone(),
            defaults: IndexMap::new(),
        };
        let mut model = ModelSpec {
            collection: match &meta.db_table {
                Some(table) => table.clone(),
                None => format!("{}_{}", app.to_lowercase(), name.to_lowercase()),
            },
            ordering: meta.ordering.clone().unwrap_or_default(),
            get_latest_by: meta.get_latest_by.clone().unwrap_or_default(),
            embedded: draft.embedded,
            unique_together: meta.unique_together.clone(),
            indexes: meta.indexes.clone(),
            checks: meta.checks.clone(),
            search_indexes: meta.search_indexes.clone(),
            ..ModelSpec::default()
        };
        // Those of an abstract base have a name for each child.
        let indexes = model.indexes.iter_mut().map(|i| &mut i.name);
        let checks = model.checks.iter_mut().map(|c| &mut c.name);
        let searches = model.search_indexes.iter_mut().map(|i| &mut i.name);
        for given in indexes.chain(checks).flatten().chain(searches) {
            *given = given
                .replace("%(app_label)s", &app.to_lowercase())
                .replace("%(class)s", &name.to_lowercase());
        }
        if meta.proxy {
            let [parent] = parents.as_slice() else {
                return Err(Error::new(
                    Code::Schema,
                    format!("the proxy model '{name}' has no, or more than one, non-abstract base"),
                ));
            };
            if let Some(found) = spec.models.get(parent) {
                model.collection.clone_from(&found.collection);
                if meta.ordering.is_none() {
                    model.ordering.clone_from(&found.ordering);
                }
            }
            model.proxy_for = Some(parent.clone());
            spec.models.insert(label.to_owned(), model);
            extras.models.insert(label.to_owned(), own_extras);
            return Ok(());
        }
        let mut throughs = Vec::new();
        let mut local = Vec::new();
        let mut many = Vec::new();
        let mut private = Vec::new();
        for field in &merged.fields {
            if let Some(default) = &field.default {
                own_extras
                    .defaults
                    .insert(field.spec.name.clone(), default.clone());
            }
            let built = self
                .field(field, label, meta, &model.collection, &mut throughs)
                .map_err(|e| e.with_span(field.span))?;
            match built.ty.kind {
                FieldKind::ManyToManyField => many.push(built),
                FieldKind::GenericForeignKey | FieldKind::GenericRelation => private.push(built),
                FieldKind::CompositePrimaryKey => local.insert(0, built),
                _ => local.push(built),
            }
        }
        self.parent_links(&parents, name, &mut local, &mut model);
        let composite = local
            .iter()
            .any(|f| f.ty.kind == FieldKind::CompositePrimaryKey);
        let keyed = composite || local.iter().any(|f| f.primary_key);
        if !keyed && parents.is_empty() && !draft.embedded {
            if local.iter().any(|f| f.name == "id") {
                return Err(Error::new(
                    Code::Schema,
                    format!(
                        "'id' can only be used as a field name of '{name}' if it is the primary key"
                    ),
                ));
            }
            local.insert(0, auto_key(self.options.auto_field));
        }
        for field in &mut local {
            if field.primary_key && !composite {
                field.column = Some("_id".to_owned());
            }
        }
        model.fields = local;
        model.fields.append(&mut many);
        model.fields.append(&mut private);
        self.check_names(draft, &model)?;
        spec.models.insert(label.to_owned(), model);
        extras.models.insert(label.to_owned(), own_extras);
        for (label, model) in throughs {
            spec.models.insert(label, model);
        }
        Ok(())
    }

    /// Names in `Meta` lead to fields.
    fn check_names(&self, draft: &Draft, model: &ModelSpec) -> Result<()> {
        let known = |name: &str| {
            model
                .fields
                .iter()
                .any(|f| f.name == name || f.attname.as_deref() == Some(name))
        };
        let inherits = !draft.bases.is_empty() || !model.parents.is_empty();
        let sets = model.unique_together.iter().flatten().chain(
            model
                .indexes
                .iter()
                .flat_map(|i| i.keys.iter().map(|k| &k.field)),
        );
        let sets = sets.chain(model.search_indexes.iter().flat_map(|i| &i.fields));
        for name in sets {
            let first = name.split('.').next().unwrap_or(name);
            if !known(first) && !inherits {
                let error = Error::new(
                    Code::Schema,
                    format!(
                        "Meta of '{}' names the field '{name}', which does not exist",
                        draft.name
                    ),
                )
                .with_span(draft.span);
                let names: Vec<&str> = model.fields.iter().map(|f| f.name.as_str()).collect();
                return Err(match closest(name, names.iter().copied()) {
                    Some(choice) => error.with_hint(format!("did you mean '{choice}'?")),
                    None => error.with_choices(names),
                });
            }
        }
        Ok(())
    }

    /// Links of a child to its stored parents: declared ones, or `parent_ptr` (Django: `ModelBase.__new__`).
    fn parent_links(
        &self,
        parents: &[String],
        name: &str,
        local: &mut Vec<FieldSpec>,
        model: &mut ModelSpec,
    ) {
        let mut made = Vec::new();
        for parent in parents {
            let declared = local.iter().find(|f| {
                f.ty.kind == FieldKind::OneToOneField
                    && f.relation.as_ref().is_some_and(|r| r.to == *parent)
            });
            let link = match declared {
                Some(field) => field.name.clone(),
                None => {
                    let class = parent.rsplit('.').next().unwrap_or(parent).to_lowercase();
                    let link = format!("{class}_ptr");
                    let mut field = key_field(&link, FieldKind::OneToOneField, parent);
                    field.unique = true;
                    if let Some(relation) = &mut field.relation {
                        relation.related_name = Some(name.to_lowercase());
                        relation.related_query_name = Some(name.to_lowercase());
                    }
                    // Later links come first, as they are made with falling numbers.
                    made.insert(0, field);
                    link
                }
            };
            model.parents.insert(parent.clone(), link);
        }
        local.splice(0..0, made);
        let composite = FieldKind::CompositePrimaryKey;
        if local
            .iter()
            .any(|f| f.primary_key || f.ty.kind == composite)
        {
            return;
        }
        if let Some(first) = model.parents.values().next()
            && let Some(link) = local.iter_mut().find(|f| f.name == *first)
        {
            link.primary_key = true;
            link.unique = true;
        }
    }

    fn field(
        &self,
        draft: &DraftField,
        label: &str,
        meta: &Meta,
        collection: &str,
        throughs: &mut Vec<(String, ModelSpec)>,
    ) -> Result<FieldSpec> {
        let mut spec = draft.spec.clone();
        let stores = !matches!(spec.ty.kind.family(), crate::schema::StorageFamily::None);
        if matches!(
            spec.ty.kind,
            FieldKind::ForeignKey | FieldKind::OneToOneField
        ) {
            spec.attname = Some(format!("{}_id", spec.name));
        }
        if stores && spec.column.is_none() {
            spec.column = Some(spec.attname.clone().unwrap_or_else(|| spec.name.clone()));
        }
        if !draft.embedded.is_empty() {
            let models = draft
                .embedded
                .iter()
                .map(|t| self.resolve(t, label))
                .collect::<Result<Vec<_>>>()?;
            embed(&mut spec.ty, models);
        }
        let Some(target) = &draft.to else {
            return Ok(spec);
        };
        let to = self.resolve(target, label)?;
        spec.ty.to = Some(to.clone());
        let mut relation = spec.relation.take().unwrap_or_default();
        relation.to = to;
        if spec.ty.kind == FieldKind::GenericRelation {
            relation.related_name = None;
            spec.relation = Some(relation);
            return Ok(spec);
        }
        reverse_names(&mut relation, &spec, draft, label, meta);
        if spec.ty.kind == FieldKind::ManyToManyField {
            spec.column = Some(spec.name.clone());
            self.through(draft, &spec, &mut relation, label, collection, throughs)?;
        }
        spec.relation = Some(relation);
        Ok(spec)
    }
}
