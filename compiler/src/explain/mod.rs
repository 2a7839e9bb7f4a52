//! What became of a statement, pass by pass, for people; and what its commands cost the server.
//!
//! | file | holds |
//! |---|---|
//! | `reads` | the collections that commands read, and the stages that wait for everything before them |
//! | `leaves` | which conditions an index can answer, and why others not |
//! | `indexes` | declared indexes, which of them serves, which would |
//! | `origin` | which call of the queryset a stage is for |
//! | `difference` | texts and compilations line by line |
//! | `json` | all of it as JSON |

mod difference;
mod indexes;
mod json;
mod leaves;
mod origin;
mod reads;

use std::fmt::{self, Write};

use crate::compiler::{Compiled, Compiler};
use crate::error::Result;
use crate::mql::{Command, Stage};
use crate::queryset::Statement;
use crate::rewrite;
use crate::schema::Schema;
use crate::trace::Trace;

pub use difference::{Comparison, changes, lines};
pub use indexes::{Asked, Index, Service};
pub use leaves::Leaf;
pub use reads::{Blocking, Read};

/// A statement, its plans, the rules between them and its commands with what they cost. `Display` prints all of it,
/// [`Explanation::to_json`] gives it to programs.
///
/// ```
/// use mqlc_compiler::{Compiler, builder::*, schema::Schema, text};
///
/// let models = text::parse_models("library", "
/// from django.db import models
/// class Book(models.Model):
///     title = models.CharField(max_length=120)
/// ")?;
/// let compiler = Compiler::new(Schema::new(models.spec)?);
/// let explanation = compiler.explain(&Query::from("library.Book").filter(f("title").exact("Emma")).into())?;
/// assert!(explanation.to_string().contains("== Commands"));
/// let read = explanation.reads.first().expect("a query reads something");
/// assert_eq!(read.advice(), Some(vec![("title".to_owned(), false)]));
/// # Ok::<(), mqlc_compiler::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Explanation {
    /// The statement in Django's syntax.
    pub statement: String,
    /// The plan as bound.
    pub bound: String,
    /// The plan after all rules.
    pub rewritten: String,
    /// The compiled statement with its trace.
    pub compiled: Compiled,
    /// Stages of aggregations, with the calls that they are for.
    pub stages: Vec<StageOrigin>,
    /// What is read, with the indexes that serve it.
    pub reads: Vec<Read>,
    /// Conditions that no index serves.
    pub leaves: Vec<Leaf>,
    /// Stages that give nothing before they have seen everything.
    pub blocking: Vec<Blocking>,
}

/// A stage and the calls of the queryset that it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageOrigin {
    /// Number of the step, from 1.
    pub step: usize,
    /// The stage: `$match`, or a part of a `find`: `filter`, `sort`, ...
    pub stage: &'static str,
    /// What it is about, in short: a path, a collection.
    pub about: String,
    /// Calls as they are written; none if no call is known to ask for it.
    pub calls: Vec<String>,
}

impl Compiler {
    /// Compiles a statement and keeps what each pass made of it.
    ///
    /// # Errors
    /// As [`Compiler::compile`].
    pub fn explain(&self, statement: &Statement) -> Result<Explanation> {
        let mut plan = self.bind(statement)?;
        let bound = plan.to_string();
        let mut trace = Trace::brief();
        rewrite::rewrite(&mut plan, self.schema(), self.target_ref(), &mut trace)?;
        let compiled = self.compile_traced(statement, Trace::detailed())?;
        let found = findings(&compiled, self.schema());
        Ok(Explanation {
            statement: statement.to_text(),
            bound,
            rewritten: plan.to_string(),
            stages: origins(statement, &compiled),
            reads: found.reads,
            leaves: found.leaves,
            blocking: found.blocking,
            compiled,
        })
    }
}

fn findings(compiled: &Compiled, schema: &Schema) -> reads::Findings {
    let mut found = reads::Findings::default();
    for (i, step) in compiled.program.steps.iter().enumerate() {
        reads::command(i + 1, &step.command, schema, &mut found);
    }
    found
}

