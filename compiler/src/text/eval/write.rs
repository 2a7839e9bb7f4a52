//! Rows of `create()` and its siblings: every stored field, defaults included.

use bson::{Bson, Document};
use indexmap::IndexMap;

use super::Evaluator;
use super::args::Args;
use super::related::wrong_instance;
use super::value::{Instance, Py, refuse, type_error, value_error};
use crate::error::{Code, Error, Result};
use crate::queryset::Value;
use crate::schema::{Field, FieldKind, Model, ModelId, NameTarget};
use crate::text::FieldDefault;

impl Evaluator<'_> {
    /// `Model(...)`.
    pub(super) fn instantiate(&mut self, id: ModelId, args: Args) -> Result<Py> {
        let schema = self.schema()?;
        let model = schema.model(id)?;
        let short = model.name();
        let mut fields = IndexMap::new();
        let mut positional = args.positional.into_iter();
        for reference in &model.all_fields {
            let field = schema.field(*reference)?;
            if !field.is_concrete() || field.ty.kind == FieldKind::ManyToManyField {
                continue;
            }
            match positional.next() {
                Some((value, _)) => fields.insert(field.attname.to_string(), value),
                None => break,
            };
        }
        if let Some((_, span)) = positional.next() {
            return Err(type_error("Number of args exceeds number of fields").with_span(span));
        }
        let mut pk = None;
        let key = self.key_of(model);
        for keyword in args.keywords {
            let found = model
                .all_fields
                .iter()
                .filter_map(|r| schema.field(*r).ok())
                .find(|f| f.name == keyword.name || f.attname == keyword.name);
            let Some(field) = found.or(key.filter(|_| keyword.name == "pk")) else {
                let error = type_error(format!(
                    "{short}() got unexpected keyword arguments: '{}'",
                    keyword.name
                ))
                .with_span(keyword.span);
                let names: Vec<&str> = model
                    .all_fields
                    .iter()
                    .filter_map(|r| schema.field(*r).ok())
                    .map(|f| f.name.as_str())
                    .collect();
                return Err(
                    match crate::diagnostic::closest(&keyword.name, names.iter().copied()) {
                        Some(choice) => error.with_hint(format!("did you mean '{choice}'?")),
                        None => error.with_choices(names),
                    },
                );
            };
            if matches!(
                field.ty.kind,
                FieldKind::ManyToManyField | FieldKind::GenericRelation
            ) {
                return Err(type_error(format!(
                    "Direct assignment to the forward side of a many-to-many set is prohibited. Use {}.set() instead.",
                    field.name
                ))
                .with_span(keyword.span));
            }
            if field.ty.kind == FieldKind::GenericForeignKey {
                self.generic_values(field, &keyword.value, &mut fields)
                    .map_err(|e| e.with_span(keyword.span))?;
                continue;
            }
            if field.is_foreign_key() && keyword.name == field.name {
                check_instance(short, field, &keyword.value, |model| {
                    schema.model(model).ok().map_or("", Model::name).to_owned()
                })
                .map_err(|e| e.with_span(keyword.span))?;
            }
            if Some(field.id) == key.map(|k| k.id) {
                pk = keyword.value.literal();
            }
            if field.ty.kind == FieldKind::CompositePrimaryKey {
                // A composite key is given as the values of its fields.
                let values = keyword.value.items().unwrap_or_default();
                if values.len() != field.parts.len() {
                    return Err(value_error(format!(
                        "'pk' must be a list or a tuple of {} values",
                        field.parts.len()
                    ))
                    .with_span(keyword.span));
                }
                for (part, value) in field.parts.iter().zip(values) {
                    fields.insert(schema.field(*part)?.attname.to_string(), value.clone());
                }
                continue;
            }
            fields.insert(field.attname.to_string(), keyword.value);
        }
        Ok(Py::Instance(Box::new(Instance {
            model: id,
            // A key that the text gave is no proof of a stored row, but it is the row's key.
            pk: pk.filter(|v| *v != Value::Null),
            fields,
        })))
    }

    /// A generic foreign key sets the type and the key of what it points at.
    fn generic_values(
        &self,
        field: &Field,
        value: &Py,
        fields: &mut IndexMap<String, Py>,
    ) -> Result<()> {
        let schema = self.schema()?;
        let Some(generic) = &field.generic else {
            return Err(Error::internal("a generic foreign key without its fields"));
        };
        let (kind, key) = match value {
            other if other.is_none() => (Py::null(), Py::null()),
            Py::Instance(instance) => (
                super::from_literal(self.content_type(instance.model, generic.for_concrete_model)?),
                super::from_literal(Self::stored(instance)?),
            ),
            Py::Done(done) if done.instance.is_some() => {
                let Some(instance) = &done.instance else {
                    return Ok(());
                };
                (
                    super::from_literal(
                        self.content_type(instance.model, generic.for_concrete_model)?,
                    ),
                    super::from_literal(Self::stored(instance)?),
                )
            }
            Py::Done(_) => return Err(super::member::runtime(&field.name)),
            other => {
                return Err(value_error(format!(
                    "'{}' points at an instance, not at {}",
                    field.name,
                    other.describe()
                )));
            }
        };
        let model = schema.model(field.id.model)?;
        let attname = |name: &str| match model.names.get(name) {
            Some(NameTarget::Field(reference)) => schema
                .field(*reference)
                .map_or_else(|_| name.to_owned(), |f| f.attname.to_string()),
            _ => name.to_owned(),
        };
        fields.insert(attname(&generic.content_type), kind);
        fields.insert(attname(&generic.object_id), key);
        Ok(())
    }

    /// The key of a model's content type.
    pub(super) fn content_type(&self, model: ModelId, concrete: bool) -> Result<Value> {
        let schema = self.schema()?;
        let model = schema.model(model)?;
        let label = if concrete {
            &schema.model(model.concrete)?.label
        } else {
            &model.label
        };
        match schema.settings().content_types.get(label) {
            Some(key) => Ok(Value::from(*key)),
            None => Err(Error::unsupported(
                "a generic relation",
                format!("the key of the content type of {label} is not known"),
            )
            .with_hint("give it in settings.content_types of the schema")),
        }
    }

    /// All stored fields of a new row, in Django's order; keys that the database makes are left out.
    pub(super) fn complete_row(&self, instance: &Instance) -> Result<IndexMap<String, Value>> {
        let schema = self.schema()?;
        let model = schema.model(instance.model)?;
        let mut row = IndexMap::new();
        for reference in &model.all_fields {
            let field = schema.field(*reference)?;
            let stored = field.is_concrete() && field.ty.kind != FieldKind::ManyToManyField;
            if !stored || field.generated {
                continue;
            }
            let owner = &schema.model(field.id.model)?.label;
            let default = self.extras.default_of(owner, &field.name);
            let given = instance.fields.get(&*field.attname);
            let value = match (default, given) {
                // These fields take the time of the insert, whatever was given.
                (Some(FieldDefault::AutoNow), _) => self.time_for(field)?,
                (_, Some(value)) => self.row_value(value.clone())?,
                (Some(default), None) => match self.default_value(field, default)? {
                    Some(value) => value,
                    None => continue,
                },
                (None, None) if self.is_made_by_database(field)? => continue,
                (None, None) => empty_value(field),
            };
            if value == Value::Null && field.primary_key && self.is_made_by_database(field)? {
                continue;
            }
            row.insert(field.name.clone(), value);
        }
        Ok(row)
    }

    /// What the model's own defaults add to the values of a row that may be made, and to those of one that is changed: fields that take
    /// the time of each save.
    pub(super) fn with_defaults(
        &self,
        model: ModelId,
        given: &[String],
        create: &mut IndexMap<String, Value>,
        update: Option<&mut IndexMap<String, Value>>,
    ) -> Result<()> {
        let schema = self.schema()?;
        let mut saved = IndexMap::new();
        for reference in &schema.model(model)?.all_fields {
            let field = schema.field(*reference)?;
            let owner = &schema.model(field.id.model)?.label;
            let Some(default) = self.extras.default_of(owner, &field.name) else {
                continue;
            };
            let is = |name: &String| {
                *name == *field.name || *name == *field.attname || field.primary_key && name == "pk"
            };
            let there = given.iter().any(is) || create.keys().any(is);
            if matches!(default, FieldDefault::AutoNow) {
                saved.insert(field.name.clone(), self.time_for(field)?);
            } else if !there && let Some(value) = self.default_value(field, default)? {
                create.insert(field.name.clone(), value);
            }
        }
        create.extend(saved.clone());
        if let Some(update) = update {
            update.extend(saved);
        }
        Ok(())
    }

    /// A key that the database or a parent row gives.
    fn is_made_by_database(&self, field: &Field) -> Result<bool> {
        let auto = matches!(
            field.ty.kind,
            FieldKind::AutoField
                | FieldKind::BigAutoField
                | FieldKind::SmallAutoField
                | FieldKind::ObjectIdAutoField
        );
        let model = self.schema()?.model(field.id.model)?;
        Ok(auto || model.parents.iter().any(|(_, link)| *link == field.id))
    }

    /// A value of a row: a literal, or an expression that the database computes.
    pub(super) fn row_value(&self, value: Py) -> Result<Value> {
        match value {
            Py::Expr(expr) => Ok(Value::Expr(expr)),
            Py::Rows(_) | Py::Q(_) => Ok(Value::Expr(Box::new(self.value_expr(value)?))),
            other => self.literal(&other),
        }
    }

    fn default_value(&self, field: &Field, default: &FieldDefault) -> Result<Option<Value>> {
        Ok(Some(match default {
            FieldDefault::Value(value) => value.clone(),
            FieldDefault::AutoNow => self.time_for(field)?,
            FieldDefault::Now => self.aware_now()?,
            FieldDefault::LocalNow => self.local_now()?,
            FieldDefault::Today => self.today()?,
            FieldDefault::Database => return Ok(None),
            FieldDefault::Random => {
                return Err(refuse(
                    Code::Python,
                    format!("the default of '{}' is random", field.name),
                )
                .with_hint(format!("give the value: {}=...", field.name)));
            }
            FieldDefault::Code => {
                return Err(refuse(
                    Code::Python,
                    format!(
                        "the default of '{}' is code, which is not run here",
                        field.name
                    ),
                )
                .with_hint(format!("give the value: {}=...", field.name)));
            }
        }))
    }

    /// The current time as a field stores it.
    fn time_for(&self, field: &Field) -> Result<Value> {
        match field.ty.kind {
            FieldKind::DateField => self.today(),
            FieldKind::TimeField => match self.local_now()? {
                Value::NaiveDateTime(now) => Ok(Value::Time(now.time())),
                other => Ok(other),
            },
            _ => self.aware_now(),
        }
    }
}

