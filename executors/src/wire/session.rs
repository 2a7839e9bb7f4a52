//! Sessions and cursors as the server sees them: which are in use, which writes were answered, what has been idle.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};

use super::server::Shared;
use crate::memory::error::{Code, EngineError};

/// What tells sessions apart: the bytes of `lsid.id`.
type Key = Vec<u8>;

/// Commands that may be sent again with the same `txnNumber`.
const RETRYABLE: [&str; 6] = [
    "insert",
    "update",
    "delete",
    "findAndModify",
    "findandmodify",
    "bulkWrite",
];

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The sessions that write with numbers.
#[derive(Default)]
pub(super) struct Sessions {
    known: Mutex<HashMap<Key, Arc<Session>>>,
}

struct Session {
    /// One numbered command after the other.
    last: Mutex<Last>,
    used: Mutex<Instant>,
}

#[derive(Default)]
struct Last {
    number: i64,
    /// What the retryable write of this number was answered with.
    reply: Option<Document>,
    /// The open transaction of this number, and when it began.
    transaction: Option<Instant>,
}

/// `lsid` of a command.
fn session_of(command: &Document) -> Result<Option<(Document, Key)>, EngineError> {
    let lsid = match command.get("lsid") {
        None => return Ok(None),
        Some(Bson::Document(lsid)) => lsid,
        Some(_) => return Err(EngineError::type_mismatch("lsid must be an object")),
    };
    match lsid.get("id") {
        Some(Bson::Binary(id)) if id.bytes.len() == 16 => {
            Ok(Some((lsid.clone(), id.bytes.clone())))
        }
        _ => Err(EngineError::new(
            Code::InvalidUUID,
            "lsid.id must be a UUID",
        )),
    }
}

/// The keys of a list of sessions (`endSessions` and the like).
fn keys(list: &[Bson]) -> impl Iterator<Item = Key> + '_ {
    list.iter().filter_map(|one| match one {
        Bson::Document(lsid) => match lsid.get("id") {
            Some(Bson::Binary(id)) => Some(id.bytes.clone()),
            _ => None,
        },
        _ => None,
    })
}

fn ends_transaction(shared: &Shared, lsid: &Document, number: i64) {
    let abort = doc! {"abortTransaction": 1, "lsid": lsid.clone(), "txnNumber": number, "autocommit": false};
    // It may have ended by itself.
    let _ = shared.engine.run_command("admin", abort);
}

fn lsid_of(key: &Key) -> Document {
    let id = bson::Binary {
        subtype: bson::spec::BinarySubtype::Uuid,
        bytes: key.clone(),
    };
    doc! {"id": id}
}

impl Sessions {
    fn get(&self, key: &Key, limit: usize) -> Result<Arc<Session>, EngineError> {
        let mut known = locked(&self.known);
        if let Some(session) = known.get(key) {
            *locked(&session.used) = Instant::now();
            return Ok(Arc::clone(session));
        }
        if known.len() >= limit {
            return Err(EngineError::location(261, "too many logical sessions"));
        }
        let session = Arc::new(Session {
            last: Mutex::new(Last {
                number: -1,
                ..Last::default()
            }),
            used: Mutex::new(Instant::now()),
        });
        known.insert(key.clone(), Arc::clone(&session));
        Ok(session)
    }

    /// How many are known.
    pub fn len(&self) -> usize {
        locked(&self.known).len()
    }

    /// How many have an open transaction.
    pub fn in_transaction(&self) -> usize {
        let known = locked(&self.known);
        known
            .values()
            .filter(|s| s.last.try_lock().is_ok_and(|l| l.transaction.is_some()))
            .count()
    }

    /// Says that sessions are still in use.
    pub fn refresh(&self, list: &[Bson]) {
        let known = locked(&self.known);
        for session in keys(list).filter_map(|key| known.get(&key).cloned()) {
            *locked(&session.used) = Instant::now();
        }
    }
}

/// Ends sessions: their transactions and cursors go.
pub(super) fn end(shared: &Shared, list: &[Bson]) {
    for key in keys(list) {
        end_one(shared, &key);
    }
}

/// Ends all sessions.
pub(super) fn end_all(shared: &Shared) {
    let all: Vec<Key> = locked(&shared.sessions.known).keys().cloned().collect();
    for key in all {
        end_one(shared, &key);
    }
}

fn end_one(shared: &Shared, key: &Key) {
    let gone = locked(&shared.sessions.known).remove(key);
    if let Some(session) = gone {
        let last = locked(&session.last);
        if last.transaction.is_some() {
            ends_transaction(shared, &lsid_of(key), last.number);
        }
    }
    let ended = doc! {"endSessions": [lsid_of(key)]};
    let _ = shared.engine.run_command("admin", ended);
    shared.cursors.end_of(shared, key);
}

/// Runs a command of the engine, in its session.
pub(super) fn run(
    shared: &Shared,
    db: &str,
    name: &str,
    command: Document,
) -> Result<Document, EngineError> {
    let session = session_of(&command)?;
    let key = session.as_ref().map(|(_, key)| key.clone());
    let keep = command.get_bool("noCursorTimeout").unwrap_or(false);
    let more = command.get("getMore").and_then(Bson::as_i64);
    let number = match command.get("txnNumber") {
        None => None,
        Some(Bson::Int64(n)) => Some(*n),
        Some(Bson::Int32(n)) => Some(i64::from(*n)),
        Some(_) => return Err(EngineError::type_mismatch("txnNumber must be a long")),
    };
    let reply = match (session, number) {
        (_, None) => shared.run(db, command)?,
        (None, Some(_)) => {
            return Err(EngineError::new(
                Code::InvalidOptions,
                "Transaction number requires a session ID to also be specified",
            ));
        }
        (Some((lsid, key)), Some(number)) => {
            let session = shared.sessions.get(&key, shared.limits.sessions)?;
            let mut last = locked(&session.last);
            numbered(shared, db, name, command, &lsid, number, &mut last)?
        }
    };
    shared.cursors.seen(&reply, more, key, keep);
    Ok(reply)
}

