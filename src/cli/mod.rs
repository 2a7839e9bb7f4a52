//! The command line: one file per subcommand.
//!
//! Exit codes: 0 all is well, 1 a query or schema is refused, 2 wrong use of the tool, 3 a file, the data or a server fails.

mod check;
mod compile;
mod explain;
mod failure;
mod indexes;
mod input;
mod output;
mod run;
#[cfg(feature = "wire")]
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Turn Django-like querysets into MongoDB commands, and run them.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 a query or schema is refused, 2 wrong use, 3 a file, the data or a server fails.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a queryset and print its rows.
    Run(run::Arguments),
    /// Print the commands that a queryset becomes.
    Compile(compile::Arguments),
    /// Print statement, plan, rules and commands of a queryset.
    Explain(explain::Arguments),
    /// Check a schema, and querysets against it.
    Check(check::Arguments),
    /// Print the indexes and validators that models need, or create them.
    Indexes(indexes::Arguments),
    /// Serve the embedded engine to any MongoDB driver.
    #[cfg(feature = "wire")]
    Serve(serve::Arguments),
}

/// Parses the arguments and runs the subcommand.
pub(crate) fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Indexes(arguments) => indexes::run(&arguments),
        #[cfg(feature = "wire")]
        Command::Serve(arguments) => serve::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

type Result<T, E = Failure> = std::result::Result<T, E>;
