//! Documents to rows: a shape, prepared once, then applied to every document.

use std::sync::Arc;

use bson::{Bson, Document};
use mqlc_compiler::names::{Name, Path};
use mqlc_compiler::plan::RowKind;
use mqlc_compiler::queryset::Value;
use mqlc_compiler::schema::{FieldType, Schema};
use mqlc_compiler::shape::{Attachment, RowShape, ShapeNode};
use mqlc_compiler::storage;

use super::attach::{Attached, Joined};
use super::{Names, Row, RowValue};
use crate::error::{Error, Result};

/// Shapes nest at most this deep.
const MAX_DEPTH: u32 = 64;

/// A shape made ready: names shared, types of foreign keys resolved.
#[derive(Debug)]
pub struct Decoder {
    pub(super) row: RowDecoder,
}

#[derive(Debug)]
pub(super) struct RowDecoder {
    kind: RowKind,
    names: Arc<Names>,
    parts: Vec<(usize, Part)>,
    pub(super) attached: Vec<(usize, Attached)>,
}

#[derive(Debug)]
enum Part {
    Value(Leaf),
    Tuple(Vec<Leaf>),
    Related { key: Path, row: RowDecoder },
}

#[derive(Debug)]
struct Leaf {
    path: Path,
    ty: Arc<FieldType>,
}

impl Decoder {
    /// Prepares a shape.
    ///
    /// # Errors
    /// When the shape does not belong to the schema.
    pub fn new(schema: &Schema, shape: &RowShape) -> Result<Self> {
        Ok(Decoder {
            row: RowDecoder::new(schema, shape.kind, &shape.nodes, &shape.attached, 0)?,
        })
    }

    /// The rows of the first step, with those of the others attached.
    ///
    /// # Errors
    /// `Decode` for documents that do not fit.
    pub fn rows(&self, schema: &Schema, steps: Vec<Vec<Document>>) -> Result<Vec<RowValue>> {
        let documents = steps.first().map(Vec::as_slice).unwrap_or_default();
        self.row.rows(schema, documents, &steps)
    }
}

impl RowDecoder {
    pub(super) fn new(
        schema: &Schema,
        kind: RowKind,
        nodes: &[ShapeNode],
        attached: &[Attachment],
        depth: u32,
    ) -> Result<Self> {
        if depth > MAX_DEPTH {
            return Err(Error::decode("", "the shape nests too deep"));
        }
        let mut names = Names::default();
        let mut parts = Vec::with_capacity(nodes.len());
        let position = |names: &mut Names, name: &str, at: usize| {
            // Arrays may hold the same name twice; only objects are by name.
            if matches!(kind, RowKind::List | RowKind::Flat) {
                at
            } else {
                names.add(name)
            }
        };
        for (at, node) in nodes.iter().enumerate() {
            let (name, part) = match node {
                ShapeNode::Value { name, path, ty } => {
                    (name, Part::Value(Leaf::new(schema, path, ty)?))
                }
                ShapeNode::Tuple { name, parts } => {
                    let leaves = parts
                        .iter()
                        .map(|(path, ty)| Leaf::new(schema, path, ty))
                        .collect::<Result<_>>()?;
                    (name, Part::Tuple(leaves))
                }
                ShapeNode::Related {
                    name,
                    key,
                    nodes,
                    attached,
                } => {
                    let row = Self::new(schema, RowKind::Model, nodes, attached, depth + 1)?;
                    let key = key.clone();
                    (name, Part::Related { key, row })
                }
            };
            parts.push((position(&mut names, name, at), part));
        }
        let mut joined = Vec::with_capacity(attached.len());
        for (at, attachment) in attached.iter().enumerate() {
            let at = position(&mut names, &attachment.name, nodes.len() + at);
            joined.push((at, Attached::new(schema, attachment, depth + 1)?));
        }
        Ok(RowDecoder {
            kind,
            names: Arc::new(names),
            parts,
            attached: joined,
        })
    }

