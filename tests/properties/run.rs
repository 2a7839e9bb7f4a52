//! One statement, once through the compiler and the embedded engine, and once through the interpreter of its plan.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use bson::{Document, doc};
use mqlc::compiler::queryset::Statement;
use mqlc::compiler::schema::Schema;
use mqlc::compiler::target::Target;
use mqlc::compiler::text;
use mqlc::executors::{Execute, MemoryExecutor, Outcome, Row, RowValue};
use mqlc::{Code, Compiler};

use super::data::data;
use super::interpret::{Answer, Data, Tree, answer, from_value};

pub fn schema() -> Arc<Schema> {
    static SCHEMA: OnceLock<Arc<Schema>> = OnceLock::new();
    let make = || {
        let mut models = text::parse_models("p", include_str!("models.py")).expect("the models");
        models.spec.settings.use_tz = true;
        models.spec.settings.time_zone = "America/New_York".to_owned();
        Arc::new(Schema::new(models.spec).expect("the schema"))
    };
    SCHEMA.get_or_init(make).clone()
}

/// Documents, and an engine that has them.
pub struct World {
    pub data: Data,
    pub executor: MemoryExecutor,
}

/// The world of a seed; made once.
pub fn world(seed: u64) -> Rc<World> {
    thread_local! {
        static WORLDS: RefCell<HashMap<u64, Rc<World>>> = RefCell::default();
    }
    WORLDS.with_borrow_mut(|worlds| {
        let make = || Rc::new(load(data(&schema(), seed)));
        worlds.entry(seed).or_insert_with(make).clone()
    })
}

/// An engine with documents and with indexes on all foreign keys and indexed fields.
pub fn load(data: Data) -> World {
    let executor = MemoryExecutor::new();
    let run = |command: Document| {
        let reply = executor.engine().run_command("test", command.clone());
        reply.unwrap_or_else(|e| panic!("{command}: {e:?}"));
    };
    let schema = schema();
    for model in schema.models().iter().filter(|m| m.concrete == m.id) {
        for field in model.fields.iter().filter(|f| f.is_concrete()) {
            if field.db_index || field.is_foreign_key() {
                let name = &field.column;
                run(
                    doc! {"createIndexes": &model.collection, "indexes": [{"key": {name: 1}, "name": name}]},
                );
            }
        }
    }
    for (collection, documents) in &data {
        if !documents.is_empty() {
            run(doc! {"insert": collection, "documents": documents.clone()});
        }
    }
    World { data, executor }
}

/// What became of a case.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Both gave the same.
    Same,
    /// Refused when binding or compiling.
    Refused(Code, String),
    /// SQL promises no certain answer.
    Unsure,
}

/// Compares; `Err` tells the difference.
pub fn compare(statement: &Statement, seed: u64, off: &[&str]) -> Result<Verdict, String> {
    let world = world(seed);
    compare_in(statement, &world, off)
}

pub fn compare_in(statement: &Statement, world: &World, off: &[&str]) -> Result<Verdict, String> {
    let target = Target {
        disabled_rules: off.iter().map(|s| (*s).to_owned()).collect(),
        ..Target::default()
    };
    let compiler = Compiler::new(schema()).target(target);
    let text = statement.to_text();
    let refused = |e: mqlc::Error| match e.code() {
        Code::Internal => Err(format!("{text}\n{e}")),
        code => Ok(Verdict::Refused(code, e.message().to_owned())),
    };
    let plan = match compiler.bind(statement) {
        Ok(plan) => plan,
        Err(e) => return refused(e),
    };
    let compiled = match compiler.compile(statement) {
        Ok(compiled) => compiled,
        Err(e) => return refused(e),
    };
    let (expected, sure) = answer(&plan, &schema(), &world.data);
    let commands = || {
        let steps = compiled.program.steps.iter().map(|s| s.command.to_string());
        let documents: Vec<String> = reads(&plan, &world.data);
        format!(
            "{plan}\n{}\n{}",
            steps.collect::<Vec<_>>().join("\n"),
            documents.join("\n")
        )
    };
    let outcome = super::support::wait(world.executor.execute(&compiled))
        .map_err(|e| format!("{text}\n{e}\n{}", commands()))?;
    if !sure {
        return Ok(Verdict::Unsure);
    }
    match same(&expected, &outcome) {
        Ok(()) => Ok(Verdict::Same),
        Err(difference) => Err(format!("{text}\n{difference}\n{}", commands())),
    }
}

