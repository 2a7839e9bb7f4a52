//! How long a command may work.
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::memory::error::{Code, EngineError};

/// The working time of one command or cursor (`maxTimeMS`). All batches of a cursor share it; the time between them does not count.
#[derive(Debug)]
pub struct Budget {
    base: Instant,
    /// When it ends, in nanoseconds after `base`.
    until: AtomicU64,
    /// What is left while nobody works.
    left: AtomicU64,
}

fn nanos(d: Duration) -> u64 {
    u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)
}

impl Budget {
    /// A budget that runs from now on.
    pub fn new(time: Duration) -> Self {
        Self {
            base: Instant::now(),
            until: AtomicU64::new(nanos(time)),
            left: AtomicU64::new(nanos(time)),
        }
    }

    /// Work goes on.
    pub fn resume(&self) {
        let end = nanos(self.base.elapsed()).saturating_add(self.left.load(Ordering::Relaxed));
        self.until.store(end, Ordering::Relaxed);
    }

    /// Work rests.
    pub fn pause(&self) {
        let until = self.until.load(Ordering::Relaxed);
        let left = until.saturating_sub(nanos(self.base.elapsed()));
        self.left.store(left, Ordering::Relaxed);
    }

    /// Whether there is time left.
    ///
    /// # Errors
    /// `MaxTimeMSExpired`.
    pub fn check(&self) -> Result<(), EngineError> {
        if nanos(self.base.elapsed()) < self.until.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(EngineError::new(
            Code::MaxTimeMSExpired,
            "operation exceeded time limit",
        ))
    }
}
