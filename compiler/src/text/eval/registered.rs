//! Functions and aggregates that an embedder registered beyond Django's.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::Args;
use super::expression::func;
use super::node::At;
use super::value::Py;
use crate::error::{Error, Result};
use crate::queryset::{Aggregate, Expr};

impl Evaluator<'_> {
    /// The registered function of a name.
    pub(super) fn find_registered(&self, name: &str) -> Option<Py> {
        let function = self.params.registry.as_ref()?.function(name)?;
        Some(Py::Registered(function.name))
    }

    /// Calls one: expressions by position, options by their names.
    pub(super) fn registered(&mut self, name: &'static str, mut args: Args) -> Result<Py> {
        let function = self.params.registry.as_ref().and_then(|r| r.function(name));
        let Some((is_aggregate, names)) = function.map(|f| (f.is_aggregate(), f.options)) else {
            return Err(Error::internal("a registered function that is not there"));
        };
        let output = self.output(args.take("output_field"))?;
        let mut options = IndexMap::new();
        for option in names {
            if let Some(value) = args.take_some(option) {
                options.insert((*option).to_owned(), self.option(&value)?);
            }
        }
        let mut expressions = Vec::new();
        for (value, span) in std::mem::take(&mut args.positional) {
            expressions.push(self.expr_arg(value).at(span)?);
        }
        if !is_aggregate {
            args.finish(name)?;
            return Ok(func(name, expressions, options, output));
        }
        let distinct = args
            .take("distinct")
            .and_then(|d| d.truth())
            .unwrap_or(false);
        let filter = match args.take_some("filter") {
            Some(value) => Some(Box::new(self.q(value)?)),
            None => None,
        };
        let default = match args.take_some("default") {
            Some(value) => Some(Box::new(self.value_expr(value)?)),
            None => None,
        };
        let order_by = match args.take_some("order_by") {
            Some(value) => self.orders(value)?,
            None => Vec::new(),
        };
        args.finish(name)?;
        Ok(Py::expr(Expr::Aggregate(Aggregate {
            name: name.to_owned(),
            args: expressions,
            distinct,
            filter,
            default,
            order_by,
            options,
            output,
        })))
    }
}