/// Runs a command that has a number: part of a transaction, or a write that may come again.
fn numbered(
    shared: &Shared,
    db: &str,
    name: &str,
    command: Document,
    lsid: &Document,
    number: i64,
    last: &mut Last,
) -> Result<Document, EngineError> {
    if number < last.number {
        return Err(EngineError::new(
            Code::TransactionTooOld,
            format!(
                "Retryable write or transaction with txnNumber {number} is prohibited because a newer one with txnNumber {} has already started on this session.",
                last.number
            ),
        ));
    }
    if number > last.number {
        if last.transaction.is_some() {
            ends_transaction(shared, lsid, last.number);
        }
        *last = Last {
            number,
            ..Last::default()
        };
    }
    if command.get_bool("autocommit").is_ok_and(|auto| !auto) {
        if last.reply.is_some() {
            return Err(EngineError::location(
                50911,
                format!(
                    "Cannot start a transaction at given transaction number {number}: it was a retryable write"
                ),
            ));
        }
        let done = shared.run(db, command);
        last.transaction = match (name, &done) {
            ("commitTransaction" | "abortTransaction", _) | (_, Err(_)) => None,
            (_, Ok(_)) => last.transaction.or_else(|| Some(Instant::now())),
        };
        return done;
    }
    if !RETRYABLE.contains(&name) {
        return Err(EngineError::new(
            Code::NotARetryableWriteCommand,
            format!(
                "txnNumber may only be provided for multi-document transactions and retryable write commands. autocommit:false was not provided, and {name} is not a retryable write command."
            ),
        ));
    }
    if let Some(reply) = &last.reply {
        return Ok(reply.clone());
    }
    let reply = shared.run(db, command)?;
    last.reply = Some(reply.clone());
    Ok(reply)
}

/// The cursors that are open.
#[derive(Default)]
pub(super) struct Cursors {
    open: Mutex<HashMap<i64, OpenCursor>>,
}

struct OpenCursor {
    used: Instant,
    session: Option<Key>,
    /// The client asked that it stay.
    keep: bool,
}

impl Cursors {
    /// How many are open.
    pub fn len(&self) -> usize {
        locked(&self.open).len()
    }

    fn seen(&self, reply: &Document, more: Option<i64>, session: Option<Key>, keep: bool) {
        if let Ok(killed) = reply.get_array("cursorsKilled") {
            let mut open = locked(&self.open);
            for id in killed.iter().filter_map(Bson::as_i64) {
                open.remove(&id);
            }
        }
        let Ok(cursor) = reply.get_document("cursor") else {
            return;
        };
        let id = cursor.get_i64("id").unwrap_or(0);
        if id == 0 && more.is_none() {
            return;
        }
        let mut open = locked(&self.open);
        match (id, more) {
            (0, Some(done)) => {
                open.remove(&done);
            }
            (id, Some(_)) => {
                if let Some(cursor) = open.get_mut(&id) {
                    cursor.used = Instant::now();
                }
            }
            (id, None) => {
                let used = Instant::now();
                let cursor = OpenCursor {
                    used,
                    session,
                    keep,
                };
                open.insert(id, cursor);
            }
        }
    }

    fn end(&self, shared: &Shared, which: impl Fn(&OpenCursor) -> bool) {
        let ids: Vec<Bson> = {
            let mut open = locked(&self.open);
            let ids: Vec<i64> = open
                .iter()
                .filter(|(_, cursor)| which(cursor))
                .map(|(id, _)| *id)
                .collect();
            for id in &ids {
                open.remove(id);
            }
            ids.into_iter().map(Bson::Int64).collect()
        };
        if !ids.is_empty() {
            let kill = doc! {"killCursors": "", "cursors": ids};
            let _ = shared.engine.run_command("admin", kill);
        }
    }

    fn end_of(&self, shared: &Shared, session: &Key) {
        self.end(shared, |cursor| cursor.session.as_ref() == Some(session));
    }
}

/// Ends what has been idle for too long: cursors, transactions, sessions.
pub(super) fn sweep(shared: &Shared) {
    let limits = &shared.limits;
    let idle = |since: Instant, limit: Duration| since.elapsed() > limit;
    shared
        .cursors
        .end(shared, |c| !c.keep && idle(c.used, limits.cursor_idle));
    let all: Vec<(Key, Arc<Session>)> = locked(&shared.sessions.known)
        .iter()
        .map(|(key, session)| (key.clone(), Arc::clone(session)))
        .collect();
    for (key, session) in all {
        if idle(*locked(&session.used), limits.session_idle) {
            end_one(shared, &key);
            continue;
        }
        // One that is at work is not idle.
        if let Ok(mut last) = session.last.try_lock()
            && last
                .transaction
                .is_some_and(|t| idle(t, limits.transaction))
        {
            ends_transaction(shared, &lsid_of(&key), last.number);
            last.transaction = None;
        }
    }
}
