//! `bulk_update()`: one command with an update for each document.

use bson::{Bson, Document};

use super::scope::is_path_key;
use crate::error::{Error, Result};
use crate::mql::{Command, FieldOp, Filter, UpdateModel, WriteModel};
use crate::plan::{BulkUpdate, Change};
use crate::program::Program;
use crate::shape::{Counted, Shape};

/// Updates that a server takes in one command (`maxWriteBatchSize`).
const MOST_UPDATES: usize = 100_000;

/// Appends the steps of a bulk update.
pub(super) fn bulk_update(update: &BulkUpdate, program: &mut Program) -> Result<Shape> {
    if update.columns.iter().any(|column| !is_path_key(column)) {
        return Err(Error::unsupported(
            "an update of such a key",
            "update operators read dots and dollar signs in it",
        ));
    }
    let mut counted = Vec::new();
    for changes in update.changes.chunks(MOST_UPDATES) {
        counted.push(Counted::Written(program.steps.len()));
        let command = Command::Update {
            collection: update.collection.clone(),
            updates: changes.iter().map(model).collect(),
            ordered: true,
            hint: None,
        };
        program.steps.push(command.into());
    }
    Ok(Shape::Written(counted))
}

fn model(change: &Change) -> UpdateModel {
    let key = change.key.iter();
    let mut filter: Vec<Filter> = key
        .map(|(column, value)| Filter::field(column.clone(), FieldOp::Eq(value.clone())))
        .collect();
    let filter = match (filter.len(), filter.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            filter.extend(last);
            Filter::And(filter)
        }
    };
    let mut operators = Document::new();
    if !change.set.is_empty() {
        operators.insert("$set", change.set.clone());
    }
    if !change.unset.is_empty() {
        let unset: Document = change
            .unset
            .iter()
            .map(|column| (column.clone(), Bson::Boolean(true)))
            .collect();
        operators.insert("$unset", unset);
    }
    UpdateModel {
        filter,
        update: WriteModel::Operators(operators),
        multi: false,
        upsert: false,
        key: None,
    }
}
