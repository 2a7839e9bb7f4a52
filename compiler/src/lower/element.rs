//! Conditions on the elements of an array: `$elemMatch` where the match language can say them, else an expression over
//! every element.

use bson::Bson;

use super::Lowerer;
use super::filter::constant;
use super::leaf::within;
use super::native::has_places;
use super::scope::Val;
use super::truth::junction;
use crate::error::{Error, Result};
use crate::mql::{Expr, FieldOp, Filter};
use crate::names::Path;
use crate::plan::facts::{Nulls, rejected};
use crate::plan::{AnyElement, ColumnId, Node, Origin, Predicate, Scalar, SubKind, visit};

impl Lowerer<'_> {
    /// The filter that matches where an element satisfies the condition (`want`) or none does.
    pub fn elem_match(&mut self, any: &AnyElement, want: bool) -> Result<Option<Filter>> {
        let array = self.scalar(&any.array)?;
        // `$elemMatch` sees nothing but the element, and a path nothing but the document.
        if !any.given.is_empty() {
            return self.bound(any, &array, want);
        }
        let Expr::Field(path) = &array.expr else {
            return Ok(None);
        };
        let start = match any.range {
            None => Some(0),
            Some((start, stop)) => (start < stop).then_some(start),
        };
        let first = start.filter(|_| has_places(&array));
        if let (Predicate::Const(Some(true)), Some(first)) = (&any.test, first) {
            return Ok(Some(has_element(path, first, want)));
        }
        let place = match any.range {
            None => None,
            Some((at, stop)) if stop == at + 1 && has_places(&array) => {
                Some(path.then(at.to_string()))
            }
            Some(_) => return Ok(None),
        };
        let before = self.scope()?.stages.len();
        let saved = self.enter_element(any, |key| match &place {
            None => Expr::Field(key.clone()),
            Some(place) => Expr::Field(place.to(key)),
        })?;
        let inner = self.truth(&any.test, true);
        self.leave_element(saved)?;
        let inner = inner?;
        if self.scope()?.stages.len() != before {
            return Err(Error::unsupported(
                "this condition on the elements of an array",
                "it needs a stage of its own",
            ));
        }
        if let (Filter::True, Some(first)) = (&inner, first) {
            return Ok(Some(has_element(path, first, want)));
        }
        Ok(match inner {
            Filter::False => Some(constant(!want)),
            // `$expr` sees the document, not the element.
            filter if !is_native(&filter) => None,
            filter if place.is_some() => {
                is_of_something(&filter).then(|| if want { filter } else { none_of(filter) })
            }
            filter => Some(match single(&filter) {
                // A path enters the array by itself, where only one condition is asked of an element.
                Some((inner, op)) => {
                    let op = match (want, op) {
                        (true, op) => op,
                        (false, FieldOp::Eq(value)) => FieldOp::Ne(value),
                        (false, FieldOp::In(values)) => FieldOp::Nin(values),
                        (false, op) => FieldOp::Not(vec![op]),
                    };
                    Filter::field(format!("{}.{inner}", path.dotted()), op)
                }
                None => {
                    let op = FieldOp::ElemMatch(Box::new(filter));
                    Filter::field(
                        path.dotted(),
                        if want { op } else { FieldOp::Not(vec![op]) },
                    )
                }
            }),
        })
    }

    /// What a condition asks of an element alone, beside what it compares with values from around: the match language says
    /// it, before anything is looked up.
    pub fn alone(&mut self, any: &AnyElement, want: bool) -> Result<Option<Filter>> {
        let Predicate::And(parts) = &any.test else {
            return Ok(None);
        };
        if !want || any.given.is_empty() {
            return Ok(None);
        }
        let is_given = |node: Node<'_>| matches!(node, Node::Scalar(Scalar::Column(id)) if any.given.iter().any(|(given, _)| given == id));
        let mut own = parts.iter().filter(|part| {
            let mut given = false;
            visit(Node::Predicate(part), &mut |node, _| {
                given |= is_given(node);
                !given
            });
            !given
        });
        let Some(test) = own.next().cloned() else {
            return Ok(None);
        };
        let alone = AnyElement {
            array: any.array.clone(),
            range: any.range,
            element: any.element,
            given: Vec::new(),
            test: own.cloned().fold(test, Predicate::and),
        };
        self.elem_match(&alone, want)
    }

    /// The same as an expression, true or false.
    pub fn any_element_expr(&mut self, any: &AnyElement, want: bool) -> Result<Expr> {
        // Not as an operand: the conditions beside it may be asked later, and without an array there would be an error.
        let array = self.scalar(&any.array)?;
        let mut vars = Vec::new();
        let mut around = Vec::with_capacity(any.given.len());
        for (id, scalar) in &any.given {
            let val = self.scalar(scalar)?;
            let val = self.shared(val, &mut vars);
            if let Scalar::Subquery(sub) = scalar
                && let (SubKind::Array, [column]) = (sub.kind, sub.columns.as_slice())
                && !Nulls::new(self.columns)
                    .of(&sub.rel)
                    .nullable_scalar(column)
            {
                self.without_null.insert(*id);
            }
            around.push((*id, self.scope()?.columns.insert(*id, val)));
        }
        let variable = self.variable("element");
        let before = self.scope()?.stages.len();
        let saved = self.enter_element(any, |key| Expr::Var {
            name: variable.clone(),
            path: key.iter().map(String::from).collect(),
        })?;
        let test = self.truth_expr(&any.test, true);
        self.leave_element(saved)?;
        self.leave_element(around)?;
        let test = test?;
        if self.scope()?.stages.len() != before {
            return Err(Error::unsupported(
                "this condition on the elements of an array",
                "it needs a stage of its own",
            ));
        }
        let count = any
            .range
            .map(|(start, stop)| (start, stop.saturating_sub(start)));
        let number = |n: u64| Expr::lit(i64::try_from(n).unwrap_or(i64::MAX));
        let found = match count {
            Some((_, 0)) => return Ok(Expr::lit(!want)),
            Some((start, 1)) => {
                let element = match start {
                    0 => Expr::one("$first", array.expr),
                    _ => Expr::list("$arrayElemAt", [array.expr, number(start)]),
                };
                let mut test = vec![test];
                if !self.is_of_an_element(any) {
                    test.insert(0, Expr::var(variable.clone()).is_not_nullish());
                }
                Expr::let_in([(variable, element)], junction(test, true))
            }
            _ => {
                let elements = if array.nullable {
                    Expr::list("$ifNull", [array.expr, Expr::Array(Vec::new())])
                } else {
                    array.expr
                };
                let elements = match count {
                    None => elements,
                    Some((start, count)) => {
                        Expr::list("$slice", [elements, number(start), number(count)])
                    }
                };
                let tests = Expr::named(
                    "$map",
                    [
                        ("input", elements),
                        ("as", Expr::lit(variable)),
                        ("in", test),
                    ],
                );
                Expr::list("$anyElementTrue", [tests])
            }
        };
        let found = if want {
            found
        } else {
            Expr::list("$not", [found])
        };
        Ok(within(vars, found))
    }

    /// The condition is never true where there is no element.
    fn is_of_an_element(&self, any: &AnyElement) -> bool {
        let needed = rejected(&any.test);
        needed
            .iter()
            .any(|id| self.columns.source_of(id) == Some(any.element))
    }

    /// Columns of the element are keys of the current document, or of a variable.
    fn enter_element(
        &mut self,
        any: &AnyElement,
        place: impl Fn(&Path) -> Expr,
    ) -> Result<Vec<(ColumnId, Option<Val>)>> {
        // At a place there may be no element, and then nothing of it is there.
        let lone = any.range.is_some_and(|(start, stop)| stop == start + 1);
        let mut columns = Vec::new();
        visit(Node::Predicate(&any.test), &mut |node, _| {
            if let Node::Scalar(Scalar::Column(id)) = node
                && self.columns.source_of(*id) == Some(any.element)
                && !columns.contains(id)
            {
                columns.push(*id);
            }
            true
        });
        let mut saved = Vec::with_capacity(columns.len());
        for id in columns {
            let column = self.columns.get(id)?;
            let Origin::Stored { path, .. } = &column.origin else {
                return Err(Error::internal("a computed column of an element"));
            };
            let val = Val {
                expr: place(path),
                ty: column.ty.clone(),
                nullable: column.nullable || lone,
                array: column.array,
            };
            saved.push((id, self.scope()?.columns.insert(id, val)));
        }
        Ok(saved)
    }

    fn leave_element(&mut self, saved: Vec<(ColumnId, Option<Val>)>) -> Result<()> {
        let scope = self.scope()?;
        for (id, before) in saved {
            match before {
                Some(val) => scope.columns.insert(id, val),
                None => scope.columns.remove(&id),
            };
        }
        Ok(())
    }
}

