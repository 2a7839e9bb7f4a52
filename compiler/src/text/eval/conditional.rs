//! `Case`, `When` and `FilteredRelation`.

use super::Evaluator;
use super::args::{Args, required};
use super::node::{QChild, QNode};
use super::value::{Py, string, type_error, value_error};
use crate::error::Result;
use crate::queryset::{Case, Expr, Q, When};

impl Evaluator<'_> {
    pub(super) fn case(&mut self, mut args: Args) -> Result<Py> {
        let default = args.take("default").unwrap_or_else(Py::null);
        let output = args.take("output_field");
        let mut when = Vec::new();
        for (branch, span) in std::mem::take(&mut args.positional) {
            match branch {
                Py::When(branch) => when.push(*branch),
                _ => {
                    return Err(type_error("Positional arguments must all be When objects.")
                        .with_span(span));
                }
            }
        }
        args.finish("Case")?;
        Ok(Py::expr(Expr::Case(Case {
            when,
            default: Some(Box::new(self.expr_arg(default)?)),
            output: self.output(output)?,
        })))
    }

    /// `When(condition, then=..., **lookups)` (Django: `When.__init__`).
    pub(super) fn when(&mut self, mut args: Args) -> Result<Py> {
        let mut positional = std::mem::take(&mut args.positional).into_iter();
        let mut condition = positional.next().map(|(v, _)| v);
        let mut then = positional.next().map(|(v, _)| v);
        if let Some((_, span)) = positional.next() {
            return Err(
                type_error("When() takes at most a condition and its result").with_span(span),
            );
        }
        if let Some(value) = args.take("condition") {
            condition = Some(value);
        }
        if let Some(value) = args.take("then") {
            then = Some(value);
        }
        let malformed = || {
            type_error(
                "When() supports a Q object, a boolean expression, or lookups as a condition.",
            )
        };
        let condition = condition.filter(|c| !c.is_none());
        let condition = if args.keywords.is_empty() {
            match condition.ok_or_else(malformed)? {
                Py::Q(q) if q.children.is_empty() => {
                    return Err(value_error(
                        "An empty Q() can't be used as a When() condition.",
                    ));
                }
                value @ (Py::Q(_) | Py::Expr(_)) => self.q(value)?,
                _ => return Err(malformed()),
            }
        } else {
            let first = match condition {
                None => None,
                Some(value @ (Py::Q(_) | Py::Expr(_))) => Some(self.condition(value)?),
                Some(_) => return Err(malformed()),
            };
            let lookups = self.conditions(args)?;
            let mut children: Vec<QChild> = first.into_iter().collect();
            children.extend(lookups.children);
            QNode::all(children).into_q()
        };
        let then = self.expr_arg(then.unwrap_or_else(Py::null))?;
        Ok(Py::When(Box::new(When { condition, then })))
    }

    pub(super) fn filtered_relation(&mut self, args: Args) -> Result<Py> {
        let name = "FilteredRelation";
        let [relation, condition] = args.bind(name, ["relation_name", "condition"])?;
        let relation = string(&required(relation, name, "relation_name")?, "relation_name")?;
        if relation.is_empty() {
            return Err(value_error("relation_name cannot be empty."));
        }
        let condition = match condition {
            None => Q::always(),
            Some(Py::Q(q)) => q.into_q(),
            Some(_) => return Err(value_error("condition argument must be a Q() instance.")),
        };
        Ok(Py::expr(Expr::FilteredRelation {
            relation,
            condition: Box::new(condition),
        }))
    }
}
