//! Window functions, from statement to rows on the embedded engine, against a plain reading of SQL's rules.

use std::cmp::Ordering;

use futures_util::FutureExt;
use mqlc_compiler::Compiler;
use mqlc_compiler::queryset::Statement;
use mqlc_compiler::schema::{Schema, SchemaSpec};
use mqlc_executors::{Execute, MemoryExecutor};
use serde_json::{Value, json};

use super::*;

const SCHEMA: &str = r#"{
  "settings": {"use_tz": true, "time_zone": "UTC"},
  "models": {"app.Row": {"collection": "row", "ordering": [], "fields": [
    {"name": "id", "type": "AutoField", "column": "_id", "primary_key": true},
    {"name": "p", "type": "CharField", "column": "p", "max_length": 9},
    {"name": "k", "type": "IntegerField", "column": "k"},
    {"name": "day", "type": "DateField", "column": "day"},
    {"name": "t", "type": "CharField", "column": "t", "max_length": 9, "null": true},
    {"name": "n", "type": "IntegerField", "column": "n", "null": true}]}}
}"#;

/// A row as the reference sees it.
#[derive(Debug, Clone)]
struct Row {
    id: i64,
    p: &'static str,
    k: i64,
    t: Option<&'static str>,
    n: Option<i64>,
}

fn data() -> Vec<Row> {
    let row = |id, p, k, t, n| Row { id, p, k, t, n };
    vec![
        row(1, "a", 3, Some("x"), Some(5)),
        row(2, "a", 1, None, None),
        row(3, "a", 3, Some("y"), Some(2)),
        row(4, "a", 3, Some("x"), Some(7)),
        row(5, "a", 7, None, Some(1)),
        row(6, "a", 1, None, Some(4)),
        row(7, "a", 4, Some("z"), None),
        row(8, "b", 2, Some("z"), Some(9)),
        row(9, "b", 2, Some("a"), Some(9)),
        row(10, "b", 9, None, None),
        row(11, "c", 5, Some("q"), None),
    ]
}

fn engine() -> MemoryExecutor {
    let executor = MemoryExecutor::new();
    let documents: Vec<Document> = data()
        .into_iter()
        .map(|r| {
            let day = at("2024-01-01T00:00:00Z");
            let Bson::DateTime(day) = day else { panic!() };
            let day = bson::DateTime::from_millis(day.timestamp_millis() + r.k * 86_400_000);
            let mut document = doc! { "_id": r.id, "p": r.p, "k": r.k, "day": day };
            // NULL is null in some documents and a missing key in others
            if r.t.is_some() || r.id % 2 == 0 {
                document.insert("t", r.t.map_or(Bson::Null, Bson::from));
            }
            if r.n.is_some() || r.id % 2 == 1 {
                document.insert("n", r.n.map_or(Bson::Null, Bson::Int64));
            }
            document
        })
        .collect();
    let insert = doc! { "insert": "row", "documents": documents };
    executor
        .engine()
        .run_command(executor.database(), insert)
        .unwrap();
    executor
}

/// The window's value for each row, by id.
fn answer(window: &Value) -> Vec<(i64, Value)> {
    let statement = json!({
        "model": "app.Row",
        "calls": [
            {"annotate": {"w": {"window": window}}},
            {"values_list": {"fields": ["id", "w"], "exprs": {}, "flat": false, "named": false}},
            {"order_by": ["id"]}
        ],
        "do": "rows"
    });
    let schema = Schema::new(SchemaSpec::from_json(SCHEMA).unwrap()).unwrap();
    let statement = Statement::from_json(&statement.to_string()).unwrap();
    let compiled = Compiler::new(schema)
        .compile(&statement)
        .unwrap_or_else(|e| panic!("{e}: {window}"));
    engine()
        .fetch(&compiled)
        .now_or_never()
        .unwrap()
        .unwrap_or_else(|e| panic!("{e}: {window}"))
}

/// An order: names, descending with `-`.
type Keys = &'static [&'static str];

