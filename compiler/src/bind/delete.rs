//! `delete()`: the rows, and what hangs on them by `on_delete`.
//!
//! Follows Django's `Collector`: references by `CASCADE`, generic relations and the parts that parent models store go
//! along; `SET_NULL`, `SET_DEFAULT` and `SET` change the reference; `PROTECT` and `RESTRICT` refuse the statement.

use bson::Bson;

use super::Binder;
use super::query::{QueryId, Rows};
use crate::error::{Code, Error, Result};
use crate::plan::{
    DeletedBy, DeletedSet, Deletion, Detached, Guard, ParentPart, Reference, Rel, Scalar, Terminal,
};
use crate::program::RefusalRule;
use crate::queryset::Value;
use crate::schema::{Field, FieldKind, Model, ModelId, OnDelete};

impl Binder<'_> {
    /// `delete()`.
    pub(super) fn deleted(&mut self, q: QueryId) -> Result<(Rel, Terminal)> {
        self.refuse_combined(q, "delete")?;
        let query = self.q(q)?;
        let refused = |message: &str| Err(Error::new(Code::TypeError, message));
        if query.is_sliced() {
            return refused("Cannot use 'limit' or 'offset' with delete().");
        }
        if !query.distinct_fields.is_empty() {
            return refused("Cannot call delete() after .distinct(*fields).");
        }
        if query.rows != Rows::Model {
            return refused("Cannot call delete() after .values() or .values_list()");
        }
        let model = self.schema.model(query.model)?;
        let root = query.model;
        let concrete = model.concrete;
        self.q_mut(q)?.clear_ordering(true, true);
        // Rows go once, alike or not; groups that no condition asks about decide nothing.
        self.q_mut(q)?.distinct = false;
        let split = self.split_conditions(q, self.q(q)?.conditions.clone(), true)?;
        if split.having.is_empty() && split.qualify.is_empty() {
            self.q_mut(q)?.group_by = super::query::GroupBy::None;
        }
        let alias = self.initial_alias(q)?;
        let source = self.q(q)?.alias(alias)?.source;
        let deletion = Collector::new(self).collect(root)?;
        let mut select = vec![Scalar::Column(self.document_key(source, concrete)?)];
        for name in deletion.sets.first().map_or(&[][..], |set| &set.keep) {
            let model = self.schema.model(root)?;
            let field = self
                .concrete_fields(model)?
                .into_iter()
                .find(|f| f.column == *name);
            if let Some(field) = field {
                let id = field.id;
                select.push(Scalar::Column(self.column(source, id)?));
            }
        }
        let rel = self.finish_rows(q, &select)?;
        Ok((rel, Terminal::Delete { source, deletion }))
    }

    /// The fields that the model's own collection stores.
    fn concrete_fields(&self, model: &Model) -> Result<Vec<&Field>> {
        let concrete = self.schema.model(model.concrete)?;
        Ok(concrete.fields.iter().filter(|f| f.is_concrete()).collect())
    }
}

/// Finds out what goes. A set stands for all the documents of a model that do.
struct Collector<'b, 'a> {
    binder: &'b Binder<'a>,
    models: Vec<ModelId>,
    /// Sets whose references are still to be followed.
    pending: Vec<usize>,
    found: Deletion,
}

impl<'b, 'a> Collector<'b, 'a> {
    fn new(binder: &'b Binder<'a>) -> Self {
        Collector {
            binder,
            models: Vec::new(),
            pending: Vec::new(),
            found: Deletion::default(),
        }
    }

    fn collect(mut self, root: ModelId) -> Result<Deletion> {
        let label = self.binder.schema.model(root)?.label.clone();
        let first = self.set(root, true)?;
        if let Some(set) = self.found.sets.get_mut(first) {
            set.label = label;
        }
        let mut next = 0;
        while let Some(set) = self.pending.get(next).copied() {
            next += 1;
            self.follow(set)?;
        }
        Ok(self.found)
    }

