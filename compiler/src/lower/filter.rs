//! Predicates as filters of the match language.

use super::Lowerer;
use crate::error::Result;
use crate::mql::{Expr, FieldOp, Filter, Stage};
use crate::plan::facts::strict_columns;
use crate::plan::{ArrayFact, CompareOp, Predicate, Scalar, has_subquery};
use crate::schema::StorageFamily;

/// Operands of `XOR` up to which it is written out natively.
const NATIVE_XOR: usize = 3;

impl Lowerer<'_> {
    /// Appends the stages of a filter: what needs no subquery first, then one `$match` per subquery.
    pub fn filter_rows(&mut self, predicate: &Predicate) -> Result<()> {
        let before = std::mem::replace(&mut self.matching, true);
        let done = self.filter_by(predicate);
        self.matching = before;
        done
    }

    fn filter_by(&mut self, predicate: &Predicate) -> Result<()> {
        if !matches!(predicate, Predicate::And(_)) {
            return self.match_condition(predicate, &[]);
        }
        let mut conjuncts = Vec::new();
        split(predicate, &mut conjuncts);
        let mut known = not_null(&conjuncts, true);
        rejecting(&conjuncts, &mut known);
        let (late, early): (Vec<&Predicate>, Vec<&Predicate>) =
            conjuncts.into_iter().partition(|p| has_subquery(p));
        let mut filters = Vec::with_capacity(early.len());
        for p in early {
            filters.push(self.assuming(&known, |l| l.truth(p, true))?);
        }
        self.push_early(Filter::all(filters))?;
        for p in late {
            self.match_condition(p, &known)?;
        }
        Ok(())
    }

    /// The `$match` of one condition, or of the two that it is made of.
    fn match_condition(&mut self, predicate: &Predicate, known: &[Scalar]) -> Result<()> {
        let parts = self.not_in_parts(predicate)?;
        let parts = parts.as_ref().map(<[Predicate; 2]>::as_slice);
        for p in parts.unwrap_or(std::slice::from_ref(predicate)) {
            let filter = self.assuming(known, |l| l.truth(p, true))?;
            self.push_early(filter)?;
        }
        Ok(())
    }

    /// Appends a filter; what it asks of the documents of the collection itself comes before joins, which keep them.
    fn push_early(&mut self, filter: Filter) -> Result<()> {
        let scope = self.scope()?;
        let (Filter::And(parts), Some(open)) = (&filter, scope.open) else {
            return self.push_match(filter);
        };
        let joined = |stage: &Stage| match stage {
            Stage::Lookup(_) => true,
            Stage::Unwind { path, .. } => scope.added.contains(path),
            _ => false,
        };
        if !scope.stages.last().is_some_and(joined) {
            return self.push_match(filter);
        }
        let mut at = scope.stages.len();
        while let Some(before) = at.checked_sub(1)
            && scope.stages.get(before).is_some_and(joined)
        {
            at = before;
        }
        // What is left is sorted.
        if let Some(before) = at.checked_sub(1)
            && matches!(scope.stages.get(before), Some(Stage::Sort(_)))
        {
            at = before;
        }
        let stored = &self.columns.source(open)?.stored;
        let own = |part: &Filter| match part {
            Filter::Field { path, .. } => {
                let key = path.split('.').next().unwrap_or(path);
                stored.iter().any(|stored| stored == key)
            }
            _ => false,
        };
        let (first, then): (Vec<Filter>, Vec<Filter>) = parts.iter().cloned().partition(own);
        if !first.is_empty() {
            let stages = &mut self.scope()?.stages;
            stages.insert(at, Stage::Match(Filter::all(first)));
        }
        self.push_match(Filter::all(then))
    }

    pub fn push_match(&mut self, filter: Filter) -> Result<()> {
        if filter != Filter::True {
            self.push(Stage::Match(filter))?;
        }
        Ok(())
    }

    /// A filter that matches exactly where the predicate is true (`want`) or false (not `want`).
    pub fn truth(&mut self, predicate: &Predicate, want: bool) -> Result<Filter> {
        self.deeper(|l| l.truth_of(predicate, want))
    }

    fn truth_of(&mut self, predicate: &Predicate, want: bool) -> Result<Filter> {
        match predicate {
            Predicate::Const(value) => Ok(constant(*value == Some(want))),
            Predicate::Not(inner) => self.truth(inner, !want),
            Predicate::And(items) => {
                let parts = self.parts(items, true, want)?;
                Ok(if want {
                    Filter::all(parts)
                } else {
                    Filter::any(parts)
                })
            }
            Predicate::Or(items) => {
                let parts = self.parts(items, false, want)?;
                Ok(if want {
                    Filter::any(parts)
                } else {
                    Filter::all(parts)
                })
            }
            Predicate::Xor(items) if items.len() <= NATIVE_XOR => self.xor(items, want),
            Predicate::Compare { op, lhs, rhs } => self.compare(*op, lhs, rhs, want),
            Predicate::IsNull(scalar) => self.is_null(scalar, want),
            Predicate::In { lhs, list } => self.is_in(lhs, list, want),
            Predicate::Like {
                pattern,
                insensitive,
                lhs,
                rhs,
            } => self.like(*pattern, *insensitive, lhs, rhs, want),
            Predicate::InSubquery { lhs, query } => self.in_subquery(lhs, query, want),
            Predicate::InParameter { lhs, parameter } => {
                let val = self.operand(lhs)?;
                match val.scalar_path() {
                    Some(path) if want => Ok(Filter::field(path, FieldOp::InParameter(*parameter))),
                    _ => self.by_expression(predicate, want),
                }
            }
            Predicate::Exists(sub) => self.exists(sub, want),
            Predicate::AnyElement(any) => match self.elem_match(any, want)? {
                Some(filter) => Ok(filter),
                None => {
                    let alone = self.alone(any, want)?;
                    let test = self.by_expression(predicate, want)?;
                    Ok(match alone {
                        Some(alone) => Filter::all(vec![alone, test]),
                        None => test,
                    })
                }
            },
            Predicate::Bool(scalar) => self.is_true(scalar, want),
            Predicate::Lookup { name, lhs, rhs, .. } => {
                match self.native_lookup(name, lhs, rhs, want)? {
                    Some(filter) => Ok(filter),
                    None => self.by_expression(predicate, want),
                }
            }
            Predicate::Xor(_) => self.by_expression(predicate, want),
        }
    }

    /// The filter of last resort.
    pub fn by_expression(&mut self, predicate: &Predicate, want: bool) -> Result<Filter> {
        let expr = self.truth_expr(predicate, want)?;
        Ok(expression(expr))
    }

    /// Each item, knowing what the others say about NULL.
    fn parts(&mut self, items: &[Predicate], and: bool, want: bool) -> Result<Vec<Filter>> {
        let refs: Vec<&Predicate> = items.iter().collect();
        let mut known = not_null(&refs, and);
        // A subquery is looked up once, also for conditions elsewhere.
        if and && want && !refs.iter().any(|p| has_subquery(p)) {
            rejecting(&refs, &mut known);
        }
        items
            .iter()
            .map(|p| self.assuming(&known, |l| l.truth(p, want)))
            .collect()
    }

    /// An odd number of the items is true (`want`), or an even one; what is unknown is not true.
    fn xor(&mut self, items: &[Predicate], want: bool) -> Result<Filter> {
        let Some((first, rest)) = items.split_first() else {
            return Ok(constant(!want));
        };
        if rest.is_empty() {
            return self.holds(first, want);
        }
        let yes_no = Filter::all(vec![self.holds(first, true)?, self.xor(rest, !want)?]);
        let no_yes = Filter::all(vec![self.holds(first, false)?, self.xor(rest, want)?]);
        Ok(Filter::any(vec![yes_no, no_yes]))
    }

    /// True (`want`), or false or unknown.
    fn holds(&mut self, predicate: &Predicate, want: bool) -> Result<Filter> {
        if want || !self.can_be_unknown(predicate)? {
            return self.truth(predicate, want);
        }
        Ok(match self.truth(predicate, true)? {
            Filter::True => Filter::False,
            Filter::False => Filter::True,
            filter => Filter::Nor(vec![filter]),
        })
    }

    fn is_null(&mut self, scalar: &Scalar, want: bool) -> Result<Filter> {
        if let Scalar::List(items) = scalar {
            let parts: Vec<Predicate> = items.iter().cloned().map(Predicate::IsNull).collect();
            return self.truth(&Predicate::And(parts), want);
        }
        let key = if want {
            self.json_is_missing(scalar)?
        } else {
            self.json_is_there(scalar)?
        };
        if let Some(filter) = key {
            return Ok(filter);
        }
        let val = self.scalar(scalar)?;
        if let Some(value) = val.literal() {
            return Ok(constant((*value == bson::Bson::Null) == want));
        }
        if !val.nullable {
            return Ok(constant(!want));
        }
        let Some(path) = val.path() else {
            // This may be the very condition by which it is assumed to have a value.
            let assumed = std::mem::take(&mut self.assumed);
            let tests = self.presence(scalar, &val);
            self.assumed = assumed;
            if let Some(tests) = tests? {
                return Ok(if want {
                    Filter::any(tests.into_iter().map(opposite).collect())
                } else {
                    Filter::all(tests)
                });
            }
            if val.family() != StorageFamily::Json
                && let Some(row) = self.looked_up(&val)?
            {
                return Ok(if want {
                    row.null()
                } else {
                    row.filter(vec![FieldOp::Ne(bson::Bson::Null)], false)
                });
            }
            let test = if want {
                val.is_null()
            } else {
                val.is_not_null()
            };
            return Ok(expression(test));
        };
        let op = match (val.array, val.family()) {
            (_, StorageFamily::Json) => FieldOp::Exists(!want),
            (ArrayFact::No, _) if want => FieldOp::Eq(bson::Bson::Null),
            (ArrayFact::No, _) => FieldOp::Ne(bson::Bson::Null),
            // `{a: null}` would match arrays that hold a null.
            (_, _) if want => FieldOp::Not(vec![FieldOp::Type(vec!["array"])]),
            (_, _) => FieldOp::Type(vec!["array"]),
        };
        Ok(Filter::field(path, op))
    }

    fn is_true(&mut self, scalar: &Scalar, want: bool) -> Result<Filter> {
        if let Scalar::Predicate(inner) = scalar {
            return self.truth(inner, want);
        }
        let val = self.operand(scalar)?;
        if let Some(value) = val.literal() {
            return Ok(constant(value.as_bool() == Some(want)));
        }
        Ok(match val.scalar_path() {
            Some(path) => Filter::field(path, FieldOp::Eq(want.into())),
            None => expression(Expr::list("$eq", [val.expr, Expr::lit(want)])),
        })
    }
}

