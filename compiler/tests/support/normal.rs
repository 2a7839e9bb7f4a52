//! A normal form of statements: the shapes that mean the same to Django, and that texts do not tell apart, become one.

#![allow(dead_code)] // not every test file uses all of it

use indexmap::IndexMap;
use mqlc_compiler::queryset::*;
use mqlc_compiler::schema::{FieldKind, FieldType};

/// The normal form of a statement.
pub fn statement(statement: Statement) -> Statement {
    let Statement {
        model,
        calls,
        action,
    } = statement;
    let action = match action {
        Do::Aggregate(exprs) => Do::Aggregate(named(exprs)),
        Do::Update(exprs) => Do::Update(named(exprs)),
        Do::GetOrCreate { filter, defaults } => Do::GetOrCreate {
            filter: Box::new(all(q(*filter))),
            defaults,
        },
        Do::UpdateOrCreate {
            filter,
            defaults,
            create_defaults,
        } => Do::UpdateOrCreate {
            filter: Box::new(all(q(*filter))),
            defaults,
            create_defaults,
        },
        action => action,
    };
    Statement {
        model,
        calls: calls.into_iter().filter_map(call).collect(),
        action,
    }
}

fn queryset(queryset: Queryset) -> Queryset {
    Queryset {
        model: queryset.model,
        calls: queryset.calls.into_iter().filter_map(call).collect(),
    }
}

fn named(exprs: IndexMap<String, Expr>) -> IndexMap<String, Expr> {
    exprs.into_iter().map(|(name, e)| (name, expr(e))).collect()
}

/// `None` for calls that change nothing, which Django does not keep.
fn call(call: Call) -> Option<Call> {
    Some(match call {
        Call::Filter(condition) => Call::Filter(nonempty(condition)?),
        Call::StickyFilter(condition) => Call::StickyFilter(nonempty(condition)?),
        Call::Exclude(condition) => Call::Exclude(nonempty(condition)?),
        Call::Annotate(exprs) if exprs.is_empty() => return None,
        Call::Alias(exprs) if exprs.is_empty() => return None,
        Call::Annotate(exprs) => Call::Annotate(named(exprs)),
        Call::Alias(exprs) => Call::Alias(named(exprs)),
        Call::Values(fields) => Call::Values(selection(fields)),
        Call::ValuesList {
            fields,
            flat,
            named,
        } => Call::ValuesList {
            fields: selection(fields),
            flat,
            named,
        },
        Call::OrderBy(terms) => Call::OrderBy(
            terms
                .into_iter()
                .map(|term| match term {
                    OrderTerm::Expr(o) => OrderTerm::Expr(order(o)),
                    term => term,
                })
                .collect(),
        ),
        Call::PrefetchRelated(lookups) => Call::PrefetchRelated(lookups.map(|lookups| {
            lookups
                .into_iter()
                .map(|lookup| Prefetch {
                    queryset: lookup.queryset.map(queryset),
                    ..lookup
                })
                .collect()
        })),
        Call::Union { all, others } => Call::Union {
            all,
            others: others.into_iter().map(queryset).collect(),
        },
        Call::Intersection(others) => {
            Call::Intersection(others.into_iter().map(queryset).collect())
        }
        Call::Difference(others) => Call::Difference(others.into_iter().map(queryset).collect()),
        Call::Combine { op, other } => Call::Combine {
            op,
            other: Box::new(queryset(*other)),
        },
        Call::Slice {
            start: None,
            stop: None,
        } => return None,
        call => call,
    })
}

/// `values()` has its expressions after its fields, in any case.
fn selection(selected: ValuesFields) -> ValuesFields {
    let ValuesFields { mut fields, exprs } = selected;
    if !fields
        .last()
        .is_some_and(|name| name.ends_with(|c: char| c.is_ascii_digit()))
    {
        while fields.last().is_some_and(|name| exprs.contains_key(name)) {
            fields.pop();
        }
    }
    ValuesFields {
        fields,
        exprs: named(exprs),
    }
}

fn nonempty(condition: Q) -> Option<Q> {
    let condition = all(q(condition));
    (condition != Q::always()).then_some(condition)
}

/// Conditions of a call always stand under an `and`.
fn all(condition: Q) -> Q {
    match condition {
        Q::And(parts) => Q::And(parts),
        other => Q::And(vec![other]),
    }
}

/// The normal form of a condition: no nesting that means nothing.
pub fn q(condition: Q) -> Q {
    let parts = |parts: Vec<Q>| parts.into_iter().map(q).collect::<Vec<_>>();
    let single = |mut parts: Vec<Q>, make: fn(Vec<Q>) -> Q| {
        if parts.len() == 1 {
            parts.remove(0)
        } else {
            make(parts)
        }
    };
    match condition {
        Q::And(inner) => single(
            parts(inner)
                .into_iter()
                .flat_map(|p| if let Q::And(p) = p { p } else { vec![p] })
                .collect(),
            Q::And,
        ),
        Q::Or(inner) => single(
            parts(inner)
                .into_iter()
                .flat_map(|p| match p {
                    Q::Or(p) if !p.is_empty() => p,
                    p => vec![p],
                })
                .collect(),
            Q::Or,
        ),
        Q::Xor(inner) => single(
            parts(inner)
                .into_iter()
                .flat_map(|p| match p {
                    Q::Xor(p) if !p.is_empty() => p,
                    p => vec![p],
                })
                .collect(),
            Q::Xor,
        ),
        Q::Not(inner) => Q::Not(Box::new(q(*inner))),
        Q::Lookup { path, rhs } => Q::Lookup {
            path,
            rhs: right_side(rhs),
        },
        Q::Expr(inner) => match expr(inner) {
            Expr::Q(inner) => *inner,
            inner => Q::Expr(inner),
        },
    }
}

