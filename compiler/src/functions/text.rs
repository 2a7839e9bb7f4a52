//! Text: `django.db.models.functions.text`, by characters (code points). `Lower` and `Upper` change ASCII letters only:
//! the server knows no others.

use bson::Bson;

use super::build::{all as all_of, bind, int, only_if, strict, substr, two};
use super::typing::{infer, is_subclass, mixed};
use super::{Arg, Arity, Call, Context, Function, LoweredArg, LoweredCall, NullRule, Output};
use crate::error::{Code, Error, Result};
use crate::mql::Expr;
use crate::schema::{FieldKind, FieldType};
use crate::target::Target;
use std::sync::Arc;

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let text = Output::Kind(FieldKind::CharField);
    let number = Output::Kind(FieldKind::IntegerField);
    let one = |name, output, lower| Function::scalar(name, 1, output, NullRule::Strict, lower);
    vec![
        one("Lower", Output::Same, |c, _| {
            Ok(c.arg(0)?.text().unless_null(|x| Expr::one("$toLower", x)))
        })
        .fold(|args, _, _| text_fold(args, |s| s.to_ascii_lowercase()))
        .transform("lower", &[]),
        one("Upper", Output::Same, |c, _| {
            Ok(c.arg(0)?.text().unless_null(|x| Expr::one("$toUpper", x)))
        })
        .fold(|args, _, _| text_fold(args, |s| s.to_ascii_uppercase()))
        .transform("upper", &[]),
        one("Length", number, |c, _| {
            Ok(c.arg(0)?.text().unless_null(|x| Expr::one("$strLenCP", x)))
        })
        .fold(|args, _, _| match args {
            [Bson::String(s)] => i64::try_from(s.chars().count()).ok().map(Bson::Int64),
            _ => None,
        })
        .transform("length", &[]),
        one("Trim", Output::Same, |c, _| trim(c, "$trim")).transform("trim", &[]),
        one("LTrim", Output::Same, |c, _| trim(c, "$ltrim")).transform("ltrim", &[]),
        one("RTrim", Output::Same, |c, _| trim(c, "$rtrim")).transform("rtrim", &[]),
        one("Reverse", Output::Same, reverse).transform("reverse", &[]),
        Function::scalar("Chr", 1, text, NullRule::Partial, chr)
            .since(8, 0)
            .transform("chr", &[]),
        Function::scalar("Ord", 1, number, NullRule::Strict, ord)
            .since(8, 0)
            .transform("ord", &[]),
        Function::scalar(
            "Concat",
            2,
            Output::Rule(concat_type),
            NullRule::Never,
            concat,
        )
        .arity(Arity::at_least(2)),
        Function::scalar("ConcatPair", 2, Output::Same, NullRule::Never, concat),
        Function::scalar("Left", 2, text, NullRule::Strict, left).check(check_left),
        Function::scalar("Right", 2, text, NullRule::Strict, right).check(check_left),
        Function::scalar("Substr", 3, text, NullRule::Strict, substring)
            .arity(Arity::between(2, 3))
            .check(check_substr),
        Function::scalar("LPad", 3, text, NullRule::Strict, |c, _| pad(c, true))
            .arity(Arity::between(2, 3))
            .check(check_pad),
        Function::scalar("RPad", 3, text, NullRule::Strict, |c, _| pad(c, false))
            .arity(Arity::between(2, 3))
            .check(check_pad),
        Function::scalar("Repeat", 2, text, NullRule::Strict, repeat).check(check_repeat),
        Function::scalar("Replace", 3, Output::Same, NullRule::Strict, replace)
            .arity(Arity::between(2, 3))
            .check(|call, _| {
                if call.args.len() == 2 {
                    call.args.push(Arg::literal("", FieldKind::CharField));
                }
                Ok(())
            }),
        Function::scalar("StrIndex", 2, number, NullRule::Strict, |c, _| {
            let (text, part) = (c.arg(0)?.text(), c.arg(1)?.text());
            Ok(strict([&text, &part], |[text, part]| {
                two("$add", two("$indexOfCP", text, part), int(1))
            }))
        }),
    ]
}

