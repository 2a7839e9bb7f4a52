//! How long compiling the statements of a recorded corpus takes on both sides, each in its turn.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use crate::statements::{self, Case, cold};

/// Times each statement is compiled; the first, which prepares models, is not counted.
const ROUNDS: usize = 7;

fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Microseconds for each: all statements once, then all once more, and so on.
fn in_turn(cases: &[Case]) -> Vec<f64> {
    let mut times = vec![Vec::new(); cases.len()];
    for round in 0..ROUNDS {
        for (case, times) in cases.iter().zip(&mut times) {
            let start = Instant::now();
            cold(&case.compiler, &case.json);
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    times.iter_mut().map(|times| middle(times)).collect()
}

/// Lets the official backend compile what we compile, in one run with ours, and prints both.
pub fn report(folder: &Path, script: &Path) {
    let cases = statements::corpus();
    if cases.is_empty() {
        eprintln!("MQLC_CORPUS says where a recorded corpus is");
        std::process::exit(1);
    }
    let python = folder.join("venv/bin/python");
    if !python.exists() {
        eprintln!("first run: python3 benches/emitted/official.py target/emitted");
        std::process::exit(1);
    }
    let statements: String = cases
        .iter()
        .map(|case| {
            let statement = mqlc::compiler::queryset::Statement::from_json(&case.json).unwrap();
            let text = statement.to_text_in(case.compiler.schema());
            format!(
                "{}\n",
                json!({"id": case.id, "schema": case.schema, "text": text})
            )
        })
        .collect();
    let file = folder.join("corpus.jsonl");
    std::fs::write(&file, statements).unwrap();
    let status = Command::new(python)
        .arg(script)
        .args([folder, &file])
        .status();
    assert!(
        status.unwrap().success(),
        "the official backend's side failed"
    );

    let official = std::fs::read_to_string(folder.join("corpus-official.jsonl")).unwrap();
    let official: HashMap<String, f64> = official
        .lines()
        .filter_map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            Some((line["id"].as_str()?.to_owned(), line["us"].as_f64()?))
        })
        .collect();
    let both: Vec<(f64, f64)> = cases
        .iter()
        .zip(in_turn(&cases))
        .filter_map(|(case, ours)| Some((ours, *official.get(&case.id)?)))
        .collect();
    let column = |of: fn(&(f64, f64)) -> f64| middle(&mut both.iter().map(of).collect::<Vec<_>>());
    println!(
        "{} recorded statements, each in its turn, medians of {} rounds:\n  the official backend {:.0} us, mqlc {:.1} us, ratio {:.1}",
        both.len(),
        ROUNDS - 1,
        column(|b| b.1),
        column(|b| b.0),
        column(|b| b.1 / b.0),
    );
}