fn origins(statement: &Statement, compiled: &Compiled) -> Vec<StageOrigin> {
    let calls = origin::Calls::of(statement);
    let mut out = Vec::new();
    for (i, step) in compiled.program.steps.iter().enumerate() {
        let stages = match &step.command {
            Command::Aggregate { pipeline, .. } => pipeline.clone(),
            Command::Find(find) => {
                let mut stages = Vec::new();
                if find.filter != crate::mql::Filter::True {
                    stages.push(Stage::Match(find.filter.clone()));
                }
                if !find.sort.is_empty() {
                    stages.push(Stage::Sort(find.sort.clone()));
                }
                if find.skip > 0 {
                    stages.push(Stage::Skip(find.skip));
                }
                stages.extend(find.limit.map(Stage::Limit));
                if !find.projection.is_empty() {
                    stages.push(Stage::Project(find.projection.clone()));
                }
                stages
            }
            Command::Count { filter, .. } => {
                vec![Stage::Match(filter.clone()), Stage::Count(String::new())]
            }
            _ => Vec::new(),
        };
        for stage in &stages {
            let (name, about) = short(stage);
            out.push(StageOrigin {
                step: i + 1,
                stage: name,
                about,
                calls: calls.of_stage(i, stage),
            });
        }
    }
    out
}

/// The name of a stage and what it is about.
fn short(stage: &Stage) -> (&'static str, String) {
    let list = |names: Vec<&str>| {
        const FEW: usize = 5;
        let more = if names.len() > FEW { ", ..." } else { "" };
        let first: Vec<&str> = names.into_iter().take(FEW).collect();
        format!("{}{more}", first.join(", "))
    };
    match stage {
        Stage::Match(filter) => {
            let text = filter.to_string();
            let brief: String = text.chars().take(60).collect();
            if brief.len() < text.len() {
                ("$match", format!("{brief}..."))
            } else {
                ("$match", text)
            }
        }
        Stage::Project(fields) => (
            "$project",
            list(fields.iter().map(|(n, _)| n.as_str()).collect()),
        ),
        Stage::Set(fields) => (
            "$set",
            list(fields.iter().map(|(n, _)| n.as_str()).collect()),
        ),
        Stage::Unset(fields) => ("$unset", list(fields.iter().map(String::as_str).collect())),
        Stage::Group { fields, .. } => (
            "$group",
            list(fields.iter().map(|(n, _)| n.as_str()).collect()),
        ),
        Stage::Sort(keys) => (
            "$sort",
            list(keys.iter().map(|(n, _)| n.as_str()).collect()),
        ),
        Stage::Skip(n) => ("$skip", n.to_string()),
        Stage::Limit(n) => ("$limit", n.to_string()),
        Stage::Unwind { path, .. } => ("$unwind", path.clone()),
        Stage::Lookup(lookup) => (
            "$lookup",
            format!(
                "{} as {}",
                lookup.from.as_deref().unwrap_or("documents"),
                lookup.into
            ),
        ),
        Stage::ReplaceRoot(_) => ("$replaceRoot", String::new()),
        Stage::UnionWith { collection, .. } => {
            ("$unionWith", collection.clone().unwrap_or_default())
        }
        Stage::SetWindowFields { output, .. } => (
            "$setWindowFields",
            list(output.iter().map(|(n, _)| n.as_str()).collect()),
        ),
        Stage::Count(_) => ("$count", String::new()),
        Stage::Sample(n) => ("$sample", n.to_string()),
        Stage::Documents(_) => ("$documents", String::new()),
        Stage::Facet(_) => ("$facet", String::new()),
        Stage::Search { name, spec } => (name, list(spec.keys().map(String::as_str).collect())),
        Stage::Other(_) => ("stage", String::new()),
    }
}

impl Explanation {
    /// The commands as text for `mongosh`.
    #[must_use]
    pub fn commands(&self) -> String {
        self.compiled.program.to_string()
    }