fn text_fold(args: &[&Bson], f: impl Fn(&str) -> String) -> Option<Bson> {
    match args {
        [Bson::String(s)] => Some(Bson::String(f(s))),
        _ => None,
    }
}

/// SQL trims spaces, MongoDB's default is all white space.
fn trim(call: &LoweredCall<'_>, op: &'static str) -> Result<Expr> {
    let text = call.arg(0)?.text();
    Ok(Expr::named(
        op,
        [("input", text.expr), ("chars", Expr::lit(" "))],
    ))
}

/// Each text in turn before what was there.
fn reverse(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let text = call.arg(0)?.text();
    if matches!(text.literal, Some(Bson::Null)) {
        return Ok(Expr::null());
    }
    // Not the name that `$reduce` gives to what it has so far.
    Ok(bind("text", text.expr.clone(), |x| {
        let reversed = Expr::named(
            "$reduce",
            [
                (
                    "input",
                    two("$range", int(0), Expr::one("$strLenCP", x.clone())),
                ),
                ("initialValue", Expr::lit("")),
                (
                    "in",
                    two(
                        "$concat",
                        substr(x.clone(), Expr::var("this"), int(1)),
                        Expr::var("value"),
                    ),
                ),
            ],
        );
        if text.nullable {
            only_if(x.is_not_nullish(), reversed)
        } else {
            reversed
        }
    }))
}

/// Pairs from the right, each of which must be of one type (`Concat._paired`).
fn concat_type(call: &Call, _cx: &Context<'_>) -> Result<Option<Arc<FieldType>>> {
    let mut known: Option<Arc<FieldType>> = None;
    for arg in call.args.iter().rev() {
        known = match (&arg.ty, known) {
            (Some(ty), Some(rest)) if !is_subclass(ty.kind, rest.kind) => {
                return Err(mixed(ty.kind, rest.kind));
            }
            (Some(ty), _) => Some(ty.clone()),
            (None, rest) => rest,
        };
    }
    infer(&[known])
}

/// NULL counts as the empty text.
fn concat(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let parts: Vec<Expr> = call
        .args
        .iter()
        .filter(|arg| !matches!(arg.literal, Some(Bson::Null)))
        .map(|arg| arg.text().or_else(Expr::lit("")))
        .collect();
    Ok(if parts.is_empty() {
        Expr::lit("")
    } else {
        Expr::list("$concat", parts)
    })
}

fn value_error(message: &str) -> Error {
    Error::new(Code::ValueError, message)
}

fn check_left(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    match call.args.get(1).and_then(Arg::as_int) {
        Some(length) if length < 1 => Err(value_error("'length' must be greater than 0.")),
        _ => Ok(()),
    }
}

fn check_substr(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    match call.args.get(1).and_then(Arg::as_int) {
        Some(pos) if pos < 1 => Err(value_error("'pos' must be greater than 0")),
        _ => Ok(()),
    }
}

fn check_pad(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    if call.args.len() == 2 {
        call.args.push(Arg::literal(" ", FieldKind::CharField));
    }
    match call.args.get(1).and_then(Arg::as_int) {
        Some(length) if length < 0 => Err(value_error("'length' must be greater or equal to 0.")),
        _ => Ok(()),
    }
}

fn check_repeat(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    match call.args.get(1).and_then(Arg::as_int) {
        Some(number) if number < 0 => Err(value_error("'number' must be greater or equal to 0.")),
        _ => Ok(()),
    }
}

/// A count of characters: not negative.
fn count(arg: &LoweredArg, value: Expr) -> Expr {
    match arg.as_int() {
        Some(n) => Expr::lit(i32::try_from(n.clamp(0, i64::from(i32::MAX))).unwrap_or(i32::MAX)),
        None => two("$max", value, int(0)),
    }
}

fn left(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let (text, length) = (call.arg(0)?.text(), call.arg(1)?);
    Ok(strict([&text, length], |[text, n]| {
        substr(text, int(0), count(length, n))
    }))
}

fn right(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let (text, length) = (call.arg(0)?.text(), call.arg(1)?);
    Ok(strict([&text, length], |[text, n]| {
        bind("count", count(length, n), |n| {
            let all = Expr::one("$strLenCP", text.clone());
            let start = two("$max", two("$subtract", all, n.clone()), int(0));
            substr(text, start, n)
        })
    }))
}