/// The filter of arrays that have an element at a place (`want`), or none.
pub(super) fn has_element(path: &Path, at: u64, want: bool) -> Filter {
    Filter::field(path.then(at.to_string()).dotted(), FieldOp::Exists(want))
}

/// The only condition on an element: a comparison that no missing value meets.
fn single(filter: &Filter) -> Option<(&str, FieldOp)> {
    let Filter::Field { path, ops } = filter else {
        return None;
    };
    let [op] = ops.as_slice() else {
        return None;
    };
    let there = match op {
        FieldOp::Eq(value)
        | FieldOp::Gt(value)
        | FieldOp::Gte(value)
        | FieldOp::Lt(value)
        | FieldOp::Lte(value) => !matches!(value, Bson::Null | Bson::Array(_)),
        FieldOp::In(values) => !values
            .iter()
            .any(|value| matches!(value, Bson::Null | Bson::Array(_))),
        FieldOp::Regex { .. } => true,
        _ => false,
    };
    // A key of digits would be a place in the array.
    let digits = path
        .split('.')
        .any(|key| key.bytes().all(|b| b.is_ascii_digit()));
    (there && !digits).then(|| (path.as_str(), op.clone()))
}

/// The match language says it without `$expr`.
fn is_native(filter: &Filter) -> bool {
    match filter {
        Filter::True | Filter::False => true,
        Filter::And(parts) | Filter::Or(parts) | Filter::Nor(parts) => parts.iter().all(is_native),
        Filter::Field { ops, .. } => ops.iter().all(is_native_op),
        Filter::Expr(_) | Filter::Raw(_) => false,
    }
}

