//! Queryset JSON: what is accepted comes back as it was, what is refused says where and why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use mqlc_compiler::Code;
use mqlc_compiler::queryset::{Limits, Queryset, Statement, Value};
use mqlc_compiler::schema::{FieldType, SchemaSpec};
use serde_json::{Value as Json, json};

/// One statement that has every tag of the form, each with all of its keys.
const EVERYTHING: &str = include_str!("json/everything.json");
/// A schema that has every key of the form.
const SCHEMA: &str = include_str!("json/schema.json");

fn statements() -> Vec<Json> {
    serde_json::from_str(EVERYTHING).unwrap()
}

fn error_of(statement: &Json) -> mqlc_compiler::Error {
    Statement::from_json(&statement.to_string()).expect_err(&statement.to_string())
}

fn rows(calls: Json) -> Json {
    json!({"model": "a.B", "calls": calls, "do": "rows"})
}

fn value(value: &Json) -> Result<Value, mqlc_compiler::Error> {
    Value::from_json(value)
}

/// Canonical documents survive decoding and encoding byte by byte, key order included.
#[test]
fn canonical_form() {
    for statement in statements() {
        let text = statement.to_string();
        let decoded = Statement::from_json(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        assert_eq!(decoded.to_json(), text);
        assert_eq!(
            Statement::from_json(&decoded.to_json_pretty()).unwrap(),
            decoded
        );
        let queryset = decoded.queryset();
        assert_eq!(Queryset::from_json(&queryset.to_json()).unwrap(), queryset);
        let by_serde: Statement = serde_json::from_str(&text).unwrap();
        assert_eq!(by_serde, decoded);
    }
    let schema = SchemaSpec::from_json(SCHEMA).unwrap();
    let once = schema.to_json();
    assert_eq!(SchemaSpec::from_json(&once).unwrap(), schema);
    assert_eq!(
        serde_json::from_str::<Json>(&once).unwrap(),
        serde_json::from_str::<Json>(SCHEMA).unwrap()
    );
}

/// Paths of all objects of a document whose keys are fixed by the form.
fn objects(json: &Json, at: &str, found: &mut Vec<String>) {
    match json {
        Json::Object(map) => {
            found.push(at.to_owned());
            for (key, inner) in map {
                objects(
                    inner,
                    &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")),
                    found,
                );
            }
        }
        Json::Array(items) => {
            for (i, inner) in items.iter().enumerate() {
                objects(inner, &format!("{at}/{i}"), found);
            }
        }
        _ => {}
    }
}

/// An unknown key anywhere is refused, and the path leads into the object that holds it. Where keys are free (names of
/// annotations, dicts, MQL), the stray key's content is what is refused.
#[test]
fn unknown_keys_are_refused_everywhere() {
    let free = |path: &str| {
        path.ends_with("/$literal")
            || path.contains("/raw")
            || path.contains("/hint/")
            || path.contains("/value/")
            || path.ends_with("/options")
            || path.contains("/plain")
            || path.contains("/rows/")
            || path.ends_with("efaults")
            || path.ends_with("/$model/fields")
    };
    let mut checked = 0;
    for statement in statements() {
        let mut found = Vec::new();
        objects(&statement, "", &mut found);
        for path in found.into_iter().filter(|path| !free(path)) {
            let mut mutated = statement.clone();
            let object = mutated.pointer_mut(&path).unwrap().as_object_mut().unwrap();
            object.insert("zzz".to_owned(), json!({"zzz": 1}));
            let error = error_of(&mutated);
            assert!(error.path().starts_with(&path), "{error} for {path}");
            assert_eq!(error.code(), Code::Decode);
            checked += 1;
        }
    }
    assert!(checked > 100, "{checked}");
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    let mut found = Vec::new();
    objects(&schema, "", &mut found);
    let free =
        |path: &String| path.ends_with("/content_types") || path.ends_with("/on_delete_value");
    for path in found.into_iter().filter(|path| !free(path)) {
        let mut mutated = schema.clone();
        let object = mutated.pointer_mut(&path).unwrap().as_object_mut().unwrap();
        object.insert("zzz".to_owned(), json!({"zzz": 1}));
        let error = SchemaSpec::from_json(&mutated.to_string()).expect_err(&path);
        assert!(error.path().starts_with(&path), "{error} for {path}");
    }
}

/// A required key that is missing is refused with the object's path.
#[test]
fn missing_keys_are_refused() {
    for (call, path, key) in [
        (
            json!({"filter": {"lookup": {"path": "a"}}}),
            "/calls/0/filter/lookup",
            "rhs",
        ),
        (
            json!({"filter": {"lookup": {"rhs": {"value": 1}}}}),
            "/calls/0/filter/lookup",
            "path",
        ),
        (json!({"dates": {"field": "a"}}), "/calls/0/dates", "kind"),
        (json!({"union": {"all": true}}), "/calls/0/union", "others"),
        (
            json!({"annotate": {"x": {"func": {"name": "Lower"}}}}),
            "/calls/0/annotate/x/func",
            "args",
        ),
        (
            json!({"annotate": {"x": {"wrap": {"expr": {"f": "a"}}}}}),
            "/calls/0/annotate/x/wrap",
            "output",
        ),
        (
            json!({"annotate": {"x": {"exists": {"model": "a.B"}}}}),
            "/calls/0/annotate/x/exists",
            "calls",
        ),
    ] {
        let error = error_of(&rows(json!([call])));
        assert_eq!(error.path(), path);
        assert!(error.message().contains(&format!("`{key}`")), "{error}");
    }
    assert!(
        error_of(&json!({"model": "a.B", "calls": []}))
            .message()
            .contains("`do`")
    );
}

/// A union has exactly one tag, a known one.
#[test]
fn tags() {
    let none = error_of(&rows(json!([{"filter": {}}])));
    assert_eq!(none.path(), "/calls/0/filter");
    assert!(none.choices().contains(&"lookup".to_owned()));
    let two = error_of(&rows(json!([{"filter": {"and": [], "or": []}}])));
    assert!(two.message().contains("`and` and `or`"), "{two}");
    let unknown = error_of(&rows(json!([{"filtr": {"and": []}}])));
    assert_eq!(unknown.path(), "/calls/0/filtr");
    assert_eq!(unknown.hint(), Some("did you mean `filter`?"));
    assert!(unknown.choices().contains(&"filter".to_owned()));
    let terminal = error_of(&json!({"model": "a.B", "calls": [], "do": "row"}));
    assert_eq!(terminal.path(), "/do");
    assert!(terminal.choices().contains(&"rows".to_owned()));
}

/// What stands only in some places is refused elsewhere.
#[test]
fn places() {
    let star = error_of(&rows(json!([{"annotate": {"x": {"star": {}}}}])));
    assert_eq!(star.path(), "/calls/0/annotate/x/star");
    let relation = json!({"filtered_relation": {"relation": "b", "condition": {"and": []}}});
    error_of(&rows(json!([{"filter": {"expr": relation}}])));
    let computed = json!({"value": {"$expr": {"f": "a"}}});
    let error = error_of(&rows(json!([{"filter": {"expr": computed}}])));
    assert_eq!(error.path(), "/calls/0/filter/expr/value/$expr");
}

/// Wrong kinds of JSON are refused where they stand.
#[test]
fn kinds() {
    for (call, path) in [
        (json!({"filter": []}), "/calls/0/filter"),
        (json!({"filter": {"and": {}}}), "/calls/0/filter/and"),
        (
            json!({"filter": {"lookup": {"path": 1, "rhs": {"value": 1}}}}),
            "/calls/0/filter/lookup/path",
        ),
        (
            json!({"filter": {"and": [{"and": []}, 7]}}),
            "/calls/0/filter/and/1",
        ),
        (json!({"order_by": ["a", 1]}), "/calls/0/order_by/1"),
        (json!({"slice": [1]}), "/calls/0/slice"),
        (json!({"slice": [1, 2, 3]}), "/calls/0/slice"),
        (json!({"slice": [1.5, 2]}), "/calls/0/slice/0"),
        (json!({"distinct": "a"}), "/calls/0/distinct"),
        (
            json!({"union": {"all": 1, "others": []}}),
            "/calls/0/union/all",
        ),
        (
            json!({"combine": {"op": "+", "other": {"model": "a.B", "calls": []}}}),
            "/calls/0/combine/op",
        ),
        (
            json!({"annotate": {"a/b": {"f": null}}}),
            "/calls/0/annotate/a~1b/f",
        ),
        (
            json!({"annotate": {"x": {"typed": {"value": 1, "output": {"type": "Nope"}}}}}),
            "/calls/0/annotate/x/typed/output/type",
        ),
        (json!({"raw": [7]}), "/calls/0/raw/0"),
    ] {
        assert_eq!(error_of(&rows(json!([call]))).path(), path);
    }
}

/// Mistakes that Django itself refuses have Django's class.
#[test]
fn refused_as_django_refuses() {
    for (call, class) in [
        (json!({"slice": [-1, null]}), "ValueError"),
        (json!({"only": null}), "TypeError"),
        (
            json!({"annotate": {"x": {"window": {"expr": {"f": "a"}, "partition_by": [], "order_by": [],
                "frame": {"unit": "rows", "start": "a", "end": null}}}}}),
            "ValueError",
        ),
    ] {
        assert_eq!(error_of(&rows(json!([call]))).code().django_class(), class);
    }
}

/// Literals of every kind come back as they were.
#[test]
fn values_round_trip() {
    for json in [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(1.0),
        json!(-0.0),
        json!(1e300),
        json!("a\"\u{1}é"),
        json!([]),
        json!([1, [2, [null]]]),
        json!({}),
        json!({"a": {"b": [1.5]}}),
        json!({"$date": "2024-01-31T10:00:00.123456+02:00"}),
        json!({"$naive": "2024-01-31T10:00:00.123456"}),
        json!({"$day": "2024-01-31"}),
        json!({"$time": "10:30:00.000001"}),
        json!({"$duration": 86_400_000_000_i64}),
        json!({"$numberDecimal": "1.50"}),
        json!({"$numberDecimal": "-0.001"}),
        json!({"$numberDecimal": "NaN"}),
        json!({"$uuid": "c8edabc3-f738-4ca3-b68d-ab92a91478a3"}),
        json!({"$oid": "5ca4bbc7a2dd94ee5816238c"}),
        json!({"$binary": {"base64": "AEb+", "subType": "00"}}),
        json!({"$numberDouble": "NaN"}),
        json!({"$numberDouble": "-Infinity"}),
        json!({"$regularExpression": {"pattern": "a.*", "options": "i"}}),
        json!({"$model": {"model": "app.Address", "fields": {"city": {"$day": "2024-01-31"}}}}),
        json!({"$literal": {"$gt": 1, "a": {"$literal": {"$x": null}}}}),
        json!({"$jsonNull": true}),
        json!({"$expr": {"f": "a"}}),
    ] {
        let decoded = value(&json).unwrap_or_else(|e| panic!("{e} for {json}"));
        assert_eq!(decoded.to_json_text(), json.to_string());
    }
    let wide = "170141183460469231731687303715884105727";
    assert_eq!(Value::from_json_text(wide).unwrap(), Value::Int(i128::MAX));
    assert_eq!(Value::Int(i128::MAX).to_json_text(), wide);
}

/// Invalid literals are refused with the path.
#[test]
fn invalid_values() {
    for (json, path) in [
        (json!({"$date": "2024-01-31T10:00:00"}), "/$date"),
        (json!({"$naive": "2024-01-31T10:00:00Z"}), "/$naive"),
        (json!({"$day": "2024-02-30"}), "/$day"),
        (json!({"$time": "25:00:00"}), "/$time"),
        (json!({"$duration": 1.5}), "/$duration"),
        (json!({"$duration": "1"}), "/$duration"),
        (json!({"$numberDecimal": "one"}), "/$numberDecimal"),
        (json!({"$numberDecimal": 1}), "/$numberDecimal"),
        (
            json!({"$numberDecimal": "1.2345678901234567890123456789012345678"}),
            "/$numberDecimal",
        ),
        (json!({"$uuid": "c8edabc3"}), "/$uuid"),
        (json!({"$oid": "xyz"}), "/$oid"),
        (
            json!({"$binary": {"base64": "@", "subType": "00"}}),
            "/$binary/base64",
        ),
        (
            json!({"$binary": {"base64": "", "subType": "1ff"}}),
            "/$binary/subType",
        ),
        (json!({"$numberDouble": "inf"}), "/$numberDouble"),
        (json!({"$jsonNull": false}), "/$jsonNull"),
        (json!({"$gt": 1}), "/$gt"),
        (json!({"a": 1, "$gt": 1}), "/$gt"),
        (json!([{"$day": "2024-01-31", "a": 1}]), "/0/a"),
        (json!({"$literal": [1]}), "/$literal"),
        (json!({"$model": {"model": "a.B"}}), "/$model"),
    ] {
        let error = value(&json).expect_err(&json.to_string());
        assert_eq!(error.path(), path, "{error}");
    }
}

/// Too deep and too large are refused before they can do harm; deep enough is fine.
#[test]
fn limits() {
    let nest = |depth: usize| {
        let q = format!(
            "{}{}{}",
            "{\"not\":".repeat(depth),
            "{\"and\":[]}",
            "}".repeat(depth)
        );
        format!("{{\"model\":\"a.B\",\"calls\":[{{\"filter\":{q}}}],\"do\":\"rows\"}}")
    };
    Statement::from_json(&nest(190)).unwrap();
    let error = Statement::from_json(&nest(10_000)).unwrap_err();
    assert_eq!(error.code(), Code::Limit);
    assert!(error.to_string().len() < 400);
    let limits = Limits {
        nodes: 10,
        ..Limits::default()
    };
    let list = json!({"filter": {"expr": {"value": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}}});
    let error = Statement::from_json_within(&rows(json!([list])).to_string(), limits).unwrap_err();
    assert_eq!(error.code(), Code::Limit);
}

/// The deepest statements fit a small stack, so that embedders can decode on any thread.
#[test]
fn deep_statements_need_little_stack() {
    let f = "{\"f\":\"a\"}";
    let depth = 180;
    let forms = [
        (
            "{\"combined\":{\"op\":\"+\",\"rhs\":{\"f\":\"a\"},\"lhs\":",
            f,
            "}}",
        ),
        ("{\"func\":{\"name\":\"Lower\",\"args\":[", f, "]}}"),
        ("{\"case\":{\"when\":[],\"else\":", f, "}}"),
    ];
    for (open, inner, close) in forms {
        let text = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
        let text = format!(
            "{{\"model\":\"a.B\",\"calls\":[{{\"annotate\":{{\"x\":{text}}}}}],\"do\":\"rows\"}}"
        );
        let thread = std::thread::Builder::new().stack_size(1 << 20);
        let done = thread.spawn(move || {
            Statement::from_json(&text).unwrap().to_json()
                == text.replace("\"rhs\":{\"f\":\"a\"},", "")
        });
        let _ = done.unwrap().join().unwrap();
    }
}

/// Text that ends too early or goes on too long is refused with its place, wherever it is cut.
#[test]
fn truncated_documents() {
    let text =
        rows(json!([{"filter": {"lookup": {"path": "a\u{e9}", "rhs": {"value": 1}}}}])).to_string();
    for (cut, _) in text.char_indices() {
        let error = Statement::from_json(&text[..cut]).unwrap_err();
        assert_eq!(error.code(), Code::Decode);
        assert!(error.message().contains("line 1 column"), "{error}");
    }
    let error = Statement::from_json(&format!("{text} x")).unwrap_err();
    assert!(error.message().contains("line 1 column"), "{error}");
}

/// A type is a field without name and column.
#[test]
fn field_types() {
    let text = r#"{"type":"ArrayField","size":3,"base":{"type":"CharField","max_length":10}}"#;
    let ty = FieldType::from_json(text).unwrap();
    assert_eq!(serde_json::to_string(&ty).unwrap(), text);
}

fn without_nulls(json: Json) -> Json {
    match json {
        Json::Object(map) => Json::Object(
            map.into_iter()
                .filter(|(_, inner)| !inner.is_null())
                .map(|(key, inner)| (key, without_nulls(inner)))
                .collect(),
        ),
        Json::Array(items) => Json::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Every statement and schema of a recorded corpus, if one is at hand, survives; refused forms are refused as Django does.
#[test]
fn corpus() {
    let Ok(root) = std::env::var("MQLC_CORPUS") else {
        return;
    };
    let list = |folder: &str| {
        std::fs::read_dir(format!("{root}/{folder}"))
            .unwrap()
            .map(|f| f.unwrap().path())
    };
    let (mut same, mut refused) = (0, 0);
    for file in list("cases") {
        for line in std::fs::read_to_string(file).unwrap().lines() {
            let case: Json = serde_json::from_str(line).unwrap();
            match Statement::from_json(&case["statement"].to_string()) {
                Ok(statement) => {
                    let (ours, theirs) = (statement.to_json(), case["statement"].to_string());
                    let as_json = |text: &str| serde_json::from_str::<Json>(text).unwrap();
                    // Names that order an aggregate or a window are read as the fields that they stand for.
                    if !theirs.contains("],\"order_by\":[\"") {
                        assert_eq!(as_json(&ours), as_json(&theirs), "{}", case["id"]);
                    }
                    assert_eq!(Statement::from_json(&ours).unwrap(), statement);
                    same += 1;
                }
                Err(error) => {
                    assert_eq!(
                        case["expect"]["error"],
                        error.code().django_class(),
                        "{}: {error}",
                        case["id"]
                    );
                    refused += 1;
                }
            }
        }
    }
    for file in list("schema") {
        let text = std::fs::read_to_string(&file).unwrap();
        let schema =
            SchemaSpec::from_json(&text).unwrap_or_else(|e| panic!("{e} in {}", file.display()));
        assert_eq!(SchemaSpec::from_json(&schema.to_json()).unwrap(), schema);
        let as_json = |text: &str| without_nulls(serde_json::from_str(text).unwrap());
        assert_eq!(as_json(&schema.to_json()), as_json(&text));
    }
    for file in list("data") {
        let data: Json = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        for value in data
            .as_object()
            .unwrap()
            .values()
            .flat_map(|rows| rows.as_array().unwrap())
            .flat_map(|row| row.as_object().unwrap().values())
        {
            assert_eq!(
                Value::from_json(value).unwrap().to_json_text(),
                value.to_string()
            );
        }
    }
    println!(
        "{same} statements came back as they were, {refused} were refused as Django refuses them"
    );
}
