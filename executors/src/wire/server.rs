//! Listening: connections, their number, housekeeping, the end.
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bson::Document;
use bson::oid::ObjectId;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::command::Failing;
use super::connection;
use super::options::{WireLimits, WireOptions};
use super::reply::ClusterTime;
use super::scram::Credentials;
use super::session::{self, Cursors, Sessions};
use crate::memory::Engine;
use crate::memory::error::{Code, EngineError};

/// What all connections of a server share.
pub(super) struct Shared {
    pub engine: Engine,
    pub limits: WireLimits,
    pub credentials: Option<Credentials>,
    pub replica_set: String,
    pub sessions: Sessions,
    pub cursors: Cursors,
    pub time: ClusterTime,
    pub failing: Failing,
    /// This run of the server.
    pub process: ObjectId,
    pub started: Instant,
    pub connections: AtomicUsize,
    pub connections_ever: AtomicI32,
    pub commands: AtomicU64,
    /// Connections that were closed for what they said, and why the last one was.
    pub refused: Mutex<(i64, &'static str)>,
    /// Becomes true when the server ends.
    pub stop: watch::Sender<bool>,
    data: Option<PathBuf>,
    /// Commands that may have changed data, and how many of them had run at the last save.
    writes: AtomicU64,
    saved: AtomicU64,
}

/// Commands that change nothing that is saved.
const READS: [&str; 13] = [
    "find",
    "getMore",
    "count",
    "distinct",
    "killCursors",
    "listCollections",
    "listIndexes",
    "listDatabases",
    "explain",
    "collStats",
    "dbStats",
    "abortTransaction",
    "ping",
];

impl Shared {
    /// Runs a command in the engine; what should never happen there does not end the connection.
    pub fn run(&self, db: &str, command: Document) -> Result<Document, EngineError> {
        let name = command.keys().next().map_or("", String::as_str);
        let writes = !READS.contains(&name);
        let engine = std::panic::AssertUnwindSafe(&self.engine);
        let done = std::panic::catch_unwind(|| engine.run_command(db, command));
        if writes {
            self.writes.fetch_add(1, Ordering::Release);
            self.time.tick();
        }
        done.unwrap_or_else(|_| {
            Err(EngineError::new(
                Code::InternalError,
                "the engine failed on this command",
            ))
        })
    }

    /// Deletes what TTL indexes say; what cannot be deleted now is tried again next time.
    fn expire(&self) {
        if self.engine.expire().is_ok_and(|n| n > 0) {
            self.writes.fetch_add(1, Ordering::Release);
        }
    }

    /// Saves if there is where to, and something new.
    pub fn save(&self) -> Result<(), EngineError> {
        let Some(dir) = &self.data else {
            return Ok(());
        };
        let writes = self.writes.load(Ordering::Acquire);
        if self.saved.load(Ordering::Acquire) == writes {
            return Ok(());
        }
        self.engine.save(dir)?;
        self.saved.store(writes, Ordering::Release);
        Ok(())
    }
}

/// A server that speaks MongoDB's wire protocol, before an embedded engine.
///
/// It runs on threads of its own, needs no runtime, and ends when it is dropped.
///
/// ```
/// # futures_executor::block_on(async {
/// use mqlc_executors::wire::WireServer;
///
/// let server = WireServer::start().unwrap();
/// println!("connect to {}", server.uri());
/// server.stop().await.unwrap();
/// # });
/// ```
pub struct WireServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    login: Option<(String, String)>,
    /// The runtime, and the task that accepts connections: it holds the port.
    running: Option<(Runtime, JoinHandle<()>)>,
}

impl WireServer {
    /// Starts an empty server on a free port of the local machine.
    ///
    /// # Errors
    /// When no port can be had.
    pub fn start() -> io::Result<Self> {
        Self::with(WireOptions::new())
    }

