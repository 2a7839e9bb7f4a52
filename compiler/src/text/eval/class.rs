//! What models and their instances answer: managers, relations, constants, methods.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::Args;
use super::member::{no_attribute, runtime};
use super::queryset::Rows;
use super::value::{Instance, Py, refuse};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result};
use crate::queryset::{Call, Do, Expr, Insert, Q, Value};
use crate::schema::{ModelId, NameTarget};

impl Evaluator<'_> {
    /// The default manager of a model.
    pub(super) fn default_rows(&mut self, model: ModelId) -> Result<Rows> {
        let schema = self.schema()?;
        let label = schema.model(model)?.label.clone();
        let first = self
            .extras
            .models
            .get(&label)
            .and_then(|m| m.managers.values().next())
            .cloned()
            .flatten();
        self.manager_rows(model, &label, first)
    }

    fn manager_rows(&mut self, model: ModelId, label: &str, class: Option<String>) -> Result<Rows> {
        let mut rows = Rows::new(model, label);
        if let Some(class) = class {
            rows.class = Some(class);
            rows = self.own_queryset(rows)?;
            rows.manager = true;
        }
        Ok(rows)
    }

    /// `Model.name`.
    pub(super) fn class_attribute(&mut self, model: ModelId, name: &str) -> Result<Py> {
        let schema = self.schema()?;
        let found = schema.model(model)?;
        let label = found.label.clone();
        let short = found.name().to_owned();
        if found.embedded && matches!(name, "objects" | "_default_manager" | "_base_manager") {
            return Err(no_attribute(&format!("type object '{short}'"), name)
                .with_hint("an embedded model is stored inside others and has no manager"));
        }
        let extras = self.extras.models.get(&label);
        match name {
            "_default_manager" => return Ok(Py::Rows(Box::new(self.default_rows(model)?))),
            "_base_manager" => return Ok(Py::Rows(Box::new(Rows::new(model, &label)))),
            "_meta" => return Err(refuse(Code::Python, "_meta is no part of a query")),
            "DoesNotExist" | "MultipleObjectsReturned" => return Ok(Py::Unknown(name.to_owned())),
            _ => {}
        }
        if let Some(manager) = extras.and_then(|m| m.managers.get(name)).cloned() {
            return Ok(Py::Rows(Box::new(
                self.manager_rows(model, &label, manager)?,
            )));
        }
        if name == "objects" && extras.is_none_or(|m| m.managers.is_empty()) {
            return Ok(Py::Rows(Box::new(Rows::new(model, &label))));
        }
        if let Some(value) = self.constant_of(&label, name) {
            return Ok(value);
        }
        let through = match found.names.get(name) {
            Some(NameTarget::Field(field)) => schema.field(*field)?.through,
            _ => found
                .related_objects
                .iter()
                .find(|r| r.accessor.as_deref() == Some(name))
                .and_then(|r| schema.field(r.field).ok())
                .and_then(|f| f.through),
        };
        if let Some(through) = through {
            return Ok(Py::Descriptor(through.model));
        }
        let mut error = no_attribute(&format!("type object '{short}'"), name);
        let managers: Vec<String> = extras
            .map(|m| m.managers.keys().cloned().collect())
            .unwrap_or_default();
        let usual = managers.is_empty().then_some("objects");
        let choices = managers.iter().map(String::as_str).chain(usual);
        if let Some(choice) = closest(name, choices) {
            error = error.with_hint(format!("did you mean '{choice}'?"));
        } else if found.names.contains_key(name) {
            error = error.with_hint(format!(
                "fields are named inside calls: F(\"{name}\") or {name}=..."
            ));
        }
        Err(error)
    }

    /// A constant of a class, or the class of constants inside it.
    fn constant_of(&self, label: &str, name: &str) -> Option<Py> {
        let constants = &self.extras.models.get(label)?.constants;
        if let Some(value) = constants.get(name) {
            return Some(super::from_literal(value.clone()));
        }
        let prefix = format!("{name}.");
        let inner: IndexMap<String, Value> = constants
            .iter()
            .filter_map(|(k, v)| Some((k.strip_prefix(&prefix)?.to_owned(), v.clone())))
            .collect();
        (!inner.is_empty()).then_some(Py::Enum(inner))
    }

    /// `instance.name`.
    pub(super) fn instance_attribute(&mut self, instance: Instance, name: &str) -> Result<Py> {
        let schema = self.schema()?;
        let model = schema.model(instance.model)?;
        let key = self.key_of(model);
        if name == "pk" || key.is_some_and(|k| k.name == name || k.attname == name) {
            return match &instance.pk {
                Some(pk) => Ok(super::from_literal(pk.clone())),
                None => Ok(Py::null()),
            };
        }
        if let Some(value) = instance.fields.get(name) {
            return Ok(value.clone());
        }
        if let Some(rows) = self.relation(&instance, name)? {
            return Ok(Py::Rows(Box::new(rows)));
        }
        if let Some(result) = self.one_to_one(&instance, name)? {
            return Ok(result);
        }
        if model.names.contains_key(name)
            || model
                .related_objects
                .iter()
                .any(|r| r.accessor.as_deref() == Some(name))
        {
            return Err(runtime(name));
        }
        if let Some(value) = self.constant_of(&model.label, name) {
            return Ok(value);
        }
        let short = model.name();
        let mut error = no_attribute(&format!("'{short}' object"), name);
        let accessors = model
            .related_objects
            .iter()
            .filter_map(|r| r.accessor.as_deref());
        if let Some(choice) = closest(
            name,
            model.names.keys().map(String::as_str).chain(accessors),
        ) {
            error = error.with_hint(format!("did you mean '{choice}'?"));
        } else if name == "objects" {
            error = error.with_hint(format!(
                "write {short}.objects: managers belong to the class"
            ));
        }
        Err(error)
    }

    /// `instance.name(args)`.
    pub(super) fn instance_method(
        &mut self,
        instance: Instance,
        name: &str,
        args: Args,
    ) -> Result<Py> {
        match name {
            "save" | "asave" if instance.pk.is_none() => {
                let row = self.complete_row(&instance)?;
                let label = &self.schema()?.model(instance.model)?.label;
                let rows = Rows::new(instance.model, label);
                Ok(self.done(
                    &rows,
                    Do::Insert(Insert {
                        rows: vec![row],
                        ..Insert::default()
                    }),
                ))
            }
            "delete" | "adelete" => {
                let pk = Self::stored(&instance)?;
                let label = &self.schema()?.model(instance.model)?.label;
                let rows = Rows::new(instance.model, label);
                let rows = rows.with(Call::Filter(Q::And(vec![Q::lookup("pk", Expr::Value(pk))])));
                Ok(self.done(&rows, Do::Delete))
            }
            "save" | "asave" => Err(Error::unsupported(
                "save() of a stored instance",
                "what was changed in Python is not part of a text",
            )
            .with_hint("write filter(pk=...).update(...)")),
            "refresh_from_db" | "arefresh_from_db" => Err(Error::unsupported(
                "refresh_from_db()",
                "an instance in a text has no state",
            )
            .with_hint("write get(pk=...)")),
            _ => match self.instance_attribute(instance, name)? {
                Py::Rows(rows) => self.other_manager(*rows, name, args),
                other => self.call(other, args),
            },
        }
    }
}
