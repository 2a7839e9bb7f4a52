//! Instances as values of relations. A statement holds their keys only, so that their class is looked at here
//! (Django: `Query.check_query_object_type`).

use super::Evaluator;
use super::queryset::Rows;
use super::value::{Instance, Py, refuse, type_error, value_error};
use crate::error::{Code, Result};
use crate::queryset::{Expr, Q, Value};
use crate::schema::{Field, FieldKind, Model, ModelId, NameTarget, Schema};

/// Most instances that a text's conditions may hold and be looked at.
const MOST: usize = 10_000;

/// An instance that a condition was given.
pub(super) struct Given {
    path: String,
    key: Value,
    model: ModelId,
}

impl Evaluator<'_> {
    /// The primary key of a model; embedded ones may have none.
    pub(super) fn key_of(&self, model: &Model) -> Option<&Field> {
        let key = self.schema?.field(model.pk).ok()?;
        let is_key = key.primary_key
            || key.ty.kind == FieldKind::CompositePrimaryKey
            || model.parents.iter().any(|(_, link)| *link == key.id);
        is_key.then_some(key)
    }

    /// An instance of a stored model with a known key.
    pub(super) fn stored(instance: &Instance) -> Result<Value> {
        instance.pk.clone().ok_or_else(|| {
            refuse(
                Code::ValueError,
                "an instance needs a primary key value before this",
            )
        })
    }

    /// Remembers the class of the instances that a condition is given.
    pub(super) fn note_instances(&mut self, path: &str, value: &Py) {
        if self.given.len() >= MOST {
            return;
        }
        let instance = match value {
            Py::Instance(instance) => Some(&**instance),
            Py::Done(done) => done.instance.as_ref(),
            _ => None,
        };
        if let Some(instance) = instance {
            if let Some(key) = &instance.pk {
                let given = Given {
                    path: path.to_owned(),
                    key: key.clone(),
                    model: instance.model,
                };
                self.given.push(given);
            }
            return;
        }
        for item in value.items().unwrap_or_default() {
            if matches!(item, Py::Instance(_) | Py::Done(_)) {
                self.note_instances(path, item);
            }
        }
    }

    /// Refuses instances of another class than the relation's.
    pub(super) fn check_instances(&self, rows: &Rows, q: &Q) -> Result<()> {
        if self.given.is_empty() {
            return Ok(());
        }
        match q {
            Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => parts
                .iter()
                .try_for_each(|part| self.check_instances(rows, part)),
            Q::Not(part) => self.check_instances(rows, part),
            Q::Lookup {
                path,
                rhs: Expr::Value(value),
            } => self
                .given
                .iter()
                .filter(|given| {
                    given.path == *path
                        && (given.key == *value
                            || matches!(value, Value::List(items) if items.contains(&given.key)))
                })
                .try_for_each(|given| self.check_instance(rows.model, given)),
            _ => Ok(()),
        }
    }

    fn check_instance(&self, model: ModelId, given: &Given) -> Result<()> {
        let schema = self.schema()?;
        let found = schema.model(given.model)?;
        let shown = format!(
            "{} object ({})",
            found.name(),
            super::strings::text_of(&Py::Value(given.key.clone())).unwrap_or_default()
        );
        let Some((target, field)) = end(schema, model, &given.path) else {
            return Ok(());
        };
        match (target, field) {
            (Some(target), _) => {
                if related(schema, given.model, target) {
                    return Ok(());
                }
                let wanted = schema.model(target)?.name();
                Err(value_error(format!(
                    "Cannot query \"{shown}\": Must be \"{wanted}\" instance."
                )))
            }
            (None, Some(field)) if is_number(field.ty.kind) => Err(type_error(format!(
                "Field '{}' expected a number but got <{}: {shown}>.",
                field.name,
                found.name()
            ))
            .with_hint("give its key: .pk")),
            (None, Some(field)) if field.ty.kind == FieldKind::GenericForeignKey => Err(refuse(
                Code::FieldError,
                format!(
                    "Field '{}' does not generate an automatic reverse relation and therefore cannot be used for reverse \
                     querying. If it is a GenericForeignKey, consider adding a GenericRelation.",
                    field.name
                ),
            )),
            _ => Ok(()),
        }
    }
}

/// Where a path ends: at a model, or at a field that is no relation; nothing where it goes on with lookups.
fn end<'s>(
    schema: &'s Schema,
    model: ModelId,
    path: &str,
) -> Option<(Option<ModelId>, Option<&'s Field>)> {
    let mut model = Some(model);
    let mut field: Option<&Field> = None;
    for name in path.split("__") {
        if matches!(name, "exact" | "in" | "gt" | "gte" | "lt" | "lte") {
            continue;
        }
        let at = schema.model(model?).ok()?;
        match at.names.get(name) {
            Some(NameTarget::Field(reference)) => {
                let found = schema.field(*reference).ok()?;
                model = if found.is_relation() && found.ty.kind != FieldKind::GenericForeignKey {
                    Some(found.to?)
                } else {
                    None
                };
                field = Some(found);
            }
            Some(NameTarget::Reverse(reference)) => {
                model = Some(reference.model);
                field = None;
            }
            None if name == "pk" => {
                model = None;
                field = schema.field(at.pk).ok();
                if let Some(found) = field
                    && found.is_foreign_key()
                {
                    model = found.to;
                }
            }
            None => return None,
        }
    }
    Some((model, field))
}

/// Whether an instance of one model can stand for one of the other: proxies, parents and children can.
fn related(schema: &Schema, given: ModelId, target: ModelId) -> bool {
    let concrete = |id: ModelId| schema.model(id).map(|m| m.concrete).ok();
    let is_ancestor = |of: ModelId, wanted: Option<ModelId>| {
        let mut queue = vec![of];
        let mut seen = Vec::new();
        while let Some(at) = queue.pop() {
            if concrete(at) == wanted {
                return true;
            }
            if seen.contains(&at) {
                continue;
            }
            seen.push(at);
            let at = schema.model(at).map(|m| m.concrete).unwrap_or(at);
            if let Ok(model) = schema.model(at) {
                queue.extend(model.parents.iter().map(|(parent, _)| *parent));
            }
        }
        false
    };
    is_ancestor(given, concrete(target)) || is_ancestor(target, concrete(given))
}

fn is_number(kind: FieldKind) -> bool {
    use FieldKind as K;
    matches!(
        kind,
        K::AutoField
            | K::BigAutoField
            | K::SmallAutoField
            | K::IntegerField
            | K::BigIntegerField
            | K::SmallIntegerField
            | K::PositiveIntegerField
            | K::PositiveBigIntegerField
            | K::PositiveSmallIntegerField
            | K::FloatField
    )
}
