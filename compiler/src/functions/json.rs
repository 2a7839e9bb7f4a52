//! JSON: `django.db.models.functions.json`.

use bson::{Bson, Document};

use super::build::{Class, class};
use super::convert::{date_to_string, to_text};
use super::{Arity, Function, LoweredArg, LoweredCall, NullRule, Output};
use crate::error::Result;
use crate::mql::Expr;
use crate::schema::{FieldKind, StorageFamily};
use crate::target::Target;

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let json = Output::Kind(FieldKind::JSONField);
    vec![
        Function::scalar("JSONObject", 0, json, NullRule::Never, object).arity(Arity::at_least(0)),
        Function::scalar("JSONArray", 0, json, NullRule::Never, |c, _| {
            Ok(Expr::Array(c.args.iter().map(value).collect()))
        })
        .arity(Arity::at_least(0)),
    ]
}

/// A value as JSON holds it: NULL is JSON's null, decimals are numbers, dates are text.
fn value(arg: &LoweredArg) -> Expr {
    if arg.literal.is_some() && !matches!(class(&arg.ty), Class::Decimal | Class::Moment) {
        return arg.expr.clone();
    }
    let converted = match arg.ty.kind.family() {
        StorageFamily::Decimal => Expr::one("$toDouble", arg.expr.clone()),
        StorageFamily::DateTime => date_to_string(arg.expr.clone(), "%Y-%m-%dT%H:%M:%S.%L"),
        StorageFamily::Date | StorageFamily::Time | StorageFamily::ObjectId => {
            to_text(arg.expr.clone(), &arg.ty)
        }
        _ => arg.expr.clone(),
    };
    if arg.nullable {
        Expr::list("$ifNull", [converted, Expr::null()])
    } else {
        converted
    }
}

/// Arguments: key, value, key, value...
fn object(call: &LoweredCall<'_>, _target: &Target) -> Result<Expr> {
    let pairs: Vec<(&LoweredArg, Expr)> = call
        .args
        .chunks(2)
        .filter_map(|pair| Some((pair.first()?, value(pair.get(1)?))))
        .collect();
    if pairs.is_empty() {
        return Ok(Expr::Literal(Bson::Document(Document::new())));
    }
    let plain = |key: &str| !key.is_empty() && !key.starts_with('$') && !key.contains('.');
    let names: Option<Vec<String>> = pairs
        .iter()
        .map(|(key, _)| key.as_str().filter(|k| plain(k)).map(str::to_owned))
        .collect();
    Ok(match names {
        Some(names) => {
            let values = pairs.into_iter().map(|(_, value)| value);
            Expr::Document(names.into_iter().zip(values).collect())
        }
        // other keys would be read as paths or operators
        None => Expr::one(
            "$arrayToObject",
            Expr::Array(vec![Expr::Array(
                pairs
                    .into_iter()
                    .map(|(key, value)| {
                        Expr::Document(vec![
                            ("k".to_owned(), key.text().expr),
                            ("v".to_owned(), value),
                        ])
                    })
                    .collect(),
            )]),
        ),
    })
}
