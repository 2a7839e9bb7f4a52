//! `bulk_update()`: documents by their keys, each set to its own values.

use indexmap::IndexMap;

use super::Binder;
use super::query::QueryId;
use crate::error::{Code, Error, Result};
use crate::plan::{self, Change, Rel, Terminal};
use crate::queryset::{BulkUpdate, Case, Expr, Q, Value, When};
use crate::schema::{Field, FieldKind, Model, NameTarget};

impl<'a> Binder<'a> {
    /// One update for each document where the rows are known by nothing but their keys and the values are literals. Else, as Django does it, one
    /// `update()` of the rows with these keys to a `Case()` for each field.
    pub(super) fn bulk_updated(
        &mut self,
        q: QueryId,
        restricted: bool,
        update: &BulkUpdate,
    ) -> Result<(Rel, Terminal)> {
        let model = self.schema.model(self.q(q)?.model)?;
        if update.fields.is_empty() {
            return Err(value_error("Field names must be given to bulk_update()."));
        }
        let mut fields = Vec::with_capacity(update.fields.len());
        for name in &update.fields {
            fields.push(self.set_field(model, name)?);
        }
        let mut keys: Vec<&Value> = Vec::with_capacity(update.rows.len());
        for (i, row) in update.rows.iter().enumerate() {
            match row.get("pk") {
                None | Some(Value::Null) => {
                    let message = "All bulk_update() objects must have a primary key set.";
                    return Err(value_error(message).inside(i).inside("rows"));
                }
                Some(key) => keys.push(key),
            }
        }
        let literal = !super::constant::has_expressions(&update.rows);
        if !restricted && literal && model.parents.is_empty() {
            let changes = self.changes(model, &fields, update, &keys)?;
            return Ok((Rel::Unit, Terminal::BulkUpdate(changes)));
        }
        self.filter(q, &any_of(&keys), false, "filter")
            .map_err(Error::elsewhere)?;
        let mut values = IndexMap::new();
        for (name, field) in update.fields.iter().zip(&fields) {
            let mut when = Vec::with_capacity(keys.len());
            for (row, key) in update.rows.iter().zip(&keys) {
                let then = match given(row, field) {
                    Some(Value::Expr(expr)) => (**expr).clone(),
                    Some(value) => Expr::Value(value.clone()),
                    None => return Err(without_value(field)),
                };
                when.push(When {
                    condition: Q::lookup("pk", Expr::Value((*key).clone())),
                    then,
                });
            }
            let case = Case {
                when,
                default: None,
                output: Some(Box::new(self.key_type(&field.ty)?)),
            };
            values.insert(name.clone(), Expr::Case(case));
        }
        // The fields of an update() that nobody wrote are no places.
        self.updated(q, &values).map_err(Error::elsewhere)
    }

    fn changes(
        &self,
        model: &Model,
        fields: &[&'a Field],
        update: &BulkUpdate,
        keys: &[&Value],
    ) -> Result<plan::BulkUpdate> {
        let concrete = self.schema.model(model.concrete)?;
        let mut changes: Vec<Change> = Vec::with_capacity(keys.len());
        let mut seen = std::collections::HashSet::new();
        for (i, (row, key)) in update.rows.iter().zip(keys).enumerate() {
            let at = |e: Error| e.inside(i).inside("rows");
            let key = self.key_columns(concrete, key).map_err(at)?;
            let mut change = Change {
                key,
                set: bson::Document::new(),
                unset: Vec::new(),
            };
            for field in fields {
                let column = field.column.to_string();
                let value = given(row, field).ok_or_else(|| at(without_value(field)))?;
                match self.stored_value(field, Some(value)).map_err(at)? {
                    Some(value) => {
                        change.set.insert(column, value);
                    }
                    None => change.unset.push(column),
                }
            }
            // The first of several with one key is meant: a Case() takes the first branch that fits.
            if seen.insert(change.key.to_string()) {
                changes.push(change);
            }
        }
        Ok(plan::BulkUpdate {
            collection: concrete.collection.to_string(),
            columns: fields.iter().map(|f| f.column.to_string()).collect(),
            changes,
        })
    }

    /// A key as the columns that hold it.
    fn key_columns(&self, model: &Model, key: &Value) -> Result<bson::Document> {
        let pk = self.schema.field(model.pk)?;
        let mut out = bson::Document::new();
        let mut add = |field: &Field, value: &Value| -> Result<()> {
            let ty = self.key_type(&field.ty)?;
            let value = self.store(&ty, &self.prepare(&ty, value)?)?;
            out.insert(field.column.to_string(), value);
            Ok(())
        };
        if pk.ty.kind != FieldKind::CompositePrimaryKey {
            add(pk, key)?;
            return Ok(out);
        }
        let Value::List(parts) = key else {
            return Err(value_error(
                "a composite primary key takes a list of values",
            ));
        };
        if parts.len() != pk.parts.len() {
            return Err(value_error("the key has not as many values as columns"));
        }
        for (part, value) in pk.parts.iter().zip(parts) {
            add(self.schema.field(*part)?, value)?;
        }
        Ok(out)
    }

    /// A field that `bulk_update()` may set (Django: `QuerySet.bulk_update`).
    fn set_field(&self, model: &Model, name: &str) -> Result<&'a Field> {
        if let Some(NameTarget::Reverse(_)) = model.names.get(name) {
            return Err(value_error(ONLY_CONCRETE));
        }
        let field = self.stored_field(model, name)?;
        if !field.is_concrete() || field.is_multi_valued() {
            return Err(value_error(ONLY_CONCRETE));
        }
        if field.primary_key {
            let message = "bulk_update() cannot be used with primary key fields.";
            return Err(value_error(message));
        }
        Ok(field)
    }
}

const ONLY_CONCRETE: &str = "bulk_update() can only be used with concrete fields.";

fn given<'r>(row: &'r IndexMap<String, Value>, field: &Field) -> Option<&'r Value> {
    row.get(&*field.name).or_else(|| row.get(&*field.attname))
}

fn any_of(keys: &[&Value]) -> Q {
    let keys = keys.iter().map(|key| (*key).clone()).collect();
    Q::lookup("pk__in", Expr::Value(Value::List(keys)))
}

fn without_value(field: &Field) -> Error {
    value_error(&format!("an object has no value for {:?}", field.name))
}

fn value_error(message: &str) -> Error {
    Error::new(Code::ValueError, message)
}
