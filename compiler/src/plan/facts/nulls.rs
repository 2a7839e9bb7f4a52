//! Which columns can be NULL, and which conditions reject NULL.

use super::super::{ColumnId, Columns, JoinKind, Predicate, Rel, Scalar, SourceId};
use super::{ColumnSet, SourceSet};
use crate::queryset::ArithmeticOp;

/// What is known of NULL at a point of a plan.
#[derive(Debug, Clone)]
pub struct Nulls<'a> {
    columns: &'a Columns,
    /// Sources that a LEFT join may have left out.
    absent: SourceSet,
    /// Columns that a condition below has shown to be there.
    known: ColumnSet,
}

impl<'a> Nulls<'a> {
    /// Nothing but what is declared.
    #[must_use]
    pub fn new(columns: &'a Columns) -> Self {
        Nulls {
            columns,
            absent: SourceSet::new(),
            known: ColumnSet::new(),
        }
    }

    /// What is known of the rows of `rel`, beside what `self` knows of outer columns.
    #[must_use]
    pub fn of(mut self, rel: &Rel) -> Self {
        // Operators from the sources upwards.
        let mut spine = vec![rel];
        let mut at = rel;
        while let Some(input) = at.input() {
            spine.push(input);
            at = input;
        }
        for rel in spine.into_iter().rev() {
            self.step(rel);
        }
        self
    }

    /// Goes from the rows of an operator's input to those of the operator.
    pub fn step(&mut self, rel: &Rel) {
        match rel {
            Rel::Filter { predicate, .. } => self.assume(predicate),
            Rel::Join(join) => match join.kind {
                JoinKind::Left => {
                    self.absent.insert(join.source);
                }
                JoinKind::Inner => {
                    for (lhs, rhs) in &join.on {
                        for id in strict_columns(lhs).iter() {
                            self.present(id);
                        }
                        self.known.insert(*rhs);
                    }
                    if let Some(condition) = &join.condition {
                        self.assume(condition);
                    }
                }
            },
            Rel::Aggregate { keys, .. } => {
                for (id, key) in keys {
                    if !self.nullable_scalar(key) {
                        self.known.insert(*id);
                    }
                }
            }
            Rel::Extend { columns, .. } => {
                for (id, definition) in columns {
                    if !self.nullable_scalar(definition) {
                        self.known.insert(*id);
                    }
                }
            }
            _ => {}
        }
    }

    /// From here on the condition is true.
    pub fn assume(&mut self, predicate: &Predicate) {
        for id in rejected(predicate).iter() {
            self.present(id);
        }
    }

    fn present(&mut self, id: ColumnId) {
        self.known.insert(id);
        // A column that is there proves that its document is.
        if let Some(source) = self.columns.source_of(id) {
            self.absent.remove(source);
        }
    }

    /// Whether a source's document may be missing.
    #[must_use]
    pub fn absent(&self, source: SourceId) -> bool {
        self.absent.contains(source)
    }

    /// Whether a column can be NULL.
    #[must_use]
    pub fn nullable(&self, id: ColumnId) -> bool {
        if self.known.contains(id) {
            return false;
        }
        let Ok(column) = self.columns.get(id) else {
            return true;
        };
        column.nullable
            || self
                .columns
                .source_of(id)
                .is_some_and(|source| self.absent.contains(source))
    }

    /// Whether a value can be NULL.
    #[must_use]
    pub fn nullable_scalar(&self, scalar: &Scalar) -> bool {
        match scalar {
            Scalar::Column(id) => self.nullable(*id),
            Scalar::Literal(literal) => literal.value == bson::Bson::Null,
            Scalar::Arithmetic { op, lhs, rhs, .. } => {
                // Division by zero is NULL; other operators can leave the range of their type.
                let total = match op {
                    ArithmeticOp::Add | ArithmeticOp::Sub | ArithmeticOp::Mul => true,
                    ArithmeticOp::Div | ArithmeticOp::Mod => is_not_zero(rhs),
                    _ => false,
                };
                !total || self.nullable_scalar(lhs) || self.nullable_scalar(rhs)
            }
            Scalar::Call(call) => match call.function.as_str() {
                "Coalesce" => call.args.iter().all(|a| self.nullable_scalar(a)),
                "Now" => false,
                f if is_total(f) => call.args.iter().any(|a| self.nullable_scalar(a)),
                _ => true,
            },
            Scalar::Case {
                when, otherwise, ..
            } => {
                when.iter().any(|(_, s)| self.nullable_scalar(s)) || self.nullable_scalar(otherwise)
            }
            Scalar::Predicate(p) => self.can_be_unknown(p),
            Scalar::List(_) => false,
            Scalar::Json { .. } | Scalar::Subquery(_) | Scalar::Raw(..) => true,
        }
    }

    /// Whether a condition can be unknown.
    #[must_use]
    pub fn can_be_unknown(&self, predicate: &Predicate) -> bool {
        match predicate {
            Predicate::Const(value) => value.is_none(),
            Predicate::And(list) | Predicate::Or(list) => {
                list.iter().any(|p| self.can_be_unknown(p))
            }
            Predicate::Not(inner) => self.can_be_unknown(inner),
            Predicate::Compare { lhs, rhs, .. } | Predicate::Like { lhs, rhs, .. } => {
                self.nullable_scalar(lhs) || self.nullable_scalar(rhs)
            }
            Predicate::In { lhs, list } => {
                self.nullable_scalar(lhs) || list.iter().any(|s| self.nullable_scalar(s))
            }
            Predicate::IsNull(_)
            | Predicate::Exists(_)
            | Predicate::Xor(_)
            | Predicate::AnyElement(_) => false,
            Predicate::Bool(s) => self.nullable_scalar(s),
            Predicate::InSubquery { .. }
            | Predicate::InParameter { .. }
            | Predicate::Lookup { .. } => true,
        }
    }
}

