//! The embedded engine as an executor.
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bson::{Document, doc};
use futures_util::future::{self, BoxFuture, FutureExt};
use futures_util::stream::{self, StreamExt};
use mqlc_compiler::program::Bound;

use super::database::Engine;
use super::error::EngineError;
use crate::error::{CommandError, Error, Result};
use crate::executor::{Executor, Reply, check_reply};

/// Runs commands in a database of an embedded engine. Cloning gives another handle to the same data.
///
/// Nothing waits: every future is ready at once, so any runtime, or none, will do.
///
/// ```
/// use mqlc_executors::memory::MemoryExecutor;
///
/// let executor = MemoryExecutor::new();
/// executor.engine().run_command("test", bson::doc! {"insert": "c", "documents": [{"_id": 1}]}).unwrap();
/// ```
#[derive(Clone)]
pub struct MemoryExecutor {
    engine: Engine,
    db: Arc<str>,
    transaction: Option<Arc<Open>>,
}

struct Open {
    lsid: Document,
    number: i64,
    started: AtomicI64,
}

impl Default for MemoryExecutor {
    fn default() -> Self {
        Self::new()
    }
}

fn convert(e: EngineError) -> Error {
    let mut error = CommandError::new(e.code, e.name(), e.message);
    error.labels = e.labels.iter().map(|l| (*l).to_owned()).collect();
    Error::Command(error)
}

impl MemoryExecutor {
    /// An empty engine; commands run in the database `test`.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Engine::new(), "test")
    }

    /// Commands in a database of an engine.
    #[must_use]
    pub fn on(engine: Engine, db: &str) -> Self {
        Self {
            engine,
            db: Arc::from(db),
            transaction: None,
        }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The name of the database.
    #[must_use]
    pub fn database(&self) -> &str {
        &self.db
    }

    /// Loads a directory that [`MemoryExecutor::save`] wrote, or one of plain `<collection>.jsonl` files.
    ///
    /// # Errors
    /// `OperationFailed` for what cannot be read.
    pub fn load(dir: impl AsRef<std::path::Path>) -> Result<Self> {
        let executor = Self::new();
        executor.engine.load(dir).map_err(convert)?;
        Ok(executor)
    }

    /// Saves everything into a directory; a crash in the middle leaves what was saved before.
    ///
    /// # Errors
    /// `OperationFailed` when the file system fails.
    pub fn save(&self, dir: impl AsRef<std::path::Path>) -> Result<()> {
        self.engine.save(dir).map_err(convert)
    }

    /// A handle whose commands belong to one new transaction, until [`MemoryExecutor::commit`] or
    /// [`MemoryExecutor::abort`]. It reads the state of its first command and its own writes.
    #[must_use]
    pub fn transaction(&self) -> Self {
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let session = NEXT.fetch_add(1, Ordering::Relaxed);
        let open = Open {
            lsid: doc! {"id": format!("embedded {session}")},
            number: 1,
            started: AtomicI64::new(0),
        };
        Self {
            transaction: Some(Arc::new(open)),
            ..self.clone()
        }
    }

    /// Commits the transaction of this handle.
    ///
    /// # Errors
    /// `WriteConflict` with the label `TransientTransactionError`, `NoSuchTransaction`.
    pub fn commit(&self) -> Result<()> {
        self.end("commitTransaction")
    }

    /// Gives up the transaction of this handle.
    ///
    /// # Errors
    /// `NoSuchTransaction`.
    pub fn abort(&self) -> Result<()> {
        self.end("abortTransaction")
    }

    fn end(&self, command: &str) -> Result<()> {
        if self
            .transaction
            .as_ref()
            .is_some_and(|t| t.started.load(Ordering::Relaxed) == 0)
        {
            return Ok(());
        }
        let command = self.marked(doc! {command: 1});
        self.engine
            .run_command("admin", command)
            .map(|_| ())
            .map_err(convert)
    }

    /// The command with what says that it belongs to the transaction.
    fn marked(&self, mut command: Document) -> Document {
        if let Some(t) = &self.transaction {
            command.insert("lsid", t.lsid.clone());
            command.insert("txnNumber", t.number);
            command.insert("autocommit", false);
            if t.started.swap(1, Ordering::Relaxed) == 0 {
                command.insert("startTransaction", true);
            }
        }
        command
    }

    fn execute(&self, command: Document) -> Result<Reply<'static>> {
        let command = self.marked(command);
        let name = command.keys().next().map_or("", String::as_str);
        let explains = command.get_bool("explain").unwrap_or(false);
        if matches!(name, "find" | "aggregate") && !explains && self.transaction.is_none() {
            let rows = self.engine.query(&self.db, &command).map_err(convert)?;
            let documents = rows.map(|row| row.map(|d| d.to_bson()).map_err(convert));
            return Ok(Reply::Documents(stream::iter(documents).boxed()));
        }
        let mut reply = self
            .engine
            .run_command(&self.db, command)
            .map_err(convert)?;
        if let Ok(cursor) = reply.get_document_mut("cursor")
            && let Some(bson::Bson::Array(batch)) = cursor.remove("firstBatch")
        {
            let mut documents: Vec<Document> = batch
                .into_iter()
                .filter_map(|v| v.as_document().cloned())
                .collect();
            let mut id = cursor.get_i64("id").unwrap_or(0);
            while id != 0 {
                let more = self
                    .engine
                    .run_command(&self.db, self.marked(doc! {"getMore": id}))
                    .map_err(convert)?;
                let Ok(cursor) = more.get_document("cursor") else {
                    break;
                };
                let batch = cursor.get_array("nextBatch").into_iter().flatten();
                documents.extend(batch.filter_map(|v| v.as_document().cloned()));
                id = cursor.get_i64("id").unwrap_or(0);
            }
            return Ok(Reply::Batch(documents));
        }
        check_reply(reply).map(Reply::Document)
    }
}

impl Executor for MemoryExecutor {
    fn run(&self, command: Bound) -> BoxFuture<'_, Result<Reply<'_>>> {
        future::ready(self.execute(command.command)).boxed()
    }
}
