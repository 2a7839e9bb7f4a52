//! Rows of follow-up steps inside their parents: a hash join on the columns that connect them.

use std::collections::HashMap;

use bson::{Bson, Document};
use mqlc_compiler::names::Path;
use mqlc_compiler::schema::Schema;
use mqlc_compiler::shape::Attachment;

use super::RowValue;
use super::decode::{RowDecoder, at_path};
use super::key::JoinKey;
use crate::error::{Error, Result};

/// A prepared attachment.
#[derive(Debug)]
pub(super) struct Attached {
    step: usize,
    many: bool,
    parent: Vec<Path>,
    child: Vec<Path>,
    only: Option<(Path, Bson)>,
    row: RowDecoder,
}

/// Its rows, by key.
pub(super) struct Joined<'a> {
    attached: &'a Attached,
    rows: Vec<RowValue>,
    by_key: HashMap<Vec<JoinKey>, Vec<usize>>,
}

impl Attached {
    pub(super) fn new(schema: &Schema, attachment: &Attachment, depth: u32) -> Result<Self> {
        if attachment.parent.len() != attachment.child.len() {
            return Err(Error::decode(
                &attachment.name,
                "the columns that connect the rows do not pair",
            ));
        }
        let row = &attachment.row;
        Ok(Attached {
            step: attachment.step,
            many: attachment.many,
            parent: attachment.parent.clone(),
            child: attachment.child.clone(),
            only: attachment.only.clone(),
            row: RowDecoder::new(schema, row.kind, &row.nodes, &row.attached, depth)?,
        })
    }

    /// Decodes the rows and indexes them by their key.
    pub(super) fn join(&self, schema: &Schema, steps: &[Vec<Document>]) -> Result<Joined<'_>> {
        let documents = steps.get(self.step).map(Vec::as_slice).unwrap_or_default();
        let rows = self.row.rows(schema, documents, steps)?;
        let mut by_key: HashMap<Vec<JoinKey>, Vec<usize>> = HashMap::new();
        for (at, document) in documents.iter().enumerate() {
            if let Some(key) = key_of(document, &self.child) {
                by_key.entry(key).or_default().push(at);
            }
        }
        Ok(Joined {
            attached: self,
            rows,
            by_key,
        })
    }
}

impl Joined<'_> {
    /// What belongs to a parent's document; `None` for parents that the attachment is not for.
    pub(super) fn of(&self, parent: &Document) -> Option<RowValue> {
        if let Some((path, value)) = &self.attached.only
            && !at_path(parent, path).is_some_and(|v| JoinKey::same(v, value))
        {
            return None;
        }
        let mut rows = key_of(parent, &self.attached.parent)
            .and_then(|key| self.by_key.get(&key))
            .into_iter()
            .flatten()
            .filter_map(|at| self.rows.get(*at).cloned());
        Some(if self.attached.many {
            RowValue::List(rows.collect())
        } else {
            rows.next().unwrap_or(RowValue::NULL)
        })
    }

    /// What parents hold that no attachment is for.
    pub(super) fn nothing(&self) -> RowValue {
        if self.attached.many {
            RowValue::List(Vec::new())
        } else {
            RowValue::NULL
        }
    }
}

/// The key at some paths; `None` where one of them is NULL or missing.
fn key_of(document: &Document, paths: &[Path]) -> Option<Vec<JoinKey>> {
    paths
        .iter()
        .map(|path| JoinKey::new(at_path(document, path)?))
        .collect()
}
