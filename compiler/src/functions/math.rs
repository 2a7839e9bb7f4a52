//! Numbers: `django.db.models.functions.math`.
//!
//! Outside a function's domain (`Ln(0)`, `Sqrt(-1)`, `ACos(2)`) the value is NULL.

use bson::Bson;

use super::arithmetic::{non_zero, power};
use super::build::{Class, bind, class, decimal, int, only_if, two};
use super::{Arg, Arity, Call, Context, Function, LoweredArg, LoweredCall, NullRule, Output};
use crate::error::Result;
use crate::mql::{Args, Expr};
use crate::schema::{FieldKind, FieldType};
use crate::target::Target;

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let same = |name, lower| Function::scalar(name, 1, Output::Same, NullRule::Strict, lower);
    let numeric = |name, lower| Function::scalar(name, 1, Output::Numeric, NullRule::Strict, lower);
    let partial =
        |name, lower| Function::scalar(name, 1, Output::Numeric, NullRule::Partial, lower);
    vec![
        same("Abs", |c, _| simple(c, "$abs")).transform("abs", &[]),
        same("Ceil", |c, _| simple(c, "$ceil")).transform("ceil", &[]),
        same("Floor", |c, _| simple(c, "$floor")).transform("floor", &[]),
        same("Sign", sign).transform("sign", &[]),
        numeric("ATan", |c, _| simple(c, "$atan")).transform("atan", &[]),
        partial("Cos", |c, _| finite(c, "$cos")).transform("cos", &[]),
        partial("Sin", |c, _| finite(c, "$sin")).transform("sin", &[]),
        partial("Tan", |c, _| finite(c, "$tan")).transform("tan", &[]),
        partial("Cot", cot).transform("cot", &[]),
        numeric("Degrees", |c, _| simple(c, "$radiansToDegrees")).transform("degrees", &[]),
        numeric("Radians", |c, _| simple(c, "$degreesToRadians")).transform("radians", &[]),
        numeric("Exp", |c, _| simple(c, "$exp")).transform("exp", &[]),
        partial("ACos", |c, _| unit_interval(c, "$acos")).transform("acos", &[]),
        partial("ASin", |c, _| unit_interval(c, "$asin")).transform("asin", &[]),
        partial("Ln", ln).transform("ln", &[]),
        partial("Sqrt", sqrt).transform("sqrt", &[]),
        Function::scalar("ATan2", 2, Output::Numeric, NullRule::Strict, |c, _| {
            let (y, x) = (c.arg(0)?.number(), c.arg(1)?.number());
            Ok(fit(two("$atan2", y.expr, x.expr), c))
        }),
        Function::scalar("Log", 2, Output::Numeric, NullRule::Partial, log),
        Function::scalar("Mod", 2, Output::Numeric, NullRule::Partial, |c, _| {
            let (a, b) = (c.arg(0)?.number(), c.arg(1)?.number());
            Ok(fit(non_zero(&b, |b| two("$mod", a.expr, b)), c))
        }),
        Function::scalar("Power", 2, Output::Numeric, NullRule::Partial, |c, _| {
            Ok(fit(power(&c.arg(0)?.number(), &c.arg(1)?.number()), c))
        }),
        Function::scalar("Pi", 0, Output::Numeric, NullRule::Never, |_, _| {
            Ok(Expr::lit(std::f64::consts::PI))
        })
        .fold(|_, _, _| Some(Bson::Double(std::f64::consts::PI))),
        Function::scalar("Random", 0, Output::Numeric, NullRule::Never, |_, _| {
            Ok(Expr::Op("$rand", Args::Named(Vec::new())))
        }),
        Function::scalar("Round", 2, Output::First, NullRule::Strict, round)
            .arity(Arity::between(1, 2))
            .check(default_precision)
            .transform("round", &[]),
    ]
}

/// The result as a decimal, where that is its type and no argument made it one.
fn fit(expr: Expr, call: &LoweredCall<'_>) -> Expr {
    let any_decimal = call.args.iter().any(|a| class(&a.ty) == Class::Decimal);
    if class(call.ty) == Class::Decimal && !any_decimal {
        Expr::one("$toDecimal", expr)
    } else {
        expr
    }
}

fn simple(call: &LoweredCall<'_>, op: &'static str) -> Result<Expr> {
    Ok(fit(Expr::one(op, call.arg(0)?.number().expr), call))
}

/// Operators that refuse infinities.
fn finite(call: &LoweredCall<'_>, op: &'static str) -> Result<Expr> {
    let arg = call.arg(0)?.number();
    if class(&arg.ty) != Class::Double || arg.literal.is_some() {
        return Ok(fit(Expr::one(op, arg.expr), call));
    }
    let body = bind("number", arg.expr, |x| {
        only_if(
            two(
                "$lt",
                Expr::one("$abs", x.clone()),
                Expr::lit(f64::INFINITY),
            ),
            Expr::one(op, x),
        )
    });
    Ok(fit(body, call))
}

fn cot(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let tangent = finite(call, "$tan")?;
    Ok(bind("tangent", tangent, |t| {
        Expr::cond(
            two("$eq", t.clone(), int(0)),
            Expr::null(),
            two("$divide", int(1), t),
        )
    }))
}

fn sign(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let arg = call.arg(0)?.number();
    Ok(arg.unless_null(|x| {
        let sign = two("$cmp", x, int(0));
        match class(call.ty) {
            Class::Decimal => Expr::one("$toDecimal", sign),
            Class::Double => Expr::one("$toDouble", sign),
            _ => sign,
        }
    }))
}

