//! Transforms in lookup paths: registered ones, keys of JSON, fields of embedded documents.

use super::{Binder, Bound};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result};
use crate::plan::{ArrayFact, Column, JsonStep, Origin, Scalar};
use crate::schema::{FieldKind, FieldType, StorageFamily};
use std::sync::Arc;

impl Binder<'_> {
    /// A transform by its name in a path: a registered one, a JSON key, an embedded field, an array index.
    pub(super) fn try_transform(
        &mut self,
        lhs: Bound,
        name: &str,
        lookups: &[String],
    ) -> Result<Bound> {
        if lhs.relation.is_none()
            && let Some(transform) = self
                .registry
                .transform(&lhs.ty, name, self.schema.settings())
        {
            let scalar = transform.apply(Self::arg(&lhs), self.registry, &self.context())?;
            return self.typed(scalar);
        }
        match lhs.ty.kind.family() {
            StorageFamily::Json if lhs.relation.is_none() => {
                let step = match name.parse::<i64>() {
                    Ok(index) => JsonStep::Index(index),
                    Err(_) => JsonStep::Key(name.to_owned()),
                };
                let scalar = match lhs.scalar {
                    Scalar::Json {
                        base,
                        mut steps,
                        text,
                    } => {
                        steps.push(step);
                        Scalar::Json { base, steps, text }
                    }
                    base => Scalar::Json {
                        base: Box::new(base),
                        steps: vec![step],
                        text: false,
                    },
                };
                let mut ty = FieldType::new(FieldKind::JSONField);
                ty.null = true;
                return Ok(Bound::of(scalar, Arc::new(ty)));
            }
            StorageFamily::Embedded if lhs.relation.is_none() => {
                if let Some(bound) = self.embedded_field(&lhs, name)? {
                    return Ok(bound);
                }
            }
            _ => {}
        }
        let kind = match &lhs.relation {
            Some(relation) => self.schema.field(relation.by.field)?.ty.kind.name(),
            None => lhs.ty.kind.name(),
        };
        let unsupported = match lookups.iter().position(|l| l == name) {
            Some(i) => lookups.get(i..).unwrap_or(&[]).join("__"),
            None => name.to_owned(),
        };
        let lookups = self.registry.lookup_names(Self::left_side(&lhs));
        let mut choices: Vec<String> = lookups.map(str::to_owned).collect();
        for label in &lhs.ty.models {
            choices.extend(self.schema.find(label)?.names.keys().cloned());
        }
        choices.extend(
            self.registry
                .transform_names(&lhs.ty, self.schema.settings()),
        );
        // A name after a relation was more probably meant as a field than as a lookup.
        let mut meant: Vec<&str> = choices.iter().map(String::as_str).collect();
        if let Some(relation) = &lhs.relation
            && let Some(to) = self.schema.field(relation.by.field)?.to
            && !relation.by.reverse
        {
            meant.extend(self.schema.model(to)?.names.keys().map(String::as_str));
        }
        let hint = closest(name, meant).map(|choice| format!("did you mean '{choice}'?"));
        let error = Error::new(
            Code::UnsupportedLookup,
            format!(
                "Unsupported lookup '{unsupported}' for {kind} or join on the field not permitted"
            ),
        )
        .with_choices(choices);
        Err(match hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        })
    }

    /// A field of an embedded document.
    pub(super) fn embedded_field(&mut self, lhs: &Bound, name: &str) -> Result<Option<Bound>> {
        let Scalar::Column(id) = lhs.scalar else {
            return Ok(None);
        };
        let Origin::Stored { source, path, .. } = self.columns.get(id)?.origin.clone() else {
            return Ok(None);
        };
        for label in &lhs.ty.models {
            let model = self.schema.find(label)?;
            for reference in &model.all_fields {
                let field = self.schema.field(*reference)?;
                if (field.name == name || field.attname == name) && field.is_concrete() {
                    let path = path.then(&field.column);
                    let mut ty = (*self.schema.key_target(*reference)?.ty).clone();
                    ty.null = true;
                    let ty = Arc::new(ty);
                    let array = match ty.kind.family() {
                        StorageFamily::Json | StorageFamily::Geo => ArrayFact::Maybe,
                        StorageFamily::Array | StorageFamily::EmbeddedArray => ArrayFact::Yes,
                        _ => ArrayFact::No,
                    };
                    let column = Column {
                        name: path.dotted().into(),
                        ty: ty.clone(),
                        nullable: true,
                        array,
                        origin: Origin::Stored {
                            source,
                            path: path.clone(),
                            field: Some(*reference),
                        },
                    };
                    let id = self.columns.stored(source, &path, || column);
                    return Ok(Some(Bound {
                        scalar: Scalar::Column(id),
                        ty,
                        relation: None,
                        field: Some(*reference),
                    }));
                }
            }
        }
        Ok(None)
    }
}
