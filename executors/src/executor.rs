//! What an executor is: something that runs one command. Programs, parameters and rows are built on top of that.

use std::collections::VecDeque;

use bson::{Bson, Document};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};
use indexmap::IndexMap;
use mqlc_compiler::Compiled;
use mqlc_compiler::program::Bound;
use mqlc_compiler::shape::Shape;
use serde::de::DeserializeOwned;

use crate::error::{CommandError, Error, Result, WriteError, WriteFailure};
use crate::rows::{Decoder, Row, RowValue, from_row};
use crate::run;

/// Runs single commands. Implementations know nothing of statements and rows.
///
/// The trait is object-safe and independent of any async runtime.
pub trait Executor: Send + Sync {
    /// Runs one command.
    ///
    /// Errors of the server come as `Err`, also those of single documents of a write ([`Error::Write`]).
    fn run(&self, command: Bound) -> BoxFuture<'_, Result<Reply<'_>>>;
}

/// What a command gave.
pub enum Reply<'a> {
    /// The documents of a cursor (`find`, `aggregate`), fetched as they are asked for.
    Documents(BoxStream<'a, Result<Document>>),
    /// All the documents of a cursor.
    Batch(Vec<Document>),
    /// The reply document of any other command.
    Document(Document),
}

impl<'a> Reply<'a> {
    /// The documents as a stream; a reply document is the only one.
    #[must_use]
    pub fn into_stream(self) -> BoxStream<'a, Result<Document>> {
        match self {
            Reply::Documents(stream) => stream,
            Reply::Batch(documents) => stream::iter(documents.into_iter().map(Ok)).boxed(),
            Reply::Document(document) => stream::iter([Ok(document)]).boxed(),
        }
    }

    /// All the documents.
    ///
    /// # Errors
    /// Those of the cursor.
    pub async fn into_vec(self) -> Result<Vec<Document>> {
        match self {
            Reply::Documents(stream) => stream.try_collect().await,
            Reply::Batch(documents) => Ok(documents),
            Reply::Document(document) => Ok(vec![document]),
        }
    }
}

/// Turns a server's reply document into a result: `ok: 0` and write errors become errors.
///
/// # Errors
/// What the reply says.
pub fn check_reply(reply: Document) -> Result<Document> {
    let ok = match reply.get("ok") {
        Some(Bson::Double(f)) => *f != 0.0,
        Some(Bson::Int32(i)) => *i != 0,
        Some(Bson::Int64(i)) => *i != 0,
        Some(Bson::Boolean(b)) => *b,
        _ => true,
    };
    if !ok {
        let mut error = CommandError::new(
            reply.get_i32("code").unwrap_or_default(),
            reply.get_str("codeName").unwrap_or_default(),
            reply.get_str("errmsg").unwrap_or_default(),
        );
        if let Ok(labels) = reply.get_array("errorLabels") {
            error.labels = labels
                .iter()
                .filter_map(|l| l.as_str().map(str::to_owned))
                .collect();
        }
        return Err(Error::Command(error));
    }
    let Ok(errors) = reply.get_array("writeErrors") else {
        return Ok(reply);
    };
    if errors.is_empty() {
        return Ok(reply);
    }
    let errors = errors
        .iter()
        .filter_map(Bson::as_document)
        .map(|e| {
            WriteError::new(
                run::number(e.get("index"))
                    .and_then(|n| usize::try_from(n).ok())
                    .unwrap_or(0),
                e.get_i32("code").unwrap_or_default(),
                e.get_str("errmsg").unwrap_or_default(),
            )
        })
        .collect();
    let written = run::number(reply.get("n")).unwrap_or(0);
    Err(Error::Write(WriteFailure::new(errors, written)))
}

/// The result of a statement.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Rows.
    Rows(Vec<RowValue>),
    /// A count.
    Count(u64),
    /// Whether there is a row.
    Exists(bool),
    /// The row of an aggregate.
    Aggregate(Row),
    /// The row of `get_or_create()` or `update_or_create()`.
    Upserted {
        /// The row.
        row: RowValue,
        /// Whether it was made just now.
        created: bool,
    },
    /// What was written.
    Written(Written),
}

/// What a statement wrote.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct Written {
    /// Documents matched by an update, inserted or deleted.
    pub count: u64,
    /// Keys of the documents inserted, in their order; none where conflicts are ignored or updated.
    pub keys: Vec<Bson>,
    /// Documents deleted, by the label of their model: those of the statement and what went with them.
    pub deleted: IndexMap<String, u64>,
}

impl Outcome {
    fn kind(&self) -> &'static str {
        match self {
            Outcome::Rows(_) => "rows",
            Outcome::Count(_) => "a count",
            Outcome::Exists(_) => "whether there is a row",
            Outcome::Aggregate(_) => "an aggregate",
            Outcome::Upserted { .. } => "a row and whether it was made",
            Outcome::Written(_) => "what it wrote",
        }
    }

    fn wrong<T>(&self, wanted: &'static str) -> Result<T> {
        Err(Error::WrongOutcome {
            wanted,
            gives: self.kind(),
        })
    }
}

/// Runs compiled statements on any [`Executor`].
pub trait Execute: Executor {
    /// Runs a statement and collects its result.
    fn execute<'a>(&'a self, compiled: &'a Compiled) -> BoxFuture<'a, Result<Outcome>> {
        Box::pin(run::execute(self, compiled))
    }

