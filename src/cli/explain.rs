//! `mqlc explain`: what became of a queryset, pass by pass.

use std::io::Write;

use clap::Args;
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
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let models = arguments.schema.load()?;
    let asked = arguments.query.load(&models)?;
    let compiler = Compiler::new(models.schema.clone()).target(arguments.target.target());
    let explained = compiler
        .explain(&asked.statement)
        .map_err(|error| asked.refuse(error))?;
    let mut out = std::io::stdout().lock();
    write!(out, "{explained}")?;
    if arguments.target.disables() {
        let all = Compiler::new(models.schema.clone()).target(arguments.target.undisturbed());
        let with = asked.compile(&all)?;
        writeln!(
            out,
            "\n== With every rule\n{}",
            super::output::mongosh(&with)
        )?;
    }
    Ok(())
}
