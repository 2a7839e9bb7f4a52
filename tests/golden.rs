//! Goldens: for every query of `fixtures/queries`, the statement, the plan, the commands, the shape and the rows that the
//! embedded engine gives, in one snapshot. What we emit stands beside what it means.
// Tests may stop where they fail.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::fmt::Write;

use bson::Bson;
use mqlc::Compiler;
use mqlc::compiler::shape::{Attachment, RowShape, Shape, ShapeNode};
use mqlc::compiler::target::Target;
use mqlc::executors::{Execute, Outcome, RowValue};
use support::Library;

#[test]
fn queries() {
    let library = Library::load();
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.set_snapshot_path(support::path("fixtures/snapshots"));
    settings.bind(|| {
        for (name, source) in support::queries() {
            insta::assert_snapshot!(name.replace('/', "__"), golden(&library, &source));
        }
    });
}

/// The bytes of a command are those of its document.
#[test]
fn bytes() {
    let library = Library::load();
    let compiler = Compiler::new(library.schema.clone());
    for (name, source) in support::queries() {
        let compiled = compiler.compile(&library.parse(&source)).unwrap();
        for step in &compiled.program.steps {
            let values: Vec<(u32, Vec<Bson>)> = step
                .parameters
                .iter()
                .map(|p| {
                    (
                        p.number,
                        vec![Bson::Int32(7), Bson::String("$x".to_owned())],
                    )
                })
                .collect();
            let document = step.bind(&values).command.to_vec().unwrap();
            let bytes = step.bind_raw(&values).unwrap().into_bytes();
            assert_eq!(bytes, document, "{name}");
        }
    }
}

/// Rewriting changes no row: every golden query gives the same rows with all rules off.
#[test]
fn rules_keep_rows() {
    let library = Library::load();
    let mut plain = Target::default();
    plain.disabled_rules.push("all".to_owned());
    let optimized = Compiler::new(library.schema.clone());
    let unoptimized = Compiler::new(library.schema.clone()).target(plain);
    for (name, source) in support::queries() {
        let statement = library.parse(&source);
        let run = |compiler: &Compiler| {
            let compiled = compiler.compile(&statement).unwrap();
            // What the engine refuses, it refuses either way.
            let text = match support::wait(library.executor.execute(&compiled)) {
                Ok(outcome) => outcome_text(&outcome),
                Err(error) if name.starts_with("search/") => error.to_string(),
                Err(error) => panic!("{name}: {error}"),
            };
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            // Without an order, rows may come in any.
            lines.sort();
            lines
        };
        assert_eq!(run(&optimized), run(&unoptimized), "{name}");
    }
}

fn golden(library: &Library, source: &str) -> String {
    let statement = library.parse(source);
    let compiler = Compiler::new(library.schema.clone());
    let explanation = compiler.explain(&statement).unwrap();
    let mut out = source.to_owned();
    let _ = writeln!(out, "\n{explanation}");
    let _ = writeln!(out, "== Shape\n{}", shape(&explanation.compiled.shape));
    let outcome = support::wait(library.executor.execute(&explanation.compiled));
    let rows = match outcome {
        Ok(outcome) => outcome_text(&outcome),
        Err(error) => format!("error: {error}\n"),
    };
    let _ = write!(out, "== Rows\n{rows}");
    out
}

fn outcome_text(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Rows(rows) => {
            let mut out = String::new();
            for row in rows {
                let _ = writeln!(out, "{}", serde_json::to_string(row).unwrap());
            }
            let _ = writeln!(out, "({})", rows.len());
            out
        }
        Outcome::Count(n) => format!("{n}\n"),
        Outcome::Exists(there) => format!("{there}\n"),
        Outcome::Aggregate(row) => format!(
            "{}\n",
            serde_json::to_string(&RowValue::Object(row.clone())).unwrap()
        ),
        other => format!("{other:?}\n"),
    }
}

fn shape(shape: &Shape) -> String {
    let mut out = String::new();
    match shape {
        Shape::Rows(row) => row_shape(row, 0, &mut out),
        Shape::Aggregate { row, empty } => {
            row_shape(row, 0, &mut out);
            for (name, value) in empty {
                let _ = writeln!(out, "{name} without rows: {value}");
            }
        }
        other => {
            let _ = writeln!(out, "{other:?}");
        }
    }
    out
}

fn row_shape(row: &RowShape, depth: usize, out: &mut String) {
    let _ = writeln!(out, "{:depth$}{:?}", "", row.kind);
    nodes(&row.nodes, &row.attached, depth + 2, out);
}

fn nodes(nodes_: &[ShapeNode], attached: &[Attachment], depth: usize, out: &mut String) {
    for node in nodes_ {
        let _ = match node {
            ShapeNode::Value { name, path, ty } => {
                writeln!(
                    out,
                    "{:depth$}{name}: {} {}",
                    "",
                    path.join("."),
                    ty.kind.name()
                )
            }
            ShapeNode::Tuple { name, parts } => {
                let parts: Vec<String> = parts.iter().map(|(path, _)| path.join(".")).collect();
                writeln!(out, "{:depth$}{name}: ({})", "", parts.join(", "))
            }
            ShapeNode::Related {
                name,
                key,
                nodes: inner,
                attached,
            } => {
                let written = writeln!(out, "{:depth$}{name}: object if {}", "", key.join("."));
                nodes(inner, attached, depth + 2, out);
                written
            }
        };
    }
    for attachment in attached {
        let many = if attachment.many { "list" } else { "object" };
        let paths = |paths: &[mqlc::compiler::names::Path]| {
            let paths: Vec<String> = paths.iter().map(|p| p.join(".")).collect();
            paths.join(", ")
        };
        let _ = writeln!(
            out,
            "{:depth$}{}: {many} of step {} where {} = {}",
            "",
            attachment.name,
            attachment.step,
            paths(&attachment.child),
            paths(&attachment.parent),
        );
        row_shape(&attachment.row, depth + 2, out);
    }
}