/// What Django fills a field with that was given nothing (Django: `Field._get_default`).
fn empty_value(field: &Field) -> Value {
    let texts = [
        FieldKind::CharField,
        FieldKind::TextField,
        FieldKind::EmailField,
        FieldKind::URLField,
        FieldKind::SlugField,
        FieldKind::FileField,
        FieldKind::FilePathField,
        FieldKind::ImageField,
        FieldKind::CommaSeparatedIntegerField,
    ];
    if field.null() {
        return Value::Null;
    }
    if texts.contains(&field.ty.kind) {
        return Value::Str(String::new());
    }
    if field.ty.kind == FieldKind::BinaryField {
        return Value::Binary {
            bytes: Vec::new(),
            subtype: 0,
        };
    }
    Value::Null
}

/// A relation given by its name takes an instance.
fn check_instance(
    model: &str,
    field: &Field,
    value: &Py,
    name: impl Fn(ModelId) -> String,
) -> Result<()> {
    let fits = match value {
        Py::Instance(_) | Py::Expr(_) => true,
        Py::Done(done) => done.instance.is_some(),
        other => other.is_none(),
    };
    if fits {
        return Ok(());
    }
    if matches!(value, Py::Done(_)) {
        return Err(super::member::runtime(&field.name));
    }
    let target = field.to.map(name).unwrap_or_default();
    Err(wrong_instance(model, &field.name, &target, value)
        .with_hint(format!("give the key as {}=...", field.attname)))
}

