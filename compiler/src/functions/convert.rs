//! `Cast`, and conversions between any two types. What cannot be converted (`Cast("abc", IntegerField())`) is NULL.

use std::sync::Arc;

use bson::Bson;

use super::build::{
    Class, bind, class, convert, date_trunc, int, only_if, substr, time_of_day, two,
};
use super::math::{round_half_away, to_whole};
use super::{Call, Context, Function, LoweredArg, NullRule, Output};
use crate::error::{Code, Error, Result};
use crate::mql::Expr;
use crate::schema::{FieldKind, FieldType, StorageFamily as S};
use crate::target::{ServerVersion, Target};

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    vec![
        Function::scalar("Cast", 1, Output::Given, NullRule::Partial, |c, t| {
            cast(c.arg(0)?, c.ty, t)
        })
        .check(check),
    ]
}

fn check(call: &mut Call, _cx: &Context<'_>) -> Result<()> {
    if call.output.is_none() {
        return Err(Error::new(
            Code::TypeError,
            "Cast.__init__() missing 1 required positional argument: 'output_field'",
        ));
    }
    Ok(())
}

/// A value of one type as another.
pub(super) fn cast(arg: &LoweredArg, to: &FieldType, target: &Target) -> Result<Expr> {
    if matches!(arg.literal, Some(Bson::Null)) {
        return Ok(Expr::null());
    }
    let from = arg.ty.kind.family();
    let x = || arg.expr.clone();
    let refuse = || {
        Err(Error::unsupported(
            format!("a cast of {} to {}", arg.ty.kind.name(), to.kind.name()),
            "there is no such conversion",
        ))
    };
    Ok(match to.kind.family() {
        S::Text => to_char(arg, to),
        S::Int | S::Long => match from {
            S::Int | S::Long => x(),
            S::Double | S::Decimal => convert(to_whole(arg), "long"),
            S::Text => convert(trimmed(x()), "long"),
            S::Bool => Expr::one("$toLong", x()),
            S::Json => convert(x(), "long"),
            S::Duration => two("$multiply", x(), int(1000)),
            _ => return refuse(),
        },
        S::Double => match from {
            S::Double => x(),
            S::Int | S::Long | S::Decimal | S::Bool => Expr::one("$toDouble", x()),
            S::Text => convert(trimmed(x()), "double"),
            S::Json => convert(x(), "double"),
            _ => return refuse(),
        },
        S::Decimal => {
            let number = match from {
                S::Decimal => x(),
                S::Int | S::Long | S::Double | S::Bool => Expr::one("$toDecimal", x()),
                S::Text => convert(trimmed(x()), "decimal"),
                S::Json => convert(x(), "decimal"),
                _ => return refuse(),
            };
            let whole = matches!(from, S::Int | S::Long | S::Bool);
            match to.decimal_places {
                Some(places) if !whole && to != &*arg.ty => {
                    let decimal = LoweredArg::certain(number, plain(FieldKind::DecimalField));
                    let places = LoweredArg::certain(
                        Expr::lit(i64::from(places)),
                        plain(FieldKind::IntegerField),
                    );
                    round_half_away(&decimal, &places)
                }
                _ => number,
            }
        }
        S::Bool => match from {
            S::Bool => x(),
            S::Int | S::Long | S::Double | S::Decimal => Expr::one("$toBool", x()),
            S::Text => text_to_bool(x()),
            S::Json => bind("value", x(), |v| {
                only_if(super::build::has_type(v.clone(), "bool"), v)
            }),
            _ => return refuse(),
        },
        S::Date => match from {
            S::Date => x(),
            S::DateTime => date_trunc(x(), "day", None),
            S::Text | S::Json => date_trunc(parse_date(text_only(arg)), "day", None),
            _ => return refuse(),
        },
        S::DateTime => match from {
            S::Date | S::DateTime => x(),
            S::Text | S::Json => parse_date(text_only(arg)),
            _ => return refuse(),
        },
        S::Time => match from {
            S::Time => x(),
            S::DateTime => time_of_day(x()),
            S::Text | S::Json => parse_date(Expr::list(
                "$concat",
                [Expr::lit("0001-01-01T"), text_only(arg), Expr::lit("Z")],
            )),
            _ => return refuse(),
        },
        S::Duration => match from {
            S::Duration => x(),
            // whole numbers are microseconds, as databases without intervals store them
            S::Int | S::Long => Expr::one(
                "$toLong",
                Expr::one("$trunc", two("$divide", x(), int(1000))),
            ),
            _ => return refuse(),
        },
        S::Uuid => match from {
            S::Uuid => x(),
            S::Text | S::Json => to_uuid(text_only(arg)),
            _ => return refuse(),
        },
        S::ObjectId => match from {
            S::ObjectId => x(),
            S::Text | S::Json => convert(x(), "objectId"),
            _ => return refuse(),
        },
        S::Binary => match from {
            S::Binary => x(),
            S::Text => text_to_binary(x(), target)?,
            _ => return refuse(),
        },
        S::Json => match (from, &arg.literal) {
            (S::Text, Some(Bson::String(text))) => {
                let value: serde_json::Value = serde_json::from_str(text).map_err(|e| {
                    Error::new(
                        Code::DatabaseError,
                        format!("invalid input for type json: {e}"),
                    )
                })?;
                Expr::Literal(json_to_bson(&value))
            }
            (S::Text, _) => return parse_json(arg, target),
            (S::Decimal, _) => Expr::one("$toDouble", x()),
            _ => x(),
        },
        S::Array => match from {
            S::Array => cast_elements(arg, to, target)?,
            S::Json => bind("value", x(), |v| {
                only_if(Expr::one("$isArray", v.clone()), v)
            }),
            _ => return refuse(),
        },
        S::Embedded | S::EmbeddedArray | S::Geo if from == to.kind.family() => x(),
        // a key that the binder did not replace by its target's type
        S::Key => x(),
        _ => return refuse(),
    })
}

