//! `select_related()`, `defer()` and `only()`: what is loaded.

use super::Binder;
use super::query::{QueryId, RelatedTree, Rows, SelectRelated};
use crate::error::{Code, Error, Result};
use indexmap::IndexSet;

/// Most names of a path that becomes a tree.
const MAX_NAMES: usize = 100;

impl Binder<'_> {
    pub(super) fn select_related(&mut self, q: QueryId, paths: Option<&[String]>) -> Result<()> {
        self.refuse_combined(q, "select_related")?;
        check_lengths(paths.unwrap_or_default())?;
        let query = self.q_mut(q)?;
        if query.rows != Rows::Model {
            return Err(Error::new(
                Code::TypeError,
                "Cannot call select_related() after .values() or .values_list()",
            ));
        }
        match paths {
            None => query.select_related = SelectRelated::None,
            Some([]) => query.select_related = SelectRelated::All,
            Some(paths) => {
                let mut tree = match &query.select_related {
                    SelectRelated::Paths(tree) => tree.clone(),
                    _ => RelatedTree::default(),
                };
                for path in paths {
                    let mut at = &mut tree;
                    for name in path.split("__") {
                        at = at.0.entry(name.to_owned()).or_default();
                    }
                }
                query.select_related = SelectRelated::Paths(tree);
            }
        }
        Ok(())
    }

    pub(super) fn defer(&mut self, q: QueryId, fields: Option<&[String]>) -> Result<()> {
        self.refuse_combined(q, "defer")?;
        check_lengths(fields.unwrap_or_default())?;
        let query = self.q_mut(q)?;
        if query.rows != Rows::Model {
            return Err(Error::new(
                Code::TypeError,
                "Cannot call defer() after .values() or .values_list()",
            ));
        }
        let Some(fields) = fields else {
            query.deferred.clear();
            query.defer = true;
            return Ok(());
        };
        if query.defer {
            query.deferred.extend(fields.iter().cloned());
            return Ok(());
        }
        let left: IndexSet<String> = query
            .deferred
            .iter()
            .filter(|f| !fields.contains(f))
            .cloned()
            .collect();
        if left.is_empty() {
            let only: IndexSet<String> = fields
                .iter()
                .filter(|f| !query.deferred.contains(*f))
                .cloned()
                .collect();
            query.deferred = only;
            query.defer = true;
        } else {
            query.deferred = left;
        }
        Ok(())
    }

    pub(super) fn only(&mut self, q: QueryId, fields: &[String]) -> Result<()> {
        self.refuse_combined(q, "only")?;
        check_lengths(fields)?;
        let model = self.q(q)?.model;
        let pk = self.schema.model(model)?.pk;
        let pk = self.schema.field(pk)?.name.clone();
        let query = self.q_mut(q)?;
        if query.rows != Rows::Model {
            return Err(Error::new(
                Code::TypeError,
                "Cannot call only() after .values() or .values_list()",
            ));
        }
        for field in fields {
            let first = field.split("__").next().unwrap_or(field);
            if query.filtered_relations.contains_key(first) {
                return Err(Error::new(
                    Code::ValueError,
                    "only() is not supported with FilteredRelation.",
                ));
            }
        }
        let fields: IndexSet<String> = fields
            .iter()
            .map(|f| if f == "pk" { pk.clone() } else { f.clone() })
            .collect();
        query.deferred = if query.defer {
            fields
                .into_iter()
                .filter(|f| !query.deferred.contains(f))
                .collect()
        } else {
            fields
        };
        query.defer = false;
        Ok(())
    }
}

/// Trees of related objects are as deep as their paths are long.
pub(super) fn check_lengths(paths: &[String]) -> Result<()> {
    if paths
        .iter()
        .any(|path| path.split("__").count() > MAX_NAMES)
    {
        return Err(Error::new(
            Code::Limit,
            format!("a path has more than {MAX_NAMES} names"),
        ));
    }
    Ok(())
}
