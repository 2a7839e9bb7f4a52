//! `get_or_create()` and `update_or_create()`: one `findAndModify` where the condition says all of the new document that it has to,
//! else a look, and then a change or an insert.

use bson::{Bson, Document};

use super::insert::insert;
use super::rel::is_empty;
use super::scope::is_path_key;
use super::{KEYS, Lowerer, all_of, found_keys};
use crate::error::{Error, Result};
use crate::mql::{Command, FieldOp, Filter, WriteModel};
use crate::plan::{NewKeys, Origin, OutputNode, Rel, RowKind, Upsert};
use crate::program::{Program, Step};
use crate::shape::{RowShape, Shape, ShapeNode, UpsertShape, UpsertSteps};

impl Lowerer<'_> {
    /// The steps that find a row or make one.
    pub fn upsert(&mut self, rel: &Rel, upsert: &Upsert, program: &mut Program) -> Result<Shape> {
        let stored = RowShape {
            kind: RowKind::Model,
            nodes: self.stored_nodes(&upsert.stored)?,
            attached: Vec::new(),
        };
        let document = only_document(upsert)?;
        if is_empty(rel) {
            let steps = UpsertSteps::InTurn {
                looks: false,
                update: None,
                insert: inserting(upsert, None, program),
                document,
            };
            let found = stored.clone();
            return Ok(upserted(found, stored, steps));
        }
        let update = match upsert.assignments.first() {
            Some(assignment) => Some(self.computed_from(upsert.source, &assignment.values)?),
            None => None,
        };
        self.rel(rel)?;
        if let Some(found) = self.plain(upsert, &stored)?
            && let Some(filter) = self.direct(upsert.source)?
            && let Some(operators) = at_once(&filter, &document, update.as_ref(), upsert)
            && self.hint.is_none()
        {
            let command = Command::FindAndModify {
                collection: upsert.insertion.collection.clone(),
                filter,
                update: WriteModel::Operators(operators),
                upsert: true,
                new: true,
            };
            program.steps.push(command.into());
            return Ok(upserted(found, stored, UpsertSteps::AtOnce));
        }
        let found = self.project_rows(&upsert.output, &[upsert.key], Vec::new(), program)?;
        let path = self.output_path(upsert.key)?;
        let update = update.map(|update| {
            let command = Command::FindAndModify {
                collection: upsert.insertion.collection.clone(),
                filter: Filter::field("_id", FieldOp::InParameter(KEYS)),
                update,
                upsert: false,
                new: true,
            };
            program.steps.push(Step {
                parameters: vec![found_keys(all_of(0, path))],
                ..command.into()
            });
            program.steps.len() - 1
        });
        let steps = UpsertSteps::InTurn {
            looks: true,
            update,
            insert: inserting(upsert, Some(0), program),
            document,
        };
        Ok(upserted(found, stored, steps))
    }

    /// The shape of rows that are nothing but columns of their document, if they are.
    fn plain(&self, upsert: &Upsert, stored: &RowShape) -> Result<Option<RowShape>> {
        let own = |id| -> Result<bool> {
            let origin = &self.columns.get(id)?.origin;
            Ok(matches!(origin, Origin::Stored { source, .. } if *source == upsert.source))
        };
        for node in &upsert.output.nodes {
            let plain = match node {
                OutputNode::Column { column, .. } => own(*column)?,
                OutputNode::Tuple { columns, .. } => columns
                    .iter()
                    .try_fold(true, |all, id| own(*id).map(|own| all && own))?,
                OutputNode::Related { .. } => false,
            };
            if !plain {
                return Ok(None);
            }
        }
        if !upsert.output.prefetched.is_empty() {
            return Ok(None);
        }
        Ok(Some(RowShape {
            kind: upsert.output.kind,
            nodes: self.stored_nodes(&upsert.output.nodes)?,
            attached: stored.attached.clone(),
        }))
    }

    /// Where the parts of a row are in its stored document.
    fn stored_nodes(&self, nodes: &[OutputNode]) -> Result<Vec<ShapeNode>> {
        let part = |id| {
            let column = self.columns.get(id)?;
            match &column.origin {
                Origin::Stored { path, .. } => Ok((path.clone(), column.ty.clone())),
                _ => Err(Error::internal("a stored row has a computed column")),
            }
        };
        nodes
            .iter()
            .map(|node| match node {
                OutputNode::Column { name, column } => {
                    let (path, ty) = part(*column)?;
                    let name = name.clone();
                    Ok(ShapeNode::Value { name, path, ty })
                }
                OutputNode::Tuple { name, columns } => Ok(ShapeNode::Tuple {
                    name: name.clone(),
                    parts: columns.iter().map(|id| part(*id)).collect::<Result<_>>()?,
                }),
                OutputNode::Related { .. } => {
                    Err(Error::internal("a stored row has a related object"))
                }
            })
            .collect()
    }
}

