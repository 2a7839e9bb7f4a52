//! One field with its options.

use std::sync::Arc;

use indexmap::IndexMap;

use super::FieldDefault;
use super::draft::{Reader, called, dotted};
use super::option::{IGNORED, LENGTHS, OPTIONS, Options, STORED_AS, options};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result, Span};
use crate::queryset::Value;
use crate::schema::{
    FieldKind, FieldSpec, FieldType, GenericSpec, OnDelete, RelationSpec, StorageFamily,
};
use crate::text::syntax::{Arg, ArgKind, Kind, Node, python};

/// A field as it stands in the file: names of models and reverse names are not resolved yet.
#[derive(Clone)]
pub(super) struct DraftField {
    pub(super) spec: FieldSpec,
    pub(super) sequence: usize,
    pub(super) default: Option<FieldDefault>,
    /// The related model, as written.
    pub(super) to: Option<Target>,
    pub(super) through: Option<Target>,
    /// Collection of the intermediate model.
    pub(super) through_collection: Option<String>,
    /// Embedded models, as written.
    pub(super) embedded: Vec<Target>,
    /// `symmetrical=`, where given.
    pub(super) symmetrical: Option<bool>,
    pub(super) name_span: Span,
    pub(super) span: Span,
}

/// A model, as a field names it.
#[derive(Clone, Debug)]
pub(super) enum Target {
    /// The model itself.
    Own,
    /// The user model of the project.
    User,
    /// A name, or a label.
    Named(String, Span),
}

/// Reads `name = class(args)`.
pub(super) fn read_field(
    reader: &mut Reader<'_>,
    name: &str,
    class: &str,
    args: &[Arg],
    span: Span,
) -> Result<DraftField> {
    reader.sequence += 1;
    if class == "GeneratedField" {
        return generated(reader, name, args, span);
    }
    let Some(kind) = reader.field_kind(class) else {
        return Err(Error::new(
            Code::Python,
            format!("the field class '{class}' is not known"),
        )
        .with_span(span));
    };
    if name.contains("__") || name.ends_with('_') {
        return Err(Error::new(
            Code::Schema,
            format!("a field cannot be named '{name}': '__' separates names in lookups"),
        )
        .with_span(span));
    }
    let mut ty = FieldType::new(kind);
    ty.max_length = STORED_AS
        .iter()
        .find(|(known, ..)| *known == class)
        .and_then(|(_, _, length)| *length)
        .or_else(|| LENGTHS.iter().find(|(k, _)| *k == kind).map(|(_, l)| *l));
    let mut field = DraftField {
        spec: FieldSpec {
            db_index: matches!(
                kind,
                FieldKind::SlugField | FieldKind::ForeignKey | FieldKind::OneToOneField
            ),
            ..FieldSpec::new(name, ty)
        },
        sequence: reader.sequence,
        default: None,
        to: None,
        through: None,
        through_collection: None,
        embedded: Vec::new(),
        symmetrical: None,
        name_span: span,
        span,
    };
    if kind == FieldKind::CompositePrimaryKey {
        for arg in args {
            match (&arg.kind, &arg.value.kind) {
                (ArgKind::Positional, Kind::Str(part)) => field.spec.fields.push(part.clone()),
                (ArgKind::Keyword(..), _) => {}
                _ => {
                    return Err(python(
                        "a composite key takes names of fields",
                        arg.value.span,
                    ));
                }
            }
        }
        return Ok(field);
    }
    let mut options = options(kind, args, span)?;
    common(reader, &mut field, &mut options)?;
    relation(reader, &mut field, &mut options)?;
    composed(reader, &mut field, &mut options)?;
    if let Some((unknown, node)) = options
        .given
        .iter()
        .find(|(name, _)| !IGNORED.contains(name) && !name.starts_with('_'))
    {
        let error = Error::new(
            Code::TypeError,
            format!("{class}() has no option '{unknown}' that is known here"),
        )
        .with_span(node.span);
        let known = IGNORED.iter().chain(OPTIONS).copied();
        return Err(match closest(unknown, known) {
            Some(choice) => error.with_hint(format!("did you mean '{choice}'?")),
            None => error,
        });
    }
    Ok(field)
}

