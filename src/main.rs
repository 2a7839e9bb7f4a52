//! The command line tool `mqlc`.

mod cli;

use std::process::ExitCode;

/// Compiling makes many small values that live for microseconds: long lists take half the time of the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
