//! Commands on a server, through the official driver.
//!
//! ```no_run
//! # async fn example() -> mqlc_executors::Result<()> {
//! use mqlc_executors::mongodb::MongoExecutor;
//!
//! let executor = MongoExecutor::connect("mongodb://localhost:27017", "library").await?;
//! let executor = executor.batch_size(1000).max_time(std::time::Duration::from_secs(5));
//! # let _ = executor; Ok(())
//! # }
//! ```

use std::sync::Arc;
use std::time::Duration;

use ::mongodb::error::ErrorKind;
use ::mongodb::options::SelectionCriteria;
use ::mongodb::{Client, ClientSession, Database};
use bson::{Bson, Document};
use futures_util::future::BoxFuture;
use futures_util::lock::Mutex;
use futures_util::stream::{StreamExt, TryStreamExt};
use mqlc_compiler::program::Bound;

use crate::error::{CommandError, Error, Result};
use crate::executor::{Executor, Reply, check_reply};

/// Runs commands in a database of a server.
#[derive(Clone)]
pub struct MongoExecutor {
    database: Database,
    batch_size: Option<u32>,
    max_time: Option<Duration>,
    criteria: Option<SelectionCriteria>,
    session: Option<Arc<Mutex<ClientSession>>>,
}

impl MongoExecutor {
    /// Commands in this database.
    #[must_use]
    pub fn new(database: Database) -> Self {
        MongoExecutor {
            database,
            batch_size: None,
            max_time: None,
            criteria: None,
            session: None,
        }
    }

    /// Connects to a server; the database of the URI wins over the given one.
    ///
    /// # Errors
    /// `Driver` when the URI cannot be read or resolved.
    pub async fn connect(uri: &str, database: &str) -> Result<Self> {
        let client = Client::with_uri_str(uri).await.map_err(convert)?;
        let database = client
            .default_database()
            .unwrap_or_else(|| client.database(database));
        Ok(Self::new(database))
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Documents per batch of a cursor.
    #[must_use]
    pub fn batch_size(mut self, documents: u32) -> Self {
        self.batch_size = Some(documents);
        self
    }

    /// The server's time limit for each command (`maxTimeMS`).
    #[must_use]
    pub fn max_time(mut self, limit: Duration) -> Self {
        self.max_time = Some(limit);
        self
    }

    /// Where commands that read are sent.
    #[must_use]
    pub fn read_from(mut self, criteria: SelectionCriteria) -> Self {
        self.criteria = Some(criteria);
        self
    }

    /// All commands in this session, and in the transaction that is open in it.
    #[must_use]
    pub fn session(mut self, session: ClientSession) -> Self {
        self.session = Some(Arc::new(Mutex::new(session)));
        self
    }

    /// Runs statements in a transaction: all of their writes happen, or none. `body` gets an executor bound to the
    /// transaction; it runs again when the server asks for a retry (`TransientTransactionError`), at most `attempts` times.
    ///
    /// # Errors
    /// Those of `body`, and of committing.
    pub async fn transaction<T, F, Fut>(&self, attempts: u32, mut body: F) -> Result<T>
    where
        F: FnMut(MongoExecutor) -> Fut,
        Fut: Future<Output = Result<T>>,
    {
        const TRANSIENT: &str = "TransientTransactionError";
        let session = self
            .database
            .client()
            .start_session()
            .await
            .map_err(convert)?;
        let bound = self.clone().session(session);
        let Some(session) = &bound.session else {
            return Err(Error::driver("no session"));
        };
        let mut attempt = 1;
        loop {
            session
                .lock()
                .await
                .start_transaction()
                .await
                .map_err(convert)?;
            let result = match body(bound.clone()).await {
                Ok(value) => session
                    .lock()
                    .await
                    .commit_transaction()
                    .await
                    .map_err(convert)
                    .map(|()| value),
                Err(error) => {
                    // The transaction is lost either way; the first error says why.
                    let _ = session.lock().await.abort_transaction().await;
                    Err(error)
                }
            };
            match result {
                Err(Error::Command(error))
                    if attempt < attempts && error.labels.iter().any(|l| l == TRANSIENT) =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn send(&self, mut command: Document) -> Result<Reply<'_>> {
        let has_cursor = command
            .keys()
            .next()
            .is_some_and(|name| matches!(name.as_str(), "find" | "aggregate"));
        if let (Some(limit), false) = (self.max_time, command.contains_key("maxTimeMS")) {
            command.insert(
                "maxTimeMS",
                i64::try_from(limit.as_millis()).unwrap_or(i64::MAX),
            );
        }
        if !has_cursor {
            let mut action = self.database.run_command(command);
            if let Some(criteria) = &self.criteria {
                action = action.selection_criteria(criteria.clone());
            }
            let reply = match &self.session {
                Some(session) => action.session(&mut *session.lock().await).await,
                None => action.await,
            };
            return check_reply(reply.map_err(convert)?).map(Reply::Document);
        }
        if let Some(size) = self.batch_size {
            let size = Bson::Int64(i64::from(size));
            if command.contains_key("find") {
                command.insert("batchSize", size);
            } else {
                command.insert("cursor", bson::doc! {"batchSize": size});
            }
        }
        let mut action = self.database.run_cursor_command(command);
        if let Some(criteria) = &self.criteria {
            action = action.selection_criteria(criteria.clone());
        }
        match &self.session {
            None => {
                let cursor = action.await.map_err(convert)?;
                Ok(Reply::Documents(cursor.map_err(convert).boxed()))
            }
            Some(session) => {
                // A cursor of a session keeps the session: it is drained before the next command.
                let mut session = session.lock().await;
                let mut cursor = action.session(&mut *session).await.map_err(convert)?;
                let documents = cursor.stream(&mut session).try_collect().await;
                documents.map(Reply::Batch).map_err(convert)
            }
        }
    }
}

impl Executor for MongoExecutor {
    fn run(&self, command: Bound) -> BoxFuture<'_, Result<Reply<'_>>> {
        Box::pin(self.send(command.command))
    }
}

/// The server's refusal in an error of the driver, if it is one.
#[must_use]
pub fn command_error(error: &::mongodb::error::Error) -> Option<CommandError> {
    let ErrorKind::Command(command) = error.kind.as_ref() else {
        return None;
    };
    let mut converted = CommandError::new(command.code, &command.code_name, &command.message);
    converted.labels = error.labels().iter().cloned().collect();
    Some(converted)
}

fn convert(error: ::mongodb::error::Error) -> Error {
    match command_error(&error) {
        Some(refusal) => Error::Command(refusal),
        None => Error::driver(error),
    }
}
