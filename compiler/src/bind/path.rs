//! From a path of names to joins: `author__publisher__name`.

use smallvec::{SmallVec, smallvec};

use super::Binder;
use super::aliases::AliasSet;
use super::query::{AliasId, JoinField, QueryId};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result};
use crate::plan::{CompareOp, Literal, Predicate, Scalar};
use crate::schema::{FieldKind, FieldRef, ModelId, NameTarget, Schema};

/// The names of a path: few, and parts of its text.
pub(super) type Names<'p> = SmallVec<[&'p str; 4]>;

/// Fields that a relation ends at: one, or the parts of a composite key.
pub(super) type Targets = SmallVec<[FieldRef; 2]>;

/// Aliases from the base to the end of a path.
pub(super) type Joins = SmallVec<[AliasId; 4]>;

/// One join of a path.
#[derive(Debug, Clone)]
pub(super) struct PathInfo {
    pub to: ModelId,
    pub targets: Targets,
    pub by: JoinField,
    pub many: bool,
    pub direct: bool,
    pub filtered: Option<String>,
}

/// Where a path ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FinalField {
    Plain(FieldRef),
    Relation(JoinField),
}

/// A path resolved as far as names lead.
#[derive(Debug, Clone)]
pub(super) struct ResolvedPath {
    pub infos: Vec<PathInfo>,
    pub end: FinalField,
    pub targets: Targets,
    /// Model at the end of the joins.
    pub model: ModelId,
    /// How many names were used.
    pub used: usize,
}

/// The fields that a path ends at when it is trimmed, the alias that has them, and the joins that are left.
pub(super) type Ends<'i> = (Targets, AliasId, &'i [AliasId]);

/// A path that could not be resolved as wanted.
pub(super) enum PathError {
    /// A multi-valued relation where none is allowed; the names up to it.
    Multi(Vec<(String, Vec<PathInfo>)>),
    Other(Error),
}

impl From<Error> for PathError {
    fn from(error: Error) -> Self {
        PathError::Other(error)
    }
}

/// The joins of a path.
#[derive(Debug, Clone)]
pub(super) struct JoinInfo {
    pub end: FinalField,
    pub targets: Targets,
    pub model: ModelId,
    pub joins: Joins,
    pub path: Vec<PathInfo>,
    /// How many names come after the field: transforms.
    pub transforms: usize,
}

