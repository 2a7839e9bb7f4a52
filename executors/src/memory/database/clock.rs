//! Where the engine reads the time.
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock, in milliseconds since the epoch.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> i64;
}

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> i64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands still.
impl Clock for i64 {
    fn now(&self) -> i64 {
        *self
    }
}

/// A clock that somebody else moves.
impl Clock for std::sync::Arc<std::sync::atomic::AtomicI64> {
    fn now(&self) -> i64 {
        self.load(std::sync::atomic::Ordering::Relaxed)
    }
}
