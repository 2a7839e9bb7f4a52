//! Aggregates that need constant memory: `django.db.models.aggregates`, PostgreSQL's boolean and statistical ones.
//!
//! NULLs are left out. An aggregate of no value is NULL, a count of none is 0.

use super::build::{Class, all, class, convert, int, only_if, two};
use super::typing::{infer, is_integer, plain};
use super::{
    AggregateRules, Arity, Call, Context, Function, Grouped, LoweredAggregate, LoweredArg, Names,
    Output,
};
use crate::error::{Code, Error, Result};
use crate::mql::{Accumulator, Args, Expr};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType};
use crate::target::Target;
use std::sync::Arc;

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let plain_rules = AggregateRules::default();
    let distinct = AggregateRules {
        distinct: true,
        ..plain_rules
    };
    let count_rules = AggregateRules {
        distinct: true,
        zero: true,
        ..plain_rules
    };
    let float = Output::Kind(FieldKind::FloatField);
    let boolean = Output::Kind(FieldKind::BooleanField);
    let mut rows = vec![
        Function::aggregate(
            "Count",
            1,
            Output::Kind(FieldKind::IntegerField),
            count_rules,
            count,
        ),
        Function::aggregate("Sum", 1, Output::Same, distinct, sum),
        Function::aggregate("Avg", 1, Output::Numeric, distinct, avg),
        Function::aggregate("Min", 1, Output::Same, plain_rules, |c, n, _| {
            extreme(c, n, "$min")
        }),
        Function::aggregate("Max", 1, Output::Same, plain_rules, |c, n, _| {
            extreme(c, n, "$max")
        }),
        Function::aggregate("AnyValue", 1, Output::First, plain_rules, |c, n, _| {
            extreme(c, n, "$min")
        }),
        Function::aggregate("BoolAnd", 1, boolean, plain_rules, |c, n, _| {
            extreme(c, n, "$min")
        }),
        Function::aggregate("BoolOr", 1, boolean, plain_rules, |c, n, _| {
            extreme(c, n, "$max")
        }),
        Function::aggregate("StdDev", 1, Output::Numeric, plain_rules, |c, n, _| {
            deviation(c, n, false)
        })
        .options(&["sample"]),
        Function::aggregate("Variance", 1, Output::Numeric, plain_rules, |c, n, _| {
            deviation(c, n, true)
        })
        .options(&["sample"]),
    ];
    for name in [
        "Corr",
        "CovarPop",
        "RegrAvgX",
        "RegrAvgY",
        "RegrIntercept",
        "RegrR2",
        "RegrSlope",
        "RegrSXX",
        "RegrSXY",
        "RegrSYY",
    ] {
        rows.push(
            Function::aggregate(name, 2, float, plain_rules, regression)
                .arity(Arity::exactly(2))
                .options(&["sample"])
                .check(both_given),
        );
    }
    rows.push(
        Function::aggregate(
            "RegrCount",
            2,
            Output::Kind(FieldKind::IntegerField),
            AggregateRules {
                zero: true,
                ..plain_rules
            },
            regression,
        )
        .check(both_given),
    );
    rows
}

/// An accumulator with one argument.
pub(super) fn accumulate(op: &'static str, arg: Expr) -> Accumulator {
    Accumulator {
        op,
        args: Args::One(Box::new(arg)),
    }
}

/// `$$REMOVE`: accumulators leave missing values out.
pub(super) fn nothing() -> Expr {
    Expr::var("REMOVE")
}

/// The argument for the rows that count; NULL for others, which numeric accumulators and extremes pass over.
fn filtered(call: &LoweredAggregate<'_>, x: Expr) -> Expr {
    match &call.filter {
        Some(filter) => only_if(filter.clone(), x),
        None => x,
    }
}

/// The test that a row counts and its value is there, if one is needed.
pub(super) fn counts(call: &LoweredAggregate<'_>, args: &[&LoweredArg]) -> Option<Expr> {
    let mut tests: Vec<Expr> = call.filter.iter().cloned().collect();
    if call.always_there {
        return all(tests);
    }
    tests.extend(args.iter().filter_map(|a| a.test(&a.expr)));
    all(tests)
}

/// The distinct values, without NULL, as a set.
pub(super) fn distinct_set(call: &LoweredAggregate<'_>, arg: &LoweredArg) -> Accumulator {
    let value = match counts(call, &[arg]) {
        Some(test) => Expr::cond(test, arg.expr.clone(), nothing()),
        None => arg.expr.clone(),
    };
    accumulate("$addToSet", value)
}

fn field(name: &str) -> Expr {
    Expr::field([name])
}

