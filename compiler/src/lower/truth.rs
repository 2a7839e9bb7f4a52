//! Predicates as expressions: a boolean that is true where the predicate is true (or false), and the value with NULL.

use bson::Bson;

use super::Lowerer;
use super::leaf::{self, and, is_null_literal, within};
use crate::error::Result;
use crate::mql::{Args, Expr};
use crate::plan::{Predicate, Scalar};

impl Lowerer<'_> {
    /// True exactly where the predicate is true (`want`) or false; never NULL.
    pub fn truth_expr(&mut self, predicate: &Predicate, want: bool) -> Result<Expr> {
        self.deeper(|l| l.truth_expr_of(predicate, want))
    }

    fn truth_expr_of(&mut self, predicate: &Predicate, want: bool) -> Result<Expr> {
        Ok(match predicate {
            Predicate::Const(value) => Expr::lit(*value == Some(want)),
            Predicate::Not(inner) => self.truth_expr(inner, !want)?,
            Predicate::And(items) | Predicate::Or(items) => {
                let conjunction = matches!(predicate, Predicate::And(_)) == want;
                let parts = items
                    .iter()
                    .map(|p| self.truth_expr(p, want))
                    .collect::<Result<Vec<_>>>()?;
                junction(parts, conjunction)
            }
            Predicate::Xor(items) => self.xor_expr(items, want)?,
            Predicate::Compare { op, lhs, rhs } => {
                if let (Scalar::List(l), Scalar::List(r)) = (lhs, rhs) {
                    return self.truth_expr(&leaf::rows(*op, l, r), want);
                }
                let op = if want { *op } else { op.opposite() };
                let (l, r) = (self.operand(lhs)?, self.operand(rhs)?);
                if is_null_literal(&l) || is_null_literal(&r) {
                    return Ok(Expr::lit(false));
                }
                self.compare_expr(op, l, r)
            }
            Predicate::IsNull(Scalar::List(items)) => {
                let parts: Vec<Predicate> = items.iter().cloned().map(Predicate::IsNull).collect();
                self.truth_expr(&Predicate::And(parts), want)?
            }
            Predicate::IsNull(scalar) => {
                let val = self.scalar(scalar)?;
                match (val.nullable, want) {
                    (false, _) => Expr::lit(!want),
                    (true, true) => val.is_null(),
                    (true, false) => val.is_not_null(),
                }
            }
            Predicate::In { lhs, list } => self.in_list_expr(lhs, list, want)?,
            Predicate::Like {
                pattern,
                insensitive,
                lhs,
                rhs,
            } => {
                let (l, r) = (self.operand(lhs)?, self.operand(rhs)?);
                if is_null_literal(&l) || is_null_literal(&r) {
                    return Ok(Expr::lit(false));
                }
                self.like_expr(*pattern, *insensitive, l, r, want)?
            }
            Predicate::InParameter { lhs, parameter } => {
                let val = self.operand(lhs)?;
                self.in_expr(val, Expr::Parameter(*parameter), want)
            }
            Predicate::Bool(Scalar::Predicate(inner)) => self.truth_expr(inner, want)?,
            Predicate::Bool(scalar) => {
                let val = self.operand(scalar)?;
                match (val.literal(), want, val.nullable) {
                    (Some(value), ..) => Expr::lit(value.as_bool() == Some(want)),
                    (None, true, false) => val.expr,
                    (None, false, false) => Expr::list("$not", [val.expr]),
                    (None, _, true) => Expr::list("$eq", [val.expr, Expr::lit(want)]),
                }
            }
            Predicate::Exists(sub) => self.exists_expr(sub, want)?,
            Predicate::AnyElement(any) => self.any_element_expr(any, want)?,
            Predicate::InSubquery { lhs, query } => self.in_subquery_expr(lhs, query, want)?,
            Predicate::Lookup { name, lhs, rhs, .. } => self.lookup_expr(name, lhs, rhs, want)?,
        })
    }

    /// True, false or NULL.
    pub fn value_expr(&mut self, predicate: &Predicate) -> Result<Expr> {
        if let Predicate::Const(value) = predicate {
            return Ok(Expr::Literal(value.map_or(Bson::Null, Bson::Boolean)));
        }
        if let Predicate::Bool(scalar) = predicate {
            return Ok(self.scalar(scalar)?.expr);
        }
        if !self.can_be_unknown(predicate)? {
            return self.truth_expr(predicate, true);
        }
        if let Predicate::Compare { op, lhs, rhs } = predicate
            && !matches!(lhs, Scalar::List(_))
        {
            let (l, r) = (self.scalar(lhs)?, self.scalar(rhs)?);
            if is_null_literal(&l) || is_null_literal(&r) {
                return Ok(Expr::null());
            }
            let mut vars = Vec::new();
            let l = self.shared(l, &mut vars);
            let r = self.shared(r, &mut vars);
            let tests: Vec<Expr> = [&l, &r]
                .into_iter()
                .filter(|v| v.nullable)
                .map(|v| v.is_not_null())
                .collect();
            let op = Expr::list(leaf::operator(*op), [l.expr, r.expr]);
            return Ok(within(vars, Expr::cond(and(tests), op, Expr::null())));
        }
        let yes = self.truth_expr(predicate, true)?;
        let no = unless(self.truth_expr(predicate, false)?, &yes);
        Ok(Expr::cond(
            yes,
            Expr::lit(true),
            Expr::cond(no, Expr::lit(false), Expr::null()),
        ))
    }

    /// Whether a predicate can be neither true nor false.
    pub fn can_be_unknown(&mut self, predicate: &Predicate) -> Result<bool> {
        self.deeper(|l| {
            Ok(match predicate {
                Predicate::Const(value) => value.is_none(),
                Predicate::And(items) | Predicate::Or(items) => {
                    for item in items {
                        if l.can_be_unknown(item)? {
                            return Ok(true);
                        }
                    }
                    false
                }
                Predicate::Not(inner) => l.can_be_unknown(inner)?,
                Predicate::IsNull(_)
                | Predicate::Exists(_)
                | Predicate::Xor(_)
                | Predicate::AnyElement(_) => false,
                Predicate::Compare { lhs, rhs, .. } | Predicate::Like { lhs, rhs, .. } => {
                    l.nullable(lhs)? || l.nullable(rhs)?
                }
                Predicate::In { lhs, list } => {
                    let mut unknown = l.nullable(lhs)?;
                    for item in list {
                        unknown = unknown || l.nullable(item)?;
                    }
                    unknown
                }
                Predicate::Bool(scalar) => l.nullable(scalar)?,
                Predicate::InSubquery { .. }
                | Predicate::InParameter { .. }
                | Predicate::Lookup { .. } => true,
            })
        })
    }

    fn nullable(&mut self, scalar: &Scalar) -> Result<bool> {
        match scalar {
            Scalar::Literal(literal) => Ok(literal.value == Bson::Null),
            Scalar::List(items) => {
                for item in items {
                    if self.nullable(item)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            Scalar::Predicate(inner) => self.can_be_unknown(inner),
            Scalar::Subquery(_) => Ok(true),
            other => Ok(self.scalar(other)?.nullable),
        }
    }

    fn in_list_expr(&mut self, lhs: &Scalar, list: &[Scalar], want: bool) -> Result<Expr> {
        let is_null = |s: &Scalar| matches!(s, Scalar::Literal(l) if l.value == Bson::Null);
        if !want && list.iter().any(is_null) {
            return Ok(Expr::lit(false));
        }
        let list: Vec<&Scalar> = list.iter().filter(|s| !is_null(s)).collect();
        if list.is_empty() {
            return Ok(Expr::lit(!want));
        }
        let literals: Option<Vec<Bson>> = list
            .iter()
            .map(|s| match s {
                Scalar::Literal(l) => Some(l.value.clone()),
                _ => None,
            })
            .collect();
        if let (Some(values), false) = (literals, matches!(lhs, Scalar::List(_))) {
            let val = self.operand(lhs)?;
            return Ok(self.in_expr(val, Expr::Literal(Bson::Array(values)), want));
        }
        let parts = list
            .into_iter()
            .map(|member| {
                let equal = Predicate::equal(lhs.clone(), member.clone());
                self.truth_expr(&equal, want)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(junction(parts, !want))
    }

    /// An odd number is true (`want`), or an even number; what is unknown is not true.
    fn xor_expr(&mut self, items: &[Predicate], want: bool) -> Result<Expr> {
        let mut sum = Vec::new();
        for item in items {
            let yes = self.truth_expr(item, true)?;
            sum.push(Expr::cond(yes, Expr::lit(1), Expr::lit(0)));
        }
        let odd = Expr::list("$mod", [Expr::list("$add", sum), Expr::lit(2)]);
        Ok(Expr::list("$eq", [odd, Expr::lit(i32::from(want))]))
    }
}

/// A conjunction where a condition is known not to hold.
fn unless(conjunction: Expr, known: &Expr) -> Expr {
    let Expr::Op("$and", Args::List(mut parts)) = conjunction else {
        return conjunction;
    };
    parts.retain(|part| !are_opposite(part, known));
    junction(parts, true)
}

/// Exactly one of two comparisons holds.
fn are_opposite(a: &Expr, b: &Expr) -> bool {
    match (a, b) {
        (Expr::Op("$eq", a), Expr::Op("$ne", b)) | (Expr::Op("$ne", a), Expr::Op("$eq", b)) => {
            a == b
        }
        _ => false,
    }
}

/// `$and` or `$or` without constants and nesting.
pub(super) fn junction(parts: Vec<Expr>, conjunction: bool) -> Expr {
    let op = if conjunction { "$and" } else { "$or" };
    let mut out = Vec::new();
    for part in parts {
        match part {
            Expr::Literal(Bson::Boolean(b)) if b == conjunction => {}
            Expr::Literal(Bson::Boolean(b)) => return Expr::lit(b),
            Expr::Op(inner, Args::List(items)) if inner == op => out.extend(items),
            other => out.push(other),
        }
    }
    match out.len() {
        0 => Expr::lit(conjunction),
        1 => out.pop().unwrap_or_else(|| Expr::lit(conjunction)),
        _ => Expr::list(op, out),
    }
}
