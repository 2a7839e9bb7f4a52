//! What is sent to the server: commands, and the values that pass between them.

use std::fmt;
use std::ops::Range;

use bson::{Bson, Document, RawDocumentBuf};

use crate::error::Result;
use crate::mql::{self, Command};
use crate::names::Path;
use crate::render;

/// Steps in the order in which they run. The result is that of the first step, completed by the others as the shape says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// The steps; none if the result is provably empty.
    pub steps: Vec<Step>,
    /// Steps that are run again and again, each time with the values that are new, until they find nothing more:
    /// documents that refer to each other in circles.
    pub repeats: Vec<Range<usize>>,
}

/// What one would type into `mongosh`: a statement for each step. A step whose documents others need is kept in a
/// variable, `step1`, `step2`, ..., from which they take their values.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            let asked = self.steps.iter().any(|s| s.unless == Some(i));
            let mut later = self
                .steps
                .iter()
                .flat_map(|s| s.parameters.iter().flat_map(|p| &p.from));
            let mut text = step.shell_text();
            if let Some(found) = step.unless {
                text = format!("{}.length || {text}", variable(found));
            }
            if let Some(refusal) = &step.refusal {
                writeln!(
                    f,
                    "// {} refers to {}: must find nothing",
                    refusal.reference, refusal.model
                )?;
            }
            let cursor = matches!(step.command, Command::Find(_) | Command::Aggregate { .. });
            match (asked || later.any(|origin| origin.step == i), cursor) {
                (true, true) => writeln!(f, "const {} = {text}.toArray()", variable(i))?,
                (true, false) => writeln!(f, "const {} = {text}", variable(i))?,
                (false, _) => writeln!(f, "{text}")?,
            }
        }
        Ok(())
    }
}

/// The variable of a step's documents in the shell.
fn variable(step: usize) -> String {
    format!("step{}", step + 1)
}

/// One command, with what it takes from earlier steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The command.
    pub command: Command,
    /// Values that it takes from earlier steps.
    pub parameters: Vec<Parameter>,
    /// Documents that violate a unique constraint are left out; else the statement fails.
    pub ignore_duplicates: bool,
    /// Why the statement is refused if this step finds a document.
    pub refusal: Option<Refusal>,
    /// Not sent if this earlier step found a document.
    pub unless: Option<usize>,
}

impl From<Command> for Step {
    fn from(command: Command) -> Self {
        Step {
            command,
            parameters: Vec::new(),
            ignore_duplicates: false,
            refusal: None,
            unless: None,
        }
    }
}

/// Why references forbid a `delete()`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalRule {
    /// `PROTECT`.
    Protect,
    /// `RESTRICT`.
    Restrict,
    /// `SET` or `SET_DEFAULT` to a value that only Python code can tell.
    UnknownValue,
}

/// Documents that forbid a `delete()`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What its `on_delete` says.
    pub rule: RefusalRule,
    /// Name of the model that was to be deleted from.
    pub model: String,
    /// The reference, `Model.field`.
    pub reference: String,
}

impl Step {
    /// The command with the values that earlier steps found, by the number of the parameter.
    #[must_use]
    pub fn bind(&self, values: &[(u32, Vec<Bson>)]) -> Bound {
        let command = render::command(&self.command, values);
        debug_assert!(
            render::raw_command(&self.command, values).map_or(true, |raw| command
                .to_vec()
                .is_ok_and(|same| same == raw.as_bytes())),
            "the bytes of a command are those of its document"
        );
        Bound { command }
    }

    /// The same command as the bytes that are sent, which is made much faster than a document is.
    ///
    /// # Errors
    /// `Unsupported` for what BSON cannot say: keys with a NUL character, documents beyond two gigabytes.
    pub fn bind_raw(&self, values: &[(u32, Vec<Bson>)]) -> Result<RawDocumentBuf> {
        render::raw_command(&self.command, values)
    }

    /// The command for `mongosh`, with the values of earlier steps as expressions of the shell.
    #[must_use]
    pub fn shell_text(&self) -> String {
        let values: Vec<(u32, Vec<Bson>)> = self
            .parameters
            .iter()
            .map(|p| {
                let value = match (self.command.keys() == Some(p.number), p.from.as_slice()) {
                    (true, [reply]) => {
                        let path = reply.path.join(".");
                        Bson::Symbol(format!("{}.{path}", variable(reply.step)))
                    }
                    _ => Bson::JavaScriptCode(p.shell_text()),
                };
                (p.number, vec![value])
            })
            .collect();
        mql::shell_text(&render::command(&self.command, &values))
    }
}

/// A list of distinct non-null values from the documents of earlier steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its number, as the command's tree names it.
    pub number: u32,
    /// Where the values are.
    pub from: Vec<Origin>,
    /// Without a value the command finds nothing, so it need not be sent.
    pub needed: bool,
}

/// Values in the documents of an earlier step.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// The step.
    pub step: usize,
    /// Path in its documents; arrays on the way are entered.
    pub path: Path,
    /// Only documents that have this value at this path.
    pub only: Option<(Path, Bson)>,
}

impl Parameter {
    /// The values for `mongosh`: `step1.map(d => d.author_id)`.
    #[must_use]
    pub fn shell_text(&self) -> String {
        match self.from.as_slice() {
            [origin] => origin.shell_text(),
            several => {
                let parts: Vec<String> = several
                    .iter()
                    .map(|origin| format!("...{}", origin.shell_text()))
                    .collect();
                format!("[{}]", parts.join(", "))
            }
        }
    }
}

impl Origin {
    fn shell_text(&self) -> String {
        let mut text = variable(self.step);
        if let Some((path, value)) = &self.only {
            let value = mql::value_text(value);
            text = format!("{text}.filter(d => d.{} == {value})", path.join("."));
        }
        format!("{text}.map(d => d.{})", self.path.join("."))
    }
}

/// A step ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The server command, `{find: ..}`, `{aggregate: ..}`, ... without `$db`.
    pub command: Document,
}