fn count(call: &LoweredAggregate<'_>, names: &mut Names<'_>, _target: &Target) -> Result<Grouped> {
    let name = names();
    let Some(arg) = call.args.first() else {
        let one = match &call.filter {
            Some(filter) => Expr::cond(filter.clone(), int(1), int(0)),
            None => int(1),
        };
        return Ok(Grouped::plain(name, accumulate("$sum", one)));
    };
    if call.distinct {
        let value = Expr::one("$size", field(&name));
        return Ok(Grouped {
            fields: vec![(name, distinct_set(call, arg))],
            value,
        });
    }
    let one = match counts(call, &[arg]) {
        Some(test) => Expr::cond(test, int(1), int(0)),
        None => int(1),
    };
    Ok(Grouped::plain(name, accumulate("$sum", one)))
}

/// The value with the type's own number class.
fn fit(value: Expr, from: Class, ty: &FieldType) -> Expr {
    match (class(ty), from) {
        (Class::Duration, _) => Expr::one("$toLong", Expr::one("$round", value)),
        (Class::Decimal, Class::Integer | Class::Double | Class::Bool) => {
            Expr::one("$toDecimal", value)
        }
        _ => value,
    }
}

fn sum(call: &LoweredAggregate<'_>, names: &mut Names<'_>, _target: &Target) -> Result<Grouped> {
    let arg = &call.arg(0)?.number();
    let name = names();
    let from = class(&arg.ty);
    let decimal = class(call.ty) == Class::Decimal && from != Class::Decimal;
    let done = |value: Expr| {
        if decimal {
            Expr::one("$toDecimal", value)
        } else {
            value
        }
    };
    if call.distinct {
        let set = field(&name);
        let value = only_if(
            two("$ne", Expr::one("$size", set.clone()), int(0)),
            done(Expr::one("$sum", set)),
        );
        return Ok(Grouped {
            fields: vec![(name, distinct_set(call, arg))],
            value,
        });
    }
    let total = accumulate("$sum", filtered(call, arg.expr.clone()));
    let test = counts(call, &[arg]);
    let number_of = match (call.args.get(1), test) {
        _ if call.never_null => None,
        // the numbers of values of the parts
        (Some(numbers), _) => Some(numbers.expr.clone()),
        (None, Some(test)) => Some(Expr::cond(test, int(1), int(0))),
        (None, None) if call.always_there => Some(int(1)),
        // every group has a row, every row a value
        (None, None) => None,
    };
    let Some(number_of) = number_of else {
        let value = done(field(&name));
        return Ok(Grouped {
            fields: vec![(name, total)],
            value,
        });
    };
    // the sum of nothing is 0 to the server and NULL to SQL
    let number = names();
    let value = only_if(two("$ne", field(&number), int(0)), done(field(&name)));
    let number_of = accumulate("$sum", number_of);
    Ok(Grouped {
        fields: vec![(name, total), (number, number_of)],
        value,
    })
}

fn avg(call: &LoweredAggregate<'_>, names: &mut Names<'_>, _target: &Target) -> Result<Grouped> {
    let arg = &call.arg(0)?.number();
    let name = names();
    let from = class(&arg.ty);
    if let Some(numbers) = call.args.get(1) {
        // the sums of the parts by the numbers of their values
        let number = names();
        let mean = fit(two("$divide", field(&name), field(&number)), from, call.ty);
        let value = if call.never_null {
            mean
        } else {
            only_if(two("$ne", field(&number), int(0)), mean)
        };
        let fields = vec![
            (name, accumulate("$sum", arg.expr.clone())),
            (number, accumulate("$sum", numbers.expr.clone())),
        ];
        return Ok(Grouped { fields, value });
    }
    let (accumulator, value) = if call.distinct {
        (distinct_set(call, arg), Expr::one("$avg", field(&name)))
    } else {
        (
            accumulate("$avg", filtered(call, arg.expr.clone())),
            field(&name),
        )
    };
    Ok(Grouped {
        fields: vec![(name, accumulator)],
        value: fit(value, from, call.ty),
    })
}

fn extreme(
    call: &LoweredAggregate<'_>,
    names: &mut Names<'_>,
    op: &'static str,
) -> Result<Grouped> {
    let arg = call.arg(0)?;
    Ok(Grouped::plain(
        names(),
        accumulate(op, filtered(call, arg.expr.clone())),
    ))
}

fn is_sample(call: &LoweredAggregate<'_>) -> bool {
    matches!(call.options.get("sample"), Some(Value::Bool(true)))
}

fn deviation(call: &LoweredAggregate<'_>, names: &mut Names<'_>, squared: bool) -> Result<Grouped> {
    let arg = &call.arg(0)?.number();
    let op = if is_sample(call) {
        "$stdDevSamp"
    } else {
        "$stdDevPop"
    };
    let name = names();
    let mut value = field(&name);
    if squared {
        value = two("$pow", value, int(2));
    }
    // deviations are doubles, of decimals too
    if class(call.ty) == Class::Decimal {
        value = Expr::one("$toDecimal", value);
    }
    Ok(Grouped {
        fields: vec![(name, accumulate(op, filtered(call, arg.expr.clone())))],
        value,
    })
}