/// Options that all fields have.
fn common(
    reader: &mut Reader<'_>,
    field: &mut DraftField,
    options: &mut Options<'_>,
) -> Result<()> {
    let spec = &mut field.spec;
    spec.ty.null = options.flag("null")?.unwrap_or(false);
    spec.primary_key = options.flag("primary_key")?.unwrap_or(false);
    spec.unique = options.flag("unique")?.unwrap_or(false) || spec.primary_key;
    if let Some(index) = options.flag("db_index")? {
        spec.db_index = index;
    }
    let spatial = options.flag("spatial_index")?;
    if spec.ty.kind.family() == StorageFamily::Geo {
        spec.db_index = spatial.unwrap_or(true);
    }
    spec.column = options.text("db_column")?;
    options.take("name");
    let mut number = |name: &str, options: &mut Options<'_>| -> Result<Option<u32>> {
        let Some(node) = options.take(name) else {
            return Ok(None);
        };
        match reader.constants.constant(node)? {
            Value::Null => Ok(None),
            Value::Int(i) => u32::try_from(i)
                .map(Some)
                .map_err(|_| python(format!("'{name}' must not be negative"), node.span)),
            _ => Err(python(format!("'{name}' must be an integer"), node.span)),
        }
    };
    if let Some(length) = number("max_length", options)? {
        spec.ty.max_length = Some(length);
    }
    spec.ty.max_digits = number("max_digits", options)?;
    spec.ty.decimal_places = number("decimal_places", options)?;
    spec.ty.size = number("size", options)?;
    spec.ty.max_size = number("max_size", options)?;
    let now = options.flag("auto_now")?.unwrap_or(false);
    let now_add = options.flag("auto_now_add")?.unwrap_or(false);
    let default = options.take("default");
    let database = options.take("db_default");
    field.default = if now || now_add {
        Some(FieldDefault::AutoNow)
    } else if let Some(node) = default {
        Some(read_default(reader, node))
    } else {
        database.map(|_| FieldDefault::Database)
    };
    Ok(())
}

/// A default: a literal, or one of the functions that are known.
fn read_default(reader: &mut Reader<'_>, node: &Node) -> FieldDefault {
    if let Some(path) = dotted(node) {
        let parts: Vec<&str> = path.split('.').collect();
        match parts.as_slice() {
            [.., "datetime", "now" | "today"] => return FieldDefault::LocalNow,
            [.., "now"] => return FieldDefault::Now,
            [.., "today"] | [.., "localdate"] => return FieldDefault::Today,
            [.., "uuid4" | "uuid1" | "uuid7" | "ObjectId"] => return FieldDefault::Random,
            ["dict"] => return FieldDefault::Value(Value::Dict(IndexMap::new())),
            ["list"] => return FieldDefault::Value(Value::List(Vec::new())),
            ["str"] => return FieldDefault::Value(Value::from("")),
            ["int"] => return FieldDefault::Value(Value::from(0)),
            [.., class, member] => {
                let found = reader.file.enums.get(*class).and_then(|e| e.get(*member));
                if let Some(value) = found {
                    return FieldDefault::Value(value.clone());
                }
                // Members of the enumeration inside the class are known by their names.
                let member = Node {
                    kind: Kind::Name((*member).to_owned()),
                    span: node.span,
                };
                if let Ok(value) = reader.constants.constant(&member) {
                    return FieldDefault::Value(value);
                }
            }
            _ => {}
        }
    }
    match reader.constants.constant(node) {
        Ok(value) => FieldDefault::Value(value),
        Err(_) => FieldDefault::Code,
    }
}

fn is_relation(kind: FieldKind) -> bool {
    use FieldKind as K;
    matches!(
        kind,
        K::ForeignKey
            | K::OneToOneField
            | K::ForeignObject
            | K::ManyToManyField
            | K::GenericRelation
    )
}