fn unit_interval(call: &LoweredCall<'_>, op: &'static str) -> Result<Expr> {
    let arg = call.arg(0)?.number();
    let body = bind("number", arg.expr, |x| {
        let inside = Expr::list(
            "$and",
            [
                two("$gte", x.clone(), int(-1)),
                two("$lte", x.clone(), int(1)),
            ],
        );
        only_if(inside, Expr::one(op, x))
    });
    Ok(fit(body, call))
}

fn ln(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let arg = call.arg(0)?.number();
    let body = bind("number", arg.expr, |x| {
        only_if(two("$gt", x.clone(), int(0)), Expr::one("$ln", x))
    });
    Ok(fit(body, call))
}

fn sqrt(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let arg = call.arg(0)?.number();
    let body = bind("number", arg.expr, |x| {
        only_if(two("$gte", x.clone(), int(0)), Expr::one("$sqrt", x))
    });
    Ok(fit(body, call))
}

/// `Log(base, x)`; MongoDB takes them the other way round.
fn log(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let (base, x) = (call.arg(0)?.number(), call.arg(1)?.number());
    // comparisons with NULL are false here, so that NULL needs no test of its own
    let known = base.literal.is_some();
    if known && (!base.literal.as_ref().is_some_and(is_positive) || base.as_int() == Some(1)) {
        return Ok(Expr::null());
    }
    let body = bind("number", x.expr, |x| {
        bind("base", base.expr, |base| {
            let positive = two("$gt", x.clone(), int(0));
            let test = if known {
                positive
            } else {
                let at_base = two("$gt", base.clone(), int(0));
                Expr::list(
                    "$and",
                    [positive, at_base, two("$ne", base.clone(), int(1))],
                )
            };
            only_if(test, two("$log", x, base))
        })
    });
    Ok(fit(body, call))
}

fn is_positive(value: &Bson) -> bool {
    match value {
        Bson::Int32(n) => *n > 0,
        Bson::Int64(n) => *n > 0,
        Bson::Double(n) => *n > 0.0 && (*n - 1.0).abs() > 0.0,
        Bson::Decimal128(_) => {
            !super::arithmetic::is_zero(value) && !value.to_string().starts_with('-')
        }
        _ => false,
    }
}

fn default_precision(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    if call.args.len() == 1 {
        call.args.push(Arg::literal(0_i64, FieldKind::IntegerField));
    }
    Ok(())
}

fn round(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    Ok(round_half_away(&call.arg(0)?.number(), call.arg(1)?))
}

/// Rounds halves away from zero, as SQL's `numeric` does; MongoDB's own `$round` rounds them to even.
pub(super) fn round_half_away(number: &LoweredArg, places: &LoweredArg) -> Expr {
    if matches!(places.literal, Some(Bson::Null)) {
        return Expr::null();
    }
    let places_literal = places.as_int();
    let integer = class(&number.ty) == Class::Integer;
    let body = |x: Expr| -> Expr {
        match places_literal {
            // `$trunc` takes -20 to 100 places
            Some(n) if n > 100 || (integer && n >= 0) => x,
            Some(n) if n < -20 => two("$multiply", x, int(0)),
            Some(n) => {
                let half = half_unit(n);
                let minus = format!("-{half}");
                let part = |text: &str| {
                    decimal(text).map_or_else(Expr::null, |d| Expr::lit(Bson::Decimal128(d)))
                };
                let half = Expr::cond(two("$lt", x.clone(), int(0)), part(&minus), part(&half));
                let n = i32::try_from(n).unwrap_or(0);
                Expr::list("$trunc", [two("$add", x, half), int(n)])
            }
            None => bind("places", places.expr.clone(), |n| {
                let ten = decimal("10").map_or_else(|| int(10), |d| Expr::lit(Bson::Decimal128(d)));
                let five = two(
                    "$multiply",
                    two("$cmp", x.clone(), int(0)),
                    two(
                        "$divide",
                        two("$pow", ten, two("$multiply", n.clone(), int(-1))),
                        int(2),
                    ),
                );
                let clamped = two("$max", int(-20), two("$min", n.clone(), int(100)));
                only_if(
                    n.is_not_nullish(),
                    two("$trunc", two("$add", x, five), clamped),
                )
            }),
        }
    };
    match class(&number.ty) {
        // exact halves exist in decimals only: 1.005 is a little less as a double
        Class::Double => bind(
            "decimal",
            Expr::one("$toDecimal", number.expr.clone()),
            |x| Expr::one("$toDouble", body(x)),
        ),
        Class::Integer => bind("number", number.expr.clone(), |x| {
            let rounded = body(x.clone());
            if rounded == x {
                x
            } else {
                Expr::one("$toLong", rounded)
            }
        }),
        _ => bind("number", number.expr.clone(), body),
    }
}

/// Half of the last place that is kept, as text: 0.05 for one place, 5 for minus one.
fn half_unit(places: i64) -> String {
    format!("5E{}", -(places + 1))
}

/// A whole number from any number, halves away from zero for decimals.
pub(super) fn to_whole(number: &LoweredArg) -> Expr {
    let zero = LoweredArg::certain(
        int(0),
        std::sync::Arc::new(FieldType::new(FieldKind::IntegerField)),
    );
    match class(&number.ty) {
        Class::Decimal => round_half_away(number, &zero),
        _ => Expr::one("$round", number.expr.clone()),
    }
}
