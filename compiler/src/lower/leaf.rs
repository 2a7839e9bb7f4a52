//! Comparisons as filters: native where a path meets a literal.

use bson::Bson;

use super::Lowerer;
use super::filter::{constant, expression};
use super::scope::Val;
use crate::error::Result;
use crate::mql::{Args, Expr, FieldOp, Filter};
use crate::plan::facts::{Nulls, strict_columns};
use crate::plan::{ArrayFact, CompareOp, Node, Predicate, Scalar};
use crate::schema::StorageFamily;

impl Lowerer<'_> {
    /// A value that is compared: not NULL if the conditions beside it say so.
    pub fn operand(&mut self, scalar: &Scalar) -> Result<Val> {
        let mut val = self.scalar(scalar)?;
        if val.nullable && self.assumed.contains(scalar) {
            val.nullable = false;
        }
        Ok(val)
    }

    pub fn compare(
        &mut self,
        op: CompareOp,
        lhs: &Scalar,
        rhs: &Scalar,
        want: bool,
    ) -> Result<Filter> {
        if let (Scalar::List(l), Scalar::List(r)) = (lhs, rhs) {
            return self.truth(&rows(op, l, r), want);
        }
        if let Some((inner, value)) = as_condition(op, lhs, rhs) {
            return self.truth(inner, value == want);
        }
        let (op, lhs, rhs) = match (lhs, rhs) {
            (Scalar::Literal(_), r) if !matches!(r, Scalar::Literal(_)) => {
                (op.mirrored(), rhs, lhs)
            }
            _ => (op, lhs, rhs),
        };
        let op = if want { op } else { op.opposite() };
        if let (CompareOp::Eq, Scalar::Json { .. }, Scalar::Literal(literal)) = (op, lhs, rhs)
            && let Some(filter) = self.json_is_one_of(lhs, std::slice::from_ref(&literal.value))?
        {
            return Ok(filter);
        }
        let (mut l, mut r) = (self.operand(lhs)?, self.operand(rhs)?);
        if is_null_literal(&l) || is_null_literal(&r) {
            return Ok(Filter::False);
        }
        if let Some(filter) = self.length(op, lhs, &r)? {
            return Ok(filter);
        }
        // In the match language only: there a number is a place in an array.
        if let Some(value) = r.literal()
            && let Some(element) = self.element(lhs)?
            && let Some(path) = element.path()
            && let Some(mut filter) = native(op, path, &element, value)
        {
            // An array that is too short has no element, not even null.
            if let (CompareOp::Ne, Filter::Field { ops, .. }) = (op, &mut filter) {
                ops.insert(0, FieldOp::Exists(true));
            }
            return Ok(filter);
        }
        if r.literal().is_some()
            && let Some(path) = l.scalar_path()
            && let Expr::Literal(value) = r.expr
        {
            let ops = native_ops(op, l.nullable, value);
            return Ok(Filter::Field { path, ops });
        }
        if let (Some(path), Some(value)) = (l.path(), r.literal())
            && let Some(filter) = native(op, path, &l, value)
        {
            return Ok(filter);
        }
        if let Some(value) = r.literal()
            && let Some(row) = self.looked_up(&l)?
        {
            let ops = native_ops(op, true, value.clone());
            return Ok(row.filter(ops, op != CompareOp::Ne));
        }
        // A guard on what is computed is better one on the columns that it is computed from.
        let (l_guard, r_guard) = guards(op, &l, &r);
        let mut tests = Vec::new();
        if let (CompareOp::Eq, Some(value)) = (op, r.literal()) {
            tests.extend(self.json_within_arrays(lhs, value)?);
        }
        for (guard, scalar, val) in [(l_guard, lhs, &mut l), (r_guard, rhs, &mut r)] {
            if guard && let Some(filters) = self.presence(scalar, val)? {
                tests.extend(filters);
                val.nullable = false;
            }
        }
        tests.push(expression(self.compare_expr(op, l, r)));
        Ok(Filter::all(tests))
    }

    /// Where a value is, if it is one of a look-up of at most one row.
    pub fn looked_up(&mut self, val: &Val) -> Result<Option<Row>> {
        let (Expr::Op("$first", Args::One(values)), ArrayFact::No) = (&val.expr, val.array) else {
            return Ok(None);
        };
        let Expr::Field(path) = &**values else {
            return Ok(None);
        };
        let [rows, key] = &**path else {
            return Ok(None);
        };
        let found = self.scope()?.single.iter().any(|name| *name == **rows);
        Ok(found.then(|| Row {
            rows: rows.to_string(),
            key: key.to_string(),
        }))
    }

    /// The tests that a computed value is not NULL, as tests of the columns that it is computed from: only where it is NULL
    /// exactly if one of them is.
    pub fn presence(&mut self, scalar: &Scalar, val: &Val) -> Result<Option<Vec<Filter>>> {
        if super::scope::is_cheap(&val.expr) || !crate::plan::is_copyable(Node::Scalar(scalar)) {
            return Ok(None);
        }
        let used = scalar.used_columns();
        // A branch or a substitute may have a value although a column of it has none.
        let strict = strict_columns(scalar);
        if !used.iter().all(|id| strict.contains(id)) {
            return Ok(None);
        }
        let mut nulls = Nulls::new(self.columns);
        let mut filters = Vec::new();
        for id in used.iter() {
            nulls.assume(&Predicate::IsNull(Scalar::Column(id)).negate());
            let column = self.operand(&Scalar::Column(id))?;
            if column.nullable {
                match column.scalar_path() {
                    Some(path) => filters.push(Filter::field(path, FieldOp::Ne(Bson::Null))),
                    None => return Ok(None),
                }
            }
        }
        Ok((!nulls.nullable_scalar(scalar)).then_some(filters))
    }

    pub fn is_in(&mut self, lhs: &Scalar, list: &[Scalar], want: bool) -> Result<Filter> {
        let has_null = list.iter().any(is_null_scalar);
        if !want && has_null {
            return Ok(Filter::False);
        }
        let list: Vec<&Scalar> = list.iter().filter(|s| !is_null_scalar(s)).collect();
        if list.is_empty() {
            return Ok(constant(!want));
        }
        let literals: Option<Vec<Bson>> = list.iter().map(|s| plain_literal(s)).collect();
        if let (Some(values), false) = (literals, matches!(lhs, Scalar::List(_))) {
            if want
                && let Scalar::Json { .. } = lhs
                && let Some(filter) = self.json_is_one_of(lhs, &values)?
            {
                return Ok(filter);
            }
            let val = self.operand(lhs)?;
            if is_null_literal(&val) {
                return Ok(Filter::False);
            }
            if let Some(path) = val.scalar_path() {
                return Ok(Filter::field(path, membership(values, val.nullable, want)));
            }
            if let Some(row) = self.looked_up(&val)? {
                return Ok(row.filter(vec![membership(values, true, want)], want));
            }
            return Ok(expression(self.in_expr(
                val,
                Expr::Literal(Bson::Array(values)),
                want,
            )));
        }
        // Members that are computed, or tuples: one comparison each.
        let (plain, computed): (Vec<&Scalar>, Vec<&Scalar>) = list
            .into_iter()
            .partition(|s| plain_literal(s).is_some() && !matches!(lhs, Scalar::List(_)));
        let mut parts = Vec::new();
        if !plain.is_empty() {
            let plain: Vec<Scalar> = plain.into_iter().cloned().collect();
            parts.push(self.is_in(lhs, &plain, want)?);
        }
        for member in computed {
            parts.push(self.compare(CompareOp::Eq, lhs, member, want)?);
        }
        Ok(if want {
            Filter::any(parts)
        } else {
            Filter::all(parts)
        })
    }

    /// `op` is true of two values, as an expression.
    pub fn compare_expr(&mut self, op: CompareOp, l: Val, r: Val) -> Expr {
        let (l_guard, r_guard) = guards(op, &l, &r);
        let mut vars = Vec::new();
        let l = if l_guard {
            self.shared(l, &mut vars)
        } else {
            l
        };
        let r = if r_guard {
            self.shared(r, &mut vars)
        } else {
            r
        };
        let mut parts = Vec::new();
        if l_guard {
            parts.push(l.is_not_null());
        }
        if r_guard {
            parts.push(r.is_not_null());
        }
        parts.push(Expr::list(operator(op), [l.expr, r.expr]));
        within(vars, and(parts))
    }

    /// Membership in an array without NULL is true (or false), as an expression.
    pub fn in_expr(&mut self, val: Val, list: Expr, want: bool) -> Expr {
        let member = |val: &Val, list| Expr::list("$in", [val.expr.clone(), list]);
        if want {
            return member(&val, list);
        }
        if !val.nullable {
            return Expr::list("$not", [member(&val, list)]);
        }
        let mut vars = Vec::new();
        let val = self.shared(val, &mut vars);
        let out = and(vec![
            val.is_not_null(),
            Expr::list("$not", [member(&val, list)]),
        ]);
        within(vars, out)
    }

    /// A value that is named more than once: through a variable unless it is trivial.
    pub fn shared(&mut self, val: Val, vars: &mut Vec<(String, Expr)>) -> Val {
        if super::scope::is_cheap(&val.expr) {
            return val;
        }
        let name = self.variable("x");
        let value = if val.family() == StorageFamily::Json {
            super::scope::if_there(val.expr)
        } else {
            val.expr
        };
        vars.push((name.clone(), value));
        Val {
            expr: Expr::var(name),
            ..val
        }
    }
}

