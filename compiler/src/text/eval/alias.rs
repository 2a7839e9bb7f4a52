//! What Django reads off expressions without their models: default names, classes, aggregates inside.

use indexmap::IndexMap;

use super::queryset::Rows;
use super::value::type_error;
use crate::error::Result;
use crate::queryset::{Expr, Q};

/// Django's name of an expression without one.
pub(super) enum Alias {
    Name(String),
    /// It is too complex to have one: `TypeError`.
    Complex,
    /// Its class knows none: `AttributeError`.
    Unknown,
}

/// `default_alias` (Django: `Aggregate.default_alias`; others have none).
pub(super) fn default_alias(expr: &Expr) -> Alias {
    let Expr::Aggregate(aggregate) = expr else {
        return Alias::Unknown;
    };
    // PostgreSQL's own aggregates have no name.
    let named = matches!(
        aggregate.name.as_str(),
        "Count" | "Sum" | "Avg" | "Min" | "Max" | "StdDev" | "Variance" | "AnyValue"
    );
    match aggregate.args.as_slice() {
        [Expr::F(path)] | [Expr::OuterRef(crate::queryset::OuterRef { path, .. })]
            if aggregate.filter.is_none() =>
        {
            if named {
                Alias::Name(format!("{path}__{}", aggregate.name.to_lowercase()))
            } else {
                Alias::Unknown
            }
        }
        _ => Alias::Complex,
    }
}

/// The name of a positional expression in `values_list()`.
pub(super) fn positional_name(expr: &Expr, taken: &[String], counter: &mut u32) -> Result<String> {
    let prefix = match default_alias(expr) {
        Alias::Name(name) => name,
        Alias::Complex => return Err(type_error("Complex expressions require an alias")),
        Alias::Unknown => class_name(expr).to_lowercase(),
    };
    Ok(numbered(&prefix, taken, counter))
}

pub(super) fn numbered(prefix: &str, taken: &[String], counter: &mut u32) -> String {
    loop {
        let name = format!("{prefix}{counter}");
        if !taken.contains(&name) {
            return name;
        }
        *counter = counter.saturating_add(1);
    }
}

/// The class of an expression in Django.
pub(super) fn class_name(expr: &Expr) -> &str {
    match expr {
        Expr::Value(_) | Expr::Typed { .. } => "Value",
        Expr::F(_) => "F",
        Expr::Not(_) => "NegatedExpression",
        Expr::Slice { .. } => "Sliced",
        Expr::OuterRef(_) => "OuterRef",
        Expr::Combined { .. } | Expr::Neg(_) => "CombinedExpression",
        Expr::Func(func) => &func.name,
        Expr::Aggregate(aggregate) => &aggregate.name,
        Expr::Window(_) => "Window",
        Expr::Case(_) => "Case",
        Expr::Q(_) => "Q",
        Expr::Wrap { .. } => "ExpressionWrapper",
        Expr::Compare { lookup, .. } => lookup,
        Expr::Transform { text: true, .. } => "KeyTextTransform",
        Expr::Transform { .. } => "KeyTransform",
        Expr::Subquery(_) => "Subquery",
        Expr::ArraySubquery(_) => "ArraySubquery",
        Expr::Exists(_) => "Exists",
        _ => "expression",
    }
}

/// Notes which annotations hold aggregates: they group the queryset.
pub(super) fn note_aggregates(rows: &mut Rows, exprs: &IndexMap<String, Expr>) {
    for (name, expr) in exprs {
        if has_aggregate(expr, &rows.facts.aggregates) {
            rows.facts.grouped = true;
            if !rows.facts.aggregates.contains(name) {
                rows.facts.aggregates.push(name.clone());
            }
        }
    }
}

/// Whether an expression holds an aggregate, or names an annotation that does.
pub(super) fn has_aggregate(expr: &Expr, known: &[String]) -> bool {
    let holds = |e: &Expr| has_aggregate(e, known);
    match expr {
        Expr::Aggregate(_) => true,
        Expr::F(name) => known.contains(name),
        Expr::List(items) => items.iter().any(holds),
        Expr::Not(e) | Expr::Neg(e) => holds(e),
        Expr::Slice { expr, .. } | Expr::Wrap { expr, .. } | Expr::Transform { expr, .. } => {
            holds(expr)
        }
        Expr::Combined { lhs, rhs, .. } | Expr::Compare { lhs, rhs, .. } => {
            holds(lhs) || holds(rhs)
        }
        Expr::Func(func) => func.args.iter().any(holds),
        Expr::Case(case) => {
            case.when
                .iter()
                .any(|w| holds(&w.then) || q_has_aggregate(&w.condition, known))
                || case.default.as_deref().is_some_and(holds)
        }
        Expr::Q(q) => q_has_aggregate(q, known),
        _ => false,
    }
}

pub(super) fn q_has_aggregate(q: &Q, known: &[String]) -> bool {
    match q {
        Q::And(parts) | Q::Or(parts) | Q::Xor(parts) => {
            parts.iter().any(|p| q_has_aggregate(p, known))
        }
        Q::Not(part) => q_has_aggregate(part, known),
        Q::Lookup { path, rhs } => {
            known.iter().any(|k| {
                path.strip_prefix(k.as_str())
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with("__"))
            }) || has_aggregate(rhs, known)
        }
        Q::Expr(expr) => has_aggregate(expr, known),
    }
}
