//! Columns that the binder defines, and what they depend on.

use super::query::QueryId;
use super::{Binder, Definition};
use crate::error::Result;
use crate::plan::{ArrayFact, Column, ColumnId, Origin, Scalar};
use crate::schema::{FieldType, StorageFamily};
use std::sync::Arc;

impl Binder<'_> {
    /// Makes a column for a definition.
    pub(super) fn define(
        &mut self,
        q: QueryId,
        name: String,
        ty: &Arc<FieldType>,
        definition: Definition,
    ) -> ColumnId {
        let array = match ty.kind.family() {
            StorageFamily::Json | StorageFamily::Geo => ArrayFact::Maybe,
            StorageFamily::Array | StorageFamily::EmbeddedArray => ArrayFact::Yes,
            _ => ArrayFact::No,
        };
        let nullable = match &definition {
            Definition::Aggregate(call) => call.function != "Count",
            Definition::Computed(_) | Definition::Window { .. } => true,
        };
        let id = self.columns.add(Column {
            name: name.into(),
            ty: ty.clone(),
            nullable,
            array,
            origin: Origin::Computed,
        });
        self.definitions.insert(id, (q, definition));
        id
    }

    /// An expression as a column: itself if it is one, else a computed column.
    pub(super) fn as_column(&mut self, q: QueryId, name: &str, scalar: Scalar) -> Result<ColumnId> {
        if let Scalar::Column(id) = scalar {
            return Ok(id);
        }
        let ty = scalar.ty(&self.columns)?;
        Ok(self.define(q, name.to_owned(), &ty, Definition::Computed(scalar)))
    }

    /// Columns that an expression reads, those of subqueries' outer references included.
    pub(super) fn columns_in(&self, scalar: &Scalar) -> Vec<ColumnId> {
        let mut found = Vec::new();
        super::finish::columns_of(crate::plan::Node::Scalar(scalar), &mut found);
        found
    }

    /// Reads an aggregate of the query.
    pub(super) fn contains_aggregate(&self, q: QueryId, scalar: &Scalar) -> bool {
        !self.definitions.is_empty()
            && self.any_definition(q, &self.columns_in(scalar), &|d| {
                matches!(d, Definition::Aggregate(_))
            })
    }

    /// Reads a window function of the query.
    pub(super) fn contains_window(&self, q: QueryId, scalar: &Scalar) -> bool {
        !self.definitions.is_empty()
            && self.any_definition(q, &self.columns_in(scalar), &|d| {
                matches!(d, Definition::Window { .. })
            })
    }

    /// Whether one of the columns, or what they are computed from, is defined so.
    pub(super) fn any_definition(
        &self,
        q: QueryId,
        columns: &[ColumnId],
        test: &dyn Fn(&Definition) -> bool,
    ) -> bool {
        columns.iter().any(|id| match self.definitions.get(id) {
            Some((owner, definition)) if *owner == q => {
                test(definition)
                    || match definition {
                        Definition::Computed(scalar) => {
                            self.any_definition(q, &self.columns_in(scalar), test)
                        }
                        _ => false,
                    }
            }
            _ => false,
        })
    }
}
