//! What came out: counts by group, reasons, JSON.

use std::path::Path;
use std::process::ExitCode;

use indexmap::IndexMap;
use serde_json::json;

use crate::options::Options;
use crate::suite::{Case, Outcome, Result, Verdict};

fn count(verdicts: &[&Verdict], outcome: Outcome) -> usize {
    verdicts.iter().filter(|v| v.outcome == outcome).count()
}

/// Prints the counts, and the reasons if they are wanted.
pub(crate) fn print(cases: &[Case], verdicts: &[Verdict], options: &Options) {
    let mut groups: IndexMap<&str, Vec<&Verdict>> = IndexMap::new();
    for (case, verdict) in cases.iter().zip(verdicts) {
        groups.entry(&case.group).or_default().push(verdict);
    }
    print!("{:32}", "");
    for (_, name) in Outcome::ALL {
        print!("{name:>12}");
    }
    println!("{:>12}", "cases");
    for (group, verdicts) in &groups {
        line(group, verdicts);
    }
    let all: Vec<&Verdict> = verdicts.iter().collect();
    line("total", &all);
    print!("{:32}", "");
    for (outcome, _) in Outcome::ALL {
        print!("{:>12}", percent(count(&all, outcome), all.len()));
    }
    println!();
    if options.reasons {
        reasons(cases, verdicts, options.examples);
    }
}

fn line(name: &str, verdicts: &[&Verdict]) {
    print!("{name:32}");
    for (outcome, _) in Outcome::ALL {
        print!("{:>12}", count(verdicts, outcome));
    }
    println!("{:>12}", verdicts.len());
}

/// A share with one decimal place.
fn percent(part: usize, whole: usize) -> String {
    let tenths = (part * 1000).checked_div(whole).unwrap_or(0);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

fn reasons(cases: &[Case], verdicts: &[Verdict], examples: usize) {
    for (outcome, name) in Outcome::ALL {
        if outcome == Outcome::Passed {
            continue;
        }
        let mut groups: IndexMap<&str, Vec<(&Case, &Verdict)>> = IndexMap::new();
        for (case, verdict) in cases.iter().zip(verdicts) {
            if verdict.outcome == outcome {
                let kind = if verdict.kind.is_empty() {
                    &verdict.reason
                } else {
                    &verdict.kind
                };
                groups.entry(kind).or_default().push((case, verdict));
            }
        }
        if groups.is_empty() {
            continue;
        }
        groups.sort_by(|_, a, _, b| b.len().cmp(&a.len()));
        println!("\n== {name}");
        for (kind, members) in groups {
            println!("{:6}  {kind}", members.len());
            for (case, verdict) in members.iter().take(examples) {
                println!("        {}", case.id);
                if verdict.reason != kind {
                    println!(
                        "            {}",
                        verdict.reason.replace('\n', "\n            ")
                    );
                }
            }
        }
    }
}

/// Writes every outcome to a file.
pub(crate) fn write_json(cases: &[Case], verdicts: &[Verdict], file: &Path) -> Result<()> {
    let cases: Vec<_> = cases
        .iter()
        .zip(verdicts)
        .map(|(case, verdict)| {
            json!({"id": case.id, "outcome": verdict.outcome, "reason": verdict.reason})
        })
        .collect();
    let text = json!({ "cases": cases }).to_string();
    std::fs::write(file, text).map_err(|e| format!("cannot write {}: {e}", file.display()))
}

/// Fails when fewer cases pass than the first number in the file.
pub(crate) fn expect_at_least(verdicts: &[Verdict], file: &Path) -> Result<ExitCode> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| format!("cannot read {}: {e}", file.display()))?;
    let wanted: usize = text
        .lines()
        .filter(|l| !l.starts_with('#'))
        .find_map(|l| l.trim().parse().ok())
        .ok_or_else(|| format!("{} holds no number", file.display()))?;
    let passed = verdicts
        .iter()
        .filter(|v| v.outcome == Outcome::Passed)
        .count();
    if passed < wanted {
        println!(
            "{passed} cases pass; {} wants at least {wanted}",
            file.display()
        );
        return Ok(ExitCode::FAILURE);
    }
    println!("{passed} cases pass, at least {wanted} are wanted");
    Ok(ExitCode::SUCCESS)
}
