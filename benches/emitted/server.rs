//! Where the commands run: the embedded engine, or a server through the official driver.

use bson::{Bson, Document, doc};
use futures_executor::block_on;
use mqlc::compiler::program::Bound;
use mqlc::executors::memory::{Engine, Limits};
use mqlc::executors::{Executor, MemoryExecutor};

pub type Result<T> = std::result::Result<T, String>;

/// Runs commands.
pub enum Server {
    Embedded(MemoryExecutor),
    #[cfg(feature = "mongodb")]
    Remote(
        Box<mqlc::executors::mongodb::MongoExecutor>,
        tokio::runtime::Runtime,
    ),
}

/// What was read to answer a command.
#[derive(Debug, Clone, Copy, Default)]
pub struct Read {
    pub documents: i64,
    pub keys: i64,
    /// The sort in front of the command is served by an index.
    pub sorted_by_index: bool,
}

impl Server {
    /// The embedded engine; stages may hold as much as they like, where a server would use its disk.
    pub fn embedded() -> Self {
        let limits = Limits {
            stage_bytes: usize::MAX,
            ..Limits::default()
        };
        Server::Embedded(MemoryExecutor::on(Engine::with_limits(limits), "bench"))
    }

    #[cfg(feature = "mongodb")]
    pub fn remote(uri: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let executor = runtime
            .block_on(mqlc::executors::mongodb::MongoExecutor::connect(
                uri,
                "mqlc_bench",
            ))
            .unwrap();
        Server::Remote(Box::new(executor), runtime)
    }

    #[cfg(not(feature = "mongodb"))]
    pub fn remote(_uri: &str) -> Self {
        eprintln!("--uri needs --features mongodb");
        std::process::exit(1);
    }

    /// Waits for what an executor does.
    pub fn wait<T>(&self, future: impl Future<Output = T>) -> T {
        match self {
            Server::Embedded(_) => block_on(future),
            #[cfg(feature = "mongodb")]
            Server::Remote(_, runtime) => runtime.block_on(future),
        }
    }

    pub fn executor(&self) -> &dyn Executor {
        match self {
            Server::Embedded(executor) => executor,
            #[cfg(feature = "mongodb")]
            Server::Remote(executor, _) => executor.as_ref(),
        }
    }

    /// The documents that a command gives.
    pub fn run(&self, command: &Document) -> Result<Vec<Document>> {
        let bound = Bound {
            command: command.clone(),
        };
        self.wait(async {
            let reply = self.executor().run(bound).await?;
            reply.into_vec().await
        })
        .map_err(|e| e.to_string())
    }

    /// Runs a command and drops what it gives. The embedded engine's documents are not made into BSON for that.
    pub fn drain(&self, command: &Document) -> Result<usize> {
        if let Server::Embedded(executor) = self
            && (command.contains_key("find") || command.contains_key("aggregate"))
        {
            let mut n = 0;
            let rows = executor.engine().query(executor.database(), command);
            rows.and_then(|mut rows| {
                rows.each(|_| {
                    n += 1;
                    Ok(())
                })
            })
            .map_err(|e| e.message.clone())?;
            return Ok(n);
        }
        self.run(command).map(|documents| documents.len())
    }

    pub fn explain(&self, command: &Document) -> Result<Read> {
        let reply = self.run(&doc! {"explain": command.clone(), "verbosity": "executionStats"})?;
        let mut read = Read {
            sorted_by_index: sorts_first(command),
            ..Read::default()
        };
        for document in reply {
            count(&Bson::Document(document), &mut read);
        }
        Ok(read)
    }
}

/// Whether a command begins with a sort, perhaps after conditions.
fn sorts_first(command: &Document) -> bool {
    if command.contains_key("sort") {
        return true;
    }
    let stages = command.get_array("pipeline").into_iter().flatten();
    stages
        .filter_map(|s| s.as_document()?.keys().next())
        .find(|name| *name != "$match")
        .is_some_and(|name| name == "$sort")
}

fn count(value: &Bson, read: &mut Read) {
    let number = |v: &Bson| v.as_i64().or(v.as_i32().map(i64::from)).unwrap_or(0);
    match value {
        Bson::Document(d) => {
            for (key, value) in d {
                match key.as_str() {
                    "totalDocsExamined" => read.documents += number(value),
                    "totalKeysExamined" => read.keys += number(value),
                    "stage" if value.as_str() == Some("SORT") => read.sorted_by_index = false,
                    _ => count(value, read),
                }
            }
        }
        Bson::Array(items) => items.iter().for_each(|v| count(v, read)),
        _ => {}
    }
}