fn is_native_op(op: &FieldOp) -> bool {
    match op {
        FieldOp::ElemMatch(inner) => is_native(inner),
        FieldOp::Not(ops) | FieldOp::ElemMatchValue(ops) => ops.iter().all(is_native_op),
        _ => true,
    }
}

/// A filter on an element at a place that matches nothing where there is none. Beside the place, a path looks for the
/// number as a key of every element, which all lack: what a missing key satisfies cannot be asked.
fn is_of_something(filter: &Filter) -> bool {
    let of_something = |op: &FieldOp| match op {
        FieldOp::Eq(value) => *value != Bson::Null,
        FieldOp::In(values) => !values.contains(&Bson::Null),
        FieldOp::Lt(_)
        | FieldOp::Lte(_)
        | FieldOp::Gt(_)
        | FieldOp::Gte(_)
        | FieldOp::Regex { .. }
        | FieldOp::Mod(..)
        | FieldOp::Size(_)
        | FieldOp::ElemMatch(_)
        | FieldOp::ElemMatchValue(_)
        | FieldOp::Exists(true) => true,
        _ => false,
    };
    match filter {
        Filter::False => true,
        Filter::And(parts) | Filter::Or(parts) => {
            !parts.is_empty() && parts.iter().all(is_of_something)
        }
        Filter::Field { ops, .. } => ops.iter().all(of_something),
        Filter::True | Filter::Nor(_) | Filter::Expr(_) | Filter::Raw(_) => false,
    }
}

/// The filter of what another does not match.
fn none_of(filter: Filter) -> Filter {
    match filter {
        Filter::Field { path, ops } => match ops.as_slice() {
            [FieldOp::Eq(value)] => Filter::field(path, FieldOp::Ne(value.clone())),
            [FieldOp::In(values)] => Filter::field(path, FieldOp::Nin(values.clone())),
            _ => Filter::field(path, FieldOp::Not(ops)),
        },
        other => Filter::Nor(vec![other]),
    }
}