    /// The rules that fired, in order, each with the lines of the plan that it changed.
    #[must_use]
    pub fn rules(&self) -> Vec<(&'static str, String)> {
        self.compiled
            .trace
            .firings
            .iter()
            .map(|firing| {
                let changed = firing.plans.as_deref();
                let text = changed.map(|(before, after)| changes(before, after));
                (firing.rule, text.unwrap_or_default())
            })
            .collect()
    }

    /// What was read, in a line each.
    fn reads_text(&self) -> std::result::Result<String, fmt::Error> {
        let mut out = String::new();
        let several = self.compiled.program.steps.len() > 1;
        for read in &self.reads {
            if several && read.lookup.is_none() {
                write!(out, "step {}: ", read.step)?;
            }
            out.push_str(&read.collection);
            if let Some(name) = &read.lookup {
                write!(out, " ({name})")?;
            }
            match &read.served {
                Some(service) => {
                    let mut by = Vec::new();
                    if service.one {
                        let each = if read.several { " for each key" } else { "" };
                        by.push(format!("at most one document{each}"));
                    } else {
                        if !service.equality.is_empty() {
                            by.push(format!("equality of {}", service.equality.join(", ")));
                        }
                        if service.sort {
                            by.push("order".to_owned());
                        }
                        if let Some(path) = &service.range {
                            by.push(format!("range of {path}"));
                        }
                    }
                    write!(out, ": index {} for {}", service.index, by.join(" and "))?;
                }
                None => out.push_str(": every document is read"),
            }
            if let Some(keys) = read.advice() {
                write!(out, "; an index {} would serve", indexes::keys_text(&keys))?;
            }
            out.push('\n');
        }
        Ok(out)
    }

    fn stages_text(&self) -> std::result::Result<String, fmt::Error> {
        let mut out = String::new();
        for stage in &self.stages {
            // `$unwind` belongs to the `$lookup` before it.
            if stage.calls.is_empty() || stage.stage == "$unwind" {
                continue;
            }
            let what = if stage.about.is_empty() {
                stage.stage.to_owned()
            } else {
                format!("{} {}", stage.stage, stage.about)
            };
            writeln!(out, "{what}  <=  {}", stage.calls.join(", "))?;
        }
        Ok(out)
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        section(f, "Statement", &self.statement)?;
        section(f, "Plan", &self.bound)?;
        let mut rules = String::new();
        for (name, changed) in self.rules() {
            writeln!(rules, "{name}")?;
            for line in changed.lines() {
                writeln!(rules, "  {line}")?;
            }
        }
        if rules.is_empty() {
            section(f, "Rules", "none fired")?;
        } else {
            section(f, "Rules", &rules)?;
            section(f, "Plan after the rules", &self.rewritten)?;
        }
        let mut commands = self.commands();
        if commands.is_empty() {
            commands.push_str("none: the result is known to be empty");
        }
        section(f, "Commands", &commands)?;
        let stages = self.stages_text()?;
        if !stages.is_empty() {
            section(f, "Stages and the calls they are for", &stages)?;
        }
        let reads = self.reads_text()?;
        if !reads.is_empty() {
            section(f, "Reads", &reads)?;
        }
        if !self.leaves.is_empty() {
            let mut text = String::new();
            for leaf in &self.leaves {
                let of = match &leaf.collection {
                    Some(collection) => format!(" of {collection}"),
                    None => String::new(),
                };
                writeln!(text, "{}{of}: {}", leaf.condition, leaf.reason)?;
            }
            section(f, "Conditions without an index", &text)?;
        }
        if !self.blocking.is_empty() {
            let mut text = String::new();
            for stage in &self.blocking {
                writeln!(text, "{}: {}", stage.stage, stage.reason)?;
            }
            section(f, "Stages that wait for all documents", &text)?;
        }
        if !self.compiled.trace.notes.is_empty() {
            section(f, "Notes", &self.compiled.trace.notes.join("\n"))?;
        }
        Ok(())
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, body: &str) -> fmt::Result {
    writeln!(f, "== {title}\n{}\n", body.trim_end())
}
