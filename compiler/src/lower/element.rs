//! Conditions on the elements of an array: `$elemMatch` where the match language can say them, else an expression over
//! every element.

use bson::Bson;

use super::Lowerer;
use super::filter::constant;
use super::leaf::within;
use super::scope::Val;
use super::truth::junction;
use crate::error::{Error, Result};
use crate::mql::{Expr, FieldOp, Filter};
use crate::plan::{AnyElement, ColumnId, Node, Origin, Scalar, visit};

impl Lowerer<'_> {
    /// The filter that matches where an element satisfies the condition (`want`) or none does.
    pub fn elem_match(&mut self, any: &AnyElement, want: bool) -> Result<Option<Filter>> {
        let array = self.scalar(&any.array)?;
        // `$elemMatch` sees nothing but the element.
        let (Some(path), None, true) = (array.path(), any.range, any.given.is_empty()) else {
            return Ok(None);
        };
        let before = self.scope()?.stages.len();
        let saved = self.enter_element(any, None)?;
        let inner = self.truth(&any.test, true);
        self.leave_element(saved)?;
        let inner = inner?;
        if self.scope()?.stages.len() != before {
            return Err(Error::unsupported(
                "this condition on the elements of an array",
                "it needs a stage of its own",
            ));
        }
        Ok(match inner {
            Filter::False => Some(constant(!want)),
            // `$expr` sees the document, not the element.
            filter if !is_native(&filter) => None,
            filter => Some(match single(&filter) {
                // A path enters the array by itself, where only one condition is asked of an element.
                Some((inner, op)) => {
                    let op = match (want, op) {
                        (true, op) => op,
                        (false, FieldOp::Eq(value)) => FieldOp::Ne(value),
                        (false, FieldOp::In(values)) => FieldOp::Nin(values),
                        (false, op) => FieldOp::Not(vec![op]),
                    };
                    Filter::field(format!("{path}.{inner}"), op)
                }
                None => {
                    let op = FieldOp::ElemMatch(Box::new(filter));
                    Filter::field(path, if want { op } else { FieldOp::Not(vec![op]) })
                }
            }),
        })
    }

    /// The same as an expression, true or false.
    pub fn any_element_expr(&mut self, any: &AnyElement, want: bool) -> Result<Expr> {
        let array = self.scalar(&any.array)?.expr;
        let mut vars = Vec::new();
        let mut around = Vec::with_capacity(any.given.len());
        for (id, scalar) in &any.given {
            let val = self.scalar(scalar)?;
            let val = self.shared(val, &mut vars);
            around.push((*id, self.scope()?.columns.insert(*id, val)));
        }
        let variable = self.variable("element");
        let before = self.scope()?.stages.len();
        let saved = self.enter_element(any, Some(&variable))?;
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
        let elements = match any.range {
            None => array.clone(),
            Some((start, stop)) => {
                let number = |n: u64| Expr::lit(i64::try_from(n).unwrap_or(i64::MAX));
                let count = stop.saturating_sub(start);
                if count == 0 {
                    return Ok(Expr::lit(!want));
                }
                Expr::list("$slice", [array.clone(), number(start), number(count)])
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
        let found = Expr::list("$anyElementTrue", [tests]);
        let is_array = Expr::one("$isArray", array);
        let found = if want {
            Expr::cond(is_array, found, Expr::lit(false))
        } else {
            junction(
                vec![Expr::cond(
                    is_array,
                    Expr::list("$not", [found]),
                    Expr::lit(true),
                )],
                true,
            )
        };
        Ok(within(vars, found))
    }

    /// Columns of the element are keys of the current document, or of a variable.
    fn enter_element(
        &mut self,
        any: &AnyElement,
        variable: Option<&str>,
    ) -> Result<Vec<(ColumnId, Option<Val>)>> {
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
                expr: match variable {
                    None => Expr::Field(path.clone()),
                    Some(name) => Expr::Var {
                        name: name.to_owned(),
                        path: path.iter().map(String::from).collect(),
                    },
                },
                ty: column.ty.clone(),
                nullable: column.nullable,
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
