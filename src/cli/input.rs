//! Schemas and queries from files and arguments.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::Args;
use mqlc::compiler::queryset::{Statement, Value};
use mqlc::compiler::schema::{Schema, SchemaSpec};
use mqlc::compiler::target::Target;
use mqlc::compiler::text::{self, ParamValue, Params};
use mqlc::{Compiled, Compiler, Error};

use super::Result;
use super::failure::Failure;

/// Which models there are.
#[derive(Debug, Args)]
pub(super) struct SchemaArguments {
    /// Models: a models.py, or a JSON schema
    #[arg(long, short = 's', value_name = "FILE", env = "MQLC_SCHEMA")]
    schema: PathBuf,
    /// Label of the app of a models.py; the file's name without its extension by default
    #[arg(long, value_name = "LABEL")]
    app: Option<String>,
    /// Key by which generic relations refer to a model, as in library.Book=2
    #[arg(long = "content-type", value_name = "MODEL=KEY")]
    content_types: Vec<String>,
}

/// What the commands are made for.
#[derive(Debug, Args)]
pub(super) struct TargetArguments {
    /// Server version
    #[arg(long, value_name = "VERSION", default_value = "8.0")]
    target: Version,
    /// Switch a rewrite rule off, by name; `all` for all of them
    #[arg(long, value_name = "RULE")]
    disable: Vec<String>,
}

impl TargetArguments {
    pub(super) fn target(&self) -> Target {
        let mut target = Target::server(self.target.0, self.target.1);
        target.disabled_rules.clone_from(&self.disable);
        target
    }

    pub(super) fn disables(&self) -> bool {
        !self.disable.is_empty()
    }
}

/// `8.0`.
#[derive(Debug, Clone, Copy)]
struct Version(u16, u16);

impl FromStr for Version {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
        match (major.parse(), minor.parse()) {
            (Ok(major), Ok(minor)) => Ok(Version(major, minor)),
            _ => Err("a version is written like 8.0".to_owned()),
        }
    }
}

/// The queryset.
#[derive(Debug, Args)]
pub(super) struct QueryArguments {
    /// The queryset: text (`Book.objects.filter(...)`) or Queryset JSON; `-` reads standard input
    #[arg(value_name = "QUERY", required_unless_present = "file")]
    query: Option<String>,
    /// Read the queryset from a file
    #[arg(long, short = 'f', value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,
    /// Value of a name that the text uses, as JSON
    #[arg(long = "param", short = 'p', value_name = "NAME=JSON")]
    params: Vec<String>,
    /// What `now()` and `today()` give, as in 2024-01-31T12:00:00Z; the present by default
    #[arg(long, value_name = "TIME")]
    now: Option<jiff::Timestamp>,
}

impl SchemaArguments {
    /// Reads the models and resolves them.
    pub(super) fn load(&self) -> Result<Models> {
        let mut models = self.read()?;
        if !self.content_types.is_empty() {
            let mut known = models.spec.settings.content_types.clone();
            for pair in &self.content_types {
                let parsed = pair
                    .split_once('=')
                    .and_then(|(label, key)| Some((label.to_owned(), key.parse::<i64>().ok()?)));
                let (label, key) = parsed.ok_or_else(|| {
                    Failure::Failed(format!(
                        "--content-type {pair:?} is not of the form MODEL=KEY with a number"
                    ))
                })?;
                known.insert(label, key);
            }
            models.spec.settings.content_types.clone_from(&known);
            models.schema = Arc::new(models.schema.as_ref().clone().with_content_types(known));
        }
        Ok(models)
    }

    fn read(&self) -> Result<Models> {
        let source = read(&self.schema)?;
        let refuse = |error: Error| Failure::refused(error, &source);
        if self.schema.extension().is_some_and(|e| e == "py") {
            let stem = self.schema.file_stem().and_then(|s| s.to_str());
            let app = self.app.as_deref().or(stem).unwrap_or("app");
            let models = text::parse_models(app, &source).map_err(refuse)?;
            let schema = Schema::new(models.spec.clone()).map_err(refuse)?;
            return Ok(Models {
                spec: models.spec,
                schema: Arc::new(schema),
                params: Params {
                    app: Some(app.to_owned()),
                    extras: Arc::new(models.extras),
                    ..Params::default()
                },
                skipped: models.skipped.len(),
                definitions_skipped: models
                    .skipped
                    .iter()
                    .filter_map(|s| {
                        Some(format!("{} is left out: {}", s.what, s.because.as_ref()?))
                    })
                    .collect(),
            });
        }
        let spec = SchemaSpec::from_json(&source).map_err(refuse)?;
        let schema = Schema::new(spec.clone()).map_err(refuse)?;
        Ok(Models {
            spec,
            schema: Arc::new(schema),
            params: Params {
                app: self.app.clone(),
                ..Params::default()
            },
            skipped: 0,
            definitions_skipped: Vec::new(),
        })
    }
}

