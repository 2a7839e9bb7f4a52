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

/// Prints the medians, and with `each` those of every queryset. Theirs is a Python expression that builds the queryset, and the
/// queryset compiled to pipelines: both, since a statement of ours is built and compiled from its text each time. Terminals build and
/// compile at once, which cannot be told apart.
pub fn report(
    compiler: &Compiler,
    params: &Params,
    list: &[Queryset],
    official: &HashMap<String, Result<Official, String>>,
    each: bool,
) {
    let (mut ours, mut our_text, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    let (mut ratios, mut text_ratios, mut compile_ratios) = (Vec::new(), Vec::new(), Vec::new());
    if each {
        println!(
            "{:<28}{:>10}{:>10}{:>12}{:>12}{:>8}{:>8}",
            "queryset, us", "from JSON", "from text", "their build", "compile", "ratio", "text"
        );
    }
    for queryset in list {
        let Ok(official) = &official[&queryset.name] else {
            continue;
        };
        let Ok(parsed) = text::parse(compiler.schema(), &queryset.text, params) else {
            continue;
        };
        let json = parsed.statement.unwrap().to_json();
        let finish = |statement: &Statement| {
            let Ok(compiled) = compiler.compile(statement) else {
                return;
            };
            for step in &compiled.program.steps {
                black_box(step.bind(&[]));
            }
        };
        let micros = |d: Duration| d.as_secs_f64() * 1e6;
        let time = micros(median(|| finish(&Statement::from_json(&json).unwrap())));
        let text_time = micros(median(|| {
            let parsed = text::parse(compiler.schema(), &queryset.text, params).unwrap();
            finish(&parsed.statement.unwrap());
        }));
        let whole = official.compile + official.build.unwrap_or(0.0);
        if each {
            let build = official.build.map_or("-".to_owned(), |b| format!("{b:.0}"));
            println!(
                "{:<28}{time:>10.1}{text_time:>10.1}{build:>12}{:>12.0}{:>8.1}{:>8.1}",
                queryset.name,
                official.compile,
                whole / time,
                whole / text_time
            );
        }
        if official.build.is_some() {
            compile_ratios.push(official.compile / time);
        }
        ours.push(time);
        our_text.push(text_time);
        theirs.push(whole);
        ratios.push(whole / time);
        text_ratios.push(whole / text_time);
    }
    println!("compile time, medians of {} querysets:", ours.len());
    println!(
        "  the official backend, Python expression to pipeline: {:.1} us",
        middle(theirs)
    );
    println!(
        "  Queryset JSON to BSON: {:.1} us, ratio {:.1}; without the building of their querysets {:.1}",
        middle(ours),
        middle(ratios),
        middle(compile_ratios)
    );
    println!(
        "  text to BSON: {:.1} us, ratio {:.1}\n",
        middle(our_text),
        middle(text_ratios)
    );
}