fn both_given(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    let missing = |arg: &super::Arg| matches!(arg.as_literal(), Some(bson::Bson::Null));
    if call.args.len() < 2 || call.args.iter().any(missing) {
        return Err(Error::new(
            Code::ValueError,
            "Both y and x must be provided.",
        ));
    }
    Ok(())
}

/// PostgreSQL's regression functions of (y, x), from the sums that they are defined by.
fn regression(
    call: &LoweredAggregate<'_>,
    names: &mut Names<'_>,
    _target: &Target,
) -> Result<Grouped> {
    let (y, x) = (call.arg(0)?.number(), call.arg(1)?.number());
    let both = Expr::list(
        "$and",
        call.filter.iter().cloned().chain([
            y.expr.clone().is_not_nullish(),
            x.expr.clone().is_not_nullish(),
        ]),
    );
    let (y, x) = (y.expr, x.expr);
    let mut fields = Vec::new();
    let mut total = |value: Expr| {
        let name = names();
        fields.push((
            name.clone(),
            accumulate("$sum", Expr::cond(both.clone(), value, int(0))),
        ));
        Expr::one("$toDouble", Expr::field([name]))
    };
    let n = total(int(1));
    if call.function == "RegrCount" {
        let value = match fields.first() {
            Some((name, _)) => field(name),
            None => Expr::null(),
        };
        return Ok(Grouped { fields, value });
    }
    let (sx, sy) = (total(x.clone()), total(y.clone()));
    let sxx = total(two("$multiply", x.clone(), x.clone()));
    let syy = total(two("$multiply", y.clone(), y.clone()));
    let sxy = total(two("$multiply", x, y));
    let div = |a: Expr, b: Expr| two("$divide", a, b);
    let mul = |a: Expr, b: Expr| two("$multiply", a, b);
    let sub = |a: Expr, b: Expr| two("$subtract", a, b);
    // sums of squares around the means
    let dev = |sab: &Expr, sa: &Expr, sb: &Expr| {
        sub(sab.clone(), div(mul(sa.clone(), sb.clone()), n.clone()))
    };
    let (dxx, dyy, dxy) = (
        dev(&sxx, &sx, &sx),
        dev(&syy, &sy, &sy),
        dev(&sxy, &sx, &sy),
    );
    let unless_zero =
        |test: Expr, value: Expr| Expr::cond(two("$lte", test, int(0)), Expr::null(), value);
    let slope = || div(dxy.clone(), dxx.clone());
    let value = match call.function {
        "RegrAvgX" => div(sx, n.clone()),
        "RegrAvgY" => div(sy, n.clone()),
        "RegrSXX" => dxx,
        "RegrSYY" => dyy,
        "RegrSXY" => dxy,
        "RegrSlope" => unless_zero(dxx.clone(), slope()),
        "RegrIntercept" => unless_zero(dxx.clone(), div(sub(sy, mul(slope(), sx)), n.clone())),
        "RegrR2" => unless_zero(
            dxx.clone(),
            Expr::cond(
                two("$lte", dyy.clone(), int(0)),
                Expr::lit(1.0),
                div(mul(dxy.clone(), dxy.clone()), mul(dxx.clone(), dyy.clone())),
            ),
        ),
        "CovarPop" if is_sample(call) => unless_zero(
            sub(n.clone(), int(1)),
            div(dxy.clone(), sub(n.clone(), int(1))),
        ),
        "CovarPop" => div(dxy, n.clone()),
        // Corr
        _ => unless_zero(
            mul(dxx.clone(), dyy.clone()),
            div(
                dxy.clone(),
                Expr::one("$sqrt", mul(dxx.clone(), dyy.clone())),
            ),
        ),
    };
    Ok(Grouped {
        fields,
        value: Expr::cond(two("$eq", n, int(0)), Expr::null(), value),
    })
}

/// Integers only, for the bit aggregates.
pub(super) fn integer_type(call: &Call, _cx: &Context<'_>) -> Result<Option<Arc<FieldType>>> {
    let ty = infer(&[call.args.first().and_then(|a| a.ty.clone())])?;
    Ok(ty.map(|ty| {
        if is_integer(ty.kind) {
            ty
        } else {
            plain(FieldKind::IntegerField)
        }
    }))
}

/// A value as a whole number, NULL where it is none.
pub(super) fn whole_number(arg: &LoweredArg) -> LoweredArg {
    if class(&arg.ty) == Class::Integer {
        return arg.clone();
    }
    LoweredArg {
        expr: convert(arg.expr.clone(), "long"),
        ty: plain(FieldKind::IntegerField),
        nullable: true,
        literal: None,
    }
}
