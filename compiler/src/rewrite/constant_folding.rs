//! What is known when compiling becomes a constant.

use std::cmp::Ordering;

use bson::Bson;

use super::walk::Truth;
use super::{Context, Kinds, Rule, literal, walk};
use crate::error::Result;
use crate::plan::{AggregateCall, Columns, Literal, Plan, Predicate, Rel, Scalar};
use crate::queryset::ArithmeticOp;

pub(super) const RULE: Rule = Rule {
    name: "constant_folding",
    does: "Evaluates comparisons of literals, conditions with constants and branches that are decided, in three-valued logic.",
    sound: "only literals of one kind whose order is certain are compared (no NaN, no decimals, no mixed types); arithmetic \
            is checked for overflow; unknown becomes false only where nothing but truth counts.",
    example: (
        "filter a = 1 and (1 = 1 or b = 2) and not null = 3",
        "filter false",
    ),
    needs: [Kinds::CONST.or(Kinds::DECIDED), Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    let mut changed = walk::each_scalar(plan, &mut fold_scalar);
    changed |= walk::each_predicate(plan, &mut fold_predicate);
    changed |= walk::each_rel(plan, &mut drop_true);
    Ok(changed)
}

fn fold_predicate(predicate: &mut Predicate, truth: Truth, _: &Columns) -> bool {
    let mut changed = false;
    if let Some(value) = known(predicate) {
        if !matches!(predicate, Predicate::Const(_)) {
            *predicate = Predicate::Const(value);
            changed = true;
        }
    } else {
        changed = junction(predicate, truth);
    }
    if truth == Truth::True && *predicate == Predicate::Const(None) {
        *predicate = Predicate::FALSE;
        changed = true;
    }
    changed
}

/// The truth of a condition whose parts are known.
fn known(predicate: &Predicate) -> Option<Option<bool>> {
    match predicate {
        Predicate::Const(value) => Some(*value),
        Predicate::Not(inner) => match **inner {
            Predicate::Const(value) => Some(value.map(|v| !v)),
            _ => None,
        },
        Predicate::Compare { op, lhs, rhs } => {
            if literal::is_null(lhs) || literal::is_null(rhs) {
                return Some(None);
            }
            let order = literal::compare(literal::literal(lhs)?, literal::literal(rhs)?)?;
            Some(Some(literal::holds(*op, order)))
        }
        Predicate::IsNull(Scalar::Literal(l)) => Some(Some(l.value == Bson::Null)),
        Predicate::Like { lhs, rhs, .. } if literal::is_null(lhs) || literal::is_null(rhs) => {
            Some(None)
        }
        Predicate::Bool(Scalar::Literal(l)) => match l.value {
            Bson::Boolean(value) => Some(Some(value)),
            Bson::Null => Some(None),
            _ => None,
        },
        Predicate::In { lhs, list } => member(lhs, list),
        Predicate::Xor(list) => {
            let mut odd = false;
            for p in list {
                match p {
                    // What is unknown is not true, and only true ones count.
                    Predicate::Const(value) => odd ^= value == &Some(true),
                    _ => return None,
                }
            }
            Some(Some(odd))
        }
        _ => None,
    }
}

fn member(lhs: &Scalar, list: &[Scalar]) -> Option<Option<bool>> {
    if list.is_empty() {
        return Some(Some(false));
    }
    if literal::is_null(lhs) {
        return Some(None);
    }
    let lhs = literal::literal(lhs)?;
    let mut unknown = false;
    for item in list {
        if literal::is_null(item) {
            unknown = true;
            continue;
        }
        if literal::compare(lhs, literal::literal(item)?)? == Ordering::Equal {
            return Some(Some(true));
        }
    }
    Some((!unknown).then_some(false))
}

/// Leaves out what cannot decide a junction; decides it where one part does.
fn junction(predicate: &mut Predicate, truth: Truth) -> bool {
    let (list, neutral) = match predicate {
        Predicate::And(list) => (list, true),
        Predicate::Or(list) => (list, false),
        _ => return false,
    };
    let before = list.len();
    if list.contains(&Predicate::Const(Some(!neutral))) {
        *predicate = Predicate::Const(Some(!neutral));
        return true;
    }
    list.retain(|p| *p != Predicate::Const(Some(neutral)));
    // Where only truth counts, `unknown or p` is `p`; elsewhere one `unknown` has to stay.
    let mut seen = truth == Truth::True && !neutral;
    list.retain(|p| *p != Predicate::Const(None) || !std::mem::replace(&mut seen, true));
    let changed = list.len() != before;
    if list.len() < 2 {
        *predicate = list.pop().unwrap_or(Predicate::Const(Some(neutral)));
        return true;
    }
    if truth == Truth::True && neutral && list.contains(&Predicate::Const(None)) {
        *predicate = Predicate::FALSE;
        return true;
    }
    changed
}

fn fold_scalar(scalar: &mut Scalar) -> bool {
    match scalar {
        Scalar::Arithmetic { op, lhs, rhs, ty } => {
            let (Scalar::Literal(a), Scalar::Literal(b)) = (&**lhs, &**rhs) else {
                return false;
            };
            let value = match (&a.value, &b.value) {
                (Bson::Int64(a), Bson::Int64(b)) => match op {
                    ArithmeticOp::Add => a.checked_add(*b),
                    ArithmeticOp::Sub => a.checked_sub(*b),
                    ArithmeticOp::Mul => a.checked_mul(*b),
                    _ => None,
                },
                _ => None,
            };
            let Some(value) = value else { return false };
            if !matches!(
                ty.kind.family(),
                crate::schema::StorageFamily::Long | crate::schema::StorageFamily::Int
            ) {
                return false;
            }
            *scalar = Scalar::from(Literal {
                value: Bson::Int64(value),
                ty: ty.clone(),
            });
            true
        }
        Scalar::Case {
            when, otherwise, ..
        } => {
            let before = when.len();
            when.retain(|(c, _)| !matches!(c, Predicate::Const(None | Some(false))));
            let mut changed = when.len() != before;
            if let Some(i) = when.iter().position(|(c, _)| *c == Predicate::TRUE) {
                when.truncate(i + 1);
                if let Some((_, result)) = when.pop() {
                    **otherwise = result;
                }
                changed = true;
            }
            if when.is_empty() {
                let result = std::mem::replace(&mut **otherwise, Scalar::List(Vec::new()));
                *scalar = result;
                return true;
            }
            changed
        }
        _ => false,
    }
}

/// Conditions that are always true say nothing.
fn drop_true(rel: &mut Rel) -> bool {
    let mut changed = false;
    let mut drop = |call: &mut AggregateCall| {
        if call.filter == Some(Predicate::TRUE) {
            call.filter = None;
            changed = true;
        }
    };
    walk::calls_mut(rel, &mut drop);
    match rel {
        Rel::Filter { input, predicate } if *predicate == Predicate::TRUE => {
            *rel = input.take();
            true
        }
        Rel::Join(join) if join.condition == Some(Predicate::TRUE) && !join.on.is_empty() => {
            join.condition = None;
            true
        }
        _ => changed,
    }
}

#[cfg(test)]
mod tests {
    use crate::plan::Predicate;
    use crate::testing::*;

    /// Constants absorb what they decide.
    #[test]
    fn decided_conditions_become_constants() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(
            scan(book),
            and([
                or([eq(value(1), 2), eq(pages, 1)]),
                not(eq(value(1), 2)),
                eq(value("a"), "a"),
            ]),
        );
        b.rows(rel, [pages]).fires(
            "constant_folding",
            "scan Book\nfilter Book.pages#0 = 1\nrows pages: Book.pages#0\n",
        );
    }

    /// Where only truth counts, unknown is false.
    #[test]
    fn unknown_is_false_in_a_filter() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(scan(book), or([eq(pages, null()), lt(pages, 3)]));
        b.rows(rel, [pages]).fires(
            "constant_folding",
            "scan Book\nfilter Book.pages#0 < 3\nrows pages: Book.pages#0\n",
        );
    }

    /// As a value, `unknown or p` is not `p`.
    #[test]
    fn unknown_stays_in_a_value() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let flag = b.computed("flag", bool_type());
        let rel = extend(
            scan(book),
            [(flag, as_value(or([unknown(), lt(pages, 3)])))],
        );
        b.rows(rel, [flag]).stays("constant_folding");
    }

    /// Literals whose order is not certain are left to the server.
    #[test]
    fn uncertain_comparisons_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(
            scan(book),
            and([lt(value(f64::NAN), 1.0), eq(value(1), "1"), eq(pages, 1)]),
        );
        b.rows(rel, [pages]).stays("constant_folding");
    }

    /// An XOR counts what is true: it is never unknown.
    #[test]
    fn unknown_parts_of_an_xor_are_not_counted() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let odd = Predicate::Xor(vec![unknown(), eq(value(1), 2)]);
        let rel = filter(scan(book), and([not(odd), eq(pages, 1)]));
        b.rows(rel, [pages]).fires(
            "constant_folding",
            "scan Book\nfilter Book.pages#0 = 1\nrows pages: Book.pages#0\n",
        );
    }

    /// An overflow is no constant.
    #[test]
    fn overflow_stays() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(scan(book), eq(pages, plus(value(i64::MAX), value(1))));
        b.rows(rel, [pages]).stays("constant_folding");
    }
}
