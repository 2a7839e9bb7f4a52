//! Which columns of which related objects are loaded: `select_related()`, `defer()`, `only()`.

use indexmap::IndexMap;

use super::path::PathError;
use super::query::{AliasId, QueryId, RelatedTree, SelectRelated};
use super::{Binder, Bound};
use crate::error::{Code, Error, Result};
use crate::names::Name;
use crate::plan::{OutputNode, Scalar};
use crate::schema::{FieldKind, FieldRef, ModelId, NameTarget};

/// Where the objects of `select_related()` are, by path, for prefetches that start there.
pub(super) type RelatedPlaces = IndexMap<Vec<String>, (AliasId, ModelId)>;

/// Names of fields to leave out or to load alone, nested.
#[derive(Debug, Clone, Default)]
struct Mask(IndexMap<String, Mask>);

impl Mask {
    fn of<'a>(paths: impl Iterator<Item = &'a String>) -> Mask {
        let mut root = Mask::default();
        for path in paths {
            let mut at = &mut root;
            for name in path.split("__") {
                at = at.0.entry(name.to_owned()).or_default();
            }
        }
        root
    }
}

impl Binder<'_> {
    /// Refuses names of `only()` and `defer()` that lead nowhere, at any depth (Django: `Query.get_select_mask`).
    fn check_mask(&self, model: ModelId, mask: &Mask) -> Result<()> {
        let mut waiting = vec![(model, mask)];
        while let Some((model, mask)) = waiting.pop() {
            self.check_names(model, mask)?;
            let here = self.schema.model(model)?;
            for (name, inner) in mask.0.iter().filter(|(_, inner)| !inner.0.is_empty()) {
                let to = match here.names.get(name) {
                    Some(NameTarget::Field(field)) => self.schema.field(*field)?.to,
                    Some(NameTarget::Reverse(field)) => Some(field.model),
                    None => here
                        .related_objects
                        .iter()
                        .find(|r| r.accessor.as_deref() == Some(name))
                        .map(|r| r.model),
                };
                match to {
                    Some(to) => waiting.push((to, inner)),
                    None => {
                        let next = inner.0.keys().next().map_or("", String::as_str);
                        return Err(Error::new(
                            Code::FieldError,
                            format!("'{name}' is no relation: nothing named '{next}' follows"),
                        ));
                    }
                }
            }
        }
        Ok(())
    }

    /// Fields of the query's own model that are loaded.
    pub(super) fn loaded(&self, q: QueryId) -> Result<Vec<FieldRef>> {
        let query = self.q(q)?;
        self.check_deferred(q)?;
        let mask = Mask::of(query.deferred.iter());
        let mut fields = self.loaded_fields(query.model, &mask, query.defer)?;
        if !query.deferred.is_empty() && !query.prefetch.is_empty() {
            // A prefetch reads its keys, which loads those that were deferred.
            let read = self.prefetch_keys(query)?;
            fields = self
                .schema
                .model(query.model)?
                .all_fields
                .iter()
                .filter(|f| fields.contains(f) || read.contains(f))
                .copied()
                .collect();
        }
        Ok(fields)
    }

    /// Refuses unknown names of `only()` and `defer()`, whatever is done with the rows (Django: `get_select_mask`).
    pub(super) fn check_deferred(&self, q: QueryId) -> Result<()> {
        let query = self.q(q)?;
        if query.deferred.is_empty() {
            return Ok(());
        }
        let mut mask = Mask::of(query.deferred.iter());
        mask.0
            .retain(|name, _| !query.filtered_relations.contains_key(name));
        self.check_mask(query.model, &mask)
    }

    fn check_names(&self, model: ModelId, mask: &Mask) -> Result<()> {
        let model = self.schema.model(model)?;
        for name in mask.0.keys() {
            if name != "pk"
                && !model.names.contains_key(name)
                && !model
                    .related_objects
                    .iter()
                    .any(|r| r.accessor.as_deref() == Some(name))
            {
                let label = model.label.rsplit('.').next().unwrap_or(&model.label);
                return Err(Error::new(
                    Code::FieldDoesNotExist,
                    format!("{label} has no field named '{name}'"),
                )
                .with_choices(model.names.keys().cloned()));
            }
        }
        Ok(())
    }

    fn loaded_fields(&self, model: ModelId, mask: &Mask, defer: bool) -> Result<Vec<FieldRef>> {
        let model = self.schema.model(model)?;
        let pk = self.unnest(model.pk)?;
        let mut out = Vec::with_capacity(model.all_fields.len());
        for reference in &model.all_fields {
            let field = self.schema.field(*reference)?;
            if !field.is_concrete() {
                continue;
            }
            let entry = mask
                .0
                .get(&field.name)
                .or_else(|| mask.0.get(&*field.attname));
            let is_pk = pk.contains(reference);
            let loaded = match (mask.0.is_empty(), defer) {
                (true, _) => true,
                (false, true) => entry.is_none_or(|sub| !sub.0.is_empty()) || is_pk,
                (false, false) => entry.is_some() || is_pk,
            };
            if loaded {
                out.push(*reference);
            }
        }
        Ok(out)
    }

    /// The related objects of a query as output, with their places.
    pub(super) fn related_nodes(
        &mut self,
        q: QueryId,
        places: &mut RelatedPlaces,
    ) -> Result<Vec<OutputNode>> {
        let query = self.q(q)?;
        let model = query.model;
        let tree = match &query.select_related {
            SelectRelated::None => return Ok(Vec::new()),
            SelectRelated::All => None,
            SelectRelated::Paths(tree) => Some(tree.clone()),
        };
        let mask = Mask::of(query.deferred.iter());
        let defer = query.defer;
        let alias = self.initial_alias(q)?;
        self.related(
            q,
            model,
            alias,
            tree.as_ref(),
            &mask,
            defer,
            1,
            &[],
            &mut Vec::new(),
            places,
        )
    }

    #[allow(clippy::too_many_arguments)] // the state of the recursion
    fn related(
        &mut self,
        q: QueryId,
        model: ModelId,
        alias: AliasId,
        requested: Option<&RelatedTree>,
        mask: &Mask,
        defer: bool,
        depth: usize,
        object: &[OutputNode],
        path: &mut Vec<String>,
        places: &mut RelatedPlaces,
    ) -> Result<Vec<OutputNode>> {
        // Django stops an unrestricted select_related() after five levels.
        if requested.is_none() && depth > 5 {
            return Ok(Vec::new());
        }
        let schema = self.schema;
        let here = schema.model(model)?;
        let mut nodes = Vec::new();
        let mut found: Vec<&str> = Vec::new();
        let mut todo: Vec<(String, Option<RelatedTree>)> = Vec::new();
        match requested {
            Some(tree) => {
                for (name, sub) in &tree.0 {
                    todo.push((name.clone(), Some(sub.clone())));
                }
            }
            None => {
                for reference in &here.all_fields {
                    let field = self.schema.field(*reference)?;
                    let is_link = here.parents.iter().any(|(_, l)| l == reference)
                        || self
                            .schema
                            .model(reference.model)?
                            .parents
                            .iter()
                            .any(|(_, l)| l == reference);
                    let relation =
                        field.is_foreign_key() || field.ty.kind == FieldKind::ForeignObject;
                    if relation && !field.null() && !is_link {
                        todo.push((field.name.clone(), None));
                    }
                }
            }
        }
        for (name, sub) in &todo {
            let target = here.names.get(name).copied();
            let allowed = match target {
                Some(NameTarget::Field(f)) => {
                    let field = self.schema.field(f)?;
                    field.name == *name
                        && (field.is_foreign_key() || field.ty.kind == FieldKind::ForeignObject)
                }
                Some(NameTarget::Reverse(f)) => {
                    let field = self.schema.field(f)?;
                    field.unique && field.ty.kind != FieldKind::ManyToManyField
                }
                None => depth == 1 && self.q(q)?.filtered_relations.contains_key(name),
            };
            if !allowed {
                continue;
            }
            found.push(name);
            let forward = match target {
                Some(NameTarget::Field(f)) => Some(f),
                _ => None,
            };
            let masked = match forward {
                Some(field) => {
                    !self.loaded_fields(model, mask, defer)?.contains(&field)
                        && self.schema.field(field)?.is_concrete()
                }
                // A reverse relation is loaded where only() names it.
                None => target.is_some() && !defer && !mask.0.contains_key(name),
            };
            if requested.is_some() && !mask.0.is_empty() && masked {
                return Err(Error::new(
                    Code::FieldError,
                    format!(
                        "Field {}.{name} cannot be both deferred and traversed using select_related at the same time.",
                        here.label.rsplit('.').next().unwrap_or(&here.label)
                    ),
                ));
            }
            let info = match self.setup_joins(q, &[name.as_str()], model, alias, None, true) {
                Ok(info) => info,
                Err(PathError::Other(error)) => return Err(error),
                Err(PathError::Multi(_)) => {
                    return Err(Error::internal("multi-valued relation where allowed"));
                }
            };
            let last = info.joins.last().copied().unwrap_or(alias);
            let empty = Mask::default();
            let sub_mask = mask.0.get(name).unwrap_or(&empty);
            path.push(name.clone());
            let reverse = matches!(target, Some(NameTarget::Reverse(_)));
            let child = reverse
                && self
                    .schema
                    .parent_links(info.model, model)
                    .is_some_and(|links| !links.is_empty());
            let mut inner = if child {
                // What a child has from this parent is what is loaded of the parent.
                let mut nodes = if object.is_empty() {
                    self.object_nodes(q, model, alias, mask, defer)?
                } else {
                    object.to_vec()
                };
                let own = self.loaded_fields(info.model, sub_mask, defer)?;
                for reference in own {
                    if self.schema.parent_links(model, reference.model).is_none() {
                        nodes.extend(self.field_node(q, info.model, last, reference)?);
                    }
                }
                nodes
            } else {
                self.object_nodes(q, info.model, last, sub_mask, defer)?
            };
            let own = inner.clone();
            inner.extend(self.related(
                q,
                info.model,
                last,
                sub.as_ref(),
                sub_mask,
                defer,
                depth + 1,
                &own,
                path,
                places,
            )?);
            places.insert(path.clone(), (last, info.model));
            path.pop();
            let key = self.object_key(q, info.model, last)?;
            nodes.push(OutputNode::Related {
                name: Name::from(name),
                key,
                nodes: inner,
                prefetched: Vec::new(),
            });
        }
        if let Some(tree) = requested {
            let missing: Vec<&String> = tree
                .0
                .keys()
                .filter(|n| !found.contains(&n.as_str()))
                .collect();
            if let Some(name) = missing.first() {
                let mut choices = Vec::new();
                for reference in &here.all_fields {
                    let field = self.schema.field(*reference)?;
                    if field.is_foreign_key() {
                        choices.push(field.name.clone());
                    }
                }
                let known = here.names.contains_key(name.as_str());
                let wrong = if known {
                    "Non-relational field given in select_related"
                } else {
                    "Invalid field name(s) given in select_related"
                };
                let hint = crate::diagnostic::closest(name, choices.iter().map(String::as_str))
                    .map(|choice| format!("did you mean '{choice}'?"));
                let error = Error::new(Code::FieldError, format!("{wrong}: '{name}'."));
                let error = match hint {
                    Some(hint) => error.with_hint(hint),
                    None => error,
                };
                return Err(error.with_choices(choices));
            }
        }
        Ok(nodes)
    }

    /// Loaded columns of an object at an alias.
    fn object_nodes(
        &mut self,
        q: QueryId,
        model: ModelId,
        alias: AliasId,
        mask: &Mask,
        defer: bool,
    ) -> Result<Vec<OutputNode>> {
        let mut nodes = Vec::new();
        for reference in self.loaded_fields(model, mask, defer)? {
            nodes.extend(self.field_node(q, model, alias, reference)?);
        }
        Ok(nodes)
    }

    fn field_node(
        &mut self,
        q: QueryId,
        model: ModelId,
        alias: AliasId,
        reference: FieldRef,
    ) -> Result<Option<OutputNode>> {
        let name = self.schema.field(reference)?.attname.clone();
        let bound = self.select_from(q, model, alias, &name)?;
        Ok(match bound.scalar {
            Scalar::Column(column) => Some(OutputNode::Column { name, column }),
            _ => None,
        })
    }

    /// The column that tells whether there is an object at an alias.
    fn object_key(
        &mut self,
        q: QueryId,
        model: ModelId,
        alias: AliasId,
    ) -> Result<crate::plan::ColumnId> {
        let concrete = self.schema.model(model)?.concrete;
        let pk = self.schema.model(concrete)?.pk;
        let first = self
            .unnest(pk)?
            .first()
            .copied()
            .ok_or_else(|| Error::internal("composite key without fields"))?;
        let source = self.q(q)?.alias(alias)?.source;
        self.column(source, first)
    }

    /// A field of an object at an alias, parents' fields through their link.
    pub(super) fn select_from(
        &mut self,
        q: QueryId,
        model: ModelId,
        alias: AliasId,
        name: &str,
    ) -> Result<Bound> {
        let info = match self.setup_joins(q, &[name], model, alias, None, true) {
            Ok(info) => info,
            Err(PathError::Other(error)) => return Err(error),
            Err(PathError::Multi(_)) => {
                return Err(Error::internal("multi-valued relation where allowed"));
            }
        };
        let (targets, alias, _) = self.trim_joins(q, &info)?;
        self.field_bound(q, alias, &targets, None)
    }
}
