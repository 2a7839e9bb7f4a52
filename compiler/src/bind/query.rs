//! The state of one queryset while its calls are applied: aliases, conditions, annotations, selection.
//!
//! The rules for reusing, promoting and demoting joins are Django's (`django.db.models.sql.query`,
//! documented under "Spanning multi-valued relationships").

use std::rc::Rc;
use std::sync::Arc;

use bson::Document;
use indexmap::{IndexMap, IndexSet};
use smallvec::SmallVec;

use super::Binder;
use super::aliases::AliasSet;
use super::filter::conjunction;
use super::path::Joins;
use crate::error::{Error, Result};
use crate::names::Name;
use crate::plan::{JoinKind, Predicate, Scalar, Search, SetOp, Source, SourceId};
use crate::queryset::{Direction, Hint, OrderTerm, Prefetch, Q};
use crate::schema::{FieldRef, ModelId};

/// Number of a query in the binder.
pub(super) type QueryId = usize;

/// Number of an alias (one use of a collection) in its query.
pub(super) type AliasId = usize;

/// A relation field, seen from its own model or from its target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JoinField {
    pub field: FieldRef,
    pub reverse: bool,
}

/// One use of a collection in a query.
#[derive(Debug, Clone)]
pub(super) struct Alias {
    pub source: SourceId,
    pub model: ModelId,
    pub collection: Name,
    /// How it is joined; `None` for the base.
    pub join: Option<AliasJoin>,
    pub refs: i64,
}

#[derive(Debug, Clone)]
pub(super) struct AliasJoin {
    pub parent: AliasId,
    pub by: JoinField,
    pub kind: JoinKind,
    pub nullable: bool,
    /// Joins several rows.
    pub many: bool,
    /// Name of the filtered relation, if it is one.
    pub filtered: Option<String>,
    /// Condition beside the equality of keys.
    pub condition: Option<Box<Predicate>>,
}

/// What a row of the result consists of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Rows {
    Model,
    Values,
    List { flat: bool, named: bool },
    Flat,
}

/// A selected value of `values()`.
#[derive(Debug, Clone)]
pub(super) struct Selected {
    pub name: String,
    pub scalar: Scalar,
}

#[derive(Debug, Clone)]
pub(super) struct Annotation {
    pub scalar: Scalar,
}

/// `GROUP BY` before it is expanded.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum GroupBy {
    None,
    /// By all selected columns of the model.
    Model,
    Keys(Vec<Scalar>),
}

/// What `select_related()` follows.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum SelectRelated {
    None,
    All,
    Paths(RelatedTree),
}

/// Names of relations, nested.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RelatedTree(pub IndexMap<String, RelatedTree>);

#[derive(Debug, Clone)]
pub(super) struct FilteredRelation {
    pub relation: String,
    pub condition: Q,
}

#[derive(Debug, Clone)]
pub(super) struct Combined {
    pub op: SetOp,
    pub queries: Vec<QueryId>,
}

/// Order of `dates()` and `datetimes()`, by their only column.
#[derive(Debug, Clone)]
pub(super) struct DateOrder {
    pub scalar: Scalar,
    pub order: Direction,
}

#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools)] // independent switches, as Django's Query has them
pub(super) struct Query {
    pub model: ModelId,
    pub outer: Option<QueryId>,
    pub aliases: Vec<Alias>,
    /// Order in which aliases are joined; a filtered relation comes after what its condition needs.
    pub order: Vec<AliasId>,
    pub conditions: Vec<Predicate>,
    /// The conditions have gone into its rows.
    pub finished: bool,
    pub empty: bool,
    pub annotations: IndexMap<String, Annotation>,
    /// Which annotations are selected; all of them when absent.
    pub mask: Option<IndexSet<String>>,
    pub filtered_relations: IndexMap<String, FilteredRelation>,
    pub rows: Rows,
    /// Names that `values()` was given: no annotation may be called so afterwards.
    pub value_names: Vec<String>,
    /// The model's columns are selected.
    pub default_columns: bool,
    /// Selected values, annotations excluded.
    pub select: Vec<Selected>,
    /// Names of all selected values in order, annotations included; `None` before `values()` with names.
    pub selected: Option<Vec<String>>,
    pub group_by: GroupBy,
    pub order_by: Vec<OrderTerm>,
    pub date_order: Option<DateOrder>,
    pub default_ordering: bool,
    pub standard_ordering: bool,
    pub low: u64,
    pub high: Option<u64>,
    pub distinct: bool,
    pub distinct_fields: Vec<String>,
    pub select_related: SelectRelated,
    pub deferred: IndexSet<String>,
    /// `deferred` names what is left out; otherwise what alone is loaded.
    pub defer: bool,
    pub combined: Option<Combined>,
    pub sticky: bool,
    pub used_aliases: AliasSet,
    pub prefetch: Vec<Prefetch>,
    pub hint: Option<Box<Hint>>,
    pub raw: Vec<Document>,
    /// The search that finds its rows.
    pub search: Option<Box<Search>>,
    pub is_none: bool,
    /// The query of an anti-join, which Django resolves apart from the query around it.
    pub anti: bool,
    pub select_for_update: bool,
    /// Joins of the last lookup of an anti-join.
    pub lookup_joins: Joins,
}

