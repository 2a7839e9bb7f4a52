//! How long compiling takes on both sides.

use std::collections::HashMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use mqlc::Compiler;
use mqlc::compiler::queryset::Statement;
use mqlc::compiler::text::{self, Params};

use crate::querysets::{Official, Queryset};

fn median(mut call: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..101)
        .map(|_| {
            let start = Instant::now();
            call();
            start.elapsed()
        })
        .collect();
    times.sort();
    times[50]
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// Prints the medians per statement, and the median of the ratios.
pub fn report(
    compiler: &Compiler,
    params: &Params,
    list: &[Queryset],
    official: &HashMap<String, Result<Official, String>>,
) {
    let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    let (mut our_text, mut their_text, mut text_ratios) = (Vec::new(), Vec::new(), Vec::new());
    for queryset in list {
        // Terminals build and compile at once, which cannot be told apart: they only count in the second comparison.
        let Ok(official) = &official[&queryset.name] else {
            continue;
        };
        let Ok(parsed) = text::parse(compiler.schema(), &queryset.text, params) else {
            continue;
        };
        let json = parsed.statement.unwrap().to_json();
        let from_json = || {
            let Ok(compiled) = compiler.compile(&Statement::from_json(&json).unwrap()) else {
                return;
            };
            for step in &compiled.program.steps {
                black_box(step.bind(&[]));
            }
        };
        let from_text = || {
            let parsed = text::parse(compiler.schema(), &queryset.text, params).unwrap();
            let Ok(compiled) = compiler.compile(&parsed.statement.unwrap()) else {
                return;
            };
            for step in &compiled.program.steps {
                black_box(step.bind(&[]));
            }
        };
        let micros = |d: Duration| d.as_secs_f64() * 1e6;
        if official.build.is_some() {
            let time = micros(median(from_json));
            ours.push(time);
            theirs.push(official.compile);
            ratios.push(official.compile / time);
        }
        let time = micros(median(from_text));
        let whole = official.compile + official.build.unwrap_or(0.0);
        our_text.push(time);
        their_text.push(whole);
        text_ratios.push(whole / time);
    }
    println!("compile time, medians of {} querysets:", ours.len());
    println!(
        "  Queryset JSON to BSON {:.1} us; the official backend, queryset to pipeline {:.1} us; ratio {:.1}",
        middle(ours),
        middle(theirs),
        middle(ratios)
    );
    println!(
        "  text to BSON {:.1} us; the official backend, Python expression to pipeline {:.1} us; ratio {:.1}\n",
        middle(our_text),
        middle(their_text),
        middle(text_ratios)
    );
}
