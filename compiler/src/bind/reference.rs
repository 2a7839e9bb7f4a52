//! Columns of fields.

use super::path::FinalField;
use super::query::{AliasId, JoinField, QueryId};
use super::{Binder, Bound, Relation};
use crate::error::{Code, Error, Result};
use crate::plan::{ArrayFact, Column, ColumnId, Origin, Scalar, SourceId};
use crate::schema::{FieldRef, FieldType, StorageFamily};

impl Binder<'_> {
    /// The column of a field in a source.
    pub(super) fn column(&mut self, source: SourceId, field: FieldRef) -> Result<ColumnId> {
        let f = self.schema.field(field)?;
        if !f.is_concrete() {
            return Err(Error::new(
                Code::FieldError,
                format!("field {:?} stores no value of its own", f.name),
            ));
        }
        if let Some(known) = self.columns.find_stored(source, &f.column) {
            return Ok(known);
        }
        let target = self.schema.key_target(field)?;
        let ty = if target.ty.null == f.null() {
            std::sync::Arc::clone(&target.ty)
        } else {
            let mut ty: FieldType = (*target.ty).clone();
            ty.null = f.null();
            std::sync::Arc::new(ty)
        };
        let array = match ty.kind.family() {
            StorageFamily::Json | StorageFamily::Geo => ArrayFact::Maybe,
            StorageFamily::Array | StorageFamily::EmbeddedArray => ArrayFact::Yes,
            _ => ArrayFact::No,
        };
        let column = Column {
            name: f.attname.clone(),
            nullable: ty.null && !f.primary_key,
            ty,
            array,
            origin: Origin::Stored {
                source,
                path: f.path.clone(),
                field: Some(field),
            },
        };
        Ok(self.columns.add(column))
    }

    /// A field of an alias as a value; a composite key gives a list.
    pub(super) fn field_scalar(
        &mut self,
        q: QueryId,
        alias: AliasId,
        field: FieldRef,
    ) -> Result<Scalar> {
        let source = self.q(q)?.alias(alias)?.source;
        let parts = self.unnest(field)?;
        if let [only] = parts
            && *only == field
        {
            return Ok(Scalar::Column(self.column(source, field)?));
        }
        let mut list = Vec::with_capacity(parts.len());
        for part in parts {
            list.push(Scalar::Column(self.column(source, *part)?));
        }
        Ok(Scalar::List(list))
    }

    /// The value of a field with what lookups must know of it.
    pub(super) fn field_bound(
        &mut self,
        q: QueryId,
        alias: AliasId,
        targets: &[FieldRef],
        end: Option<FinalField>,
    ) -> Result<Bound> {
        let scalar = match targets {
            [one] => self.field_scalar(q, alias, *one)?,
            many => {
                let mut list = Vec::with_capacity(many.len());
                for target in many {
                    list.push(self.field_scalar(q, alias, *target)?);
                }
                Scalar::List(list)
            }
        };
        let ty = scalar.ty(&self.columns)?;
        let relation = match end {
            Some(FinalField::Relation(by)) => Some(self.relation_of(by)?),
            _ => None,
        };
        Ok(Bound {
            scalar,
            ty,
            relation,
            field: targets.first().copied(),
        })
    }

    pub(super) fn relation_of(&self, by: JoinField) -> Result<Relation> {
        let path = self.path_infos(by)?;
        let last = path
            .last()
            .ok_or_else(|| Error::internal("relation without path"))?;
        Ok(Relation {
            targets: last.targets.clone(),
            by,
        })
    }
}
