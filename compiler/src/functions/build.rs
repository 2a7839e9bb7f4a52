//! Building blocks of expressions that never abort and pass NULL through.
//!
//! Variables are named by the block that binds them; a block never binds a name that its own body takes from outside.

use bson::{Bson, Decimal128};

use super::LoweredArg;
use crate::mql::Expr;
use crate::schema::{FieldType, StorageFamily};

/// Milliseconds of a day.
pub(super) const DAY_MS: i64 = 86_400_000;
/// 0001-01-01, on which times of day are stored, in milliseconds since 1970.
pub(super) const TIME_BASE_MS: i64 = -62_135_596_800_000;

/// Costs nothing to evaluate twice.
pub(super) fn is_simple(expr: &Expr) -> bool {
    matches!(expr, Expr::Field(_) | Expr::Var { .. } | Expr::Literal(_))
}

/// `body(x)`, where `x` is evaluated once.
pub(super) fn bind(name: &'static str, value: Expr, body: impl FnOnce(Expr) -> Expr) -> Expr {
    if is_simple(&value) {
        body(value)
    } else {
        Expr::let_in([(name, value)], body(Expr::var(name)))
    }
}

/// `yes` where the test is true, else NULL.
pub(super) fn only_if(test: Expr, yes: Expr) -> Expr {
    Expr::cond(test, yes, Expr::null())
}

/// All tests are true; none needed gives `None`.
pub(super) fn all(mut tests: Vec<Expr>) -> Option<Expr> {
    match tests.len() {
        0 => None,
        1 => tests.pop(),
        _ => Some(Expr::list("$and", tests)),
    }
}

/// `{$op: [a, b]}`.
pub(super) fn two(op: &'static str, a: Expr, b: Expr) -> Expr {
    Expr::list(op, [a, b])
}

/// A small constant.
pub(super) fn int(n: i32) -> Expr {
    Expr::lit(n)
}

/// A whole number as the smallest BSON integer that holds it.
pub(super) fn whole(n: i64) -> Bson {
    i32::try_from(n).map_or(Bson::Int64(n), Bson::Int32)
}

/// A decimal constant from its text.
pub(super) fn decimal(text: &str) -> Option<Decimal128> {
    text.parse().ok()
}

/// `$convert`, NULL where it fails.
pub(super) fn convert(input: Expr, to: &'static str) -> Expr {
    Expr::named(
        "$convert",
        [
            ("input", input),
            ("to", Expr::lit(to)),
            ("onError", Expr::null()),
        ],
    )
}

/// The BSON type of a value is one.
pub(super) fn has_type(x: Expr, name: &'static str) -> Expr {
    two("$eq", Expr::one("$type", x), Expr::lit(name))
}

/// `$substrCP`.
pub(super) fn substr(text: Expr, start: Expr, count: Expr) -> Expr {
    Expr::list("$substrCP", [text, start, count])
}

/// `$dateTrunc` to a unit, weeks from Monday.
pub(super) fn date_trunc(date: Expr, unit: &'static str, timezone: Option<&str>) -> Expr {
    let mut args = vec![("date", date), ("unit", Expr::lit(unit))];
    if let Some(zone) = timezone {
        args.push(("timezone", Expr::lit(zone)));
    }
    if unit == "week" {
        args.push(("startOfWeek", Expr::lit("monday")));
    }
    Expr::named("$dateTrunc", args)
}

/// The time of day of a date, on the day on which times are stored.
pub(super) fn time_of_day(date: Expr) -> Expr {
    let base = Expr::Literal(Bson::DateTime(bson::DateTime::from_millis(TIME_BASE_MS)));
    bind("moment", date, |x| {
        let midnight = date_trunc(x.clone(), "day", None);
        // date - (midnight - base): the inner difference is a number, the outer a date
        two("$subtract", x, two("$subtract", midnight, base))
    })
}

/// What arithmetic a type takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Integer,
    Double,
    Decimal,
    Bool,
    Duration,
    /// A date or a datetime.
    Moment,
    Time,
    Text,
    /// Free content.
    Json,
    Other,
}

/// The class of a type.
pub(super) fn class(ty: &FieldType) -> Class {
    match ty.kind.family() {
        StorageFamily::Int | StorageFamily::Long => Class::Integer,
        StorageFamily::Double => Class::Double,
        StorageFamily::Decimal => Class::Decimal,
        StorageFamily::Bool => Class::Bool,
        StorageFamily::Duration => Class::Duration,
        StorageFamily::Date | StorageFamily::DateTime => Class::Moment,
        StorageFamily::Time => Class::Time,
        StorageFamily::Text | StorageFamily::Uuid => Class::Text,
        StorageFamily::Json => Class::Json,
        _ => Class::Other,
    }
}

