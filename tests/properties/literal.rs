//! Literals of a type, now and then hostile ones.

use indexmap::IndexMap;
use jiff::civil;
use mqlc::compiler::queryset::Value;

use super::dice::Choices;
use super::statement::Ty;
use super::texts::{HOSTILE, TEXTS};

/// A literal, mostly one that occurs in the data.
pub fn literal(c: &mut Choices<'_>, ty: Ty) -> Value {
    if c.hostile {
        return hostile(c, ty);
    }
    let small = |c: &mut Choices<'_>| i64::try_from(c.pick(7)).expect("small") - 1;
    match ty {
        Ty::Int | Ty::Key => small(c).into(),
        Ty::Text => c.one_of(&TEXTS).into(),
        Ty::Float => c.one_of(&[0.0, 0.5, 1.0, 2.25, -1.5, 3.0]).into(),
        Ty::Dec => {
            let text = c.one_of(&["0.00", "1.50", "2", "0.10", "-1.25", "99.99"]);
            Value::Decimal(text.parse().expect("a decimal"))
        }
        Ty::Bool => (c.pick(2) == 1).into(),
        Ty::Date => c
            .one_of(&[
                civil::date(2023, 12, 31),
                civil::date(2024, 1, 1),
                civil::date(2023, 1, 1),
                civil::date(2024, 3, 31),
            ])
            .into(),
        Ty::DateTime => {
            let day = c.one_of(&[civil::date(2023, 12, 31), civil::date(2024, 1, 1)]);
            let hour = c.one_of(&[18, 0, 5, 3]);
            let at = jiff::tz::TimeZone::UTC
                .to_zoned(day.at(hour, 0, 0, 0))
                .expect("a moment");
            at.timestamp().into()
        }
        Ty::Time => civil::time(c.one_of(&[0, 6, 12, 18]), 0, 0, 0).into(),
        Ty::Duration => Value::Duration(c.one_of(&[0, 5_400_000_000, 10_800_000_000])),
        Ty::Uuid => Value::Uuid(u128::to_be_bytes(c.pick(4) as u128)),
        Ty::Texts => {
            let items = (0..c.pick(3)).map(|_| Value::from(c.one_of(&TEXTS)));
            Value::List(items.collect())
        }
        Ty::Ints => {
            let items = (0..c.pick(3)).map(|_| Value::from(small(c)));
            Value::List(items.collect())
        }
        Ty::Json => match c.pick(6) {
            0 => 1.into(),
            1 => "a".into(),
            2 => Value::Dict(IndexMap::from([("k".to_owned(), Value::from(1))])),
            3 => Value::List(vec![1.into(), "a".into()]),
            4 => Value::Dict(IndexMap::new()),
            _ => true.into(),
        },
    }
}

/// As many choices as for any literal of the type, and a value of the same shape.
fn hostile(c: &mut Choices<'_>, ty: Ty) -> Value {
    let whole = |c: &mut Choices<'_>| {
        // Zero stays zero: dividing by it is NULL.
        c.one_of(&[
            -7,
            0,
            2_147_483_647,
            -2_147_483_648,
            99_999,
            65_536,
            12_345_678,
        ])
    };
    match ty {
        Ty::Int | Ty::Key => whole(c).into(),
        Ty::Text => c.one_of(&HOSTILE).into(),
        Ty::Float => c.one_of(&[-0.0, 1e300, -7.25, 5e-300, 1e15, 0.1]).into(),
        Ty::Dec => {
            let text = c.one_of(&[
                "-0.00",
                "1E+5",
                "123456789012345678.01",
                "7",
                "1E-3",
                "-9E-9",
            ]);
            Value::Decimal(text.parse().expect("a decimal"))
        }
        // True and False are conditions, not only values.
        Ty::Bool => (c.pick(2) == 1).into(),
        Ty::Date => c
            .one_of(&[
                civil::date(1, 1, 1),
                civil::date(9999, 12, 31),
                civil::date(1970, 1, 1),
                civil::date(2024, 2, 29),
            ])
            .into(),
        Ty::DateTime => {
            let day = c.one_of(&[civil::date(1900, 1, 1), civil::date(2999, 12, 31)]);
            let hour = c.one_of(&[23, 0, 5, 3]);
            let at = jiff::tz::TimeZone::UTC
                .to_zoned(day.at(hour, 59, 59, 999_000_000))
                .expect("a moment");
            at.timestamp().into()
        }
        Ty::Time => civil::time(c.one_of(&[0, 6, 12, 23]), 59, 59, 999_000_000).into(),
        Ty::Duration => Value::Duration(c.one_of(&[-1_000_000, 86_400_000_000, 1_000])),
        Ty::Uuid => Value::Uuid(u128::to_be_bytes(u128::MAX - c.pick(4) as u128)),
        Ty::Texts => {
            let items = (0..c.pick(3)).map(|_| Value::from(c.one_of(&HOSTILE)));
            Value::List(items.collect())
        }
        Ty::Ints => {
            let items = (0..c.pick(3)).map(|_| Value::from(whole(c)));
            Value::List(items.collect())
        }
        Ty::Json => match c.pick(6) {
            0 => 9_007_199_254_740_993_i64.into(),
            1 => "$title".into(),
            2 => Value::Dict(IndexMap::from([("$gt".to_owned(), Value::from(1))])),
            3 => Value::List(vec![2.into(), "$$ROOT".into()]),
            4 => Value::Dict(IndexMap::new()),
            _ => false.into(),
        },
    }
}
