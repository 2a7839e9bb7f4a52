//! Transforms in lookup paths: registered ones, keys of JSON, fields of embedded documents.

use super::{Binder, Bound};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result};
use crate::functions::Call;
use crate::plan::{ArrayFact, Column, JsonStep, Origin, Scalar};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, StorageFamily};
use std::sync::Arc;

impl Binder<'_> {
    /// A transform by its name in a path: a registered one, a JSON key, an embedded field, an array index.
    pub(super) fn try_transform(
        &mut self,
        lhs: Bound,
        name: &str,
        lookups: &[&str],
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
            StorageFamily::EmbeddedArray | StorageFamily::Array if lhs.relation.is_none() => {
                if let Some(bound) = self.element_values(&lhs, name)? {
                    return Ok(bound);
                }
            }
            _ => {}
        }
        let kind = match &lhs.relation {
            Some(relation) => self.schema.field(relation.by.field)?.ty.kind.name(),
            None => lhs.ty.kind.name(),
        };
        let unsupported = match lookups.iter().position(|l| *l == name) {
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
        let Some(inner) = self.inner_field(&lhs.ty.models, name)? else {
            return Ok(None);
        };
        if let Scalar::Column(id) = lhs.scalar
            && let around = self.columns.get(id)?
            && let Origin::Stored { source, path, .. } = &around.origin
        {
            let nullable = around.nullable || !inner.required;
            let (source, path) = (*source, path.then(&inner.key));
            let array = match inner.ty.kind.family() {
                StorageFamily::Json | StorageFamily::Geo => ArrayFact::Maybe,
                StorageFamily::Array | StorageFamily::EmbeddedArray => ArrayFact::Yes,
                _ => ArrayFact::No,
            };
            let column = Column {
                name: path.dotted().into(),
                ty: inner.ty.clone(),
                nullable,
                array,
                origin: Origin::Stored {
                    source,
                    path: path.clone(),
                    field: Some(inner.reference),
                },
            };
            let id = self.columns.stored(source, &path, || column);
            return Ok(Some(Bound {
                scalar: Scalar::Column(id),
                ty: inner.ty,
                relation: None,
                field: Some(inner.reference),
            }));
        }
        self.inner_value("EmbeddedValue", lhs, &inner.key, inner.ty)
            .map(Some)
    }

    /// A field of every element of an array of embedded documents: an array of its values.
    fn element_values(&mut self, lhs: &Bound, name: &str) -> Result<Option<Bound>> {
        // After a field that is a document itself: the models of those documents.
        let (models, always) = match &lhs.ty.base {
            Some(base) if base.kind.family() == StorageFamily::Embedded => {
                (&base.models, !base.null)
            }
            Some(_) => return Ok(None),
            None => (&lhs.ty.models, true),
        };
        let Some(inner) = self.inner_field(models, name)? else {
            return Ok(None);
        };
        let mut ty = FieldType::new(FieldKind::ArrayField);
        let mut base = inner.ty;
        if inner.required && always {
            Arc::make_mut(&mut base).null = false;
        }
        ty.base = Some(base);
        ty.null = true;
        self.inner_value("ElementValues", lhs, &inner.key, Arc::new(ty))
            .map(Some)
    }

    /// A call that reads a key; keys of keys are one path.
    fn inner_value(
        &mut self,
        function: &str,
        lhs: &Bound,
        key: &str,
        ty: Arc<FieldType>,
    ) -> Result<Bound> {
        let (arg, path) = match &lhs.scalar {
            Scalar::Call(call)
                if call.function == function
                    && let ([arg], Some(Value::Str(path))) =
                        (call.args.as_slice(), call.options.get("path")) =>
            {
                (self.typed(arg.clone())?, format!("{path}.{key}"))
            }
            _ => (lhs.clone(), key.to_owned()),
        };
        let mut call = Call::new(function, [Self::arg(&arg)]);
        call.options.insert("path".to_owned(), Value::Str(path));
        call.output = Some(ty);
        let scalar = self.registry.resolve(call, &self.context())?;
        self.typed(scalar)
    }
}