/// The value of a look-up of at most one row.
pub(super) struct Row {
    rows: String,
    key: String,
}

impl Row {
    /// The filter of tests that no missing value meets. Without a row there is nothing that could be equal, less or
    /// greater, so that a path will do; other tests (not `plain`) are asked of a row that is there.
    pub fn filter(self, ops: Vec<FieldOp>, plain: bool) -> Filter {
        let Row { rows, key } = self;
        if plain {
            let path = format!("{rows}.{key}");
            return Filter::Field { path, ops };
        }
        let inner = Filter::Field { path: key, ops };
        Filter::field(rows, FieldOp::ElemMatch(Box::new(inner)))
    }

    /// The filter of what is NULL: there is no row, or nothing in it.
    pub fn null(self) -> Filter {
        let there = Filter::field(self.key, FieldOp::Ne(Bson::Null));
        let there = FieldOp::ElemMatch(Box::new(there));
        Filter::field(self.rows, FieldOp::Not(vec![there]))
    }
}

/// The body with the variables it names.
pub(super) fn within(vars: Vec<(String, Expr)>, body: Expr) -> Expr {
    if vars.is_empty() {
        body
    } else {
        Expr::let_in(vars, body)
    }
}

/// `$and`, flat.
pub(super) fn and(mut parts: Vec<Expr>) -> Expr {
    if parts.len() == 1 {
        return parts.pop().unwrap_or_else(|| Expr::lit(true));
    }
    Expr::list("$and", parts)
}

