//! Identifiers: UUIDs as 32 hexadecimal digits, made by the server for each row.

use super::build::{int, substr, two};
use super::{Function, LoweredCall, NullRule, Output};
use crate::error::Result;
use crate::mql::{Args, Expr};
use crate::schema::FieldKind;
use crate::target::Target;

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let uuid = Output::Kind(FieldKind::UUIDField);
    vec![
        Function::scalar("UUID4", 0, uuid, NullRule::Never, random_uuid),
        // PostgreSQL's name of the same
        Function::scalar("RandomUUID", 0, uuid, NullRule::Never, random_uuid),
        // 48 bits of the time in milliseconds, then chance
        Function::scalar("UUID7", 0, uuid, NullRule::Never, |_, _| {
            Ok(Expr::list(
                "$concat",
                [
                    now_digits(),
                    Expr::lit("7"),
                    random_digits(3),
                    variant(),
                    random_digits(15),
                ],
            ))
        }),
    ]
}

fn random_uuid(_: &LoweredCall<'_>, _: &Target) -> Result<Expr> {
    Ok(Expr::list(
        "$concat",
        [
            random_digits(12),
            Expr::lit("4"),
            random_digits(3),
            variant(),
            random_digits(15),
        ],
    ))
}

fn digit(of: &str, number: Expr) -> Expr {
    substr(Expr::lit(of), number, int(1))
}

fn random(below: i32) -> Expr {
    let rand = Expr::Op("$rand", Args::Named(Vec::new()));
    Expr::one(
        "$toInt",
        Expr::one("$floor", two("$multiply", rand, int(below))),
    )
}

fn variant() -> Expr {
    digit("89ab", random(4))
}

fn appended(input: Expr, digit: Expr) -> Expr {
    Expr::named(
        "$reduce",
        [
            ("input", input),
            ("initialValue", Expr::lit("")),
            ("in", two("$concat", Expr::var("value"), digit)),
        ],
    )
}

fn random_digits(count: i32) -> Expr {
    appended(
        two("$range", int(0), int(count)),
        digit("0123456789abcdef", random(16)),
    )
}

/// The current time as 12 hexadecimal digits.
fn now_digits() -> Expr {
    let now = Expr::one("$toLong", Expr::var("NOW"));
    let weight = two("$pow", int(16), Expr::var("this"));
    let number = Expr::one(
        "$toInt",
        two(
            "$mod",
            Expr::one("$floor", two("$divide", now, weight)),
            int(16),
        ),
    );
    appended(
        Expr::list("$range", [int(11), int(-1), int(-1)]),
        digit("0123456789abcdef", number),
    )
}
