//! `+ - * / % ^`, bit operators and shifts.
//!
//! Integers divide to integers, towards zero, as in SQL. What SQL databases refuse for some rows (division by zero,
//! roots of negative numbers) is NULL. Dates and datetimes take durations, which are stored as milliseconds; times of
//! day wrap around midnight.

use std::sync::Arc;

use bson::Bson;

use super::build::{Class, DAY_MS, TIME_BASE_MS, bind, class, int, only_if, two, whole};
use super::registry::plain_result;
use super::{Arg, LoweredArg};
use crate::error::{Error, Result};
use crate::mql::Expr;
use crate::queryset::ArithmeticOp;
use crate::schema::{FieldKind, FieldType};
use crate::target::{ServerVersion, Target};

/// The type of `lhs op rhs` by Django's table.
pub(super) fn result_type(op: ArithmeticOp, lhs: &Arg, rhs: &Arg) -> Result<Arc<FieldType>> {
    plain_result(op, lhs, rhs)
}

/// `lhs op rhs` in the aggregation language.
pub(super) fn lower(
    op: ArithmeticOp,
    lhs: &LoweredArg,
    rhs: &LoweredArg,
    ty: &FieldType,
    target: &Target,
) -> Result<Expr> {
    let is_null = |arg: &LoweredArg| matches!(arg.literal, Some(Bson::Null));
    if is_null(lhs) || is_null(rhs) {
        return Ok(Expr::null());
    }
    let classes = (class(&lhs.ty), class(&rhs.ty));
    if let (ArithmeticOp::Add | ArithmeticOp::Sub, Some(sum)) = (op, times(op, lhs, rhs, ty)) {
        return Ok(sum);
    }
    let (a, b) = (lhs.number(), rhs.number());
    let integers = matches!(
        classes,
        (Class::Integer | Class::Bool, Class::Integer | Class::Bool)
    );
    let exact = integers && !(is_big(&lhs.ty) || is_big(&rhs.ty));
    let result = match op {
        ArithmeticOp::Add => two("$add", a.expr, b.expr),
        ArithmeticOp::Sub => two("$subtract", a.expr, b.expr),
        ArithmeticOp::Mul => two("$multiply", a.expr, b.expr),
        ArithmeticOp::Div if integers => non_zero(&b, |b| {
            let dividend = if exact {
                a.expr
            } else {
                // doubles hold 53 bits only
                Expr::one("$toDecimal", a.expr)
            };
            // it cuts towards zero
            Expr::one("$toLong", two("$divide", dividend, b))
        }),
        ArithmeticOp::Div => non_zero(&b, |b| two("$divide", a.expr, b)),
        ArithmeticOp::Mod => non_zero(&b, |b| two("$mod", a.expr, b)),
        ArithmeticOp::Pow => power(&a, &b),
        ArithmeticOp::BitAnd => bits("$bitAnd", "&", a, b, target)?,
        ArithmeticOp::BitOr => bits("$bitOr", "|", a, b, target)?,
        ArithmeticOp::BitXor => bits("$bitXor", "#", a, b, target)?,
        ArithmeticOp::ShiftLeft => two("$multiply", a.expr, power_of_two(&b)),
        ArithmeticOp::ShiftRight => Expr::one(
            "$toLong",
            Expr::one("$floor", two("$divide", a.expr, power_of_two(&b))),
        ),
    };
    Ok(fit(result, classes, ty))
}

/// Integers of 64 bits.
fn is_big(ty: &FieldType) -> bool {
    super::is_subclass(ty.kind, FieldKind::BigIntegerField)
}

/// A duration that was multiplied or divided is whole milliseconds again; numbers become decimals where the user wants them.
fn fit(result: Expr, classes: (Class, Class), ty: &FieldType) -> Expr {
    let wanted = class(ty);
    let has_duration = classes.0 == Class::Duration || classes.1 == Class::Duration;
    let inexact = classes != (Class::Duration, Class::Duration)
        && !matches!(
            classes,
            (Class::Duration, Class::Integer) | (Class::Integer, Class::Duration)
        );
    if wanted == Class::Duration && has_duration && (inexact || is_division(&result)) {
        return Expr::one("$toLong", Expr::one("$round", result));
    }
    let has_decimal = classes.0 == Class::Decimal || classes.1 == Class::Decimal;
    if wanted == Class::Decimal && !has_decimal && !has_duration {
        return Expr::one("$toDecimal", result);
    }
    result
}

fn is_division(expr: &Expr) -> bool {
    match expr {
        Expr::Op("$divide", _) => true,
        Expr::Op("$cond", crate::mql::Args::List(parts)) => {
            parts.iter().any(|p| matches!(p, Expr::Op("$divide", _)))
        }
        _ => false,
    }
}

