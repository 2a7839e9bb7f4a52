//! The bytes are those of the document.

use bson::{Binary, Bson, Decimal128, Document, Regex, Timestamp, doc, oid::ObjectId};

use super::*;
use crate::error::Code;
use crate::mql::{FieldOp, Find, Projection};

fn find(filter: Filter) -> Command {
    Command::Find(Box::new(Find {
        collection: "c".to_owned(),
        filter,
        projection: Vec::new(),
        sort: Vec::new(),
        skip: 0,
        limit: None,
        hint: None,
    }))
}

fn eq(path: &str, value: impl Into<Bson>) -> Filter {
    Filter::field(path, FieldOp::Eq(value.into()))
}

fn rendered(filter: Filter) -> Document {
    let filter = find(filter);
    let document = command(&filter, &[]);
    let bytes = raw_command(&filter, &[]).unwrap().into_bytes();
    assert_eq!(bytes, document.to_vec().unwrap(), "{document}");
    document.get_document("filter").unwrap().clone()
}

/// Every type of BSON is written as the `bson` crate writes it.
#[test]
fn types() {
    let values = [
        Bson::Null,
        true.into(),
        1.5.into(),
        7_i32.into(),
        i64::MAX.into(),
        "é\0".into(),
        bson::DateTime::from_millis(-1).into(),
        ObjectId::from_bytes([7; 12]).into(),
        "1.50".parse::<Decimal128>().unwrap().into(),
        Bson::Array((0..120).map(Bson::Int32).collect()),
        Bson::Document(doc! {"a": {"b": [[], {}]}}),
        Bson::Binary(Binary {
            subtype: bson::spec::BinarySubtype::BinaryOld,
            bytes: vec![1, 2],
        }),
        Bson::RegularExpression(Regex {
            pattern: "a".to_owned().try_into().unwrap(),
            options: "i".to_owned().try_into().unwrap(),
        }),
        Bson::Timestamp(Timestamp {
            time: 1,
            increment: 2,
        }),
        Bson::JavaScriptCode("x".to_owned()),
        Bson::Symbol("s".to_owned()),
        Bson::Undefined,
        Bson::MinKey,
        Bson::MaxKey,
    ];
    for value in &values {
        rendered(eq("a", value.clone()));
    }
    rendered(Filter::field("a", FieldOp::In(values.to_vec())));
}

/// A key with a NUL character would end early: the bytes after it would be read as something else.
#[test]
fn keys_hold_no_nul() {
    for filter in [eq("a\0b", 1), eq("a", doc! {"b\0": 1})] {
        let error = raw_command(&find(filter), &[]).unwrap_err();
        assert_eq!(error.code(), Code::Unsupported);
    }
}

/// Conditions that need a key again stand under one `$and`.
#[test]
fn keys_that_are_taken() {
    let both = |path: &str| Filter::Field {
        path: path.to_owned(),
        ops: vec![FieldOp::In(vec![1.into()]), FieldOp::InParameter(1)],
    };
    assert_eq!(
        rendered(Filter::And(vec![eq("a", 1), eq("b", 2), eq("a", 3)])),
        doc! {"a": 1, "b": 2, "$and": [{"a": 3}]}
    );
    assert_eq!(
        rendered(Filter::And(vec![
            both("a"),
            eq("b", 2),
            both("c"),
            eq("b", 3)
        ])),
        doc! {
            "$and": [
                {"a": {"$in": [1]}}, {"a": {"$in": []}},
                {"$and": [{"c": {"$in": [1]}}, {"c": {"$in": []}}]}, {"b": 3},
            ],
            "b": 2,
        }
    );
    let inner = Filter::And(vec![eq("a", 1), eq("a", 2)]);
    assert_eq!(
        rendered(Filter::And(vec![inner, eq("b", 3), eq("b", 4)])),
        doc! {"a": 1, "$and": [{"a": 2}, {"b": 4}], "b": 3}
    );
    let raw = Filter::Raw(doc! {"$and": [{"x": 1}]});
    assert_eq!(
        rendered(Filter::And(vec![raw, eq("b", 3), eq("b", 4)])),
        doc! {"$and": [{"x": 1}, {"b": 4}], "b": 3}
    );
}

/// A constant never includes or excludes by accident, and a text is never a path.
#[test]
fn literals_stay_literals() {
    let fields = ["$x", "x"].map(|text| (text.to_owned(), Projection::Expr(Expr::lit(text))));
    let project = Stage::Project(fields.into_iter().collect());
    assert_eq!(
        stage(&project),
        doc! {"$project": {"$x": {"$literal": "$x"}, "x": "x"}}
    );
    assert_eq!(
        stage(&Stage::Project(vec![(
            "n".to_owned(),
            Projection::Expr(Expr::lit(1))
        )])),
        doc! {"$project": {"n": {"$literal": 1}}}
    );
}
