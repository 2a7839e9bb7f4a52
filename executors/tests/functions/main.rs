//! The registry's expressions on the embedded engine: every function over ordinary, edge, null and missing values.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::cast_precision_loss
)] // a test program

mod groups;
mod never_abort;
mod own_functions;
mod values;
mod windows;

use std::sync::Arc;

use bson::{Bson, Document, doc};
use indexmap::IndexMap;
use mqlc_compiler::functions::{LoweredArg, LoweredCall, Registry};
use mqlc_compiler::mql::{Args, Expr};
use mqlc_compiler::queryset::Value as Literal;
use mqlc_compiler::schema::{FieldKind, FieldType};
use mqlc_compiler::target::Target;
use mqlc_executors::memory::expr::{Env, Evaluation, Expr as Compiled, Scope};
use mqlc_executors::memory::value::{Document as Stored, Value};

/// The server that the engine is like.
fn server() -> Target {
    Target::server(8, 0)
}

/// A type.
fn ty(kind: FieldKind) -> Arc<FieldType> {
    Arc::new(FieldType::new(kind))
}

/// A nullable field.
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

/// A call in the aggregation language.
fn lower(
    name: &str,
    args: &[LoweredArg],
    options: &[(&str, &str)],
    ty: &FieldType,
) -> Result<Expr, mqlc_compiler::Error> {
    let options: IndexMap<String, Literal> = options
        .iter()
        .map(|(k, v)| ((*k).to_owned(), Literal::from(*v)))
        .collect();
    let call = LoweredCall {
        function: name,
        args,
        options: &options,
        ty,
    };
    Registry::django().lower_call(&call, &server())
}

/// An expression as BSON.
fn render(expr: &Expr) -> Bson {
    match expr {
        Expr::Field(path) => Bson::String(format!("${}", path.join("."))),
        Expr::Var { name, path } => {
            let path: String = path.iter().map(|p| format!(".{p}")).collect();
            Bson::String(format!("$${name}{path}"))
        }
        Expr::Literal(value) => match value {
            Bson::String(s) if !s.starts_with('$') => value.clone(),
            Bson::String(_) | Bson::Document(_) | Bson::Array(_) => {
                Bson::Document(doc! { "$literal": value.clone() })
            }
            _ => value.clone(),
        },
        Expr::Array(items) => Bson::Array(items.iter().map(render).collect()),
        Expr::Document(fields) => {
            Bson::Document(fields.iter().map(|(k, v)| (k.clone(), render(v))).collect())
        }
        Expr::Op(op, args) => Bson::Document(doc! { *op: arguments(args) }),
        other => panic!("{other:?}"),
    }
}

/// Arguments of an operator as BSON.
fn arguments(args: &Args) -> Bson {
    match args {
        Args::One(x) => render(x),
        Args::List(items) => Bson::Array(items.iter().map(render).collect()),
        Args::Named(fields) => Bson::Document(
            fields
                .iter()
                .map(|(k, v)| ((*k).to_owned(), render(v)))
                .collect(),
        ),
        Args::Document(fields) => {
            Bson::Document(fields.iter().map(|(k, v)| (k.clone(), render(v))).collect())
        }
    }
}

/// The value of an expression on a document.
fn eval(expr: &Expr, document: &Document) -> Result<Value, String> {
    let spec = render(expr);
    let compiled =
        Compiled::compile(&spec, &Scope::new()).map_err(|e| format!("{e} compiling {spec}"))?;
    let evaluation = Evaluation {
        now: 1_700_000_000_000,
        seed: 7,
        ..Evaluation::default()
    };
    let mut env = Env::new(&evaluation);
    env.set_root(Stored::from_bson(document));
    compiled
        .eval(&mut env)
        .map_err(|e| format!("{e} in {spec}"))
}

/// The value as BSON, missing as null.
fn bson_of(value: Value) -> Bson {
    value.or_null().to_bson()
}

/// Milliseconds of an ISO instant.
fn at(text: &str) -> Bson {
    let instant: jiff::Timestamp = text.parse().unwrap();
    Bson::DateTime(bson::DateTime::from_millis(instant.as_millisecond()))
}

/// A decimal.
fn dec(text: &str) -> Bson {
    Bson::Decimal128(text.parse().unwrap())
}