/// Options of relations.
fn relation(
    reader: &mut Reader<'_>,
    field: &mut DraftField,
    options: &mut Options<'_>,
) -> Result<()> {
    use FieldKind as K;
    let kind = field.spec.ty.kind;
    if kind == K::GenericForeignKey {
        field.spec.generic = Some(GenericSpec {
            content_type: options
                .text("ct_field")?
                .unwrap_or_else(|| "content_type".to_owned()),
            object_id: options
                .text("fk_field")?
                .unwrap_or_else(|| "object_id".to_owned()),
            for_concrete_model: options.flag("for_concrete_model")?.unwrap_or(true),
        });
        return Ok(());
    }
    if !is_relation(kind) {
        return Ok(());
    }
    let missing = |what: &str| {
        Error::new(
            Code::TypeError,
            format!(
                "{}() missing 1 required positional argument: '{what}'",
                kind.name()
            ),
        )
        .with_span(options.span)
    };
    let no_target = missing("to");
    let no_rule = missing("on_delete");
    let to = options.take("to").ok_or(no_target)?;
    field.to = Some(target(reader, to)?);
    let mut relation = RelationSpec {
        related_name: options.text("related_name")?,
        related_query_name: options.text("related_query_name")?,
        ..RelationSpec::default()
    };
    match kind {
        K::GenericRelation => {
            field.spec.generic = Some(GenericSpec {
                content_type: options
                    .text("content_type_field")?
                    .unwrap_or_else(|| "content_type".to_owned()),
                object_id: options
                    .text("object_id_field")?
                    .unwrap_or_else(|| "object_id".to_owned()),
                for_concrete_model: options.flag("for_concrete_model")?.unwrap_or(true),
            });
        }
        K::ManyToManyField => {
            if let Some(through) = options
                .take("through")
                .filter(|n| !matches!(n.kind, Kind::None))
            {
                field.through = Some(target(reader, through)?);
            }
            let names = options.names("through_fields")?;
            if let [source, target] = names.as_slice() {
                relation.through_fields = Some((source.clone(), target.clone()));
            }
            field.through_collection = options.text("db_table")?;
            field.symmetrical = options.flag("symmetrical")?;
        }
        _ => {
            let rule = options.take("on_delete").ok_or(no_rule)?;
            let (rule, value) = on_delete(reader, rule)?;
            relation.on_delete = Some(rule);
            relation.on_delete_value = match (rule, &field.default) {
                (OnDelete::SetDefault, Some(FieldDefault::Value(value))) => Some(value.clone()),
                (OnDelete::SetDefault, None) => Some(Value::Null),
                _ => value,
            };
            field.spec.ty.to_field = options.text("to_field")?;
            relation.from_fields = options.names("from_fields")?;
            relation.to_fields = options.names("to_fields")?;
            field.spec.unique |= kind == K::OneToOneField;
        }
    }
    field.spec.relation = Some(relation);
    Ok(())
}

fn on_delete(reader: &mut Reader<'_>, node: &Node) -> Result<(OnDelete, Option<Value>)> {
    if let Some((callee, args)) = called(node)
        && callee.rsplit('.').next() == Some("SET")
    {
        let value = args
            .first()
            .and_then(|a| reader.constants.constant(&a.value).ok());
        return Ok((OnDelete::Set, value));
    }
    let name = dotted(node).unwrap_or_default();
    let last = name.rsplit('.').next().unwrap_or_default();
    // Rules of newer versions that leave the work to the database do the same.
    let last = last.strip_prefix("DB_").unwrap_or(last);
    OnDelete::ALL
        .iter()
        .find(|(_, known)| *known == last)
        .map(|(rule, _)| (*rule, None))
        .ok_or_else(|| {
            Error::new(Code::TypeError, "on_delete must be one of Django's rules")
                .with_span(node.span)
                .with_choices(OnDelete::ALL.iter().map(|(_, name)| *name))
        })
}