/// The conjuncts of a predicate.
pub(super) fn split<'p>(predicate: &'p Predicate, out: &mut Vec<&'p Predicate>) {
    let mut stack = vec![predicate];
    while let Some(p) = stack.pop() {
        match p {
            Predicate::And(items) => stack.extend(items.iter().rev()),
            other => out.push(other),
        }
    }
}

/// What is not NULL where all items of an AND are true, because of those that need no test to reject it: an order puts NULL
/// before everything, and it is in no list.
fn rejecting(items: &[&Predicate], known: &mut Vec<Scalar>) {
    if items.len() < 2 {
        return;
    }
    let there = |s: &Scalar| matches!(s, Scalar::Literal(l) if l.value != bson::Bson::Null);
    for item in items {
        let value = match item {
            Predicate::In { lhs, list } if list.iter().all(there) => lhs,
            Predicate::Compare {
                op: CompareOp::Eq | CompareOp::Gt | CompareOp::Gte,
                lhs,
                rhs,
            } if there(rhs) => lhs,
            _ => continue,
        };
        match value {
            Scalar::Column(_) => known.push(value.clone()),
            Scalar::Call(_) | Scalar::Arithmetic { .. } => {
                known.push(value.clone());
                known.extend(strict_columns(value).iter().map(Scalar::Column));
            }
            _ => {}
        }
    }
}

