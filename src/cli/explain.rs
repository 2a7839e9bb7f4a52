//! `mqlc explain`: what became of a queryset, pass by pass, and what it costs.

use std::io::Write;

use clap::{Args, ValueEnum};
use mqlc::Compiler;

use super::Result;
use super::input::{QueryArguments, SchemaArguments, TargetArguments};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    schema: SchemaArguments,
    #[command(flatten)]
    target: TargetArguments,
    #[command(flatten)]
    query: QueryArguments,
    /// How it is printed
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// One JSON document
    Json,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let models = arguments.schema.load()?;
    let asked = arguments.query.load(&models)?;
    let compiler = Compiler::new(models.schema.clone()).target(arguments.target.target());
    let mut out = std::io::stdout().lock();
    if arguments.target.disables() {
        let compared = compiler
            .compare(&asked.statement)
            .map_err(|error| asked.refuse(error))?;
        match arguments.format {
            Format::Json => writeln!(out, "{:#}", compared.to_json())?,
            Format::Text => {
                write!(out, "{}", compared.without)?;
                writeln!(
                    out,
                    "== What {} would do (- as above, + with every rule)\n{}",
                    compared.disabled.join(", "),
                    compared.to_string().trim_end()
                )?;
            }
        }
        return Ok(());
    }
    let explained = compiler
        .explain(&asked.statement)
        .map_err(|error| asked.refuse(error))?;
    match arguments.format {
        Format::Text => write!(out, "{explained}")?,
        Format::Json => writeln!(out, "{:#}", explained.to_json())?,
    }
    Ok(())
}
