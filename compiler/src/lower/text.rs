//! Text patterns.

use bson::Bson;

use super::Lowerer;
use super::filter::expression;
use super::leaf::{and, is_null_literal, within};
use super::scope::Val;
use crate::error::Result;
use crate::mql::{Expr, FieldOp, Filter};
use crate::plan::{CompareOp, Pattern, Scalar};
use crate::schema::StorageFamily;

impl Lowerer<'_> {
    pub fn like(
        &mut self,
        pattern: Pattern,
        insensitive: bool,
        lhs: &Scalar,
        rhs: &Scalar,
        want: bool,
    ) -> Result<Filter> {
        let (l, r) = (self.operand(lhs)?, self.operand(rhs)?);
        if is_null_literal(&l) || is_null_literal(&r) {
            return Ok(Filter::False);
        }
        if !super::lookup::has_text(l.family()) {
            return Err(crate::error::Error::unsupported(
                format!("a pattern on a value of type {}", l.ty.kind.name()),
                "MongoDB has no text form of documents and arrays",
            ));
        }
        if let (Some(path), Some(Bson::String(text)), StorageFamily::Text | StorageFamily::Uuid) =
            (l.scalar_path(), r.literal(), l.family())
        {
            return Ok(native(pattern, insensitive, path, text, l.nullable, want));
        }
        if let (Some(Bson::String(text)), StorageFamily::Text | StorageFamily::Uuid) =
            (r.literal(), l.family())
            && let Some(row) = self.looked_up(&l)?
        {
            let ops = native_ops(pattern, insensitive, text, true, want);
            // Every text contains the empty one: then the test is that there is one.
            return Ok(row.filter(ops, want && !text.is_empty()));
        }
        Ok(expression(self.like_expr(
            pattern,
            insensitive,
            l,
            r,
            want,
        )?))
    }

    /// The pattern matches (`want`) or does not, as an expression that is true or false.
    pub fn like_expr(
        &mut self,
        pattern: Pattern,
        insensitive: bool,
        l: Val,
        r: Val,
        want: bool,
    ) -> Result<Expr> {
        let l = as_text(l);
        let r = as_text(r);
        if let Some(Bson::String(text)) = r.literal() {
            if pattern == Pattern::Exact && !insensitive {
                let op = if want { CompareOp::Eq } else { CompareOp::Ne };
                return Ok(self.compare_expr(op, l, r));
            }
            let regex = regex(pattern, text);
            let nullable = l.nullable;
            let mut vars = Vec::new();
            let l = if nullable && !want {
                self.shared(l, &mut vars)
            } else {
                l
            };
            let mut args = vec![("input", l.expr.clone()), ("regex", Expr::lit(regex))];
            if insensitive {
                args.push(("options", Expr::lit("i")));
            }
            let test = Expr::named("$regexMatch", args);
            let out = match (want, nullable) {
                // NULL does not match.
                (true, _) => test,
                (false, false) => Expr::list("$not", [test]),
                (false, true) => and(vec![l.is_not_null(), Expr::list("$not", [test])]),
            };
            return Ok(within(vars, out));
        }
        // The operators below refuse NULL: its test comes first. A place in NULL is NULL, which is no number.
        let placed = matches!(pattern, Pattern::Contains | Pattern::StartsWith) && !insensitive;
        let mut vars = Vec::new();
        let mut parts = Vec::new();
        let l = if placed && want {
            l
        } else {
            let l = self.shared(l, &mut vars);
            parts.extend(l.nullable.then(|| l.is_not_null()));
            l
        };
        let r = self.shared(r, &mut vars);
        parts.extend(r.nullable.then(|| r.is_not_null()));
        let fold = |x: Expr| {
            if insensitive {
                Expr::one("$toLower", x)
            } else {
                x
            }
        };
        let (text, part) = (fold(l.expr.clone()), fold(r.expr.clone()));
        let test = match pattern {
            Pattern::Exact => Expr::list("$eq", [text, part]),
            // Whether and at the beginning: the server finds bytes faster than it counts characters.
            Pattern::Contains => Expr::list(
                "$gte",
                [Expr::list("$indexOfBytes", [text, part]), Expr::lit(0)],
            ),
            Pattern::StartsWith => Expr::list(
                "$eq",
                [Expr::list("$indexOfBytes", [text, part]), Expr::lit(0)],
            ),
            Pattern::EndsWith => {
                let length = |x: &Val| Expr::one("$strLenCP", x.expr.clone());
                let start = Expr::list(
                    "$max",
                    [
                        Expr::lit(0),
                        Expr::list("$subtract", [length(&l), length(&r)]),
                    ],
                );
                let end = Expr::list("$substrCP", [text, start, length(&l)]);
                Expr::list("$eq", [end, part])
            }
            Pattern::Regex => {
                let mut args = vec![("input", l.expr.clone()), ("regex", r.expr.clone())];
                if insensitive {
                    args.push(("options", Expr::lit("i")));
                }
                Expr::named("$regexMatch", args)
            }
        };
        parts.push(if want {
            test
        } else {
            Expr::list("$not", [test])
        });
        Ok(within(vars, and(parts)))
    }
}

