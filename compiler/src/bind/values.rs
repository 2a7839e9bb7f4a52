//! `values()` and `values_list()`: what is selected, and what is grouped by then.

use super::query::{GroupBy, QueryId, Rows, SelectRelated, Selected};
use super::{Binder, Definition};
use crate::error::{Code, Error, Result};
use crate::plan::Scalar;
use crate::queryset::ValuesFields;
use indexmap::IndexSet;

impl Binder<'_> {
    /// `GROUP BY` of what is selected now (Django's `set_group_by`).
    pub(super) fn group_keys(&self, q: QueryId) -> Result<Vec<Scalar>> {
        let query = self.q(q)?;
        let mut keys: Vec<Scalar> = query.select.iter().map(|s| s.scalar.clone()).collect();
        for (_, annotation) in query.selected_annotations() {
            keys.extend(self.group_columns(q, &annotation.scalar));
        }
        Ok(keys)
    }

    /// What an expression contributes to `GROUP BY`: itself, or of an aggregate the columns beside it.
    pub(super) fn group_columns(&self, q: QueryId, scalar: &Scalar) -> Vec<Scalar> {
        match scalar {
            Scalar::Literal(_) => Vec::new(),
            Scalar::Column(id) => match self.definitions.get(id) {
                Some((owner, Definition::Aggregate(_))) if *owner == q => Vec::new(),
                Some((
                    owner,
                    Definition::Window {
                        partition, order, ..
                    },
                )) if *owner == q => {
                    let mut keys = Vec::new();
                    for part in partition.iter().chain(order.iter().map(|k| &k.scalar)) {
                        keys.extend(self.group_columns(q, part));
                    }
                    keys
                }
                Some((owner, Definition::Computed(inner)))
                    if *owner == q
                        && (self.contains_aggregate(q, inner)
                            || self.contains_window(q, inner)) =>
                {
                    let mut keys = Vec::new();
                    for column in self.columns_in(inner) {
                        keys.extend(self.group_columns(q, &Scalar::Column(column)));
                    }
                    keys
                }
                // Defined in a subquery, or around.
                Some((owner, _)) if *owner != q => Vec::new(),
                // Of another query: what a subquery computes for itself.
                Some((owner, _)) if *owner != q => Vec::new(),
                _ => {
                    let of_query = self.columns.source_of(*id).is_none_or(|source| {
                        self.q(q)
                            .is_ok_and(|query| query.aliases.iter().any(|a| a.source == source))
                    });
                    if of_query {
                        vec![scalar.clone()]
                    } else {
                        Vec::new()
                    }
                }
            },
            Scalar::List(parts) => parts
                .iter()
                .flat_map(|p| self.group_columns(q, p))
                .collect(),
            other => {
                let mut keys = Vec::new();
                for column in self.columns_in(other) {
                    keys.extend(self.group_columns(q, &Scalar::Column(column)));
                }
                keys
            }
        }
    }

    pub(super) fn values(&mut self, q: QueryId, fields: &ValuesFields, rows: Rows) -> Result<()> {
        let mut names = fields.fields.clone();
        if !fields.exprs.is_empty() {
            // Expressions are annotations of the rows as they were before.
            self.annotations(q, &fields.exprs, true, "annotate")?;
            for name in fields.exprs.keys() {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        let query = self.q_mut(q)?;
        query.rows = rows;
        query.value_names.clone_from(&names);
        self.set_values(q, &names)
    }

    /// Django's `set_values`.
    pub(super) fn set_values(&mut self, q: QueryId, names: &[String]) -> Result<()> {
        let query = self.q_mut(q)?;
        query.select_related = SelectRelated::None;
        query.deferred.clear();
        query.defer = true;
        let grouped = query.group_by.clone();
        if !names.is_empty() {
            // What is no longer selected is not grouped by either.
            let mask: IndexSet<String> = names
                .iter()
                .filter(|name| query.selects(name))
                .cloned()
                .collect();
            query.mask = Some(mask);
        }
        if grouped == GroupBy::Model {
            self.q_mut(q)?.select.clear();
            let columns = self.default_attnames(q)?;
            self.select_fields(q, &columns)?;
            let keys = self.group_keys(q)?;
            self.q_mut(q)?.group_by = GroupBy::Keys(keys);
        }
        self.q_mut(q)?.select.clear();
        if names.is_empty() {
            let columns = self.default_attnames(q)?;
            self.select_fields(q, &columns)?;
            let query = self.q_mut(q)?;
            query.default_columns = false;
            query.selected = None;
            return Ok(());
        }
        self.set_selection(q, names)
    }

    /// Selects fields and annotations by name.
    pub(super) fn set_selection(&mut self, q: QueryId, names: &[String]) -> Result<()> {
        let mut fields = Vec::new();
        let mut mask = IndexSet::new();
        for name in names {
            super::annotation::check_alias(name)?;
            let query = self.q(q)?;
            if query.selects(name) || query.mask.as_ref().is_some_and(|m| m.contains(name)) {
                mask.insert(name.clone());
            } else if query.annotations.contains_key(name) {
                return Err(Error::new(
                    Code::FieldError,
                    format!("Cannot select the '{name}' alias. Use annotate() to promote it."),
                ));
            } else {
                fields.push(name.clone());
            }
        }
        let query = self.q_mut(q)?;
        query.default_columns = false;
        query.select.clear();
        query.selected = Some(names.to_vec());
        // Names are resolved while the other annotations are still choices.
        self.select_fields(q, &fields)?;
        self.q_mut(q)?.mask = Some(mask);
        Ok(())
    }

    pub(super) fn select_fields(&mut self, q: QueryId, names: &[String]) -> Result<()> {
        for name in names {
            let bound = self.select_path(q, name)?;
            let scalar = match bound.scalar {
                Scalar::List(_) | Scalar::Column(_) => bound.scalar,
                other => Scalar::Column(self.as_column(q, name, other)?),
            };
            self.q_mut(q)?.select.push(Selected {
                name: name.clone(),
                scalar,
            });
        }
        Ok(())
    }

    /// Raw names of all stored fields, parents' first.
    pub(super) fn default_attnames(&self, q: QueryId) -> Result<Vec<String>> {
        let model = self.schema.model(self.q(q)?.model)?;
        let mut names = Vec::with_capacity(model.all_fields.len());
        for field in &model.all_fields {
            let field = self.schema.field(*field)?;
            if field.is_concrete() {
                names.push(field.attname.to_string());
            }
        }
        Ok(names)
    }
}