fn compare(a: &Row, b: &Row, keys: Keys) -> Ordering {
    for key in keys {
        let (name, desc) = key.strip_prefix('-').map_or((*key, false), |n| (n, true));
        let found = match name {
            "k" | "day" => a.k.cmp(&b.k),
            "t" => a.t.cmp(&b.t),
            _ => a.id.cmp(&b.id),
        };
        let found = if desc { found.reverse() } else { found };
        if found != Ordering::Equal {
            return found;
        }
    }
    Ordering::Equal
}

/// A frame of the test: its JSON, and the rows of a row.
#[derive(Debug, Clone, Copy)]
enum Frame {
    Default,
    Rows(Option<i64>, Option<i64>),
    Range(Option<i64>, Option<i64>),
}

impl Frame {
    fn json(self) -> Option<Value> {
        match self {
            Frame::Default => None,
            Frame::Rows(start, end) => Some(json!({"unit": "rows", "start": start, "end": end})),
            Frame::Range(start, end) => Some(json!({"unit": "range", "start": start, "end": end})),
        }
    }

    /// Positions in the sorted partition.
    fn positions(self, i: usize, rows: &[Row], keys: Keys) -> Vec<usize> {
        let in_rows = |start: Option<i64>, end: Option<i64>| {
            let at = |offset: i64| i64::try_from(i).unwrap() + offset;
            let range = (0..rows.len()).filter(|j| {
                let j = i64::try_from(*j).unwrap();
                start.is_none_or(|s| j >= at(s)) && end.is_none_or(|e| j <= at(e))
            });
            range.collect()
        };
        match self {
            Frame::Default => Frame::Range(None, Some(0)).positions(i, rows, keys),
            Frame::Rows(start, end) => in_rows(start, end),
            Frame::Range(start, end) => (0..rows.len())
                .filter(|j| {
                    let order = compare(&rows[*j], &rows[i], keys);
                    let after = start.is_none_or(|_| order != Ordering::Less);
                    let before = end.is_none_or(|_| order != Ordering::Greater);
                    after && before
                })
                .collect(),
        }
    }
}

/// What a function says of row `i` of a sorted partition.
fn expected(function: &str, i: usize, rows: &[Row], keys: Keys, frame: Frame) -> Value {
    let peers = |j: usize| compare(&rows[j], &rows[i], keys) == Ordering::Equal;
    let less = (0..rows.len()).filter(|j| compare(&rows[*j], &rows[i], keys) == Ordering::Less);
    let positions = frame.positions(i, rows, keys);
    let values: Vec<i64> = positions.iter().filter_map(|j| rows[*j].n).collect();
    let n = |j: Option<&usize>| json!(j.and_then(|j| rows[*j].n));
    match function {
        "RowNumber" => json!(i + 1),
        "Rank" => json!(less.count() + 1),
        "DenseRank" => {
            let mut firsts: Vec<&Row> = Vec::new();
            for j in less {
                if !firsts
                    .iter()
                    .any(|f| compare(f, &rows[j], keys) == Ordering::Equal)
                {
                    firsts.push(&rows[j]);
                }
            }
            json!(firsts.len() + 1)
        }
        "PercentRank" if rows.len() == 1 => json!(0.0),
        "PercentRank" => json!(less.count() as f64 / (rows.len() - 1) as f64),
        "CumeDist" => {
            let upto = less.count() + (0..rows.len()).filter(|j| peers(*j)).count();
            json!(upto as f64 / rows.len() as f64)
        }
        "Ntile" => {
            let (size, larger) = (rows.len() / 3, rows.len() % 3);
            let large = larger * (size + 1);
            json!(
                if i < large {
                    i / (size + 1)
                } else {
                    larger + (i - large) / size
                } + 1
            )
        }
        "Lag" => json!(i.checked_sub(2).and_then(|j| rows[j].n)),
        "Lead" => rows.get(i + 1).map_or(json!(-1), |r| json!(r.n)),
        "FirstValue" => n(positions.first()),
        "LastValue" => n(positions.last()),
        "NthValue" => n(positions.get(1)),
        "Sum" if values.is_empty() => Value::Null,
        "Sum" => json!(values.iter().sum::<i64>()),
        "Max" => json!(values.iter().max()),
        "Count" => json!(values.len()),
        other => panic!("{other}"),
    }
}

