//! Functions of an embedder's own, from text-like statement to rows: a scalar that is a transform too, and an aggregate.

use futures_util::FutureExt;
use mqlc_compiler::Compiler;
use mqlc_compiler::functions::{AggregateRules, Function, Grouped, NullRule, Output};
use mqlc_compiler::mql::Accumulator;
use mqlc_compiler::queryset::Statement;
use mqlc_compiler::schema::{Schema, SchemaSpec};
use mqlc_executors::{Execute, MemoryExecutor};
use serde_json::{Value, json};

use super::*;

const SCHEMA: &str = r#"{
  "settings": {"use_tz": true, "time_zone": "UTC"},
  "models": {"app.Word": {"collection": "word", "ordering": [], "fields": [
    {"name": "id", "type": "AutoField", "column": "_id", "primary_key": true},
    {"name": "text", "type": "CharField", "column": "text", "max_length": 9, "null": true},
    {"name": "n", "type": "IntegerField", "column": "n", "null": true}]}}
}"#;

fn registry() -> Registry {
    let mut registry = Registry::django();
    registry.register(
        Function::scalar(
            "ByteLength",
            1,
            Output::Kind(FieldKind::IntegerField),
            NullRule::Strict,
            |call, _target| {
                let text = call.arg(0)?.text();
                Ok(text.unless_null(|t| Expr::one("$strLenBytes", t)))
            },
        )
        .transform("bytes", &[FieldKind::CharField]),
    );
    registry.register(Function::aggregate(
        "Product",
        1,
        Output::First,
        AggregateRules::default(),
        |call, names, _target| {
            let name = names();
            let arg = call.arg(0)?.expr.clone();
            let values = Accumulator {
                op: "$push",
                args: Args::One(Box::new(arg)),
            };
            let product = Expr::named(
                "$reduce",
                [
                    ("input", Expr::field([name.clone()])),
                    ("initialValue", Expr::lit(1)),
                    (
                        "in",
                        Expr::list("$multiply", [Expr::var("value"), Expr::var("this")]),
                    ),
                ],
            );
            Ok(Grouped {
                fields: vec![(name, values)],
                value: product,
            })
        },
    ));
    registry
}

fn run(statement: Value) -> Vec<Value> {
    let schema = Schema::new(SchemaSpec::from_json(SCHEMA).unwrap()).unwrap();
    let statement = Statement::from_json(&statement.to_string()).unwrap();
    let compiled = Compiler::new(schema)
        .registry(registry())
        .compile(&statement)
        .unwrap();
    let executor = MemoryExecutor::new();
    let insert = doc! { "insert": "word", "documents": [
        { "_id": 1_i64, "text": "é", "n": 2_i64 },
        { "_id": 2_i64, "text": "ab", "n": 3_i64 },
        { "_id": 3_i64, "text": "a", "n": 7_i64 },
        { "_id": 4_i64, "n": 1_i64 },
    ] };
    executor
        .engine()
        .run_command(executor.database(), insert)
        .unwrap();
    executor.fetch(&compiled).now_or_never().unwrap().unwrap()
}

/// As an annotation.
#[test]
fn a_function_of_ones_own() {
    let found = run(json!({
        "model": "app.Word",
        "calls": [
            {"annotate": {"b": {"func": {"name": "ByteLength", "args": [{"f": "text"}]}}}},
            {"order_by": ["id"]},
            {"values_list": {"fields": ["b"], "exprs": {}, "flat": true, "named": false}}
        ],
        "do": "rows"
    }));
    assert_eq!(found, [json!(2), json!(2), json!(1), Value::Null]);
}

/// As a transform in a lookup path.
#[test]
fn a_transform_of_ones_own() {
    let found = run(json!({
        "model": "app.Word",
        "calls": [
            {"filter": {"and": [{"lookup": {"path": "text__bytes__gt", "rhs": {"value": 1}}}]}},
            {"order_by": ["id"]},
            {"values_list": {"fields": ["id"], "exprs": {}, "flat": true, "named": false}}
        ],
        "do": "rows"
    }));
    assert_eq!(found, [json!(1), json!(2)]);
}

/// As an aggregate of groups.
#[test]
fn an_aggregate_of_ones_own() {
    let found = run(json!({
        "model": "app.Word",
        "calls": [
            {"values": {"fields": [], "exprs": {"b": {"func": {"name": "ByteLength", "args": [{"f": "text"}]}}}}},
            {"annotate": {"p": {"aggregate": {"name": "Product", "args": [{"f": "n"}]}}}},
            {"order_by": ["p"]}
        ],
        "do": "rows"
    }));
    let products: Vec<Value> = found.iter().map(|row| row["p"].clone()).collect();
    assert_eq!(products, [json!(1), json!(6), json!(7)]);
}
