//! `filter()` and `exclude()`: conditions, join types, and anti-joins for excludes over multi-valued relations.

use super::aliases::AliasSet;
use super::path::{PathError, split};
use super::query::{JoinPromoter, QueryId};
use super::{Binder, Bound, Resolve, Rhs};
use crate::error::{Code, Error, Result};
use crate::plan::{CompareOp, JoinKind, Predicate, Scalar};
use crate::queryset::{Expr, Q};
use crate::schema::{FieldKind, FieldType};

/// How a condition is built.
#[derive(Debug, Clone, Copy)]
pub(super) struct FilterContext {
    pub branch_negated: bool,
    pub current_negated: bool,
    pub allow_joins: bool,
    /// Excludes over multi-valued relations become anti-joins.
    pub split: bool,
    pub update_join_types: bool,
    pub summarize: bool,
    /// The condition stands alone, not in a connector: Django's `Q(...)` is always a conjunction.
    pub alone: bool,
}

impl Default for FilterContext {
    fn default() -> Self {
        FilterContext {
            branch_negated: false,
            current_negated: false,
            allow_joins: true,
            split: true,
            update_join_types: true,
            summarize: false,
            alone: true,
        }
    }
}

/// Aliases that may be reused; `None` for all.
pub(super) type Reuse = Option<AliasSet>;

