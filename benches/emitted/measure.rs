//! Runs both sides of a queryset and measures them.

use std::time::{Duration, Instant};

use bson::Document;
use mqlc::Compiled;
use mqlc::executors::Execute as _;

use crate::cost::Cost;
use crate::querysets::Official;
use crate::rows;
use crate::server::{Result, Server};

/// One side.
#[derive(Debug, Clone, Default)]
pub struct Side {
    pub time: Duration,
    pub cost: Cost,
    pub documents: i64,
    pub keys: i64,
    /// The commands as they were sent.
    pub commands: Vec<Document>,
}

/// Whether both sides have the same rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Same(usize),
    Different(String),
    /// The official backend has no pipeline, or the engine refuses it.
    Refused(String),
}

/// A queryset's figures.
#[derive(Debug, Clone)]
pub struct Measured {
    pub ours: Side,
    pub theirs: Option<Side>,
    pub verdict: Verdict,
}

/// How long one side is run at most, unless one run takes longer.
pub struct Effort {
    pub budget: Duration,
    pub most: usize,
}

pub fn measure(
    server: &Server,
    compiled: &Compiled,
    official: &std::result::Result<Official, String>,
    effort: &Effort,
) -> Result<Measured> {
    let outcome = server
        .wait(server.executor().execute(compiled))
        .map_err(|e| e.to_string())?;
    let mut our_rows = rows::ours(&outcome);
    drop(outcome);
    let our_commands = our_commands(server, compiled)?;
    let mut ours = side(server, our_commands)?;
    let official = match official {
        Ok(official) => official,
        Err(why) => {
            ours.time = median(server, &ours.commands, effort)?;
            return Ok(Measured {
                ours,
                theirs: None,
                verdict: Verdict::Refused(why.clone()),
            });
        }
    };
    let mut theirs = Side::default();
    let verdict = match their_commands(server, official) {
        Err(why) => Verdict::Refused(format!("the engine: {why}")),
        Ok((commands, first)) => {
            if official.commands.len() > 1 {
                rows::only(official, &mut our_rows);
            }
            let verdict = compare(our_rows, rows::theirs(official, &first), official.ordered);
            drop(first);
            theirs = side(server, commands)?;
            verdict
        }
    };
    if matches!(verdict, Verdict::Refused(_)) {
        ours.time = median(server, &ours.commands, effort)?;
        return Ok(Measured {
            ours,
            theirs: None,
            verdict,
        });
    }
    // One after the other, so that whatever else the machine does slows both.
    let half = Effort {
        budget: effort.budget / 2,
        most: effort.most,
    };
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..2 {
        for (side, times) in [&ours, &theirs].into_iter().zip(&mut times) {
            sample(server, &side.commands, &half, times)?;
        }
        if times
            .iter()
            .any(|t| t.iter().any(|t| *t > Duration::from_secs(3)))
        {
            break;
        }
    }
    let [our_times, their_times] = times;
    ours.time = middle(our_times);
    theirs.time = middle(their_times);
    Ok(Measured {
        ours,
        theirs: Some(theirs),
        verdict,
    })
}

/// The commands of a program, with the values that the first ones found.
fn our_commands(server: &Server, compiled: &Compiled) -> Result<Vec<Document>> {
    let steps = &compiled.program.steps;
    if let [step] = steps.as_slice() {
        return Ok(vec![step.bind(&[]).command]);
    }
    let recorder = crate::record::Recorder::new(server.executor());
    server
        .wait(recorder.execute(compiled))
        .map_err(|e| e.to_string())?;
    Ok(recorder.commands())
}

/// The commands of the official backend, and the documents of the first.
fn their_commands(server: &Server, official: &Official) -> Result<(Vec<Document>, Vec<Document>)> {
    let mut commands = Vec::new();
    let mut first = Vec::new();
    for command in &official.commands {
        if commands.is_empty() {
            first = server.run(command)?;
            commands.push(command.clone());
        } else {
            commands.push(official.bind(command, &first));
        }
    }
    Ok((commands, first))
}

fn side(server: &Server, commands: Vec<Document>) -> Result<Side> {
    let mut side = Side::default();
    for command in &commands {
        let read = server.explain(command)?;
        side.cost.add(Cost::of(command, read.sorted_by_index));
        side.documents += read.documents;
        side.keys += read.keys;
    }
    side.commands = commands;
    Ok(side)
}

fn compare(mut ours: Vec<String>, mut theirs: Vec<String>, ordered: bool) -> Verdict {
    let count = ours.len();
    if ours == theirs {
        return Verdict::Same(count);
    }
    let same_order = ordered;
    ours.sort();
    theirs.sort();
    if ours == theirs {
        return if same_order {
            Verdict::Different("the same rows in another order".to_owned())
        } else {
            Verdict::Same(count)
        };
    }
    let example = ours.iter().zip(&theirs).find(|(a, b)| a != b);
    Verdict::Different(format!(
        "{count} rows instead of {}{}",
        theirs.len(),
        example.map_or_else(String::new, |(a, b)| format!(": {a} and {b}"))
    ))
}

fn median(server: &Server, commands: &[Document], effort: &Effort) -> Result<Duration> {
    let mut times = Vec::new();
    sample(server, commands, effort, &mut times)?;
    Ok(middle(times))
}

fn middle(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Adds times of single runs. Short commands are repeated, so that a time is never of less than 100 microseconds.
fn sample(
    server: &Server,
    commands: &[Document],
    effort: &Effort,
    times: &mut Vec<Duration>,
) -> Result<()> {
    let once = || -> Result<Duration> {
        let start = Instant::now();
        for command in commands {
            server.drain(command)?;
        }
        Ok(start.elapsed())
    };
    let first = once()?;
    times.push(first);
    let batch = u32::try_from(100_000 / first.as_nanos().max(1))
        .unwrap_or(u32::MAX)
        .clamp(1, 200);
    let begun = Instant::now();
    let before = times.len();
    while begun.elapsed() < effort.budget && times.len() - before < effort.most {
        let start = Instant::now();
        for _ in 0..batch {
            once()?;
        }
        times.push(start.elapsed() / batch);
    }
    Ok(())
}
