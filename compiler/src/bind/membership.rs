//! `in` and `range`.

use super::expr::plain;
use super::filter::conjunction;
use super::lookup::Condition;
use super::operand::{null_literal, python_class};
use super::query::{QueryId, Rows};
use super::{Binder, Bound, Rhs};
use crate::error::{Code, Error, Result};
use crate::plan::{CompareOp, Predicate, Scalar, SubKind};
use crate::queryset::Value;
use crate::schema::{FieldKind, StorageFamily};

impl Binder<'_> {
    pub(super) fn in_lookup(&mut self, q: QueryId, lhs: Bound, rhs: Rhs) -> Result<Condition> {
        // One by one: lists may be long.
        let items: Box<dyn Iterator<Item = Rhs>> = match rhs {
            Rhs::Query { id, explicit } => return self.in_query(&lhs, id, explicit),
            Rhs::Value(Value::List(values)) => Box::new(values.into_iter().map(Rhs::Value)),
            Rhs::Value(Value::Str(text)) => {
                let chars: Vec<char> = text.chars().collect();
                let values = chars.into_iter().map(|c| Value::Str(c.to_string()));
                Box::new(values.map(Rhs::Value))
            }
            Rhs::Value(Value::Dict(map)) => {
                Box::new(map.into_iter().map(|(k, _)| Rhs::Value(Value::Str(k))))
            }
            Rhs::List(items) => Box::new(items.into_iter()),
            Rhs::Value(_) if matches!(lhs.scalar, Scalar::List(_)) => {
                return Err(Error::new(
                    Code::ValueError,
                    "'in' lookup of 'pk' must be a tuple or a list",
                ));
            }
            Rhs::Value(other) => {
                return Err(Error::new(
                    Code::TypeError,
                    format!("'{}' object is not iterable", python_class(&other)),
                ));
            }
            Rhs::Scalar(bound) => match bound.scalar {
                Scalar::Subquery(sub) => {
                    let lhs = vec![lhs.scalar];
                    let mut sub = sub;
                    sub.kind = SubKind::Set;
                    return Ok(Predicate::InSubquery { lhs, query: sub }.into());
                }
                Scalar::List(list) => {
                    let mut items = Vec::with_capacity(list.len());
                    for scalar in list {
                        items.push(Rhs::Scalar(self.typed(scalar)?));
                    }
                    Box::new(items.into_iter())
                }
                _ if bound.ty.kind.family() == StorageFamily::Array => {
                    return Ok(Predicate::Lookup {
                        name: "in_array".to_owned(),
                        lhs: lhs.scalar,
                        rhs: bound.scalar,
                    }
                    .into());
                }
                scalar => Box::new(std::iter::once(Rhs::Scalar(self.typed(scalar)?))),
            },
        };
        if let Scalar::List(parts) = &lhs.scalar {
            return self.tuple_in(q, parts.clone(), &lhs, items.collect());
        }
        let mut list: Vec<Scalar> = Vec::with_capacity(items.size_hint().0);
        for item in items {
            match item {
                Rhs::Value(Value::Null) => {}
                Rhs::Value(value) => {
                    if self.out_of_range(&lhs, CompareOp::Eq, &value).is_some() {
                        continue;
                    }
                    let literal = self.rhs_literal(&lhs, &value)?;
                    list.push(literal);
                }
                Rhs::Scalar(bound) => {
                    let scalar = self.adopt(&lhs, bound);
                    list.push(scalar);
                }
                Rhs::Query { id, .. } => {
                    let sub = self.finish_subquery(id, SubKind::Scalar, None)?;
                    list.push(Scalar::Subquery(Box::new(sub)));
                }
                Rhs::List(items) => {
                    let bound = self.list_value(&lhs, items)?;
                    list.push(bound.scalar);
                }
            }
        }
        if list.is_empty() {
            return Ok(self.folded(&lhs, false).into());
        }
        Ok(Predicate::In {
            lhs: lhs.scalar,
            list,
        }
        .into())
    }

    pub(super) fn in_query(
        &mut self,
        lhs: &Bound,
        id: QueryId,
        explicit: bool,
    ) -> Result<Condition> {
        let lhs_parts = match &lhs.scalar {
            Scalar::List(parts) => parts.clone(),
            scalar => vec![scalar.clone()],
        };
        let selects = self.q(id)?.selected.is_some();
        if !explicit && !selects {
            match &lhs.relation {
                Some(relation) => {
                    let query_model = self.q(id)?.model;
                    let names: Vec<String> = relation
                        .targets
                        .iter()
                        .map(|t| self.schema.field(*t).map(|f| (f, f.name.clone())))
                        .collect::<Result<Vec<_>>>()?
                        .into_iter()
                        .map(|(f, name)| if f.primary_key { "pk".to_owned() } else { name })
                        .collect();
                    let own = lhs.field.is_some_and(|f| {
                        self.schema.field(f).is_ok_and(|f| f.primary_key)
                            && self
                                .schema
                                .model(query_model)
                                .is_ok_and(|m| m.concrete == f.model)
                    });
                    if own || names.iter().any(|n| n == "pk") && names.len() == 1 {
                        self.select_pk(id)?;
                    } else {
                        self.select_names(id, &names)?;
                    }
                }
                None => self.select_pk(id)?,
            }
        }
        let query = self.q_mut(id)?;
        query.clear_ordering(false, true);
        let (rel, columns) = self.finish_values(id)?;
        if columns.len() != lhs_parts.len() {
            return Err(Error::new(
                Code::ValueError,
                format!(
                    "The QuerySet value for the 'in' lookup must have {} selected fields (received {})",
                    lhs_parts.len(),
                    columns.len()
                ),
            ));
        }
        let mut fitting = Vec::with_capacity(columns.len());
        let mut fitting_lhs = Vec::with_capacity(columns.len());
        for (l, c) in lhs_parts.into_iter().zip(columns) {
            let (l, c) = self.comparable(l, c)?;
            fitting_lhs.push(l);
            fitting.push(c);
        }
        let ty = match fitting.first() {
            Some(scalar) => scalar.ty(&self.columns)?,
            None => plain(FieldKind::IntegerField),
        };
        Ok(Predicate::InSubquery {
            lhs: fitting_lhs,
            query: Box::new(crate::plan::SubPlan {
                kind: SubKind::Set,
                rel,
                columns: fitting,
                ty,
            }),
        }
        .into())
    }

    /// Selects the primary key, as a queryset on the right of `in` does that selects nothing itself.
    pub(super) fn select_pk(&mut self, id: QueryId) -> Result<()> {
        let query = self.q_mut(id)?;
        query.default_columns = false;
        query.mask = Some(indexmap::IndexSet::new());
        query.rows = Rows::List {
            flat: true,
            named: false,
        };
        if query.combined.is_some() {
            let inner = query
                .combined
                .as_ref()
                .map(|c| c.queries.clone())
                .unwrap_or_default();
            for inner in inner {
                if self.q(inner)?.selected.is_none() {
                    self.select_pk(inner)?;
                }
            }
        }
        self.set_selection(id, &["pk".to_owned()])
    }

    pub(super) fn select_names(&mut self, id: QueryId, names: &[String]) -> Result<()> {
        let query = self.q_mut(id)?;
        query.default_columns = false;
        query.mask = Some(indexmap::IndexSet::new());
        query.rows = Rows::List {
            flat: false,
            named: false,
        };
        self.set_selection(id, names)
    }

    pub(super) fn range(&mut self, lhs: Bound, rhs: Rhs) -> Result<Condition> {
        let items: Vec<Rhs> = match rhs {
            Rhs::Value(Value::List(values)) => values.into_iter().map(Rhs::Value).collect(),
            Rhs::List(items) => items,
            Rhs::Value(other) => {
                return Err(Error::new(
                    Code::TypeError,
                    format!("'{}' object is not iterable", python_class(&other)),
                ));
            }
            _ => {
                return Err(Error::new(
                    Code::ValueError,
                    "a range needs two values: its first and its last",
                ));
            }
        };
        let mut bounds = Vec::with_capacity(2);
        for item in items {
            bounds.push(match item {
                Rhs::Value(Value::Null) => null_literal(),
                Rhs::Value(value) => self.rhs_literal(&lhs, &value)?,
                Rhs::Scalar(bound) => self.adopt(&lhs, bound),
                Rhs::Query { id, .. } => {
                    Scalar::Subquery(Box::new(self.finish_subquery(id, SubKind::Scalar, None)?))
                }
                Rhs::List(_) => {
                    return Err(Error::new(
                        Code::ValueError,
                        "a range needs two values: its first and its last",
                    ));
                }
            });
        }
        let mut bounds = bounds.into_iter();
        let (Some(low), Some(high), None) = (bounds.next(), bounds.next(), bounds.next()) else {
            return Err(Error::new(
                Code::ValueError,
                "a range needs two values: its first and its last",
            ));
        };
        Ok(conjunction(vec![
            Predicate::Compare {
                op: CompareOp::Gte,
                lhs: lhs.scalar.clone(),
                rhs: low,
            },
            Predicate::Compare {
                op: CompareOp::Lte,
                lhs: lhs.scalar,
                rhs: high,
            },
        ])
        .into())
    }
}
