//! Writes: `update()`.

use std::sync::Arc;

use indexmap::IndexMap;

use super::query::{GroupBy, QueryId};
use super::{Binder, Resolve};
use crate::error::{Code, Error, Result};
use crate::plan::{ColumnId, Literal, Node, Rel, Scalar, SourceId, Terminal};
use crate::queryset::{Expr, Value};
use crate::schema::{Field, NameTarget};

impl Binder<'_> {
    /// `update(...)`: the rows, and what their documents are set to.
    pub(super) fn updated(
        &mut self,
        q: QueryId,
        values: &IndexMap<String, Expr>,
    ) -> Result<(Rel, Terminal)> {
        let query = self.q(q)?;
        if query.is_sliced() {
            let message = "Cannot update a query once a slice has been taken.";
            return Err(Error::new(Code::TypeError, message));
        }
        if !query.distinct_fields.is_empty() {
            let message = "Cannot call update() after .distinct(*fields).";
            return Err(Error::new(Code::TypeError, message));
        }
        if query.combined.is_some() {
            let message =
                "Calling QuerySet.update() after a combination of querysets is not supported.";
            return Err(Error::new(Code::NotSupported, message));
        }
        if query.group_by != GroupBy::None {
            return Err(later(
                "update() of grouped rows",
                "the rows are no documents",
            ));
        }
        let model = self.schema.model(query.model)?.clone();
        if !model.parents.is_empty() {
            return Err(later(
                "update() of a model with parents",
                "its rows live in several collections",
            ));
        }
        self.q_mut(q)?.clear_ordering(true, true);
        let alias = self.initial_alias(q)?;
        let source = self.q(q)?.alias(alias)?.source;
        let mut assignments = Vec::new();
        for (name, expr) in values {
            let field = match model.names.get(name) {
                Some(NameTarget::Field(id)) => self.schema.field(*id)?.clone(),
                Some(NameTarget::Reverse(_)) => return Err(not_updatable(name)),
                None => {
                    let message =
                        format!("{} has no field named '{name}'", model_name(&model.label));
                    return Err(Error::new(Code::FieldDoesNotExist, message));
                }
            };
            if !field.is_concrete() || field.is_multi_valued() {
                return Err(not_updatable(name));
            }
            if field.primary_key {
                return Err(later(
                    "update() of a primary key",
                    "a document's _id cannot change",
                ));
            }
            let value = self
                .assigned(q, source, &field, expr)
                .map_err(|e| e.inside(name).inside("update").inside("do"))?;
            assignments.push((field.column.clone(), value));
        }
        let mut select = Vec::new();
        for part in self.unnest(model.pk)? {
            select.push(Scalar::Column(self.column(source, part)?));
        }
        select.extend(assignments.iter().map(|(_, scalar)| scalar.clone()));
        let rel = self.finish_rows(q, &select)?;
        Ok((
            rel,
            Terminal::Update {
                assignments: vec![(source, assignments)],
            },
        ))
    }

    fn assigned(
        &mut self,
        q: QueryId,
        source: SourceId,
        field: &Field,
        expr: &Expr,
    ) -> Result<Scalar> {
        let ty = self.key_type(&field.ty)?;
        if let Expr::Value(value) = expr {
            if matches!(value, Value::Expr(_)) {
                return Err(later("a computed value", "only literals are stored so far"));
            }
            let value = self.store(&ty, &self.prepare(&ty, value)?)?;
            return Ok(Scalar::Literal(Literal {
                value,
                ty: Arc::new(ty),
            }));
        }
        let mut cx = Resolve {
            allow_joins: false,
            ..Resolve::annotation()
        };
        let scalar = match (self.resolve(q, expr, &mut cx), expr) {
            // What an operation gives is asked for only where nothing else says it: here the field does.
            (Err(e), Expr::Combined { .. }) if e.code() == Code::FieldError => {
                let typed = Expr::Wrap {
                    expr: Box::new(expr.clone()),
                    output: Box::new(ty.clone()),
                };
                self.resolve(q, &typed, &mut cx)
            }
            (resolved, _) => resolved,
        }?
        .scalar;
        let mut columns: Vec<ColumnId> = Vec::new();
        super::finish::columns_of(Node::Scalar(&scalar), &mut columns);
        if columns
            .iter()
            .any(|id| self.columns.source_of(*id) != Some(source))
        {
            return Err(later(
                "a value that is not computed from the row's own columns",
                "an update reads only the document that it changes",
            ));
        }
        Ok(scalar)
    }
}

fn later(what: &str, because: &str) -> Error {
    Error::unsupported(what, because).at("/do")
}

fn not_updatable(name: &str) -> Error {
    let message = format!(
        "Cannot update model field {name} (only non-relations and foreign keys permitted)."
    );
    Error::new(Code::FieldError, message)
}

fn model_name(label: &str) -> &str {
    label.rsplit('.').next().unwrap_or(label)
}
