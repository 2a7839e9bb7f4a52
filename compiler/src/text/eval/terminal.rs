//! The methods that end a queryset, written as Django runs them.

use indexmap::IndexMap;

use super::Evaluator;
use super::args::{Args, Keyword, required};
use super::index::slice_rows;
use super::node::At;
use super::queryset::{Related, RelatedKind, Rows};
use super::value::{Done, Instance, Py, refuse, string, type_error, value_error};
use crate::error::{Code, Error, Result, Span};
use crate::queryset::{BulkUpdate, Call, Do, Expr, Insert, OrderTerm, Q, Value};
use crate::schema::{ModelId, NameTarget};

/// Rows that `get()` reads at most (Django: `MAX_GET_RESULTS`).
const MOST_GOT: u64 = 21;

impl Evaluator<'_> {
    pub(super) fn terminal(&mut self, rows: Rows, name: &str, args: Args) -> Result<Py> {
        let plain = |action: Do, args: Args, rows: &Rows| -> Result<Py> {
            args.finish(name)?;
            Ok(self.done(rows, action))
        };
        match name {
            "get" => self.get(rows, args),
            "first" | "last" => {
                args.finish(name)?;
                self.first_or_last(rows, name)
            }
            "latest" | "earliest" => self.latest(rows, name, args),
            "count" => {
                let mut args = args;
                let limit = match args.take_some("limit") {
                    None => None,
                    Some(limit) => Some(
                        u64::try_from(super::value::integer(&limit, "limit")?)
                            .map_err(|_| value_error("limit must not be negative"))?,
                    ),
                };
                args.finish(name)?;
                let rows = self.through_rows(&rows)?.unwrap_or(rows);
                Ok(self.done(&rows, Do::Count { limit }))
            }
            "exists" => {
                args.finish(name)?;
                let rows = self.through_rows(&rows)?.unwrap_or(rows);
                Ok(self.done(&rows, Do::Exists))
            }
            "contains" => self.contains(rows, args),
            "in_bulk" => self.in_bulk(rows, args),
            "iterator" => {
                let [size, _] = args.bind(name, ["chunk_size", "using"])?;
                let prefetches = rows.calls.iter().rev().find_map(|call| match call {
                    Call::PrefetchRelated(lookups) => Some(lookups.is_some()),
                    _ => None,
                });
                if size.as_ref().is_none_or(Py::is_none) && prefetches == Some(true) {
                    return Err(value_error(
                        "chunk_size must be provided when using QuerySet.iterator() after prefetch_related().",
                    ));
                }
                if matches!(size, Some(Py::Value(Value::Int(size))) if size <= 0) {
                    return Err(value_error("Chunk size must be strictly positive."));
                }
                Ok(self.done(&rows, Do::Rows))
            }
            "explain" => Ok(self.done(&rows, Do::Explain)),
            "aggregate" => {
                let (positional, mut named) = self.annotations("aggregate", args)?;
                named.extend(positional);
                Ok(self.done(&rows, Do::Aggregate(named)))
            }
            // Managers have no delete().
            "delete" if !rows.manager => plain(Do::Delete, args, &rows),
            "update" => self.update(rows, args),
            "create" => self.create(rows, args),
            "bulk_create" => self.bulk_create(rows, args),
            "get_or_create" | "update_or_create" => self.create_or(rows, name, args),
            "bulk_update" => self.bulk_update(rows, args),
            "add" | "remove" | "clear" | "set" if rows.related.is_some() => {
                self.change_relation(rows, name, args)
            }
            _ => Err(self.no_method(&rows, name)),
        }
    }

    /// A queryset with its terminal.
    pub(super) fn done(&self, rows: &Rows, action: Do) -> Py {
        Py::Done(Box::new(Done {
            statement: rows.queryset().done(action),
            instance: None,
        }))
    }

    /// `get()`: filters, drops the ordering and reads a few rows at most (Django: `QuerySet.get`).
    fn get(&mut self, rows: Rows, args: Args) -> Result<Py> {
        let filters = !args.positional.is_empty() || !args.keywords.is_empty();
        if rows.facts.combined && filters {
            return Err(refuse(
                Code::NotSupported,
                "Calling QuerySet.get(...) with filters after union() is not supported.",
            ));
        }
        let schema = self.schema()?;
        let model = schema.model(rows.model)?;
        let pk_name = self
            .key_of(model)
            .map(|f| f.name.clone())
            .unwrap_or_default();
        let key = args.keywords.iter().find_map(|k| {
            let name = k.name.strip_suffix("__exact").unwrap_or(&k.name);
            (name == "pk" || name == pk_name)
                .then(|| k.value.literal())
                .flatten()
        });
        let instance = key.map(|pk| Instance {
            model: rows.model,
            pk: Some(pk),
            fields: IndexMap::new(),
        });
        let node = self.conditions(args)?;
        let mut rows = if node.children.is_empty() {
            rows.chain()
        } else {
            let q = node.into_q();
            self.check_instances(&rows, &q)?;
            rows.with_condition(Call::Filter(q))
        };
        if !rows.facts.sliced && !rows.facts.distinct_on {
            rows = rows.with(Call::OrderBy(Vec::new()));
        }
        let rows = slice_rows(rows, None, Some(MOST_GOT));
        Ok(Py::Done(Box::new(Done {
            statement: rows.queryset().done(Do::Rows),
            instance,
        })))
    }

    /// `first()` and `last()`: order by the key if nothing is ordered (Django: `QuerySet.first`).
    fn first_or_last(&mut self, rows: Rows, name: &str) -> Result<Py> {
        let raw = !rows.facts.ordered && rows.calls.iter().any(|c| matches!(c, Call::Raw(_)));
        if raw && name == "last" {
            return Err(Error::unsupported(
                "last() of the rows of raw_aggregate()",
                "their order is that of the stages",
            )
            .with_hint("order_by() says an order that can be reversed"));
        }
        let ordered = raw || self.is_ordered(&rows);
        if !ordered && rows.facts.grouped && self.grouped_without_key(&rows)? {
            return Err(type_error(format!(
                "Cannot use QuerySet.{name}() on an unordered queryset performing aggregation. Add an ordering with \
                 order_by()."
            )));
        }
        let term = |name: &str| Call::OrderBy(vec![OrderTerm::Name(name.to_owned())]);
        let rows = match (ordered, name) {
            (true, "first") => rows,
            (true, _) => rows.with(Call::Reverse),
            (false, "first") => rows.with(term("pk")),
            (false, _) => rows.with(term("-pk")),
        };
        let rows = slice_rows(rows, None, Some(1));
        Ok(self.done(&rows, Do::Rows))
    }

    /// Whether the rows are groups of values that do not include the key.
    fn grouped_without_key(&self, rows: &Rows) -> Result<bool> {
        let schema = self.schema()?;
        let pk = &schema.field(schema.model(rows.model)?.pk)?.name;
        let mut selected: Option<&Vec<String>> = None;
        for call in &rows.calls {
            match call {
                Call::Values(v) | Call::ValuesList { fields: v, .. } => selected = Some(&v.fields),
                Call::Annotate(exprs) | Call::Alias(exprs) => {
                    let aggregates = exprs.keys().any(|k| rows.facts.aggregates.contains(k));
                    if let Some(fields) = selected
                        && aggregates
                    {
                        return Ok(
                            !fields.is_empty() && !fields.iter().any(|f| f == "pk" || f == pk)
                        );
                    }
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// `latest()` and `earliest()` (Django: `QuerySet._earliest`).
    fn latest(&mut self, rows: Rows, name: &str, args: Args) -> Result<Py> {
        if rows.facts.sliced {
            return Err(type_error(
                "Cannot change a query once a slice has been taken.",
            ));
        }
        let mut terms = Vec::new();
        for (value, span) in args.only_positional(name)? {
            terms.push(self.order_term(value).at(span)?);
        }
        if terms.is_empty() {
            let model = self.schema()?.model(rows.model)?;
            terms.extend(model.get_latest_by.iter().cloned().map(OrderTerm::Name));
        }
        if terms.is_empty() {
            return Err(value_error(
                "earliest() and latest() require either fields as positional arguments or 'get_latest_by' in the \
                 model's Meta.",
            ));
        }
        let rows = if name == "latest" {
            rows.with(Call::Reverse)
        } else {
            rows
        };
        let rows = rows.with(Call::OrderBy(terms));
        let rows = slice_rows(slice_rows(rows, None, Some(1)), None, Some(MOST_GOT));
        Ok(self.done(&rows, Do::Rows))
    }

    fn contains(&mut self, rows: Rows, args: Args) -> Result<Py> {
        let combinator = rows.calls.iter().find_map(|call| match call {
            Call::Union { .. } => Some("union"),
            Call::Intersection(_) => Some("intersection"),
            Call::Difference(_) => Some("difference"),
            _ => None,
        });
        if let Some(combinator) = combinator {
            return Err(refuse(
                Code::NotSupported,
                format!("Calling QuerySet.contains() after {combinator}() is not supported."),
            ));
        }
        if rows.facts.values {
            return Err(type_error(
                "Cannot call QuerySet.contains() after .values() or .values_list().",
            ));
        }
        let [obj] = args.bind("contains", ["obj"])?;
        let instance = match required(obj, "contains", "obj")? {
            Py::Instance(instance) => *instance,
            Py::Done(done) => done
                .instance
                .ok_or_else(|| super::member::runtime("contains"))?,
            _ => return Err(type_error("'obj' must be a model instance.")),
        };
        let schema = self.schema()?;
        if schema.model(instance.model)?.concrete != schema.model(rows.model)?.concrete {
            // Django looks at the class and asks nothing.
            return Ok(self.done(&rows.with(Call::None), Do::Exists));
        }
        let Some(pk) = instance.pk else {
            return Err(value_error(
                "QuerySet.contains() cannot be used on unsaved objects.",
            ));
        };
        let q = Q::And(vec![Q::lookup("pk", Expr::Value(pk))]);
        let rows = rows.with_condition(Call::Filter(q));
        Ok(self.done(&rows, Do::Exists))
    }

    /// `in_bulk()` (Django: `QuerySet.in_bulk`).
    fn in_bulk(&mut self, rows: Rows, args: Args) -> Result<Py> {
        if rows.facts.sliced {
            return Err(type_error("Cannot use 'limit' or 'offset' with in_bulk()."));
        }
        if rows.facts.values {
            return Err(type_error(
                "in_bulk() cannot be used with values() or values_list().",
            ));
        }
        let mut args = args;
        let field = args.take("field_name");
        let [ids] = args.bind("in_bulk", ["id_list"])?;
        let field = match field {
            None => "pk".to_owned(),
            Some(value) => string(&value, "field_name")?,
        };
        self.check_unique(&rows, &field)?;
        let Some(ids) = ids.filter(|v| !v.is_none()) else {
            return Ok(self.done(&rows, Do::Rows));
        };
        let rhs = self.rhs(ids)?;
        if matches!(&rhs, Expr::Value(Value::List(items)) if items.is_empty()) {
            let rows = rows.with(Call::None);
            return Ok(self.done(&rows, Do::Rows));
        }
        let q = Q::And(vec![Q::lookup(format!("{field}__in"), rhs)]);
        let rows = rows.with_condition(Call::Filter(q));
        Ok(self.done(&rows, Do::Rows))
    }

    fn check_unique(&self, rows: &Rows, name: &str) -> Result<()> {
        if name == "pk" {
            return Ok(());
        }
        let schema = self.schema()?;
        let model = schema.model(rows.model)?;
        for reference in &model.all_fields {
            let field = schema.field(*reference)?;
            if field.name != name && field.attname != name {
                continue;
            }
            let alone = model.indexes.iter().any(|i| {
                i.unique
                    && i.is_general()
                    && matches!(i.keys.as_slice(), [key] if key.field == name)
            });
            let distinct = matches!(
                rows.calls.iter().rev().find_map(|c| match c {
                    Call::Distinct(fields) => Some(fields.as_slice()),
                    _ => None,
                }),
                Some([only]) if only == name
            );
            if field.unique || alone || distinct {
                return Ok(());
            }
            return Err(value_error(format!(
                "in_bulk()'s field_name must be a unique field but '{name}' isn't."
            )));
        }
        let short = model.name();
        Err(Error::new(
            Code::FieldDoesNotExist,
            format!("{short} has no field named '{name}'"),
        ))
    }

    fn update(&mut self, rows: Rows, args: Args) -> Result<Py> {
        if let Some((_, span)) = args.positional.first() {
            return Err(type_error("update() takes keyword arguments only").with_span(*span));
        }
        let mut values = IndexMap::new();
        for keyword in args.keywords {
            values.insert(
                keyword.name,
                self.value_expr(keyword.value).at(keyword.span)?,
            );
        }
        let rows = rows.chain();
        Ok(self.done(&rows, Do::Update(values)))
    }

    /// The manager's relation as a further value of a new row.
    fn relate(&self, rows: &Rows, args: &mut Args) -> Result<()> {
        match &rows.related {
            None => Ok(()),
            Some(Related {
                instance,
                kind: RelatedKind::Reverse(field),
            }) => {
                let name = self.schema()?.field(*field)?.name.clone();
                args.keywords.retain(|k| k.name != name);
                args.keywords.push(Keyword {
                    name,
                    value: Py::Instance(Box::new(instance.clone())),
                    span: Span::NOWHERE,
                });
                Ok(())
            }
            Some(Related {
                instance,
                kind: RelatedKind::Generic(field),
            }) => {
                let schema = self.schema()?;
                let Some(generic) = &schema.field(*field)?.generic else {
                    return Err(Error::internal("a generic relation without its fields"));
                };
                let model = schema.model(rows.model)?;
                let attname = |name: &str| match model.names.get(name) {
                    Some(NameTarget::Field(reference)) => schema
                        .field(*reference)
                        .map_or_else(|_| name.to_owned(), |f| f.attname.to_string()),
                    _ => name.to_owned(),
                };
                let values = [
                    (
                        attname(&generic.content_type),
                        self.content_type(instance.model, generic.for_concrete_model)?,
                    ),
                    (attname(&generic.object_id), Self::stored(instance)?),
                ];
                for (name, value) in values {
                    args.keywords.retain(|k| k.name != name);
                    args.keywords.push(Keyword {
                        name,
                        value: super::from_literal(value),
                        span: Span::NOWHERE,
                    });
                }
                Ok(())
            }
            Some(_) => Err(Error::unsupported(
                "creating a row through a many-to-many relation",
                "it takes several statements",
            )
            .with_hint("create the row, then add it to the relation")),
        }
    }

    fn create(&mut self, rows: Rows, mut args: Args) -> Result<Py> {
        if let Some((_, span)) = args.positional.first() {
            return Err(type_error("create() takes keyword arguments only").with_span(*span));
        }
        self.relate(&rows, &mut args)?;
        let Py::Instance(instance) = self.instantiate(rows.model, args)? else {
            return Err(Error::internal("a model makes no instance"));
        };
        let row = self.complete_row(&instance)?;
        let rows = Rows::new(rows.model, &rows.label);
        Ok(Py::Done(Box::new(Done {
            statement: rows.queryset().done(Do::Insert(Insert {
                rows: vec![row],
                ..Insert::default()
            })),
            instance: instance.pk.is_some().then_some(*instance),
        })))
    }

    fn bulk_create(&mut self, rows: Rows, args: Args) -> Result<Py> {
        let [objs, _batch, ignore, update, update_fields, unique_fields] = args.bind(
            "bulk_create",
            [
                "objs",
                "batch_size",
                "ignore_conflicts",
                "update_conflicts",
                "update_fields",
                "unique_fields",
            ],
        )?;
        let objs = required(objs, "bulk_create", "objs")?;
        let mut inserted = Vec::new();
        for instance in self.instances(&objs, "bulk_create", rows.model)? {
            inserted.push(self.complete_row(instance)?);
        }
        let flag = |v: Option<Py>| v.is_some_and(|v| v.truth() == Some(true));
        let insert = Insert {
            rows: inserted,
            ignore_conflicts: flag(ignore),
            update_conflicts: flag(update),
            update_fields: names_of(update_fields)?,
            unique_fields: names_of(unique_fields)?,
        };
        if insert.ignore_conflicts && insert.update_conflicts {
            return Err(value_error(
                "ignore_conflicts and update_conflicts are mutually exclusive.",
            ));
        }
        if insert.update_conflicts && insert.update_fields.is_empty() {
            return Err(value_error(
                "Fields that will be updated when a row insertion fails on conflicts must be provided.",
            ));
        }
        if insert.update_conflicts && insert.unique_fields.is_empty() {
            return Err(value_error(
                "Unique fields that can trigger the upsert must be provided.",
            ));
        }
        let rows = Rows::new(rows.model, &rows.label);
        Ok(self.done(&rows, Do::Insert(insert)))
    }

    /// `bulk_update()` of instances that the text makes.
    fn bulk_update(&mut self, rows: Rows, args: Args) -> Result<Py> {
        let [objs, fields, _batch] = args.bind("bulk_update", ["objs", "fields", "batch_size"])?;
        let objs = required(objs, "bulk_update", "objs")?;
        let fields = names_of(Some(required(fields, "bulk_update", "fields")?))?;
        let mut changed = Vec::new();
        for instance in self.instances(&objs, "bulk_update", rows.model)? {
            let Some(pk) = &instance.pk else {
                return Err(value_error(
                    "All bulk_update() objects must have a primary key set.",
                ));
            };
            let mut row = self.complete_row(instance)?;
            row.retain(|name, _| fields.contains(name));
            row.shift_insert(0, "pk".to_owned(), pk.clone());
            changed.push(row);
        }
        let update = BulkUpdate {
            rows: changed,
            fields,
        };
        Ok(self.done(&rows, Do::BulkUpdate(update)))
    }

    /// The instances of a list that a method takes.
    fn instances<'p>(
        &self,
        objs: &'p Py,
        method: &str,
        model: ModelId,
    ) -> Result<Vec<&'p Instance>> {
        let Some(items) = objs.items() else {
            let message = format!("{method}() takes a list of model instances");
            return Err(type_error(message));
        };
        let schema = self.schema()?;
        let concrete = schema.model(model)?.concrete;
        items
            .iter()
            .map(|item| {
                let Py::Instance(instance) = item else {
                    return Err(type_error(format!(
                        "{method}() takes model instances, not {}",
                        item.describe()
                    )));
                };
                if schema.model(instance.model)?.concrete != concrete {
                    let message = format!("{method}() takes instances of its own model");
                    return Err(type_error(message));
                }
                Ok(&**instance)
            })
            .collect()
    }

    /// `get_or_create()` and `update_or_create()`.
    fn create_or(&mut self, rows: Rows, name: &str, mut args: Args) -> Result<Py> {
        let mut dict = |param: &str| -> Result<Option<IndexMap<String, Value>>> {
            match args.take_some(param) {
                None => Ok(None),
                Some(Py::Dict(entries)) => {
                    let mut values = IndexMap::new();
                    for (key, value) in entries {
                        values.insert(string(&key, "the name of a field")?, self.row_value(value)?);
                    }
                    Ok(Some(values))
                }
                Some(other) => Err(type_error(format!(
                    "{param} must be a dict, not {}",
                    other.describe()
                ))),
            }
        };
        let mut defaults = dict("defaults")?.unwrap_or_default();
        let mut create_defaults = if name == "update_or_create" {
            dict("create_defaults")?
        } else {
            None
        };
        if let Some((_, span)) = args.positional.first() {
            return Err(
                type_error(format!("{name}() takes keyword arguments only")).with_span(*span)
            );
        }
        self.relate(&rows, &mut args)?;
        let named: Vec<String> = args.keywords.iter().map(|k| k.name.clone()).collect();
        if name == "get_or_create" {
            self.with_defaults(rows.model, &named, &mut defaults, None)?;
        } else {
            let mut create = create_defaults.clone().unwrap_or_else(|| defaults.clone());
            self.with_defaults(rows.model, &named, &mut create, Some(&mut defaults))?;
            if create_defaults.is_some() || create != defaults {
                create_defaults = Some(create);
            }
        }
        let filter = Box::new(self.conditions(args)?.into_q());
        let rows = rows.chain();
        let action = if name == "get_or_create" {
            Do::GetOrCreate { filter, defaults }
        } else {
            Do::UpdateOrCreate {
                filter,
                defaults,
                create_defaults,
            }
        };
        Ok(self.done(&rows, action))
    }
}

/// A list of names of fields; none if nothing was given.
fn names_of(value: Option<Py>) -> Result<Vec<String>> {
    match value.as_ref().and_then(Py::items) {
        None => Ok(Vec::new()),
        Some(items) => items
            .iter()
            .map(|i| string(i, "the name of a field"))
            .collect(),
    }
}
