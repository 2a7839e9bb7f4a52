//! What lowering gives to the registry, and what it gets.

use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

use crate::error::{Error, Result};
use crate::mql::{Accumulator, Expr, WindowOutput};
use crate::plan::WindowFrame;
use crate::queryset::{NullsOrder, Value};
use crate::schema::FieldType;

/// Gives fresh names of fields in the document.
pub type Names<'a> = dyn FnMut() -> String + 'a;

/// An argument as an expression of the aggregation language.
#[derive(Debug, Clone, PartialEq)]
pub struct LoweredArg {
    /// The expression.
    pub expr: Expr,
    /// Its type.
    pub ty: Arc<FieldType>,
    /// Can be null or missing.
    pub nullable: bool,
    /// Its value, if it is a literal.
    pub literal: Option<Bson>,
}

/// A scalar call to lower.
#[derive(Debug, Clone, Copy)]
pub struct LoweredCall<'a> {
    /// Name in the registry.
    pub function: &'a str,
    /// Arguments.
    pub args: &'a [LoweredArg],
    /// Options that are no expressions.
    pub options: &'a IndexMap<String, Value>,
    /// Type of the result.
    pub ty: &'a FieldType,
}

impl<'a> LoweredCall<'a> {
    /// An argument.
    ///
    /// # Errors
    /// `Internal` if it is not there.
    pub fn arg(&self, index: usize) -> Result<&'a LoweredArg> {
        self.args
            .get(index)
            .ok_or_else(|| Error::internal(format!("{} lacks an argument", self.function)))
    }

    /// The text of an option.
    #[must_use]
    pub fn text_option(&self, name: &str) -> Option<&'a str> {
        match self.options.get(name) {
            Some(Value::Str(text)) => Some(text),
            _ => None,
        }
    }
}

/// A sort key.
#[derive(Debug, Clone, PartialEq)]
pub struct LoweredKey {
    /// By what.
    pub expr: Expr,
    /// Descending.
    pub desc: bool,
    /// Where NULLs go, if the user says so.
    pub nulls: Option<NullsOrder>,
    /// Type.
    pub ty: Arc<FieldType>,
    /// Can be null or missing.
    pub nullable: bool,
}

/// An aggregate to lower.
#[derive(Debug, Clone)]
pub struct LoweredAggregate<'a> {
    /// Name in the registry.
    pub function: &'a str,
    /// Arguments; none for `Count("*")`.
    pub args: &'a [LoweredArg],
    /// Of distinct values.
    pub distinct: bool,
    /// Only rows for which this is true.
    pub filter: Option<Expr>,
    /// Order of the values.
    pub order: &'a [LoweredKey],
    /// Options that are no expressions.
    pub options: &'a IndexMap<String, Value>,
    /// Type of the result.
    pub ty: &'a FieldType,
    /// There is a value for every group, and the sum of nothing is 0: [`AggregateCall::never_null`](crate::plan::AggregateCall::never_null).
    pub never_null: bool,
    /// The values of the rows are there; only a frame without rows has none.
    pub always_there: bool,
}

impl<'a> LoweredAggregate<'a> {
    /// An argument.
    ///
    /// # Errors
    /// `Internal` if it is not there.
    pub fn arg(&self, index: usize) -> Result<&'a LoweredArg> {
        self.args
            .get(index)
            .ok_or_else(|| Error::internal(format!("{} lacks an argument", self.function)))
    }
}

/// An aggregate as outputs of `$group` and what is computed from them afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouped {
    /// Outputs of `$group`.
    pub fields: Vec<(String, Accumulator)>,
    /// The value, in terms of these fields.
    pub value: Expr,
}

impl Grouped {
    /// A single accumulator that is the value.
    #[must_use]
    pub fn plain(name: String, accumulator: Accumulator) -> Grouped {
        Grouped {
            value: Expr::field([&name]),
            fields: vec![(name, accumulator)],
        }
    }

    /// The only field is the value.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        match (self.fields.as_slice(), &self.value) {
            ([(name, _)], Expr::Field(path)) => {
                path.len() == 1 && path.first().is_some_and(|key| key == name)
            }
            _ => false,
        }
    }
}

/// A window function, or an aggregate over a frame, to lower.
#[derive(Debug, Clone)]
pub struct LoweredWindow<'a> {
    /// The function.
    pub call: LoweredAggregate<'a>,
    /// The frame, when given.
    pub frame: Option<WindowFrame>,
    /// Order of the window.
    pub order: &'a [LoweredKey],
}

/// Which rows a pass sees, and in which order.
#[derive(Debug, Clone, PartialEq)]
pub enum Over {
    /// Partition and order of the window.
    Rows,
    /// Partition of the window, in no order.
    Partition,
    /// Rows of the partition whose order keys are all equal, in the order of a field.
    Peers {
        /// The field that holds the row number.
        number: String,
    },
    /// Partition of the window, sorted ascending by a field.
    Sorted {
        /// The field.
        field: String,
    },
    /// Partition of the window and its order turned round.
    Reversed,
}

/// One `$setWindowFields`.
#[derive(Debug, Clone, PartialEq)]
pub struct WindowPass {
    /// Fields set before it.
    pub set: Vec<(String, Expr)>,
    /// Partition and order.
    pub over: Over,
    /// Outputs.
    pub outputs: Vec<(String, WindowOutput)>,
}

/// A window function as passes over the rows and what is computed from them afterwards.
#[derive(Debug, Clone, PartialEq)]
pub struct Windowed {
    /// Passes in order; later ones may use the outputs of earlier ones.
    pub passes: Vec<WindowPass>,
    /// The value, in terms of all outputs.
    pub value: Expr,
}
