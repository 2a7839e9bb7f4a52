//! What models and instances lead to: managers, relations, constants.

use super::Evaluator;
use super::args::{Args, Keyword, required};
use super::queryset::{Related, RelatedKind, Rows};
use super::tree::{no_attribute, runtime};
use super::value::{Instance, Py, refuse, string, type_error, value_error};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result, Span};
use crate::queryset::{Call, Do, Expr, Insert, Q, Value};
use crate::schema::{Field, FieldKind, ModelId, NameTarget};

impl Evaluator<'_> {
    /// The default manager of a model.
    pub(super) fn default_rows(&mut self, model: ModelId) -> Result<Rows> {
        let schema = self.schema()?;
        let label = schema.model(model)?.label.clone();
        let first = self
            .extras
            .models
            .get(&label)
            .and_then(|m| m.managers.values().next())
            .cloned()
            .flatten();
        self.manager_rows(model, &label, first)
    }

    fn manager_rows(&mut self, model: ModelId, label: &str, class: Option<String>) -> Result<Rows> {
        let mut rows = Rows::new(model, label);
        if let Some(class) = class {
            rows.class = Some(class);
            rows = self.own_queryset(rows)?;
            rows.manager = true;
        }
        Ok(rows)
    }

    /// `Model.name`.
    pub(super) fn class_attribute(&mut self, model: ModelId, name: &str) -> Result<Py> {
        let schema = self.schema()?;
        let found = schema.model(model)?;
        let label = found.label.clone();
        let short = found.name().to_owned();
        if found.embedded && matches!(name, "objects" | "_default_manager" | "_base_manager") {
            return Err(no_attribute(&format!("type object '{short}'"), name)
                .with_hint("an embedded model is stored inside others and has no manager"));
        }
        let extras = self.extras.models.get(&label);
        match name {
            "_default_manager" => return Ok(Py::Rows(Box::new(self.default_rows(model)?))),
            "_base_manager" => return Ok(Py::Rows(Box::new(Rows::new(model, &label)))),
            "_meta" => return Err(refuse(Code::Python, "_meta is no part of a query")),
            "DoesNotExist" | "MultipleObjectsReturned" => return Ok(Py::Unknown(name.to_owned())),
            _ => {}
        }
        if let Some(manager) = extras.and_then(|m| m.managers.get(name)).cloned() {
            return Ok(Py::Rows(Box::new(
                self.manager_rows(model, &label, manager)?,
            )));
        }
        if name == "objects" && extras.is_none_or(|m| m.managers.is_empty()) {
            return Ok(Py::Rows(Box::new(Rows::new(model, &label))));
        }
        if let Some(value) = self.constant_of(&label, name) {
            return Ok(value);
        }
        let through = match found.names.get(name) {
            Some(NameTarget::Field(field)) => schema.field(*field)?.through,
            _ => found
                .related_objects
                .iter()
                .find(|r| r.accessor.as_deref() == Some(name))
                .and_then(|r| schema.field(r.field).ok())
                .and_then(|f| f.through),
        };
        if let Some(through) = through {
            return Ok(Py::Descriptor(through.model));
        }
        let mut error = no_attribute(&format!("type object '{short}'"), name);
        let managers: Vec<String> = extras
            .map(|m| m.managers.keys().cloned().collect())
            .unwrap_or_default();
        let usual = managers.is_empty().then_some("objects");
        let choices = managers.iter().map(String::as_str).chain(usual);
        if let Some(choice) = closest(name, choices) {
            error = error.with_hint(format!("did you mean '{choice}'?"));
        } else if found.names.contains_key(name) {
            error = error.with_hint(format!(
                "fields are named inside calls: F(\"{name}\") or {name}=..."
            ));
        }
        Err(error)
    }

    /// A constant of a class, or the class of constants inside it.
    fn constant_of(&self, label: &str, name: &str) -> Option<Py> {
        let constants = &self.extras.models.get(label)?.constants;
        if let Some(value) = constants.get(name) {
            return Some(super::from_literal(value.clone()));
        }
        let prefix = format!("{name}.");
        let inner: indexmap::IndexMap<String, Value> = constants
            .iter()
            .filter_map(|(k, v)| Some((k.strip_prefix(&prefix)?.to_owned(), v.clone())))
            .collect();
        (!inner.is_empty()).then_some(Py::Enum(inner))
    }

    /// `instance.name`.
    pub(super) fn instance_attribute(&mut self, instance: Instance, name: &str) -> Result<Py> {
        let schema = self.schema()?;
        let model = schema.model(instance.model)?;
        let key = self.key_of(model);
        if name == "pk" || key.is_some_and(|k| k.name == name || k.attname == name) {
            return match &instance.pk {
                Some(pk) => Ok(super::from_literal(pk.clone())),
                None => Ok(Py::null()),
            };
        }
        if let Some(value) = instance.fields.get(name) {
            return Ok(value.clone());
        }
        if let Some(rows) = self.relation(&instance, name)? {
            return Ok(Py::Rows(Box::new(rows)));
        }
        if let Some(result) = self.one_to_one(&instance, name)? {
            return Ok(result);
        }
        if model.names.contains_key(name)
            || model
                .related_objects
                .iter()
                .any(|r| r.accessor.as_deref() == Some(name))
        {
            return Err(runtime(name));
        }
        if let Some(value) = self.constant_of(&model.label, name) {
            return Ok(value);
        }
        let short = model.name();
        let mut error = no_attribute(&format!("'{short}' object"), name);
        let accessors = model
            .related_objects
            .iter()
            .filter_map(|r| r.accessor.as_deref());
        if let Some(choice) = closest(
            name,
            model.names.keys().map(String::as_str).chain(accessors),
        ) {
            error = error.with_hint(format!("did you mean '{choice}'?"));
        } else if name == "objects" {
            error = error.with_hint(format!(
                "write {short}.objects: managers belong to the class"
            ));
        }
        Err(error)
    }

    /// The manager of a to-many relation.
    fn relation(&mut self, instance: &Instance, name: &str) -> Result<Option<Rows>> {
        let schema = self.schema()?;
        let model = schema.model(instance.model)?;
        if let Some(NameTarget::Field(reference)) = model.names.get(name) {
            let field = schema.field(*reference)?;
            return match field.ty.kind {
                FieldKind::ManyToManyField => self.many_rows(instance, field, false).map(Some),
                FieldKind::GenericRelation => self.generic_rows(instance, field).map(Some),
                _ => Ok(None),
            };
        }
        let Some(related) = model
            .related_objects
            .iter()
            .find(|r| r.accessor.as_deref() == Some(name))
        else {
            return Ok(None);
        };
        let field = schema.field(related.field)?;
        let owner = related.model;
        match field.ty.kind {
            FieldKind::ForeignKey | FieldKind::ForeignObject => {
                let pk = Self::stored(instance)?;
                let field_name = field.name.clone();
                let reference = field.id;
                let rows = self.default_rows(owner)?;
                let q = Q::And(vec![Q::lookup(field_name, Expr::Value(pk))]);
                Ok(Some(related_rows(
                    rows,
                    q,
                    instance,
                    RelatedKind::Reverse(reference),
                    false,
                )))
            }
            FieldKind::ManyToManyField => self.many_rows(instance, field, true).map(Some),
            _ => Ok(None),
        }
    }

    /// The row behind the other side of a one-to-one field (Django: `ReverseOneToOneDescriptor`).
    fn one_to_one(&mut self, instance: &Instance, name: &str) -> Result<Option<Py>> {
        let schema = self.schema()?;
        let model = schema.model(instance.model)?;
        let found = model.related_objects.iter().find_map(|r| {
            let field = schema.field(r.field).ok()?;
            (r.accessor.as_deref() == Some(name) && field.ty.kind == FieldKind::OneToOneField)
                .then_some((r.model, field))
        });
        let Some((owner, field)) = found else {
            return Ok(None);
        };
        let key = match field.links.first() {
            Some((_, to)) => schema.field(*to)?.name.clone(),
            None => "pk".to_owned(),
        };
        let args = Args {
            positional: Vec::new(),
            keywords: vec![Keyword {
                name: format!("{}__{key}", field.name),
                value: super::from_literal(Self::stored(instance)?),
                span: Span { start: 0, end: 0 },
            }],
        };
        let rows = Rows::new(owner, &schema.model(owner)?.label);
        self.terminal(rows, "get", args).map(Some)
    }

    /// Rows of a many-to-many relation (Django: `create_forward_many_to_many_manager`).
    fn many_rows(&mut self, instance: &Instance, field: &Field, reverse: bool) -> Result<Rows> {
        let schema = self.schema()?;
        let pk = Self::stored(instance)?;
        let through = field
            .through
            .ok_or_else(|| Error::internal("a many-to-many field without intermediate model"))?;
        let (path, source, target, owner) = if reverse {
            (
                Some(field.name.clone()),
                through.target,
                through.source,
                Some(field.id.model),
            )
        } else {
            let owner = field.to;
            (
                field.related_query_name.clone(),
                through.source,
                through.target,
                owner,
            )
        };
        let (Some(path), Some(owner)) = (path, owner) else {
            return Err(Error::unsupported(
                format!("the manager '{}'", field.name),
                "the relation has no name that leads back",
            ));
        };
        let link = schema.field(source)?;
        let key = match link.links.first() {
            Some((_, to)) => schema.field(*to)?.attname.clone(),
            None => "pk".into(),
        };
        let rows = self.default_rows(owner)?;
        let q = Q::And(vec![Q::lookup(format!("{path}__{key}"), Expr::Value(pk))]);
        let kind = RelatedKind::Many {
            through: through.model,
            source,
            target,
        };
        Ok(related_rows(rows, q, instance, kind, true))
    }

    /// Rows of a generic relation: their type and key are conditions.
    fn generic_rows(&mut self, instance: &Instance, field: &Field) -> Result<Rows> {
        let pk = Self::stored(instance)?;
        let (Some(generic), Some(to)) = (&field.generic, field.to) else {
            return Err(Error::internal("a generic relation without a target"));
        };
        let content_type = self.content_type(instance.model, generic.for_concrete_model)?;
        let mut parts = [
            (format!("{}__pk", generic.content_type), content_type),
            (generic.object_id.clone(), pk),
        ];
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        let q = Q::And(
            parts
                .into_iter()
                .map(|(path, value)| Q::lookup(path, Expr::Value(value)))
                .collect(),
        );
        let reference = field.id;
        let rows = self.default_rows(to)?;
        Ok(related_rows(
            rows,
            q,
            instance,
            RelatedKind::Generic(reference),
            false,
        ))
    }

    /// What `count()` and `exists()` directly on a many-to-many manager ask: the intermediate model alone
    /// (Django: `constrained_target`).
    pub(super) fn through_rows(&self, rows: &Rows) -> Result<Option<Rows>> {
        let Some(Related {
            instance,
            kind:
                RelatedKind::Many {
                    through,
                    source,
                    target,
                },
        }) = &rows.related
        else {
            return Ok(None);
        };
        if !rows.manager {
            return Ok(None);
        }
        let schema = self.schema()?;
        let (source, target) = (schema.field(*source)?, schema.field(*target)?);
        let mut parts = vec![(source.name.clone(), Self::stored(instance)?)];
        if target.null() {
            parts.push((format!("{}__isnull", target.name), Value::Bool(false)));
        }
        parts.sort_by(|a, b| a.0.cmp(&b.0));
        let q = Q::And(
            parts
                .into_iter()
                .map(|(path, value)| Q::lookup(path, Expr::Value(value)))
                .collect(),
        );
        let rows = Rows::new(*through, &schema.model(*through)?.label);
        Ok(Some(rows.with(Call::Filter(q))))
    }

    /// `add()`, `remove()` and `clear()` of a relation, where one statement says it.
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
        match (kind, name) {
            (
                RelatedKind::Many {
                    through,
                    source,
                    target,
                },
                "add",
            ) => {
                let (source, target) = (&schema.field(source)?.name, &schema.field(target)?.name);
                let inserted = keys
                    .into_iter()
                    .map(|key| {
                        [(source.clone(), pk.clone()), (target.clone(), key)]
                            .into_iter()
                            .collect()
                    })
                    .collect();
                let rows = Rows::new(through, &schema.model(through)?.label);
                Ok(self.done(
                    &rows,
                    Do::Insert(Insert {
                        rows: inserted,
                        ignore_conflicts: true,
                        ..Insert::default()
                    }),
                ))
            }
            (
                RelatedKind::Many {
                    through,
                    source,
                    target,
                },
                "remove" | "clear",
            ) => {
                let (source, target) = (&schema.field(source)?.name, &schema.field(target)?.name);
                let mut parts = vec![Q::lookup(source.clone(), Expr::Value(pk))];
                if name == "remove" {
                    parts.push(Q::lookup(
                        format!("{target}__in"),
                        Expr::Value(Value::List(keys)),
                    ));
                }
                let rows = Rows::new(through, &schema.model(through)?.label);
                let rows = rows.with(Call::Filter(Q::And(parts)));
                Ok(self.done(&rows, Do::Delete))
            }
            (RelatedKind::Reverse(field), "add") => {
                let field = schema.field(field)?;
                let rows = Rows::new(rows.model, &rows.label);
                let q = Q::And(vec![Q::lookup("pk__in", Expr::Value(Value::List(keys)))]);
                let rows = rows.with(Call::Filter(q));
                let values = [(field.name.clone(), Expr::Value(pk))]
                    .into_iter()
                    .collect();
                Ok(self.done(&rows, Do::Update(values)))
            }
            (RelatedKind::Reverse(field), "remove" | "clear") => {
                let field = schema.field(field)?;
                if !field.null() {
                    return Err(no_attribute("'RelatedManager' object", name)
                        .with_hint(format!("'{}' cannot be null", field.name)));
                }
                let rows = if name == "remove" {
                    let q = Q::And(vec![Q::lookup("pk__in", Expr::Value(Value::List(keys)))]);
                    rows.with(Call::Filter(q))
                } else {
                    rows
                };
                let values = [(field.name.clone(), Expr::Value(Value::Null))]
                    .into_iter()
                    .collect();
                Ok(self.done(&rows, Do::Update(values)))
            }
            _ => Err(Error::unsupported(
                format!("{name}() of this relation"),
                "it takes several statements",
            )),
        }
    }

    /// `instance.name(args)`.
    pub(super) fn instance_method(
        &mut self,
        instance: Instance,
        name: &str,
        args: Args,
    ) -> Result<Py> {
        match name {
            "save" | "asave" if instance.pk.is_none() => {
                let row = self.complete_row(&instance)?;
                let label = &self.schema()?.model(instance.model)?.label;
                let rows = Rows::new(instance.model, label);
                Ok(self.done(
                    &rows,
                    Do::Insert(Insert {
                        rows: vec![row],
                        ..Insert::default()
                    }),
                ))
            }
            "delete" | "adelete" => {
                let pk = Self::stored(&instance)?;
                let label = &self.schema()?.model(instance.model)?.label;
                let rows = Rows::new(instance.model, label);
                let rows = rows.with(Call::Filter(Q::And(vec![Q::lookup("pk", Expr::Value(pk))])));
                Ok(self.done(&rows, Do::Delete))
            }
            "save" | "asave" => Err(Error::unsupported(
                "save() of a stored instance",
                "what was changed in Python is not part of a text",
            )
            .with_hint("write filter(pk=...).update(...)")),
            "refresh_from_db" | "arefresh_from_db" => Err(Error::unsupported(
                "refresh_from_db()",
                "an instance in a text has no state",
            )
            .with_hint("write get(pk=...)")),
            _ => match self.instance_attribute(instance, name)? {
                Py::Rows(rows) => self.other_manager(*rows, name, args),
                other => self.call(other, args),
            },
        }
    }

    /// `instance.relation(manager="name")`: the same rows through another manager of their model.
    fn other_manager(&mut self, rows: Rows, name: &str, mut args: Args) -> Result<Py> {
        let Some(manager) = args.take("manager") else {
            return Err(type_error(format!("the manager '{name}' is not called"))
                .with_hint("call its methods: all(), filter(), ..."));
        };
        args.finish(name)?;
        let manager = string(&manager, "the manager")?;
        let mut found = match self.class_attribute(rows.model, &manager)? {
            Py::Rows(found) if found.manager => *found,
            other => {
                return Err(type_error(format!(
                    "'{manager}' is {}, no manager",
                    other.describe()
                )));
            }
        };
        let class = found.class.clone();
        if let Some(filter) = rows.calls.last() {
            found = found.with(filter.clone());
        }
        found.manager = true;
        found.class = class;
        found.sticky = rows.sticky;
        found.related = rows.related;
        Ok(Py::Rows(Box::new(found)))
    }

    /// `ContentType.objects.get_for_model(Model)` and its siblings.
    pub(super) fn content_type_method(
        &mut self,
        rows: &Rows,
        name: &str,
        args: &mut Args,
    ) -> Result<Option<Py>> {
        if rows.label != "contenttypes.ContentType" || !rows.manager {
            return Ok(None);
        }
        let keyword = |name: &str, value: Py| Keyword {
            name: name.to_owned(),
            value,
            span: Span { start: 0, end: 0 },
        };
        let mut instance = None;
        let keywords = match name {
            "get_for_model" => {
                let [model, concrete] =
                    std::mem::take(args).bind(name, ["model", "for_concrete_model"])?;
                let model = match required(model, name, "model")? {
                    Py::Class(model) => model,
                    Py::Instance(instance) => instance.model,
                    other => {
                        return Err(type_error(format!(
                            "get_for_model() takes a model, not {}",
                            other.describe()
                        )));
                    }
                };
                let concrete = concrete.and_then(|c| c.truth()).unwrap_or(true);
                let schema = self.schema()?;
                let found = schema.model(model)?;
                let label = if concrete {
                    &schema.model(found.concrete)?.label
                } else {
                    &found.label
                };
                let (app, class) = label.split_once('.').unwrap_or(("", label));
                instance = self.content_type(model, concrete).ok().map(|pk| Instance {
                    model: rows.model,
                    pk: Some(pk),
                    fields: indexmap::IndexMap::new(),
                });
                vec![
                    keyword("app_label", Py::str(app)),
                    keyword("model", Py::str(class.to_lowercase())),
                ]
            }
            "get_by_natural_key" => {
                let [app, model] = std::mem::take(args).bind(name, ["app_label", "model"])?;
                vec![
                    keyword("app_label", required(app, name, "app_label")?),
                    keyword("model", required(model, name, "model")?),
                ]
            }
            "get_for_id" => {
                let [id] = std::mem::take(args).bind(name, ["id"])?;
                vec![keyword("pk", required(id, name, "id")?)]
            }
            _ => return Ok(None),
        };
        let get = Args {
            positional: Vec::new(),
            keywords,
        };
        let found = self.terminal(rows.clone(), "get", get)?;
        Ok(Some(match (found, instance) {
            (Py::Done(done), Some(instance)) => Py::Done(Box::new(super::value::Done {
                statement: done.statement,
                instance: Some(instance),
            })),
            (other, _) => other,
        }))
    }

    /// The name of the current time zone.
    pub(super) fn zone_name(&self) -> String {
        self.schema
            .map_or_else(|| "UTC".to_owned(), |s| s.settings().time_zone.clone())
    }
}

fn related_rows(rows: Rows, q: Q, instance: &Instance, kind: RelatedKind, sticky: bool) -> Rows {
    let mut rows = rows.with(Call::Filter(q));
    rows.manager = true;
    rows.sticky = sticky;
    rows.related = Some(Related {
        instance: instance.clone(),
        kind,
    });
    rows
}

/// Django's refusal of a value for a relation.
pub(super) fn wrong_instance(model: &str, field: &str, target: &str, value: &Py) -> Error {
    value_error(format!(
        "Cannot assign {}: \"{model}.{field}\" must be a \"{target}\" instance.",
        value.describe()
    ))
}