impl Query {
    pub fn new(model: ModelId, outer: Option<QueryId>) -> Self {
        Query {
            model,
            outer,
            aliases: Vec::new(),
            order: Vec::new(),
            conditions: Vec::new(),
            finished: false,
            empty: false,
            annotations: IndexMap::new(),
            mask: None,
            filtered_relations: IndexMap::new(),
            rows: Rows::Model,
            value_names: Vec::new(),
            default_columns: true,
            select: Vec::new(),
            selected: None,
            group_by: GroupBy::None,
            order_by: Vec::new(),
            date_order: None,
            default_ordering: true,
            standard_ordering: true,
            low: 0,
            high: None,
            distinct: false,
            distinct_fields: Vec::new(),
            select_related: SelectRelated::None,
            deferred: IndexSet::new(),
            defer: true,
            combined: None,
            sticky: false,
            used_aliases: AliasSet::new(),
            prefetch: Vec::new(),
            hint: None,
            raw: Vec::new(),
            search: None,
            is_none: false,
            anti: false,
            select_for_update: false,
            lookup_joins: Joins::new(),
        }
    }

    pub fn is_sliced(&self) -> bool {
        self.low != 0 || self.high.is_some()
    }

    pub fn has_limit_one(&self) -> bool {
        self.high
            .is_some_and(|high| high.saturating_sub(self.low) == 1)
    }

    pub fn alias(&self, id: AliasId) -> Result<&Alias> {
        self.aliases
            .get(id)
            .ok_or_else(|| Error::internal("alias of another query"))
    }

    fn alias_mut(&mut self, id: AliasId) -> Result<&mut Alias> {
        self.aliases
            .get_mut(id)
            .ok_or_else(|| Error::internal("alias of another query"))
    }

    pub fn kind(&self, id: AliasId) -> Option<JoinKind> {
        self.aliases
            .get(id)
            .and_then(|a| a.join.as_ref())
            .map(|j| j.kind)
    }

    pub fn ref_alias(&mut self, id: AliasId) -> Result<()> {
        self.alias_mut(id)?.refs += 1;
        Ok(())
    }

    pub fn unref_alias(&mut self, id: AliasId) -> Result<()> {
        self.alias_mut(id)?.refs -= 1;
        Ok(())
    }

    pub fn refs(&self) -> Vec<i64> {
        self.aliases.iter().map(|a| a.refs).collect()
    }

    pub fn inner_aliases(&self) -> Vec<AliasId> {
        (0..self.aliases.len())
            .filter(|id| self.kind(*id) == Some(JoinKind::Inner))
            .collect()
    }

    /// The annotation is selected.
    pub fn selects(&self, name: &str) -> bool {
        self.annotations.contains_key(name)
            && self.mask.as_ref().is_none_or(|mask| mask.contains(name))
    }

    pub fn selected_annotations(&self) -> impl Iterator<Item = (&String, &Annotation)> {
        self.annotations
            .iter()
            .filter(|(name, _)| self.mask.as_ref().is_none_or(|mask| mask.contains(*name)))
    }

    /// Makes joins LEFT where they can be, and what hangs on them.
    pub fn promote(&mut self, aliases: impl IntoIterator<Item = AliasId>) -> Result<()> {
        let mut todo: Vec<AliasId> = aliases.into_iter().collect();
        while let Some(id) = todo.pop() {
            let Some(join) = self.alias(id)?.join.clone() else {
                continue;
            };
            let parent_left = self.kind(join.parent) == Some(JoinKind::Left);
            if (join.nullable || parent_left) && join.kind == JoinKind::Inner {
                if let Some(join) = &mut self.alias_mut(id)?.join {
                    join.kind = JoinKind::Left;
                }
                todo.extend((0..self.aliases.len()).filter(|child| {
                    self.aliases
                        .get(*child)
                        .and_then(|a| a.join.as_ref())
                        .is_some_and(|j| j.parent == id)
                }));
            }
        }
        Ok(())
    }