/// Which sides must be tested for NULL, for the aggregation language orders NULL before everything and finds it equal
/// to itself.
fn guards(op: CompareOp, l: &Val, r: &Val) -> (bool, bool) {
    match op {
        CompareOp::Eq => (l.nullable && r.nullable, false),
        CompareOp::Ne => (l.nullable, r.nullable),
        CompareOp::Lt | CompareOp::Lte => (l.nullable, false),
        CompareOp::Gt | CompareOp::Gte => (false, r.nullable),
    }
}

/// The match language's form of a comparison, where it has the same truth.
fn native(op: CompareOp, path: String, val: &Val, value: &Bson) -> Option<Filter> {
    let ops = match val.array {
        ArrayFact::No => native_ops(op, val.nullable, value.clone()),
        // An element that is equal would match, too.
        ArrayFact::Yes | ArrayFact::Maybe => {
            return super::native::whole_array(op, &path, val, value);
        }
    };
    Some(Filter::Field { path, ops })
}

fn native_ops(op: CompareOp, nullable: bool, v: Bson) -> Vec<FieldOp> {
    vec![match op {
        CompareOp::Eq => FieldOp::Eq(v),
        // What is neither true nor NULL is false.
        CompareOp::Ne if matches!(v, Bson::Boolean(_)) => {
            FieldOp::Eq(Bson::Boolean(v == Bson::Boolean(false)))
        }
        CompareOp::Ne if nullable => FieldOp::Nin(vec![v, Bson::Null]),
        CompareOp::Ne => FieldOp::Ne(v),
        CompareOp::Lt => FieldOp::Lt(v),
        CompareOp::Lte => FieldOp::Lte(v),
        CompareOp::Gt => FieldOp::Gt(v),
        CompareOp::Gte => FieldOp::Gte(v),
    }]
}

