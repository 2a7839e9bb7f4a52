//! Relations: their targets, the names that lead back, intermediate models.

use super::build::Builder;
use super::contrib;
use super::field::{DraftField, Target};
use super::meta::Meta;
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result, Span};
use crate::schema::{FieldKind, FieldSpec, FieldType, ModelSpec, OnDelete, RelationSpec};

impl Builder<'_> {
    /// The intermediate model of a many-to-many field: the declared one, or a new one
    /// (Django: `create_many_to_many_intermediary_model`).
    pub(super) fn through(
        &self,
        draft: &DraftField,
        spec: &FieldSpec,
        relation: &mut RelationSpec,
        label: &str,
        collection: &str,
        throughs: &mut Vec<(String, ModelSpec)>,
    ) -> Result<()> {
        if let Some(through) = &draft.through {
            let through = self.resolve(through, label)?;
            if relation.through_fields.is_none() {
                relation.through_fields =
                    Some(self.through_fields(&through, label, &relation.to, draft.span)?);
            }
            relation.through = Some(through);
            return Ok(());
        }
        let (app, name) = label.split_once('.').unwrap_or(("", label));
        let target = relation
            .to
            .rsplit('.')
            .next()
            .unwrap_or_default()
            .to_lowercase();
        let source = name.to_lowercase();
        let (from, to) = if source == target {
            (format!("from_{source}"), format!("to_{target}"))
        } else {
            (source, target)
        };
        let through_label = format!("{app}.{name}_{}", spec.name);
        let model = ModelSpec {
            collection: draft
                .through_collection
                .clone()
                .unwrap_or_else(|| format!("{collection}_{}", spec.name)),
            fields: vec![
                auto_key(self.options.auto_field),
                key_field(&from, FieldKind::ForeignKey, label),
                key_field(&to, FieldKind::ForeignKey, &relation.to),
            ],
            unique_together: vec![vec![from.clone(), to.clone()]],
            ..ModelSpec::default()
        };
        relation.through = Some(through_label.clone());
        relation.through_fields = Some((from, to));
        throughs.push((through_label, model));
        Ok(())
    }

    /// The foreign keys of a declared intermediate model: the first to each side (Django: `_get_m2m_attr`).
    pub(super) fn through_fields(
        &self,
        through: &str,
        source: &str,
        target: &str,
        span: Span,
    ) -> Result<(String, String)> {
        let name = through.rsplit('.').next().unwrap_or(through);
        let Some(draft) = self.file.models.get(name) else {
            return Err(Error::new(
                Code::Schema,
                format!(
                    "the intermediate model '{through}' is not in this file: give through_fields"
                ),
            )
            .with_span(span));
        };
        let merged = self.merge(draft, 0)?;
        let mut keys = Vec::new();
        for field in &merged.fields {
            if let Some(to) = &field.to
                && matches!(
                    field.spec.ty.kind,
                    FieldKind::ForeignKey | FieldKind::OneToOneField
                )
            {
                keys.push((field.spec.name.clone(), self.resolve(to, through)?));
            }
        }
        let mut to_source = keys.iter().filter(|(_, to)| to == source);
        let first = to_source.next();
        let second = if source == target {
            to_source.next()
        } else {
            keys.iter().find(|(_, to)| to == target)
        };
        match (first, second) {
            (Some((from, _)), Some((to, _))) => Ok((from.clone(), to.clone())),
            _ => Err(Error::new(
                Code::Schema,
                format!("the intermediate model '{name}' has no foreign keys to '{source}' and '{target}'"),
            )
            .with_span(span)),
        }
    }

    /// The label of a base that is stored.
    pub(super) fn base_label(&self, base: &str) -> Result<String> {
        match self.file.models.get(base) {
            Some(draft) => {
                let meta = self.merge(draft, 0)?.meta;
                Ok(self.label(draft, &meta))
            }
            None => Ok(base.to_owned()),
        }
    }

    /// The label of a related model.
    pub(super) fn resolve(&self, target: &Target, own: &str) -> Result<String> {
        let (name, span) = match target {
            Target::Own => return Ok(own.to_owned()),
            Target::User => return Ok(self.user_label()),
            Target::Named(name, span) => (name, *span),
        };
        if let Some((app, class)) = name.split_once('.') {
            // Labels are not case-sensitive in the class.
            if app == self.file.app
                && let Some(draft) = self.file.models.get(class).or_else(|| {
                    let mut all = self.file.models.values();
                    all.find(|d| d.name.eq_ignore_ascii_case(class))
                })
            {
                return self.base_label(&draft.name);
            }
            return Ok(name.clone());
        }
        if self.file.models.contains_key(name) {
            return self.base_label(name);
        }
        if let Some(draft) = self
            .file
            .models
            .values()
            .find(|d| d.name.eq_ignore_ascii_case(name))
        {
            return self.base_label(&draft.name);
        }
        if let Some(label) = contrib::label(name) {
            return Ok(label.to_owned());
        }
        if let Some(label) = self.file.imports.get(name) {
            return Ok(label.clone());
        }
        let choices: Vec<&str> = self.file.models.keys().map(String::as_str).collect();
        let error =
            Error::new(Code::UnknownModel, format!("no model is named '{name}'")).with_span(span);
        Err(match closest(name, choices.iter().copied()) {
            Some(choice) => error.with_hint(format!("did you mean '{choice}'?")),
            None => error.with_choices(choices),
        })
    }
}

