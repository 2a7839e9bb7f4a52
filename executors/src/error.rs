//! What can go wrong when a compiled statement runs.

use std::fmt;

use mqlc_compiler::program::{Refusal, RefusalRule};

/// The result of everything that runs.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a statement gave no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The statement does not compile.
    #[error(transparent)]
    Compile(#[from] mqlc_compiler::Error),
    /// The server refused the command.
    #[error("{0}")]
    Command(CommandError),
    /// Some documents were not written.
    #[error("{0}")]
    Write(WriteFailure),
    /// The connection failed, or the driver did.
    #[error("the driver failed: {0}")]
    Driver(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A document does not have the shape that the statement promised.
    #[error("{path}: {message}")]
    Decode {
        /// Path in the row.
        path: String,
        /// What is wrong there.
        message: String,
    },
    /// The time limit has passed.
    #[error("the time limit has passed")]
    Timeout,
    /// `get()` found no row.
    #[error("no row matches")]
    DoesNotExist,
    /// `get()` found several rows.
    #[error("{0} rows match, not one")]
    MultipleObjectsReturned(usize),
    /// The result is not of the kind that was asked for.
    #[error("the statement gives {gives}, not {wanted}")]
    WrongOutcome {
        /// What was asked for.
        wanted: &'static str,
        /// What the statement gives.
        gives: &'static str,
    },
    /// Documents refer to those that a `delete()` would delete, by a foreign key that protects them.
    #[error(
        "Cannot delete some instances of model '{}' because they are referenced through {} foreign keys: '{}'.",
        .0.model, rule_name(.0.rule), .0.reference
    )]
    Refused(Refusal),
    /// A scripted executor got another command than it expects.
    #[error("{0}")]
    Script(String),
}

fn rule_name(rule: RefusalRule) -> &'static str {
    match rule {
        RefusalRule::Protect => "protected",
        RefusalRule::Restrict => "restricted",
        RefusalRule::UnknownValue => "defaulted (to a value that only Python code can tell)",
    }
}

/// A command that the server refused.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CommandError {
    /// The server's error code.
    pub code: i32,
    /// Its name, `BadValue`.
    pub name: String,
    /// What the server says.
    pub message: String,
    /// Labels such as `TransientTransactionError`.
    pub labels: Vec<String>,
}

/// Documents that were not written.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct WriteFailure {
    /// What went wrong, by document.
    pub errors: Vec<WriteError>,
    /// How many documents were written nevertheless.
    pub written: u64,
}

/// A document that was not written.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct WriteError {
    /// Its number in the command.
    pub index: usize,
    /// The server's error code; 11000 for a duplicate key.
    pub code: i32,
    /// What the server says.
    pub message: String,
}

/// The code of a duplicate key.
pub const DUPLICATE_KEY: i32 = 11000;

impl CommandError {
    /// An error with its code.
    pub fn new(code: i32, name: impl Into<String>, message: impl Into<String>) -> Self {
        CommandError {
            code,
            name: name.into(),
            message: message.into(),
            labels: Vec::new(),
        }
    }
}

impl WriteFailure {
    /// Failures of single documents, beside those that were written.
    #[must_use]
    pub fn new(errors: Vec<WriteError>, written: u64) -> Self {
        WriteFailure { errors, written }
    }
}

impl WriteError {
    /// A failure of one document.
    pub fn new(index: usize, code: i32, message: impl Into<String>) -> Self {
        WriteError {
            index,
            code,
            message: message.into(),
        }
    }
}

impl Error {
    /// Wraps the error of a driver.
    pub fn driver(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Driver(error.into())
    }

    /// A document that does not fit the shape.
    pub fn decode(path: impl Into<String>, message: impl fmt::Display) -> Self {
        Error::Decode {
            path: path.into(),
            message: message.to_string(),
        }
    }

    /// Whether a unique index stands against what was to be written.
    #[must_use]
    pub fn is_duplicate_key(&self) -> bool {
        match self {
            Error::Write(failure) => failure.errors.iter().any(|e| e.code == DUPLICATE_KEY),
            Error::Command(error) => error.code == DUPLICATE_KEY,
            _ => false,
        }
    }

    /// Name of Django's exception class for the same failure; empty where there is none.
    #[must_use]
    pub fn django_class(&self) -> &'static str {
        const CONVERSION_FAILURE: i32 = 241;
        const MAX_TIME_EXPIRED: i32 = 50;
        match self {
            Error::Compile(error) => error.code().django_class(),
            error if error.is_duplicate_key() => "IntegrityError",
            Error::Command(error) => match error.code {
                CONVERSION_FAILURE => "DataError",
                MAX_TIME_EXPIRED => "OperationalError",
                _ => "DatabaseError",
            },
            Error::Write(_) => "DatabaseError",
            Error::Driver(_) | Error::Timeout => "OperationalError",
            Error::DoesNotExist => "DoesNotExist",
            Error::Refused(refusal) => match refusal.rule {
                RefusalRule::Protect => "ProtectedError",
                RefusalRule::Restrict => "RestrictedError",
                RefusalRule::UnknownValue => "",
            },
            Error::MultipleObjectsReturned(_) => "MultipleObjectsReturned",
            Error::Decode { .. } | Error::WrongOutcome { .. } | Error::Script(_) => "",
        }
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the server refused the command: {} ({} {})",
            self.message, self.code, self.name
        )
    }
}

impl fmt::Display for WriteFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} documents were not written", self.errors.len())?;
        for error in self.errors.iter().take(3) {
            write!(f, "; {}: {} ({})", error.index, error.message, error.code)?;
        }
        Ok(())
    }
}
