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

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};

#[path = "statements.rs"]
mod statements;

use statements::{cold, cold_bytes, conjuncts, library, members};

/// As in the command line tool.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    let all = statements::fixtures(&compiler, &params);
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
    for (what, compile) in [
        ("documents", cold as fn(&_, &_) -> _),
        ("bytes", cold_bytes),
    ] {
        report(what, &statements::timed_as(compile));
    }
}

fn report(what: &str, times: &[(Duration, statements::Case)]) {
    let at = |percent: usize| times.get(times.len() * percent / 100).map(|t| t.0);
    if let (Some((slowest, case)), Some(median), Some(p90), Some(p99)) =
        (times.last(), at(50), at(90), at(99))
    {
        println!(
            "corpus: {} statements to {what}: median {median:?}, p90 {p90:?}, p99 {p99:?}, heaviest {slowest:?} ({})",
            times.len(),
            case.id
        );
    }
}

criterion_group!(benches, fixtures, growth, corpus);
criterion_main!(benches);