impl<'s> Binder<'s> {
    /// Walks names to joins. With `strict`, a name that leads nowhere is an error; otherwise it ends the walk.
    pub(super) fn names_to_path(
        &self,
        q: QueryId,
        names: &[&str],
        start: ModelId,
        allow_many: bool,
        strict: bool,
    ) -> Result<ResolvedPath, PathError> {
        let mut model = start;
        let mut infos: Vec<PathInfo> = Vec::new();
        // Where the joins of each relation end.
        let mut ends: Vec<usize> = Vec::new();
        let mut end: Option<(FinalField, Targets)> = None;
        let mut used = 0;
        for (position, name) in names.iter().enumerate() {
            let here = self.schema.model(model)?;
            let mut filtered = None;
            let target = if *name == "pk" {
                Some(NameTarget::Field(here.pk))
            } else {
                here.names.get(*name).copied()
            };
            let mut prefix: Vec<PathInfo> = Vec::new();
            let target = match target {
                Some(target) => Some(target),
                None if position == 0 => match self.q(q)?.filtered_relations.get(*name) {
                    Some(relation) => {
                        filtered = Some((*name).to_owned());
                        let parts = split(&relation.relation);
                        let (last, first) = parts
                            .split_last()
                            .ok_or_else(|| Error::internal("empty relation name"))?;
                        if !first.is_empty() {
                            let before = self.names_to_path(q, first, model, allow_many, strict)?;
                            prefix = before.infos;
                            model = before.model;
                        }
                        self.schema.model(model)?.names.get(*last).copied()
                    }
                    None => None,
                },
                None => None,
            };
            let Some(target) = target else {
                if position == 0 || strict {
                    return Err(self.unknown_name(q, model, name)?.into());
                }
                break;
            };
            let mut step = prefix;
            let field_ref = match target {
                NameTarget::Field(f) | NameTarget::Reverse(f) => f,
            };
            let field = self.schema.field(field_ref)?;
            if field.ty.kind == FieldKind::GenericForeignKey {
                return Err(Error::new(
                    Code::UnknownField,
                    format!(
                        "Field '{name}' does not generate an automatic reverse relation and therefore cannot be \
                         used for reverse querying. If it is a GenericForeignKey, consider adding a GenericRelation."
                    ),
                )
                .into());
            }
            let owner = match target {
                // Every model has a generic relation of its own, children and proxies too.
                NameTarget::Field(_) if field.ty.kind == FieldKind::GenericRelation => {
                    here.concrete
                }
                NameTarget::Field(f) => f.model,
                NameTarget::Reverse(_) => match field.to {
                    Some(to) => self.schema.model(to)?.concrete,
                    None => field_ref.model,
                },
            };
            step.extend(self.path_to_parent(model, owner)?);
            let relation = match target {
                NameTarget::Field(_) if field.to.is_some() => Some(JoinField {
                    field: field_ref,
                    reverse: false,
                }),
                NameTarget::Reverse(_) => Some(JoinField {
                    field: field_ref,
                    reverse: true,
                }),
                NameTarget::Field(_) => None,
            };
            used = position + 1;
            match relation {
                Some(by) => {
                    let path = self.path_infos(by)?;
                    if !allow_many && let Some(at) = path.iter().position(|p| p.many) {
                        infos.extend(step);
                        infos.extend(path.into_iter().take(at + 1));
                        ends.push(infos.len());
                        return Err(PathError::Multi(by_name(names, &infos, &ends)));
                    }
                    step.extend(path);
                    if let Some(filtered) = filtered
                        && let Some(last) = step.last_mut()
                    {
                        last.filtered = Some(filtered);
                    }
                    let last = step
                        .last()
                        .ok_or_else(|| Error::internal("relation without path"))?;
                    model = last.to;
                    end = Some((FinalField::Relation(last.by), last.targets.clone()));
                    infos.extend(step);
                    ends.push(infos.len());
                }
                None => {
                    if let Some(last) = step.last() {
                        model = last.to;
                    }
                    infos.extend(step);
                    end = Some((FinalField::Plain(field_ref), smallvec![field_ref]));
                    if strict && position + 1 != names.len() {
                        let next = names.get(position + 1).copied().unwrap_or_default();
                        return Err(Error::new(
                            Code::UnknownField,
                            format!(
                                "Cannot resolve keyword '{next}' into field. Join on '{name}' not permitted."
                            ),
                        )
                        .into());
                    }
                    break;
                }
            }
        }
        let (end, targets) = end.ok_or_else(|| Error::internal("path without names"))?;
        Ok(ResolvedPath {
            infos,
            end,
            targets,
            model,
            used,
        })
    }

    pub(super) fn unknown_name(&self, q: QueryId, model: ModelId, name: &str) -> Result<Error> {
        let here = self.schema.model(model)?;
        let query = self.q(q)?;
        let mut choices: Vec<String> = here
            .names
            .keys()
            .filter(|n| !n.ends_with('+'))
            .cloned()
            .chain(query.selected_annotations().map(|(n, _)| n.clone()))
            .chain(query.filtered_relations.keys().cloned())
            .collect();
        choices.sort();
        choices.dedup();
        let error = Error::new(
            Code::UnknownField,
            format!("Cannot resolve keyword '{name}' into field."),
        );
        let meant = closest(name, choices.iter().map(String::as_str));
        Ok(
            match meant.map(|choice| format!("did you mean '{choice}'?")) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
            .with_choices(choices),
        )
    }

    /// Joins from a model to the ancestor that has a field.
    fn path_to_parent(&self, from: ModelId, to: ModelId) -> Result<Vec<PathInfo>> {
        let Some(links) = self.schema.parent_links(from, to) else {
            return Ok(Vec::new());
        };
        let mut path = Vec::with_capacity(links.len());
        for link in links {
            path.extend(self.path_infos(JoinField {
                field: link,
                reverse: false,
            })?);
        }
        Ok(path)
    }

