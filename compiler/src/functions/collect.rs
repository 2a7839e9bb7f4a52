//! Aggregates that collect values: lists, texts, bits. Their memory grows with the group.

use super::aggregate::{accumulate, counts, distinct_set, integer_type, nothing, whole_number};
use super::build::{int, only_if, two};
use super::{
    AggregateRules, Arg, Arity, Call, Context, Function, Grouped, LoweredAggregate, LoweredArg,
    Names, Output,
};
use crate::error::{Error, Result};
use crate::mql::{Accumulator, Expr};
use crate::queryset::{NullsOrder, Value};
use crate::schema::FieldKind;
use crate::target::{ServerVersion, Target};

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let ordered = AggregateRules {
        distinct: true,
        ordered: true,
        zero: false,
    };
    let plain = AggregateRules::default();
    let json = Output::Kind(FieldKind::JSONField);
    vec![
        Function::aggregate("ArrayAgg", 1, Output::ArrayOfFirst, ordered, array_agg),
        Function::aggregate("JSONBAgg", 1, json, ordered, array_agg),
        Function::aggregate("JSONArrayAgg", 1, json, ordered, array_agg),
        Function::aggregate(
            "StringAgg",
            2,
            Output::Kind(FieldKind::TextField),
            ordered,
            string_agg,
        )
        .arity(Arity::between(1, 2))
        .options(&["delimiter"])
        .check(delimiter),
        Function::aggregate("BitAnd", 1, Output::Rule(integer_type), plain, |c, n, t| {
            bits(c, n, t, "$bitAnd")
        })
        .since(6, 3),
        Function::aggregate("BitOr", 1, Output::Rule(integer_type), plain, |c, n, t| {
            bits(c, n, t, "$bitOr")
        })
        .since(6, 3),
        Function::aggregate("BitXor", 1, Output::Rule(integer_type), plain, |c, n, t| {
            bits(c, n, t, "$bitXor")
        })
        .since(6, 3),
    ]
}

/// The delimiter is an argument, however it was given.
fn delimiter(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    let option = call.options.shift_remove("delimiter");
    if call.args.len() == 1 {
        let text = match option {
            Some(Value::Str(text)) => text,
            _ => {
                return Err(Error::new(
                    crate::error::Code::TypeError,
                    "StringAgg.__init__() missing 1 required positional argument: 'delimiter'",
                ));
            }
        };
        call.args.push(Arg::literal(text, FieldKind::CharField));
    }
    Ok(())
}

fn field(name: &str) -> Expr {
    Expr::field([name])
}

/// Values that were collected, and how they are read as a list afterwards.
struct Collected {
    accumulator: Accumulator,
    list: Expr,
}

/// Collects `value` for rows that pass `test`, in the call's order.
fn collect(
    call: &LoweredAggregate<'_>,
    name: &str,
    value: Expr,
    test: Option<Expr>,
    target: &Target,
) -> Result<Collected> {
    let kept = |what: Expr| match test {
        Some(test) => Expr::cond(test, what, nothing()),
        None => what,
    };
    let sorts = call.distinct || !call.order.is_empty();
    if sorts && target.version < ServerVersion::new(5, 2) {
        return Err(Error::unsupported(
            format!(
                "{} with an order on MongoDB {}",
                call.function, target.version
            ),
            "it needs MongoDB 5.2",
        ));
    }
    let sort_array =
        |input: Expr, by: Expr| Expr::named("$sortArray", [("input", input), ("sortBy", by)]);
    if call.distinct {
        // SQL allows no other order of distinct values than that of the values
        let descending = call.order.first().is_some_and(|key| key.desc);
        return Ok(Collected {
            accumulator: accumulate("$addToSet", kept(value)),
            list: sort_array(field(name), int(if descending { -1 } else { 1 })),
        });
    }
    if call.order.is_empty() {
        return Ok(Collected {
            accumulator: accumulate("$push", kept(value)),
            list: field(name),
        });
    }
    // {v: value, k0: key, ...}; where NULLs stand is a key before the key
    let mut parts = vec![("v".to_owned(), value)];
    let mut by = Vec::new();
    for (i, key) in call.order.iter().enumerate() {
        let direction = |desc: bool| int(if desc { -1 } else { 1 });
        if let (Some(nulls), true) = (key.nulls, key.nullable) {
            parts.push((format!("n{i}"), key.expr.clone().is_nullish()));
            by.push((format!("n{i}"), direction(nulls == NullsOrder::First)));
        }
        parts.push((format!("k{i}"), key.expr.clone()));
        by.push((format!("k{i}"), direction(key.desc)));
    }
    let sorted = sort_array(field(name), Expr::Document(by));
    let item = Expr::Var {
        name: "item".to_owned(),
        path: vec!["v".to_owned()],
    };
    Ok(Collected {
        accumulator: accumulate("$push", kept(Expr::Document(parts))),
        list: Expr::named(
            "$map",
            [("input", sorted), ("as", Expr::lit("item")), ("in", item)],
        ),
    })
}

