//! How a server is set up.
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use super::server::WireServer;
use crate::memory::Engine;

/// How a [`WireServer`] is set up.
///
/// ```
/// use mqlc_executors::wire::WireOptions;
///
/// let server = WireOptions::new().password("tester", "secret").start().unwrap();
/// assert!(server.uri().contains("tester:secret@"));
/// ```
#[derive(Clone)]
pub struct WireOptions {
    pub(super) bind: IpAddr,
    pub(super) port: u16,
    pub(super) engine: Option<Engine>,
    pub(super) login: Option<(String, String)>,
    pub(super) data: Option<PathBuf>,
    pub(super) save_every: Duration,
    pub(super) expire_every: Duration,
    pub(super) replica_set: String,
    pub(super) limits: WireLimits,
}

/// What a server allows.
#[derive(Clone, Debug)]
pub struct WireLimits {
    /// Bytes of one message (MongoDB: 48,000,000).
    pub message_bytes: usize,
    /// Connections at a time; further ones are closed at once.
    pub connections: usize,
    /// Sessions that are remembered.
    pub sessions: usize,
    /// How long a connection may say nothing.
    pub connection_idle: Duration,
    /// How long a message may take from its first byte to its last, and a reply to be taken.
    pub message_time: Duration,
    /// How long a cursor may be left alone (MongoDB: 10 minutes).
    pub cursor_idle: Duration,
    /// How long a transaction may be open (MongoDB: 60 seconds).
    pub transaction: Duration,
    /// How long a session may be left alone (MongoDB: 30 minutes).
    pub session_idle: Duration,
}

impl Default for WireLimits {
    fn default() -> Self {
        Self {
            message_bytes: 48_000_000,
            connections: 2_000,
            sessions: 100_000,
            connection_idle: Duration::from_secs(3_600),
            message_time: Duration::from_secs(60),
            cursor_idle: Duration::from_secs(600),
            transaction: Duration::from_secs(60),
            session_idle: Duration::from_secs(1_800),
        }
    }
}

impl Default for WireOptions {
    fn default() -> Self {
        Self {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            engine: None,
            login: None,
            data: None,
            save_every: Duration::from_secs(10),
            expire_every: Duration::from_secs(60),
            replica_set: "rs0".to_owned(),
            limits: WireLimits::default(),
        }
    }
}

impl WireOptions {
    /// An empty engine on a free port of the local machine, open to all of its users.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The address to listen on; `127.0.0.1` unless set.
    #[must_use]
    pub fn bind(mut self, address: IpAddr) -> Self {
        self.bind = address;
        self
    }

    /// The port; 0 for any that is free.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Serves this engine; others may use it at the same time.
    #[must_use]
    pub fn engine(mut self, engine: Engine) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Lets in only who knows this user's password (SCRAM-SHA-256, whatever the database to log in to).
    #[must_use]
    pub fn password(mut self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login = Some((user.into(), password.into()));
        self
    }

    /// Loads this directory, if it is there, and saves into it: after writes, and at the end.
    #[must_use]
    pub fn data(mut self, dir: impl Into<PathBuf>) -> Self {
        self.data = Some(dir.into());
        self
    }

    /// How often written data is saved; every 10 seconds unless set.
    #[must_use]
    pub fn save_every(mut self, interval: Duration) -> Self {
        self.save_every = interval;
        self
    }

    /// How often documents are deleted that TTL indexes say are too old; every 60 seconds unless set, as on a server.
    /// The clock is the engine's.
    #[must_use]
    pub fn expire_every(mut self, interval: Duration) -> Self {
        self.expire_every = interval;
        self
    }

    /// The name of the replica set; `rs0` unless set.
    #[must_use]
    pub fn replica_set(mut self, name: impl Into<String>) -> Self {
        self.replica_set = name.into();
        self
    }

    /// What it allows.
    #[must_use]
    pub fn limits(mut self, limits: WireLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts the server, on threads of its own.
    ///
    /// # Errors
    /// When the address is taken, the data cannot be read, or the password holds forbidden characters.
    pub fn start(self) -> std::io::Result<WireServer> {
        WireServer::with(self)
    }
}