/// Positions count from one; a window that begins before the text loses what lies before it.
fn substring(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let (text, position) = (call.arg(0)?.text(), call.arg(1)?);
    let start = |p: Expr| match position.as_int() {
        Some(p) => {
            let before = (p - 1).clamp(0, i64::from(i32::MAX));
            int(i32::try_from(before).unwrap_or(i32::MAX))
        }
        None => two("$max", two("$subtract", p, int(1)), int(0)),
    };
    let Some(length) = call.args.get(2) else {
        return Ok(strict([&text, position], |[text, p]| {
            let rest = Expr::one("$strLenCP", text.clone());
            substr(text, start(p), rest)
        }));
    };
    Ok(strict([&text, position, length], |[text, p, n]| {
        let n = match position.as_int() {
            Some(_) => count(length, n),
            None => {
                let lost = two("$min", two("$subtract", p.clone(), int(1)), int(0));
                two("$max", two("$add", n, lost), int(0))
            }
        };
        substr(text, start(p), n)
    }))
}

/// A text again and again: `times` must be a number.
fn repeated(text: Expr, times: Expr) -> Expr {
    Expr::named(
        "$reduce",
        [
            ("input", two("$range", int(0), times)),
            ("initialValue", Expr::lit("")),
            ("in", two("$concat", Expr::var("value"), text)),
        ],
    )
}

fn repeat(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let (text, number) = (call.arg(0)?.text(), call.arg(1)?);
    Ok(strict([&text, number], |[text, n]| match number.as_int() {
        Some(0) => Expr::lit(""),
        Some(n @ 1..=8) => Expr::list("$concat", (0..n).map(|_| text.clone())),
        _ => repeated(text, count(number, n)),
    }))
}

/// Longer texts are cut to the length, as PostgreSQL does.
fn pad(call: &LoweredCall<'_>, before: bool) -> Result<Expr> {
    let (text, length, fill) = (call.arg(0)?.text(), call.arg(1)?, call.arg(2)?.text());
    Ok(strict([&text, length, &fill], |[text, n, with]| {
        bind("width", count(length, n), |n| {
            let missing = two("$subtract", n.clone(), Expr::one("$strLenCP", text.clone()));
            bind("missing", missing, |missing| {
                let known = fill.as_str().zip(length.as_int());
                let filling = match known {
                    Some(("", _)) => Expr::lit(""),
                    // a constant of the greatest length that can be needed
                    Some((fill, n @ 0..=256)) => {
                        let n = usize::try_from(n).unwrap_or(0);
                        let whole: String = fill.chars().cycle().take(n).collect();
                        substr(Expr::lit(whole), int(0), missing.clone())
                    }
                    _ => substr(repeated(with, missing.clone()), int(0), missing.clone()),
                };
                let padded = if before {
                    two("$concat", filling, text.clone())
                } else {
                    two("$concat", text.clone(), filling)
                };
                Expr::cond(
                    two("$lte", missing, int(0)),
                    substr(text, int(0), n),
                    padded,
                )
            })
        })
    }))
}

fn replace(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let (text, find, by) = (
        call.arg(0)?.text(),
        call.arg(1)?.text(),
        call.arg(2)?.text(),
    );
    let all = |text: Expr, find: Expr| {
        Expr::named(
            "$replaceAll",
            [
                ("input", text),
                ("find", find),
                ("replacement", by.expr.clone()),
            ],
        )
    };
    Ok(match find.as_str() {
        Some("") => by.unless_null(|_| text.expr),
        Some(_) => all(text.expr, find.expr),
        // nothing is replaced by an empty search text
        None => bind("text", text.expr, |text| {
            bind("find", find.expr.clone(), |find| {
                let empty = two("$eq", find.clone(), Expr::lit(""));
                let tests = [Some(empty), by.test(&by.expr)];
                Expr::cond(
                    all_of(tests.into_iter().flatten().collect()).unwrap_or_else(Expr::null),
                    text.clone(),
                    all(text, find),
                )
            })
        }),
    })
}

const HEX: &str = "0123456789abcdef";

