//! What values answer: `value.name`, `value(args)`, `value.name(args)`.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::Args;
use super::names::{self, DATETIME, Python, Role, TIMEZONE};
use super::queryset::{Related, Rows};
use super::value::{Done, Py, Zone, refuse, type_error};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result, Span};
use crate::queryset::{Call, Do, Value};
use crate::schema::NameTarget;
use crate::text::syntax::python;

/// Modules that hold no models of the project.
const LIBRARIES: &[&str] = &[
    "aggregates",
    "bson",
    "datetime",
    "decimal",
    "expressions",
    "functions",
    "functools",
    "lookups",
    "operator",
    "re",
    "uuid",
    "zoneinfo",
];

impl Evaluator<'_> {
    /// `value.name` without a call.
    pub(super) fn attribute(&mut self, value: Py, name: &str) -> Result<Py> {
        match value {
            Py::Module(module) => self.module_attribute(&module, name),
            Py::Class(model) => self.class_attribute(model, name),
            Py::Descriptor(through) if name == "through" => Ok(Py::Class(through)),
            Py::Instance(instance) => self.instance_attribute(*instance, name),
            Py::Builtin(builtin) if builtin.name == "WindowFrameExclusion" => {
                super::window::exclusion_named(name).map(Py::Exclusion)
            }
            Py::Builtin(builtin) if builtin.name == "Q" => match name {
                "AND" | "OR" | "XOR" => Ok(Py::str(name)),
                _ => Err(no_attribute("Q", name)),
            },
            Py::Done(done) => self.result_attribute(*done, name),
            Py::Rows(rows) => self.rows_attribute(*rows, name),
            Py::Enum(members) => enum_attribute(members, name),
            // Members of enumerations are their values here.
            value @ Py::Value(_) if name == "value" => Ok(value),
            Py::Value(value) => self.value_attribute(&value, name),
            Py::Unknown(of) => Err(refuse(Code::Python, format!("'{of}' is not known here"))),
            other => Err(no_attribute(&other.describe(), name)),
        }
    }

    fn rows_attribute(&self, rows: Rows, name: &str) -> Result<Py> {
        match name {
            "query" => Ok(Py::Rows(Box::new(rows))),
            "model" => Ok(Py::Class(rows.model)),
            "through" if matches!(&rows.related, Some(r) if r.through().is_some()) => {
                let through = rows.related.as_ref().and_then(Related::through);
                Ok(through.map_or_else(Py::null, Py::Class))
            }
            "_db" | "db" => Ok(Py::null()),
            "ordered" => Ok(Py::bool(self.is_ordered(&rows))),
            _ => Err(
                no_attribute(if rows.manager { "Manager" } else { "QuerySet" }, name)
                    .with_hint("methods are called with parentheses"),
            ),
        }
    }

    fn module_attribute(&self, module: &str, name: &str) -> Result<Py> {
        if module == "settings" {
            return match name {
                "AUTH_USER_MODEL" => Ok(Py::str("auth.User")),
                "TIME_ZONE" => Ok(Py::str(self.zone_name())),
                _ => Err(no_attribute("settings", name)),
            };
        }
        if module == "timezone" && (name == "utc" || name == "UTC") {
            return Ok(Py::Zone(Zone::Named("UTC".to_owned())));
        }
        // Python's own modules hold no models, whatever those are named.
        if LIBRARIES.contains(&module)
            && let Some(known) = names::find(name)
        {
            return Ok(Py::Builtin(known));
        }
        if let Some(value) = self.global(name)? {
            return Ok(value);
        }
        if names::is_module(module) && name.starts_with(char::is_lowercase) {
            return Ok(Py::Module(name.to_owned()));
        }
        let error = no_attribute(&format!("module '{module}'"), name);
        Err(match closest(name, names::all()) {
            Some(choice) => error.with_hint(format!("did you mean '{choice}'?")),
            None => error,
        })
    }

    /// `value(args)`.
    pub(super) fn call(&mut self, value: Py, args: Args) -> Result<Py> {
        match value {
            Py::Builtin(builtin) => self.builtin(builtin, args),
            Py::Module(name) if name == "datetime" => self.builtin(&DATETIME, args),
            Py::Module(name) if name == "timezone" => self.builtin(&TIMEZONE, args),
            Py::Class(model) => self.instantiate(model, args),
            Py::OwnClass(class) => self.own_instance(class, args),
            Py::Lambda(lambda) => self.call_lambda(&lambda, args),
            Py::Registered(name) => self.registered(name, args),
            Py::Unknown(name) => Err(refuse(Code::Python, format!("'{name}' is not known here"))
                .with_hint("functions of the project are code, which is not run here")),
            other => Err(type_error(format!("{} is not callable", other.describe()))),
        }
    }

    /// `value.name(args)`.
    pub(super) fn method(&mut self, value: Py, name: &str, args: Args) -> Result<Py> {
        match value {
            Py::Rows(rows) => self.rows_method(*rows, name, args),
            Py::Parent => self.this_manager(name, args),
            Py::Module(module) if module == "datetime" && names::is_datetime_method(name) => {
                self.datetime_method(name, args)
            }
            Py::Builtin(builtin)
                if matches!(
                    builtin.role,
                    Role::Python(Python::Date | Python::Time | Python::Dict)
                ) =>
            {
                self.class_method(builtin, name, args)
            }
            Py::Expr(expr) => self.expr_method(*expr, name, args),
            Py::Q(_) if name == "copy" => Ok(value),
            Py::Value(inner) => self.value_method(&inner, name, args),
            Py::List(_) | Py::Tuple(_) | Py::Set(_) | Py::Dict(_) => {
                self.container_method(&value, name, args)
            }
            Py::Instance(instance) => self.instance_method(*instance, name, args),
            Py::Done(done) => match done.instance {
                Some(instance) => self.instance_method(instance, name, args),
                None => Err(result_method(&done, name)),
            },
            other => {
                if name == "register_lookup" {
                    return Err(python(
                        "lookups are not registered in a text",
                        args.positional.first().map_or(Span::NOWHERE, |(_, s)| *s),
                    )
                    .with_hint(
                        "register them in models.py, or name them in the schema: settings.lookups",
                    ));
                }
                let attribute = self.attribute(other, name)?;
                self.call(attribute, args)
            }
        }
    }

    /// An attribute of a result: the query runs, and Python looks at a row of it.
    fn result_attribute(&mut self, done: Done, name: &str) -> Result<Py> {
        let failed = match &done.instance {
            Some(instance) => match self.instance_attribute(instance.clone(), name) {
                Ok(found) => return Ok(found),
                Err(error) => error,
            },
            None => runtime(name),
        };
        let schema = self.schema()?;
        let model = schema.find(&done.statement.model)?;
        let stored = match model.names.get(name) {
            Some(NameTarget::Field(field)) => !schema.field(*field)?.is_relation(),
            _ => name == "pk",
        };
        let annotated = done.statement.calls.iter().any(|call| match call {
            Call::Annotate(exprs) => exprs.contains_key(name),
            Call::ValuesList { named: true, .. } => true,
            _ => false,
        });
        if !stored && !annotated {
            return Err(failed);
        }
        Ok(Py::Done(Box::new(Done {
            statement: done.statement,
            instance: None,
        })))
    }
}