    /// The joins that one relation stands for.
    pub(super) fn path_infos(&self, by: JoinField) -> Result<Vec<PathInfo>> {
        let field = self.schema.field(by.field)?;
        let to = field
            .to
            .ok_or_else(|| Error::internal("relation without target"))?;
        let pk_of = |model: ModelId| -> Result<FieldRef> { Ok(self.schema.model(model)?.pk) };
        Ok(match field.ty.kind {
            FieldKind::ManyToManyField => {
                let through = field.through.ok_or_else(|| {
                    Error::new(
                        Code::Schema,
                        format!("many-to-many field {:?} has no through model", field.name),
                    )
                })?;
                let (first, second) = if by.reverse {
                    (through.target, through.source)
                } else {
                    (through.source, through.target)
                };
                let mut path = self.path_infos(JoinField {
                    field: first,
                    reverse: true,
                })?;
                let rest = self.path_infos(JoinField {
                    field: second,
                    reverse: false,
                })?;
                if let (Some(last), Some(next)) = (path.last(), rest.first()) {
                    let from = self.schema.field(next.by.field)?.id.model;
                    let last = last.to;
                    if let Some(links) = self.schema.parent_links(last, from) {
                        for link in links {
                            path.extend(self.path_infos(JoinField {
                                field: link,
                                reverse: false,
                            })?);
                        }
                    } else if let Some(links) = self.schema.parent_links(from, last) {
                        // The through model is a child of the model that has the first key.
                        for link in links.into_iter().rev() {
                            path.extend(self.path_infos(JoinField {
                                field: link,
                                reverse: true,
                            })?);
                        }
                    }
                }
                path.extend(rest);
                path
            }
            FieldKind::GenericRelation if !by.reverse => {
                // The key may be stored by a parent of the related model.
                let holder = match field.object_id_field {
                    Some(object_id) => object_id.model,
                    None => to,
                };
                let mut path = vec![PathInfo {
                    to: holder,
                    targets: smallvec![pk_of(holder)?],
                    by,
                    many: true,
                    direct: false,
                    filtered: None,
                }];
                for link in self
                    .schema
                    .parent_links(to, holder)
                    .unwrap_or_default()
                    .into_iter()
                    .rev()
                {
                    path.extend(self.path_infos(JoinField {
                        field: link,
                        reverse: true,
                    })?);
                }
                path
            }
            FieldKind::GenericRelation => {
                let target = by.field.model;
                vec![PathInfo {
                    to: target,
                    targets: smallvec![pk_of(target)?],
                    by,
                    many: true,
                    direct: false,
                    filtered: None,
                }]
            }
            _ if by.reverse => vec![PathInfo {
                to: by.field.model,
                targets: self.unnest(pk_of(by.field.model)?)?.into(),
                by,
                many: !field.unique,
                direct: false,
                filtered: None,
            }],
            _ => vec![PathInfo {
                to,
                targets: field.links.iter().map(|(_, target)| *target).collect(),
                by,
                many: false,
                direct: true,
                filtered: None,
            }],
        })
    }