/// Puts the labels where the embedded models belong, inside arrays too.
pub(super) fn embed(ty: &mut FieldType, models: Vec<String>) {
    match &mut ty.base {
        Some(base) => embed(std::sync::Arc::make_mut(base), models),
        None => ty.models = models,
    }
}

/// Names by which the target reaches back (Django: `RelatedField.contribute_to_class`).
pub(super) fn reverse_names(
    relation: &mut RelationSpec,
    spec: &FieldSpec,
    draft: &DraftField,
    label: &str,
    meta: &Meta,
) {
    let (app, class) = label.split_once('.').unwrap_or(("", label));
    let class = class.to_lowercase();
    let fill = |name: &str| {
        name.replace("%(class)s", &class)
            .replace("%(model_name)s", &class)
            .replace("%(app_label)s", &app.to_lowercase())
    };
    let given = relation
        .related_name
        .as_deref()
        .or(meta.default_related_name.as_deref())
        .map(fill);
    let query = relation.related_query_name.as_deref().map(fill);
    let many = spec.ty.kind == FieldKind::ManyToManyField;
    let own = many
        && relation.to == label
        && matches!(draft.to, Some(Target::Own) | Some(Target::Named(..)));
    // Only "self" makes a relation symmetrical by itself.
    if own
        && draft
            .symmetrical
            .unwrap_or(matches!(draft.to, Some(Target::Own)))
    {
        relation.symmetrical = true;
        relation.related_query_name = Some(format!("{}_rel_+", spec.name));
        relation.related_name = None;
        return;
    }
    match given {
        Some(name) if name.ends_with('+') => {
            relation.related_name = None;
            relation.related_query_name = None;
        }
        Some(name) => {
            relation.related_query_name = Some(query.unwrap_or_else(|| name.clone()));
            relation.related_name = Some(name);
        }
        None => {
            relation.related_query_name = Some(query.unwrap_or_else(|| class.clone()));
            relation.related_name = Some(if spec.ty.kind == FieldKind::OneToOneField {
                class.clone()
            } else {
                format!("{class}_set")
            });
        }
    }
}

pub(super) fn plain(name: &str, kind: FieldKind) -> FieldSpec {
    FieldSpec::new(name, FieldType::new(kind))
}

pub(super) fn auto_key(kind: FieldKind) -> FieldSpec {
    FieldSpec {
        column: Some("_id".to_owned()),
        primary_key: true,
        unique: true,
        ..plain("id", kind)
    }
}

/// A foreign key without a way back.
pub(super) fn key_field(name: &str, kind: FieldKind, to: &str) -> FieldSpec {
    let mut field = plain(name, kind);
    field.ty.to = Some(to.to_owned());
    field.attname = Some(format!("{name}_id"));
    field.column.clone_from(&field.attname);
    field.db_index = true;
    field.relation = Some(RelationSpec {
        to: to.to_owned(),
        on_delete: Some(OnDelete::Cascade),
        ..RelationSpec::default()
    });
    field
}