/// A literal as BSON, for expressions and stages that stand as they are written.
pub(super) fn bson(value: &Value) -> Result<Bson> {
    Ok(match value {
        Value::Null | Value::JsonNull => Bson::Null,
        Value::Bool(b) => Bson::Boolean(*b),
        Value::Int(i) => match (i32::try_from(*i), i64::try_from(*i)) {
            (Ok(i), _) => Bson::Int32(i),
            (_, Ok(i)) => Bson::Int64(i),
            _ => {
                return Err(refuse(
                    Code::ValueError,
                    "the integer has more than 64 bits",
                ));
            }
        },
        Value::Float(f) => Bson::Double(*f),
        Value::Str(text) => Bson::String(text.clone()),
        Value::List(items) => Bson::Array(items.iter().map(bson).collect::<Result<_>>()?),
        Value::Dict(entries) => {
            let mut document = Document::new();
            for (key, value) in entries {
                document.insert(key.clone(), bson(value)?);
            }
            Bson::Document(document)
        }
        Value::DateTime(at) => {
            Bson::DateTime(bson::DateTime::from_millis(at.instant.as_millisecond()))
        }
        Value::NaiveDateTime(at) => match at.to_zoned(jiff::tz::TimeZone::UTC) {
            Ok(at) => Bson::DateTime(bson::DateTime::from_millis(at.timestamp().as_millisecond())),
            Err(_) => return Err(refuse(Code::ValueError, "the datetime is out of range")),
        },
        Value::Date(day) => return bson(&Value::NaiveDateTime(day.at(0, 0, 0, 0))),
        Value::Decimal(d) => Bson::Decimal128(*d),
        Value::ObjectId(id) => Bson::ObjectId(*id),
        Value::Uuid(bytes) => Bson::Binary(bson::Binary {
            subtype: bson::spec::BinarySubtype::Uuid,
            bytes: bytes.to_vec(),
        }),
        Value::Binary { bytes, subtype } => Bson::Binary(bson::Binary {
            subtype: bson::spec::BinarySubtype::from(*subtype),
            bytes: bytes.clone(),
        }),
        Value::Regex(regex) => Bson::RegularExpression(bson::Regex {
            pattern: cstring(&regex.pattern)?,
            options: cstring(&regex.options)?,
        }),
        _ => return Err(type_error("this value has no form in MongoDB's language")),
    })
}

fn cstring(text: &str) -> Result<bson::raw::CString> {
    text.to_owned().try_into().map_err(|_| {
        refuse(
            Code::ValueError,
            "a regular expression holds no null character",
        )
    })
}

/// The stages of `raw_aggregate()`.
pub(super) fn stages(pipeline: &Value) -> Result<Vec<Document>> {
    let Bson::Array(items) = bson(pipeline)? else {
        return Err(type_error("a pipeline is a list of stages"));
    };
    items
        .into_iter()
        .map(|stage| match stage {
            Bson::Document(document) => Ok(document),
            _ => Err(Error::new(Code::TypeError, "a stage is a dict")),
        })
        .collect()
}
