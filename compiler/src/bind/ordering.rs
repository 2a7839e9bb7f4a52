//! Order keys: `order_by()`, the model's default ordering, and orderings through relations.

use indexmap::IndexMap;

use super::path::{FinalField, Joins, PathError, split};
use super::query::{AliasId, QueryId};
use super::{Binder, Resolve};
use crate::error::{Code, Error, Result};
use crate::plan::{FunctionCall, Scalar, SortKey};
use crate::queryset::{Case, Direction, Expr, Func, NullsOrder, Order, OrderTerm, When};
use crate::schema::{FieldKind, ModelId};

impl Binder<'_> {
    /// The order keys of a query, joins added as needed, and whether they are the model's own.
    pub(super) fn order_keys(&mut self, q: QueryId) -> Result<(Vec<SortKey>, bool)> {
        let query = self.q(q)?;
        let reversed = !query.standard_ordering;
        if let Some(order) = &query.date_order {
            return Ok((
                vec![SortKey {
                    scalar: order.scalar.clone(),
                    desc: (order.order == Direction::Desc) ^ reversed,
                    nulls: None,
                }],
                false,
            ));
        }
        let schema = self.schema;
        let model = schema.model(query.model)?;
        if query.order_by.is_empty() {
            if !query.default_ordering || model.ordering.is_empty() {
                return Ok((Vec::new(), false));
            }
            return Ok((self.keys_of(q, &model.ordering, true, reversed)?, true));
        }
        let terms = std::mem::take(&mut self.q_mut(q)?.order_by);
        let keys = self.keys_of(q, &terms, false, reversed)?;
        self.q_mut(q)?.order_by = terms;
        Ok((keys, false))
    }

    /// The keys of a model's own ordering (`meta`), or of `order_by()`.
    fn keys_of(
        &mut self,
        q: QueryId,
        terms: &[OrderTerm],
        meta: bool,
        reversed: bool,
    ) -> Result<Vec<SortKey>> {
        let mut keys: Vec<SortKey> = Vec::with_capacity(terms.len());
        for (i, term) in terms.iter().enumerate() {
            let found = match term {
                OrderTerm::Expr(order) => self.order_expression(q, order, reversed),
                OrderTerm::Name(name) => self.order_name(q, name, reversed),
            }
            .map_err(|e| {
                let e = e.inside(i);
                if meta {
                    e.inside("ordering")
                } else {
                    e.inside("order_by")
                }
            })?;
            let mut add = |scalar: Scalar, desc: bool, nulls: Option<NullsOrder>| {
                if !keys.iter().any(|key| key.scalar == scalar) {
                    keys.push(SortKey {
                        scalar,
                        desc,
                        nulls,
                    });
                }
            };
            for SortKey {
                scalar,
                desc,
                nulls,
            } in found
            {
                match scalar {
                    Scalar::List(parts) => {
                        for part in parts {
                            add(part, desc, nulls);
                        }
                    }
                    scalar => add(scalar, desc, nulls),
                }
            }
        }
        Ok(keys)
    }

    fn order_expression(
        &mut self,
        q: QueryId,
        order: &Order,
        reversed: bool,
    ) -> Result<Vec<SortKey>> {
        let mut cx = Resolve::annotation();
        let before = std::mem::replace(&mut self.lenient, true);
        let bound = self.resolve(q, &order.expr, &mut cx);
        self.lenient = before;
        let bound = bound?;
        let nulls = match (order.nulls, reversed) {
            (Some(NullsOrder::First), true) => Some(NullsOrder::Last),
            (Some(NullsOrder::Last), true) => Some(NullsOrder::First),
            (nulls, _) => nulls,
        };
        if let Scalar::Literal(_) = bound.scalar {
            return Ok(Vec::new());
        }
        Ok(vec![SortKey {
            scalar: bound.scalar,
            desc: order.desc ^ reversed,
            nulls,
        }])
    }

    fn order_name(&mut self, q: QueryId, name: &str, reversed: bool) -> Result<Vec<SortKey>> {
        if name == "?" {
            return Ok(vec![SortKey {
                scalar: Scalar::from(FunctionCall {
                    function: "Random".to_owned(),
                    args: Vec::new(),
                    options: IndexMap::new(),
                    ty: super::expr::plain(FieldKind::FloatField),
                }),
                desc: false,
                nulls: None,
            }]);
        }
        let (bare, desc) = match name.strip_prefix('-') {
            Some(rest) => (rest, !reversed),
            None => (name, reversed),
        };
        if let Some(annotation) = self.q(q)?.annotations.get(bare) {
            return Ok(vec![SortKey {
                scalar: annotation.scalar.clone(),
                desc,
                nulls: None,
            }]);
        }
        let names = split(bare);
        if self.annotation_first(q, &names)? {
            let bound = self.resolve_path(q, &names, &mut Resolve::annotation())?;
            return Ok(vec![SortKey {
                scalar: bound.scalar,
                desc,
                nulls: None,
            }]);
        }
        let model = self.q(q)?.model;
        let mut seen = Vec::new();
        self.find_ordering(q, bare, desc, model, None, "", &mut seen)
    }

    /// A path that starts with an annotation and not with a field.
    pub(super) fn annotation_first(&self, q: QueryId, names: &[&str]) -> Result<bool> {
        let query = self.q(q)?;
        let model = self.schema.model(query.model)?;
        Ok(names
            .first()
            .is_some_and(|n| query.annotations.contains_key(*n) && !model.names.contains_key(*n)))
    }

    /// Follows a name; a relation is ordered by its own model's ordering (Django's `find_ordering_name`).
    #[allow(clippy::too_many_arguments)] // the state of the recursion
    fn find_ordering(
        &mut self,
        q: QueryId,
        name: &str,
        desc: bool,
        model: ModelId,
        alias: Option<AliasId>,
        prefix: &str,
        seen: &mut Vec<Joins>,
    ) -> Result<Vec<SortKey>> {
        let pieces = split(name);
        let alias = match alias {
            Some(alias) => alias,
            None => self.initial_alias(q)?,
        };
        let info = match self.setup_joins(q, &pieces, model, alias, None, true) {
            Ok(info) => info,
            Err(PathError::Other(error)) => return Err(error),
            Err(PathError::Multi(_)) => {
                return Err(Error::internal("multi-valued relation where allowed"));
            }
        };
        if let FinalField::Relation(by) = info.end
            && info.transforms == 0
            && name != "pk"
        {
            let field = self.schema.field(by.field)?;
            let raw = !by.reverse
                && pieces.last().is_some_and(|last| field.attname == *last)
                && field.attname != field.name;
            let schema = self.schema;
            let ordering = schema.model(info.model)?.ordering.as_slice();
            if !raw && !ordering.is_empty() {
                if seen.contains(&info.joins) {
                    return Err(Error::new(
                        Code::FieldError,
                        "Infinite loop caused by ordering.",
                    ));
                }
                seen.push(info.joins.clone());
                let last = info.joins.last().copied().unwrap_or(alias);
                let path = format!("{prefix}{name}__");
                let mut keys = Vec::new();
                for term in ordering {
                    match term {
                        OrderTerm::Expr(order) => {
                            let order = Order {
                                expr: prefixed(&order.expr, &path),
                                desc: order.desc,
                                nulls: order.nulls,
                            };
                            keys.extend(self.order_expression(q, &order, desc)?);
                        }
                        OrderTerm::Name(term) => {
                            let (bare, term_desc) = match term.strip_prefix('-') {
                                Some(rest) => (rest, !desc),
                                None => (term.as_str(), desc),
                            };
                            if seen.len() > 64 {
                                return Err(Error::new(
                                    Code::FieldError,
                                    "Infinite loop caused by ordering.",
                                ));
                            }
                            keys.extend(self.find_ordering(
                                q,
                                bare,
                                term_desc,
                                info.model,
                                Some(last),
                                &path,
                                seen,
                            )?);
                        }
                    }
                }
                return Ok(keys);
            }
        }
        let (targets, alias, _) = self.trim_joins(q, &info)?;
        let mut bound = self.field_bound(q, alias, &targets, None)?;
        bound = self.path_transforms(q, bound, &info, &pieces)?;
        Ok(vec![SortKey {
            scalar: bound.scalar,
            desc,
            nulls: None,
        }])
    }
}

/// An expression of a related model's ordering, seen from the query's model.
fn prefixed(expr: &Expr, prefix: &str) -> Expr {
    match expr {
        Expr::F(path) => Expr::F(format!("{prefix}{path}")),
        Expr::Func(func) => Expr::Func(Func {
            args: func.args.iter().map(|a| prefixed(a, prefix)).collect(),
            ..func.clone()
        }),
        Expr::Combined { op, lhs, rhs } => Expr::Combined {
            op: *op,
            lhs: Box::new(prefixed(lhs, prefix)),
            rhs: Box::new(prefixed(rhs, prefix)),
        },
        Expr::Neg(inner) => Expr::Neg(Box::new(prefixed(inner, prefix))),
        Expr::Wrap { expr, output } => Expr::Wrap {
            expr: Box::new(prefixed(expr, prefix)),
            output: output.clone(),
        },
        Expr::Case(case) => Expr::Case(Case {
            when: case
                .when
                .iter()
                .map(|w| When {
                    condition: w.condition.clone(),
                    then: prefixed(&w.then, prefix),
                })
                .collect(),
            default: case.default.as_ref().map(|d| Box::new(prefixed(d, prefix))),
            output: case.output.clone(),
        }),
        other => other.clone(),
    }
}