    /// The parts of a composite key; another field is its only part.
    pub(super) fn unnest(&self, field: FieldRef) -> Result<&'s [FieldRef]> {
        let schema: &'s Schema = self.schema;
        let f = schema.field(field)?;
        Ok(if f.ty.kind == FieldKind::CompositePrimaryKey {
            &f.parts
        } else {
            std::slice::from_ref(&f.id)
        })
    }

    /// Resolves names and adds the joins.
    pub(super) fn setup_joins(
        &mut self,
        q: QueryId,
        names: &[&str],
        model: ModelId,
        alias: AliasId,
        reuse: Option<&mut AliasSet>,
        allow_many: bool,
    ) -> Result<JoinInfo, PathError> {
        let mut last_error = None;
        let mut found = None;
        for pivot in (1..=names.len()).rev() {
            let part = names.get(..pivot).unwrap_or(names);
            match self.names_to_path(q, part, model, allow_many, true) {
                Ok(path) => {
                    found = Some((path, pivot));
                    break;
                }
                Err(PathError::Other(error))
                    if pivot > 1 && error.code().django_class() == "FieldError" =>
                {
                    last_error = Some(error);
                }
                Err(error) => return Err(error),
            }
        }
        let (path, pivot) =
            found.ok_or_else(|| last_error.unwrap_or_else(|| Error::internal("empty path")))?;
        let transforms = names.len() - pivot;
        self.add_joins(q, path, transforms, alias, reuse)
    }

    /// Adds the joins of a path. `reuse` is `None` if every alias may be reused.
    pub(super) fn add_joins(
        &mut self,
        q: QueryId,
        path: ResolvedPath,
        transforms: usize,
        alias: AliasId,
        mut reuse: Option<&mut AliasSet>,
    ) -> Result<JoinInfo, PathError> {
        let mut joins: Joins = smallvec![alias];
        let mut at = alias;
        for info in &path.infos {
            let nullable = if info.direct {
                self.join_nullable(info.by)?
            } else {
                true
            };
            let limited = if info.many { reuse.as_deref() } else { None };
            let parent = at;
            at = self.join(
                q,
                info.to,
                parent,
                info.by,
                nullable,
                info.many,
                info.filtered.as_deref(),
                limited,
            )?;
            self.generic_condition(q, at, info.by)?;
            joins.push(at);
            if info.filtered.is_some()
                && let Some(reuse) = reuse.as_deref_mut()
            {
                reuse.insert(at);
            }
        }
        Ok(JoinInfo {
            end: path.end,
            targets: path.targets,
            model: path.model,
            joins,
            path: path.infos,
            transforms,
        })
    }

    fn join_nullable(&self, by: JoinField) -> Result<bool> {
        Ok(self.schema.field(by.field)?.null())
    }

    /// Rows of a generic relation belong to one content type.
    fn generic_condition(&mut self, q: QueryId, alias: AliasId, by: JoinField) -> Result<()> {
        let field = self.schema.field(by.field)?;
        if field.ty.kind != FieldKind::GenericRelation {
            return Ok(());
        }
        let Some(content_type) = field.content_type_field else {
            return Ok(());
        };
        let Some(holder) = (if by.reverse {
            self.q(q)?.alias(alias)?.join.as_ref().map(|j| j.parent)
        } else {
            Some(alias)
        }) else {
            return Ok(());
        };
        let model = if by.reverse {
            by.field.model
        } else {
            let parent = self.q(q)?.alias(alias)?.join.as_ref().map(|j| j.parent);
            match parent {
                Some(parent) => self.q(q)?.alias(parent)?.model,
                None => by.field.model,
            }
        };
        let key = self.content_type_key(by.field, model)?;
        let source = self.q(q)?.alias(holder)?.source;
        let column = self.column(source, content_type)?;
        let ty = self.columns.get(column)?.ty.clone();
        self.set_join_condition(
            q,
            alias,
            Predicate::Compare {
                op: CompareOp::Eq,
                lhs: Scalar::Column(column),
                rhs: Scalar::from(Literal {
                    value: bson::Bson::Int64(key),
                    ty,
                }),
            },
        )
    }

    /// The key by which a generic relation names a model that has it.
    pub(super) fn content_type_key(&self, relation: FieldRef, model: ModelId) -> Result<i64> {
        let field = self.schema.field(relation)?;
        let mut model = self.schema.model(model)?;
        if field.generic.as_ref().is_none_or(|g| g.for_concrete_model) {
            model = self.schema.model(model.concrete)?;
        }
        self.model_content_type(&model.label)
    }

    /// The key by which generic relations name a model.
    pub(super) fn model_content_type(&self, label: &str) -> Result<i64> {
        self.schema
            .settings()
            .content_types
            .get(label)
            .copied()
            .ok_or_else(|| {
                Error::unsupported(
                    format!("a generic relation to {label}"),
                    "the schema's settings.content_types does not name the model",
                )
                .with_hint(format!(
                    "say its key in the collection of content types: --content-type {label}=KEY, or Schema::with_content_types()"
                ))
            })
    }

    /// Leaves out joins at the end whose only use is a key that the row before them has too.
    pub(super) fn trim_joins<'i>(&mut self, q: QueryId, info: &'i JoinInfo) -> Result<Ends<'i>> {
        let mut joins = info.joins.as_slice();
        let mut targets = info.targets.clone();
        for path in info.path.iter().rev() {
            if joins.len() == 1 || !path.direct || path.filtered.is_some() {
                break;
            }
            let field = self.schema.field(path.by.field)?;
            let mut local = Targets::new();
            for target in targets.iter() {
                match field.links.iter().find(|(_, t)| t == target) {
                    Some((l, _)) => local.push(*l),
                    None => break,
                }
            }
            if local.len() != targets.len() {
                break;
            }
            targets = local;
            if let Some((dropped, rest)) = joins.split_last() {
                self.q_mut(q)?.unref_alias(*dropped)?;
                joins = rest;
            }
        }
        let last = joins.last().copied().unwrap_or(0);
        Ok((targets, last, joins))
    }
}

/// The joins of each name.
fn by_name(names: &[&str], infos: &[PathInfo], ends: &[usize]) -> Vec<(String, Vec<PathInfo>)> {
    let mut start = 0;
    let mut parts = Vec::with_capacity(ends.len());
    for (name, end) in names.iter().zip(ends) {
        parts.push((
            (*name).to_owned(),
            infos.get(start..*end).unwrap_or_default().to_vec(),
        ));
        start = *end;
    }
    parts
}

/// `a__b__c` as names.
pub(super) fn split(path: &str) -> Names<'_> {
    let mut names = Names::new();
    let bytes = path.as_bytes();
    let (mut start, mut at) = (0, 0);
    // Underscores are bytes of their own in UTF-8, and most names have none.
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|b| *b == b'_'))
    {
        at += found + 1;
        if bytes.get(at) == Some(&b'_') {
            names.push(path.get(start..at - 1).unwrap_or_default());
            at += 1;
            start = at;
        }
    }
    names.push(path.get(start..).unwrap_or_default());
    names
}
