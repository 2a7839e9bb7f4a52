//! The options of a model, `class Meta`.

use super::constraint::{self, plain};
use super::draft::{Reader, dotted};
use crate::error::{Code, Error, Result};
use crate::queryset::OrderTerm;
use crate::schema::{CheckSpec, IndexSpec, SearchIndexSpec};
use crate::text::syntax::{ClassDef, Kind, Node, StmtKind, python};

/// Options as they stand in the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Meta {
    /// The model whose options these continue (`class Meta(Base.Meta)`).
    pub(super) base: Option<String>,
    pub(super) is_abstract: bool,
    pub(super) proxy: bool,
    pub(super) app_label: Option<String>,
    pub(super) db_table: Option<String>,
    pub(super) ordering: Option<Vec<OrderTerm>>,
    pub(super) get_latest_by: Option<Vec<String>>,
    pub(super) default_related_name: Option<String>,
    pub(super) unique_together: Vec<Vec<String>>,
    pub(super) indexes: Vec<IndexSpec>,
    pub(super) checks: Vec<CheckSpec>,
    pub(super) search_indexes: Vec<SearchIndexSpec>,
}

/// Options that say nothing about what is stored or asked.
const IGNORED: &[&str] = &[
    "base_manager_name",
    "db_table_comment",
    "db_tablespace",
    "default_manager_name",
    "default_permissions",
    "managed",
    "permissions",
    "required_db_features",
    "required_db_vendor",
    "select_on_save",
    "swappable",
    "verbose_name",
    "verbose_name_plural",
];

/// Reads the class.
pub(super) fn read(reader: &mut Reader<'_>, class: &ClassDef) -> Result<Meta> {
    let mut meta = Meta {
        base: class
            .bases
            .iter()
            .filter_map(|a| dotted(&a.value))
            .find_map(|path| path.strip_suffix(".Meta").map(str::to_owned)),
        ..Meta::default()
    };
    for stmt in &class.body {
        let StmtKind::Assign { targets, value } = &stmt.kind else {
            continue;
        };
        for target in targets {
            if let Kind::Name(name) = &target.kind {
                option(reader, &mut meta, name, value).map_err(|e| e.with_span(stmt.span))?;
            }
        }
    }
    Ok(meta)
}

fn option(reader: &mut Reader<'_>, meta: &mut Meta, name: &str, value: &Node) -> Result<()> {
    let text = |value: &Node| match &value.kind {
        Kind::Str(text) => Ok(text.clone()),
        _ => Err(python(
            format!("'{name}' must be a string here"),
            value.span,
        )),
    };
    let flag = |value: &Node| match value.kind {
        Kind::Bool(flag) => Ok(flag),
        _ => Err(python(
            format!("'{name}' must be True or False here"),
            value.span,
        )),
    };
    match name {
        "abstract" => meta.is_abstract = flag(value)?,
        "proxy" => meta.proxy = flag(value)?,
        "app_label" => meta.app_label = Some(text(value)?),
        "db_table" => meta.db_table = Some(text(value)?),
        "default_related_name" => meta.default_related_name = Some(text(value)?),
        "ordering" => meta.ordering = Some(reader.constants.ordering(value)?),
        "get_latest_by" => meta.get_latest_by = Some(names(value, name)?),
        "unique_together" | "index_together" => {
            let sets = match &value.kind {
                Kind::List(items) | Kind::Tuple(items)
                    if items.iter().all(|i| !matches!(i.value.kind, Kind::Str(_))) =>
                {
                    items
                        .iter()
                        .map(|i| names(&i.value, name))
                        .collect::<Result<Vec<_>>>()?
                }
                _ => vec![names(value, name)?],
            };
            if name == "unique_together" {
                meta.unique_together.extend(sets);
            } else {
                meta.indexes.extend(sets.into_iter().map(plain));
            }
        }
        "constraints" | "indexes" => {
            let (Kind::List(items) | Kind::Tuple(items)) = &value.kind else {
                return Err(python(format!("'{name}' must be a list here"), value.span));
            };
            for item in items {
                constraint::read(reader, meta, &item.value)?;
            }
        }
        "order_with_respect_to" => {
            return Err(Error::unsupported(
                "order_with_respect_to",
                "the field that it adds is not part of the schema",
            )
            .with_span(value.span));
        }
        _ if IGNORED.contains(&name) => {}
        _ => {
            return Err(Error::new(
                Code::TypeError,
                format!("'class Meta' got invalid attribute(s): {name}"),
            )
            .with_span(value.span));
        }
    }
    Ok(())
}

/// A string, or a list of strings.
pub(super) fn names(node: &Node, option: &str) -> Result<Vec<String>> {
    let wrong = |node: &Node| python(format!("'{option}' holds names here"), node.span);
    match &node.kind {
        Kind::Str(name) => Ok(vec![name.clone()]),
        Kind::None => Ok(Vec::new()),
        Kind::List(items) | Kind::Tuple(items) | Kind::Set(items) => items
            .iter()
            .map(|item| match &item.value.kind {
                Kind::Str(name) => Ok(name.clone()),
                _ => Err(wrong(&item.value)),
            })
            .collect(),
        _ => Err(wrong(node)),
    }
}
