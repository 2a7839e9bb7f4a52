//! What is sent to the server: commands, and the values that pass between them.

use bson::{Bson, Document};

use crate::mql::Command;
use crate::render;

/// Steps in the order in which they run. The result is that of the first step, completed by the others as the shape says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Program {
    /// The steps; none if the result is provably empty.
    pub steps: Vec<Step>,
}

/// One command, with what it takes from earlier steps.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The command.
    pub command: Command,
    /// Values that it takes from earlier steps.
    pub parameters: Vec<Parameter>,
}

impl Step {
    /// The command with the values that earlier steps found, by the number of the parameter.
    #[must_use]
    pub fn bind(&self, values: &[(u32, Vec<Bson>)]) -> Bound {
        Bound {
            command: render::command(&self.command, values),
        }
    }
}

/// A list of distinct non-null values from the documents of an earlier step.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Its number, as the command's tree names it.
    pub number: u32,
    /// The step.
    pub step: usize,
    /// Path in its documents; arrays on the way are entered.
    pub path: Vec<String>,
    /// Only documents that have this value at this path.
    pub only: Option<(Vec<String>, Bson)>,
}

/// A step ready to be sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// The server command, `{find: ..}`, `{aggregate: ..}`, ... without `$db`.
    pub command: Document,
}
