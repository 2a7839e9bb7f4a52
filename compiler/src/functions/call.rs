//! What the binder asks of the registry, and what it gets.

use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

use crate::error::Result;
use crate::plan::{
    AggregateCall, ColumnId, Columns, FunctionCall, Literal, Predicate, Scalar, SortKey,
};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, Settings};

/// An argument: a bound expression with its type, if it has one (`Value(None)` has none).
#[derive(Debug, Clone, PartialEq)]
pub struct Arg {
    /// The expression.
    pub scalar: Scalar,
    /// Its type.
    pub ty: Option<Arc<FieldType>>,
}

impl Arg {
    /// An expression with the type that it has.
    ///
    /// # Errors
    /// `Internal` for a column of another plan.
    pub fn of(scalar: Scalar, columns: &Columns) -> Result<Arg> {
        let ty = scalar.ty(columns)?;
        Ok(Arg {
            scalar,
            ty: Some(ty),
        })
    }

    /// `Value(None)` without an output field.
    #[must_use]
    pub fn untyped_null() -> Arg {
        Arg {
            scalar: Scalar::from(Literal {
                value: Bson::Null,
                ty: Arc::new(FieldType::new(FieldKind::TextField)),
            }),
            ty: None,
        }
    }

    /// A literal in storage form.
    pub fn literal(value: impl Into<Bson>, kind: FieldKind) -> Arg {
        let ty = Arc::new(FieldType::new(kind));
        Arg {
            scalar: Scalar::from(Literal {
                value: value.into(),
                ty: ty.clone(),
            }),
            ty: Some(ty),
        }
    }

    /// The value of a literal.
    #[must_use]
    pub fn as_literal(&self) -> Option<&Bson> {
        match &self.scalar {
            Scalar::Literal(literal) => Some(&literal.value),
            _ => None,
        }
    }

    /// The value of an integer literal.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self.as_literal()? {
            Bson::Int32(n) => Some(i64::from(*n)),
            Bson::Int64(n) => Some(*n),
            _ => None,
        }
    }

    /// Its field class.
    #[must_use]
    pub fn kind(&self) -> Option<FieldKind> {
        self.ty.as_ref().map(|ty| ty.kind)
    }

    /// What people call it: the column's name, or its kind.
    #[must_use]
    pub fn label(&self, columns: &Columns) -> String {
        match &self.scalar {
            Scalar::Column(id) => columns
                .get(*id)
                .map(|c| c.name.to_string())
                .unwrap_or_default(),
            Scalar::Call(call) => call.function.clone(),
            _ => "None".to_owned(),
        }
    }
}

/// What calls are resolved against.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Columns of the plan.
    pub columns: &'a Columns,
    /// Settings of the schema.
    pub settings: &'a Settings,
    /// Nobody asks for the expression's own type: mixed ones are no error where they are stored alike.
    pub lenient: bool,
}

/// A call as the user made it, with bound arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Class name.
    pub name: String,
    /// Arguments in order.
    pub args: Vec<Arg>,
    /// Options that are no expressions.
    pub options: IndexMap<String, Value>,
    /// `output_field`, when given.
    pub output: Option<Arc<FieldType>>,
}

impl Call {
    /// A call without options and output field.
    pub fn new(name: impl Into<String>, args: impl IntoIterator<Item = Arg>) -> Call {
        Call {
            name: name.into(),
            args: args.into_iter().collect(),
            options: IndexMap::new(),
            output: None,
        }
    }

    /// With an option.
    #[must_use]
    pub fn option(mut self, name: &str, value: impl Into<Value>) -> Call {
        self.options.insert(name.to_owned(), value.into());
        self
    }

    /// With a type.
    #[must_use]
    pub fn output(mut self, ty: Option<Arc<FieldType>>) -> Call {
        self.output = ty;
        self
    }

    /// The text of an option.
    #[must_use]
    pub fn text_option(&self, name: &str) -> Option<&str> {
        match self.options.get(name) {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        }
    }
}

/// An aggregate or window function as the user made it, with bound arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct AggregateRequest {
    /// Class name.
    pub name: String,
    /// Arguments; none for `Count("*")`.
    pub args: Vec<Arg>,
    /// `distinct=True`.
    pub distinct: bool,
    /// `filter=`.
    pub filter: Option<Predicate>,
    /// `default=`.
    pub default: Option<Arg>,
    /// `order_by=`.
    pub order: Vec<SortKey>,
    /// Further options.
    pub options: IndexMap<String, Value>,
    /// `output_field`, when given.
    pub output: Option<Arc<FieldType>>,
}

/// A typed aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedAggregate {
    /// The aggregate; the binder makes a column for it.
    pub call: AggregateCall,
    /// What stands for NULL.
    pub default: Option<Scalar>,
    /// Type of the whole.
    pub ty: Arc<FieldType>,
}

impl ResolvedAggregate {
    /// The value, given the aggregate's column: the column itself, or with the default.
    #[must_use]
    pub fn value(&self, column: ColumnId) -> Scalar {
        match &self.default {
            None => Scalar::Column(column),
            Some(default) => FunctionCall {
                function: "Coalesce".to_owned(),
                args: vec![Scalar::Column(column), default.clone()],
                options: IndexMap::new(),
                ty: self.ty.clone(),
            }
            .into(),
        }
    }
}
