//! Choice and comparison: `django.db.models.functions.comparison`, without `Cast`.

use bson::Bson;

use super::build::{bind, two};
use super::{Arity, Call, Context, Function, LoweredCall, NullRule, Output};
use crate::error::{Code, Error, Result};
use crate::mql::Expr;
use crate::target::Target;

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let many = Arity::at_least(2);
    vec![
        Function::scalar("Coalesce", 2, Output::Same, NullRule::All, coalesce)
            .arity(many)
            .fold(|args, _, _| {
                let known = args.iter().find(|a| !matches!(a, Bson::Null));
                Some(known.map_or(Bson::Null, |v| (*v).clone()))
            }),
        // NULL arguments are left out, as in PostgreSQL and the official backend
        Function::scalar("Greatest", 2, Output::Same, NullRule::All, |c, _| {
            Ok(extreme(c, "$max"))
        })
        .arity(many),
        Function::scalar("Least", 2, Output::Same, NullRule::All, |c, _| {
            Ok(extreme(c, "$min"))
        })
        .arity(many),
        Function::scalar("NullIf", 2, Output::Same, NullRule::Any, null_if),
        Function::scalar(COLLATE, 1, Output::Same, NullRule::Strict, collate)
            .options(&["collation"])
            .check(check_collation),
    ]
}

fn coalesce(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let mut args = Vec::new();
    for arg in call.args {
        if matches!(arg.literal, Some(Bson::Null)) {
            continue;
        }
        args.push(arg.expr.clone());
        // what follows a value that is never NULL is never reached
        if !arg.nullable || arg.literal.is_some() {
            break;
        }
    }
    Ok(match args.len() {
        0 => Expr::null(),
        1 => args.pop().unwrap_or_else(Expr::null),
        _ => Expr::list("$ifNull", args),
    })
}

fn extreme(call: &LoweredCall<'_>, op: &'static str) -> Expr {
    let known = call
        .args
        .iter()
        .filter(|a| !matches!(a.literal, Some(Bson::Null)));
    let args: Vec<Expr> = known.map(|a| a.expr.clone()).collect();
    match args.len() {
        0 => Expr::null(),
        // a single operand that is an array would be searched
        _ => Expr::list(op, args.into_iter().chain([Expr::null()])),
    }
}

fn null_if(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let (a, b) = (call.arg(0)?, call.arg(1)?);
    if matches!(b.literal, Some(Bson::Null)) {
        return Ok(a.expr.clone());
    }
    Ok(bind("value", a.expr.clone(), |x| {
        Expr::cond(two("$eq", x.clone(), b.expr.clone()), Expr::null(), x)
    }))
}

fn check_collation(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    let name = call.text_option("collation").unwrap_or_default();
    let valid = !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || c == '_' || c == '-');
    if valid {
        return Ok(());
    }
    Err(Error::new(
        Code::ValueError,
        format!("Invalid collation name: '{name}'."),
    ))
}

/// Calls are taken out of a plan before it is lowered: its commands have the collation.
fn collate(_call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    Err(Error::internal("a collation without a command"))
}

/// The name of the function that names a collation.
pub(crate) const COLLATE: &str = "Collate";

/// The server's collation document for a database's collation name: SQLite's `nocase` and `binary`, PostgreSQL's `C`,
/// `en-x-icu`, `de_DE`, ...; `None` for names that mean nothing to MongoDB.
#[must_use]
pub fn collation_document(name: &str) -> Option<bson::Document> {
    let simple = || bson::doc! { "locale": "simple" };
    match name.to_ascii_lowercase().as_str() {
        "nocase" => Some(bson::doc! { "locale": "en", "strength": 2 }),
        "binary" | "c" | "posix" | "ucs_basic" => Some(simple()),
        lower => {
            let tag = lower.strip_suffix("-x-icu").unwrap_or(lower);
            let tag = tag.split('.').next().unwrap_or(tag).replace('-', "_");
            let language = tag.split('_').next().unwrap_or_default();
            if language == "und" {
                return Some(bson::doc! { "locale": "en" });
            }
            let plausible = (2..=3).contains(&language.len())
                && language.chars().all(|c| c.is_ascii_alphabetic());
            plausible.then(|| bson::doc! { "locale": language })
        }
    }
}