/// Only here explicit subqueries differ from querysets.
fn right_side(rhs: Expr) -> Expr {
    match rhs {
        Expr::Subquery(inner) => Expr::Subquery(SubqueryExpr {
            queryset: Box::new(queryset(*inner.queryset)),
            explicit: inner.explicit || inner.output.is_some(),
            output: inner.output,
        }),
        Expr::List(items) => Expr::List(items.into_iter().map(right_side).collect()),
        other => expr(other),
    }
}

fn order(order: Order) -> Order {
    Order {
        expr: expr(order.expr),
        ..order
    }
}

#[allow(clippy::boxed_local)] // it stands where boxes are mapped
fn boxed(inner: Box<Expr>) -> Box<Expr> {
    Box::new(expr(*inner))
}

fn exprs(items: Vec<Expr>) -> Vec<Expr> {
    items.into_iter().map(expr).collect()
}

/// The normal form of an expression.
pub fn expr(inner: Expr) -> Expr {
    match inner {
        Expr::Value(Value::JsonNull) => Expr::Typed {
            value: Value::Null,
            output: Box::new(FieldType::new(FieldKind::JSONField)),
        },
        Expr::List(items) => Expr::List(exprs(items)),
        Expr::Not(inner) => match expr(*inner) {
            Expr::Not(inner) => *inner,
            Expr::Q(condition) => Expr::Q(Box::new(Q::Not(condition))),
            inner => Expr::Not(Box::new(inner)),
        },
        // Django has no negation of its own.
        Expr::Neg(inner) => Expr::Combined {
            op: ArithmeticOp::Mul,
            lhs: boxed(inner),
            rhs: Box::new(Expr::Value(Value::Int(-1))),
        },
        Expr::Slice { expr, start, stop } => Expr::Slice {
            expr: boxed(expr),
            start,
            stop,
        },
        Expr::Combined { op, lhs, rhs } => Expr::Combined {
            op,
            lhs: boxed(lhs),
            rhs: boxed(rhs),
        },
        Expr::Func(func) => Expr::Func(Func {
            args: exprs(func.args),
            ..func
        }),
        Expr::Aggregate(aggregate) => Expr::Aggregate(Aggregate {
            args: exprs(aggregate.args),
            filter: aggregate.filter.map(|condition| Box::new(q(*condition))),
            default: aggregate.default.map(boxed),
            order_by: aggregate.order_by.into_iter().map(order).collect(),
            ..aggregate
        }),
        Expr::Window(window) => Expr::Window(Box::new(Window {
            expr: expr(window.expr),
            partition_by: exprs(window.partition_by),
            order_by: window.order_by.into_iter().map(order).collect(),
            frame: window.frame,
            output: window.output,
        })),
        Expr::Case(case) => Expr::Case(Case {
            when: case
                .when
                .into_iter()
                .map(|when| When {
                    condition: q(when.condition),
                    then: expr(when.then),
                })
                .collect(),
            default: Some(
                case.default
                    .map_or_else(|| Box::new(Expr::Value(Value::Null)), boxed),
            ),
            output: case.output,
        }),
        Expr::Q(condition) => match q(*condition) {
            Q::Expr(inner) => inner,
            condition => Expr::Q(Box::new(condition)),
        },
        Expr::Wrap { expr, output } => Expr::Wrap {
            expr: boxed(expr),
            output,
        },
        Expr::Compare { lookup, lhs, rhs } => Expr::Compare {
            lookup,
            lhs: boxed(lhs),
            rhs: Box::new(right_side(*rhs)),
        },
        Expr::Transform { name, expr, text } => Expr::Transform {
            name,
            expr: boxed(expr),
            text,
        },
        Expr::Subquery(inner) => Expr::Subquery(SubqueryExpr {
            queryset: Box::new(queryset(*inner.queryset)),
            explicit: false,
            output: inner.output,
        }),
        Expr::ArraySubquery(inner) => Expr::ArraySubquery(SubqueryExpr {
            queryset: Box::new(queryset(*inner.queryset)),
            explicit: false,
            output: inner.output,
        }),
        Expr::Exists(inner) => Expr::Exists(Box::new(queryset(*inner))),
        Expr::FilteredRelation {
            relation,
            condition,
        } => Expr::FilteredRelation {
            relation,
            condition: Box::new(all(q(*condition))),
        },
        other => other,
    }
}