/// What is not NULL where the items of an AND (or OR) matter. Beside `x IS NOT NULL` in an AND, the others matter only
/// where x is not NULL: if they must all be true, and also if one must be false, for where x is NULL, that one is. In
/// an OR it is `x IS NULL` for the same reason.
fn not_null(items: &[&Predicate], and: bool) -> Vec<Scalar> {
    items
        .iter()
        .filter_map(|p| match p {
            Predicate::Not(inner) if and => match &**inner {
                Predicate::IsNull(scalar) => Some(scalar.clone()),
                _ => None,
            },
            Predicate::IsNull(scalar) if !and => Some(scalar.clone()),
            _ => None,
        })
        .collect()
}

/// The filter of what a test on one path does not match.
pub(super) fn opposite(test: Filter) -> Filter {
    match test {
        Filter::Field { path, ops } => match ops.as_slice() {
            [FieldOp::Ne(value)] => Filter::field(path, FieldOp::Eq(value.clone())),
            [FieldOp::Exists(there)] => Filter::field(path, FieldOp::Exists(!there)),
            _ => Filter::field(path, FieldOp::Not(ops)),
        },
        Filter::Expr(test) => Filter::Expr(Expr::list("$not", [test])),
        other => Filter::Nor(vec![other]),
    }
}

pub(super) fn constant(value: bool) -> Filter {
    if value { Filter::True } else { Filter::False }
}

/// `{$expr: ..}`, or a constant.
pub(super) fn expression(expr: Expr) -> Filter {
    match expr {
        Expr::Literal(bson::Bson::Boolean(value)) => constant(value),
        Expr::Op("$and", crate::mql::Args::List(items)) => {
            Filter::all(items.into_iter().map(expression).collect())
        }
        other => Filter::Expr(other),
    }
}