fn plain(kind: FieldKind) -> Arc<FieldType> {
    Arc::new(FieldType::new(kind))
}

fn trimmed(text: Expr) -> Expr {
    match &text {
        Expr::Literal(Bson::String(s)) => Expr::lit(s.trim()),
        _ => Expr::named("$trim", [("input", text)]),
    }
}

/// Text, or NULL for JSON values that are none.
fn text_only(arg: &LoweredArg) -> Expr {
    if class(&arg.ty) == Class::Json {
        bind("value", arg.expr.clone(), |v| {
            only_if(super::build::has_type(v.clone(), "string"), v)
        })
    } else {
        arg.expr.clone()
    }
}

fn parse_date(text: Expr) -> Expr {
    Expr::named(
        "$dateFromString",
        [
            ("dateString", text),
            ("onError", Expr::null()),
            ("onNull", Expr::null()),
        ],
    )
}

/// Text of a number of characters at most, as `varchar(n)` cuts it.
fn to_char(arg: &LoweredArg, to: &FieldType) -> Expr {
    let text = arg.text();
    match to.max_length {
        Some(length) if needs_cut(&arg.ty, length) => text.unless_null(|x| {
            let length = i32::try_from(length).unwrap_or(i32::MAX);
            substr(x, int(0), int(length))
        }),
        _ => text.expr,
    }
}

/// Can a value of the type be longer than that.
fn needs_cut(from: &FieldType, length: u32) -> bool {
    let longest = match from.kind.family() {
        S::Int | S::Long => 20,
        S::Bool => 5,
        S::Uuid => 32,
        S::ObjectId => 24,
        S::Date => 10,
        S::DateTime => 23,
        S::Time => 12,
        S::Double => 24,
        S::Text => from.max_length.unwrap_or(u32::MAX),
        _ => u32::MAX,
    };
    longest > length
}

/// A value as text; NULL stays NULL.
pub(super) fn to_text(x: Expr, from: &FieldType) -> Expr {
    match from.kind.family() {
        S::Text | S::Uuid => x,
        S::Int | S::Long | S::Double | S::Decimal | S::ObjectId | S::Bool => {
            Expr::one("$toString", x)
        }
        S::Date => date_to_string(x, "%Y-%m-%d"),
        S::DateTime => bind("moment", x, |m| {
            fraction(m, "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S.%L")
        }),
        S::Time => bind("moment", x, |m| fraction(m, "%H:%M:%S", "%H:%M:%S.%L")),
        S::Duration => Expr::one("$toString", two("$multiply", x, int(1000))),
        _ => convert(x, "string"),
    }
}

/// Fractions of a second are written where there are some.
fn fraction(moment: Expr, short: &str, long: &str) -> Expr {
    Expr::cond(
        two("$eq", Expr::one("$millisecond", moment.clone()), int(0)),
        date_to_string(moment.clone(), short),
        date_to_string(moment, long),
    )
}

