//! The command line tool `mqlc`.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
