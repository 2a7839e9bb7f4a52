//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

/// Runs recorded cases against mqlc and counts what passes.
#[derive(Parser, Debug, Clone)]
#[command(version)]
pub(crate) struct Options {
    /// Directory of the corpus, or of the battery with --engine.
    pub(crate) dir: PathBuf,
    /// Run the cases of an engine battery (single commands) instead of a queryset corpus.
    #[arg(long)]
    pub(crate) engine: bool,
    /// What runs the commands.
    #[arg(long, value_enum, default_value = "memory")]
    pub(crate) executor: ExecutorKind,
    /// Server of the executor `mongodb`.
    #[arg(long)]
    pub(crate) uri: Option<String>,
    /// Only cases whose id holds this text.
    #[arg(long)]
    pub(crate) filter: Option<String>,
    /// Writes the outcome of every case to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes to this file how many cases use each method, lookup, function, ..., and how many of those pass.
    #[arg(long, value_name = "FILE")]
    pub(crate) coverage: Option<PathBuf>,
    /// Prints the reasons of what did not pass, grouped, the most frequent first.
    #[arg(long)]
    pub(crate) reasons: bool,
    /// With --reasons: example ids for each reason.
    #[arg(long, default_value_t = 3)]
    pub(crate) examples: usize,
    /// Prints everything about one case: statement, commands, expected and actual result.
    #[arg(long, value_name = "ID")]
    pub(crate) show: Option<String>,
    /// Also cases in which the databases disagree, those of one database, and those that lose something.
    #[arg(long)]
    pub(crate) all: bool,
    /// Also cases whose result depends on what the storage loses (microseconds, JSON null).
    #[arg(long)]
    pub(crate) loses: bool,
    /// Also cases in which the databases disagree: one of their results will do.
    #[arg(long)]
    pub(crate) disagreed: bool,
    /// Fails when fewer cases pass than the number in this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) expect_at_least: Option<PathBuf>,
    /// Rewrite rules that are switched off, by name; `all` for all of them.
    #[arg(long, value_name = "RULE")]
    pub(crate) disable: Vec<String>,
    /// Runs the cases once with each rewrite rule switched off, and with all of them, and compares the outcomes.
    #[arg(long)]
    pub(crate) each_rule: bool,
    /// Worker processes; one for each core unless given.
    #[arg(long)]
    pub(crate) jobs: Option<usize>,
    /// Seconds after which a case is given up.
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u64,
    /// Runs as a worker: cases from standard input, verdicts to standard output.
    #[arg(long, hide = true)]
    pub(crate) worker: bool,
}

/// What runs the commands.
#[derive(ValueEnum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExecutorKind {
    /// The embedded engine.
    Memory,
    /// A server.
    Mongodb,
}
