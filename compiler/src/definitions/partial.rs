//! `partialFilterExpression`: which documents a partial index holds.
//!
//! | condition | clause |
//! |---|---|
//! | `a=v`, `a__lt=v`, `a__range=(v, w)`, `a__in=[...]`, `flag=True` | as it stands |
//! | `~Q(a=v)` | less or greater |
//! | `a__isnull=True` | equal to null, which a missing key is as well |
//! | `a__isnull=False` | not below the least value of its type |
//! | `a__startswith="ab"` | from `"ab"` to `"ac"` |
//! | `created__year=2024` and others that a rule makes a range | the range |
//! | `&`, `\|`, `~` of these | `$and`, `$or`, and the opposite of each |

use bson::Bson;

use super::clause::Clause;
use super::condition;
use crate::compiler::Compiler;
use crate::error::{Error, Result};
use crate::plan::{
    ArrayFact, Column, Columns, CompareOp, Origin, Pattern, Predicate, Scalar, Show,
};
use crate::queryset::Q;
use crate::schema::{Model, StorageFamily};
use crate::target::ServerVersion;

/// What an error says beside the reason.
const CHOICES: [&str; 9] = [
    "exact",
    "in",
    "gt",
    "gte",
    "lt",
    "lte",
    "range",
    "isnull",
    "startswith",
];

/// The condition as a clause.
pub(super) fn clause(compiler: &Compiler, model: &Model, q: &Q) -> Result<Clause> {
    let plan = condition::plan(compiler, model, q, false)?;
    let predicate = condition::predicate(&plan.rel).ok_or_else(condition::never)?;
    let clause = Builder {
        columns: &plan.columns,
    }
    .clause(&predicate, true, 0)?;
    if clause == Clause::FALSE {
        return Err(condition::never());
    }
    let old = compiler.target_ref().version < ServerVersion::new(6, 0);
    if old && alternatives(&clause) {
        return Err(Error::unsupported(
            "a partial index with alternatives",
            "partialFilterExpression takes $or and $in since MongoDB 6.0",
        ));
    }
    Ok(clause)
}

fn alternatives(clause: &Clause) -> bool {
    match clause {
        Clause::All(items) => items.iter().any(alternatives),
        Clause::Any(items) => items.len() != 1 || items.iter().any(alternatives),
        Clause::Test { op, .. } => *op == "$in",
    }
}

struct Builder<'a> {
    columns: &'a Columns,
}

