//! An executor that notes the commands which another one runs.

use std::sync::{Mutex, PoisonError};

use bson::Document;
use futures_util::future::BoxFuture;
use mqlc::compiler::program::Bound;
use mqlc::executors::{Executor, Reply, Result};

pub struct Recorder<'a> {
    inner: &'a dyn Executor,
    commands: Mutex<Vec<Document>>,
}

impl<'a> Recorder<'a> {
    pub fn new(inner: &'a dyn Executor) -> Self {
        Recorder {
            inner,
            commands: Mutex::default(),
        }
    }

    pub fn commands(self) -> Vec<Document> {
        self.commands
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Executor for Recorder<'_> {
    fn run(&self, command: Bound) -> BoxFuture<'_, Result<Reply<'_>>> {
        self.commands
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(command.command.clone());
        self.inner.run(command)
    }
}