/// Options of arrays and embedded models.
fn composed(
    reader: &mut Reader<'_>,
    field: &mut DraftField,
    options: &mut Options<'_>,
) -> Result<()> {
    use FieldKind as K;
    match field.spec.ty.kind {
        K::ArrayField | K::ListField | K::SetField => {
            let Some(node) = options.take("base_field") else {
                return Err(Error::new(
                    Code::TypeError,
                    "an array field takes the field of its elements",
                )
                .with_span(options.span));
            };
            let Some((callee, args)) = called(node) else {
                return Err(python("expected a field", node.span));
            };
            let class = callee.rsplit('.').next().unwrap_or_default().to_owned();
            let sequence = reader.sequence;
            let base = read_field(reader, "base", &class, args, node.span)?;
            reader.sequence = sequence;
            field.embedded = base.embedded;
            field.spec.ty.base = Some(Arc::new(base.spec.ty));
        }
        K::EmbeddedModelField | K::EmbeddedModelArrayField => {
            let Some(node) = options.take("embedded_model") else {
                return Err(
                    Error::new(Code::TypeError, "an embedded field takes its model")
                        .with_span(options.span),
                );
            };
            field.embedded = vec![target(reader, node)?];
        }
        K::PolymorphicEmbeddedModelField | K::PolymorphicEmbeddedModelArrayField => {
            match options.take("embedded_models").map(|n| &n.kind) {
                Some(Kind::List(items) | Kind::Tuple(items)) => {
                    for item in items {
                        field.embedded.push(target(reader, &item.value)?);
                    }
                }
                _ => {
                    return Err(Error::new(
                        Code::TypeError,
                        "a polymorphic field takes a list of models",
                    )
                    .with_span(options.span));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// A generated column is a stored field of its output type.
fn generated(reader: &mut Reader<'_>, name: &str, args: &[Arg], span: Span) -> Result<DraftField> {
    let output = args.iter().find_map(|a| match &a.kind {
        ArgKind::Keyword(name, _) if name == "output_field" => Some(&a.value),
        _ => None,
    });
    let Some((callee, inner)) = output.and_then(called) else {
        return Err(
            Error::new(Code::TypeError, "a GeneratedField takes its output_field").with_span(span),
        );
    };
    let class = callee.rsplit('.').next().unwrap_or_default().to_owned();
    let mut field = read_field(reader, name, &class, inner, span)?;
    field.spec.generated = true;
    for arg in args {
        if let (ArgKind::Keyword(name, _), Kind::Bool(true)) = (&arg.kind, &arg.value.kind) {
            match name.as_str() {
                "null" => field.spec.ty.null = true,
                "unique" => field.spec.unique = true,
                "db_index" => field.spec.db_index = true,
                _ => {}
            }
        }
        if let (ArgKind::Keyword(name, _), Kind::Str(text)) = (&arg.kind, &arg.value.kind)
            && name == "db_column"
        {
            field.spec.column = Some(text.clone());
        }
    }
    Ok(field)
}

/// A model, as an argument names it.
fn target(reader: &Reader<'_>, node: &Node) -> Result<Target> {
    if let Kind::Str(text) = &node.kind {
        return Ok(if text == "self" {
            Target::Own
        } else {
            Target::Named(text.clone(), node.span)
        });
    }
    if let Some((callee, _)) = called(node)
        && callee.ends_with("get_user_model")
    {
        return Ok(Target::User);
    }
    let Some(path) = dotted(node) else {
        return Err(python(
            "expected a model: a class, its name or its label",
            node.span,
        ));
    };
    if path.ends_with("AUTH_USER_MODEL") {
        return Ok(Target::User);
    }
    if let Some(label) = reader.file.imports.get(&path)
        && !reader.file.models.contains_key(&path)
    {
        return Ok(Target::Named(label.clone(), node.span));
    }
    let last = path.rsplit('.').next().unwrap_or_default();
    Ok(Target::Named(last.to_owned(), node.span))
}