    pub(super) fn rows(
        &self,
        schema: &Schema,
        documents: &[Document],
        steps: &[Vec<Document>],
    ) -> Result<Vec<RowValue>> {
        let joined = self.join(schema, steps)?;
        documents
            .iter()
            .map(|document| self.row(schema, document, &joined))
            .collect()
    }

    /// Decodes the rows that are attached to this row and to related objects in it.
    fn join<'a>(&'a self, schema: &Schema, steps: &[Vec<Document>]) -> Result<Joins<'a>> {
        Ok(Joins {
            own: self
                .attached
                .iter()
                .map(|(at, attached)| Ok((*at, attached.join(schema, steps)?)))
                .collect::<Result<_>>()?,
            related: self
                .parts
                .iter()
                .map(|(_, part)| match part {
                    Part::Related { row, .. } => row.join(schema, steps).map(Some),
                    _ => Ok(None),
                })
                .collect::<Result<_>>()?,
        })
    }

    fn row(&self, schema: &Schema, document: &Document, joins: &Joins<'_>) -> Result<RowValue> {
        let length = self
            .parts
            .iter()
            .map(|(at, _)| *at)
            .chain(self.attached.iter().map(|(at, _)| *at))
            .max()
            .map_or(0, |last| last + 1);
        let mut values = vec![RowValue::NULL; length];
        for ((at, part), related) in self.parts.iter().zip(&joins.related) {
            let value = match part {
                Part::Value(leaf) => RowValue::Value(leaf.decode(schema, document)?),
                Part::Tuple(leaves) => RowValue::Value(Value::List(
                    leaves
                        .iter()
                        .map(|leaf| leaf.decode(schema, document))
                        .collect::<Result<_>>()?,
                )),
                Part::Related { key, row } => match (at_path(document, key), related) {
                    (None | Some(Bson::Null | Bson::Undefined), _) | (_, None) => RowValue::NULL,
                    (Some(_), Some(joins)) => row.row(schema, document, joins)?,
                },
            };
            if let Some(slot) = values.get_mut(*at) {
                *slot = value;
            }
        }
        // Several attachments may share a name, each for its own parents (generic foreign keys).
        let own = || joins.own.iter();
        let empty = own().map(|(at, joined)| (at, Some(joined.nothing())));
        let found = own().map(|(at, joined)| (at, joined.of(document)));
        for (at, value) in empty.chain(found) {
            if let (Some(slot), Some(value)) = (values.get_mut(*at), value) {
                *slot = value;
            }
        }
        Ok(match self.kind {
            RowKind::Model | RowKind::Values => {
                RowValue::Object(Row::new(Arc::clone(&self.names), values))
            }
            RowKind::Named => RowValue::Named(Row::new(Arc::clone(&self.names), values)),
            RowKind::List => RowValue::List(values),
            RowKind::Flat => values.into_iter().next().unwrap_or(RowValue::NULL),
        })
    }
}

/// The rows that are attached to the rows of one decoder.
struct Joins<'a> {
    own: Vec<(usize, Joined<'a>)>,
    /// By part; only related objects have some.
    related: Vec<Option<Joins<'a>>>,
}

impl Leaf {
    fn new(schema: &Schema, path: &Path, ty: &Arc<FieldType>) -> Result<Self> {
        let stored = storage::stored_type(schema, ty)?;
        let ty = if std::ptr::eq(stored, ty.as_ref()) {
            Arc::clone(ty)
        } else {
            Arc::new(stored.clone())
        };
        Ok(Leaf {
            path: path.clone(),
            ty,
        })
    }

    fn decode(&self, schema: &Schema, document: &Document) -> Result<Value> {
        match at_path(document, &self.path) {
            None => Ok(Value::Null),
            Some(stored) => storage::from_bson(schema, &self.ty, stored.clone())
                .map_err(|e| Error::decode(self.path.join("."), e)),
        }
    }
}

/// The value at a path of keys through documents.
pub(crate) fn at_path<'a>(document: &'a Document, path: &[Name]) -> Option<&'a Bson> {
    let (last, rest) = path.split_last()?;
    let mut holder = document;
    for key in rest {
        holder = holder.get(key)?.as_document()?;
    }
    holder.get(last)
}
