//! Compiles the same statements over and over, for a profiler.
//!
//! `cargo bench --bench loop -- NAME [TIMES [bytes]]`, where NAME is a fixture (`filter/equality`), `fixtures` for all of them, `corpus` for the
//! recorded statements at `MQLC_CORPUS`, `corpus:40-60` for those between two percentiles of their times, `members:1000` and `conjuncts:1000` for long conditions; with `bytes` commands become bytes instead of documents. It prints the time of a statement; instructions are the difference of two
//! runs: `valgrind --tool=callgrind target/release/deps/loop-HASH filter/equality 1000`.

#![allow(missing_docs, clippy::unwrap_used, clippy::indexing_slicing)] // a benchmark may fail loudly

use std::time::Instant;

use mqlc::Compiler;

#[path = "statements.rs"]
mod statements;

/// As in the command line tool.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with("--"))
        .collect();
    let name = arguments.first().map_or("fixtures", String::as_str);
    let times: u32 = arguments.get(1).map_or(1000, |n| n.parse().unwrap());
    let all: Vec<(Compiler, String)> = if let Some(percentiles) = name.strip_prefix("corpus") {
        let (from, to) = percentiles
            .strip_prefix(':')
            .and_then(|range| range.split_once('-'))
            .map_or((0, 100), |(from, to)| {
                (from.parse().unwrap(), to.parse().unwrap())
            });
        statements::between(from, to)
            .into_iter()
            .map(|case| (case.compiler, case.json))
            .collect()
    } else if let Some((kind, n)) = name.split_once(':') {
        let n = n.parse().unwrap();
        let json = match kind {
            "conjuncts" => statements::conjuncts(n),
            _ => statements::members(n),
        };
        vec![(statements::library().0, json)]
    } else {
        let (compiler, params) = statements::library();
        statements::fixtures(&compiler, &params)
            .into_iter()
            .filter(|(fixture, _)| name == "fixtures" || name == fixture)
            .map(|(_, json)| (compiler.clone(), json))
            .collect()
    };
    let compile = match arguments.get(2).map(String::as_str) {
        Some("bytes") => statements::cold_bytes,
        _ => statements::cold,
    };
    let start = Instant::now();
    for _ in 0..times {
        for (compiler, json) in &all {
            compile(compiler, json);
        }
    }
    let each = start.elapsed() / times / u32::try_from(all.len().max(1)).unwrap();
    println!("{} statements, {times} times: {each:?} each", all.len());
}