/// Whether a value is never NULL, wherever it stands.
#[must_use]
pub fn never_null(scalar: &Scalar, columns: &Columns) -> bool {
    match scalar {
        Scalar::Column(id) => {
            columns.source_of(*id).is_none() && columns.get(*id).is_ok_and(|c| !c.nullable)
        }
        other => !Nulls::new(columns).nullable_scalar(other) && other.used_columns().is_empty(),
    }
}

fn is_not_zero(scalar: &Scalar) -> bool {
    match scalar {
        Scalar::Literal(literal) => match literal.value {
            bson::Bson::Int32(n) => n != 0,
            bson::Bson::Int64(n) => n != 0,
            _ => false,
        },
        _ => false,
    }
}

/// Functions that are NULL exactly if an argument is.
fn is_total(function: &str) -> bool {
    matches!(
        function,
        "Lower"
            | "Upper"
            | "Length"
            | "Trim"
            | "LTrim"
            | "RTrim"
            | "Abs"
            | "Ceil"
            | "Floor"
            | "Extract"
            | "Trunc"
            | "Reverse"
            | "ArrayLength"
            | "ElementValues"
    )
}

/// Functions that are NULL if an argument is.
#[must_use]
pub fn is_strict(function: &str) -> bool {
    is_total(function)
        || matches!(
            function,
            "Cast"
                | "Round"
                | "Sqrt"
                | "Exp"
                | "Ln"
                | "Log"
                | "Power"
                | "Mod"
                | "Sign"
                | "Left"
                | "Right"
                | "Substr"
                | "StrIndex"
                | "Replace"
                | "Repeat"
                | "LPad"
                | "RPad"
                | "Ord"
                | "Chr"
                | "MD5"
                | "SHA1"
                | "SHA224"
                | "SHA256"
                | "SHA384"
                | "SHA512"
                | "ExtractYear"
                | "ExtractMonth"
                | "ExtractDay"
                | "TruncDate"
                | "TruncTime"
        )
}

/// Columns whose NULL makes the value NULL.
#[must_use]
pub fn strict_columns(scalar: &Scalar) -> ColumnSet {
    let mut set = ColumnSet::new();
    add_strict(scalar, &mut set);
    set
}

fn add_strict(scalar: &Scalar, set: &mut ColumnSet) {
    match scalar {
        Scalar::Column(id) => {
            set.insert(*id);
        }
        Scalar::Arithmetic { lhs, rhs, .. } => {
            add_strict(lhs, set);
            add_strict(rhs, set);
        }
        Scalar::Call(call) if is_strict(&call.function) => {
            call.args.iter().for_each(|a| add_strict(a, set));
        }
        Scalar::Json { base, .. } => add_strict(base, set),
        _ => {}
    }
}

/// Columns that cannot be NULL where the condition is true.
#[must_use]
pub fn rejected(predicate: &Predicate) -> ColumnSet {
    decided(predicate, true)
}

/// Columns that cannot be NULL where the condition has this truth.
fn decided(predicate: &Predicate, truth: bool) -> ColumnSet {
    let mut set = ColumnSet::new();
    match predicate {
        Predicate::And(list) if truth => all(list, truth, &mut set),
        Predicate::Or(list) if !truth => all(list, truth, &mut set),
        Predicate::And(list) | Predicate::Or(list) => {
            let mut parts = list.iter().map(|p| decided(p, truth));
            if let Some(first) = parts.next() {
                set = first;
                for part in parts {
                    set.intersect(&part);
                }
            }
        }
        Predicate::Not(inner) => return decided(inner, !truth),
        Predicate::Compare { lhs, rhs, .. } | Predicate::Like { lhs, rhs, .. } => {
            add_strict(lhs, &mut set);
            add_strict(rhs, &mut set);
        }
        Predicate::In { lhs, list } if truth || !list.is_empty() => add_strict(lhs, &mut set),
        Predicate::Bool(Scalar::Predicate(inner)) => return decided(inner, truth),
        Predicate::Bool(s) => add_strict(s, &mut set),
        Predicate::IsNull(s) if !truth => add_strict(s, &mut set),
        Predicate::InSubquery { lhs, .. } if truth => {
            lhs.iter().for_each(|s| add_strict(s, &mut set));
        }
        Predicate::InParameter { lhs, .. } if truth => add_strict(lhs, &mut set),
        Predicate::Lookup { name, lhs, .. } if name.starts_with("array_") => {
            add_strict(lhs, &mut set);
        }
        Predicate::AnyElement(any) if truth => add_strict(&any.array, &mut set),
        _ => {}
    }
    set
}

fn all(list: &[Predicate], truth: bool, set: &mut ColumnSet) {
    for p in list {
        set.union(&decided(p, truth));
    }
}

#[cfg(test)]
mod tests {
    use super::{is_strict, is_total};
    use crate::functions::{NullRule, Registry};

    /// What is said here of functions is what the registry says: a NULL argument makes those of the table NULL, and nothing
    /// else does those that are total.
    #[test]
    fn the_table_agrees_with_the_registry() {
        let registry = Registry::django();
        let mut known = 0;
        for function in registry.iter() {
            let rule = registry.null_rule(function.name);
            if is_strict(function.name) {
                known += 1;
                assert!(rule.rejects_null(), "{} is not strict", function.name);
            }
            if is_total(function.name) {
                assert!(rule == NullRule::Strict, "{} is not total", function.name);
            }
        }
        assert!(
            known > 30,
            "the table names functions that are not registered"
        );
    }
}
