//! Executors to run cases on.

use std::future::Future;

use bson::Document;
use mqlc_executors::memory::battery::Runner;
use mqlc_executors::memory::database::Engine;
use mqlc_executors::{Executor, MemoryExecutor};

use crate::options::{ExecutorKind, Options};
use crate::suite::Result;

/// Where cases run.
pub(crate) struct Target {
    kind: Kind,
}

enum Kind {
    Memory,
    #[cfg(feature = "mongodb")]
    Server(server::Server),
}

impl Target {
    /// What the command line asks for.
    pub(crate) fn new(options: &Options) -> Result<Self> {
        let server = options.executor == ExecutorKind::Mongodb || options.uri.is_some();
        if !server {
            return Ok(Target { kind: Kind::Memory });
        }
        #[cfg(feature = "mongodb")]
        {
            let uri = options.uri.as_deref().ok_or("a server needs --uri")?;
            Ok(Target {
                kind: Kind::Server(server::Server::connect(uri)?),
            })
        }
        #[cfg(not(feature = "mongodb"))]
        Err("built without servers: add --features mongodb before the --".to_owned())
    }

    /// An executor of an empty database.
    pub(crate) fn fresh(&self) -> Result<Box<dyn Executor>> {
        match &self.kind {
            Kind::Memory => Ok(Box::new(MemoryExecutor::new())),
            #[cfg(feature = "mongodb")]
            Kind::Server(server) => server.fresh(),
        }
    }

    /// What takes raw commands and gives the server's own replies.
    pub(crate) fn runner(self) -> Box<dyn Runner> {
        match self.kind {
            Kind::Memory => Box::new(Embedded(Engine::new())),
            #[cfg(feature = "mongodb")]
            Kind::Server(server) => Box::new(server),
        }
    }

    /// Waits for a future.
    pub(crate) fn wait<T>(&self, future: impl Future<Output = T>) -> Result<T> {
        match &self.kind {
            Kind::Memory => futures_util::FutureExt::now_or_never(future)
                .ok_or_else(|| "the embedded engine waits for something".to_owned()),
            #[cfg(feature = "mongodb")]
            Kind::Server(server) => Ok(server.wait(future)),
        }
    }
}

/// The embedded engine, a new one for each case.
struct Embedded(Engine);

impl Runner for Embedded {
    fn reset(&mut self) {
        self.0 = Engine::new();
    }

    fn run(&mut self, command: Document) -> std::result::Result<Document, (i64, String)> {
        self.0
            .run_command("battery", command)
            .map_err(|e| (i64::from(e.code), e.message))
    }
}

#[cfg(feature = "mongodb")]
mod server {
    use bson::{Document, doc};
    use mqlc_executors::memory::battery::Runner;
    use mqlc_executors::mongodb::command_error;

    use mqlc_executors::Executor;
    use mqlc_executors::mongodb::MongoExecutor;

    use crate::suite::Result;

    /// A database of our own on a server.
    pub(super) struct Server {
        runtime: tokio::runtime::Runtime,
        executor: MongoExecutor,
    }

    impl Server {
        pub(super) fn connect(uri: &str) -> Result<Self> {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()
                .map_err(|e| format!("no runtime: {e}"))?;
            // Each worker process has its own, whatever the URI names: it is dropped again and again.
            let name = format!("mqlc_conformance_{}", std::process::id());
            let executor = runtime
                .block_on(MongoExecutor::connect(uri, &name))
                .map_err(|e| e.to_string())?;
            let database = executor.database().client().database(&name);
            Ok(Server {
                runtime,
                executor: MongoExecutor::new(database),
            })
        }

        pub(super) fn fresh(&self) -> Result<Box<dyn Executor>> {
            self.wait(self.executor.database().drop())
                .map_err(|e| format!("cannot drop the database: {e}"))?;
            Ok(Box::new(self.executor.clone()))
        }

        pub(super) fn wait<T>(&self, future: impl IntoFuture<Output = T>) -> T {
            self.runtime.block_on(async { future.await })
        }
    }

    impl Runner for Server {
        fn reset(&mut self) {
            self.send(doc! {"dropDatabase": 1}).ok();
        }

        fn run(&mut self, command: Document) -> Result<Document, (i64, String)> {
            self.send(command)
        }
    }

    impl Server {
        fn send(&self, command: Document) -> Result<Document, (i64, String)> {
            self.wait(self.executor.database().run_command(command))
                .map_err(|error| match command_error(&error) {
                    Some(e) => (i64::from(e.code), e.message),
                    None => (0, error.to_string()),
                })
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            // The server may be gone; the database is only ours.
            let _ = self.wait(self.executor.database().drop());
        }
    }
}