fn upserted(found: RowShape, stored: RowShape, steps: UpsertSteps) -> Shape {
    Shape::Upserted(Box::new(UpsertShape {
        found,
        stored,
        steps,
    }))
}

fn only_document(upsert: &Upsert) -> Result<Document> {
    match upsert.insertion.documents.as_slice() {
        [document] => Ok(document.clone()),
        _ => Err(Error::internal("a row that is not one document")),
    }
}

/// Appends the steps that insert, which are not sent if a step has found the row. The number of the insert itself.
fn inserting(upsert: &Upsert, found: Option<usize>, program: &mut Program) -> usize {
    let first = program.steps.len();
    insert(&upsert.insertion, program);
    for step in program.steps.iter_mut().skip(first) {
        step.unless = found;
    }
    program.steps.len() - 1
}

/// The operators of an upsert that leaves the same document behind as an insert would, and changes one that is there as it should.
///
/// The server writes what the filter says by equality into a new document: it must be what the new document has, and nothing else
/// may be asked, as a row that fits only half is another row. The filter must not have to be told which of several rows to take, so
/// this is for those that fit one row at most (their slice is gone).
fn at_once(
    filter: &Filter,
    document: &Document,
    update: Option<&WriteModel>,
    upsert: &Upsert,
) -> Option<Document> {
    if upsert.insertion.keys != NewKeys::ObjectId && !document.contains_key("_id") {
        return None;
    }
    let mut equal = Vec::new();
    if !equalities(filter, &mut equal) || !document.keys().all(|key| is_path_key(key)) {
        return None;
    }
    let has = |key: &str, value: &Bson| document.get(key).is_some_and(|v| v == value);
    if !equal.iter().all(|(key, value)| has(key, value)) {
        return None;
    }
    let set = match update {
        None => Document::new(),
        Some(WriteModel::Operators(operators)) => match operators.get_document("$set") {
            Ok(set) if operators.len() == 1 => set.clone(),
            _ => return None,
        },
        Some(_) => return None,
    };
    if !set.iter().all(|(key, value)| has(key, value)) {
        return None;
    }
    let mut inserted: Document = document
        .iter()
        .filter(|(key, _)| !set.contains_key(*key) && !equal.iter().any(|(known, _)| known == key))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut operators = Document::new();
    if set.is_empty() && inserted.is_empty() {
        // Without an operator an update would replace the document.
        let (key, value) = document.iter().next()?;
        inserted.insert(key, value.clone());
    }
    if !set.is_empty() {
        operators.insert("$set", set);
    }
    if !inserted.is_empty() {
        operators.insert("$setOnInsert", inserted);
    }
    Some(operators)
}

/// The columns and values of a filter that asks for nothing but equalities.
fn equalities<'f>(filter: &'f Filter, out: &mut Vec<(&'f str, &'f Bson)>) -> bool {
    match filter {
        Filter::And(parts) => parts.iter().all(|part| equalities(part, out)),
        Filter::Field { path, ops } => ops.iter().all(|op| match op {
            FieldOp::Eq(value) if !path.contains('.') => {
                out.push((path, value));
                true
            }
            _ => false,
        }),
        _ => false,
    }
}