/// `$dateToString`.
pub(super) fn date_to_string(date: Expr, format: &str) -> Expr {
    Expr::named(
        "$dateToString",
        [("date", date), ("format", Expr::lit(format))],
    )
}

fn text_to_bool(text: Expr) -> Expr {
    let words = |list: &[&str]| {
        Expr::lit(Bson::Array(
            list.iter().map(|w| Bson::String((*w).to_owned())).collect(),
        ))
    };
    bind("word", Expr::one("$toLower", trimmed(text)), |w| {
        Expr::cond(
            two(
                "$in",
                w.clone(),
                words(&["t", "true", "y", "yes", "on", "1"]),
            ),
            Expr::lit(true),
            Expr::cond(
                two("$in", w, words(&["f", "false", "n", "no", "off", "0"])),
                Expr::lit(false),
                Expr::null(),
            ),
        )
    })
}

/// 32 hexadecimal digits, or NULL.
fn to_uuid(text: Expr) -> Expr {
    let bare = Expr::named(
        "$replaceAll",
        [
            ("input", text),
            ("find", Expr::lit("-")),
            ("replacement", Expr::lit("")),
        ],
    );
    // `$toLower` of NULL is the empty text, which is no UUID either
    bind("digits", Expr::one("$toLower", bare), |d| {
        only_if(
            Expr::named(
                "$regexMatch",
                [("input", d.clone()), ("regex", Expr::lit("^[0-9a-f]{32}$"))],
            ),
            d,
        )
    })
}

fn since(what: &str, version: ServerVersion, target: &Target) -> Result<()> {
    if target.version < version {
        return Err(Error::unsupported(
            format!("{what} on MongoDB {}", target.version),
            format!("it needs MongoDB {version}"),
        ));
    }
    Ok(())
}

fn text_to_binary(text: Expr, target: &Target) -> Result<Expr> {
    since("a cast of text to binary", ServerVersion::new(8, 0), target)?;
    Ok(Expr::named(
        "$convert",
        [
            ("input", text),
            ("to", Expr::lit("binData")),
            ("format", Expr::lit("utf8")),
            ("onError", Expr::null()),
        ],
    ))
}

/// JSON text as a value: `$convert` reads objects and arrays.
fn parse_json(arg: &LoweredArg, target: &Target) -> Result<Expr> {
    since("a cast of text to JSON", ServerVersion::new(8, 3), target)?;
    Ok(bind("text", trimmed(arg.expr.clone()), |text| {
        let starts = |with: &str| two("$eq", substr(text.clone(), int(0), int(1)), Expr::lit(with));
        Expr::cond(
            starts("{"),
            convert(text.clone(), "object"),
            Expr::cond(
                starts("["),
                convert(text.clone(), "array"),
                convert(text.clone(), "double"),
            ),
        )
    }))
}

fn cast_elements(arg: &LoweredArg, to: &FieldType, target: &Target) -> Result<Expr> {
    let (Some(from_base), Some(to_base)) = (&arg.ty.base, &to.base) else {
        return Ok(arg.expr.clone());
    };
    if from_base.kind.family() == to_base.kind.family() {
        return Ok(arg.expr.clone());
    }
    let element = LoweredArg {
        expr: Expr::var("element"),
        ty: from_base.clone(),
        nullable: true,
        literal: None,
    };
    let body = cast(&element, to_base, target)?;
    Ok(Expr::named(
        "$map",
        [
            ("input", arg.expr.clone()),
            ("as", Expr::lit("element")),
            ("in", body),
        ],
    ))
}

/// JSON text's values as BSON: whole numbers are long, others double.
pub(super) fn json_to_bson(value: &serde_json::Value) -> Bson {
    // the depth of a JSON text is limited by its parser
    match value {
        serde_json::Value::Null => Bson::Null,
        serde_json::Value::Bool(b) => Bson::Boolean(*b),
        serde_json::Value::Number(n) => match n.as_i64() {
            Some(n) => Bson::Int64(n),
            None => Bson::Double(n.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(s) => Bson::String(s.clone()),
        serde_json::Value::Array(items) => Bson::Array(items.iter().map(json_to_bson).collect()),
        serde_json::Value::Object(fields) => Bson::Document(
            fields
                .iter()
                .map(|(k, v)| (k.clone(), json_to_bson(v)))
                .collect(),
        ),
    }
}
