//! Arrays: the transforms of `ArrayField`, and slices of arrays and texts.

use indexmap::IndexMap;

use super::build::{two, whole};
use super::{Arg, Arity, Call, Function, LoweredCall, NullRule, Output, Transform, is_subclass};
use crate::error::{Code, Error, Result};
use crate::mql::Expr;
use crate::names::Path;
use crate::schema::FieldKind;
use crate::target::Target;

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::scalar(
            "ArrayLength",
            1,
            Output::Kind(FieldKind::IntegerField),
            NullRule::Strict,
            |c, _| Ok(c.arg(0)?.unless_null(|x| Expr::one("$size", x))),
        )
        .transform(
            "len",
            &[
                FieldKind::ArrayField,
                FieldKind::EmbeddedModelArrayField,
                FieldKind::PolymorphicEmbeddedModelArrayField,
            ],
        ),
        // arguments: the array, the index from zero
        Function::scalar(
            "ArrayIndex",
            2,
            Output::Element,
            NullRule::Partial,
            |c, _| {
                let array = c.arg(0)?.expr.clone();
                Ok(match c.arg(1)?.as_int() {
                    Some(0) => Expr::one("$first", array),
                    _ => two("$arrayElemAt", array, c.arg(1)?.expr.clone()),
                })
            },
        ),
        // arguments: the array, the first element from zero, the element after the last
        Function::scalar("ArraySlice", 3, Output::First, NullRule::Strict, slice)
            .arity(Arity::between(2, 3)),
        // option: the path to a key of embedded documents, of a document or of every element of an array
        Function::scalar(
            "EmbeddedValue",
            1,
            Output::Given,
            NullRule::Partial,
            |c, _| {
                Ok(match c.arg(0)?.expr.clone() {
                    Expr::Field(path) => Expr::Field(path.to(&Path::of(keys(c)?))),
                    document => match keys(c)?.as_slice() {
                        [key] => Expr::named(
                            "$getField",
                            [("field", Expr::lit(key.as_str())), ("input", document)],
                        ),
                        keys => {
                            let value = Expr::Var {
                                name: "document".to_owned(),
                                path: keys.to_vec(),
                            };
                            Expr::let_in([("document", document)], value)
                        }
                    },
                })
            },
        )
        .options(&["path"]),
        Function::scalar(
            "ElementValues",
            1,
            Output::Given,
            NullRule::Strict,
            |c, _| {
                let value = Expr::Var {
                    name: "element".to_owned(),
                    path: keys(c)?,
                };
                Ok(Expr::named(
                    "$map",
                    [
                        ("input", c.arg(0)?.expr.clone()),
                        ("as", Expr::lit("element")),
                        ("in", value),
                    ],
                ))
            },
        )
        .options(&["path"]),
        Function::scalar("ArrayConcat", 2, Output::First, NullRule::Strict, |c, _| {
            Ok(Expr::list(
                "$concatArrays",
                c.args.iter().map(|a| a.expr.clone()),
            ))
        })
        .arity(Arity::at_least(2)),
    ]
}

/// The keys of the option `path`.
fn keys(call: &LoweredCall<'_>) -> Result<Vec<String>> {
    let path = call
        .text_option("path")
        .ok_or_else(|| Error::internal("a value of an embedded document without its path"))?;
    Ok(path.split('.').map(str::to_owned).collect())
}

fn slice(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let array = call.arg(0)?;
    let start = call.arg(1)?.as_int().unwrap_or(0);
    let count = match call.args.get(2) {
        Some(stop) => stop.as_int().unwrap_or(0) - start,
        None => i64::from(i32::MAX),
    };
    if count <= 0 {
        return Ok(array.unless_null(|_| Expr::Array(Vec::new())));
    }
    let array = array.expr.clone();
    Ok(if start == 0 {
        two("$slice", array, Expr::lit(whole(count)))
    } else {
        Expr::list(
            "$slice",
            [array, Expr::lit(whole(start)), Expr::lit(whole(count))],
        )
    })
}

/// The transforms whose names are no words: an index, a slice `1_3`.
pub(super) fn positions(name: &str) -> Option<Transform> {
    let number = |n: i64| Arg::literal(n, FieldKind::IntegerField);
    let (function, args) = if let Some((start, stop)) = name.split_once('_') {
        (
            "ArraySlice",
            vec![number(digits(start)?), number(digits(stop)?)],
        )
    } else {
        ("ArrayIndex", vec![number(digits(name)?)])
    };
    Some(Transform {
        function,
        args,
        options: IndexMap::new(),
    })
}

fn digits(text: &str) -> Option<i64> {
    let all = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    all.then(|| text.parse().ok())?
        .filter(|n| *n <= i64::from(i32::MAX))
}

/// The call that a slice of an expression stands for.
pub(super) fn slice_call(arg: Arg, start: u64, stop: Option<u64>) -> Result<Call> {
    let kind = arg.kind().unwrap_or(FieldKind::TextField);
    let limit = |n: u64| {
        i64::try_from(n)
            .unwrap_or(i64::MAX)
            .min(i64::from(i32::MAX))
    };
    let number = |n: u64| Arg::literal(limit(n), FieldKind::IntegerField);
    if is_subclass(kind, FieldKind::CharField) || is_subclass(kind, FieldKind::TextField) {
        let mut args = vec![arg, number(start.saturating_add(1))];
        args.extend(stop.map(|stop| number(stop.saturating_sub(start))));
        return Ok(Call::new("Substr", args));
    }
    if is_subclass(kind, FieldKind::ArrayField) {
        let mut args = vec![arg, number(start)];
        args.extend(stop.map(number));
        return Ok(Call::new("ArraySlice", args));
    }
    Err(Error::new(
        Code::NotSupported,
        "This field does not support slicing.",
    ))
}
