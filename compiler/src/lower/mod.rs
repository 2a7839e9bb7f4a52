//! From plan to MongoDB's languages: for each condition the cheapest form with the same truth.
//!
//! A [`Rel`](crate::plan::Rel) is lowered from the inside out; each operator appends stages to the pipeline of the
//! current scope and says where its columns live from then on. A condition becomes a *filter* of the match language
//! that matches where the condition is true (or, under NOT, where it is false; unknown is neither), leaf by leaf:
//! native where the facts allow, `$expr` with guards against NULL otherwise. Subqueries become `$lookup` stages in
//! front of the stage that needs them.
//!
//! | file | holds |
//! |---|---|
//! | `scope` | pipelines under construction, places of columns, `let` variables |
//! | `rel` | relational operators |
//! | `filter` | predicates as filters |
//! | `leaf` | comparisons as filters |
//! | `lookup` | JSON and arrays |
//! | `native` | keys of JSON and arrays in the match language |
//! | `text` | text patterns |
//! | `truth` | predicates as expressions |
//! | `scalar`, `calls` | scalar expressions; the border to the registry of functions |
//! | `join`, `subquery` | `$lookup` |
//! | `element`, `bound` | conditions on elements of arrays; those that the least or greatest element decides |
//! | `chain` | chains of joins in subqueries as look-ups side by side |
//! | `not_in` | `NOT IN` a subquery, in two tests |
//! | `search` | searches, which begin a pipeline |
//! | `group`, `window`, `set_op`, `sort` | their stages |
//! | `nothing` | aggregates over no rows |
//! | `output` | terminals, projections, shapes |
//! | `write` | updates |
//! | `bulk_update` | an update for each document |
//! | `upsert` | a row that is there or is made |
//! | `refer` | writes of documents by the keys that they refer to |
//! | `insert` | inserts, with the keys that are counted |
//! | `delete` | deletes, with what hangs on the documents |
//! | `collation` | what texts are compared by |
//! | `walk` | questions about the plan |

mod bound;
mod bulk_update;
mod calls;
mod chain;
mod collation;
mod delete;
mod element;
mod filter;
mod group;
mod insert;
mod join;
mod leaf;
mod lookup;
mod native;
mod not_in;
mod nothing;
mod output;
mod refer;
mod rel;
mod scalar;
mod scope;
mod search;
mod set_op;
mod sort;
mod subquery;
mod text;
mod truth;
mod upsert;
mod walk;
mod window;
mod write;

use std::collections::HashSet;

use crate::error::{Code, Error, Result};
use crate::functions::Registry;
use crate::mql::Command;
use crate::names::Name;
use crate::names::Path;
use crate::plan::facts::{ColumnSet, SourceSet};
use crate::plan::{Columns, Plan, Scalar, Terminal};
use crate::program::{Origin, Parameter, Program};
use crate::queryset::Hint;
use crate::shape::Shape;
use crate::target::Target;
pub use insert::SEQUENCES;
use scope::Scope;

/// Nesting of operators, expressions and subqueries beyond which lowering refuses.
const DEPTH: usize = 300;

/// The number of the parameter that holds the keys of the documents that a write is about.
const KEYS: u32 = u32::MAX;
/// The keys that an earlier step found, without which a write finds nothing.
fn found_keys(from: Vec<Origin>) -> Parameter {
    Parameter {
        number: KEYS,
        from,
        needed: true,
    }
}

/// What is at a path of all documents of an earlier step.
fn all_of(step: usize, path: Path) -> Vec<Origin> {
    vec![Origin {
        step,
        path,
        only: None,
    }]
}

/// The number of the parameter that holds the keys of documents that do not count.
const EXCEPT: u32 = KEYS - 1;
/// The number of the parameter that holds the last key that was given.
const LAST_KEY: u32 = EXCEPT - 1;

/// Lowers a plan to a program and the shape of its result.
///
/// # Errors
/// `Unsupported` for what the target cannot do.
pub fn lower(mut plan: Plan, registry: &Registry, target: &Target) -> Result<(Program, Shape)> {
    collation::settle(&mut plan)?;
    let mut program = Program::default();
    let shape = output::plan(&plan, registry, target, Vec::new(), &mut program)?;
    if let Some(hint) = &plan.hint {
        remark(&mut program, hint);
    }
    Ok((program, shape))
}

/// Writes of keys that an earlier step found keep what a hint says of any command.
fn remark(program: &mut Program, hint: &Hint) {
    for step in &mut program.steps {
        if let Command::Update { hint: own, .. } | Command::Delete { hint: own, .. } =
            &mut step.command
            && own.is_none()
        {
            *own = Some(Box::new(Hint {
                comment: hint.comment.clone(),
                max_time_ms: hint.max_time_ms,
                ..Hint::default()
            }));
        }
    }
}

/// The state of lowering one plan.
struct Lowerer<'a> {
    columns: &'a Columns,
    registry: &'a Registry,
    target: &'a Target,
    /// How often each column is used.
    uses: walk::Uses,
    /// Pipelines under construction, the outermost first.
    scopes: Vec<Scope>,
    /// Names of `let` variables in use.
    variables: HashSet<String>,
    /// Values that cannot be NULL where the current condition matters.
    assumed: Vec<Scalar>,
    /// A filter is lowered: the server may merge it with those before, and ask their conditions in any order.
    matching: bool,
    /// Columns that are lists without NULL.
    without_null: ColumnSet,
    /// Joined documents stay whole: the command is not one that says which columns it reads.
    whole: bool,
    /// Sources whose joined documents are held by a sort or a window later on.
    held: SourceSet,
    /// What the next hoisted subquery is for.
    purpose: Option<Name>,
    /// Whoever reads the next aggregate without groups knows what it is where no row matches.
    shape_knows: bool,
    /// Documents keep what a search tells of them to the end: nothing makes new ones.
    metadata: bool,
    /// Options of the commands.
    hint: Option<Box<Hint>>,
    depth: usize,
}

impl<'a> Lowerer<'a> {
    fn new(plan: &'a Plan, registry: &'a Registry, target: &'a Target) -> Self {
        Lowerer {
            columns: &plan.columns,
            registry,
            target,
            uses: walk::Uses::of_plan(plan),
            scopes: vec![Scope::new(scope::Kind::Root)],
            variables: HashSet::new(),
            assumed: Vec::new(),
            without_null: ColumnSet::new(),
            matching: false,
            whole: !matches!(
                plan.terminal,
                Terminal::Rows { .. }
                    | Terminal::Aggregate { .. }
                    | Terminal::Count { .. }
                    | Terminal::Exists
                    | Terminal::Upsert(_)
            ),
            held: walk::held(&plan.rel),
            purpose: None,
            shape_knows: false,
            metadata: search::stays(&plan.rel),
            hint: plan.hint.clone(),
            depth: 0,
        }
    }

    /// One step down, counted.
    fn deeper<T>(&mut self, step: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= DEPTH {
            return Err(Error::new(
                Code::Limit,
                "the statement is nested too deeply",
            ));
        }
        self.depth += 1;
        let result = step(self);
        self.depth -= 1;
        result
    }

    /// With `scalars` known not to be NULL.
    fn assuming<T>(
        &mut self,
        scalars: &[Scalar],
        step: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<T> {
        let before = self.assumed.len();
        self.assumed.extend_from_slice(scalars);
        let result = step(self);
        self.assumed.truncate(before);
        result
    }
}
