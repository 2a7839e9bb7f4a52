//! `prefetch_related()`: follow-up queries whose rows are attached to those before them.

use super::query::{AliasId, JoinField, QueryId};
use super::related::RelatedPlaces;
use super::{Binder, Definition};
use crate::error::{Code, Error, Result};
use crate::plan::{
    ColumnId, CompareOp, Literal, OutputNode, Plan, Predicate, Prefetched, RowKind, Scalar,
    Terminal, WindowCall,
};
use crate::queryset::{Call, Prefetch};
use crate::schema::{FieldKind, FieldRef, ModelId, NameTarget};

/// What an attribute of a model leads to, for prefetching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attribute {
    Relation(JoinField),
    Generic(FieldRef),
}

/// One name of a prefetch path with what comes after it.
#[derive(Debug, Clone)]
struct Wanted {
    name: String,
    /// Set on the last name of a `Prefetch(...)`.
    own: Option<Prefetch>,
    rest: Vec<(Vec<String>, Prefetch)>,
}

impl Binder<'_> {
    /// Follow-up queries of a query of model instances.
    pub(super) fn prefetched(
        &mut self,
        q: QueryId,
        nodes: &mut [OutputNode],
        places: &RelatedPlaces,
    ) -> Result<Vec<Prefetched>> {
        let query = self.q(q)?;
        let model = query.model;
        let lookups: Vec<(Vec<String>, Prefetch)> = query
            .prefetch
            .iter()
            .map(|p| (p.lookup.split("__").map(str::to_owned).collect(), p.clone()))
            .collect();
        let alias = self.initial_alias(q)?;
        self.level(q, model, alias, &[], lookups, nodes, places)
    }

    #[allow(clippy::too_many_arguments)] // the state of the recursion
    fn level(
        &mut self,
        q: QueryId,
        model: ModelId,
        alias: AliasId,
        path: &[String],
        lookups: Vec<(Vec<String>, Prefetch)>,
        nodes: &mut [OutputNode],
        places: &RelatedPlaces,
    ) -> Result<Vec<Prefetched>> {
        let mut wanted: Vec<Wanted> = Vec::new();
        for (names, prefetch) in lookups {
            let Some((first, rest)) = names.split_first() else {
                continue;
            };
            // The last name of a Prefetch with to_attr is kept under that attribute.
            if let (Some(attr), true) = (&prefetch.to_attr, rest.is_empty())
                && matches!(
                    self.schema.model(model)?.names.get(attr),
                    Some(NameTarget::Field(_))
                ) | self
                    .schema
                    .model(model)?
                    .related_objects
                    .iter()
                    .any(|r| r.accessor.as_ref() == Some(attr))
            {
                let label = &self.schema.model(model)?.label;
                return Err(Error::new(
                    Code::ValueError,
                    format!(
                        "to_attr={attr} conflicts with a field on the {} model.",
                        label.rsplit('.').next().unwrap_or(label)
                    ),
                ));
            }
            let name = match (&prefetch.to_attr, rest.is_empty()) {
                (Some(attr), true) => attr.clone(),
                _ => first.clone(),
            };
            let entry = match wanted.iter_mut().position(|w| w.name == name) {
                Some(i) => wanted.get_mut(i),
                None => {
                    wanted.push(Wanted {
                        name: name.clone(),
                        own: None,
                        rest: Vec::new(),
                    });
                    wanted.last_mut()
                }
            };
            let Some(entry) = entry else { continue };
            if rest.is_empty() {
                let seen = entry.own.is_some() || !entry.rest.is_empty();
                if seen && prefetch.queryset.is_some() {
                    return Err(Error::new(
                        Code::ValueError,
                        format!(
                            "'{}' lookup was already seen with a different queryset. You may need to adjust the ordering of your lookups.",
                            prefetch.lookup
                        ),
                    ));
                }
                if entry.own.is_none() {
                    let mut own = prefetch.clone();
                    own.lookup.clone_from(first);
                    entry.own = Some(own);
                }
            } else {
                entry.rest.push((rest.to_vec(), prefetch));
            }
        }
        let mut out = Vec::new();
        for want in wanted {
            let attribute_name = want
                .own
                .as_ref()
                .map_or(want.name.clone(), |p| p.lookup.clone());
            let mut here = path.to_vec();
            here.push(want.name.clone());
            // Objects that select_related() has loaded are prefetched from where they are.
            if want.own.as_ref().is_none_or(|p| p.queryset.is_none())
                && let Some((alias, model)) = places.get(&here).copied()
            {
                let node = nodes
                    .iter_mut()
                    .find(|n| matches!(n, OutputNode::Related { name, .. } if *name == want.name));
                if let Some(OutputNode::Related {
                    nodes, prefetched, ..
                }) = node
                {
                    let more = self.level(q, model, alias, &here, want.rest, nodes, places)?;
                    prefetched.extend(more);
                    continue;
                }
            }
            let attribute = self.attribute(model, &attribute_name)?;
            match attribute {
                Attribute::Relation(by) => {
                    out.push(self.relation_prefetch(q, model, alias, by, &want)?);
                }
                Attribute::Generic(field) => {
                    out.extend(self.generic_prefetch(q, model, alias, field, &want)?);
                }
            }
        }
        Ok(out)
    }

    /// Fields of the query's own model by which its prefetches find their objects.
    pub(super) fn prefetch_keys(&self, query: &super::query::Query) -> Result<Vec<FieldRef>> {
        let mut keys = Vec::new();
        for prefetch in &query.prefetch {
            let first = prefetch.lookup.split("__").next().unwrap_or_default();
            let by = match self.attribute(query.model, first) {
                Ok(Attribute::Relation(by)) => by,
                Ok(Attribute::Generic(field)) => {
                    let field = self.schema.field(field)?;
                    keys.extend(field.content_type_field);
                    keys.extend(field.object_id_field);
                    continue;
                }
                Err(_) => continue,
            };
            let field = self.schema.field(by.field)?;
            match (field.ty.kind, &field.through) {
                (FieldKind::GenericRelation, _) => {}
                (FieldKind::ManyToManyField, Some(through)) => {
                    let near = if by.reverse {
                        through.target
                    } else {
                        through.source
                    };
                    keys.extend(self.schema.field(near)?.links.iter().map(|(_, t)| *t));
                }
                _ if by.reverse => keys.extend(field.links.iter().map(|(_, t)| *t)),
                _ => keys.extend(field.links.iter().map(|(l, _)| *l)),
            }
        }
        Ok(keys)
    }

    fn attribute(&self, model: ModelId, name: &str) -> Result<Attribute> {
        let here = self.schema.model(model)?;
        if let Some(NameTarget::Field(reference)) = here.names.get(name) {
            let field = self.schema.field(*reference)?;
            if field.name == name {
                if field.ty.kind == FieldKind::GenericForeignKey {
                    return Ok(Attribute::Generic(*reference));
                }
                if field.to.is_some() {
                    return Ok(Attribute::Relation(JoinField {
                        field: *reference,
                        reverse: false,
                    }));
                }
            }
            return Err(Error::new(
                Code::ValueError,
                format!(
                    "'{name}' does not resolve to an item that supports prefetching - this is an invalid parameter to prefetch_related()."
                ),
            ));
        }
        if let Some(NameTarget::Reverse(reference)) = here.names.get(name)
            && self.schema.field(*reference)?.ty.kind == FieldKind::GenericRelation
        {
            return Ok(Attribute::Relation(JoinField {
                field: *reference,
                reverse: true,
            }));
        }
        for related in &here.related_objects {
            if related.accessor.as_deref() == Some(name) {
                return Ok(Attribute::Relation(JoinField {
                    field: related.field,
                    reverse: true,
                }));
            }
        }
        let choices: Vec<String> = here
            .related_objects
            .iter()
            .filter_map(|r| r.accessor.clone())
            .chain(here.names.iter().filter_map(|(n, t)| match t {
                NameTarget::Field(f) if self.schema.field(*f).is_ok_and(|f| f.to.is_some()) => {
                    Some(n.clone())
                }
                _ => None,
            }))
            .collect();
        Err(Error::new(
            Code::AttributeError,
            format!(
                "Cannot find '{name}' on {} object, '{name}' is an invalid parameter to prefetch_related()",
                here.label.rsplit('.').next().unwrap_or(&here.label)
            ),
        )
        .with_choices(choices))
    }

    /// The follow-up query of a relation.
    fn relation_prefetch(
        &mut self,
        q: QueryId,
        model: ModelId,
        alias: AliasId,
        by: JoinField,
        want: &Wanted,
    ) -> Result<Prefetched> {
        let field = self.schema.field(by.field)?.clone();
        let target = if by.reverse {
            by.field.model
        } else {
            field
                .to
                .ok_or_else(|| Error::internal("relation without target"))?
        };
        let child = self.child_query(target, want)?;
        let child_alias = self.initial_alias(child)?;
        let child_model = self.q(child)?.model;
        let (parent_fields, child_columns, many) = match field.ty.kind {
            FieldKind::ManyToManyField => {
                let through = field
                    .through
                    .ok_or_else(|| Error::internal("many-to-many without through model"))?;
                // From the child to the through rows, whose other key is the parent's.
                let (near, far) = if by.reverse {
                    (through.source, through.target)
                } else {
                    (through.target, through.source)
                };
                let start = self.alias_of_field(child, child_model, child_alias, near)?;
                // The near key may be stored by a parent of the through model: then by way of the parent's rows.
                let holder = self.schema.field(near)?.id.model;
                let links = self
                    .schema
                    .parent_links(through.model, holder)
                    .unwrap_or_default();
                let mut steps = vec![near];
                steps.extend(links.iter().rev().copied());
                let mut hop = start;
                for step in steps {
                    let model = if links.first() == Some(&step) || links.is_empty() {
                        through.model
                    } else {
                        step.model
                    };
                    hop = self.join(
                        child,
                        model,
                        hop,
                        JoinField {
                            field: step,
                            reverse: true,
                        },
                        false,
                        true,
                        None,
                        None,
                    )?;
                    self.q_mut(child)?.demote([hop])?;
                }
                let mut columns = Vec::new();
                let mut parents = Vec::new();
                for (local, target) in self.schema.field(far)?.links.clone() {
                    // The other key may be stored by a parent of the through model.
                    let at = self.alias_of_field(child, through.model, hop, local)?;
                    let source = self.q(child)?.alias(at)?.source;
                    columns.push(self.column(source, local)?);
                    parents.push(target);
                }
                (parents, columns, true)
            }
            FieldKind::GenericRelation if !by.reverse => {
                let content_type = field
                    .content_type_field
                    .ok_or_else(|| Error::internal("generic relation without content type"))?;
                let key = self.content_type_key(by.field, model)?;
                let at = self.alias_of_field(child, child_model, child_alias, content_type)?;
                let source = self.q(child)?.alias(at)?.source;
                let column = self.column(source, content_type)?;
                let ty = self.columns.get(column)?.ty.clone();
                self.q_mut(child)?.conditions.push(Predicate::Compare {
                    op: CompareOp::Eq,
                    lhs: Scalar::Column(column),
                    rhs: Scalar::from(Literal {
                        value: bson::Bson::Int64(key),
                        ty,
                    }),
                });
                let (object_id, pk) = field
                    .links
                    .first()
                    .copied()
                    .ok_or_else(|| Error::internal("generic relation without key"))?;
                (vec![pk], vec![self.column(source, object_id)?], true)
            }
            _ => {
                let mut parents = Vec::new();
                let mut columns = Vec::new();
                for (local, target) in field.links.clone() {
                    let generic = field.ty.kind == FieldKind::GenericRelation;
                    let (parent, own) = if by.reverse && !generic {
                        (target, local)
                    } else {
                        (local, target)
                    };
                    let at = self.alias_of_field(child, child_model, child_alias, own)?;
                    let source = self.q(child)?.alias(at)?.source;
                    columns.push(self.column(source, own)?);
                    parents.push(parent);
                }
                (parents, columns, by.reverse && !field.unique)
            }
        };
        let mut parent = Vec::with_capacity(parent_fields.len());
        for (reference, child_column) in parent_fields.into_iter().zip(&child_columns) {
            let at = self.alias_of_field(q, model, alias, reference)?;
            let source = self.q(q)?.alias(at)?.source;
            let column = self.column(source, reference)?;
            parent.push(self.parent_key(q, column, *child_column)?);
        }
        let only = match field.content_type_field {
            Some(content_type) if by.reverse => {
                let at = self.alias_of_field(q, model, alias, content_type)?;
                let source = self.q(q)?.alias(at)?.source;
                let key = self.content_type_key(by.field, by.field.model)?;
                Some((self.column(source, content_type)?, bson::Bson::Int64(key)))
            }
            _ => None,
        };
        self.finish_prefetch(child, want, parent, child_columns, many, only)
    }

    /// The follow-up queries of a generic foreign key: one per model that it can refer to.
    fn generic_prefetch(
        &mut self,
        q: QueryId,
        model: ModelId,
        alias: AliasId,
        reference: FieldRef,
        want: &Wanted,
    ) -> Result<Vec<Prefetched>> {
        let field = self.schema.field(reference)?.clone();
        let (Some(content_type), Some(object_id)) =
            (field.content_type_field, field.object_id_field)
        else {
            return Err(Error::internal("generic key without fields"));
        };
        let at = self.alias_of_field(q, model, alias, object_id)?;
        let source = self.q(q)?.alias(at)?.source;
        let ct_column = self.column(source, content_type)?;
        let id_column = self.column(source, object_id)?;
        let types: Vec<(String, i64)> = self
            .schema
            .settings()
            .content_types
            .iter()
            .map(|(label, key)| (label.clone(), *key))
            .collect();
        if types.is_empty() {
            return Err(Error::unsupported(
                "prefetching a generic foreign key",
                "the schema's settings.content_types names no model",
            )
            .with_hint("say the keys of content types: --content-type app.Model=KEY, or Schema::with_content_types()"));
        }
        let mut out = Vec::new();
        for (label, key) in types {
            let Ok(target) = self.schema.find(&label) else {
                continue;
            };
            if target.embedded {
                continue;
            }
            let (target, pk) = (target.id, target.pk);
            if self.unnest(pk)?.len() != 1 {
                continue;
            }
            let child = self.child_query(target, want)?;
            let child_alias = self.initial_alias(child)?;
            let child_source = self.q(child)?.alias(child_alias)?.source;
            let child_column = self.column(child_source, pk)?;
            let parent = self.parent_key(q, id_column, child_column)?;
            match self.finish_prefetch(
                child,
                want,
                vec![parent],
                vec![child_column],
                false,
                Some((ct_column, bson::Bson::Int64(key))),
            ) {
                Ok(prefetched) => out.push(prefetched),
                // A deeper name that this model lacks is only asked of models that have it.
                Err(error) if error.code() == Code::AttributeError => {}
                Err(error) => return Err(error),
            }
        }
        Ok(out)
    }

    /// The parent's key in the type of the child's: generic relations may store keys as text.
    fn parent_key(&mut self, q: QueryId, parent: ColumnId, child: ColumnId) -> Result<ColumnId> {
        let scalar = self.fitting(Scalar::Column(parent), child)?;
        self.as_column(q, "prefetch_key", scalar)
    }

    /// The alias at which a field is stored: the model's own, or that of the parent that declares it.
    fn alias_of_field(
        &mut self,
        q: QueryId,
        model: ModelId,
        alias: AliasId,
        field: FieldRef,
    ) -> Result<AliasId> {
        let Some(links) = self.schema.parent_links(model, field.model) else {
            return Ok(alias);
        };
        let mut at = alias;
        for link in links {
            let to = self.schema.field(link)?.to;
            let Some(to) = to else { continue };
            at = self.join(
                q,
                to,
                at,
                JoinField {
                    field: link,
                    reverse: false,
                },
                false,
                false,
                None,
                None,
            )?;
        }
        Ok(at)
    }

    fn child_query(&mut self, target: ModelId, want: &Wanted) -> Result<QueryId> {
        match want.own.as_ref().and_then(|p| p.queryset.clone()) {
            Some(queryset) => {
                let values = queryset
                    .calls
                    .iter()
                    .any(|c| matches!(c, Call::Values(_) | Call::ValuesList { .. } | Call::Raw(_)));
                if values {
                    return Err(Error::new(
                        Code::ValueError,
                        "Prefetch querysets cannot use raw(), values(), and values_list().",
                    ));
                }
                let id = self.queryset(&queryset, None)?;
                // It is filtered by the rows that it is for.
                self.refuse_combined(id, "filter")?;
                Ok(id)
            }
            None => Ok(self.new_query(target, None)),
        }
    }

    fn finish_prefetch(
        &mut self,
        child: QueryId,
        want: &Wanted,
        parent: Vec<ColumnId>,
        child_columns: Vec<ColumnId>,
        many: bool,
        only: Option<(ColumnId, bson::Bson)>,
    ) -> Result<Prefetched> {
        let first = child_columns
            .first()
            .copied()
            .ok_or_else(|| Error::internal("prefetch without key"))?;
        let parameter = self.parameters;
        self.parameters += 1;
        self.q_mut(child)?.conditions.push(Predicate::InParameter {
            lhs: Scalar::Column(first),
            parameter,
        });
        if !many {
            // At most one object for each row: Django drops the order as well.
            self.q_mut(child)?.clear_ordering(false, true);
        }
        self.slice_per_parent(child, &child_columns)?;
        for (names, prefetch) in &want.rest {
            let mut prefetch = prefetch.clone();
            prefetch.lookup = names.join("__");
            self.q_mut(child)?.prefetch.push(prefetch);
        }
        let (mut rel, output) = {
            let keys: Vec<Scalar> = child_columns.iter().map(|id| Scalar::Column(*id)).collect();
            self.rows_with(child, &keys)?
        };
        if output.kind != RowKind::Model {
            return Err(Error::new(
                Code::ValueError,
                "Prefetch querysets cannot use raw(), values(), and values_list().",
            ));
        }
        if self.q(child)?.empty {
            rel = crate::plan::Rel::Empty;
        }
        Ok(Prefetched {
            name: want.name.as_str().into(),
            many,
            parent,
            child: child_columns,
            only,
            plan: Box::new(Plan {
                columns: self.columns.clone(),
                rel,
                terminal: Terminal::Rows { output },
                hint: self.q(child)?.hint.clone(),
                collation: self.collation(),
            }),
            parameter,
        })
    }

    /// A slice of a prefetch counts per parent: a window numbers the rows.
    fn slice_per_parent(&mut self, child: QueryId, keys: &[ColumnId]) -> Result<()> {
        let query = self.q(child)?;
        if !query.is_sliced() || query.empty {
            return Ok(());
        }
        let (low, high) = (query.low, query.high);
        let (order, _) = self.order_keys(child)?;
        let query = self.q_mut(child)?;
        query.low = 0;
        query.high = None;
        let resolved = self.registry.aggregate(
            crate::functions::AggregateRequest {
                name: "RowNumber".to_owned(),
                args: Vec::new(),
                distinct: false,
                filter: None,
                default: None,
                order: Vec::new(),
                options: indexmap::IndexMap::new(),
                output: None,
            },
            &self.context(),
        )?;
        let ty = resolved.call.ty.clone();
        let number = self.define(
            child,
            "row_number".to_owned(),
            &ty,
            Definition::Window {
                call: WindowCall {
                    call: resolved.call,
                    frame: None,
                },
                partition: keys.iter().map(|id| Scalar::Column(*id)).collect(),
                order,
            },
        );
        let bound = |n: u64| {
            Scalar::from(Literal {
                value: bson::Bson::Int64(i64::try_from(n).unwrap_or(i64::MAX)),
                ty: ty.clone(),
            })
        };
        let query = self.q_mut(child)?;
        if low > 0 {
            query.conditions.push(Predicate::Compare {
                op: CompareOp::Gt,
                lhs: Scalar::Column(number),
                rhs: bound(low),
            });
        }
        if let Some(high) = high {
            query.conditions.push(Predicate::Compare {
                op: CompareOp::Lte,
                lhs: Scalar::Column(number),
                rhs: bound(high),
            });
        }
        Ok(())
    }
}
