//! What result rows are made of.

use super::{ColumnId, Plan};
use crate::error::Result;
use crate::names::Name;

/// The rows of a result in terms of columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// What a row is.
    pub kind: RowKind,
    /// Its parts, by name.
    pub nodes: Vec<OutputNode>,
    /// What follow-up queries attach.
    pub prefetched: Vec<Prefetched>,
}

/// What a row is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowKind {
    /// A model instance: an object.
    Model,
    /// `values()`: an object.
    Values,
    /// `values_list()`: an array.
    List,
    /// `values_list(named=True)`: an array with names.
    Named,
    /// `values_list(flat=True)`, `dates()`: the value itself.
    Flat,
}

/// A part of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputNode {
    /// A value.
    Column {
        /// Its name in the row.
        name: Name,
        /// The column.
        column: ColumnId,
    },
    /// A related object of `select_related()`.
    Related {
        /// Its name in the row.
        name: Name,
        /// The column that is NULL where there is no object (its primary key).
        key: ColumnId,
        /// Its parts.
        nodes: Vec<OutputNode>,
        /// What follow-up queries attach to it.
        prefetched: Vec<Prefetched>,
    },
    /// Several columns as one array (composite keys).
    Tuple {
        /// Its name in the row.
        name: Name,
        /// The columns.
        columns: Vec<ColumnId>,
    },
}

/// A follow-up query of `prefetch_related()`.
#[derive(Debug, Clone)]
pub struct Prefetched {
    /// Under which name its rows are attached.
    pub name: Name,
    /// Attach a list; else one object or null.
    pub many: bool,
    /// Columns of the parent's row that select its rows.
    pub parent: Vec<ColumnId>,
    /// Columns of the child's row that must equal them.
    pub child: Vec<ColumnId>,
    /// Only parents in which this column has this value (generic foreign keys).
    pub only: Option<(ColumnId, bson::Bson)>,
    /// The query, its own plan with its own columns (`child` is among them). In it, `Predicate::InParameter`
    /// stands for the values of the first column of `parent`.
    pub plan: Box<Plan>,
    /// Number of that parameter, unique in the whole program.
    pub parameter: u32,
}

impl PartialEq for Prefetched {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.parent == other.parent
            && self.child == other.child
            && self.plan.rel == other.plan.rel
    }
}

impl Plan {
    /// Calls `f` with the plans of follow-up queries.
    ///
    /// # Errors
    /// The first of `f`.
    pub fn follow_ups(&mut self, f: &mut dyn FnMut(&mut Plan) -> Result<()>) -> Result<()> {
        let Some(output) = self.terminal.output_mut() else {
            return Ok(());
        };
        for follow_up in &mut output.prefetched {
            f(&mut follow_up.plan)?;
        }
        of_related(&mut output.nodes, f)
    }
}

fn of_related(nodes: &mut [OutputNode], f: &mut dyn FnMut(&mut Plan) -> Result<()>) -> Result<()> {
    for node in nodes.iter_mut().rev() {
        if let OutputNode::Related {
            nodes, prefetched, ..
        } = node
        {
            for follow_up in prefetched {
                f(&mut follow_up.plan)?;
            }
            of_related(nodes, f)?;
        }
    }
    Ok(())
}