/// `+` and `-` where a date, a datetime or a time takes part.
fn times(op: ArithmeticOp, lhs: &LoweredArg, rhs: &LoweredArg, ty: &FieldType) -> Option<Expr> {
    let sign = match op {
        ArithmeticOp::Add => "$add",
        _ => "$subtract",
    };
    let (a, b) = (lhs.expr.clone(), rhs.expr.clone());
    match (class(&lhs.ty), class(&rhs.ty)) {
        (Class::Moment, Class::Duration) => Some(two(sign, a, b)),
        (Class::Duration, Class::Moment) if op == ArithmeticOp::Add => Some(two(sign, b, a)),
        (Class::Moment, Class::Moment) | (Class::Time, Class::Time) if op == ArithmeticOp::Sub => {
            Some(two(sign, a, b))
        }
        (Class::Time, Class::Duration) if class(ty) == Class::Time => {
            Some(wrap_time(two(sign, a, b)))
        }
        (Class::Duration, Class::Time) if op == ArithmeticOp::Add => {
            Some(wrap_time(two(sign, b, a)))
        }
        _ => None,
    }
}

/// A time of day that may have left its day, brought back to it.
fn wrap_time(moment: Expr) -> Expr {
    let base = || Expr::Literal(Bson::DateTime(bson::DateTime::from_millis(TIME_BASE_MS)));
    let day = || Expr::lit(whole(DAY_MS));
    let offset = two("$mod", two("$subtract", moment, base()), day());
    two(
        "$add",
        base(),
        two("$mod", two("$add", offset, day()), day()),
    )
}

/// `body` of a divisor; NULL if it is zero.
pub(super) fn non_zero(divisor: &LoweredArg, body: impl FnOnce(Expr) -> Expr) -> Expr {
    if let Some(value) = &divisor.literal {
        return if is_zero(value) {
            Expr::null()
        } else {
            body(divisor.expr.clone())
        };
    }
    bind("divisor", divisor.expr.clone(), |b| {
        Expr::cond(two("$eq", b.clone(), int(0)), Expr::null(), body(b))
    })
}

/// Is a number zero.
pub(super) fn is_zero(value: &Bson) -> bool {
    match value {
        Bson::Int32(n) => *n == 0,
        Bson::Int64(n) => *n == 0,
        Bson::Double(n) => *n == 0.0,
        Bson::Decimal128(n) => {
            let text = n.to_string();
            let digits = text.split(['E', 'e']).next().unwrap_or_default();
            digits.chars().all(|c| matches!(c, '0' | '.' | '-' | '+'))
        }
        _ => false,
    }
}

/// `base ^ exponent`; NULL where it has no real value.
pub(super) fn power(base: &LoweredArg, exponent: &LoweredArg) -> Expr {
    let whole_exponent = class(&exponent.ty) == Class::Integer || exponent.as_int().is_some();
    match exponent.as_int() {
        Some(n) if n >= 0 => return two("$pow", base.expr.clone(), exponent.expr.clone()),
        Some(_) => return non_zero(base, |b| two("$pow", b, exponent.expr.clone())),
        None => {}
    }
    bind("base", base.expr.clone(), |b| {
        bind("exponent", exponent.expr.clone(), |e| {
            let mut refused = vec![Expr::list(
                "$and",
                [two("$eq", b.clone(), int(0)), two("$lt", e.clone(), int(0))],
            )];
            if !whole_exponent {
                refused.push(Expr::list(
                    "$and",
                    [
                        two("$lt", b.clone(), int(0)),
                        two("$ne", e.clone(), Expr::one("$trunc", e.clone())),
                    ],
                ));
            }
            let mut tests = vec![b.clone().is_not_nullish(), e.clone().is_not_nullish()];
            let refused = if refused.len() == 1 {
                refused.pop().unwrap_or_else(Expr::null)
            } else {
                Expr::list("$or", refused)
            };
            tests.push(Expr::list("$not", [refused]));
            only_if(Expr::list("$and", tests), two("$pow", b, e))
        })
    })
}

fn bits(
    op: &'static str,
    sign: &str,
    a: LoweredArg,
    b: LoweredArg,
    target: &Target,
) -> Result<Expr> {
    let since = ServerVersion::new(6, 3);
    if target.version < since {
        return Err(Error::unsupported(
            format!("'{sign}' on MongoDB {}", target.version),
            format!("it needs MongoDB {since}"),
        ));
    }
    Ok(two(op, a.expr, b.expr))
}

/// 2 to the power of a number of bits.
fn power_of_two(bits: &LoweredArg) -> Expr {
    match bits.as_int() {
        Some(n @ 0..=62) => Expr::lit(whole(1_i64 << n)),
        _ => two("$pow", int(2), bits.expr.clone()),
    }
}
