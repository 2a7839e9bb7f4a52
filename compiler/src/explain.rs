//! What became of a statement, pass by pass, for people.

use std::fmt::{self, Write};

use crate::compiler::{Compiled, Compiler};
use crate::error::Result;
use crate::queryset::Statement;
use crate::rewrite;
use crate::trace::Trace;

/// A statement, its plans, the rules between them and its commands. `Display` prints all of it.
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
        Ok(Explanation {
            statement: statement.to_text(),
            bound,
            rewritten: plan.to_string(),
            compiled: self.compile_traced(statement, Trace::detailed())?,
        })
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        section(f, "Statement", &self.statement)?;
        section(f, "Plan", &self.bound)?;
        let trace = &self.compiled.trace;
        let mut rules = String::new();
        for firing in &trace.firings {
            writeln!(rules, "{}", firing.rule)?;
        }
        if rules.is_empty() {
            section(f, "Rules", "none fired")?;
        } else {
            section(f, "Rules", &rules)?;
            section(f, "Plan after the rules", &self.rewritten)?;
        }
        let mut commands = self.compiled.program.to_string();
        if commands.is_empty() {
            commands.push_str("none: the result is known to be empty");
        }
        section(f, "Commands", &commands)?;
        if !trace.notes.is_empty() {
            section(f, "Notes", &trace.notes.join("\n"))?;
        }
        Ok(())
    }
}

fn section(f: &mut fmt::Formatter<'_>, title: &str, body: &str) -> fmt::Result {
    writeln!(f, "== {title}\n{}\n", body.trim_end())
}
