//! Cursors: a running pipeline that gives its documents in batches.
use std::collections::HashMap;
use std::sync::Arc;

use bson::{Bson, Document as Bdoc, doc};

use super::args::Args;
use super::{Engine, locked};
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::Env;
use crate::memory::stage::{Context, Source};
use crate::memory::value::{Document, Value};

/// The documents of a running query, one at a time: the fast way for embedders.
pub struct Rows {
    source: Source,
    context: Arc<Context>,
    slots: Vec<Value>,
    random: bool,
    /// A document that was read ahead.
    ahead: Option<Document>,
}

impl Rows {
    pub(super) fn new(source: Source, context: Arc<Context>, slots: Vec<Value>) -> Self {
        Self {
            source,
            context,
            slots,
            random: false,
            ahead: None,
        }
    }

    /// The next document.
    ///
    /// # Errors
    /// What the query runs into.
    pub fn next_document(&mut self) -> Result<Option<Document>, EngineError> {
        if let Some(doc) = self.ahead.take() {
            return Ok(Some(doc));
        }
        let budget = self.context.evaluation.budget.clone();
        if let Some(budget) = &budget {
            budget.resume();
        }
        let mut env = Env::with_slots(&self.context.evaluation, self.slots.clone());
        if std::mem::replace(&mut self.random, true) {
            // Later calls draw other numbers than the first.
            env.random();
        }
        let next = self.source.next(&mut env);
        if let Some(budget) = &budget {
            budget.pause();
        }
        next
    }

    /// Calls `f` with every document that is left: quicker than asking one by one.
    ///
    /// # Errors
    /// What the query or `f` runs into.
    pub fn each(
        &mut self,
        mut f: impl FnMut(Document) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        if let Some(doc) = self.ahead.take() {
            f(doc)?;
        }
        let mut env = Env::with_slots(&self.context.evaluation, self.slots.clone());
        self.source
            .each(&mut env, &mut |doc, _| f(doc.to_document()))
    }

    /// Up to `n` documents, less when they become too many bytes; tells whether more are left.
    fn batch(&mut self, n: usize) -> Result<(Vec<Bson>, bool), EngineError> {
        let Some(budget) = self.context.evaluation.budget.clone() else {
            return self.take(n);
        };
        budget.resume();
        let taken = self.take(n);
        budget.pause();
        taken
    }

    fn take(&mut self, n: usize) -> Result<(Vec<Bson>, bool), EngineError> {
        const MAX_BYTES: usize = 16 * 1024 * 1024;
        let mut out = Vec::new();
        let mut bytes = 0_usize;
        let mut env = Env::with_slots(&self.context.evaluation, self.slots.clone());
        loop {
            let next = match self.ahead.take() {
                Some(doc) => Some(doc),
                None => self.source.next(&mut env)?,
            };
            let Some(doc) = next else {
                return Ok((out, false));
            };
            env.tick()?;
            bytes = bytes.saturating_add(doc.byte_size());
            if out.len() >= n || (!out.is_empty() && bytes > MAX_BYTES) {
                self.ahead = Some(doc);
                return Ok((out, true));
            }
            out.push(Bson::Document(doc.to_bson()));
        }
    }
}

impl Iterator for Rows {
    type Item = Result<Document, EngineError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_document().transpose()
    }
}

/// The open cursors.
#[derive(Default)]
pub struct Cursors {
    next: i64,
    open: HashMap<i64, Open>,
}

struct Open {
    rows: Rows,
    namespace: String,
}

/// Documents in a first batch, unless the command says otherwise.
const FIRST_BATCH: usize = 101;

impl Engine {
    /// The reply with the first batch; the rest stays in a cursor.
    pub(super) fn reply_cursor(
        &self,
        mut rows: Rows,
        namespace: &str,
        batch: Option<usize>,
        single: bool,
    ) -> Result<Bdoc, EngineError> {
        // Starting the pipeline counts; from here on the batches do.
        if let Some(budget) = &rows.context.evaluation.budget {
            budget.pause();
        }
        let (docs, more) = rows.batch(batch.unwrap_or(FIRST_BATCH))?;
        let mut id = 0;
        if more && !single {
            let mut cursors = locked(&self.inner.cursors);
            if cursors.open.len() >= self.inner.limits.cursors {
                return Err(EngineError::new(
                    Code::ExceededMemoryLimit,
                    "too many open cursors",
                ));
            }
            cursors.next += 1;
            id = cursors.next;
            cursors.open.insert(
                id,
                Open {
                    rows,
                    namespace: namespace.to_owned(),
                },
            );
        }
        Ok(doc! {"cursor": {"firstBatch": docs, "id": id, "ns": namespace}, "ok": 1.0})
    }

    pub(super) fn get_more(&self, db: &str, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let id = match args.get("getMore") {
            Some(Bson::Int64(id)) => *id,
            other => {
                return Err(EngineError::type_mismatch(format!(
                    "BSON field 'getMore.getMore' is the wrong type '{}', expected type 'long'",
                    other.map_or("missing", |v| Value::from_bson(v).type_name())
                )));
            }
        };
        if args.int("maxTimeMS")?.is_some_and(|n| n > 0) {
            return Err(EngineError::bad_value(
                "cannot set maxTimeMS on getMore command for a non-awaitData cursor",
            ));
        }
        let batch = args
            .count("batchSize")?
            .filter(|n| *n > 0)
            .unwrap_or(usize::MAX);
        let taken = locked(&self.inner.cursors).open.remove(&id);
        let not_found =
            || EngineError::new(Code::CursorNotFound, format!("cursor id {id} not found"));
        let mut open = taken.ok_or_else(not_found)?;
        if let Some(name) = args.string("collection")?
            && open.namespace != format!("{db}.{name}")
        {
            let namespace = open.namespace.clone();
            locked(&self.inner.cursors).open.insert(id, open);
            return Err(EngineError::new(
                Code::Unauthorized,
                format!(
                    "Requested getMore on namespace '{db}.{name}', but cursor belongs to a different namespace {namespace}"
                ),
            ));
        }
        let (docs, more) = open.rows.batch(batch)?;
        let namespace = open.namespace.clone();
        if more {
            locked(&self.inner.cursors).open.insert(id, open);
        }
        Ok(
            doc! {"cursor": {"nextBatch": docs, "id": if more { id } else { 0 }, "ns": namespace}, "ok": 1.0},
        )
    }

    pub(super) fn kill_cursors(&self, args: Args<'_>) -> Result<Bdoc, EngineError> {
        let mut cursors = locked(&self.inner.cursors);
        let (mut killed, mut unknown) = (Vec::new(), Vec::new());
        for id in args.array("cursors")?.into_iter().flatten() {
            let n = Value::from_bson(id).as_i64().unwrap_or(0);
            match cursors.open.remove(&n) {
                Some(_) => killed.push(Bson::Int64(n)),
                None => unknown.push(Bson::Int64(n)),
            }
        }
        Ok(
            doc! {"cursorsKilled": killed, "cursorsNotFound": unknown, "cursorsAlive": [], "cursorsUnknown": [], "ok": 1.0},
        )
    }

    /// The number of cursors that are open.
    pub fn open_cursors(&self) -> usize {
        locked(&self.inner.cursors).open.len()
    }
}
