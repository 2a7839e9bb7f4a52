//! Conditions whose right side can have a value without a row that it reads.

use mqlc::compiler::queryset::{Expr, Q};

use super::statement::MODELS;

/// Whether the right side of a lookup reads a joined path where NULL is no reason for NULL: there `filter()` has fewer rows
/// than the condition is true of, since Django joins INNER what a right side reads.
pub fn among_joined(q: &Q) -> bool {
    match q {
        Q::And(list) | Q::Or(list) | Q::Xor(list) => list.iter().any(among_joined),
        Q::Not(q) => among_joined(q),
        Q::Lookup { rhs, .. } => reads(rhs, false) || inside(rhs),
        Q::Expr(expr) => inside(expr),
    }
}

/// Whether an expression reads a joined path, within a choice.
fn reads(expr: &Expr, choice: bool) -> bool {
    let all = |list: &[Expr], choice: bool| list.iter().any(|e| reads(e, choice));
    match expr {
        Expr::F(path) => choice && is_joined(path),
        Expr::Combined { lhs, rhs, .. } => reads(lhs, choice) || reads(rhs, choice),
        Expr::Neg(of) | Expr::Wrap { expr: of, .. } => reads(of, choice),
        Expr::Func(call) => all(
            &call.args,
            choice
                || matches!(
                    call.name.as_str(),
                    "Coalesce" | "Concat" | "Greatest" | "Least" | "NullIf"
                ),
        ),
        Expr::Case(case) => {
            case.when
                .iter()
                .any(|when| reads_joined(&when.condition) || reads(&when.then, true))
                || case.default.as_ref().is_some_and(|e| reads(e, true))
        }
        // A condition has a value whatever it reads.
        Expr::Q(q) => reads_joined(q),
        Expr::Not(of) => reads(of, true),
        Expr::Compare { lhs, rhs, .. } => reads(lhs, true) || reads(rhs, true),
        _ => false,
    }
}

/// Whether a path leads to another row: over a foreign key to more than the key, or against one.
fn is_joined(path: &str) -> bool {
    let mut parts = path.split("__").peekable();
    while let Some(part) = parts.next() {
        let mut relations = MODELS.iter().flat_map(|m| m.relations);
        if !relations.any(|(name, ..)| *name == part) {
            continue;
        }
        let backwards = matches!(part, "ebook" | "profile");
        let further = parts
            .peek()
            .is_some_and(|next| !matches!(*next, "id" | "pk" | "isnull" | "in"));
        if backwards || further {
            return true;
        }
    }
    false
}

fn reads_joined(q: &Q) -> bool {
    match q {
        Q::And(list) | Q::Or(list) | Q::Xor(list) => list.iter().any(reads_joined),
        Q::Not(q) => reads_joined(q),
        Q::Lookup { path, rhs } => is_joined(path) || reads(rhs, true),
        Q::Expr(expr) => reads(expr, true),
    }
}

/// Whether a condition inside an expression is such.
fn inside(expr: &Expr) -> bool {
    match expr {
        Expr::Q(q) => among_joined(q),
        Expr::Combined { lhs, rhs, .. } | Expr::Compare { lhs, rhs, .. } => {
            inside(lhs) || inside(rhs)
        }
        Expr::Neg(of) | Expr::Not(of) | Expr::Wrap { expr: of, .. } => inside(of),
        Expr::Func(call) => call.args.iter().any(inside),
        Expr::Case(case) => {
            let mut conditions = case.when.iter();
            conditions.any(|when| among_joined(&when.condition) || inside(&when.then))
                || case.default.as_deref().is_some_and(inside)
        }
        _ => false,
    }
}
