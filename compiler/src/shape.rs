//! How documents become rows.

use std::sync::Arc;

use crate::names::{Name, Path};
use crate::plan::RowKind;
use crate::schema::FieldType;

/// How the reply of the program becomes the result.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// Rows.
    Rows(RowShape),
    /// A number: of a `count` reply, or of this field of the only document (0 without one).
    Count {
        /// Field, for pipelines.
        field: Option<String>,
    },
    /// Whether a document came back.
    Exists,
    /// The single row of an aggregate; without a document every value is what `empty` says.
    Aggregate {
        /// The row.
        row: RowShape,
        /// Values, in storage form, by name, where the input was empty.
        empty: Vec<(Name, bson::Bson)>,
    },
    /// A row that was there or was made, and which of the two.
    Upserted(Box<UpsertShape>),
    /// How many documents were written.
    Written(Vec<Counted>),
}

/// How a row that was there or was made is found in the replies.
#[derive(Debug, Clone, PartialEq)]
pub struct UpsertShape {
    /// A row that was there.
    pub found: RowShape,
    /// A row by its stored document.
    pub stored: RowShape,
    /// What the steps do.
    pub steps: UpsertSteps,
}

/// The steps that find a row or make one.
#[derive(Debug, Clone, PartialEq)]
pub enum UpsertSteps {
    /// The only step is a `findAndModify` that says whether it made the document.
    AtOnce,
    /// The first step finds documents, of which there must not be two.
    InTurn {
        /// Whether there is such a step: no row can be there otherwise.
        looks: bool,
        /// The step that changes the document.
        update: Option<usize>,
        /// The step that inserts one, if none was found.
        insert: usize,
        /// That document; the reply has its key where there is none in it.
        document: bson::Document,
    },
}

/// What counts as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Counted {
    /// The documents that a command wrote.
    Written(usize),
    /// The documents that a command deleted from the collection of a model, given by its label.
    Deleted(usize, String),
    /// The number that a command says: others write these documents.
    Number(usize),
}

/// How one document becomes a row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowShape {
    /// What a row is.
    pub kind: RowKind,
    /// Its parts.
    pub nodes: Vec<ShapeNode>,
    /// What follow-up steps attach.
    pub attached: Vec<Attachment>,
}

/// A part of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum ShapeNode {
    /// A value.
    Value {
        /// Its name in the row.
        name: Name,
        /// Keys from the root of the document. Missing is NULL.
        path: Path,
        /// Type that it is decoded by.
        ty: Arc<FieldType>,
    },
    /// Several values as one array.
    Tuple {
        /// Its name in the row.
        name: Name,
        /// Path and type of each.
        parts: Vec<(Path, Arc<FieldType>)>,
    },
    /// A related object: null where the key is null or missing.
    Related {
        /// Its name in the row.
        name: Name,
        /// Path of the key.
        key: Path,
        /// Its parts.
        nodes: Vec<ShapeNode>,
        /// What follow-up steps attach to it.
        attached: Vec<Attachment>,
    },
}

impl ShapeNode {
    /// Its name in the row; that of a column of `values_list()` as well.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            ShapeNode::Value { name, .. }
            | ShapeNode::Tuple { name, .. }
            | ShapeNode::Related { name, .. } => name,
        }
    }
}

/// Rows of a follow-up step inside the rows of an earlier one.
#[derive(Debug, Clone, PartialEq)]
pub struct Attachment {
    /// Under which name.
    pub name: Name,
    /// Number of the step whose documents are attached.
    pub step: usize,
    /// A list; else one object or null.
    pub many: bool,
    /// Paths in the parent's document.
    pub parent: Vec<Path>,
    /// Paths in the child's document that must be equal, pairwise.
    pub child: Vec<Path>,
    /// Only parents that have this value at this path.
    pub only: Option<(Path, bson::Bson)>,
    /// How the child's document becomes a row.
    pub row: RowShape,
}
