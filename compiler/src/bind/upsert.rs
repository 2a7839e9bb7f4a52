//! `get()`, and what begins with it: `get_or_create()` and `update_or_create()`.

use indexmap::IndexMap;

use super::Binder;
use super::query::{QueryId, Rows};
use crate::error::{Code, Error, Result};
use crate::plan::{Assignment, Conflict, Insertion, Rel, Scalar, Terminal, Upsert};
use crate::queryset::{Expr, Q, Value};
use crate::schema::{Model, NameTarget};

/// Rows that `get()` reads at most, to say how many there are (Django's `MAX_GET_RESULTS`).
const MAX_GET_RESULTS: u64 = 21;

/// A `get_or_create()` or an `update_or_create()`.
pub(super) struct Asked<'a> {
    /// The name of the method.
    pub method: &'static str,
    /// Which row.
    pub condition: &'a Q,
    /// What a row that is there is set to.
    pub update: Option<&'a IndexMap<String, Value>>,
    /// Further values of a row that is made.
    pub create: &'a IndexMap<String, Value>,
    /// What the statement calls them.
    pub create_name: &'static str,
}

impl Binder<'_> {
    /// The rows of `get()`: in no order, and not many more than the only one.
    pub(super) fn only_row(&mut self, q: QueryId) -> Result<()> {
        let query = self.q_mut(q)?;
        if !query.is_sliced() && query.distinct_fields.is_empty() && query.combined.is_none() {
            query.clear_ordering(false, true);
        }
        query.set_limits(None, Some(MAX_GET_RESULTS));
        Ok(())
    }

    /// The row that is there, or what to make where none is.
    pub(super) fn upserted(&mut self, q: QueryId, asked: &Asked<'_>) -> Result<(Rel, Terminal)> {
        self.refuse_combined(q, asked.method)?;
        self.filter(q, asked.condition, false, "filter")
            .map_err(|e| e.inside("where"))?;
        self.only_row(q)?;
        if asked.update.is_some() && self.q(q)?.rows != Rows::Model {
            let message = format!(
                "{}() sets fields of an object, not of values()",
                asked.method
            );
            return Err(Error::new(Code::TypeError, message));
        }
        let model = self.schema.model(self.q(q)?.model)?;
        let insertion = self
            .made(model, asked)
            .map_err(|e| e.inside(asked.create_name))?;
        let alias = self.initial_alias(q)?;
        let source = self.q(q)?.alias(alias)?.source;
        let key = self.document_key(source, model.concrete)?;
        let assignments = match asked.update {
            Some(values) if !values.is_empty() => {
                let values = self
                    .set_to(q, model, values)
                    .map_err(|e| e.inside("defaults"))?;
                vec![Assignment {
                    collection: insertion.collection.clone(),
                    key: Scalar::Column(key),
                    values,
                }]
            }
            _ => Vec::new(),
        };
        let (rel, output) = self.rows_with(q, &[Scalar::Column(key)])?;
        let fresh = self.new_query(model.id, None);
        let selection = self.selection(fresh)?;
        let stored = self.nodes(fresh, selection)?;
        let upsert = Upsert {
            source,
            output,
            key,
            assignments,
            insertion,
            stored,
        };
        Ok((rel, Terminal::Upsert(Box::new(upsert))))
    }

    /// The document of a new row: what the condition says of it by plain equalities, and the defaults.
    fn made(&mut self, model: &Model, asked: &Asked<'_>) -> Result<Insertion> {
        let concrete = self.schema.model(model.concrete)?;
        if !concrete.parents.is_empty() {
            return Err(Error::unsupported(
                format!("{}() of a model with parents", asked.method),
                "its rows are stored in several collections",
            ));
        }
        let mut row = IndexMap::new();
        named_values(asked.condition, &mut row);
        for (name, value) in asked.create {
            row.insert(name.clone(), value.clone());
        }
        let known = |name: &str| {
            name == "pk" || matches!(model.names.get(name), Some(NameTarget::Field(_)))
        };
        let mut invalid: Vec<String> = row
            .keys()
            .filter(|name| !known(name))
            .map(|name| format!("'{name}'"))
            .collect();
        if !invalid.is_empty() {
            invalid.sort();
            let message = format!(
                "Invalid field name(s) for model {}: {}.",
                model.name(),
                invalid.join(", ")
            );
            return Err(Error::new(Code::FieldError, message));
        }
        let mut insertion = self.insertion(model, Conflict::Fail)?;
        insertion.documents.push(self.new_document(model, &row)?);
        Ok(insertion)
    }

    /// What the columns of a document are set to.
    fn set_to(
        &mut self,
        q: QueryId,
        model: &Model,
        values: &IndexMap<String, Value>,
    ) -> Result<Vec<(String, Scalar)>> {
        let mut out = Vec::with_capacity(values.len());
        for (name, value) in values {
            let field = self.stored_field(model, name)?;
            if field.primary_key || !field.is_concrete() {
                return Err(Error::unsupported(
                    format!("setting {name:?}"),
                    "a document's _id cannot change",
                )
                .at(name));
            }
            let expr = match value {
                Value::Expr(expr) => (**expr).clone(),
                value => Expr::Value(value.clone()),
            };
            let value = self.assigned(q, field, &expr).map_err(|e| e.inside(name))?;
            out.push((field.column.to_string(), value));
        }
        Ok(out)
    }
}

/// The values of a new row that a condition names: `name=value` without a lookup, where all must hold.
fn named_values(condition: &Q, row: &mut IndexMap<String, Value>) {
    match condition {
        Q::And(parts) => parts.iter().for_each(|part| named_values(part, row)),
        Q::Lookup { path, rhs } if !path.contains("__") => {
            let value = match rhs {
                Expr::Value(value) => value.clone(),
                expr => Value::Expr(Box::new(expr.clone())),
            };
            row.insert(path.clone(), value);
        }
        _ => {}
    }
}
