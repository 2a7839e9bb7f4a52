//! Texts of Django's documentation against the statements that they stand for.
//!
//! Reads the folder named by `MQLC_TEXT_SAMPLES` (`cases.jsonl` and `models/*.py`); without it the test says so and passes.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mqlc_compiler::queryset::{Statement, Value};
use mqlc_compiler::schema::Schema;
use mqlc_compiler::{Code, text};
use serde_json::Value as Json;

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::from(i),
            None => Value::Float(n.as_f64().unwrap()),
        },
        Json::String(s) => Value::from(s.as_str()),
        Json::Array(items) => Value::List(items.iter().map(value).collect()),
        Json::Object(_) => {
            let wrapped = format!(
                r#"{{"model": "a.B", "calls": [{{"filter": {{"lookup": {{"path": "x", "rhs": {{"value": {json}}}}}}}}}], "do": "rows"}}"#
            );
            let statement = Statement::from_json(&wrapped).unwrap();
            match &statement.calls[0] {
                mqlc_compiler::queryset::Call::Filter(mqlc_compiler::queryset::Q::Lookup {
                    rhs: mqlc_compiler::queryset::Expr::Value(value),
                    ..
                }) => value.clone(),
                other => panic!("{other:?}"),
            }
        }
    }
}

/// What the passes after the text make of it, if that is not what Django does.
fn later(schema: &Schema, case: &Json, statement: &Statement) -> Option<String> {
    let id = &case["id"];
    // Registered lookups are settings, and a query about an outer one stands in none.
    let apart = case["lookups"].is_object() || case["subquery_only"] == true;
    let result = mqlc_compiler::Compiler::new(schema.clone()).compile(statement);
    match (result, case["valid"].as_bool().unwrap()) {
        (Ok(_), true) => None,
        (Ok(_), false) => Some(format!("{id}: compiles, expected {}", case["error"])),
        (Err(_), true) if apart => None,
        (Err(error), true) => Some(format!("{id}: {error}")),
        (Err(error), false) if Some(error.code().django_class()) == case["error"].as_str() => None,
        (Err(error), false) => Some(format!("{id}: expected {}, {error}", case["error"])),
    }
}

/// Every valid text gives its statement; invalid ones are refused with their class, here or by the binder.
#[test]
fn texts_stand_for_their_statements() {
    let Ok(folder) = std::env::var("MQLC_TEXT_SAMPLES") else {
        println!("MQLC_TEXT_SAMPLES is not set: nothing compared");
        return;
    };
    let folder = Path::new(&folder);
    let mut models: BTreeMap<String, (Schema, Arc<text::Extras>)> = BTreeMap::new();
    let mut failures = Vec::new();
    let (mut exact, mut refused, mut other) = (0, 0, 0);
    let mut compiled: Vec<Option<String>> = Vec::new();
    for line in std::fs::read_to_string(folder.join("cases.jsonl"))
        .unwrap()
        .lines()
    {
        let case: Json = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        let file = case["models"].as_str().unwrap();
        let app = Path::new(file)
            .file_stem()
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        if !models.contains_key(file) {
            let source = std::fs::read_to_string(folder.join(file)).unwrap();
            let found = text::parse_models(&app, &source)
                .unwrap_or_else(|e| panic!("{file}:\n{}", e.render(&source)));
            let schema = Schema::new(found.spec).unwrap_or_else(|e| panic!("{file}: {e}"));
            models.insert(file.to_owned(), (schema, Arc::new(found.extras)));
        }
        let (schema, extras) = &models[file];
        let mut params = text::Params {
            app: Some(app),
            extras: Arc::clone(extras),
            now: case["now"].as_str().map(|t| t.parse().unwrap()),
            ..text::Params::default()
        };
        if let Some(names) = case["params"].as_object() {
            for (name, param) in names {
                let param = match param["model"].as_str() {
                    Some(model) => text::ParamValue::Instance {
                        model: model.to_owned(),
                        pk: value(&param["pk"]),
                    },
                    None => text::ParamValue::Value(value(param)),
                };
                params.names.insert(name.clone(), param);
            }
        }
        let source = case["text"].as_str().unwrap();
        let valid = case["valid"].as_bool().unwrap();
        let expected = match &case["statement"] {
            Json::Null => None,
            json => Some(
                Statement::from_json(&json.to_string()).unwrap_or_else(|e| panic!("{id}: {e}")),
            ),
        };
        let found = text::parse(schema, source, &params);
        match (found, expected, valid) {
            (Ok(parsed), Some(expected), _) => {
                if parsed.statement.as_ref() == Some(&expected) {
                    exact += 1;
                    compiled.push(later(schema, &case, &expected));
                } else {
                    let json = parsed.statement.map_or_else(String::new, |s| s.to_json());
                    failures.push(format!(
                        "{id}\n{source}\n  expected {}\n  found    {json}",
                        expected.to_json()
                    ));
                }
            }
            (Err(error), Some(_), true) => failures.push(format!("{id}\n{}", error.render(source))),
            (Err(error), _, false) => {
                let class = case["error"].as_str().unwrap_or_default();
                if error.code().django_class() == class {
                    refused += 1;
                } else {
                    failures.push(format!("{id}: expected {class}\n{}", error.render(source)));
                }
            }
            (Ok(_), None, false) => failures.push(format!("{id}: must be refused\n{source}")),
            (Ok(_), None, true) => other += 1,
            (Err(error), None, true) => {
                let known = matches!(error.code(), Code::Unsupported | Code::Python);
                if known {
                    other += 1;
                } else {
                    failures.push(format!("{id}: no statement, yet\n{}", error.render(source)));
                }
            }
        }
    }
    println!(
        "{exact} exact, {refused} refused, {other} without statement, {} failed",
        failures.len()
    );
    let rest: Vec<String> = compiled.into_iter().flatten().collect();
    println!(
        "{} not as recorded by the passes that follow:\n{}",
        rest.len(),
        rest.join("\n")
    );
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}
