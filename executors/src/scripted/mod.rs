//! Expected commands and canned replies: unit tests of code that embeds mqlc, without an engine.
//!
//! ```
//! use bson::doc;
//! use mqlc_executors::ScriptedExecutor;
//!
//! let script = ScriptedExecutor::new()
//!     .expect(doc! {"find": "book", "limit": 1}, [doc! {"_id": 1}])
//!     .expect_error(doc! {"drop": "book"}, 13, "Unauthorized", "not allowed");
//! assert_eq!(script.remaining(), 2);
//! ```

mod diff;

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};

use bson::Document;
use futures_util::future::BoxFuture;
use mqlc_compiler::program::Bound;

use crate::error::{CommandError, Error, Result};
use crate::executor::{Executor, Reply, check_reply};

/// An executor that expects given commands in a given order.
#[derive(Debug, Default)]
pub struct ScriptedExecutor {
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    expected: VecDeque<Expected>,
    seen: Vec<Document>,
}

#[derive(Debug)]
struct Expected {
    /// `None` fits every command.
    command: Option<Document>,
    reply: Canned,
}

#[derive(Debug)]
enum Canned {
    Batch(Vec<Document>),
    Document(Document),
    Error(CommandError),
}

impl ScriptedExecutor {
    /// An empty script.
    #[must_use]
    pub fn new() -> Self {
        ScriptedExecutor::default()
    }

    /// Expects a command with a cursor, which gives these documents.
    #[must_use]
    pub fn expect(self, command: Document, documents: impl IntoIterator<Item = Document>) -> Self {
        self.then(
            Some(command),
            Canned::Batch(documents.into_iter().collect()),
        )
    }

    /// Expects a command without a cursor, which gives this reply.
    #[must_use]
    pub fn expect_reply(self, command: Document, reply: Document) -> Self {
        self.then(Some(command), Canned::Document(reply))
    }

    /// Expects a command that fails.
    #[must_use]
    pub fn expect_error(self, command: Document, code: i32, name: &str, message: &str) -> Self {
        let error = CommandError::new(code, name, message);
        self.then(Some(command), Canned::Error(error))
    }

    /// Answers whatever comes with these documents; [`ScriptedExecutor::seen`] tells what came.
    #[must_use]
    pub fn any(self, documents: impl IntoIterator<Item = Document>) -> Self {
        self.then(None, Canned::Batch(documents.into_iter().collect()))
    }

    fn then(self, command: Option<Document>, reply: Canned) -> Self {
        self.lock().expected.push_back(Expected { command, reply });
        self
    }

    /// The commands that came so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Document> {
        self.lock().seen.clone()
    }

    /// How many expected commands have not come yet.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.lock().expected.len()
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        // A panic elsewhere leaves the script as it was.
        self.script
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn answer(&self, bound: Bound) -> Result<Reply<'static>> {
        let mut script = self.lock();
        script.seen.push(bound.command.clone());
        let number = script.seen.len();
        let Some(expected) = script.expected.pop_front() else {
            return Err(Error::Script(format!(
                "command {number} is not expected any more:\n{}",
                diff::pretty(&bound.command)
            )));
        };
        if let Some(command) = &expected.command
            && *command != bound.command
        {
            return Err(Error::Script(format!(
                "command {number} is not the expected one (- expected, + came):\n{}",
                diff::diff(command, &bound.command)
            )));
        }
        match expected.reply {
            Canned::Batch(documents) => Ok(Reply::Batch(documents)),
            Canned::Document(reply) => check_reply(reply).map(Reply::Document),
            Canned::Error(error) => Err(Error::Command(error)),
        }
    }
}

impl Executor for ScriptedExecutor {
    fn run(&self, command: Bound) -> BoxFuture<'_, Result<Reply<'_>>> {
        Box::pin(std::future::ready(self.answer(command)))
    }
}

#[cfg(test)]
mod tests;
