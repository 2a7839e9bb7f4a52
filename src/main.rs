//! The command line tool `mqlc`.

mod cli;

use std::process::ExitCode;

/// Compiling makes many small values that live for microseconds: a fifth of the time with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::main()
}