    /// Makes joins INNER, and those that they hang on.
    pub fn demote(&mut self, aliases: impl IntoIterator<Item = AliasId>) -> Result<()> {
        let mut todo: Vec<AliasId> = aliases.into_iter().collect();
        while let Some(id) = todo.pop() {
            let alias = self.alias_mut(id)?;
            if let Some(join) = &mut alias.join
                && join.kind == JoinKind::Left
            {
                join.kind = JoinKind::Inner;
                // Django stops at an outer parent: the parent is demoted only where it is inner already.
                let parent = join.parent;
                if self.kind(parent) == Some(JoinKind::Inner) {
                    todo.push(parent);
                }
            }
        }
        Ok(())
    }

    /// Narrows the slice, as `[low:high]` on what is selected so far.
    pub fn set_limits(&mut self, low: Option<u64>, high: Option<u64>) {
        if let Some(high) = high {
            let bound = self.low.saturating_add(high);
            self.high = Some(self.high.map_or(bound, |h| h.min(bound)));
        }
        if let Some(low) = low {
            let bound = self.low.saturating_add(low);
            self.low = self.high.map_or(bound, |h| h.min(bound));
        }
        if self.high == Some(self.low) {
            self.empty = true;
        }
    }

    pub fn clear_ordering(&mut self, force: bool, clear_default: bool) {
        if !force
            && (self.is_sliced() || !self.distinct_fields.is_empty() || self.select_for_update)
        {
            return;
        }
        self.order_by.clear();
        self.date_order = None;
        if clear_default {
            self.default_ordering = false;
        }
    }
}

/// Decides join types by counting which conditions need an INNER join.
pub(super) struct JoinPromoter {
    or: bool,
    children: usize,
    /// Of each alias, by its number.
    votes: SmallVec<[usize; 8]>,
}

impl JoinPromoter {
    /// `or`: the conditions are alternatives, after negation is taken into account.
    pub fn new(or: bool, children: usize) -> Self {
        JoinPromoter {
            or,
            children,
            votes: SmallVec::new(),
        }
    }

    pub fn add_votes(&mut self, votes: impl IntoIterator<Item = AliasId>) {
        for alias in votes {
            if alias >= self.votes.len() {
                self.votes.resize(alias + 1, 0);
            }
            if let Some(count) = self.votes.get_mut(alias) {
                *count += 1;
            }
        }
    }

    /// Applies the votes; gives the aliases that are needed INNER.
    pub fn update(&self, query: &mut Query) -> Result<AliasSet> {
        let mut promote = AliasSet::new();
        let mut demote = AliasSet::new();
        for (alias, votes) in self.votes.iter().copied().enumerate() {
            if votes == 0 {
                continue;
            }
            if self.or && votes < self.children {
                promote.insert(alias);
            }
            if !self.or || votes == self.children {
                demote.insert(alias);
            }
        }
        query.promote(promote.iter())?;
        query.demote(demote.iter())?;
        Ok(demote)
    }
}