    /// The set of a model. With `related`, what refers to its documents is followed.
    fn set(&mut self, model: ModelId, related: bool) -> Result<usize> {
        let model = self.binder.schema.model(model)?;
        let concrete = self.binder.schema.model(model.concrete)?;
        let number = match self.models.iter().position(|m| *m == concrete.id) {
            Some(number) => number,
            None => {
                self.models.push(concrete.id);
                self.found.sets.push(DeletedSet {
                    label: concrete.label.clone(),
                    collection: concrete.collection.to_string(),
                    origins: Vec::new(),
                    keep: Vec::new(),
                    needed: false,
                });
                self.found.sets.len() - 1
            }
        };
        if related && !self.pending.contains(&number) {
            self.pending.push(number);
        }
        Ok(number)
    }

    fn model(&self, set: usize) -> Result<&'b Model> {
        match self.models.get(set) {
            Some(id) => self.binder.schema.model(*id),
            None => Err(Error::internal("a set of documents without a model")),
        }
    }

    fn origin(&mut self, set: usize, origin: DeletedBy) {
        if let Some(set) = self.found.sets.get_mut(set)
            && !set.origins.contains(&origin)
        {
            set.origins.push(origin);
        }
    }

    /// The column's value in the documents of a set will be asked for.
    fn ask(&mut self, set: usize, column: &str) {
        if let Some(set) = self.found.sets.get_mut(set) {
            set.needed = true;
            if column != "_id" && !set.keep.iter().any(|k| k == column) {
                set.keep.push(column.to_owned());
            }
        }
    }

    fn follow(&mut self, set: usize) -> Result<()> {
        let model = self.model(set)?;
        // Parents lose their part; what refers to it is among the related objects of the child.
        let mut children = vec![(set, model)];
        while let Some((child, child_model)) = children.pop() {
            for (parent, link) in &child_model.parents {
                let column = self.binder.schema.field(*link)?.column.to_string();
                let number = self.set(*parent, false)?;
                self.ask(child, &column);
                self.origin(number, DeletedBy::Parent { of: child, column });
                children.push((number, self.model(number)?));
            }
        }
        for related in &model.related_objects {
            let field = self.binder.schema.field(related.field)?;
            let Some(rule) = field.on_delete else {
                continue;
            };
            if field.through.is_some() || rule == OnDelete::DoNothing {
                continue;
            }
            self.reference(set, related.model, field, rule)?;
        }
        for field in &model.all_fields {
            let field = self.binder.schema.field(*field)?;
            if field.ty.kind == FieldKind::GenericRelation {
                self.generic(set, field)?;
            }
        }
        Ok(())
    }

    /// The pairs of columns of a reference, and the set that they refer to: that of a parent where it stores the value.
    fn pairs(&mut self, set: usize, field: &Field) -> Result<(usize, Vec<(String, String)>)> {
        let schema = self.binder.schema;
        let mut of = set;
        let mut pairs = Vec::new();
        for (own, target) in &field.links {
            let (own, target) = (schema.field(*own)?, schema.field(*target)?);
            let owner = schema.model(target.id.model)?.concrete;
            // A key of the parent is a key of the child.
            let column = if Some(&owner) == self.models.get(set) || target.primary_key {
                if target.primary_key && target.parts.is_empty() {
                    "_id".to_owned()
                } else {
                    target.column.to_string()
                }
            } else {
                of = self.set(owner, false)?;
                target.column.to_string()
            };
            pairs.push((own.column.to_string(), column));
        }
        Ok((of, pairs))
    }

    fn reference(
        &mut self,
        set: usize,
        owner: ModelId,
        field: &Field,
        rule: OnDelete,
    ) -> Result<()> {
        let schema = self.binder.schema;
        let (of, columns) = self.pairs(set, field)?;
        let owner = schema.model(schema.model(owner)?.concrete)?;
        match columns.as_slice() {
            [(_, column)] => self.ask(of, column),
            _ => self.ask(of, "_id"),
        }
        let reference = Reference {
            of,
            columns,
            only: None,
            part: None,
        };
        let target = self.model(set)?;
        let names = (
            target.name().to_owned(),
            format!("{}.{}", owner.name(), field.name),
        );
        match rule {
            OnDelete::Cascade => {
                let number = self.set(owner.id, true)?;
                self.origin(number, DeletedBy::Reference(reference));
            }
            OnDelete::Protect | OnDelete::Restrict => {
                self.found.guards.push(Guard {
                    collection: owner.collection.to_string(),
                    reference,
                    except: None,
                    rule: if rule == OnDelete::Restrict {
                        RefusalRule::Restrict
                    } else {
                        RefusalRule::Protect
                    },
                    names,
                });
                if rule == OnDelete::Restrict {
                    // Nothing goes by this reference, but what goes anyway does not stand in the way.
                    let number = self.set(owner.id, false)?;
                    self.ask(number, "_id");
                    if let Some(guard) = self.found.guards.last_mut() {
                        guard.except = Some(number);
                    }
                }
            }
            OnDelete::SetNull | OnDelete::SetDefault | OnDelete::Set => {
                let value = match (rule, &field.on_delete_value) {
                    (OnDelete::SetNull, _) => Bson::Null,
                    (_, Some(Value::Null)) => Bson::Null,
                    (_, Some(value)) => {
                        let ty = self.binder.key_type(&field.ty)?;
                        let value = self.binder.prepare(&ty, value)?;
                        self.binder.store(&ty, &value)?
                    }
                    (_, None) => {
                        // Nothing stands in the way as long as nothing refers to the documents.
                        self.found.guards.push(Guard {
                            collection: owner.collection.to_string(),
                            reference,
                            except: None,
                            rule: RefusalRule::UnknownValue,
                            names,
                        });
                        return Ok(());
                    }
                };
                self.found.detached.push(Detached {
                    collection: owner.collection.to_string(),
                    reference,
                    value,
                });
            }
            OnDelete::DoNothing => {}
        }
        Ok(())
    }

    /// A generic relation takes its objects along, as if by `CASCADE`.
    fn generic(&mut self, set: usize, field: &Field) -> Result<()> {
        let schema = self.binder.schema;
        let (Some(to), Some(content_type), Some(object_id)) =
            (field.to, field.content_type_field, field.object_id_field)
        else {
            return Ok(());
        };
        let model = self.model(set)?;
        // Where content types are known, nothing can refer to a model that has none.
        let known = &schema.settings().content_types;
        if !known.is_empty() && !known.contains_key(&model.label) {
            return Ok(());
        }
        let key = self.binder.content_type_key(field.id, model.id)?;
        let (content_type, object_id) = (schema.field(content_type)?, schema.field(object_id)?);
        let ty = self.binder.key_type(&content_type.ty)?;
        let only = self.binder.store(&ty, &Value::Int(key.into()))?;
        if schema.storage(object_id.id)? != schema.storage(model.pk)? {
            return Err(Error::unsupported(
                format!("deleting from {}", model.label),
                "its generic relation keeps keys in another type than the model's own",
            )
            .at("/do"));
        }
        self.ask(set, "_id");
        let part = match schema.parent_links(to, object_id.id.model) {
            Some(links) if !links.is_empty() => Some(ParentPart {
                collection: schema.model(object_id.id.model)?.collection.to_string(),
                link: match links.first() {
                    Some(link) => schema.field(*link)?.column.to_string(),
                    None => "_id".to_owned(),
                },
            }),
            _ => None,
        };
        let reference = Reference {
            of: set,
            columns: vec![(object_id.column.to_string(), "_id".to_owned())],
            only: Some((content_type.column.to_string(), only)),
            part,
        };
        let number = self.set(to, true)?;
        self.origin(number, DeletedBy::Reference(reference));
        Ok(())
    }
}
