//! `add()`, `remove()` and `clear()` of a relation, where one statement says it.

use super::Evaluator;
use super::args::Args;
use super::member::no_attribute;
use super::queryset::{Related, RelatedKind, Rows};
use super::value::{Py, type_error};
use crate::error::{Error, Result};
use crate::queryset::{Call, Do, Expr, Insert, Q, Value};
use crate::schema::{Field, ModelId};

impl Evaluator<'_> {
    /// A change of the rows that an instance is related to.
    pub(super) fn change_relation(&mut self, rows: Rows, name: &str, args: Args) -> Result<Py> {
        let Some(Related { instance, kind }) = rows.related.clone() else {
            return Err(self.no_method(&rows, name));
        };
        let mut keys = Vec::new();
        for (value, span) in args.only_positional(name)? {
            let key = value.literal().ok_or_else(|| {
                type_error(format!(
                    "{name}() takes stored instances or their keys, not {}",
                    value.describe()
                ))
                .with_span(span)
            })?;
            keys.push(key);
        }
        let schema = self.schema()?;
        let pk = Self::stored(&instance)?;
        match kind {
            RelatedKind::Many {
                through,
                source,
                target,
            } => {
                let ends = (schema.field(source)?, schema.field(target)?);
                self.change_links(through, ends, pk, name, keys)
            }
            RelatedKind::Reverse(field) => {
                self.change_owners(rows, schema.field(field)?, pk, name, keys)
            }
            RelatedKind::Generic(_) => Err(several(name)),
        }
    }

    /// Many-to-many: documents of the intermediate model.
    fn change_links(
        &self,
        through: ModelId,
        (source, target): (&Field, &Field),
        pk: Value,
        name: &str,
        keys: Vec<Value>,
    ) -> Result<Py> {
        let links = Rows::new(through, &self.schema()?.model(through)?.label);
        let (source, target) = (&source.name, &target.name);
        match name {
            "add" => {
                let inserted = keys
                    .into_iter()
                    .map(|key| {
                        [(source.clone(), pk.clone()), (target.clone(), key)]
                            .into_iter()
                            .collect()
                    })
                    .collect();
                Ok(self.done(
                    &links,
                    Do::Insert(Insert {
                        rows: inserted,
                        ignore_conflicts: true,
                        ..Insert::default()
                    }),
                ))
            }
            "remove" | "clear" => {
                let mut parts = vec![Q::lookup(source.clone(), Expr::Value(pk))];
                if name == "remove" {
                    parts.push(Q::lookup(
                        format!("{target}__in"),
                        Expr::Value(Value::List(keys)),
                    ));
                }
                let links = links.with(Call::Filter(Q::And(parts)));
                Ok(self.done(&links, Do::Delete))
            }
            _ => Err(several(name)),
        }
    }

    /// The other side of a foreign key: the rows that hold it.
    fn change_owners(
        &self,
        rows: Rows,
        field: &Field,
        pk: Value,
        name: &str,
        keys: Vec<Value>,
    ) -> Result<Py> {
        let given = || {
            Call::Filter(Q::And(vec![Q::lookup(
                "pk__in",
                Expr::Value(Value::List(keys)),
            )]))
        };
        let (rows, value) = match name {
            "add" => (Rows::new(rows.model, &rows.label).with(given()), pk),
            "remove" | "clear" if !field.null() => {
                return Err(no_attribute("'RelatedManager' object", name)
                    .with_hint(format!("'{}' cannot be null", field.name)));
            }
            "remove" => (rows.with(given()), Value::Null),
            "clear" => (rows, Value::Null),
            _ => return Err(several(name)),
        };
        let values = [(field.name.clone(), Expr::Value(value))]
            .into_iter()
            .collect();
        Ok(self.done(&rows, Do::Update(values)))
    }
}

fn several(name: &str) -> Error {
    Error::unsupported(
        format!("{name}() of this relation"),
        "it takes several statements",
    )
}