fn native(
    pattern: Pattern,
    insensitive: bool,
    path: String,
    text: &str,
    nullable: bool,
    want: bool,
) -> Filter {
    if want && !nullable && text.is_empty() && pattern != Pattern::Exact {
        return Filter::True;
    }
    let ops = native_ops(pattern, insensitive, text, nullable, want);
    Filter::Field { path, ops }
}

fn native_ops(
    pattern: Pattern,
    insensitive: bool,
    text: &str,
    nullable: bool,
    want: bool,
) -> Vec<FieldOp> {
    let whole = pattern == Pattern::Exact && !insensitive;
    match (whole, want) {
        (true, true) => vec![FieldOp::Eq(text.into())],
        (true, false) if nullable => vec![FieldOp::Nin(vec![text.into(), Bson::Null])],
        (true, false) => vec![FieldOp::Ne(text.into())],
        // Every text contains the empty one.
        (false, true) if text.is_empty() && pattern != Pattern::Exact => {
            vec![FieldOp::Ne(Bson::Null)]
        }
        (false, _) => {
            let matches = FieldOp::Regex {
                pattern: regex(pattern, text),
                options: if insensitive { "i" } else { "" }.to_owned(),
            };
            match (want, nullable) {
                (true, _) => vec![matches],
                (false, false) => vec![FieldOp::Not(vec![matches])],
                (false, true) => vec![FieldOp::Not(vec![matches]), FieldOp::Ne(Bson::Null)],
            }
        }
    }
}

/// The regular expression of a pattern. `\z` is the very end; `$` would also match before a last newline.
fn regex(pattern: Pattern, text: &str) -> String {
    match pattern {
        Pattern::Exact => format!("^{}\\z", escape(text)),
        Pattern::Contains => escape(text),
        Pattern::StartsWith => format!("^{}", escape(text)),
        Pattern::EndsWith => format!("{}\\z", escape(text)),
        Pattern::Regex => text.to_owned(),
    }
}

/// The text without any special meaning in a regular expression.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(
            c,
            '\\' | '.' | '+' | '*' | '?' | '(' | ')' | '|' | '[' | ']' | '{' | '}' | '^' | '$'
        ) {
            out.push('\\');
        }
        // A pattern is sent as a C string.
        if c == '\0' {
            out.push_str("\\x00");
        } else {
            out.push(c);
        }
    }
    out
}

/// The text of a value, as PostgreSQL's cast writes it.
fn as_text(val: Val) -> Val {
    let format =
        |f: &str, x: Expr| Expr::named("$dateToString", [("date", x), ("format", Expr::lit(f))]);
    let expr = match (val.family(), val.literal()) {
        (_, Some(Bson::String(_) | Bson::Null))
        | (StorageFamily::Text | StorageFamily::Uuid, _) => return val,
        (_, Some(Bson::Int64(n))) => Expr::lit(n.to_string()),
        (_, Some(Bson::Int32(n))) => Expr::lit(n.to_string()),
        (StorageFamily::Date, _) => format("%Y-%m-%d", val.expr.clone()),
        (StorageFamily::DateTime, _) => format("%Y-%m-%d %H:%M:%S", val.expr.clone()),
        (StorageFamily::Time, _) => format("%H:%M:%S", val.expr.clone()),
        _ => Expr::one("$toString", val.expr.clone()),
    };
    Val { expr, ..val }
}
