//! `mqlc compile`: the commands of a queryset.

use std::io::Write;

use clap::{Args, ValueEnum};
use mqlc::Compiler;

use super::Result;
use super::input::{QueryArguments, SchemaArguments, TargetArguments};
use super::output;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    schema: SchemaArguments,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    query: QueryArguments,
    /// How commands are written
    #[arg(long, short = 'o', value_enum, default_value_t = Format::Mongosh)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// As for mongosh: db.books.find(...)
    Mongosh,
    /// The command documents as relaxed extended JSON, one a line
    Json,
    /// The command documents as canonical extended JSON, one a line
    Ejson,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let models = arguments.schema.load()?;
    let asked = arguments.query.load(&models)?;
    let compiler = Compiler::new(models.schema.clone()).target(arguments.target.target());
    let compiled = asked.compile(&compiler)?;
    let mut out = std::io::stdout().lock();
    match arguments.format {
        Format::Mongosh => write!(out, "{}", output::mongosh(&compiled))?,
        Format::Json | Format::Ejson => {
            let canonical = matches!(arguments.format, Format::Ejson);
            for command in output::commands(&compiled) {
                writeln!(out, "{}", output::extended_json(command.into(), canonical))?;
            }
        }
    }
    Ok(())
}
