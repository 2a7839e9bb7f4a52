//! Sessions and their transactions: snapshot isolation, first writer wins.
use std::collections::HashMap;
use std::sync::Arc;

use bson::{Bson, Document as Bdoc, doc};

use super::writing::{Touched, Writing};
use super::{Engine, locked};
use crate::memory::error::{Code, EngineError};
use crate::memory::storage::State;
use crate::memory::value::{Key, Value};

/// A transaction that is open.
#[derive(Clone)]
pub struct Transaction {
    /// What was committed when it began.
    pub base: Arc<State>,
    /// That, with its own writes.
    pub state: State,
    /// What it wrote.
    pub touched: Vec<Touched>,
}

struct Session {
    number: i64,
    open: Option<Transaction>,
    committed: bool,
}

/// The sessions that have had transactions.
#[derive(Default)]
pub struct Sessions {
    known: HashMap<Key, Session>,
}

/// Which transaction a command belongs to.
#[derive(Clone)]
pub struct InTransaction {
    session: Key,
}

const TRANSIENT: &[&str] = &["TransientTransactionError"];

impl EngineError {
    fn transient(mut self) -> Self {
        self.labels = TRANSIENT;
        self
    }
}

fn no_transaction(number: i64) -> EngineError {
    EngineError::new(
        Code::NoSuchTransaction,
        format!("Given transaction number {number} does not match any in-progress transactions."),
    )
    .transient()
}

impl Engine {
    /// The transaction that a command's `lsid`, `txnNumber`, `autocommit` and `startTransaction` mean, if any.
    ///
    /// # Errors
    /// `NoSuchTransaction`, `TransactionTooOld`, `TransactionCommitted`.
    pub(super) fn transaction_of(
        &self,
        command: &Bdoc,
    ) -> Result<Option<InTransaction>, EngineError> {
        if !matches!(command.get("autocommit"), Some(Bson::Boolean(false))) {
            return Ok(None);
        }
        let (Some(lsid), Some(number)) = (command.get("lsid"), command.get("txnNumber")) else {
            return Err(EngineError::new(
                Code::InvalidOptions,
                "'autocommit' field requires a transaction number and a session",
            ));
        };
        let session = Key(match lsid {
            Bson::Document(d) => d.get("id").map_or(Value::Null, Value::from_bson),
            other => Value::from_bson(other),
        });
        let number = Value::from_bson(number).as_i64().unwrap_or(0);
        let starts = matches!(command.get("startTransaction"), Some(Bson::Boolean(true)));
        let mut sessions = locked(&self.inner.sessions);
        let last = sessions.known.get(&session).map_or(-1, |s| s.number);
        if number < last {
            return Err(EngineError::new(
                Code::TransactionTooOld,
                format!(
                    "Cannot start transaction {number}: a newer transaction {last} has already started"
                ),
            ));
        }
        if starts {
            if number == last {
                return Err(EngineError::location(
                    50911,
                    format!(
                        "Cannot start a transaction at given transaction number {number}: it is already in progress"
                    ),
                ));
            }
            let base = self.inner.state();
            let open = Transaction {
                state: (*base).clone(),
                base,
                touched: Vec::new(),
            };
            let old = sessions.known.insert(
                session.clone(),
                Session {
                    number,
                    open: Some(open),
                    committed: false,
                },
            );
            drop(sessions);
            if old.is_some_and(|s| s.open.is_some()) {
                locked(&self.inner.locks).release(&session);
            }
            return Ok(Some(InTransaction { session }));
        }
        match sessions.known.get(&session) {
            Some(s) if s.number == number && s.open.is_some() => Ok(Some(InTransaction {
                session: session.clone(),
            })),
            Some(s) if s.number == number && s.committed => Err(EngineError::new(
                Code::TransactionCommitted,
                format!("Transaction {number} has been committed."),
            )),
            _ => Err(no_transaction(number)),
        }
    }