impl Binder<'_> {
    /// Adds a condition to a query, as one `filter()` call.
    pub(super) fn add_q(&mut self, q: QueryId, condition: &Q, negated: bool) -> Result<()> {
        let inner = self.q(q)?.inner_aliases();
        let mut reuse: Reuse = Some(std::mem::take(&mut self.q_mut(q)?.used_aliases));
        let (predicate, _) =
            self.build_signed(q, condition, negated, FilterContext::default(), &mut reuse)?;
        let predicate = super::element::same_element(predicate);
        let predicate = self.take_search(q, predicate)?;
        let query = self.q_mut(q)?;
        if let Some(used) = reuse {
            query.used_aliases = used;
        }
        query.conditions.push(predicate);
        query.demote(inner)
    }

    /// A `Q` as predicate, with the aliases that it needs INNER.
    pub(super) fn build_q(
        &mut self,
        q: QueryId,
        condition: &Q,
        context: FilterContext,
        reuse: &mut Reuse,
    ) -> Result<(Predicate, AliasSet)> {
        self.build_signed(q, condition, false, context, reuse)
    }

    /// A `Q`, or its negation.
    fn build_signed(
        &mut self,
        q: QueryId,
        condition: &Q,
        negated: bool,
        context: FilterContext,
        reuse: &mut Reuse,
    ) -> Result<(Predicate, AliasSet)> {
        self.enter()?;
        let result = self.build_q_inner(q, condition, negated, context, reuse);
        self.leave();
        result
    }

    fn build_q_inner(
        &mut self,
        q: QueryId,
        condition: &Q,
        negated: bool,
        context: FilterContext,
        reuse: &mut Reuse,
    ) -> Result<(Predicate, AliasSet)> {
        // A Q is a Q wherever it stands as a condition.
        if !negated
            && let Q::Expr(expr) = condition
            && let Expr::Q(inner) = expr
        {
            return self
                .build_q(q, inner, context, reuse)
                .map_err(|e| e.inside("q").inside("expr"));
        }
        // Django's Q has a connector, a negation and children: a negation of a connector is one node.
        let (negated, node) = match condition {
            Q::Not(inner) if !negated => (true, inner.as_ref()),
            _ => (negated, condition),
        };
        let (connector, children): (Connector, &[Q]) = match node {
            Q::And(children) => (Connector::And, children),
            Q::Or(children) => (Connector::Or, children),
            Q::Xor(children) => (Connector::Xor, children),
            single if negated => (Connector::And, std::slice::from_ref(single)),
            leaf if context.alone => {
                let (predicate, votes) = self.build_leaf(q, leaf, context, reuse)?;
                let mut promoter = JoinPromoter::new(context.current_negated, 1);
                promoter.add_votes(votes.iter());
                let needed = if context.update_join_types {
                    promoter.update(self.q_mut(q)?)?
                } else {
                    AliasSet::new()
                };
                return Ok((predicate, needed));
            }
            leaf => return self.build_leaf(q, leaf, context, reuse),
        };
        let mut inner = context;
        inner.alone = false;
        inner.current_negated ^= negated;
        inner.branch_negated |= negated;
        let effective_or = if inner.current_negated {
            connector == Connector::And
        } else {
            connector == Connector::Or
        };
        // An XOR votes like neither: Django's promoter compares the connector with OR and AND only.
        let xor_plain = connector == Connector::Xor && !inner.current_negated;
        let mut promoter = JoinPromoter::new(effective_or, children.len());
        let mut parts = Vec::with_capacity(children.len());
        for (i, child) in children.iter().enumerate() {
            // Django drops conditions that say nothing, wherever they stand.
            if is_empty(child) {
                continue;
            }
            let (part, votes) = self
                .build_q(q, child, inner, reuse)
                .map_err(|e| e.inside(i).inside(connector.tag()))?;
            promoter.add_votes(votes.iter());
            parts.push(part);
        }
        let needed = if inner.update_join_types && !xor_plain {
            promoter.update(self.q_mut(q)?)?
        } else {
            AliasSet::new()
        };
        let predicate = match connector {
            Connector::And => conjunction(parts),
            Connector::Or => {
                if parts.is_empty() {
                    Predicate::TRUE
                } else if let [_] = parts.as_slice() {
                    conjunction(parts)
                } else {
                    Predicate::Or(parts)
                }
            }
            Connector::Xor => {
                if parts.is_empty() {
                    Predicate::TRUE
                } else {
                    Predicate::Xor(parts)
                }
            }
        };
        // An empty Q holds, also when negated (Django drops empty nodes).
        let predicate = if negated && !is_empty(node) {
            predicate.negate()
        } else {
            predicate
        };
        Ok((predicate, needed))
    }

    fn build_leaf(
        &mut self,
        q: QueryId,
        leaf: &Q,
        context: FilterContext,
        reuse: &mut Reuse,
    ) -> Result<(Predicate, AliasSet)> {
        match leaf {
            Q::Lookup { path, rhs } => self
                .build_filter(q, path, rhs, context, reuse)
                .map_err(|e| e.inside("lookup")),
            Q::Expr(expr) => self
                .build_condition(q, expr, context, reuse)
                .map(|p| (p, AliasSet::new()))
                .map_err(|e| e.inside("expr")),
            _ => Err(Error::internal("a connector is no leaf")),
        }
    }

    /// A boolean expression as a condition.
    fn build_condition(
        &mut self,
        q: QueryId,
        expr: &Expr,
        context: FilterContext,
        reuse: &mut Reuse,
    ) -> Result<Predicate> {
        if !self.is_conditional(q, expr)? {
            return Err(Error::new(
                Code::TypeError,
                "Cannot filter against a non-conditional expression.",
            ));
        }
        let mut resolve = Resolve {
            allow_joins: context.allow_joins,
            reuse: reuse.clone(),
            summarize: context.summarize,
        };
        let bound = self.resolve(q, expr, &mut resolve)?;
        *reuse = resolve.reuse;
        let typed = matches!(
            expr,
            Expr::Func(_)
                | Expr::Aggregate(_)
                | Expr::Window(_)
                | Expr::Case(_)
                | Expr::Subquery(_)
        );
        if let Scalar::Column(id) = bound.scalar
            && self.is_search_column(q, id)
            && matches!(expr, Expr::Func(_))
        {
            return Ok(Predicate::Bool(bound.scalar));
        }
        if typed && bound.ty.kind != FieldKind::BooleanField {
            return Err(Error::new(
                Code::TypeError,
                "Cannot filter against a non-conditional expression.",
            )
            .with_hint("compare it: annotate() it and filter by its name"));
        }
        self.check_filterable(&bound.scalar)?;
        Ok(truth_of(bound.scalar))
    }

    /// One lookup as a condition.
    pub(super) fn build_filter(
        &mut self,
        q: QueryId,
        path: &str,
        rhs: &Expr,
        context: FilterContext,
        reuse: &mut Reuse,
    ) -> Result<(Predicate, AliasSet)> {
        if path.is_empty() {
            return Err(Error::new(
                Code::FieldError,
                "Cannot parse keyword query \"\"",
            ));
        }
        let names = split(path);
        // A condition of an aggregate reads aliases, too, unlike its arguments.
        if let Some((annotation, used)) = self.annotation_of(q, &names, false)? {
            self.check_filterable(&annotation.scalar)?;
            let rhs = self.resolve_rhs(q, rhs, context, reuse)?;
            let lookups = names.get(used..).unwrap_or(&[]);
            let condition = self
                .build_lookup(q, lookups, annotation, rhs)
                .map_err(|e| e.at("/path"))?;
            return Ok((condition.predicate, AliasSet::new()));
        }
        let model = self.q(q)?.model;
        let found = match self.names_to_path(q, &names, model, true, false) {
            Ok(path) => path,
            Err(PathError::Other(error)) => return Err(error.at("/path")),
            Err(PathError::Multi(_)) => {
                return Err(Error::internal("multi-valued relation where allowed"));
            }
        };
        let (parts, lookups) = names.split_at_checked(found.used).unwrap_or((&names, &[]));
        if !context.allow_joins && parts.len() > 1 {
            return Err(Error::new(
                Code::FieldError,
                "Joined field references are not permitted in this query",
            )
            .at("/path"));
        }
        // Only an expression can use aliases.
        let before = match rhs {
            Expr::Value(_) => None,
            _ => Some(self.q(q)?.refs()),
        };
        let value = self
            .resolve_rhs(q, rhs, context, reuse)
            .map_err(|e| e.inside("rhs"))?;
        let mut used = AliasSet::new();
        if let Some(before) = before {
            let aliases = (0_usize..).zip(&self.q(q)?.aliases);
            used.extend(
                aliases
                    .filter(|(i, alias)| alias.refs > before.get(*i).copied().unwrap_or(0))
                    .map(|(i, _)| i),
            );
        }
        let alias = self.initial_alias(q)?;
        let allow_many = !context.branch_negated || !context.split;
        let joined = if allow_many || !found.infos.iter().any(|join| join.many) {
            self.add_joins(q, found, 0, alias, reuse.as_mut())
        } else {
            self.setup_joins(q, parts, model, alias, reuse.as_mut(), allow_many)
        };
        let info = match joined {
            Ok(info) => info,
            Err(PathError::Other(error)) => return Err(error.at("/path")),
            Err(PathError::Multi(prefix)) => {
                return self.split_exclude(q, path, rhs, context, reuse, &prefix);
            }
        };
        self.check_related(&info, &value)?;
        if self.q(q)?.anti {
            self.q_mut(q)?.lookup_joins = info.joins.clone();
        }
        used.extend(info.joins.iter().copied());
        let (targets, alias, joins) = self.trim_joins(q, &info)?;
        if let Some(reuse) = reuse {
            reuse.extend(joins.iter().copied());
        }
        let lhs = self.field_bound(q, alias, &targets, Some(info.end))?;
        let plain_lhs = context.current_negated.then(|| lhs.scalar.clone());
        let value_column = match &value {
            Rhs::Scalar(bound) => match bound.scalar {
                Scalar::Column(id) => Some((id, bound.clone())),
                _ => None,
            },
            _ => None,
        };
        let condition = self
            .build_lookup(q, lookups, lhs, value)
            .map_err(|e| e.at("/path"))?;
        let mut predicate = condition.predicate;
        let is_null_test = condition.is_null;
        let json_null = condition.json_null;
        let mut require_outer = is_null_test == Some(true) && !context.current_negated;
        if context.current_negated && is_null_test != Some(true) && !json_null {
            require_outer = true;
            if is_null_test.is_none() {
                let last = joins.last().copied().unwrap_or(alias);
                let first = targets.first().copied();
                let nullable = match first {
                    Some(target) => self.schema.field(target)?.null(),
                    None => false,
                };
                if nullable || self.q(q)?.kind(last) == Some(JoinKind::Left) {
                    let plain = match plain_lhs {
                        Some(Scalar::List(parts)) => parts.into_iter().next(),
                        other => other,
                    };
                    let plain = plain.unwrap_or(Scalar::List(Vec::new()));
                    predicate = predicate.and(Predicate::Not(Box::new(Predicate::IsNull(plain))));
                }
                if let Some((id, bound)) = value_column
                    && self.columns.get(id)?.nullable
                    && bound.field.is_some()
                {
                    predicate = predicate.and(Predicate::Not(Box::new(Predicate::IsNull(
                        Scalar::Column(id),
                    ))));
                }
            }
        }
        Ok((
            predicate,
            if require_outer { AliasSet::new() } else { used },
        ))
    }

    /// `a = b`, with a cast where the stored types differ (keys of generic relations).
    pub(super) fn equal(&self, lhs: Scalar, rhs: Scalar) -> Result<Predicate> {
        let (lhs, rhs) = self.comparable(lhs, rhs)?;
        Ok(pairwise_equal(lhs, rhs))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connector {
    And,
    Or,
    Xor,
}

impl Connector {
    fn tag(self) -> &'static str {
        match self {
            Connector::And => "and",
            Connector::Or => "or",
            Connector::Xor => "xor",
        }
    }
}

