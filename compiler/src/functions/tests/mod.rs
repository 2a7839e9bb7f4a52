//! Tests of the registry: typing by Django's rules, and the expressions that functions become.

mod groups;
mod lowering;
mod typing;

use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

use super::{Arg, Call, Context, LoweredArg, LoweredCall, Registry};
use crate::error::{Error, Result};
use crate::mql::{Args, Expr};
use crate::plan::{Column, ColumnId, Columns, Scalar};
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType, Settings};
use crate::target::Target;

/// A type.
fn ty(kind: FieldKind) -> Arc<FieldType> {
    Arc::new(FieldType::new(kind))
}

/// Columns with one nullable column for each kind, named after the kind.
fn columns() -> Columns {
    let mut columns = Columns::default();
    for kind in FieldKind::ALL {
        let mut field = FieldType::new(*kind);
        field.base = Some(ty(FieldKind::IntegerField));
        columns.add(Column {
            name: kind.name().into(),
            ty: Arc::new(field),
            nullable: true,
            array: crate::plan::ArrayFact::No,
            origin: crate::plan::Origin::Computed,
        });
    }
    columns
}

/// A column of a kind.
fn column(columns: &Columns, kind: FieldKind) -> Arg {
    let id: ColumnId = columns
        .iter()
        .find(|(_, c)| c.ty.kind == kind)
        .map(|(id, _)| id)
        .unwrap();
    Arg::of(Scalar::Column(id), columns).unwrap()
}

/// Resolves a call on columns of the given kinds.
fn resolve(name: &str, kinds: &[FieldKind]) -> Result<(Scalar, FieldKind)> {
    resolve_call(name, kinds, |call| call)
}

/// Resolves a call after a change.
fn resolve_call(
    name: &str,
    kinds: &[FieldKind],
    change: impl FnOnce(Call) -> Call,
) -> Result<(Scalar, FieldKind)> {
    let columns = columns();
    let settings = Settings {
        time_zone: "America/Chicago".to_owned(),
        ..Settings::default()
    };
    let cx = Context {
        columns: &columns,
        settings: &settings,
        lenient: false,
    };
    let args = kinds.iter().map(|k| column(&columns, *k));
    let scalar = Registry::django().resolve(change(Call::new(name, args)), &cx)?;
    let kind = scalar.ty(&columns)?.kind;
    Ok((scalar, kind))
}

/// What an error says, with the exception class of Django.
fn said(error: &Error) -> String {
    format!("{}: {}", error.code().django_class(), error.message())
}

/// A nullable field of a kind, named by a letter.
fn field(name: &str, kind: FieldKind) -> LoweredArg {
    LoweredArg {
        expr: Expr::field([name]),
        ty: ty(kind),
        nullable: true,
        literal: None,
    }
}

/// A literal.
fn literal(value: impl Into<Bson>, kind: FieldKind) -> LoweredArg {
    LoweredArg::certain(Expr::Literal(value.into()), ty(kind))
}

/// Lowers a call for a version.
fn lower_for(
    version: (u16, u16),
    name: &str,
    args: &[LoweredArg],
    options: &[(&str, &str)],
    kind: FieldKind,
) -> Result<Expr> {
    let options: IndexMap<String, Value> = options
        .iter()
        .map(|(k, v)| ((*k).to_owned(), Value::from(*v)))
        .collect();
    let ty = FieldType::new(kind);
    Registry::django().lower_call(
        &LoweredCall {
            function: name,
            args,
            options: &options,
            ty: &ty,
        },
        &Target::server(version.0, version.1),
    )
}

/// Lowers a call for 8.0 and shows the expression.
fn lower(name: &str, args: &[LoweredArg], options: &[(&str, &str)], kind: FieldKind) -> String {
    match lower_for((8, 0), name, args, options, kind) {
        Ok(expr) => show(&expr),
        Err(error) => format!("{error}"),
    }
}

/// An expression as JSON with bare keys, for people.
fn show(expr: &Expr) -> String {
    match expr {
        Expr::Field(path) => format!("${}", path.join(".")),
        Expr::Var { name, path } => {
            let path: String = path.iter().map(|p| format!(".{p}")).collect();
            format!("$${name}{path}")
        }
        Expr::Literal(Bson::String(text)) => format!("{text:?}"),
        Expr::Literal(Bson::Decimal128(n)) => format!("decimal({n})"),
        Expr::Literal(Bson::DateTime(d)) => format!("date({})", d.timestamp_millis()),
        Expr::Literal(value) => value.to_string(),
        Expr::Parameter(n) => format!("parameter({n})"),
        Expr::Array(items) => list(items),
        Expr::Document(fields) => document(fields.iter().map(|(k, v)| (k.as_str(), v))),
        Expr::Raw(value) => format!("raw({value})"),
        Expr::Op(op, args) => format!("{{{op}: {}}}", arguments(args)),
    }
}

/// Arguments of an operator.
fn arguments(args: &Args) -> String {
    match args {
        Args::One(x) => show(x),
        Args::List(items) => list(items),
        Args::Named(fields) => document(fields.iter().map(|(k, v)| (*k, v))),
        Args::Document(fields) => document(fields.iter().map(|(k, v)| (k.as_str(), v))),
    }
}

fn list(items: &[Expr]) -> String {
    let items: Vec<_> = items.iter().map(show).collect();
    format!("[{}]", items.join(", "))
}

fn document<'a>(fields: impl Iterator<Item = (&'a str, &'a Expr)>) -> String {
    let fields: Vec<_> = fields.map(|(k, v)| format!("{k}: {}", show(v))).collect();
    format!("{{{}}}", fields.join(", "))
}