fn call(function: &str) -> Value {
    let f = json!({"f": "n"});
    let value = |v: i64| json!({"value": v});
    let args = match function {
        "Ntile" => json!([value(3)]),
        "Lag" => json!([f, value(2)]),
        "Lead" => json!([f, value(1), value(-1)]),
        "NthValue" => json!([f, value(2)]),
        "FirstValue" | "LastValue" => json!([f]),
        "Sum" | "Max" | "Count" => return json!({"aggregate": {"name": function, "args": [f]}}),
        _ => json!([]),
    };
    json!({"func": {"name": function, "args": args}})
}

fn same(found: &Value, expected: &Value) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(a), Some(b)) => (a - b).abs() < 1e-9,
        _ => found == expected,
    }
}

fn check(function: &str, keys: Keys, partitioned: bool, frame: Frame) {
    let order: Vec<Value> = keys
        .iter()
        .map(|key| {
            let (name, desc) = key.strip_prefix('-').map_or((*key, false), |n| (n, true));
            json!({"expr": {"f": name}, "desc": desc, "nulls": null})
        })
        .collect();
    let partition = if partitioned {
        json!([{"f": "p"}])
    } else {
        json!([])
    };
    let mut window = json!({"expr": call(function), "partition_by": partition, "order_by": order});
    if let Some(frame) = frame.json() {
        window["frame"] = frame;
    }
    let found = answer(&window);
    let all = data();
    for (id, value) in found {
        let row = all.iter().find(|r| r.id == id).unwrap();
        let mut rows: Vec<Row> = all
            .iter()
            .filter(|r| !partitioned || r.p == row.p)
            .cloned()
            .collect();
        rows.sort_by(|a, b| compare(a, b, keys));
        let i = rows.iter().position(|r| r.id == id).unwrap();
        let expected = expected(function, i, &rows, keys, frame);
        assert!(
            same(&value, &expected),
            "{function} by {keys:?} partitioned {partitioned} {frame:?}: row {id} has {value}, not {expected}"
        );
    }
}

/// Rows with equal keys have equal ranks, whatever the number, direction and type of the keys.
#[test]
fn ranks_tell_peers() {
    let orders: [Keys; 7] = [
        &["k"],
        &["-k"],
        &["t"],
        &["-t"],
        &["k", "t"],
        &["-k", "t"],
        &["day", "-t"],
    ];
    for function in ["Rank", "DenseRank", "PercentRank", "CumeDist"] {
        for keys in orders {
            for partitioned in [false, true] {
                check(function, keys, partitioned, Frame::Default);
            }
        }
    }
}

/// Without a frame an aggregate runs up to the current row and its peers.
#[test]
fn default_frames_include_peers() {
    let orders: [Keys; 7] = [
        &["k"],
        &["-k"],
        &["day"],
        &["t"],
        &["-t"],
        &["k", "t"],
        &["-day", "t"],
    ];
    for function in ["Sum", "Max", "Count"] {
        for keys in orders {
            for partitioned in [false, true] {
                check(function, keys, partitioned, Frame::Default);
                check(function, keys, partitioned, Frame::Range(Some(0), None));
                check(function, keys, partitioned, Frame::Range(None, None));
            }
        }
    }
}

/// Positions and frames of rows, in total orders.
#[test]
fn rows_have_positions() {
    let orders: [Keys; 4] = [&["id"], &["-id"], &["k", "id"], &["t", "-id"]];
    let frames = [
        Frame::Default,
        Frame::Rows(None, Some(0)),
        Frame::Rows(Some(-1), Some(1)),
        Frame::Rows(Some(0), None),
        Frame::Rows(None, None),
        Frame::Rows(Some(1), Some(2)),
    ];
    for keys in orders {
        for partitioned in [false, true] {
            for function in ["RowNumber", "Ntile", "Lag", "Lead"] {
                // three buckets of fewer rows than three are no test of this formula
                if function != "Ntile" || !partitioned {
                    check(function, keys, partitioned, Frame::Default);
                }
            }
            for frame in frames {
                for function in ["FirstValue", "LastValue", "NthValue", "Sum", "Max", "Count"] {
                    check(function, keys, partitioned, frame);
                }
            }
        }
    }
}
