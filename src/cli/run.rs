//! `mqlc run`: the rows of a queryset.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use mqlc::executors::{Execute, Executor, MemoryExecutor, Outcome};
use mqlc::{Compiled, Compiler};

use super::Result;
use super::failure::Failure;
use super::input::{QueryArguments, SchemaArguments, TargetArguments};
use super::output;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    schema: SchemaArguments,
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    query: QueryArguments,
    /// Save what the statement wrote to the folder of --data; without it the folder stays as it is
    #[arg(long, conflicts_with = "uri")]
    save: bool,
    /// How rows are written
    #[arg(long, short = 'o', value_enum, default_value_t = Format::Table)]
    format: Format,
}

/// Where the documents are.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// Folder of extended-JSON-lines files, one a collection
    #[arg(long, short = 'd', value_name = "DIR", env = "MQLC_DATA")]
    data: Option<PathBuf>,
    /// A server, mongodb://host/database
    #[arg(long, value_name = "URI", env = "MQLC_URI")]
    uri: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum Format {
    /// A table
    Table,
    /// JSON, one row a line
    Json,
    /// Values of Queryset JSON with their types, one row a line
    Ejson,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let models = arguments.schema.load()?;
    let asked = arguments.query.load(&models)?;
    let compiler = Compiler::new(models.schema.clone()).target(arguments.target.target());
    let compiled = asked.compile(&compiler)?;
    let outcome = match (&arguments.source.data, &arguments.source.uri) {
        (Some(dir), _) => {
            let executor = MemoryExecutor::load(dir)
                .map_err(|e| Failure::failed(format_args!("cannot load {}", dir.display()), e))?;
            let outcome = futures_executor::block_on(answer(&executor, &compiled))?;
            match (&outcome, arguments.save) {
                (Outcome::Written(_) | Outcome::Upserted { .. }, true) => {
                    executor.save(dir).map_err(|e| {
                        Failure::failed(format_args!("cannot save {}", dir.display()), e)
                    })?
                }
                (Outcome::Written(_) | Outcome::Upserted { .. }, false) => {
                    eprintln!("{} stays as it is: --save writes to it", dir.display());
                }
                _ => {}
            }
            outcome
        }
        (None, Some(uri)) => on_server(uri, async |executor| answer(executor, &compiled).await)?,
        (None, None) => return Err(Failure::Failed("neither --data nor --uri".to_owned())),
    };
    output::print(&compiled, &outcome, arguments.format)
}

async fn answer(executor: &dyn Executor, compiled: &Compiled) -> Result<Outcome> {
    executor
        .execute(compiled)
        .await
        .map_err(|e| Failure::failed("the query failed", e))
}

#[cfg(feature = "mongodb")]
pub(super) fn on_server<T>(
    uri: &str,
    work: impl AsyncFnOnce(&dyn Executor) -> Result<T>,
) -> Result<T> {
    use mqlc::executors::mongodb::MongoExecutor;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::failed("cannot start", e))?;
    runtime.block_on(async {
        let executor = MongoExecutor::connect(uri, "test")
            .await
            .map_err(|e| Failure::failed("cannot connect", e))?;
        work(&executor).await
    })
}

#[cfg(not(feature = "mongodb"))]
pub(super) fn on_server<T>(
    _uri: &str,
    _work: impl AsyncFnOnce(&dyn Executor) -> Result<T>,
) -> Result<T> {
    Err(Failure::Failed(
        "this mqlc is built without servers: install it with --features mongodb".to_owned(),
    ))
}
