//! What the benchmarks of compiling compile.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, dead_code)] // a benchmark may fail loudly

use std::collections::HashMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mqlc::compiler::queryset::Statement;
use mqlc::compiler::schema::{Schema, SchemaSpec};
use mqlc::compiler::text::{self, Params};
use mqlc::{Compiled, Compiler};

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

/// The schema of the fixtures.
pub fn library() -> (Compiler, Params) {
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
pub fn fixtures(compiler: &Compiler, params: &Params) -> Vec<(String, String)> {
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

/// Decode, bind, rewrite, lower, tidy.
fn compiled(compiler: &Compiler, json: &str) -> Compiled {
    let statement = Statement::from_json(json).unwrap();
    compiler.compile(&statement).unwrap()
}

/// To rendered documents.
pub fn cold(compiler: &Compiler, json: &str) -> usize {
    let compiled = compiled(compiler, json);
    let steps = compiled.program.steps.iter();
    steps
        .map(|step| black_box(step.bind(&[])).command.len())
        .sum()
}

/// To the bytes that are sent.
pub fn cold_bytes(compiler: &Compiler, json: &str) -> usize {
    let compiled = compiled(compiler, json);
    let steps = compiled.program.steps.iter();
    steps
        .map(|step| black_box(step.bind_raw(&[]).unwrap()).as_bytes().len())
        .sum()
}

/// A conjunction of `n` comparisons.
pub fn conjuncts(n: usize) -> String {
    let parts: Vec<String> = (0..n)
        .map(|i| format!(r#"{{"lookup":{{"path":"pages__gt","rhs":{{"value":{i}}}}}}}"#))
        .collect();
    statement(&parts.join(","))
}

/// An `in` with `n` members.
pub fn members(n: usize) -> String {
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

/// A statement of a recorded corpus.
pub struct Case {
    /// Its name.
    pub id: String,
    /// The file with its schema.
    pub schema: PathBuf,
    /// The compiler for its schema.
    pub compiler: Compiler,
    /// Queryset JSON.
    pub json: String,
}

/// Each with its time, the quickest first.
pub fn timed() -> Vec<(Duration, Case)> {
    timed_as(cold)
}

/// As [`timed`], with what is done.
pub fn timed_as(compile: fn(&Compiler, &str) -> usize) -> Vec<(Duration, Case)> {
    let mut out: Vec<(Duration, Case)> = corpus()
        .into_iter()
        .map(|case| {
            let mut runs: Vec<Duration> = (0..9)
                .map(|_| {
                    let start = Instant::now();
                    compile(&case.compiler, &case.json);
                    start.elapsed()
                })
                .collect();
            runs.sort();
            (runs[4], case)
        })
        .collect();
    out.sort_by_key(|(time, _)| *time);
    out
}

/// Those between two percentiles of their times.
pub fn between(from: usize, to: usize) -> Vec<Case> {
    let all = timed();
    let at = |percent: usize| all.len() * percent / 100;
    let (first, count) = (at(from), at(to) - at(from));
    let rest = all.into_iter().skip(first).take(count);
    rest.map(|(_, case)| case).collect()
}

/// Every statement of a recorded corpus that compiles, where `MQLC_CORPUS` says where one is.
pub fn corpus() -> Vec<Case> {
    let Some(root) = std::env::var_os("MQLC_CORPUS").map(PathBuf::from) else {
        return Vec::new();
    };
    let mut compilers: HashMap<String, Compiler> = HashMap::new();
    let mut out = Vec::new();
    for file in std::fs::read_dir(root.join("cases")).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            let name = case["schema"].as_str().unwrap();
            let schema = root.join("schema").join(name).with_extension("json");
            let compiler = compilers.entry(name.to_owned()).or_insert_with(|| {
                let spec =
                    SchemaSpec::from_json(&std::fs::read_to_string(&schema).unwrap()).unwrap();
                Compiler::new(Schema::new(spec).unwrap())
            });
            let json = case["statement"].to_string();
            if Statement::from_json(&json).is_ok_and(|s| compiler.compile(&s).is_ok()) {
                out.push(Case {
                    id: case["id"].to_string(),
                    schema,
                    compiler: compiler.clone(),
                    json,
                });
            }
        }
    }
    out.sort_by(|a, b| a.id.cmp(&b.id));
    out
}
