//! The managers of relations: which rows they have.

use super::Evaluator;
use super::args::{Args, Keyword};
use super::queryset::{Related, RelatedKind, Rows};
use super::value::{Instance, Py, string, type_error, value_error};
use crate::error::{Error, Result, Span};
use crate::queryset::{Call, Expr, Q, Value};
use crate::schema::{Field, FieldKind, NameTarget};

impl Evaluator<'_> {
    /// The manager of a to-many relation.
    pub(super) fn relation(&mut self, instance: &Instance, name: &str) -> Result<Option<Rows>> {
        let schema = self.schema()?;
        let model = schema.model(instance.model)?;
        if let Some(NameTarget::Field(reference)) = model.names.get(name) {
            let field = schema.field(*reference)?;
            return match field.ty.kind {
                FieldKind::ManyToManyField => self.many_rows(instance, field, false).map(Some),
                FieldKind::GenericRelation => self.generic_rows(instance, field).map(Some),
                _ => Ok(None),
            };
        }
        let Some(related) = model
            .related_objects
            .iter()
            .find(|r| r.accessor.as_deref() == Some(name))
        else {
            return Ok(None);
        };
        let field = schema.field(related.field)?;
        let owner = related.model;
        match field.ty.kind {
            FieldKind::ForeignKey | FieldKind::ForeignObject => {
                let pk = Self::stored(instance)?;
                let field_name = field.name.clone();
                let reference = field.id;
                let rows = self.default_rows(owner)?;
                let q = Q::And(vec![Q::lookup(field_name, Expr::Value(pk))]);
                Ok(Some(related_rows(
                    rows,
                    q,
                    instance,
                    RelatedKind::Reverse(reference),
                    false,
                )))
            }
            FieldKind::ManyToManyField => self.many_rows(instance, field, true).map(Some),
            _ => Ok(None),
        }
    }

    /// The row behind the other side of a one-to-one field (Django: `ReverseOneToOneDescriptor`).
    pub(super) fn one_to_one(&mut self, instance: &Instance, name: &str) -> Result<Option<Py>> {
        let schema = self.schema()?;
        let model = schema.model(instance.model)?;
        let found = model.related_objects.iter().find_map(|r| {
            let field = schema.field(r.field).ok()?;
            (r.accessor.as_deref() == Some(name) && field.ty.kind == FieldKind::OneToOneField)
                .then_some((r.model, field))
        });
        let Some((owner, field)) = found else {
            return Ok(None);
        };
        let key = match field.links.first() {
            Some((_, to)) => schema.field(*to)?.name.clone(),
            None => "pk".to_owned(),
        };
        let args = Args {
            positional: Vec::new(),
            keywords: vec![Keyword {
                name: format!("{}__{key}", field.name),
                value: super::from_literal(Self::stored(instance)?),
                span: Span::NOWHERE,
            }],
        };
        let rows = Rows::new(owner, &schema.model(owner)?.label);
        self.terminal(rows, "get", args).map(Some)
    }

    /// Rows of a many-to-many relation (Django: `create_forward_many_to_many_manager`).
    fn many_rows(&mut self, instance: &Instance, field: &Field, reverse: bool) -> Result<Rows> {
        let schema = self.schema()?;
        let pk = Self::stored(instance)?;
        let through = field
            .through
            .ok_or_else(|| Error::internal("a many-to-many field without intermediate model"))?;
        let (path, source, target, owner) = if reverse {
            (
                Some(field.name.clone()),
                through.target,
                through.source,
                Some(field.id.model),
            )
        } else {
            let owner = field.to;
            (
                field.related_query_name.clone(),
                through.source,
                through.target,
                owner,
            )
        };
        let (Some(path), Some(owner)) = (path, owner) else {
            return Err(Error::unsupported(
                format!("the manager '{}'", field.name),
                "the relation has no name that leads back",
            ));
        };
        let link = schema.field(source)?;
        let key = match link.links.first() {
            Some((_, to)) => schema.field(*to)?.attname.clone(),
            None => "pk".into(),
        };
        let rows = self.default_rows(owner)?;
        let q = Q::And(vec![Q::lookup(format!("{path}__{key}"), Expr::Value(pk))]);
        let kind = RelatedKind::Many {
            through: through.model,
            source,
            target,
        };
        Ok(related_rows(rows, q, instance, kind, true))
    }

    /// Rows of a generic relation: their type and key are conditions.
    fn generic_rows(&mut self, instance: &Instance, field: &Field) -> Result<Rows> {
        let pk = Self::stored(instance)?;
        let (Some(generic), Some(to)) = (&field.generic, field.to) else {
            return Err(Error::internal("a generic relation without a target"));
        };
        let content_type = self.content_type(instance.model, generic.for_concrete_model)?;
        let mut parts = [
            (format!("{}__pk", generic.content_type), content_type),
            (generic.object_id.clone(), pk),
        ];
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        let q = Q::And(
            parts
                .into_iter()
                .map(|(path, value)| Q::lookup(path, Expr::Value(value)))
                .collect(),
        );
        let reference = field.id;
        let rows = self.default_rows(to)?;
        Ok(related_rows(
            rows,
            q,
            instance,
            RelatedKind::Generic(reference),
            false,
        ))
    }

    /// What `count()` and `exists()` directly on a many-to-many manager ask: the intermediate model alone
    /// (Django: `constrained_target`).
    pub(super) fn through_rows(&self, rows: &Rows) -> Result<Option<Rows>> {
        let Some(Related {
            instance,
            kind:
                RelatedKind::Many {
                    through,
                    source,
                    target,
                },
        }) = &rows.related
        else {
            return Ok(None);
        };
        if !rows.manager {
            return Ok(None);
        }
        let schema = self.schema()?;
        let (source, target) = (schema.field(*source)?, schema.field(*target)?);
        let mut parts = vec![(source.name.clone(), Self::stored(instance)?)];
        if target.null() {
            parts.push((format!("{}__isnull", target.name), Value::Bool(false)));
        }
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        let q = Q::And(
            parts
                .into_iter()
                .map(|(path, value)| Q::lookup(path, Expr::Value(value)))
                .collect(),
        );
        let rows = Rows::new(*through, &schema.model(*through)?.label);
        Ok(Some(rows.with(Call::Filter(q))))
    }

    /// `instance.relation(manager="name")`: the same rows through another manager of their model.
    pub(super) fn other_manager(&mut self, rows: Rows, name: &str, mut args: Args) -> Result<Py> {
        let Some(manager) = args.take("manager") else {
            return Err(type_error(format!("the manager '{name}' is not called"))
                .with_hint("call its methods: all(), filter(), ..."));
        };
        args.finish(name)?;
        let manager = string(&manager, "the manager")?;
        let mut found = match self.class_attribute(rows.model, &manager)? {
            Py::Rows(found) if found.manager => *found,
            other => {
                return Err(type_error(format!(
                    "'{manager}' is {}, no manager",
                    other.describe()
                )));
            }
        };
        let class = found.class.clone();
        if let Some(filter) = rows.calls.last() {
            found = found.with(filter.clone());
        }
        found.manager = true;
        found.class = class;
        found.sticky = rows.sticky;
        found.related = rows.related;
        Ok(Py::Rows(Box::new(found)))
    }
}

fn related_rows(rows: Rows, q: Q, instance: &Instance, kind: RelatedKind, sticky: bool) -> Rows {
    let mut rows = rows.with(Call::Filter(q));
    rows.manager = true;
    rows.sticky = sticky;
    rows.related = Some(Related {
        instance: instance.clone(),
        kind,
    });
    rows
}

/// Django's refusal of a value for a relation.
pub(super) fn wrong_instance(model: &str, field: &str, target: &str, value: &Py) -> Error {
    value_error(format!(
        "Cannot assign {}: \"{model}.{field}\" must be a \"{target}\" instance.",
        value.describe()
    ))
}
