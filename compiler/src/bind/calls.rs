//! Queryset methods, applied one by one with Django's refusals.

use std::rc::Rc;

use indexmap::IndexMap;

use super::Binder;
use super::aliases::AliasSet;
use super::query::{Combined, DateOrder, FilteredRelation, GroupBy, QueryId, Rows};
use crate::error::{Code, Error, Result};
use crate::plan::SetOp;
use crate::queryset::{
    Call, CombineOp, Direction, Expr, Func, OrderTerm, Q, Queryset, Value, ValuesFields,
};
use crate::schema::{FieldKind, FieldType, NameTarget};

impl Binder<'_> {
    /// Applies all calls of a queryset.
    pub(super) fn queryset(
        &mut self,
        queryset: &Queryset,
        outer: Option<QueryId>,
    ) -> Result<QueryId> {
        self.calls(&queryset.model, &queryset.calls, outer)
    }

    pub(super) fn calls(
        &mut self,
        model: &str,
        calls: &[Call],
        outer: Option<QueryId>,
    ) -> Result<QueryId> {
        self.enter()?;
        let model = self.schema.find(model).map_err(|e| e.at("/model"))?.id;
        let mut q = self.new_query(model, outer);
        for (i, call) in calls.iter().enumerate() {
            q = self
                .call(q, call)
                .map_err(|e| e.inside(i).inside("calls"))?;
        }
        self.leave();
        Ok(q)
    }

    fn call(&mut self, q: QueryId, call: &Call) -> Result<QueryId> {
        let query = self.q_mut(q)?;
        if !query.sticky {
            query.used_aliases = AliasSet::new();
        }
        query.sticky = false;
        match call {
            Call::Filter(condition) => self
                .filter(q, condition, false, "filter")
                .map_err(|e| e.inside("filter"))?,
            Call::StickyFilter(condition) => {
                self.filter(q, condition, false, "filter")
                    .map_err(|e| e.inside("sticky_filter"))?;
                self.q_mut(q)?.sticky = true;
            }
            Call::Exclude(condition) => self
                .filter(q, condition, true, "exclude")
                .map_err(|e| e.inside("exclude"))?,
            Call::Annotate(exprs) => {
                self.annotations(q, exprs, true, "annotate")
                    .map_err(|e| e.inside("annotate"))?;
            }
            Call::Alias(exprs) => {
                self.annotations(q, exprs, false, "alias")
                    .map_err(|e| e.inside("alias"))?;
            }
            Call::Values(fields) => {
                self.values(q, fields, Rows::Values)
                    .map_err(|e| e.inside("values"))?;
            }
            Call::ValuesList {
                fields,
                flat,
                named,
            } => {
                if *flat && *named {
                    return Err(Error::new(
                        Code::TypeError,
                        "'flat' and 'named' can't be used together.",
                    ));
                }
                let count = fields.fields.len()
                    + fields
                        .exprs
                        .keys()
                        .filter(|k| !fields.fields.contains(k))
                        .count();
                if *flat && count > 1 {
                    return Err(Error::new(
                        Code::TypeError,
                        "'flat' is not valid when values_list is called with more than one field.",
                    ));
                }
                self.values(
                    q,
                    fields,
                    Rows::List {
                        flat: *flat,
                        named: *named,
                    },
                )
                .map_err(|e| e.inside("values_list"))?;
            }
            Call::OrderBy(terms) => self.order_by(q, terms).map_err(|e| e.inside("order_by"))?,
            Call::Reverse => {
                let query = self.q_mut(q)?;
                if query.is_sliced() {
                    return Err(Error::new(
                        Code::TypeError,
                        "Cannot reverse a query once a slice has been taken.",
                    ));
                }
                query.standard_ordering = !query.standard_ordering;
            }
            Call::Distinct(fields) => {
                self.refuse_combined(q, "distinct")?;
                let query = self.q_mut(q)?;
                if query.is_sliced() {
                    return Err(Error::new(
                        Code::TypeError,
                        "Cannot create distinct fields once a slice has been taken.",
                    ));
                }
                query.distinct = true;
                query.distinct_fields.clone_from(fields);
            }
            Call::Slice { start, stop } => {
                let query = self.q_mut(q)?;
                query.set_limits(*start, *stop);
            }
            Call::Dates { field, kind, order } => {
                return self.dates(q, field, kind, *order, FieldKind::DateField, None);
            }
            Call::Datetimes {
                field,
                kind,
                order,
                tz,
            } => {
                return self.dates(
                    q,
                    field,
                    kind,
                    *order,
                    FieldKind::DateTimeField,
                    tz.as_deref(),
                );
            }
            Call::None => {
                self.set_empty(q)?;
                self.q_mut(q)?.is_none = true;
            }
            Call::SelectRelated(paths) => self.select_related(q, paths.as_deref())?,
            Call::PrefetchRelated(lookups) => {
                self.refuse_combined(q, "prefetch_related")?;
                let query = self.q_mut(q)?;
                let filtered = lookups.iter().flatten().any(|prefetch| {
                    let path = prefetch.to_attr.as_ref().unwrap_or(&prefetch.lookup);
                    let first = path.split("__").next().unwrap_or(path);
                    query.filtered_relations.contains_key(first)
                });
                if filtered {
                    return Err(Error::new(
                        Code::ValueError,
                        "prefetch_related() is not supported with FilteredRelation.",
                    ));
                }
                match lookups {
                    None => query.prefetch.clear(),
                    Some(lookups) => query.prefetch.extend(lookups.iter().cloned()),
                }
            }
            Call::Defer(fields) => self.defer(q, fields.as_deref())?,
            Call::Only(fields) => self.only(q, fields)?,
            Call::Union { all, others } => {
                let op = if *all { SetOp::UnionAll } else { SetOp::Union };
                return self.combinator(q, op, others);
            }
            Call::Intersection(others) => {
                return self.combinator(q, SetOp::Intersection, others);
            }
            Call::Difference(others) => return self.combinator(q, SetOp::Difference, others),
            Call::Combine { op, other } => return self.combine(q, *op, other),
            Call::Raw(stages) => {
                let query = self.q_mut(q)?;
                query.raw.clone_from(stages);
                // The stages say the order.
                query.default_ordering = false;
            }
            Call::Using(_) => {}
            Call::SelectForUpdate { .. } => {
                return Err(Error::new(
                    Code::NotSupported,
                    "select_for_update() is not supported: MongoDB locks documents when they are written",
                ));
            }
            Call::Hint(hint) => self.q_mut(q)?.hint = Some(hint.clone()),
        }
        Ok(q)
    }

    pub(super) fn refuse_combined(&self, q: QueryId, method: &str) -> Result<()> {
        let Some(combined) = &self.q(q)?.combined else {
            return Ok(());
        };
        let name = match combined.op {
            SetOp::Union | SetOp::UnionAll => "union",
            SetOp::Intersection => "intersection",
            SetOp::Difference => "difference",
        };
        Err(Error::new(
            Code::NotSupported,
            format!("Calling QuerySet.{method}() after {name}() is not supported."),
        ))
    }

    fn set_empty(&mut self, q: QueryId) -> Result<()> {
        let query = self.q_mut(q)?;
        query.empty = true;
        let inner = query
            .combined
            .as_ref()
            .map(|c| c.queries.clone())
            .unwrap_or_default();
        for id in inner {
            self.set_empty(id)?;
        }
        Ok(())
    }

    pub(super) fn filter(
        &mut self,
        q: QueryId,
        condition: &Q,
        negated: bool,
        method: &str,
    ) -> Result<()> {
        self.refuse_combined(q, method)?;
        if self.q(q)?.is_sliced() && !matches!(condition, Q::And(parts) if parts.is_empty()) {
            return Err(Error::new(
                Code::TypeError,
                "Cannot filter a query once a slice has been taken.",
            ));
        }
        self.add_q(q, condition, negated)
    }

    pub(super) fn annotations(
        &mut self,
        q: QueryId,
        exprs: &IndexMap<String, Expr>,
        selected: bool,
        method: &str,
    ) -> Result<()> {
        self.refuse_combined(q, method)?;
        let query = self.q(q)?;
        let model = self.schema.model(query.model)?;
        for name in exprs.keys() {
            let conflict = match &query.selected {
                _ if query.rows != Rows::Model => {
                    query.value_names.contains(name)
                        || query
                            .select
                            .iter()
                            .any(|s| s.name == *name && !query.annotations.contains_key(name))
                }
                _ => {
                    matches!(model.names.get(name), Some(NameTarget::Field(_)))
                        || model.related_objects.iter().any(|r| {
                            self.schema
                                .field(r.field)
                                .is_ok_and(|f| f.related_query_name.as_deref() == Some(name))
                        })
                }
            };
            if conflict {
                return Err(Error::new(
                    Code::ValueError,
                    format!("The annotation '{name}' conflicts with a field on the model."),
                )
                .inside(name));
            }
        }
        let mut aggregates = false;
        for (name, expr) in exprs {
            self.annotate(q, name, expr, selected)
                .map_err(|e| e.inside(name))?;
            if let Some(annotation) = self.q(q)?.annotations.get(name) {
                let scalar = annotation.scalar.clone();
                aggregates |= self.contains_aggregate(q, &scalar);
            }
        }
        if aggregates {
            if self.q(q)?.rows == Rows::Model {
                self.q_mut(q)?.group_by = GroupBy::Model;
            } else {
                let keys = self.group_keys(q)?;
                self.q_mut(q)?.group_by = GroupBy::Keys(keys);
            }
        }
        Ok(())
    }

    fn order_by(&mut self, q: QueryId, terms: &[OrderTerm]) -> Result<()> {
        if self.q(q)?.is_sliced() {
            return Err(Error::new(
                Code::TypeError,
                "Cannot reorder a query once a slice has been taken.",
            ));
        }
        let query = self.q_mut(q)?;
        query.order_by.clear();
        query.date_order = None;
        query.default_ordering = false;
        for (i, term) in terms.iter().enumerate() {
            match term {
                OrderTerm::Name(name) => {
                    if name == "?" {
                        continue;
                    }
                    let name = name.strip_prefix('-').unwrap_or(name);
                    if self.q(q)?.annotations.contains_key(name) {
                        continue;
                    }
                    let names = super::path::split(name);
                    let model = self.q(q)?.model;
                    if self.annotation_first(q, &names)? {
                        continue;
                    }
                    match self.names_to_path(q, &names, model, true, false) {
                        Ok(_) => {}
                        Err(super::path::PathError::Other(error)) => return Err(error.inside(i)),
                        Err(super::path::PathError::Multi(_)) => {}
                    }
                }
                OrderTerm::Expr(order) => {
                    if has_aggregate(&order.expr) {
                        return Err(Error::new(
                            Code::FieldError,
                            "Using an aggregate in order_by() without also including it in annotate() is not allowed",
                        )
                        .inside(i));
                    }
                }
            }
        }
        self.q_mut(q)?.order_by = terms.to_vec();
        Ok(())
    }

    fn dates(
        &mut self,
        q: QueryId,
        field: &str,
        kind: &str,
        order: Direction,
        output: FieldKind,
        tz: Option<&str>,
    ) -> Result<QueryId> {
        self.refuse_combined(q, "annotate")?;
        if self.q(q)?.is_sliced() {
            return Err(Error::new(
                Code::TypeError,
                "Cannot create distinct fields once a slice has been taken.",
            ));
        }
        let mut options = IndexMap::new();
        options.insert("kind".to_owned(), Value::from(kind));
        if let Some(tz) = tz {
            options.insert("tzinfo".to_owned(), Value::from(tz));
        }
        let name = if output == FieldKind::DateField {
            "datefield"
        } else {
            "datetimefield"
        };
        let mut exprs = IndexMap::new();
        exprs.insert(
            name.to_owned(),
            Expr::Func(Func {
                name: "Trunc".to_owned(),
                args: vec![Expr::F(field.to_owned())],
                options,
                output: Some(Box::new(FieldType::new(output))),
            }),
        );
        exprs.insert("plain_field".to_owned(), Expr::F(field.to_owned()));
        self.annotations(q, &exprs, true, "annotate")?;
        self.values(
            q,
            &ValuesFields {
                fields: vec![name.to_owned()],
                exprs: IndexMap::new(),
            },
            Rows::Flat,
        )?;
        self.q_mut(q)?.distinct = true;
        self.add_q(
            q,
            &Q::And(vec![Q::lookup("plain_field__isnull", Value::Bool(false))]),
            false,
        )?;
        let scalar = match self.q(q)?.annotations.get(name) {
            Some(annotation) => annotation.scalar.clone(),
            None => return Err(Error::internal("dates without annotation")),
        };
        let query = self.q_mut(q)?;
        query.order_by.clear();
        query.default_ordering = false;
        query.date_order = Some(DateOrder { scalar, order });
        Ok(q)
    }

    /// `union()`, `intersection()`, `difference()`: the query so far becomes the first of several.
    fn combinator(&mut self, q: QueryId, op: SetOp, others: &[Queryset]) -> Result<QueryId> {
        let outer = self.q(q)?.outer;
        let mut bound = Vec::with_capacity(others.len());
        for (i, other) in others.iter().enumerate() {
            bound.push(self.queryset(other, outer).map_err(|e| e.inside(i))?);
        }
        let union = matches!(op, SetOp::Union | SetOp::UnionAll);
        if union && self.q(q)?.is_none {
            let mut rest = Vec::new();
            for id in bound {
                if !self.q(id)?.is_none {
                    rest.push(id);
                }
            }
            let mut rest = rest.into_iter();
            return match (rest.next(), rest.len()) {
                (None, _) => Ok(q),
                (Some(only), 0) => Ok(only),
                (Some(first), _) => self.combined(first, op, rest.collect()),
            };
        }
        if op == SetOp::Intersection {
            if self.q(q)?.is_none {
                return Ok(q);
            }
            for id in &bound {
                if self.q(*id)?.is_none {
                    return Ok(*id);
                }
            }
        }
        if op == SetOp::Difference && self.q(q)?.is_none {
            return Ok(q);
        }
        self.combined(q, op, bound)
    }

    fn combined(&mut self, first: QueryId, op: SetOp, rest: Vec<QueryId>) -> Result<QueryId> {
        let mut query = self.q(first)?.clone();
        query.order_by.clear();
        query.date_order = None;
        query.default_ordering = false;
        query.low = 0;
        query.high = None;
        query.empty = false;
        query.is_none = false;
        query.distinct = false;
        query.distinct_fields.clear();
        query.conditions.clear();
        let mut queries = vec![first];
        queries.extend(rest);
        query.combined = Some(Combined { op, queries });
        self.queries.push(Rc::new(query));
        Ok(self.queries.len() - 1)
    }

    /// `&`, `|` and `^`: the conditions of both, over joins that are shared only where Django shares them.
    fn combine(&mut self, q: QueryId, op: CombineOp, other: &Queryset) -> Result<QueryId> {
        let outer = self.q(q)?.outer;
        let rhs = self
            .queryset(other, outer)
            .map_err(|e| e.inside("other").inside("combine"))?;
        if self.q(q)?.combined.is_some() || self.q(rhs)?.combined.is_some() {
            let sign = match op {
                CombineOp::And => "&",
                CombineOp::Or => "|",
                CombineOp::Xor => "^",
            };
            return Err(Error::new(
                Code::TypeError,
                format!("Cannot use {sign} operator with combined queryset."),
            ));
        }
        self.combine_queries(q, op, rhs)
    }

    /// Copies what a filtered relation needs to know to another query.
    pub(super) fn copy_filtered_relations(&mut self, from: QueryId, to: QueryId) -> Result<()> {
        let relations: IndexMap<String, FilteredRelation> =
            self.q(from)?.filtered_relations.clone();
        self.q_mut(to)?.filtered_relations.extend(relations);
        Ok(())
    }
}

fn has_aggregate(expr: &Expr) -> bool {
    match expr {
        Expr::Aggregate(_) => true,
        Expr::Combined { lhs, rhs, .. } => has_aggregate(lhs) || has_aggregate(rhs),
        Expr::Neg(inner) | Expr::Not(inner) => has_aggregate(inner),
        Expr::Func(func) => func.args.iter().any(has_aggregate),
        Expr::Wrap { expr, .. } | Expr::Slice { expr, .. } | Expr::Transform { expr, .. } => {
            has_aggregate(expr)
        }
        _ => false,
    }
}