/// A member of an enumeration, or what the class says of all.
fn enum_attribute(members: IndexMap<String, Value>, name: &str) -> Result<Py> {
    if let Some(value) = members.get(name) {
        return Ok(super::from_literal(value.clone()));
    }
    match name {
        "values" => Ok(Py::List(
            members.into_values().map(super::from_literal).collect(),
        )),
        "names" => Ok(Py::List(members.into_keys().map(Py::str).collect())),
        _ => Err(no_attribute("the enumeration", name).with_choices(members.into_keys())),
    }
}

/// `AttributeError`.
pub(super) fn no_attribute(of: &str, name: &str) -> Error {
    refuse(
        Code::AttributeError,
        format!("{of} has no attribute '{name}'"),
    )
}

/// A method of what a terminal gives: refused as Python does if its type has none of the name.
fn result_method(done: &Done, name: &str) -> Error {
    let (of, known): (&str, &[&str]) = match &done.statement.action {
        Do::Count { .. } | Do::Update(_) => {
            ("int", &["bit_length", "bit_count", "to_bytes", "conjugate"])
        }
        Do::Exists => (
            "bool",
            &["bit_length", "bit_count", "to_bytes", "conjugate"],
        ),
        Do::Aggregate(_) => (
            "dict",
            &[
                "clear",
                "copy",
                "get",
                "items",
                "keys",
                "pop",
                "popitem",
                "setdefault",
                "update",
                "values",
            ],
        ),
        Do::Delete => ("tuple", &["count", "index"]),
        _ => return runtime(name),
    };
    if known.contains(&name) || name.starts_with("__") {
        return runtime(name);
    }
    no_attribute(&format!("'{of}' object"), name)
}

/// A value that only the database knows.
pub(super) fn runtime(name: &str) -> Error {
    refuse(
        Code::Python,
        format!("'{name}' is asked of a result, which is only known when the query has run"),
    )
    .with_hint("give the value as a parameter")
}