fn membership(mut values: Vec<Bson>, nullable: bool, want: bool) -> FieldOp {
    match (want, values.len()) {
        (true, 1) => values.pop().map_or(FieldOp::In(Vec::new()), FieldOp::Eq),
        (true, _) => FieldOp::In(values),
        (false, 1) if !nullable => values.pop().map_or(FieldOp::Nin(Vec::new()), FieldOp::Ne),
        (false, _) => {
            if nullable {
                values.push(Bson::Null);
            }
            FieldOp::Nin(values)
        }
    }
}

/// A literal that `$in` takes as it is.
fn plain_literal(scalar: &Scalar) -> Option<Bson> {
    match scalar {
        Scalar::Literal(literal) => match &literal.value {
            Bson::RegularExpression(_) => None,
            value => Some(value.clone()),
        },
        _ => None,
    }
}

fn is_null_scalar(scalar: &Scalar) -> bool {
    matches!(scalar, Scalar::Literal(l) if l.value == Bson::Null && l.ty.kind.family() != StorageFamily::Json)
}

/// The constant NULL. JSON's null is a value.
pub(super) fn is_null_literal(val: &Val) -> bool {
    val.literal() == Some(&Bson::Null) && val.family() != StorageFamily::Json
}

/// `condition = true` and the like.
fn as_condition<'p>(
    op: CompareOp,
    lhs: &'p Scalar,
    rhs: &'p Scalar,
) -> Option<(&'p Predicate, bool)> {
    let ((Scalar::Predicate(inner), Scalar::Literal(literal))
    | (Scalar::Literal(literal), Scalar::Predicate(inner))) = (lhs, rhs)
    else {
        return None;
    };
    let value = literal.value.as_bool()?;
    match op {
        CompareOp::Eq => Some((inner, value)),
        CompareOp::Ne => Some((inner, !value)),
        _ => None,
    }
}

/// A comparison of rows of values, spelled out.
pub(super) fn rows(op: CompareOp, l: &[Scalar], r: &[Scalar]) -> Predicate {
    let compare = |op, l: &Scalar, r: &Scalar| Predicate::Compare {
        op,
        lhs: l.clone(),
        rhs: r.clone(),
    };
    let pairs: Vec<(&Scalar, &Scalar)> = l.iter().zip(r).collect();
    match op {
        CompareOp::Eq => Predicate::And(
            pairs
                .iter()
                .map(|(l, r)| compare(CompareOp::Eq, l, r))
                .collect(),
        ),
        CompareOp::Ne => Predicate::Or(
            pairs
                .iter()
                .map(|(l, r)| compare(CompareOp::Ne, l, r))
                .collect(),
        ),
        // (a, b) < (x, y) is a < x OR a = x AND b < y.
        ordered => {
            let strict = match ordered {
                CompareOp::Lt | CompareOp::Lte => CompareOp::Lt,
                _ => CompareOp::Gt,
            };
            let last = pairs.len().saturating_sub(1);
            let branches = pairs.iter().enumerate().map(|(i, (l, r))| {
                let mut parts: Vec<Predicate> = pairs
                    .iter()
                    .take(i)
                    .map(|(l, r)| compare(CompareOp::Eq, l, r))
                    .collect();
                parts.push(compare(if i == last { ordered } else { strict }, l, r));
                Predicate::And(parts)
            });
            Predicate::Or(branches.collect())
        }
    }
}

pub(super) fn operator(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "$eq",
        CompareOp::Ne => "$ne",
        CompareOp::Lt => "$lt",
        CompareOp::Lte => "$lte",
        CompareOp::Gt => "$gt",
        CompareOp::Gte => "$gte",
    }
}
