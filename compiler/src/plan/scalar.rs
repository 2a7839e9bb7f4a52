//! Scalar expressions.

use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

use super::{ColumnId, Columns, Predicate, Rel};
use crate::error::Result;
use crate::queryset::{ArithmeticOp, Value};
use crate::schema::{FieldKind, FieldType};

/// An expression with one value a row. NULL in gives NULL out unless a function says otherwise.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A column, of this query or an outer one.
    Column(ColumnId),
    /// A literal in the form in which it is stored.
    Literal(Box<Literal>),
    /// Arithmetic; the operands are already of fitting types.
    Arithmetic {
        /// Operator.
        op: ArithmeticOp,
        /// Left.
        lhs: Box<Scalar>,
        /// Right.
        rhs: Box<Scalar>,
        /// Type of the result.
        ty: Arc<FieldType>,
    },
    /// A function of the registry.
    Call(Box<FunctionCall>),
    /// The first branch whose condition is true.
    Case {
        /// Conditions and results.
        when: Vec<(Predicate, Scalar)>,
        /// If none is.
        otherwise: Box<Scalar>,
        /// Type of the result.
        ty: Arc<FieldType>,
    },
    /// A condition as a value: true, false or NULL.
    Predicate(Box<Predicate>),
    /// A key or element inside a JSON value.
    Json {
        /// The value.
        base: Box<Scalar>,
        /// Keys and indexes.
        steps: Vec<JsonStep>,
        /// As text: strings without quotes, the rest as JSON.
        text: bool,
    },
    /// Several values (composite keys, lists on the right of a lookup).
    List(Vec<Scalar>),
    /// A subquery: one value, or an array of them.
    Subquery(Box<SubPlan>),
    /// An expression of the aggregation language, as the user wrote it.
    Raw(Box<Bson>, Arc<FieldType>),
}

/// A call of a function.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionCall {
    /// Name in the registry: `Lower`, `Extract`, ...
    pub function: String,
    /// Arguments.
    pub args: Vec<Scalar>,
    /// Options that are no expressions (`tzinfo`, `kind`, `lookup_name`).
    pub options: IndexMap<String, Value>,
    /// Type of the result.
    pub ty: Arc<FieldType>,
}

/// A literal with its type.
#[derive(Debug, Clone, PartialEq)]
pub struct Literal {
    /// The value in storage form; `Null` for NULL.
    pub value: Bson,
    /// Its type.
    pub ty: Arc<FieldType>,
}

/// A step into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum JsonStep {
    /// A key that cannot be an index.
    Key(String),
    /// A whole number: an index of an array, or a key of an object.
    Index(i64),
}

/// A query inside another. Columns of outer queries in it are free.
#[derive(Debug, Clone, PartialEq)]
pub struct SubPlan {
    /// What its value is.
    pub kind: SubKind,
    /// The rows.
    pub rel: Rel,
    /// The selected columns: one for a scalar, none for existence.
    pub columns: Vec<Scalar>,
    /// Type of the value.
    pub ty: Arc<FieldType>,
}

/// What the value of a subquery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubKind {
    /// The column of the first row, NULL without rows.
    Scalar,
    /// The column of all rows as an array.
    Array,
    /// Whether there is a row.
    Exists,
    /// All rows, for `IN`.
    Set,
}

impl From<Literal> for Scalar {
    fn from(literal: Literal) -> Self {
        Scalar::Literal(Box::new(literal))
    }
}

impl From<FunctionCall> for Scalar {
    fn from(call: FunctionCall) -> Self {
        Scalar::Call(Box::new(call))
    }
}

impl Scalar {
    /// A literal in the form in which it is stored.
    #[must_use]
    pub fn literal(value: Bson, ty: Arc<FieldType>) -> Self {
        Literal { value, ty }.into()
    }

    /// The type of the value.
    ///
    /// # Errors
    /// `Internal` for a column of another plan.
    pub fn ty(&self, columns: &Columns) -> Result<Arc<FieldType>> {
        Ok(match self {
            Scalar::Column(id) => columns.get(*id)?.ty.clone(),
            Scalar::Literal(literal) => literal.ty.clone(),
            Scalar::Call(call) => call.ty.clone(),
            Scalar::Arithmetic { ty, .. } | Scalar::Case { ty, .. } | Scalar::Raw(_, ty) => {
                ty.clone()
            }
            Scalar::Predicate(_) => Arc::new(FieldType::new(FieldKind::BooleanField)),
            Scalar::Json { text: true, .. } => Arc::new(FieldType::new(FieldKind::TextField)),
            Scalar::Json { .. } => Arc::new(FieldType::new(FieldKind::JSONField)),
            Scalar::List(_) => Arc::new(FieldType::new(FieldKind::CompositePrimaryKey)),
            Scalar::Subquery(sub) => sub.ty.clone(),
        })
    }
}
