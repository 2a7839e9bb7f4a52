//! What a statement gives: rows as trees of texts, in which equal values look equal.

use std::fmt;

use bson::Bson;
use mqlc_compiler::plan::{Output, OutputNode, Plan, Prefetched, RowKind, Terminal};
use mqlc_compiler::queryset::Value;
use mqlc_compiler::schema::{FieldType, Schema};
use mqlc_compiler::storage;

use super::number::Dec;
use super::order::order;
use super::{Data, Interpreter, Row, State};

/// A row, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tree {
    Leaf(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Tree::Leaf(text) => f.write_str(text),
            Tree::List(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Tree::Object(fields) => {
                f.write_str("{")?;
                for (i, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}: {value}", if i > 0 { ", " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// A row of a follow-up query with the key that attaches it.
type Child = (Vec<Bson>, Tree);

/// What a plan gives.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Rows in order; those with the same number may come in any.
    Rows(Vec<(usize, Tree)>),
    Count(u64),
    Exists(bool),
}

/// The answer to a plan, and whether it is the only one.
pub fn answer(plan: &Plan, schema: &Schema, data: &Data) -> (Answer, bool) {
    let state = State::default();
    let answer = Interpreter::new(&plan.columns, data, &state).answer(plan, schema, &state);
    (answer, !state.is_unsure())
}

impl Interpreter<'_> {
    fn answer(&self, plan: &Plan, schema: &Schema, state: &State) -> Answer {
        let rows = self.rows(&plan.rel, &Row::default());
        match &plan.terminal {
            Terminal::Count { limit } => {
                let n = rows.len() as u64;
                Answer::Count(limit.map_or(n, |l| n.min(l)))
            }
            Terminal::Exists => Answer::Exists(!rows.is_empty()),
            Terminal::Rows { output } | Terminal::Aggregate { output } => {
                Answer::Rows(self.output(output, &rows, schema, state))
            }
            other => panic!("no interpretation of {other:?}"),
        }
    }

    fn output(
        &self,
        output: &Output,
        rows: &[Row],
        schema: &Schema,
        state: &State,
    ) -> Vec<(usize, Tree)> {
        let attached = self.fetch(output, rows, schema, state);
        rows.iter()
            .map(|row| {
                let mut parts = self.nodes(&output.nodes, row, schema);
                for (prefetched, children) in &attached {
                    let mine = self.children(prefetched, children, row);
                    parts.push((prefetched.name.to_string(), mine));
                }
                let tree = match output.kind {
                    RowKind::Flat => parts.pop().map_or(Tree::List(Vec::new()), |(_, t)| t),
                    RowKind::List => Tree::List(parts.into_iter().map(|(_, t)| t).collect()),
                    _ => Tree::Object(parts),
                };
                (row.tie, tree)
            })
            .collect()
    }

    /// The rows of follow-up queries, with the keys that attach them.
    fn fetch<'o>(
        &self,
        output: &'o Output,
        rows: &[Row],
        schema: &Schema,
        state: &State,
    ) -> Vec<(&'o Prefetched, Vec<Child>)> {
        let mut attached = Vec::new();
        for prefetched in &output.prefetched {
            let keys = rows
                .iter()
                .filter_map(|row| Some(self.column(*prefetched.parent.first()?, row)))
                .filter(|v| *v != Bson::Null)
                .collect();
            state
                .parameters
                .borrow_mut()
                .insert(prefetched.parameter, keys);
            let inner = Interpreter::new(&prefetched.plan.columns, self.data, state);
            let Terminal::Rows { output } = &prefetched.plan.terminal else {
                panic!("a follow-up query without rows");
            };
            let rows = inner.rows(&prefetched.plan.rel, &Row::default());
            let trees = inner.output(output, &rows, schema, state);
            let keys = rows.iter().map(|row| {
                let key = prefetched.child.iter().map(|id| inner.column(*id, row));
                key.collect::<Vec<Bson>>()
            });
            let children = keys.zip(trees.into_iter().map(|(_, t)| t)).collect();
            attached.push((prefetched, children));
        }
        attached
    }

    fn children(&self, prefetched: &Prefetched, children: &[(Vec<Bson>, Tree)], row: &Row) -> Tree {
        let key: Vec<Bson> = prefetched
            .parent
            .iter()
            .map(|id| self.column(*id, row))
            .collect();
        let wanted = prefetched
            .only
            .as_ref()
            .is_none_or(|(id, value)| order(&self.column(*id, row), value).is_eq());
        let mut mine: Vec<Tree> = children
            .iter()
            .filter(|(k, _)| wanted && !key.contains(&Bson::Null) && super::order::same(k, &key))
            .map(|(_, t)| t.clone())
            .collect();
        if prefetched.many {
            mine.sort();
            Tree::List(mine)
        } else {
            mine.pop().unwrap_or_else(|| from_value(&Value::Null))
        }
    }

    fn nodes(&self, nodes: &[OutputNode], row: &Row, schema: &Schema) -> Vec<(String, Tree)> {
        let leaf = |id| {
            let ty = &self.columns.get(id).expect("a column").ty;
            decoded(schema, ty, self.column(id, row))
        };
        nodes
            .iter()
            .map(|node| match node {
                OutputNode::Column { name, column } => (name.to_string(), leaf(*column)),
                OutputNode::Related {
                    name, key, nodes, ..
                } => match self.column(*key, row) {
                    Bson::Null => (name.to_string(), from_value(&Value::Null)),
                    _ => (
                        name.to_string(),
                        Tree::Object(self.nodes(nodes, row, schema)),
                    ),
                },
                OutputNode::Tuple { name, columns } => (
                    name.to_string(),
                    Tree::List(columns.iter().map(|id| leaf(*id)).collect()),
                ),
            })
            .collect()
    }
}

/// A stored value as Python has it.
fn decoded(schema: &Schema, ty: &FieldType, value: Bson) -> Tree {
    let value = match value {
        Bson::Undefined => Bson::Null,
        other => other,
    };
    match storage::from_bson(schema, ty, value.clone()) {
        Ok(value) => from_value(&value),
        Err(_) => Tree::Leaf(format!("{value} as {}", ty.kind.name())),
    }
}

/// A value as text in which equal values look equal: floats by nine digits, decimals by 28.
pub fn from_value(value: &Value) -> Tree {
    Tree::Leaf(match value {
        Value::Null | Value::JsonNull => "null".to_owned(),
        Value::Float(x) if *x == 0.0 => "0.0".to_owned(),
        Value::Float(x) => format!("{x:.8e}"),
        Value::Decimal(d) => match Dec::parse(&d.to_string()) {
            Some(d) => {
                let d = d.rounded(28).normal();
                format!("{}d{}", d.digits, d.exponent)
            }
            None => d.to_string(),
        },
        Value::DateTime(at) => at.instant.to_string(),
        Value::List(items) => return Tree::List(items.iter().map(from_value).collect()),
        Value::Dict(fields) => {
            return Tree::Object(
                fields
                    .iter()
                    .map(|(k, v)| (format!("{k:?}"), from_value(v)))
                    .collect(),
            );
        }
        other => format!("{other:?}"),
    })
}
