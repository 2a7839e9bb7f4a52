//! The search expressions of the MongoDB backend.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::Args;
use super::expression::func;
use super::value::{Py, type_error};
use crate::error::Result;
use crate::queryset::{Expr, Value};

impl Evaluator<'_> {
    /// `CompoundExpression` of the MongoDB backend: the clauses are arguments, the options say how many belong to each.
    pub(super) fn compound(&mut self, args: Args) -> Result<Py> {
        let name = "CompoundExpression";
        let [must, must_not, should, filter, score, minimum] = args.bind(
            name,
            [
                "must",
                "must_not",
                "should",
                "filter",
                "score",
                "minimum_should_match",
            ],
        )?;
        let mut parts = Vec::new();
        let mut options = IndexMap::new();
        for (clause, value) in [
            ("must", must),
            ("must_not", must_not),
            ("should", should),
            ("filter", filter),
        ] {
            let Some(value) = value.filter(|v| !v.is_none()) else {
                continue;
            };
            let Some(items) = value.items() else {
                return Err(type_error(format!(
                    "{clause} must be a list of search expressions"
                )));
            };
            options.insert(clause.to_owned(), Value::from(items.len() as u64));
            for item in items {
                parts.push(self.value_expr(item.clone())?);
            }
        }
        if let Some(score) = score.filter(|v| !v.is_none()) {
            options.insert("score".to_owned(), self.option(&score)?);
        }
        if let Some(minimum) = minimum.filter(|v| !v.is_none()) {
            options.insert("minimum_should_match".to_owned(), self.literal(&minimum)?);
        }
        Ok(func(name, parts, options, None))
    }

    /// A parameter that is no expression. Search options stand for their definition.
    pub(super) fn option(&self, value: &Py) -> Result<Value> {
        if let Py::Expr(expr) = value
            && let Expr::Func(func) = &**expr
            && func.name == "SearchScoreOption"
            && let [Expr::Value(definition)] = func.args.as_slice()
        {
            return Ok(definition.clone());
        }
        self.literal(value)
    }
}
