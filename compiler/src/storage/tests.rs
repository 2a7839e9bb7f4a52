//! Values survive the way into documents and back, in the official backend's form.

use bson::{Bson, DateTime};
use jiff::civil::{date, time};

use super::{from_bson, to_bson};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, Schema, SchemaSpec, Settings};

fn schema(use_tz: bool) -> Schema {
    Schema::new(SchemaSpec {
        settings: Settings {
            use_tz,
            time_zone: "America/Chicago".to_owned(),
            ..Settings::default()
        },
        ..SchemaSpec::default()
    })
    .unwrap()
}

fn stored(kind: FieldKind, value: impl Into<Value>) -> Bson {
    to_bson(&schema(true), &FieldType::new(kind), &value.into()).unwrap()
}

fn back(kind: FieldKind, stored: Bson) -> Value {
    from_bson(&schema(true), &FieldType::new(kind), stored).unwrap()
}

/// The BSON type follows the field, not the literal.
#[test]
fn numbers_take_the_type_of_the_field() {
    assert_eq!(stored(FieldKind::IntegerField, 5), Bson::Int64(5));
    assert_eq!(stored(FieldKind::SmallIntegerField, 5), Bson::Int32(5));
    assert_eq!(stored(FieldKind::IntegerField, " 5 "), Bson::Int64(5));
    assert_eq!(stored(FieldKind::IntegerField, -1.9), Bson::Int64(-1));
    assert_eq!(stored(FieldKind::FloatField, 5), Bson::Double(5.0));
    assert_eq!(
        stored(FieldKind::CharField, 5.0),
        Bson::String("5.0".into())
    );
    let decimal = stored(FieldKind::DecimalField, 1.1);
    assert_eq!(decimal, Bson::Decimal128("1.1".parse().unwrap()));
}

/// Dates, times and durations have the backend's forms, both ways.
#[test]
fn temporal_values_round_trip() {
    let day = Value::Date(date(2024, 1, 31));
    let at = stored(FieldKind::DateField, day.clone());
    assert_eq!(at, Bson::DateTime(DateTime::from_millis(1_706_659_200_000)));
    assert_eq!(back(FieldKind::DateField, at), day);

    let clock = Value::Time(time(10, 30, 0, 5_000_000));
    let at = stored(FieldKind::TimeField, clock.clone());
    assert_eq!(
        at,
        Bson::DateTime(DateTime::from_millis(-62_135_596_800_000 + 37_800_005))
    );
    assert_eq!(back(FieldKind::TimeField, at), clock);

    let span = stored(FieldKind::DurationField, Value::Duration(-1_500));
    assert_eq!(span, Bson::Int64(-2));
    assert_eq!(
        back(FieldKind::DurationField, span),
        Value::Duration(-2_000)
    );
}

/// Naive datetimes mean the default zone with `use_tz`, and are stored as they are without.
#[test]
fn naive_datetimes_depend_on_the_settings() {
    let naive = Value::NaiveDateTime(date(2024, 1, 31).at(10, 0, 0, 0));
    let ty = FieldType::new(FieldKind::DateTimeField);
    let aware = to_bson(&schema(true), &ty, &naive).unwrap();
    assert_eq!(
        aware,
        Bson::DateTime(DateTime::from_millis(1_706_716_800_000))
    );
    let plain = to_bson(&schema(false), &ty, &naive).unwrap();
    assert_eq!(
        plain,
        Bson::DateTime(DateTime::from_millis(1_706_695_200_000))
    );
    assert_eq!(from_bson(&schema(false), &ty, plain).unwrap(), naive);
}

/// What an expression of an integer type computes is cut, as Python's `int()` does.
#[test]
fn computed_integers_are_cut() {
    assert_eq!(
        back(FieldKind::IntegerField, Bson::Double(451.5)),
        Value::Int(451)
    );
    assert_eq!(
        back(FieldKind::IntegerField, Bson::Double(-1.5)),
        Value::Int(-1)
    );
    let decimal = Bson::Decimal128("2.75".parse().unwrap());
    assert_eq!(back(FieldKind::BigIntegerField, decimal), Value::Int(2));
    assert!(matches!(
        back(FieldKind::IntegerField, Bson::Double(f64::INFINITY)),
        Value::Float(_)
    ));
}

/// UUIDs are 32 hexadecimal digits.
#[test]
fn uuids_are_text() {
    let text = "0123456789abcdef0123456789abcdef";
    let value = stored(FieldKind::UUIDField, "01234567-89ab-cdef-0123-456789abcdef");
    assert_eq!(value, Bson::String(text.into()));
    assert!(matches!(back(FieldKind::UUIDField, value), Value::Uuid(_)));
}

/// Refusals carry Django's class.
#[test]
fn refusals_have_djangos_class() {
    let refuse = |kind, value: Value| {
        to_bson(&schema(true), &FieldType::new(kind), &value)
            .unwrap_err()
            .code()
            .django_class()
    };
    assert_eq!(refuse(FieldKind::IntegerField, "x".into()), "ValueError");
    assert_eq!(
        refuse(FieldKind::IntegerField, Value::List(vec![])),
        "TypeError"
    );
    assert_eq!(refuse(FieldKind::UUIDField, "x".into()), "ValidationError");
    assert_eq!(
        refuse(FieldKind::DateTimeField, "x".into()),
        "ValidationError"
    );
    assert_eq!(
        refuse(FieldKind::BooleanField, "x".into()),
        "ValidationError"
    );
}

/// The last day that Django knows is read, though it has no instant in every zone.
#[test]
fn the_last_day_is_read() {
    let schema = Schema::new(SchemaSpec::default()).expect("an empty schema");
    let last = Bson::DateTime(DateTime::from_millis(253_402_214_400_000));
    let date = FieldType::new(FieldKind::DateField);
    assert_eq!(
        from_bson(&schema, &date, last.clone()),
        Ok(Value::Date(jiff::civil::date(9999, 12, 31)))
    );
    let datetime = FieldType::new(FieldKind::DateTimeField);
    assert_eq!(
        from_bson(&schema, &datetime, last),
        Ok(Value::NaiveDateTime(
            jiff::civil::date(9999, 12, 31).at(0, 0, 0, 0)
        ))
    );
}
