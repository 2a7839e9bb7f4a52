//! Expressions in new rows: those whose value is known when compiling, for documents are stored as they are sent.

use bson::Bson;
use indexmap::IndexMap;

use super::{Binder, Resolve};
use crate::error::{Code, Error, Result};
use crate::plan::{FunctionCall, Scalar};
use crate::queryset::{Expr, Value};
use crate::schema::{FieldKind, Model};
use crate::storage;

/// Whether rows hold anything but values.
pub(super) fn has_expressions(rows: &[IndexMap<String, Value>]) -> bool {
    rows.iter()
        .any(|row| row.values().any(|value| matches!(value, Value::Expr(_))))
}

impl Binder<'_> {
    /// A row with the values of its expressions.
    pub(super) fn known_values(
        &mut self,
        model: &Model,
        row: &IndexMap<String, Value>,
    ) -> Result<IndexMap<String, Value>> {
        let mut known = row.clone();
        for (name, value) in &mut known {
            if let Value::Expr(expr) = value {
                *value = self.known_value(model, expr).map_err(|e| e.inside(name))?;
            }
        }
        Ok(known)
    }

    fn known_value(&mut self, model: &Model, expr: &Expr) -> Result<Value> {
        let q = self.new_query(model.id, None);
        let mut cx = Resolve {
            allow_joins: false,
            reuse: None,
            summarize: false,
        };
        let bound = self.resolve(q, expr, &mut cx)?;
        if self.contains_aggregate(q, &bound.scalar) {
            return Err(Error::new(
                Code::FieldError,
                "Aggregate functions are not allowed in this query",
            ));
        }
        if !self.columns_in(&bound.scalar).is_empty() {
            return Err(Error::new(
                Code::ValueError,
                "F() expressions can only be used to update, not to insert.",
            ));
        }
        match self.constant(&bound.scalar) {
            Some(Bson::Null) if bound.ty.kind == FieldKind::JSONField => Ok(Value::JsonNull),
            Some(stored) => storage::from_bson(self.schema, &bound.ty, stored),
            None => Err(Error::unsupported(
                "a computed value in an insert",
                "documents are stored as they are sent, and its value is not known before",
            )),
        }
    }

    /// The value of literals and of functions that fold, in storage form.
    fn constant(&self, scalar: &Scalar) -> Option<Bson> {
        match scalar {
            Scalar::Literal(literal) => Some(literal.value.clone()),
            Scalar::Call(call) => {
                let FunctionCall {
                    function,
                    args,
                    options,
                    ty,
                } = &**call;
                let args: Option<Vec<Bson>> = args.iter().map(|arg| self.constant(arg)).collect();
                let args = args?;
                let args: Vec<&Bson> = args.iter().collect();
                self.registry.fold(function, &args, options, ty)
            }
            _ => None,
        }
    }
}