/// The rows of a statement's plan, in no order; nothing where they are not certain.
pub fn rows_of(statement: &Statement, seed: u64) -> Option<Vec<String>> {
    let plan = Compiler::new(schema()).bind(statement).ok()?;
    let (answer, sure) = answer(&plan, &schema(), &world(seed).data);
    let mut rows = match answer {
        Answer::Rows(rows) => rows.into_iter().map(|(_, t)| t.to_string()).collect(),
        Answer::Count(n) => vec![n.to_string()],
        Answer::Exists(there) => vec![there.to_string()],
    };
    rows.sort();
    sure.then_some(rows)
}

/// The documents of the collections that a plan reads.
fn reads(plan: &mqlc::compiler::plan::Plan, data: &Data) -> Vec<String> {
    let text = plan.to_string();
    let mut all: BTreeMap<&String, &Vec<Document>> = BTreeMap::new();
    for (collection, documents) in data {
        if text.contains(collection.as_str()) {
            all.insert(collection, documents);
        }
    }
    all.into_iter()
        .flat_map(|(name, documents)| documents.iter().map(move |d| format!("{name}: {d}")))
        .collect()
}

fn same(expected: &Answer, outcome: &Outcome) -> Result<(), String> {
    let different = |e: &dyn std::fmt::Display, a: &dyn std::fmt::Display| {
        Err(format!("expected {e}\ngot {a}"))
    };
    match (expected, outcome) {
        (Answer::Count(e), Outcome::Count(a)) if e == a => Ok(()),
        (Answer::Count(e), Outcome::Count(a)) => different(e, a),
        (Answer::Exists(e), Outcome::Exists(a)) if e == a => Ok(()),
        (Answer::Exists(e), Outcome::Exists(a)) => different(e, a),
        (Answer::Rows(e), Outcome::Rows(a)) => {
            let actual: Vec<Tree> = a.iter().map(tree).collect();
            rows(e, &actual)
        }
        (Answer::Rows(e), Outcome::Aggregate(a)) => {
            let actual = tree(&RowValue::Object(a.clone()));
            rows(e, &[actual])
        }
        (_, other) => Err(format!("an outcome of another kind: {other:?}")),
    }
}

/// Rows in the promised order; those that are equal in it may come in any.
fn rows(expected: &[(usize, Tree)], actual: &[Tree]) -> Result<(), String> {
    let mut wanted = Vec::new();
    let mut found = Vec::new();
    for run in expected.chunk_by(|a, b| a.0 == b.0) {
        let mut run: Vec<Tree> = run.iter().map(|(_, t)| normal(t.clone())).collect();
        let start = wanted.len().min(actual.len());
        let stop = (start + run.len()).min(actual.len());
        let mut part: Vec<Tree> = actual[start..stop].iter().cloned().map(normal).collect();
        run.sort();
        part.sort();
        wanted.extend(run);
        found.extend(part);
    }
    found.extend(actual.iter().skip(found.len()).cloned());
    if wanted == found {
        return Ok(());
    }
    let lines = |trees: &[Tree]| {
        let lines: Vec<String> = trees.iter().map(|t| format!("  {t}")).collect();
        lines.join("\n")
    };
    Err(format!(
        "expected\n{}\ngot\n{}",
        lines(&wanted),
        lines(&found)
    ))
}

/// Fields of objects by name.
fn normal(tree: Tree) -> Tree {
    match tree {
        Tree::Object(fields) => {
            let mut fields: Vec<(String, Tree)> =
                fields.into_iter().map(|(n, t)| (n, normal(t))).collect();
            fields.sort();
            Tree::Object(fields)
        }
        Tree::List(items) => Tree::List(items.into_iter().map(normal).collect()),
        leaf => leaf,
    }
}

fn tree(value: &RowValue) -> Tree {
    let object = |row: &Row| {
        let fields = row.iter().map(|(name, value)| {
            let mut value = tree(value);
            // Attached objects come in any order.
            if let Tree::List(items) = &mut value
                && items.iter().all(|t| matches!(t, Tree::Object(_)))
            {
                items.sort();
            }
            (name.to_owned(), value)
        });
        Tree::Object(fields.collect())
    };
    match value {
        RowValue::Value(value) => from_value(value),
        RowValue::Object(row) | RowValue::Named(row) => object(row),
        RowValue::List(items) => Tree::List(items.iter().map(tree).collect()),
    }
}
