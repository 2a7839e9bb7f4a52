//! An interpreter of plans: relational algebra over rows in memory, as naive as can be, with SQL's semantics and nothing of
//! MongoDB's languages. Values are BSON as it is stored; `Null` is NULL, and `Undefined` stands for JSON's null.
//!
//! Where SQL promises no certain answer (a slice through rows that are equal in the order) the interpreter says so:
//! see [`Interpreter::unsure`].

mod aggregate;
mod dates;
mod functions;
mod json;
mod number;
mod order;
mod rel;
mod result;
mod value;
mod window;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use bson::{Bson, Document};
use mqlc_compiler::plan::{ColumnId, Columns, OutputNode, Plan, Rel, Scalar, SourceId, Terminal};
use mqlc_compiler::schema::Schema;

pub use order::order;
pub use result::{Answer, Tree, answer, from_value};

/// Documents by collection.
pub type Data = HashMap<String, Vec<Document>>;

/// One row with the rows around it.
#[derive(Debug, Clone, Default)]
pub struct Row {
    documents: HashMap<SourceId, Rc<Document>>,
    values: HashMap<ColumnId, Bson>,
    /// Rows with the same number are equal in the order that was last asked for.
    tie: usize,
}

/// The rows of operators.
pub struct Interpreter<'a> {
    pub columns: &'a Columns,
    pub data: &'a Data,
    /// Values of the parameters of follow-up queries.
    parameters: &'a RefCell<HashMap<u32, Vec<Bson>>>,
    /// Whether something was asked that SQL does not promise.
    unsure: &'a Cell<bool>,
}

/// What an interpretation keeps beside its rows.
#[derive(Default)]
pub struct State {
    parameters: RefCell<HashMap<u32, Vec<Bson>>>,
    unsure: Cell<bool>,
}

impl State {
    /// Whether the rows hang on an order that nothing promises.
    pub fn is_unsure(&self) -> bool {
        self.unsure.get()
    }
}

impl<'a> Interpreter<'a> {
    pub fn new(columns: &'a Columns, data: &'a Data, state: &'a State) -> Self {
        Interpreter {
            columns,
            data,
            parameters: &state.parameters,
            unsure: &state.unsure,
        }
    }

    /// Notes that the answer is one of several.
    fn unsure(&self) {
        self.unsure.set(true);
    }
}

/// The rows that a plan promises in some order, as positions in its output with their direction.
pub fn promised_order(plan: &Plan) -> Vec<(usize, bool)> {
    let Terminal::Rows { output } = &plan.terminal else {
        return Vec::new();
    };
    let mut at = &plan.rel;
    loop {
        match at {
            Rel::Sort { keys, .. } => {
                return keys
                    .iter()
                    .map_while(|key| {
                        let Scalar::Column(id) = key.scalar else {
                            return None;
                        };
                        let place = output.nodes.iter().position(
                            |n| matches!(n, OutputNode::Column { column, .. } if *column == id),
                        )?;
                        Some((place, key.desc))
                    })
                    .collect();
            }
            Rel::Slice { input, .. } | Rel::Extend { input, .. } | Rel::Filter { input, .. } => {
                at = input;
            }
            _ => return Vec::new(),
        }
    }
}

/// The values of a plan's rows, in the order in which they come.
pub fn values(plan: &Plan, data: &Data) -> Vec<Vec<Bson>> {
    let state = State::default();
    let interpreter = Interpreter::new(&plan.columns, data, &state);
    let Terminal::Rows { output } = &plan.terminal else {
        return Vec::new();
    };
    interpreter
        .rows(&plan.rel, &Row::default())
        .iter()
        .map(|row| {
            output
                .nodes
                .iter()
                .map(|node| match node {
                    OutputNode::Column { column, .. } => interpreter.column(*column, row),
                    _ => Bson::Null,
                })
                .collect()
        })
        .collect()
}

/// Whether rows are in a promised order.
pub fn in_order(rows: &[Vec<Bson>], promised: &[(usize, bool)]) -> bool {
    rows.windows(2).all(|pair| {
        for (place, desc) in promised {
            let mut o = order(&pair[0][*place], &pair[1][*place]);
            if *desc {
                o = o.reverse();
            }
            if o.is_ne() {
                return o.is_lt();
            }
        }
        true
    })
}

/// The result of a plan: one text a row, sorted.
pub fn interpret(plan: &Plan, schema: &Schema, data: &Data) -> Vec<String> {
    let mut texts = match answer(plan, schema, data).0 {
        Answer::Rows(rows) => rows.into_iter().map(|(_, t)| t.to_string()).collect(),
        Answer::Count(n) => vec![n.to_string()],
        Answer::Exists(there) => vec![there.to_string()],
    };
    texts.sort();
    texts
}