/// A byte as two hexadecimal digits.
fn hex_byte(byte: Expr) -> Expr {
    let digit = |n: Expr| substr(Expr::lit(HEX), Expr::one("$toInt", n), int(1));
    bind("byte", byte, |b| {
        two(
            "$concat",
            digit(Expr::one("$floor", two("$divide", b.clone(), int(16)))),
            digit(two("$mod", b, int(16))),
        )
    })
}

/// UTF-8 bytes, written as hexadecimal digits, then read as text: the server has no operator for it.
fn chr(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let number = call.arg(0)?.number();
    Ok(bind("code", number.expr, |code| {
        let part = |shift: i32| Expr::one("$floor", two("$divide", code.clone(), int(shift)));
        let tail = |shift: i32| two("$add", two("$mod", part(shift), int(64)), int(0x80));
        let head = |shift: i32, mark: i32| two("$add", part(shift), int(mark));
        let bytes = |list: Vec<Expr>| Expr::list("$concat", list.into_iter().map(hex_byte));
        let below = |limit: i32| two("$lt", code.clone(), int(limit));
        let hex = Expr::cond(
            below(0x80),
            hex_byte(code.clone()),
            Expr::cond(
                below(0x800),
                bytes(vec![head(0x40, 0xC0), tail(1)]),
                Expr::cond(
                    below(0x1_0000),
                    bytes(vec![head(0x1000, 0xE0), tail(0x40), tail(1)]),
                    bytes(vec![
                        head(0x4_0000, 0xF0),
                        tail(0x1000),
                        tail(0x40),
                        tail(1),
                    ]),
                ),
            ),
        );
        let valid = Expr::list(
            "$and",
            [
                two("$gte", code.clone(), int(0)),
                two("$lt", code.clone(), int(0x11_0000)),
            ],
        );
        only_if(
            valid,
            formatted(formatted(hex, "binData", "hex"), "string", "utf8"),
        )
    }))
}

/// `$convert` between binary and text in a format.
fn formatted(input: Expr, to: &'static str, format: &'static str) -> Expr {
    Expr::named(
        "$convert",
        [
            ("input", input),
            ("to", Expr::lit(to)),
            ("format", Expr::lit(format)),
            ("onError", Expr::null()),
        ],
    )
}

/// The code point of the first character: its UTF-8 bytes as hexadecimal digits, put together. 0 for the empty text.
fn ord(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let text = call.arg(0)?.text();
    Ok(text.unless_null(|x| {
        let first = substr(x, int(0), int(1));
        let hex = formatted(formatted(first, "binData", "utf8"), "string", "hex");
        let lower = Expr::one("$toLower", hex);
        bind("hex", lower, |hex| {
            let digit = |i: i32| {
                two(
                    "$indexOfCP",
                    Expr::lit(HEX),
                    substr(hex.clone(), int(i), int(1)),
                )
            };
            let byte = |i: i32| {
                two(
                    "$add",
                    two("$multiply", digit(2 * i), int(16)),
                    digit(2 * i + 1),
                )
            };
            let tail = |i: i32, weight: i32| {
                two(
                    "$multiply",
                    two("$subtract", byte(i), int(0x80)),
                    int(weight),
                )
            };
            let head = |mark: i32, weight: i32| {
                two(
                    "$multiply",
                    two("$subtract", byte(0), int(mark)),
                    int(weight),
                )
            };
            let branch = |length: i32, value: Expr| {
                (
                    two("$eq", Expr::one("$strLenCP", hex.clone()), int(length)),
                    value,
                )
            };
            let branches = [
                branch(2, byte(0)),
                branch(4, Expr::list("$add", [head(0xC0, 0x40), tail(1, 1)])),
                branch(
                    6,
                    Expr::list("$add", [head(0xE0, 0x1000), tail(1, 0x40), tail(2, 1)]),
                ),
                branch(
                    8,
                    Expr::list(
                        "$add",
                        [
                            head(0xF0, 0x4_0000),
                            tail(1, 0x1000),
                            tail(2, 0x40),
                            tail(3, 1),
                        ],
                    ),
                ),
            ];
            branches
                .into_iter()
                .rev()
                .fold(int(0), |rest, (test, value)| Expr::cond(test, value, rest))
        })
    }))
}
