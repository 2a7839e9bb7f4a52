//! Queryset methods, applied one by one with Django's refusals.

use std::rc::Rc;

use indexmap::{IndexMap, IndexSet};

use super::query::{
    Combined, DateOrder, FilteredRelation, GroupBy, QueryId, RelatedTree, Rows, SelectRelated,
    Selected,
};
use super::{Binder, Definition};
use crate::error::{Code, Error, Result};
use crate::plan::{Scalar, SetOp};
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
            query.used_aliases.clear();
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
            Call::Raw(stages) => self.q_mut(q)?.raw.clone_from(stages),
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

    fn refuse_combined(&self, q: QueryId, method: &str) -> Result<()> {
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

    fn filter(&mut self, q: QueryId, condition: &Q, negated: bool, method: &str) -> Result<()> {
        self.refuse_combined(q, method)?;
        if self.q(q)?.is_sliced() && !matches!(condition, Q::And(parts) if parts.is_empty()) {
            return Err(Error::new(
                Code::TypeError,
                "Cannot filter a query once a slice has been taken.",
            ));
        }
        self.add_q(q, condition, negated)
    }

    fn annotations(
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

    /// `GROUP BY` of what is selected now (Django's `set_group_by`).
    pub(super) fn group_keys(&self, q: QueryId) -> Result<Vec<Scalar>> {
        let query = self.q(q)?;
        let mut keys: Vec<Scalar> = query.select.iter().map(|s| s.scalar.clone()).collect();
        for (_, annotation) in query.selected_annotations() {
            keys.extend(self.group_columns(q, &annotation.scalar));
        }
        Ok(keys)
    }

    /// What an expression contributes to `GROUP BY`: itself, or of an aggregate the columns beside it.
    pub(super) fn group_columns(&self, q: QueryId, scalar: &Scalar) -> Vec<Scalar> {
        match scalar {
            Scalar::Literal(_) => Vec::new(),
            Scalar::Column(id) => match self.definitions.get(id) {
                Some((owner, Definition::Aggregate(_))) if *owner == q => Vec::new(),
                Some((
                    owner,
                    Definition::Window {
                        partition, order, ..
                    },
                )) if *owner == q => {
                    let mut keys = Vec::new();
                    for part in partition.iter().chain(order.iter().map(|k| &k.scalar)) {
                        keys.extend(self.group_columns(q, part));
                    }
                    keys
                }
                Some((owner, Definition::Computed(inner)))
                    if *owner == q
                        && (self.contains_aggregate(q, inner)
                            || self.contains_window(q, inner)) =>
                {
                    let mut keys = Vec::new();
                    for column in self.columns_in(inner) {
                        keys.extend(self.group_columns(q, &Scalar::Column(column)));
                    }
                    keys
                }
                // Defined in a subquery, or around.
                Some((owner, _)) if *owner != q => Vec::new(),
                // Of another query: what a subquery computes for itself.
                Some((owner, _)) if *owner != q => Vec::new(),
                _ => {
                    let of_query = self.columns.source_of(*id).is_none_or(|source| {
                        self.q(q)
                            .is_ok_and(|query| query.aliases.iter().any(|a| a.source == source))
                    });
                    if of_query {
                        vec![scalar.clone()]
                    } else {
                        Vec::new()
                    }
                }
            },
            Scalar::List(parts) => parts
                .iter()
                .flat_map(|p| self.group_columns(q, p))
                .collect(),
            other => {
                let mut keys = Vec::new();
                for column in self.columns_in(other) {
                    keys.extend(self.group_columns(q, &Scalar::Column(column)));
                }
                keys
            }
        }
    }

    fn values(&mut self, q: QueryId, fields: &ValuesFields, rows: Rows) -> Result<()> {
        let mut names = fields.fields.clone();
        if !fields.exprs.is_empty() {
            // Expressions are annotations of the rows as they were before.
            self.annotations(q, &fields.exprs, true, "annotate")?;
            for name in fields.exprs.keys() {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        let query = self.q_mut(q)?;
        query.rows = rows;
        query.value_names.clone_from(&names);
        self.set_values(q, &names)
    }

    /// Django's `set_values`.
    pub(super) fn set_values(&mut self, q: QueryId, names: &[String]) -> Result<()> {
        let query = self.q_mut(q)?;
        query.select_related = SelectRelated::None;
        query.deferred.clear();
        query.defer = true;
        let grouped = query.group_by.clone();
        if !names.is_empty() {
            // What is no longer selected is not grouped by either.
            let mask: IndexSet<String> = names
                .iter()
                .filter(|name| query.selects(name))
                .cloned()
                .collect();
            query.mask = Some(mask);
        }
        if grouped == GroupBy::Model {
            self.q_mut(q)?.select.clear();
            let columns = self.default_attnames(q)?;
            self.select_fields(q, &columns)?;
            let keys = self.group_keys(q)?;
            self.q_mut(q)?.group_by = GroupBy::Keys(keys);
        }
        self.q_mut(q)?.select.clear();
        if names.is_empty() {
            let columns = self.default_attnames(q)?;
            self.select_fields(q, &columns)?;
            let query = self.q_mut(q)?;
            query.default_columns = false;
            query.selected = None;
            return Ok(());
        }
        self.set_selection(q, names)
    }

    /// Selects fields and annotations by name.
    pub(super) fn set_selection(&mut self, q: QueryId, names: &[String]) -> Result<()> {
        let mut fields = Vec::new();
        let mut mask = IndexSet::new();
        for name in names {
            super::annotation::check_alias(name)?;
            let query = self.q(q)?;
            if query.selects(name) || query.mask.as_ref().is_some_and(|m| m.contains(name)) {
                mask.insert(name.clone());
            } else if query.annotations.contains_key(name) {
                return Err(Error::new(
                    Code::FieldError,
                    format!("Cannot select the '{name}' alias. Use annotate() to promote it."),
                ));
            } else {
                fields.push(name.clone());
            }
        }
        let query = self.q_mut(q)?;
        query.default_columns = false;
        query.select.clear();
        query.selected = Some(names.to_vec());
        // Names are resolved while the other annotations are still choices.
        self.select_fields(q, &fields)?;
        self.q_mut(q)?.mask = Some(mask);
        Ok(())
    }

    fn select_fields(&mut self, q: QueryId, names: &[String]) -> Result<()> {
        for name in names {
            let bound = self.select_path(q, name)?;
            let scalar = match bound.scalar {
                Scalar::List(_) | Scalar::Column(_) => bound.scalar,
                other => Scalar::Column(self.as_column(q, name, other)?),
            };
            self.q_mut(q)?.select.push(Selected {
                name: name.clone(),
                scalar,
            });
        }
        Ok(())
    }

    /// Raw names of all stored fields, parents' first.
    pub(super) fn default_attnames(&self, q: QueryId) -> Result<Vec<String>> {
        let model = self.schema.model(self.q(q)?.model)?;
        let mut names = Vec::with_capacity(model.all_fields.len());
        for field in &model.all_fields {
            let field = self.schema.field(*field)?;
            if field.is_concrete() {
                names.push(field.attname.clone());
            }
        }
        Ok(names)
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

    fn select_related(&mut self, q: QueryId, paths: Option<&[String]>) -> Result<()> {
        self.refuse_combined(q, "select_related")?;
        check_lengths(paths.unwrap_or_default())?;
        let query = self.q_mut(q)?;
        if query.rows != Rows::Model {
            return Err(Error::new(
                Code::TypeError,
                "Cannot call select_related() after .values() or .values_list()",
            ));
        }
        match paths {
            None => query.select_related = SelectRelated::None,
            Some([]) => query.select_related = SelectRelated::All,
            Some(paths) => {
                let mut tree = match &query.select_related {
                    SelectRelated::Paths(tree) => tree.clone(),
                    _ => RelatedTree::default(),
                };
                for path in paths {
                    let mut at = &mut tree;
                    for name in path.split("__") {
                        at = at.0.entry(name.to_owned()).or_default();
                    }
                }
                query.select_related = SelectRelated::Paths(tree);
            }
        }
        Ok(())
    }

    fn defer(&mut self, q: QueryId, fields: Option<&[String]>) -> Result<()> {
        self.refuse_combined(q, "defer")?;
        check_lengths(fields.unwrap_or_default())?;
        let query = self.q_mut(q)?;
        if query.rows != Rows::Model {
            return Err(Error::new(
                Code::TypeError,
                "Cannot call defer() after .values() or .values_list()",
            ));
        }
        let Some(fields) = fields else {
            query.deferred.clear();
            query.defer = true;
            return Ok(());
        };
        if query.defer {
            query.deferred.extend(fields.iter().cloned());
            return Ok(());
        }
        let left: IndexSet<String> = query
            .deferred
            .iter()
            .filter(|f| !fields.contains(f))
            .cloned()
            .collect();
        if left.is_empty() {
            let only: IndexSet<String> = fields
                .iter()
                .filter(|f| !query.deferred.contains(*f))
                .cloned()
                .collect();
            query.deferred = only;
            query.defer = true;
        } else {
            query.deferred = left;
        }
        Ok(())
    }

    fn only(&mut self, q: QueryId, fields: &[String]) -> Result<()> {
        self.refuse_combined(q, "only")?;
        check_lengths(fields)?;
        let model = self.q(q)?.model;
        let pk = self.schema.model(model)?.pk;
        let pk = self.schema.field(pk)?.name.clone();
        let query = self.q_mut(q)?;
        if query.rows != Rows::Model {
            return Err(Error::new(
                Code::TypeError,
                "Cannot call only() after .values() or .values_list()",
            ));
        }
        for field in fields {
            let first = field.split("__").next().unwrap_or(field);
            if query.filtered_relations.contains_key(first) {
                return Err(Error::new(
                    Code::ValueError,
                    "only() is not supported with FilteredRelation.",
                ));
            }
        }
        let fields: IndexSet<String> = fields
            .iter()
            .map(|f| if f == "pk" { pk.clone() } else { f.clone() })
            .collect();
        query.deferred = if query.defer {
            fields
                .into_iter()
                .filter(|f| !query.deferred.contains(f))
                .collect()
        } else {
            fields
        };
        query.defer = false;
        Ok(())
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

/// Most names of a path that becomes a tree.
const MAX_NAMES: usize = 100;

/// Trees of related objects are as deep as their paths are long.
fn check_lengths(paths: &[String]) -> Result<()> {
    if paths
        .iter()
        .any(|path| path.split("__").count() > MAX_NAMES)
    {
        return Err(Error::new(
            Code::Limit,
            format!("a path has more than {MAX_NAMES} names"),
        ));
    }
    Ok(())
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
