//! `mqlc check`: whether a schema is sound, and whether querysets fit it.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use mqlc::Compiler;

use super::Result;
use super::failure::Failure;
use super::input::{self, SchemaArguments, TargetArguments};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    schema: SchemaArguments,
    #[command(flatten)]
    target: TargetArguments,
    /// Files with a queryset each, as text or JSON
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print the schema as JSON instead of a summary
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let models = arguments.schema.load()?;
    let mut out = std::io::stdout().lock();
    if arguments.json {
        writeln!(out, "{}", models.spec.to_json_pretty())?;
    } else {
        let fields: usize = models.spec.models.values().map(|m| m.fields.len()).sum();
        write!(
            out,
            "schema: {} models, {fields} fields",
            models.spec.models.len()
        )?;
        match models.skipped {
            0 => writeln!(out)?,
            n => writeln!(out, " ({n} methods, managers and the like skipped)")?,
        }
    }
    let compiler = Compiler::new(models.schema.clone()).target(arguments.target.target());
    let mut params = models.params.clone();
    params.now = Some(jiff::Timestamp::now());
    let mut first: Option<Failure> = None;
    for file in &arguments.files {
        let result = input::read(file)
            .and_then(|source| input::parse(&models, source, &params))
            .and_then(|asked| asked.compile(&compiler));
        match result {
            Ok(_) => writeln!(out, "{}: ok", file.display())?,
            Err(failure) => {
                writeln!(out, "{}: refused", file.display())?;
                if let Some(previous) = first.replace(failure) {
                    previous.report();
                }
            }
        }
    }
    match first {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}
