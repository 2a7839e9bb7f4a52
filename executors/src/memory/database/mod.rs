//! The engine's commands: raw MongoDB command documents in, replies out.
//!
//! Reads take a snapshot and hold no lock. Writes go one after the other: each works on a copy-on-write copy of the
//! state and publishes it when it is done, so that nobody ever sees half of one.
mod args;
mod bulk;
mod catalog;
mod clock;
mod cursor;
mod dispatch;
pub mod ejson;
mod explain;
mod explain_bounds;
mod find_projection;
mod output;
mod persist;
mod read;
mod return_key;
mod session;
mod statement;
mod update;
mod write;
mod writing;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

pub use clock::{Clock, SystemClock};
pub use cursor::Rows;

use super::expr::Evaluation;
use super::stage::Context;
use super::storage::State;
use super::value::Collation;
use cursor::Cursors;
use session::Sessions;
use writing::Locks;

/// The embedded engine. Cloning gives another handle to the same databases.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

/// Limits that a command may not pass.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes that one stage may hold. A server goes on to disk after 100 MB; here this is the end. With
    /// `allowDiskUse: false` it is 100 MB as there.
    pub stage_bytes: usize,
    /// Open cursors.
    pub cursors: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            stage_bytes: 1024 * 1024 * 1024,
            cursors: 10_000,
        }
    }
}

struct Inner {
    committed: RwLock<Arc<State>>,
    locks: Mutex<Locks>,
    sessions: Mutex<Sessions>,
    cursors: Mutex<Cursors>,
    clock: RwLock<Arc<dyn Clock>>,
    /// The next record id; also what makes object ids and seeds differ.
    records: AtomicU64,
    ids: AtomicU64,
    seed: AtomicU64,
    /// Held while saving: two saves at once would take each other's file names.
    saving: Mutex<()>,
    limits: Limits,
}

/// A lock's content. A writer that failed left the committed state alone, so poison means nothing here.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Engine {
    fn default() -> Self {
        Self::new()
    }
}

impl Engine {
    /// An engine without data, on the system's clock.
    pub fn new() -> Self {
        Self::with_limits(Limits::default())
    }

    /// With limits of one's own.
    pub fn with_limits(limits: Limits) -> Self {
        let inner = Inner {
            committed: RwLock::default(),
            locks: Mutex::default(),
            sessions: Mutex::default(),
            cursors: Mutex::default(),
            clock: RwLock::new(Arc::new(SystemClock)),
            records: AtomicU64::new(1),
            ids: AtomicU64::new(1),
            seed: AtomicU64::new(0x5eed),
            saving: Mutex::default(),
            limits,
        };
        Self {
            inner: Arc::new(inner),
        }
    }

    /// Sets the clock: `$$NOW`, object ids and the expiry of documents follow it.
    pub fn set_clock(&self, clock: impl Clock + 'static) {
        *self
            .inner
            .clock
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(clock);
    }

    /// Stops the clock at a time, in milliseconds since the epoch.
    pub fn set_now(&self, millis: i64) {
        self.set_clock(millis);
    }

    /// Seeds `$rand` and `$sample`: the same seed and the same commands give the same results.
    pub fn set_seed(&self, seed: u64) {
        self.inner.seed.store(seed, Ordering::Relaxed);
    }
}

impl Inner {
    fn now(&self) -> i64 {
        self.clock
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .now()
    }

    fn state(&self) -> Arc<State> {
        Arc::clone(
            &self
                .committed
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    fn publish(&self, state: State) {
        *self
            .committed
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(state);
    }

    fn next_record(&self) -> u64 {
        self.records.fetch_add(1, Ordering::Relaxed)
    }

    /// An object id: the clock's seconds, a fixed middle and a counter.
    fn object_id(&self) -> [u8; 12] {
        let seconds = u32::try_from(self.now().div_euclid(1000))
            .unwrap_or(0)
            .to_be_bytes();
        let n = self.ids.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let [a, b, c, d] = seconds;
        let [n0, n1, n2, n3, n4, n5, n6, n7] = n;
        [a, b, c, d, n0, n1, n2, n3, n4, n5, n6, n7]
    }

    fn evaluation(&self, collation: Option<Collation>) -> Evaluation {
        let seed = self.seed.fetch_add(0x9e37_79b9, Ordering::Relaxed);
        Evaluation {
            now: self.now(),
            seed,
            collation,
            budget: None,
            memory_limit: self.limits.stage_bytes,
        }
    }

    fn context(&self, db: &str, state: Arc<State>, collation: Option<Collation>) -> Context {
        Context {
            state,
            db: Arc::from(db),
            evaluation: self.evaluation(collation),
            examined: None,
            hint: None,
        }
    }
}
