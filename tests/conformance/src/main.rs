//! Runs recorded cases against mqlc and counts what passes.
//!
//! ```text
//! cargo run --release -p conformance -- <corpus dir> [--executor memory|mongodb --uri URI] [--filter TEXT] [--json FILE]
//! cargo run --release -p conformance -- <corpus dir> --each-rule
//! cargo run --release -p conformance -- --engine <battery dir> [--uri URI]
//! ```
//!
//! Cases run in worker processes, so that a loop, a panic or an exhausted stack costs one case and not the run.
//!
//! | module | holds |
//! |---|---|
//! | [`suite`] | what a suite of cases is, verdicts |
//! | [`corpus`] | the queryset corpus: cases, and how one is run |
//! | [`engine`] | the engine battery, likewise |
//! | [`store`] | documents and indexes of a case in an executor |
//! | [`compare`] | when results are equal |
//! | [`target`] | executors to run cases on |
//! | [`pool`], [`worker`] | worker processes |
//! | [`report`] | counts, reasons, JSON |
//! | [`coverage`] | what the cases use, for the support matrix |

mod compare;
mod corpus;
mod coverage;
mod engine;
mod options;
mod pool;
mod report;
mod store;
mod suite;
mod target;
mod worker;

use std::process::ExitCode;

use clap::Parser;

use options::Options;
use suite::Suite;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("conformance: {message}");
            ExitCode::from(2)
        }
    }
}

fn open(options: &Options) -> suite::Result<Box<dyn Suite>> {
    Ok(if options.engine {
        Box::new(engine::EngineSuite::new(options)?)
    } else {
        Box::new(corpus::CorpusSuite::new(options)?)
    })
}

/// Rules change no outcome: one line for each that is switched off.
fn each_rule(
    cases: &[suite::Case],
    with_all: &[suite::Verdict],
    options: &Options,
) -> suite::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let names = mqlc_compiler::rewrite::rules().map(|rule| rule.name);
    for name in names.chain(["all"]) {
        let mut without = options.clone();
        without.disable.push(name.to_owned());
        let verdicts = pool::run(cases, &without)?;
        let differ: Vec<&str> = cases
            .iter()
            .zip(with_all.iter().zip(&verdicts))
            .filter(|(_, (a, b))| a.outcome != b.outcome)
            .map(|(case, _)| case.id.as_str())
            .collect();
        if differ.is_empty() {
            println!("{name:24} {} cases, the same outcomes", cases.len());
        } else {
            code = ExitCode::FAILURE;
            println!("{name:24} {} differ: {}", differ.len(), differ.join(", "));
        }
    }
    Ok(code)
}

fn run(options: &Options) -> suite::Result<ExitCode> {
    if options.worker {
        worker::serve(open(options)?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut cases = if options.engine {
        engine::list(options)?
    } else {
        corpus::list(options)?
    };
    if let Some(id) = &options.show {
        let case = cases
            .iter()
            .find(|c| c.id == *id)
            .or_else(|| cases.iter().find(|c| c.id.contains(id.as_str())))
            .ok_or_else(|| format!("no case is called {id}"))?;
        print!("{}", open(options)?.show(&case.line));
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(text) = &options.filter {
        cases.retain(|c| c.id.contains(text.as_str()));
    }
    let verdicts = pool::run(&cases, options)?;
    if options.each_rule {
        return each_rule(&cases, &verdicts, options);
    }
    report::print(&cases, &verdicts, options);
    if let Some(file) = &options.json {
        report::write_json(&cases, &verdicts, file)?;
    }
    if let Some(file) = &options.coverage {
        coverage::write(&options.dir, &cases, &verdicts, file)?;
    }
    let Some(file) = &options.expect_at_least else {
        return Ok(ExitCode::SUCCESS);
    };
    report::expect_at_least(&verdicts, file)
}
