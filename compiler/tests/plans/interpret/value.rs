//! Scalars and conditions.

use bson::Bson;
use mqlc_compiler::plan::{
    ColumnId, CompareOp, FunctionCall, JsonStep, Origin, Pattern, Predicate, Scalar, SubKind,
    SubPlan,
};
use mqlc_compiler::queryset::ArithmeticOp;
use mqlc_compiler::schema::{FieldType, StorageFamily};

use super::number::Num;
use super::order::{compared, order, rank};
use super::{Interpreter, Row, dates, functions, json};

impl Interpreter<'_> {
    pub fn column(&self, id: ColumnId, row: &Row) -> Bson {
        if let Some(value) = row.values.get(&id) {
            return value.clone();
        }
        let column = self.columns.get(id).expect("a column");
        let Origin::Stored { source, path, .. } = &column.origin else {
            return Bson::Null;
        };
        let Some(document) = row.documents.get(source) else {
            return Bson::Null;
        };
        let mut at = Bson::Document((**document).clone());
        for key in path {
            at = match at {
                Bson::Document(d) => match d.get(key) {
                    Some(Bson::Null) if column.ty.kind.family() == StorageFamily::Json => {
                        Bson::Undefined
                    }
                    Some(value) => value.clone(),
                    None => Bson::Null,
                },
                _ => Bson::Null,
            };
        }
        at
    }

    fn subquery(&self, sub: &SubPlan, row: &Row) -> Vec<Vec<Bson>> {
        let rows = self.rows(&sub.rel, row);
        let values: Vec<Vec<Bson>> = rows
            .iter()
            .map(|r| sub.columns.iter().map(|s| self.value(s, r)).collect())
            .collect();
        let tied = |i: usize, j: usize| rows[i].tie == rows[j].tie && values[i] != values[j];
        match sub.kind {
            SubKind::Scalar if (1..rows.len()).any(|i| tied(0, i)) => self.unsure(),
            SubKind::Array if (1..rows.len()).any(|i| tied(i - 1, i)) => self.unsure(),
            _ => {}
        }
        values
    }

    pub fn value(&self, scalar: &Scalar, row: &Row) -> Bson {
        match scalar {
            Scalar::Column(id) => self.column(*id, row),
            Scalar::Literal(literal) => literal.value.clone(),
            Scalar::Arithmetic { op, lhs, rhs, ty } => {
                let (a, b) = (self.value(lhs, row), self.value(rhs, row));
                self.arithmetic(*op, &a, &b, ty)
            }
            Scalar::Call(call) => {
                let FunctionCall {
                    function,
                    args,
                    options,
                    ty,
                } = &**call;
                let types: Vec<_> = args
                    .iter()
                    .map(|s| s.ty(self.columns).expect("a type"))
                    .collect();
                let args: Vec<Bson> = args.iter().map(|s| self.value(s, row)).collect();
                match functions::call(function, &args, &types, options, ty) {
                    Some(value) => value,
                    None => {
                        self.unsure();
                        Bson::Null
                    }
                }
            }
            Scalar::Case {
                when, otherwise, ..
            } => {
                for (condition, result) in when {
                    if self.truth(condition, row) == Some(true) {
                        return self.value(result, row);
                    }
                }
                self.value(otherwise, row)
            }
            Scalar::Predicate(p) => self.truth(p, row).map_or(Bson::Null, Bson::Boolean),
            Scalar::Json { base, steps, text } => {
                let mut at = self.value(base, row);
                for step in steps {
                    at = match (&at, step) {
                        (Bson::Document(d), JsonStep::Key(k)) => json::inner(d.get(k)),
                        (Bson::Document(d), JsonStep::Index(n)) => {
                            json::inner(d.get(n.to_string()))
                        }
                        (Bson::Array(a), JsonStep::Index(n)) if *n >= 0 => {
                            json::inner(usize::try_from(*n).ok().and_then(|n| a.get(n)))
                        }
                        (Bson::Array(a), JsonStep::Index(n)) => json::inner(
                            usize::try_from(n.unsigned_abs())
                                .ok()
                                .and_then(|n| a.len().checked_sub(n))
                                .and_then(|n| a.get(n)),
                        ),
                        _ => Bson::Null,
                    };
                }
                if *text {
                    match json::text(&at) {
                        Some(text) => text,
                        None => {
                            self.unsure();
                            Bson::Null
                        }
                    }
                } else {
                    at
                }
            }
            Scalar::List(items) => Bson::Array(items.iter().map(|s| self.value(s, row)).collect()),
            Scalar::Subquery(sub) => {
                let rows = self.subquery(sub, row);
                match sub.kind {
                    SubKind::Scalar => rows
                        .first()
                        .and_then(|r| r.first().cloned())
                        .unwrap_or(Bson::Null),
                    _ => Bson::Array(rows.into_iter().flatten().collect()),
                }
            }
            Scalar::Raw(..) => panic!("raw expressions have no interpretation"),
        }
    }

    fn arithmetic(&self, op: ArithmeticOp, a: &Bson, b: &Bson, ty: &FieldType) -> Bson {
        if *a == Bson::Null || *b == Bson::Null {
            return Bson::Null;
        }
        if let Some(moment) = dates::arithmetic(op, a, b, ty) {
            return moment;
        }
        let (Some(x), Some(y)) = (Num::of(a), Num::of(b)) else {
            panic!("no interpretation of {a} {op:?} {b}");
        };
        match x.arithmetic(op, y) {
            Some(Some(Num::Int(n))) if ty.kind.family() == StorageFamily::Decimal => {
                Num::Dec(Num::Int(n).dec()).bson()
            }
            Some(result) => result.map_or(Bson::Null, Num::bson),
            None => {
                self.unsure();
                Bson::Null
            }
        }
    }

    pub fn truth(&self, predicate: &Predicate, row: &Row) -> Option<bool> {
        match predicate {
            Predicate::Const(value) => *value,
            Predicate::And(list) => {
                let mut result = Some(true);
                for p in list {
                    match self.truth(p, row) {
                        Some(false) => return Some(false),
                        None => result = None,
                        Some(true) => {}
                    }
                }
                result
            }
            Predicate::Or(list) => {
                let mut result = Some(false);
                for p in list {
                    match self.truth(p, row) {
                        Some(true) => return Some(true),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                result
            }
            Predicate::Xor(list) => {
                let mut result = false;
                for p in list {
                    // Django counts the true ones: what is unknown is not among them.
                    result ^= self.truth(p, row) == Some(true);
                }
                Some(result)
            }
            Predicate::Not(inner) => self.truth(inner, row).map(|v| !v),
            Predicate::Compare { op, lhs, rhs } => {
                let (a, b) = (self.value(lhs, row), self.value(rhs, row));
                // Documented: JSON values of several types are in the database's own order.
                let either = a == Bson::Null || b == Bson::Null;
                if !matches!(op, CompareOp::Eq | CompareOp::Ne) && !either && rank(&a) != rank(&b) {
                    self.unsure();
                }
                compared(*op, &a, &b)
            }
            Predicate::IsNull(s) => Some(self.value(s, row) == Bson::Null),
            Predicate::In { lhs, list } => {
                let lhs = self.value(lhs, row);
                let list = list.iter().map(|s| vec![self.value(s, row)]).collect();
                found(&[lhs], list)
            }
            Predicate::InSubquery { lhs, query } => {
                let lhs: Vec<Bson> = lhs.iter().map(|s| self.value(s, row)).collect();
                found(&lhs, self.subquery(query, row))
            }
            Predicate::InParameter { lhs, parameter } => {
                let lhs = self.value(lhs, row);
                let list = self.parameters.borrow().get(parameter).cloned();
                let list = list
                    .expect("a parameter")
                    .into_iter()
                    .map(|v| vec![v])
                    .collect();
                found(&[lhs], list)
            }
            Predicate::Like {
                pattern,
                insensitive,
                lhs,
                rhs,
            } => self.like(
                *pattern,
                *insensitive,
                &self.value(lhs, row),
                &self.value(rhs, row),
            ),
            Predicate::Exists(query) => Some(!self.rows(&query.rel, row).is_empty()),
            Predicate::AnyElement(any) => {
                let Bson::Array(items) = self.value(&any.array, row) else {
                    return Some(false);
                };
                let (start, stop) = any.range.unwrap_or((0, u64::MAX));
                let counted = items.into_iter().enumerate().filter(|(i, _)| {
                    let at = u64::try_from(*i).expect("a position");
                    start <= at && at < stop
                });
                let mut given = row.clone();
                for (id, scalar) in &any.given {
                    given.values.insert(*id, self.value(scalar, row));
                }
                let found = counted.into_iter().any(|(_, item)| match item {
                    Bson::Document(document) => {
                        let mut inner = given.clone();
                        inner
                            .documents
                            .insert(any.element, std::rc::Rc::new(document));
                        self.truth(&any.test, &inner) == Some(true)
                    }
                    _ => false,
                });
                Some(found)
            }
            Predicate::Bool(s) => match self.value(s, row) {
                Bson::Boolean(value) => Some(value),
                Bson::Null => None,
                other => panic!("{other} is no truth value"),
            },
            Predicate::Lookup { name, lhs, rhs, .. } => {
                let (a, b) = (self.value(lhs, row), self.value(rhs, row));
                json::lookup(name, &a, &b)
            }
        }
    }

    fn like(&self, pattern: Pattern, insensitive: bool, a: &Bson, b: &Bson) -> Option<bool> {
        let text = |value: &Bson| match value {
            Bson::String(s) => Some(s.clone()),
            Bson::Int32(n) => Some(n.to_string()),
            Bson::Int64(n) => Some(n.to_string()),
            Bson::Boolean(b) => Some(b.to_string()),
            Bson::Null => None,
            // How many digits are shown is the database's own matter.
            Bson::Double(_) | Bson::Decimal128(_) => {
                self.unsure();
                None
            }
            other => panic!("no interpretation of {other} as text"),
        };
        let (mut a, mut b) = (text(a)?, text(b)?);
        if insensitive {
            a = a.to_lowercase();
            b = b.to_lowercase();
        }
        Some(match pattern {
            Pattern::Exact => a == b,
            Pattern::Contains => a.contains(&b),
            Pattern::StartsWith => a.starts_with(&b),
            Pattern::EndsWith => a.ends_with(&b),
            Pattern::Regex => functions::regex(&b, &a),
        })
    }
}

pub fn found(lhs: &[Bson], list: Vec<Vec<Bson>>) -> Option<bool> {
    let mut result = Some(false);
    for row in list {
        let mut equal = Some(true);
        for (a, b) in lhs.iter().zip(&row) {
            match compared(CompareOp::Eq, a, b) {
                Some(false) => equal = Some(false),
                None if equal == Some(true) => equal = None,
                _ => {}
            }
        }
        match equal {
            Some(true) => return Some(true),
            None => result = None,
            Some(false) => {}
        }
    }
    result
}

/// Distinct values, in their order.
pub fn distinct(values: &mut Vec<Bson>) {
    values.sort_by(order);
    values.dedup_by(|a, b| order(a, b).is_eq());
}
