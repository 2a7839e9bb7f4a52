//! What expressions of a text evaluate to.

use indexmap::IndexMap;
use jiff::tz::Offset;

use super::names::Builtin;
use super::node::QNode;
use super::queryset::Rows;
use crate::error::{Code, Error, Result};
use crate::queryset::{Expr, Frame, FrameExclusion, Order, Prefetch, Statement, Value, When};
use crate::schema::{FieldType, ModelId};
use crate::text::syntax::Lambda;

/// A value of the evaluator.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Py {
    /// A scalar.
    Value(Value),
    List(Vec<Py>),
    Tuple(Vec<Py>),
    Set(Vec<Py>),
    Dict(Vec<(Py, Py)>),
    Expr(Box<Expr>),
    Q(Box<QNode>),
    Order(Box<Order>),
    When(Box<When>),
    /// A queryset or manager.
    Rows(Box<Rows>),
    /// A queryset with its terminal.
    Done(Box<Done>),
    Class(ModelId),
    /// A many-to-many relation on a class, by its intermediate model.
    Descriptor(ModelId),
    Instance(Box<Instance>),
    Builtin(&'static Builtin),
    /// A module, by its last name.
    Module(String),
    Field(Box<FieldType>),
    Prefetch(Box<Prefetch>),
    Frame(Frame),
    Exclusion(FrameExclusion),
    Zone(Zone),
    /// A name that was imported and is not known.
    Unknown(String),
    /// An enumeration of the project.
    Enum(IndexMap<String, Value>),
    /// A manager or queryset class of the project.
    OwnClass(String),
    /// A function of the embedder's registry.
    Registered(&'static str),
    Lambda(Box<Lambda>),
    /// `super()` in a manager's method.
    Parent,
}

/// A statement, and the row that it gives where its key is certain.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Done {
    pub(super) statement: Statement,
    pub(super) instance: Option<Instance>,
}

/// An instance of a model.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Instance {
    pub(super) model: ModelId,
    /// Its key, if it is stored.
    pub(super) pk: Option<Value>,
    /// Values that the text gave.
    pub(super) fields: IndexMap<String, Py>,
}

/// A time zone.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Zone {
    Named(String),
    Fixed(Offset),
}

impl Zone {
    /// As Queryset JSON writes it: a name, or `+01:00`.
    pub(super) fn text(&self) -> String {
        match self {
            Zone::Named(name) => name.clone(),
            Zone::Fixed(offset) if offset.is_zero() => "UTC".to_owned(),
            Zone::Fixed(offset) => {
                let minutes = offset.seconds() / 60;
                let sign = if minutes < 0 { '-' } else { '+' };
                let minutes = minutes.abs();
                format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
        }
    }
}

impl Py {
    pub(super) fn null() -> Self {
        Py::Value(Value::Null)
    }

    pub(super) fn str(text: impl Into<String>) -> Self {
        Py::Value(Value::Str(text.into()))
    }

    pub(super) fn int(value: impl Into<i128>) -> Self {
        Py::Value(Value::Int(value.into()))
    }

    pub(super) fn bool(value: bool) -> Self {
        Py::Value(Value::Bool(value))
    }

    pub(super) fn expr(expr: Expr) -> Self {
        Py::Expr(Box::new(expr))
    }

    pub(super) fn is_none(&self) -> bool {
        matches!(self, Py::Value(Value::Null))
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Py::Value(Value::Str(text)) => Some(text),
            _ => None,
        }
    }

    /// Elements of a list, tuple or set.
    pub(super) fn items(&self) -> Option<&[Py]> {
        match self {
            Py::List(items) | Py::Tuple(items) | Py::Set(items) => Some(items),
            _ => None,
        }
    }

