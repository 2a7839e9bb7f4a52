//! The search expressions of the MongoDB backend.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::Args;
use super::expression::func;
use super::value::{Py, type_error};
use crate::error::Result;
use crate::functions::search::{COMPOUND, RANK_FUSION, STAGE};
use crate::queryset::{Expr, Value};

impl Evaluator<'_> {
    /// `SearchRankFusion(name=search, ...)`: the options name the arguments.
    pub(super) fn rank_fusion(&mut self, mut args: Args) -> Result<Py> {
        let name = RANK_FUSION;
        let mut options = IndexMap::new();
        for option in ["weights", "limit"] {
            if let Some(value) = args.take_some(option) {
                options.insert(option.to_owned(), self.literal(&value)?);
            }
        }
        if let Some((_, span)) = args.positional.first() {
            return Err(type_error(format!("{name}() takes its searches by name")).with_span(*span));
        }
        let (mut names, mut searches) = (Vec::new(), Vec::new());
        for keyword in args.keywords {
            names.push(Value::Str(keyword.name));
            searches.push(
                self.value_expr(keyword.value)
                    .map_err(|e| e.with_span(keyword.span))?,
            );
        }
        options.insert_before(0, "names".to_owned(), Value::List(names));
        Ok(func(name, searches, options, None))
    }

    /// `CompoundExpression` of the MongoDB backend: the clauses are arguments, the options say how many belong to each.
    pub(super) fn compound(&mut self, mut args: Args) -> Result<Py> {
        let name = COMPOUND;
        let mut stage = IndexMap::new();
        for parameter in STAGE {
            if let Some(value) = args.take_some(parameter.option) {
                stage.insert(parameter.option.to_owned(), self.option(&value)?);
            }
        }
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
        options.extend(stage);
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
