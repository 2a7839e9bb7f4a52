//! `mqlc indexes`: the indexes and validators that models need.

use std::collections::HashSet;
use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use futures_executor::block_on;
use mqlc::Compiler;
use mqlc::compiler::definitions::{
    DefinitionOptions, Definitions, ValidationAction, ValidationLevel,
};
use mqlc::compiler::program::Bound;
use mqlc::compiler::text;
use mqlc::executors::{Executor, MemoryExecutor};

use super::Result;
use super::failure::Failure;
use super::input::{Models, SchemaArguments, TargetArguments};
use super::{output, run};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    schema: SchemaArguments,
    #[command(flatten)]
    target: TargetArguments,
    /// Labels of models; all but those of Django's own apps by default
    #[arg(value_name = "MODEL")]
    models: Vec<String>,
    /// The models of Django's own apps, too
    #[arg(long, conflicts_with = "models")]
    contrib: bool,
    /// Validators, too: types, required fields, lengths, ranges, check constraints
    #[arg(long)]
    validators: bool,
    /// Which documents validators look at
    #[arg(long, value_enum, default_value_t = Level::Strict)]
    level: Level,
    /// What validators do with documents that are not valid
    #[arg(long, value_enum, default_value_t = Action::Error)]
    action: Action,
    /// The collections are there already: change their validators instead of creating them
    #[arg(long, conflicts_with = "run")]
    existing: bool,
    /// Send the commands to --data or --uri
    #[arg(long)]
    run: bool,
    #[command(flatten)]
    source: Source,
    /// Save the result to the folder of --data; without it the folder stays as it is
    #[arg(long, requires = "run", conflicts_with = "uri")]
    save: bool,
    /// How commands are written
    #[arg(long, short = 'o', value_enum, default_value_t = Format::Mongosh)]
    format: Format,
}

/// Where the documents are.
#[derive(Debug, Args)]
#[group(multiple = false)]
struct Source {
    /// Folder of extended-JSON-lines files, one a collection
    #[arg(long, short = 'd', value_name = "DIR", env = "MQLC_DATA")]
    data: Option<PathBuf>,
    /// A server, mongodb://host/database
    #[arg(long, value_name = "URI", env = "MQLC_URI")]
    uri: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Level {
    /// All that are written
    Strict,
    /// New ones, and those that were valid before
    Moderate,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Refuse the write
    Error,
    /// Log it
    Warn,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// As for mongosh: db.books.createIndex(...)
    Mongosh,
    /// The command documents as relaxed extended JSON, one a line
    Json,
    /// The command documents as canonical extended JSON, one a line
    Ejson,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let models = arguments.schema.load()?;
    for skipped in &models.definitions_skipped {
        eprintln!("warning: {skipped}");
    }
    let wanted = wanted(arguments, &models);
    for model in models
        .schema
        .models()
        .iter()
        .filter(|m| wanted.contains(&m.label))
    {
        for index in &model.search_indexes {
            eprintln!(
                "warning: the search index {} is left out: search indexes are made by createSearchIndexes, with options that the schema does not hold",
                index.name
            );
        }
    }
    let compiler = Compiler::new(models.schema.clone()).target(arguments.target.target());
    let options = DefinitionOptions {
        models: wanted,
        validators: arguments.validators,
        level: match arguments.level {
            Level::Strict => ValidationLevel::Strict,
            Level::Moderate => ValidationLevel::Moderate,
        },
        action: match arguments.action {
            Action::Error => ValidationAction::Error,
            Action::Warn => ValidationAction::Warn,
        },
    };
    let definitions = compiler
        .definitions(&options)
        .map_err(|error| Failure::refused(error, ""))?;
    if arguments.run {
        return send(arguments, &definitions);
    }
    let program = definitions.program(|_| arguments.existing);
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Mongosh => write!(out, "{program}")?,
        Format::Json | Format::Ejson => {
            let canonical = matches!(arguments.format, Format::Ejson);
            for step in &program.steps {
                let command = step.bind(&[]).command;
                writeln!(out, "{}", output::extended_json(command.into(), canonical))?;
            }
        }
    }
    Ok(())
}

/// Labels of the models that are meant.
fn wanted(arguments: &Arguments, models: &Models) -> Vec<String> {
    if !arguments.models.is_empty() {
        return arguments.models.clone();
    }
    let own = |label: &&String| {
        let app = label.split('.').next().unwrap_or_default();
        arguments.contrib || !text::is_contrib(app)
    };
    models.spec.models.keys().filter(own).cloned().collect()
}

fn send(arguments: &Arguments, definitions: &Definitions) -> Result<()> {
    match (&arguments.source.data, &arguments.source.uri) {
        (Some(dir), _) => {
            let executor = MemoryExecutor::load(dir)
                .map_err(|e| Failure::failed(format_args!("cannot load {}", dir.display()), e))?;
            block_on(define(&executor, definitions))?;
            if arguments.save {
                executor.save(dir).map_err(|e| {
                    Failure::failed(format_args!("cannot save {}", dir.display()), e)
                })?;
            } else {
                eprintln!("{} stays as it is: --save writes to it", dir.display());
            }
        }
        (None, Some(uri)) => {
            run::on_server(uri, async |executor| define(executor, definitions).await)?;
        }
        (None, None) => return Err(Failure::Failed("neither --data nor --uri".to_owned())),
    }
    let mut out = std::io::stdout().lock();
    for definition in &definitions.collections {
        let indexes = match definition.indexes.len() {
            0 => continue,
            1 => "1 index".to_owned(),
            n => format!("{n} indexes"),
        };
        let validator = definition
            .validator
            .as_ref()
            .map_or("", |_| " and a validator");
        writeln!(out, "{}: {indexes}{validator}", definition.collection)?;
    }
    Ok(())
}

/// Sends the commands, those that fit the collections which are there.
async fn define(executor: &dyn Executor, definitions: &Definitions) -> Result<()> {
    let failed = |e| Failure::failed("the database refuses", e);
    let command = bson::doc! {"listCollections": 1, "nameOnly": true};
    let reply = executor.run(Bound { command }).await.map_err(failed)?;
    let found = reply.into_vec().await.map_err(failed)?;
    let names = found.iter().filter_map(|c| c.get_str("name").ok());
    let names: HashSet<&str> = names.collect();
    for step in definitions.program(|name| names.contains(name)).steps {
        let reply = executor.run(step.bind(&[])).await.map_err(failed)?;
        reply.into_vec().await.map_err(failed)?;
    }
    Ok(())
}