impl Builder<'_> {
    /// True of exactly the rows of which the predicate is true (`want`) or false.
    fn clause(&self, predicate: &Predicate, want: bool, depth: usize) -> Result<Clause> {
        if depth > 100 {
            return Err(Error::new(
                crate::error::Code::Limit,
                "the condition is nested too deeply",
            ));
        }
        let all = |items: &[Predicate], want| -> Result<Vec<Clause>> {
            let clauses = items.iter().map(|p| self.clause(p, want, depth + 1));
            clauses.collect()
        };
        Ok(match (predicate, want) {
            (Predicate::Const(value), _) if *value == Some(want) => Clause::TRUE,
            (Predicate::Const(_), _) => Clause::FALSE,
            (Predicate::Not(inner), _) => self.clause(inner, !want, depth + 1)?,
            (Predicate::And(items), true) | (Predicate::Or(items), false) => {
                let items = all(items, want)?;
                match items.contains(&Clause::FALSE) {
                    true => Clause::FALSE,
                    false => Clause::All(items),
                }
            }
            (Predicate::Or(items), true) | (Predicate::And(items), false) => {
                let items = all(items, want)?;
                match items.contains(&Clause::TRUE) {
                    true => Clause::TRUE,
                    false => {
                        Clause::Any(items.into_iter().filter(|c| *c != Clause::FALSE).collect())
                    }
                }
            }
            (Predicate::Compare { op, lhs, rhs }, _) => match (lhs, rhs) {
                (lhs, Scalar::Literal(l)) => self.compare(predicate, lhs, *op, &l.value, want)?,
                (Scalar::Literal(l), rhs) => {
                    self.compare(predicate, rhs, flip(*op), &l.value, want)?
                }
                _ => return Err(self.refused(predicate, "it compares two values of a document")),
            },
            (Predicate::Bool(scalar), _) => {
                self.compare(predicate, scalar, CompareOp::Eq, &Bson::Boolean(true), want)?
            }
            (Predicate::IsNull(scalar), _) => {
                let (path, column) = self.column(predicate, scalar)?;
                let because = match column.ty.kind.family() {
                    StorageFamily::Json => "it can ask for a key that is there only",
                    _ => "null is found inside of arrays as well",
                };
                match want {
                    true if column.array != ArrayFact::No => {
                        return Err(self.refused(predicate, because));
                    }
                    true => Clause::test(path, "$eq", Bson::Null),
                    false => Clause::not_null(path, Some(&column.ty)),
                }
            }
            (Predicate::In { lhs, list }, _) => self.is_in(predicate, lhs, list, want)?,
            (
                Predicate::Like {
                    pattern: Pattern::StartsWith,
                    insensitive: false,
                    lhs,
                    rhs: Scalar::Literal(start),
                },
                true,
            ) => {
                let (path, column) = self.value(predicate, lhs)?;
                match &start.value {
                    Bson::String(start) if column.ty.kind.family() == StorageFamily::Text => {
                        prefix(&path, start)
                    }
                    _ => return Err(self.refused(predicate, "it looks for a text in no text")),
                }
            }
            (Predicate::Like { .. }, _) => {
                return Err(self.refused(predicate, "it takes no patterns but beginnings of texts"));
            }
            _ => return Err(self.refused(predicate, "it takes comparisons with values only")),
        })
    }

    fn is_in(
        &self,
        predicate: &Predicate,
        lhs: &Scalar,
        list: &[Scalar],
        want: bool,
    ) -> Result<Clause> {
        let (path, column) = self.value(predicate, lhs)?;
        let mut values = Vec::with_capacity(list.len());
        for member in list {
            match member {
                Scalar::Literal(literal) if literal.value != Bson::Null => {
                    values.push(literal.value.clone());
                }
                // Nothing is certain not to be among unknown values.
                Scalar::Literal(_) if !want => return Ok(Clause::FALSE),
                Scalar::Literal(_) => {}
                _ => return Err(self.refused(predicate, "it compares two values of a document")),
            }
        }
        if want {
            return Ok(Clause::test(path, "$in", values));
        }
        let unequal = values.iter().map(|value| differs(&path, column, value));
        Ok(Clause::All(unequal.collect()))
    }

    fn compare(
        &self,
        predicate: &Predicate,
        scalar: &Scalar,
        op: CompareOp,
        value: &Bson,
        want: bool,
    ) -> Result<Clause> {
        let (path, column) = self.value(predicate, scalar)?;
        if *value == Bson::Null {
            return Ok(Clause::FALSE);
        }
        let op = match (want, op) {
            (true, op) => op,
            (false, CompareOp::Eq) => CompareOp::Ne,
            (false, CompareOp::Ne) => CompareOp::Eq,
            (false, CompareOp::Lt) => CompareOp::Gte,
            (false, CompareOp::Lte) => CompareOp::Gt,
            (false, CompareOp::Gt) => CompareOp::Lte,
            (false, CompareOp::Gte) => CompareOp::Lt,
        };
        let op = match op {
            CompareOp::Ne => return Ok(differs(&path, column, value)),
            CompareOp::Eq => "$eq",
            CompareOp::Lt => "$lt",
            CompareOp::Lte => "$lte",
            CompareOp::Gt => "$gt",
            CompareOp::Gte => "$gte",
        };
        Ok(Clause::test(path, op, value.clone()))
    }

    /// A stored column whose values can be compared: no array, and nothing that may hold one.
    fn value(&self, predicate: &Predicate, scalar: &Scalar) -> Result<(String, &Column)> {
        use StorageFamily as F;
        let (path, column) = self.column(predicate, scalar)?;
        let family = column.ty.kind.family();
        if column.array != ArrayFact::No || matches!(family, F::Json | F::Array | F::EmbeddedArray)
        {
            return Err(self.refused(
                predicate,
                "the server compares elements of arrays as well, and there may be one",
            ));
        }
        Ok((path, column))
    }

    fn column(&self, predicate: &Predicate, scalar: &Scalar) -> Result<(String, &Column)> {
        if let Scalar::Column(id) = scalar {
            let column = self.columns.get(*id)?;
            if let Origin::Stored { path, .. } = &column.origin {
                return Ok((path.dotted(), column));
            }
        }
        let because = match scalar {
            Scalar::Json { .. } => {
                "the server compares elements of arrays as well, and there may be one"
            }
            _ => "it compares stored values only, nothing that is computed",
        };
        Err(self.refused(predicate, because))
    }

    fn refused(&self, predicate: &Predicate, because: &str) -> Error {
        Error::unsupported(
            format!(
                "the condition `{}` of a partial index",
                Show::new(self.columns, predicate)
            ),
            format!("partialFilterExpression knows no such condition: {because}"),
        )
        .with_choices(CHOICES)
    }
}

fn flip(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Eq | CompareOp::Ne => op,
        CompareOp::Lt => CompareOp::Gt,
        CompareOp::Lte => CompareOp::Gte,
        CompareOp::Gt => CompareOp::Lt,
        CompareOp::Gte => CompareOp::Lte,
    }
}

/// Not equal, and not null.
fn differs(path: &str, column: &Column, value: &Bson) -> Clause {
    match (value, column.ty.kind.family()) {
        (Bson::Boolean(value), StorageFamily::Bool) => Clause::test(path, "$eq", !value),
        _ => Clause::Any(vec![
            Clause::test(path, "$lt", value.clone()),
            Clause::test(path, "$gt", value.clone()),
        ]),
    }
}

/// Texts that start so: up to the next text of the same length.
fn prefix(path: &str, start: &str) -> Clause {
    let from = Clause::test(path, "$gte", start);
    let mut kept: Vec<char> = start.chars().collect();
    while let Some(last) = kept.pop() {
        if let Some(next) = next_char(last) {
            kept.push(next);
            let end: String = kept.into_iter().collect();
            return Clause::All(vec![from, Clause::test(path, "$lt", end)]);
        }
    }
    from
}

fn next_char(c: char) -> Option<char> {
    let next = u32::from(c).checked_add(1)?;
    // Code points of surrogates are no characters.
    char::from_u32(next).or_else(|| char::from_u32(0xE000).filter(|after| c < *after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bson::doc;

    /// The end of a prefix is the next text, also behind the largest character and before the surrogates.
    #[test]
    fn prefixes_are_ranges() {
        let range = |start| prefix("a", start).render();
        assert_eq!(range("ab"), doc! {"a": {"$gte": "ab", "$lt": "ac"}});
        assert_eq!(
            range("a\u{10FFFF}"),
            doc! {"a": {"$gte": "a\u{10FFFF}", "$lt": "b"}}
        );
        assert_eq!(
            range("\u{D7FF}"),
            doc! {"a": {"$gte": "\u{D7FF}", "$lt": "\u{E000}"}}
        );
        assert_eq!(range(""), doc! {"a": {"$gte": ""}});
    }
}
