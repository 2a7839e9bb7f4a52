//! Expressions.

use bson::Bson;

use super::Render;
use super::sink::{ITEM, Sink};
use crate::mql::{Accumulator, Args, Expr, Projection, WindowOutput, WindowRange};

impl Render<'_> {
    pub(super) fn expr<S: Sink>(&self, key: &str, expr: &Expr, out: &mut S) {
        match expr {
            Expr::Field(path) => out.text(key, ["$"].into_iter().chain(dotted(path))),
            Expr::Var { name, path } => {
                let root = ["$$", name.as_str()];
                if path.is_empty() {
                    out.text(key, root.into_iter());
                } else {
                    out.text(key, root.into_iter().chain(["."]).chain(dotted(path)));
                }
            }
            Expr::Literal(value) => literal(key, value, out),
            Expr::Parameter(n) => {
                let values = self.parameter(*n);
                if values.iter().all(is_inert) {
                    out.values(key, values);
                } else {
                    out.document(key, |out| out.values("$literal", values));
                }
            }
            Expr::Op(op, args) => out.document(key, |out| self.args(op, args, out)),
            Expr::Array(items) => self.list(key, items, out),
            Expr::Document(fields) => self.named(key, fields, out),
            Expr::Raw(value) => out.value(key, value),
        }
    }

    fn args<S: Sink>(&self, op: &str, args: &Args, out: &mut S) {
        match args {
            // A list here would be read as the list of arguments.
            Args::One(x) if matches!(**x, Expr::Array(_) | Expr::Literal(Bson::Array(_))) => {
                self.list(op, std::slice::from_ref(x.as_ref()), out);
            }
            Args::One(x) => self.expr(op, x, out),
            Args::List(xs) => self.list(op, xs, out),
            Args::Named(fields) => self.named(op, fields, out),
            Args::Document(fields) => self.named(op, fields, out),
        }
    }

    pub(super) fn list<S: Sink>(&self, key: &str, items: &[Expr], out: &mut S) {
        out.array(key, |out| {
            for item in items {
                self.expr(ITEM, item, out);
            }
        });
    }

    pub(super) fn named<S: Sink, N: AsRef<str>>(
        &self,
        key: &str,
        fields: &[(N, Expr)],
        out: &mut S,
    ) {
        out.document(key, |out| {
            for (name, value) in fields {
                self.expr(name.as_ref(), value, out);
            }
        });
    }

    pub(super) fn projection<S: Sink>(
        &self,
        key: &str,
        fields: &[(String, Projection)],
        out: &mut S,
    ) {
        out.document(key, |out| {
            for (name, projection) in fields {
                match projection {
                    Projection::Include => out.int(name, 1),
                    Projection::Exclude => out.int(name, 0),
                    // Numbers and booleans would include or exclude.
                    Projection::Expr(Expr::Literal(value)) if !matches!(value, Bson::String(_)) => {
                        quoted(name, value, out);
                    }
                    Projection::Expr(expr) => self.expr(name, expr, out),
                }
            }
        });
    }

    pub(super) fn accumulator<S: Sink>(&self, key: &str, accumulator: &Accumulator, out: &mut S) {
        out.document(key, |out| self.args(accumulator.op, &accumulator.args, out));
    }

    pub(super) fn window<S: Sink>(&self, key: &str, output: &WindowOutput, out: &mut S) {
        out.document(key, |out| {
            self.args(output.op, &output.args, out);
            if let Some(window) = &output.window {
                out.document("window", |out| range(window, out));
            }
        });
    }
}

/// The keys of a path with dots between them.
fn dotted<K: AsRef<str>>(path: &[K]) -> impl Iterator<Item = &str> {
    let keys = path.iter().enumerate();
    keys.flat_map(|(at, key)| [if at == 0 { "" } else { "." }, key.as_ref()])
}

/// A constant in an expression.
fn literal<S: Sink>(key: &str, value: &Bson, out: &mut S) {
    if is_inert(value) {
        out.value(key, value);
    } else {
        quoted(key, value, out);
    }
}

fn quoted<S: Sink>(key: &str, value: &Bson, out: &mut S) {
    out.document(key, |out| out.value("$literal", value));
}

/// The server reads the value as itself wherever an expression may stand.
fn is_inert(value: &Bson) -> bool {
    match value {
        Bson::String(s) => !s.starts_with('$'),
        Bson::Document(d) => d.is_empty(),
        Bson::Array(items) => items.iter().all(is_inert),
        Bson::RegularExpression(_)
        | Bson::JavaScriptCode(_)
        | Bson::JavaScriptCodeWithScope(_)
        | Bson::Symbol(_)
        | Bson::DbPointer(_)
        | Bson::Undefined => false,
        _ => true,
    }
}

fn range<S: Sink>(window: &WindowRange, out: &mut S) {
    let kind = if window.range { "range" } else { "documents" };
    out.array(kind, |out| {
        for bound in [&window.start, &window.end] {
            match bound {
                None => out.str(ITEM, "unbounded"),
                Some(Bson::Int32(0) | Bson::Int64(0)) => out.str(ITEM, "current"),
                Some(bound) => out.value(ITEM, bound),
            }
        }
    });
    if let Some(unit) = window.unit {
        out.str("unit", unit);
    }
}
