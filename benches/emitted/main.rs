//! What the commands that we emit cost a server, against those of the official backend for the same querysets.
//!
//! ```text
//! python3 benches/emitted/official.py target/emitted
//! cargo bench --bench emitted -- [--full | --scale 0.1] [--compile | --corpus] [--only NAME] [--commands FILE] [--uri mongodb://host/database]
//! ```
//!
//! Both run on the same data with the same indexes, and must give the same rows. `docs/performance.md` explains the columns.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // a benchmark may fail loudly

mod compile;
mod corpus;
mod cost;
mod data;
mod measure;
mod querysets;
mod record;
mod report;
mod rows;
mod server;
#[path = "../statements.rs"]
mod statements;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::{Bson, Document, doc};
use mqlc::Compiler;
use mqlc::compiler::schema::Schema;
use mqlc::compiler::text::{self, Params};

use crate::measure::{Effort, Measured};
use crate::querysets::Queryset;
use crate::server::Server;

/// As in the command line tool.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What was asked for on the command line.
struct Arguments {
    scale: f64,
    /// Only how long compiling takes, queryset by queryset.
    compile: bool,
    /// Only how long compiling a recorded corpus takes.
    corpus: bool,
    only: Vec<String>,
    uri: Option<String>,
    commands: Option<PathBuf>,
    export: Option<PathBuf>,
}

fn arguments() -> Arguments {
    let mut out = Arguments {
        scale: 0.1,
        compile: false,
        corpus: false,
        only: Vec::new(),
        uri: None,
        commands: None,
        export: None,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap();
        match word.as_str() {
            "--full" => out.scale = 1.0,
            "--compile" => out.compile = true,
            "--corpus" => out.corpus = true,
            "--scale" => out.scale = value().parse().unwrap(),
            "--only" => out.only.push(value()),
            "--uri" => out.uri = Some(value()),
            "--commands" => out.commands = Some(value().into()),
            "--export" => out.export = Some(value().into()),
            "--bench" => {}
            other => {
                eprintln!("what is {other}?");
                std::process::exit(1);
            }
        }
    }
    out
}

fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(relative)
}

fn main() {
    let arguments = arguments();
    if arguments.corpus {
        return corpus::report(&path("target/emitted"), &path("benches/emitted/corpus.py"));
    }
    let models = std::fs::read_to_string(path("benches/emitted/models.py")).unwrap();
    let models = text::parse_models("shop", &models).unwrap();
    let compiler = Compiler::new(Schema::new(models.spec).unwrap());
    let params = Params {
        app: Some("shop".to_owned()),
        extras: Arc::new(models.extras),
        ..Params::default()
    };
    let list =
        querysets::list(&std::fs::read_to_string(path("benches/emitted/querysets.txt")).unwrap());
    let file = path("target/emitted/official.jsonl");
    if !file.exists() {
        eprintln!("first run: python3 benches/emitted/official.py target/emitted");
        std::process::exit(1);
    }
    let official = querysets::official(&file);

    compile::report(&compiler, &params, &list, &official, arguments.compile);
    if arguments.compile {
        return;
    }

    let server = match &arguments.uri {
        Some(uri) => Server::remote(uri),
        None => Server::embedded(),
    };
    let start = Instant::now();
    fill(
        &server,
        &compiler,
        arguments.scale,
        arguments.export.as_deref(),
    );
    println!(
        "scale {}: filled in {:.1} s\n",
        arguments.scale,
        start.elapsed().as_secs_f64()
    );
    let effort = Effort {
        budget: Duration::from_millis(300),
        most: 51,
    };
    let mut report = report::Report::default();
    let mut commands = String::new();
    report::Report::head();
    let mut group = "";
    for queryset in &list {
        if !arguments.only.is_empty()
            && !arguments.only.contains(&queryset.name)
            && !arguments.only.contains(&queryset.group)
        {
            continue;
        }
        if queryset.group != group {
            group = &queryset.group;
            println!("-- {group}");
        }
        let parsed = text::parse(compiler.schema(), &queryset.text, &params);
        let compiled = parsed.and_then(|p| compiler.compile(&p.statement.unwrap()));
        let compiled = match compiled {
            Ok(compiled) => compiled,
            Err(e) => {
                println!("{}: not compiled: {e}", queryset.name);
                continue;
            }
        };
        let theirs = &official[&queryset.name];
        match measure::measure(&server, &compiled, theirs, &effort) {
            Ok(measured) => {
                commands.push_str(&both(queryset, &measured));
                report.add(queryset, measured);
            }
            Err(e) => println!("{}: {e}", queryset.name),
        }
    }
    report.totals();
    if let Some(file) = arguments.commands {
        std::fs::write(file, commands).unwrap();
    }
}

/// Makes the collections and their indexes.
fn fill(server: &Server, compiler: &Compiler, scale: f64, export: Option<&Path>) {
    let _ = server.run(&doc! {"dropDatabase": 1});
    if let Some(dir) = export {
        let _ = std::fs::remove_dir_all(dir);
    }
    data::generate(data::Sizes::new(scale), |collection, documents| {
        if let Some(dir) = export {
            export_documents(dir, collection, &documents);
        }
        let documents: Vec<Bson> = documents.into_iter().map(Bson::Document).collect();
        server
            .run(&doc! {"insert": collection, "documents": documents})
            .unwrap();
    });
    for command in data::indexes(compiler.schema()) {
        server.run(&command).unwrap();
    }
}

fn export_documents(dir: &Path, collection: &str, documents: &[Document]) {
    use std::io::Write as _;
    std::fs::create_dir_all(dir).unwrap();
    let mut file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(dir.join(format!("{collection}.jsonl")))
        .unwrap();
    for document in documents {
        let json = Bson::Document(document.clone()).into_canonical_extjson();
        writeln!(file, "{json}").unwrap();
    }
}

/// A line of JSON with the commands of both sides.
fn both(queryset: &Queryset, measured: &Measured) -> String {
    let list = |commands: &[Document]| {
        commands
            .iter()
            .map(|c| Bson::Document(c.clone()).into_canonical_extjson())
            .collect::<Vec<_>>()
    };
    let line = serde_json::json!({
        "name": queryset.name,
        "group": queryset.group,
        "same": matches!(measured.verdict, measure::Verdict::Same(_)),
        "ours": list(&measured.ours.commands),
        "theirs": measured.theirs.as_ref().map(|t| list(&t.commands)),
    });
    format!("{line}\n")
}