    /// The rows of a statement.
    fn rows<'a>(&'a self, compiled: &'a Compiled) -> BoxFuture<'a, Result<Vec<RowValue>>> {
        Box::pin(async move {
            match self.execute(compiled).await? {
                Outcome::Rows(rows) => Ok(rows),
                other => other.wrong("rows"),
            }
        })
    }

    /// The rows of a statement as values of a type: structs for objects, tuples for lists.
    fn fetch<'a, T: DeserializeOwned + 'a>(
        &'a self,
        compiled: &'a Compiled,
    ) -> BoxFuture<'a, Result<Vec<T>>> {
        Box::pin(async move {
            let rows = self.rows(compiled).await?;
            rows.into_iter().map(from_row).collect()
        })
    }

    /// The only row of a statement (Django's `get()`).
    ///
    /// The future gives [`Error::DoesNotExist`] or [`Error::MultipleObjectsReturned`] where there is not exactly one.
    fn get<'a>(&'a self, compiled: &'a Compiled) -> BoxFuture<'a, Result<RowValue>> {
        Box::pin(async move {
            let mut rows = self.rows(compiled).await?;
            match (rows.pop(), rows.len()) {
                (Some(row), 0) => Ok(row),
                (None, _) => Err(Error::DoesNotExist),
                (Some(_), others) => Err(Error::MultipleObjectsReturned(others + 1)),
            }
        })
    }

    /// The result of `count()`.
    fn count<'a>(&'a self, compiled: &'a Compiled) -> BoxFuture<'a, Result<u64>> {
        Box::pin(async move {
            match self.execute(compiled).await? {
                Outcome::Count(n) => Ok(n),
                other => other.wrong("a count"),
            }
        })
    }

    /// The result of `exists()`.
    fn exists<'a>(&'a self, compiled: &'a Compiled) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            match self.execute(compiled).await? {
                Outcome::Exists(there) => Ok(there),
                other => other.wrong("whether there is a row"),
            }
        })
    }

    /// The row of `aggregate(...)`.
    fn aggregate<'a>(&'a self, compiled: &'a Compiled) -> BoxFuture<'a, Result<Row>> {
        Box::pin(async move {
            match self.execute(compiled).await? {
                Outcome::Aggregate(row) => Ok(row),
                other => other.wrong("an aggregate"),
            }
        })
    }

    /// The row of `get_or_create()` or `update_or_create()`, and whether it was made just now.
    ///
    /// Where somebody else makes the same row at the same time and a unique index is in the way, theirs is the row. The future gives
    /// [`Error::MultipleObjectsReturned`] where several rows fit.
    fn upsert<'a>(&'a self, compiled: &'a Compiled) -> BoxFuture<'a, Result<(RowValue, bool)>> {
        Box::pin(async move {
            match self.execute(compiled).await? {
                Outcome::Upserted { row, created } => Ok((row, created)),
                other => other.wrong("a row and whether it was made"),
            }
        })
    }

    /// The rows of a statement one by one, without holding all of them. Prefetches run once per `chunk` rows
    /// (Django's `iterator(chunk_size)`).
    fn stream<'a>(
        &'a self,
        compiled: &'a Compiled,
        chunk: usize,
    ) -> BoxStream<'a, Result<RowValue>> {
        let start = Chunks {
            state: State::Start,
            ready: VecDeque::new(),
        };
        stream::try_unfold(start, move |mut chunks| async move {
            Ok(chunks
                .next(self, compiled, chunk.max(1))
                .await?
                .map(|row| (row, chunks)))
        })
        .boxed()
    }
}

impl<E: Executor + ?Sized> Execute for E {}

/// A stream of rows on its way.
struct Chunks<'a> {
    state: State<'a>,
    ready: VecDeque<RowValue>,
}

enum State<'a> {
    Start,
    Open(Box<Decoder>, BoxStream<'a, Result<Document>>),
    Done,
}

impl<'a> Chunks<'a> {
    async fn next<E: Executor + ?Sized>(
        &mut self,
        executor: &'a E,
        compiled: &'a Compiled,
        chunk: usize,
    ) -> Result<Option<RowValue>> {
        if let Some(row) = self.ready.pop_front() {
            return Ok(Some(row));
        }
        if let State::Start = self.state {
            self.state = match &compiled.shape {
                Shape::Rows(shape) if !compiled.program.steps.is_empty() => {
                    let decoder = Decoder::new(&compiled.schema, shape)?;
                    let first = run::first_documents(executor, compiled).await?;
                    State::Open(Box::new(decoder), first)
                }
                _ => {
                    self.ready = executor.rows(compiled).await?.into();
                    State::Done
                }
            };
        }
        if let State::Open(decoder, documents) = &mut self.state {
            let mut batch = Vec::new();
            while batch.len() < chunk {
                match documents.try_next().await? {
                    Some(document) => batch.push(document),
                    None => break,
                }
            }
            if batch.is_empty() {
                self.state = State::Done;
            } else {
                let steps = run::follow(executor, compiled, batch).await?;
                self.ready = decoder.rows(&compiled.schema, steps)?.into();
            }
        }
        Ok(self.ready.pop_front())
    }
}
