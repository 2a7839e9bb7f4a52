//! What compiling costs: from the text of Queryset JSON to the rendered command, over every fixture, and how the cost grows.
//!
//! `cargo bench --bench compile`; with `MQLC_CORPUS` also over a recorded corpus. The ratios of the growth group are printed at the end: they are what is judged, single times
//! are not.

#![allow(missing_docs)] // criterion's macros make undocumented functions
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss
)] // a benchmark may fail loudly

use std::collections::HashMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use mqlc::Compiler;
use mqlc::compiler::queryset::Statement;
use mqlc::compiler::schema::{Schema, SchemaSpec};
use mqlc::compiler::text::{self, Params};

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn library() -> (Compiler, Params) {
    let source = std::fs::read_to_string(path("fixtures/schemas/library.py")).unwrap();
    let models = text::parse_models("library", &source).unwrap();
    let labels = [
        ("library.Author", 1),
        ("library.Book", 2),
        ("library.Store", 3),
    ];
    let schema = Schema::new(models.spec).unwrap().with_content_types(
        labels
            .into_iter()
            .map(|(label, key)| (label.to_owned(), key))
            .collect(),
    );
    let params = Params {
        app: Some("library".to_owned()),
        extras: Arc::new(models.extras),
        ..Params::default()
    };
    (Compiler::new(schema), params)
}

/// Every fixture as Queryset JSON, by name.
fn statements(compiler: &Compiler, params: &Params) -> Vec<(String, String)> {
    let root = path("fixtures/queries");
    let mut out = Vec::new();
    for topic in std::fs::read_dir(&root).unwrap() {
        for file in std::fs::read_dir(topic.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            let source = std::fs::read_to_string(&file).unwrap();
            let parsed = text::parse(compiler.schema(), &source, params).unwrap();
            let name = file.strip_prefix(&root).unwrap().with_extension("");
            out.push((
                name.to_string_lossy().into_owned(),
                parsed.statement.unwrap().to_json(),
            ));
        }
    }
    out.sort();
    out
}

/// Decode, bind, rewrite, lower, tidy, render.
fn cold(compiler: &Compiler, json: &str) -> usize {
    let compiled = compiler
        .compile(&Statement::from_json(json).unwrap())
        .unwrap();
    compiled
        .program
        .steps
        .iter()
        .map(|step| black_box(step.bind(&[])).command.len())
        .sum()
}

/// Median time of one call.
fn median(mut call: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..51)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    times.sort();
    times.get(25).copied().unwrap_or_default()
}

fn fixtures(c: &mut Criterion) {
    let (compiler, params) = library();
    let all = statements(&compiler, &params);
    let mut group = c.benchmark_group("fixtures");
    for name in [
        "filter/equality",
        "filter/comparisons",
        "joins/forward",
        "grouping/having",
        "subqueries/scalar",
    ] {
        if let Some((_, json)) = all.iter().find(|(n, _)| n == name) {
            group.bench_function(name, |b| b.iter(|| cold(&compiler, json)));
        }
    }
    group.finish();
    let mut medians: Vec<(Duration, &str)> = all
        .iter()
        .map(|(name, json)| {
            (
                median(|| {
                    cold(&compiler, json);
                }),
                name.as_str(),
            )
        })
        .collect();
    medians.sort();
    let middle = medians.get(medians.len() / 2).copied().unwrap_or_default();
    println!("median of {} fixtures: {:?}", medians.len(), middle.0);
    for (time, name) in medians.iter().rev().take(5) {
        println!("heaviest: {name}: {time:?}");
    }
}

fn conjuncts(n: usize) -> String {
    let parts: Vec<String> = (0..n)
        .map(|i| format!(r#"{{"lookup":{{"path":"pages__gt","rhs":{{"value":{i}}}}}}}"#))
        .collect();
    statement(&parts.join(","))
}

fn members(n: usize) -> String {
    let values: Vec<String> = (0..n).map(|i| i.to_string()).collect();
    statement(&format!(
        r#"{{"lookup":{{"path":"pages__in","rhs":{{"value":[{}]}}}}}}"#,
        values.join(",")
    ))
}

fn statement(conditions: &str) -> String {
    format!(
        r#"{{"model":"library.Book","calls":[{{"filter":{{"and":[{conditions}]}}}}],"do":"rows"}}"#
    )
}

fn growth(_: &mut Criterion) {
    let (compiler, _) = library();
    let ratio = |small: &str, large: &str| {
        let base = median(|| {
            cold(&compiler, small);
        })
        .as_secs_f64();
        median(|| {
            cold(&compiler, large);
        })
        .as_secs_f64()
            / base
    };
    println!(
        "1,000 conjuncts cost {:.1} times 100 (at most 15)",
        ratio(&conjuncts(100), &conjuncts(1_000))
    );
    println!(
        "10,000 members of in cost {:.1} times 1,000 (at most 12)",
        ratio(&members(1_000), &members(10_000))
    );
}

/// Every statement of a recorded corpus, where `MQLC_CORPUS` says where one is.
fn corpus(_: &mut Criterion) {
    let Some(root) = std::env::var_os("MQLC_CORPUS").map(PathBuf::from) else {
        return;
    };
    let mut compilers: HashMap<String, Compiler> = HashMap::new();
    let mut times: Vec<Duration> = Vec::new();
    let (mut slowest, mut slowest_id) = (Duration::ZERO, String::new());
    for file in std::fs::read_dir(root.join("cases")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let name = case["schema"].as_str().unwrap();
            let compiler = compilers.entry(name.to_owned()).or_insert_with(|| {
                let path = root.join("schema").join(name).with_extension("json");
                let spec = SchemaSpec::from_json(&std::fs::read_to_string(path).unwrap()).unwrap();
                Compiler::new(Schema::new(spec).unwrap())
            });
            let json = case["statement"].to_string();
            let compiles = Statement::from_json(&json).is_ok_and(|s| compiler.compile(&s).is_ok());
            if !compiles {
                continue;
            }
            let mut runs: Vec<Duration> = (0..9)
                .map(|_| {
                    let start = Instant::now();
                    cold(compiler, &json);
                    start.elapsed()
                })
                .collect();
            runs.sort();
            let time = runs.get(4).copied().unwrap_or_default();
            if time > slowest {
                slowest = time;
                slowest_id = case["id"].to_string();
            }
            times.push(time);
        }
    }
    times.sort();
    let at = |percent: usize| {
        let index = times.len() * percent / 100;
        times.get(index).copied().unwrap_or_default()
    };
    println!(
        "corpus: {} statements: median {:?}, p90 {:?}, p99 {:?}, heaviest {slowest:?} ({slowest_id})",
        times.len(),
        at(50),
        at(90),
        at(99)
    );
}

criterion_group!(benches, fixtures, growth, corpus);
criterion_main!(benches);