    pub(super) fn with(options: WireOptions) -> io::Result<Self> {
        let engine = options.engine.unwrap_or_default();
        if let Some(dir) = options.data.as_ref().filter(|dir| dir.exists()) {
            engine.load(dir).map_err(io::Error::other)?;
        }
        let credentials = match &options.login {
            Some((user, password)) => Some(Credentials::new(user, password)?),
            None => None,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("mqlc-wire")
            // What the engine evaluates may be nested deeply.
            .thread_stack_size(16 * 1024 * 1024)
            .enable_all()
            .build()?;
        let listener = std::net::TcpListener::bind((options.bind, options.port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            engine,
            limits: options.limits,
            credentials,
            replica_set: options.replica_set,
            sessions: Sessions::default(),
            cursors: Cursors::default(),
            time: ClusterTime::default(),
            failing: Failing::default(),
            process: ObjectId::new(),
            started: Instant::now(),
            connections: AtomicUsize::new(0),
            connections_ever: AtomicI32::new(0),
            commands: AtomicU64::new(0),
            refused: Mutex::new((0, "")),
            stop: watch::Sender::new(false),
            data: options.data,
            writes: AtomicU64::new(0),
            saved: AtomicU64::new(0),
        });
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let listening = runtime.spawn(listen(listener, Arc::clone(&shared)));
        runtime.spawn(housekeep(
            Arc::clone(&shared),
            options.save_every,
            options.expire_every,
        ));
        Ok(Self {
            address,
            shared,
            login: options.login,
            running: Some((runtime, listening)),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to give to a driver.
    #[must_use]
    pub fn uri(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            address.set_ip(match address.ip() {
                std::net::IpAddr::V4(_) => std::net::Ipv4Addr::LOCALHOST.into(),
                std::net::IpAddr::V6(_) => std::net::Ipv6Addr::LOCALHOST.into(),
            });
        }
        match &self.login {
            None => format!("mongodb://{address}/?directConnection=true"),
            Some((user, password)) => format!(
                "mongodb://{}:{}@{address}/?directConnection=true",
                escaped(user),
                escaped(password)
            ),
        }
    }

    /// The engine behind it.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// How many connections are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Stops: the port is free, commands that run are answered, connections are closed, data is saved.
    ///
    /// # Errors
    /// When the data cannot be saved.
    pub async fn stop(mut self) -> io::Result<()> {
        let Some((runtime, listening)) = self.running.take() else {
            return Ok(());
        };
        self.shared.stop.send_replace(true);
        let shared = Arc::clone(&self.shared);
        // On our own runtime: the caller may have another one, or none.
        let ended = runtime.spawn(async move {
            let _ = listening.await;
            let patience = Instant::now();
            while shared.connections.load(Ordering::Acquire) > 0
                && patience.elapsed() < Duration::from_secs(5)
            {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let _ = ended.await;
        runtime.shutdown_background();
        self.shared.save().map_err(io::Error::other)
    }
}

impl Drop for WireServer {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            self.shared.stop.send_replace(true);
            runtime.shutdown_background();
            // There is nobody to tell; `stop` tells.
            let _ = self.shared.save();
        }
    }
}

/// Escapes what has a meaning in a URI.
fn escaped(text: &str) -> String {
    use std::fmt::Write;
    let mut out = String::new();
    for b in text.bytes() {
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    let mut stop = shared.stop.subscribe();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, remote)) => welcome(stream, remote, &shared),
            // No more files, perhaps: others will be closed.
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Counts a connection for as long as it lives.
struct Counted(Arc<Shared>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::AcqRel);
    }
}

fn welcome(stream: TcpStream, remote: SocketAddr, shared: &Arc<Shared>) {
    let before = shared.connections.fetch_add(1, Ordering::AcqRel);
    let counted = Counted(Arc::clone(shared));
    if before >= shared.limits.connections {
        return;
    }
    let number = shared.connections_ever.fetch_add(1, Ordering::Relaxed);
    let Ok(local) = stream.local_addr() else {
        return;
    };
    // Slower without, but not wrong.
    let _ = stream.set_nodelay(true);
    tokio::spawn(async move {
        connection::serve(stream, &counted.0, number.wrapping_add(1), local, remote).await;
    });
}

async fn housekeep(shared: Arc<Shared>, save_every: Duration, expire_every: Duration) {
    let mut stop = shared.stop.subscribe();
    let shortest = shared
        .limits
        .cursor_idle
        .min(shared.limits.transaction)
        .min(save_every)
        .min(expire_every)
        / 2;
    let pause = shortest.clamp(Duration::from_millis(10), Duration::from_secs(5));
    let (mut saved, mut expired) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        tokio::task::block_in_place(|| session::sweep(&shared));
        if expired.elapsed() >= expire_every {
            expired = Instant::now();
            tokio::task::block_in_place(|| shared.expire());
        }
        if saved.elapsed() >= save_every {
            saved = Instant::now();
            // Tried again next time; the end tells.
            let _ = tokio::task::block_in_place(|| shared.save());
        }
    }
}