/// A condition without leaves.
fn is_empty(condition: &Q) -> bool {
    match condition {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => parts.iter().all(is_empty),
        Q::Not(inner) => is_empty(inner),
        Q::Lookup { .. } | Q::Expr(_) => false,
    }
}

/// All of them.
pub(super) fn conjunction(mut parts: Vec<Predicate>) -> Predicate {
    if let [single] = parts.as_slice()
        && !matches!(single, Predicate::And(_))
    {
        return parts.pop().unwrap_or(Predicate::TRUE);
    }
    let mut all: Vec<Predicate> = Vec::with_capacity(parts.len());
    for part in parts {
        match part {
            Predicate::Const(Some(true)) => {}
            Predicate::And(inner) => all.extend(inner),
            other => all.push(other),
        }
    }
    match all.len() {
        0 => Predicate::TRUE,
        1 => all.pop().unwrap_or(Predicate::TRUE),
        _ => Predicate::And(all),
    }
}

/// A boolean value as a condition.
pub(super) fn truth_of(scalar: Scalar) -> Predicate {
    match scalar {
        Scalar::Predicate(predicate) => *predicate,
        Scalar::Literal(literal) => Predicate::Const(match literal.value {
            bson::Bson::Boolean(b) => Some(b),
            bson::Bson::Null => None,
            _ => Some(true),
        }),
        other => Predicate::Bool(other),
    }
}

/// Equality, of composite keys part by part.
pub(super) fn pairwise_equal(lhs: Scalar, rhs: Scalar) -> Predicate {
    match (lhs, rhs) {
        (Scalar::List(a), Scalar::List(b)) => conjunction(
            a.into_iter()
                .zip(b)
                .map(|(lhs, rhs)| Predicate::Compare {
                    op: CompareOp::Eq,
                    lhs,
                    rhs,
                })
                .collect(),
        ),
        (lhs, rhs) => Predicate::Compare {
            op: CompareOp::Eq,
            lhs,
            rhs,
        },
    }
}

/// A value that lookups compare.
impl Bound {
    /// Of an expression.
    pub(super) fn of(scalar: Scalar, ty: std::sync::Arc<FieldType>) -> Self {
        Bound {
            scalar,
            ty,
            relation: None,
            field: None,
        }
    }
}