/// Models, ready to be asked.
pub(super) struct Models {
    /// As declared.
    pub(super) spec: SchemaSpec,
    /// Resolved.
    pub(super) schema: Arc<Schema>,
    /// What texts may refer to.
    pub(super) params: Params,
    /// Parts of a models.py that say nothing to queries: methods, managers.
    pub(super) skipped: usize,
    /// Indexes and constraints of a models.py that are left out, and why.
    pub(super) definitions_skipped: Vec<String>,
}

/// A query with its text, for errors.
pub(super) struct Asked {
    pub(super) statement: Statement,
    source: String,
    places: Option<text::Places>,
}

impl QueryArguments {
    /// Reads the query.
    pub(super) fn load(&self, models: &Models) -> Result<Asked> {
        let source = match (&self.query, &self.file) {
            (_, Some(file)) => read(file)?,
            (Some(query), None) if query == "-" => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .map_err(|e| Failure::failed("cannot read standard input", e))?;
                text
            }
            (Some(query), None) => query.clone(),
            (None, None) => String::new(),
        };
        let mut params = models.params.clone();
        params.now = Some(self.now.unwrap_or_else(jiff::Timestamp::now));
        for param in &self.params {
            let (name, value) = parse_param(param)?;
            params.names.insert(name, ParamValue::Value(value));
        }
        parse(models, source, &params)
    }
}

/// Reads a query from text or JSON.
pub(super) fn parse(models: &Models, source: String, params: &Params) -> Result<Asked> {
    if source.trim_start().starts_with('{') {
        let statement =
            Statement::from_json(&source).map_err(|error| Failure::refused(error, &source))?;
        return Ok(Asked {
            statement,
            source,
            places: None,
        });
    }
    let parsed = text::parse(&models.schema, &source, params)
        .map_err(|error| Failure::refused(error, &source))?;
    if let Some(first) = parsed.earlier.first() {
        // Nothing is left out silently: one command answers one query.
        return Err(Failure::refused(
            Error::new(
                mqlc::Code::Unsupported,
                format!(
                    "the text writes before its last line: {}",
                    first.to_text().replace('\n', " ")
                ),
            )
            .with_hint("give one query at a time"),
            &source,
        ));
    }
    match parsed.statement {
        Some(statement) => Ok(Asked {
            statement,
            source,
            places: Some(parsed.places),
        }),
        None => Err(Failure::refused(
            Error::new(
                mqlc::Code::Syntax,
                "the text ends with something that is no query",
            )
            .with_hint("end it with an expression like Book.objects.all()"),
            &source,
        )),
    }
}

impl Asked {
    /// Compiles the query.
    pub(super) fn compile(&self, compiler: &Compiler) -> Result<Compiled> {
        compiler
            .compile(&self.statement)
            .map_err(|error| self.refuse(error))
    }

    /// An error about the query, with its place in the text.
    pub(super) fn refuse(&self, error: Error) -> Failure {
        let error = match &self.places {
            Some(places) => places.locate(error),
            None => error,
        };
        Failure::refused(error, &self.source)
    }
}

fn parse_param(param: &str) -> Result<(String, Value)> {
    let (name, json) = param.split_once('=').ok_or_else(|| {
        Failure::Failed(format!("--param {param:?} is not of the form NAME=JSON"))
    })?;
    let json = serde_json::from_str(json)
        .map_err(|e| Failure::failed(format_args!("the value of --param {name} is not JSON"), e))?;
    let value = Value::from_json(&json).map_err(|e| Failure::refused(e, param))?;
    Ok((name.to_owned(), value))
}

/// A whole file as text.
pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|e| Failure::failed(format_args!("cannot read {}", path.display()), e))
}