    /// What it is, with its article.
    pub(super) fn describe(&self) -> String {
        let text = match self {
            Py::Value(value) => match value {
                Value::Null => "None",
                Value::Bool(_) => "a boolean",
                Value::Int(_) => "an integer",
                Value::Float(_) => "a float",
                Value::Str(_) => "a string",
                Value::List(_) => "a list",
                Value::Dict(_) => "a dict",
                Value::DateTime(_) | Value::NaiveDateTime(_) => "a datetime",
                Value::Date(_) => "a date",
                Value::Time(_) => "a time",
                Value::Duration(_) => "a timedelta",
                Value::Decimal(_) => "a Decimal",
                Value::Uuid(_) => "a UUID",
                Value::ObjectId(_) => "an ObjectId",
                Value::Binary { .. } => "bytes",
                Value::Regex(_) => "a regular expression",
                Value::Model { .. } => "an embedded instance",
                _ => "a value",
            },
            Py::List(_) => "a list",
            Py::Tuple(_) => "a tuple",
            Py::Set(_) => "a set",
            Py::Dict(_) => "a dict",
            Py::Expr(_) => "an expression",
            Py::Q(_) => "a Q object",
            Py::Order(_) => "an ordering",
            Py::When(_) => "a When()",
            Py::Rows(rows) if rows.is_manager() => "a manager",
            Py::Rows(_) => "a queryset",
            Py::Done(_) => "the result of a query",
            Py::Class(_) => "a model class",
            Py::Descriptor(_) => "a relation of a class",
            Py::Instance(_) => "a model instance",
            Py::Builtin(builtin) => return format!("'{}'", builtin.name),
            Py::Module(name) => return format!("the module '{name}'"),
            Py::Field(_) => "a field",
            Py::Prefetch(_) => "a Prefetch()",
            Py::Frame(_) => "a window frame",
            Py::Exclusion(_) => "a frame exclusion",
            Py::Zone(_) => "a time zone",
            Py::Unknown(name) | Py::OwnClass(name) => return format!("'{name}'"),
            Py::Enum(_) => "an enumeration",
            Py::Lambda(_) => "a lambda",
            Py::Registered(name) => return format!("'{name}'"),
            Py::Parent => "a manager",
        };
        text.to_owned()
    }

    /// The value as a literal; `None` if it is none, or holds something that is none.
    pub(super) fn literal(&self) -> Option<Value> {
        Some(match self {
            Py::Value(value) => value.clone(),
            Py::List(items) | Py::Tuple(items) | Py::Set(items) => {
                Value::List(items.iter().map(Py::literal).collect::<Option<_>>()?)
            }
            Py::Dict(entries) => {
                let mut dict = IndexMap::new();
                for (key, value) in entries {
                    dict.insert(key_text(key)?, value.literal()?);
                }
                Value::Dict(dict)
            }
            Py::Instance(instance) => instance.pk.clone()?,
            Py::Done(done) => done.instance.as_ref()?.pk.clone()?,
            Py::Zone(zone) => Value::Str(zone.text()),
            _ => return None,
        })
    }

    /// Python's truth of a literal; `None` where a query decides.
    pub(super) fn truth(&self) -> Option<bool> {
        Some(match self {
            Py::Value(value) => match value {
                Value::Null => false,
                Value::Bool(b) => *b,
                Value::Int(i) => *i != 0,
                Value::Float(f) => *f != 0.0,
                Value::Str(s) => !s.is_empty(),
                Value::Duration(d) => *d != 0,
                Value::Binary { bytes, .. } => !bytes.is_empty(),
                _ => true,
            },
            Py::List(items) | Py::Tuple(items) | Py::Set(items) => !items.is_empty(),
            Py::Dict(entries) => !entries.is_empty(),
            Py::Q(q) => !q.children.is_empty(),
            _ => return None,
        })
    }
}

/// A key of a dict as BSON and JSON have it: a string.
fn key_text(key: &Py) -> Option<String> {
    Some(match key {
        Py::Value(Value::Str(text)) => text.clone(),
        Py::Value(Value::Int(i)) => i.to_string(),
        Py::Value(Value::Bool(b)) => b.to_string(),
        Py::Value(Value::Null) => "null".to_owned(),
        _ => return None,
    })
}

/// A refusal as Python raises it.
pub(super) fn refuse(code: Code, message: impl Into<String>) -> Error {
    Error::new(code, message)
}

/// `TypeError`.
pub(super) fn type_error(message: impl Into<String>) -> Error {
    Error::new(Code::TypeError, message)
}

/// `ValueError`.
pub(super) fn value_error(message: impl Into<String>) -> Error {
    Error::new(Code::ValueError, message)
}

/// `AttributeError`: Django asks what it was given for something that it does not have.
pub(super) fn attribute_error(message: impl Into<String>) -> Error {
    Error::new(Code::AttributeError, message)
}

/// An integer argument.
pub(super) fn integer(value: &Py, what: &str) -> Result<i64> {
    match value {
        Py::Value(Value::Int(i)) => {
            i64::try_from(*i).map_err(|_| value_error(format!("{what} is too large")))
        }
        Py::Value(Value::Bool(b)) => Ok(i64::from(*b)),
        other => Err(type_error(format!(
            "{what} must be an integer, not {}",
            other.describe()
        ))),
    }
}

/// A string argument.
pub(super) fn string(value: &Py, what: &str) -> Result<String> {
    value
        .as_str()
        .map(str::to_owned)
        .ok_or_else(|| type_error(format!("{what} must be a string, not {}", value.describe())))
}

/// The name of a field or a path; Django splits it unseen, so that what is no string lacks `split`.
pub(super) fn name_of(value: &Py, what: &str) -> Result<String> {
    value.as_str().map(str::to_owned).ok_or_else(|| {
        attribute_error(format!("{what} must be a string, not {}", value.describe()))
    })
}