impl LoweredArg {
    /// A value that is certainly there.
    #[must_use]
    pub fn certain(expr: Expr, ty: std::sync::Arc<FieldType>) -> LoweredArg {
        LoweredArg {
            literal: match &expr {
                Expr::Literal(value) => Some(value.clone()),
                _ => None,
            },
            expr,
            ty,
            nullable: false,
        }
    }

    /// The literal whole number.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self.literal.as_ref()? {
            Bson::Int32(n) => Some(i64::from(*n)),
            Bson::Int64(n) => Some(*n),
            _ => None,
        }
    }

    /// The literal text.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self.literal.as_ref()? {
            Bson::String(text) => Some(text),
            _ => None,
        }
    }

    fn with(&self, expr: Expr, nullable: bool) -> LoweredArg {
        LoweredArg {
            expr,
            ty: self.ty.clone(),
            nullable,
            literal: None,
        }
    }

    /// As text: other scalars are written as text, what has none is NULL.
    #[must_use]
    pub fn text(&self) -> LoweredArg {
        if matches!(self.literal, Some(Bson::String(_) | Bson::Null)) {
            return self.clone();
        }
        match class(&self.ty) {
            Class::Text => self.clone(),
            Class::Json => self.with(convert(self.expr.clone(), "string"), true),
            _ => self.with(
                super::convert::to_text(self.expr.clone(), &self.ty),
                self.nullable,
            ),
        }
    }

    /// As a number: text that is none, and what is neither, is NULL.
    #[must_use]
    pub fn number(&self) -> LoweredArg {
        match class(&self.ty) {
            Class::Integer | Class::Double | Class::Decimal | Class::Duration => self.clone(),
            Class::Bool => self.with(Expr::one("$toInt", self.expr.clone()), self.nullable),
            Class::Json => self.with(
                bind("number", self.expr.clone(), |x| {
                    only_if(Expr::one("$isNumber", x.clone()), x)
                }),
                true,
            ),
            _ if self.literal.is_some() => self.clone(),
            _ => self.with(convert(self.expr.clone(), "double"), true),
        }
    }

    /// `body` of the value; NULL for NULL, where the operator itself would not say so.
    pub fn unless_null(&self, body: impl FnOnce(Expr) -> Expr) -> Expr {
        if matches!(self.literal, Some(Bson::Null)) {
            return Expr::null();
        }
        if !self.nullable || self.literal.is_some() {
            return bind("value", self.expr.clone(), body);
        }
        bind("value", self.expr.clone(), |x| {
            only_if(x.clone().is_not_nullish(), body(x))
        })
    }

    /// The value, with another in place of NULL.
    #[must_use]
    pub fn or_else(&self, other: Expr) -> Expr {
        if self.nullable && !self.literal.as_ref().is_some_and(|v| *v != Bson::Null) {
            two("$ifNull", self.expr.clone(), other)
        } else {
            self.expr.clone()
        }
    }

    /// The test that it is not NULL, if one is needed.
    #[must_use]
    pub fn test(&self, x: &Expr) -> Option<Expr> {
        match &self.literal {
            Some(Bson::Null) => Some(Expr::lit(false)),
            Some(_) => None,
            None => self.nullable.then(|| x.clone().is_not_nullish()),
        }
    }
}

/// `body` of all the values, each evaluated once; NULL if one is NULL.
pub(super) fn strict<const N: usize>(
    args: [&LoweredArg; N],
    body: impl FnOnce([Expr; N]) -> Expr,
) -> Expr {
    const NAMES: [&str; 4] = ["first", "second", "third", "fourth"];
    let mut names = NAMES.iter();
    let mut vars: Vec<(&str, Expr)> = Vec::new();
    let values = args.map(|arg| {
        let name = names.next().copied().unwrap_or("more");
        if is_simple(&arg.expr) {
            arg.expr.clone()
        } else {
            vars.push((name, arg.expr.clone()));
            Expr::var(name)
        }
    });
    // A server computes constants beforehand, and fails where an operator takes no null.
    if values.contains(&Expr::null()) {
        return Expr::null();
    }
    let tests = args
        .iter()
        .zip(&values)
        .filter_map(|(arg, x)| arg.test(x))
        .collect();
    let inner = match all(tests) {
        Some(test) => only_if(test, body(values)),
        None => body(values),
    };
    if vars.is_empty() {
        inner
    } else {
        Expr::let_in(vars, inner)
    }
}
