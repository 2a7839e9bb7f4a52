//! What ends a subcommand, and the exit code for it.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use mqlc::Error;

/// Why a subcommand did not end well.
#[derive(Debug)]
pub(super) enum Failure {
    /// A query or schema is refused: the error and the text that it is about.
    Refused(Box<Error>, String),
    /// A file, the data or a server fails.
    Failed(String),
    /// The reader of our output has gone: nothing to say.
    Closed,
}

impl Failure {
    /// A refusal of a text.
    pub(super) fn refused(error: Error, source: &str) -> Self {
        Failure::Refused(Box::new(error), source.to_owned())
    }

    /// A failure with what was tried.
    pub(super) fn failed(what: impl std::fmt::Display, error: impl std::fmt::Display) -> Self {
        Failure::Failed(format!("{what}: {error}"))
    }

    /// Prints it to standard error; gives the exit code.
    pub(super) fn report(&self) -> ExitCode {
        let mut err = std::io::stderr().lock();
        let (text, code) = match self {
            Failure::Refused(error, source) => (error.render(source), 1),
            Failure::Failed(message) => (format!("error: {message}\n"), 3),
            Failure::Closed => return ExitCode::SUCCESS,
        };
        let painted = match text.split_once(':') {
            Some((head, rest)) if err.is_terminal() => format!("\x1b[1;31m{head}\x1b[0m:{rest}"),
            _ => text,
        };
        // A closed standard error leaves nobody to tell.
        let _ = err.write_all(painted.as_bytes());
        ExitCode::from(code)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        if error.kind() == std::io::ErrorKind::BrokenPipe {
            Failure::Closed
        } else {
            Failure::failed("cannot write", error)
        }
    }
}