/// NULLs are elements too; without rows the list is NULL.
fn array_agg(
    call: &LoweredAggregate<'_>,
    names: &mut Names<'_>,
    target: &Target,
) -> Result<Grouped> {
    let arg = call.arg(0)?;
    let name = names();
    let value = arg.or_else(Expr::null());
    let collected = collect(call, &name, value, call.filter.clone(), target)?;
    let value = match &call.filter {
        None => collected.list,
        Some(_) => Expr::cond(
            two("$eq", Expr::one("$size", field(&name)), int(0)),
            Expr::null(),
            collected.list,
        ),
    };
    Ok(Grouped {
        fields: vec![(name, collected.accumulator)],
        value,
    })
}

fn string_agg(
    call: &LoweredAggregate<'_>,
    names: &mut Names<'_>,
    target: &Target,
) -> Result<Grouped> {
    let text = call.arg(0)?.text();
    let between = call.arg(1)?;
    if between.literal.is_none() {
        return Err(Error::unsupported(
            "StringAgg with a delimiter that is no literal",
            "the texts are joined after their rows are gone",
        ));
    }
    let name = names();
    let test = counts(call, &[&text]);
    let collected = collect(call, &name, text.expr.clone(), test, target)?;
    // NULL until the first text
    let value = Expr::named(
        "$reduce",
        [
            ("input", collected.list),
            ("initialValue", Expr::null()),
            (
                "in",
                Expr::cond(
                    two("$eq", Expr::var("value"), Expr::null()),
                    Expr::var("this"),
                    Expr::list(
                        "$concat",
                        [Expr::var("value"), between.expr.clone(), Expr::var("this")],
                    ),
                ),
            ),
        ],
    );
    Ok(Grouped {
        fields: vec![(name, collected.accumulator)],
        value,
    })
}

fn bits(
    call: &LoweredAggregate<'_>,
    names: &mut Names<'_>,
    _target: &Target,
    op: &'static str,
) -> Result<Grouped> {
    let arg: LoweredArg = whole_number(call.arg(0)?);
    let name = names();
    // and, or: a value counts once; xor: each time
    let accumulator = if op == "$bitXor" {
        let value = match counts(call, &[&arg]) {
            Some(test) => Expr::cond(test, arg.expr.clone(), nothing()),
            None => arg.expr.clone(),
        };
        accumulate("$push", value)
    } else {
        distinct_set(call, &arg)
    };
    let start = if op == "$bitAnd" { int(-1) } else { int(0) };
    let folded = Expr::named(
        "$reduce",
        [
            ("input", field(&name)),
            ("initialValue", start),
            ("in", two(op, Expr::var("value"), Expr::var("this"))),
        ],
    );
    let value = only_if(two("$ne", Expr::one("$size", field(&name)), int(0)), folded);
    Ok(Grouped {
        fields: vec![(name, accumulator)],
        value,
    })
}