    /// The state that a command reads.
    pub(super) fn read_state(&self, txn: Option<&InTransaction>) -> Arc<State> {
        if let Some(txn) = txn
            && let Some(open) = locked(&self.inner.sessions)
                .known
                .get(&txn.session)
                .and_then(|s| s.open.as_ref())
        {
            return Arc::new(open.state.clone());
        }
        self.inner.state()
    }

    /// Starts writing, outside or inside a transaction.
    pub(super) fn writing<'e>(&'e self, txn: Option<&InTransaction>) -> Writing<'e> {
        let locks = locked(&self.inner.locks);
        let open = txn.and_then(|t| {
            let taken = locked(&self.inner.sessions)
                .known
                .get_mut(&t.session)
                .and_then(|s| s.open.take())?;
            Some((t.session.clone(), taken))
        });
        Writing::new(&self.inner, locks, open)
    }

    /// Ends writing: publishes, or puts the transaction back.
    pub(super) fn done(&self, writing: Writing<'_>) {
        let (state, open) = writing.into_parts();
        match open {
            None => {}
            Some((session, base, touched)) => {
                if let Some(s) = locked(&self.inner.sessions).known.get_mut(&session) {
                    s.open = Some(Transaction {
                        base,
                        state,
                        touched,
                    });
                }
            }
        }
    }

    /// Gives up a transaction.
    pub(super) fn abandon(&self, txn: &InTransaction) {
        if let Some(s) = locked(&self.inner.sessions).known.get_mut(&txn.session) {
            s.open = None;
        }
        locked(&self.inner.locks).release(&txn.session);
    }

    pub(super) fn commit(&self, command: &Bdoc) -> Result<Bdoc, EngineError> {
        let txn = match self.transaction_of(command) {
            Ok(Some(txn)) => txn,
            Ok(None) => {
                return Err(EngineError::new(
                    Code::InvalidOptions,
                    "commitTransaction must be run within a transaction",
                ));
            }
            // Committing again is fine.
            Err(e) if e.code == Code::TransactionCommitted.number() => return Ok(doc! {"ok": 1.0}),
            Err(e) => return Err(e),
        };
        let mut locks = locked(&self.inner.locks);
        let open = locked(&self.inner.sessions)
            .known
            .get_mut(&txn.session)
            .and_then(|s| s.open.take());
        let Some(open) = open else {
            return Err(no_transaction(0));
        };
        let mut state = (*self.inner.state()).clone();
        let applied = super::writing::replay(&mut state, &open);
        locks.release(&txn.session);
        match applied {
            Ok(()) => {
                self.inner.publish(state);
                if let Some(s) = locked(&self.inner.sessions).known.get_mut(&txn.session) {
                    s.committed = true;
                }
                Ok(doc! {"ok": 1.0})
            }
            Err(e) => Err(EngineError::new(
                Code::WriteConflict,
                format!("Write conflict during commit: {}", e.message),
            )
            .transient()),
        }
    }

    pub(super) fn abort(&self, command: &Bdoc) -> Result<Bdoc, EngineError> {
        match self.transaction_of(command)? {
            Some(txn) => {
                self.abandon(&txn);
                Ok(doc! {"ok": 1.0})
            }
            None => Err(EngineError::new(
                Code::InvalidOptions,
                "abortTransaction must be run within a transaction",
            )),
        }
    }

    /// Ends sessions: their open transactions are given up.
    pub(super) fn end_sessions(&self, list: &[Bson]) {
        for lsid in list {
            let id = match lsid {
                Bson::Document(d) => d.get("id").map_or(Value::Null, Value::from_bson),
                other => Value::from_bson(other),
            };
            let session = Key(id);
            locked(&self.inner.sessions).known.remove(&session);
            locked(&self.inner.locks).release(&session);
        }
    }
}

/// Marks an error inside a transaction as worth a retry of the whole.
pub fn mark_transient(e: EngineError) -> EngineError {
    if e.code == Code::WriteConflict.number() {
        e.transient()
    } else {
        e
    }
}