impl Binder<'_> {
    pub(super) fn q(&self, id: QueryId) -> Result<&Query> {
        self.queries
            .get(id)
            .map(Rc::as_ref)
            .ok_or_else(|| Error::internal("query of another binder"))
    }

    pub(super) fn q_mut(&mut self, id: QueryId) -> Result<&mut Query> {
        self.queries
            .get_mut(id)
            .map(Rc::make_mut)
            .ok_or_else(|| Error::internal("query of another binder"))
    }

    /// The state of a query as it is now: later changes make a copy of their own.
    pub(super) fn snapshot(&self, id: QueryId) -> Result<Rc<Query>> {
        self.queries
            .get(id)
            .map(Rc::clone)
            .ok_or_else(|| Error::internal("query of another binder"))
    }

    pub(super) fn new_query(&mut self, model: ModelId, outer: Option<QueryId>) -> QueryId {
        self.queries.push(Rc::new(Query::new(model, outer)));
        self.queries.len() - 1
    }

    fn new_source(&mut self, model: ModelId, name: Name) -> Result<(SourceId, Name)> {
        let model = self.schema.model(model)?;
        let concrete = self.schema.model(model.concrete)?;
        let source = self.columns.add_source(Source {
            name,
            stored: Arc::clone(&concrete.stored),
            model: concrete.id,
            collection: concrete.collection.clone(),
        });
        Ok((source, concrete.collection.clone()))
    }

    /// The base alias, made on first use, with its reference count raised.
    pub(super) fn initial_alias(&mut self, q: QueryId) -> Result<AliasId> {
        if let Some(first) = self.q(q)?.order.first().copied() {
            self.q_mut(q)?.ref_alias(first)?;
            return Ok(first);
        }
        let model = self.q(q)?.model;
        let name = self.schema.model(model)?.alias.clone();
        let (source, collection) = self.new_source(model, name)?;
        let query = self.q_mut(q)?;
        query.aliases.push(Alias {
            source,
            model,
            collection,
            join: None,
            refs: 1,
        });
        query.order.push(0);
        Ok(0)
    }

    /// An alias for a join: an existing one that may be reused, or a new one. `reuse` is `None` if all may be.
    #[allow(clippy::too_many_arguments)] // the parts of a join
    pub(super) fn join(
        &mut self,
        q: QueryId,
        model: ModelId,
        parent: AliasId,
        by: JoinField,
        nullable: bool,
        many: bool,
        filtered: Option<&str>,
        reuse: Option<&AliasSet>,
    ) -> Result<AliasId> {
        let concrete = self.schema.model(self.schema.model(model)?.concrete)?;
        let collection = concrete.collection.clone();
        let found = self
            .q(q)?
            .order
            .iter()
            .copied()
            .filter(|id| reuse.is_none_or(|r| r.contains(*id)))
            .rfind(|id| {
                self.q(q)
                    .ok()
                    .and_then(|query| query.aliases.get(*id))
                    .is_some_and(|a| {
                        a.collection == collection
                            && a.join.as_ref().is_some_and(|j| {
                                j.parent == parent
                                    && j.by == by
                                    && j.filtered.as_deref() == filtered
                            })
                    })
            });
        if let Some(found) = found {
            self.q_mut(q)?.ref_alias(found)?;
            return Ok(found);
        }
        let field = self.schema.field(by.field)?;
        let name = match filtered {
            Some(name) => name.into(),
            None if by.reverse => field
                .related_query_name
                .as_ref()
                .filter(|n| !n.ends_with('+'))
                .map_or_else(|| concrete.alias.clone(), Name::from),
            None => Name::from(&field.name),
        };
        let (source, collection) = self.new_source(model, name)?;
        let query = self.q_mut(q)?;
        let kind = if nullable || query.kind(parent) == Some(JoinKind::Left) {
            JoinKind::Left
        } else {
            JoinKind::Inner
        };
        query.aliases.push(Alias {
            source,
            model,
            collection,
            join: Some(AliasJoin {
                parent,
                by,
                kind,
                nullable,
                many,
                filtered: filtered.map(str::to_owned),
                condition: None,
            }),
            refs: 1,
        });
        let id = query.aliases.len() - 1;
        query.order.push(id);
        if let Some(name) = filtered {
            let resolve: Option<AliasSet> = reuse.map(|r| {
                let mut r = r.clone();
                r.insert(id);
                r
            });
            let before = self.q(q)?.order.len();
            let condition = self.filtered_condition(q, name, resolve)?;
            let query = self.q_mut(q)?;
            if query.order.len() > before {
                query.order.retain(|other| *other != id);
                query.order.push(id);
            }
            if let Some(join) = query.aliases.get_mut(id).and_then(|a| a.join.as_mut()) {
                join.condition = Some(Box::new(condition));
            }
        }
        Ok(id)
    }

    /// An opposite join condition for generic relations: the content type of the rows.
    pub(super) fn set_join_condition(
        &mut self,
        q: QueryId,
        alias: AliasId,
        condition: Predicate,
    ) -> Result<()> {
        let Some(join) = self.q_mut(q)?.alias_mut(alias)?.join.as_mut() else {
            return Ok(());
        };
        match join.condition.take() {
            None => join.condition = Some(Box::new(condition)),
            Some(known) => {
                let has = *known == condition
                    || matches!(&*known, Predicate::And(parts) if parts.contains(&condition));
                // The condition of a filtered relation holds as well.
                join.condition = Some(if join.filtered.is_some() && !has {
                    Box::new(conjunction(vec![condition, *known]))
                } else {
                    known
                });
            }
        }
        Ok(())
    }
}
