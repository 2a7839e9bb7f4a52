//! What a filter says about single paths: equal values and intervals.
use std::cmp::Ordering;
use std::sync::Arc;

use crate::memory::expr::Env;
use crate::memory::filter::{Comparison, Node, Pred};
use crate::memory::value::{Collation, Path, Value, ValueRef, compare};

/// One end of an interval.
#[derive(Clone, Debug)]
pub enum Bound {
    /// A value, and whether it is inside.
    Value(Value, bool),
    /// The end of a type bracket.
    Bracket(u8),
}

/// Values between two bounds.
#[derive(Clone, Debug)]
pub struct Interval {
    /// The lower end.
    pub low: Bound,
    /// The upper end.
    pub high: Bound,
}

impl Interval {
    /// Whether a value is below the interval (`Less`), inside (`Equal`) or above.
    pub fn locate(&self, v: ValueRef<'_>) -> Ordering {
        let below = match &self.low {
            Bound::Value(low, inside) => match compare(v, low.view()) {
                Ordering::Less => true,
                Ordering::Equal => !inside,
                Ordering::Greater => false,
            },
            Bound::Bracket(b) => v.type_bracket() < *b,
        };
        if below {
            return Ordering::Less;
        }
        let above = match &self.high {
            Bound::Value(high, inside) => match compare(v, high.view()) {
                Ordering::Greater => true,
                Ordering::Equal => !inside,
                Ordering::Less => false,
            },
            Bound::Bracket(b) => v.type_bracket() > *b,
        };
        if above {
            Ordering::Greater
        } else {
            Ordering::Equal
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        let low = match (self.low, other.low) {
            (Bound::Value(a, i), Bound::Value(b, j)) => match compare(a.view(), b.view()) {
                Ordering::Less => Bound::Value(b, j),
                Ordering::Equal => Bound::Value(a, i && j),
                Ordering::Greater => Bound::Value(a, i),
            },
            (Bound::Bracket(_), bound) | (bound, Bound::Bracket(_)) => bound,
        };
        let high = match (self.high, other.high) {
            (Bound::Value(a, i), Bound::Value(b, j)) => match compare(a.view(), b.view()) {
                Ordering::Greater => Bound::Value(b, j),
                Ordering::Equal => Bound::Value(a, i && j),
                Ordering::Less => Bound::Value(a, i),
            },
            (Bound::Bracket(_), bound) | (bound, Bound::Bracket(_)) => bound,
        };
        Self { low, high }
    }

    pub(super) fn has_text(&self) -> bool {
        let text = |b: &Bound| matches!(b, Bound::Value(v, _) if has_text(v));
        text(&self.low) || text(&self.high)
    }

    pub(super) fn fold(&self, collation: &Collation) -> Self {
        let fold = |b: &Bound| match b {
            Bound::Value(v, i) => Bound::Value(collation.fold(v), *i),
            other => other.clone(),
        };
        Self {
            low: fold(&self.low),
            high: fold(&self.high),
        }
    }
}

/// Whether a collation matters to a value.
pub(super) fn has_text(v: &Value) -> bool {
    matches!(
        v,
        Value::Str(_) | Value::Symbol(_) | Value::Array(_) | Value::Document(_)
    )
}

/// A condition on one path.
#[derive(Clone, Debug)]
pub struct Condition {
    pub path: Path,
    /// The path equals one of these.
    pub points: Option<Vec<Value>>,
    /// Or lies in here.
    pub interval: Option<Interval>,
    /// The interval is that of the strings that start as this regular expression does (no collation then).
    pub pattern: Option<Value>,
    /// It comes from an expression, which sees arrays as a whole.
    pub scalar_only: bool,
}

pub(super) fn collect(nodes: &[&Node], env: &mut Env<'_>) -> Vec<Condition> {
    let mut out = Vec::new();
    for node in nodes {
        match node {
            Node::Leaf(Some(path), pred) => {
                let mut condition = Condition {
                    path: path.clone(),
                    points: None,
                    interval: None,
                    pattern: None,
                    scalar_only: false,
                };
                if of_pred(pred, &mut condition) {
                    out.push(condition);
                }
            }
            Node::Expr(expr) => {
                for hint in &expr.hints {
                    let Ok(value) = hint.value.eval(env) else {
                        continue;
                    };
                    let points = match (hint.any_of, value) {
                        (false, v) => vec![v],
                        (true, Value::Array(items)) => items.into_vec(),
                        (true, _) => continue,
                    };
                    if points.iter().any(Value::is_nullish) {
                        continue;
                    }
                    let path = hint.path.clone();
                    out.push(Condition {
                        path,
                        points: Some(points),
                        interval: None,
                        pattern: None,
                        scalar_only: true,
                    });
                }
            }
            Node::Or(branches) => out.extend(one_path(branches)),
            _ => {}
        }
    }
    out
}

/// `$or` of equalities on one path is an `$in`.
fn one_path(branches: &[Node]) -> Option<Condition> {
    let mut all: Option<(Path, Vec<Value>)> = None;
    for branch in branches {
        let Node::Leaf(Some(path), pred) = branch else {
            return None;
        };
        let values = match pred {
            Pred::Compare(Comparison::Eq, v) => vec![v.clone()],
            Pred::In(set) if set.patterns.is_empty() => set.values.clone(),
            _ => return None,
        };
        match &mut all {
            Some((known, points)) if known == path => points.extend(values),
            Some(_) => return None,
            None => all = Some((path.clone(), values)),
        }
    }
    let (path, points) = all?;
    Some(Condition {
        path,
        points: Some(points),
        interval: None,
        pattern: None,
        scalar_only: false,
    })
}

fn of_pred(pred: &Pred, out: &mut Condition) -> bool {
    match pred {
        Pred::Compare(_, Value::MinKey | Value::MaxKey | Value::Undefined) => return false,
        Pred::Compare(Comparison::Eq, v) => out.points = Some(vec![v.clone()]),
        Pred::Compare(Comparison::Gte | Comparison::Lte, Value::Null) => {
            out.points = Some(vec![Value::Null])
        }
        Pred::Compare(op, v) => {
            let bracket = v.view().type_bracket();
            let (low, high) = (Bound::Bracket(bracket), Bound::Bracket(bracket));
            out.interval = Some(match op {
                Comparison::Lt => Interval {
                    low,
                    high: Bound::Value(v.clone(), false),
                },
                Comparison::Lte => Interval {
                    low,
                    high: Bound::Value(v.clone(), true),
                },
                Comparison::Gt => Interval {
                    low: Bound::Value(v.clone(), false),
                    high,
                },
                _ => Interval {
                    low: Bound::Value(v.clone(), true),
                    high,
                },
            });
        }
        Pred::In(set) if set.patterns.is_empty() => out.points = Some(set.values.clone()),
        Pred::Regex(_, source) if source.options.as_str().is_empty() => {
            let Some(prefix) = literal_prefix(source.pattern.as_str()) else {
                return false;
            };
            let mut end = prefix.clone().into_bytes();
            while let Some(last) = end.last_mut() {
                if *last < 0x7f {
                    *last += 1;
                    break;
                }
                end.pop();
            }
            let low = Bound::Value(Value::str(prefix), true);
            let high = match String::from_utf8(end) {
                Ok(end) if !end.is_empty() => Bound::Value(Value::str(end), false),
                _ => Bound::Bracket(Value::str("").view().type_bracket()),
            };
            out.interval = Some(Interval { low, high });
            out.pattern = Some(Value::Regex(Arc::new(source.clone())));
        }
        _ => return false,
    }
    true
}

/// The text that every match of `^text...` starts with.
fn literal_prefix(pattern: &str) -> Option<String> {
    let rest = pattern.strip_prefix('^')?;
    if rest.contains('|') {
        return None;
    }
    let mut prefix = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => match chars.peek().copied() {
                Some(e) if !e.is_alphanumeric() => {
                    chars.next();
                    e
                }
                _ => break,
            },
            '.' | '^' | '$' | '*' | '+' | '?' | '(' | ')' | '[' | ']' | '{' | '}' => break,
            c => c,
        };
        // What is repeated may be there zero times.
        if matches!(chars.peek(), Some('*' | '?' | '{')) {
            break;
        }
        prefix.push(literal);
    }
    if prefix.is_ascii() && !prefix.is_empty() {
        Some(prefix)
    } else {
        None
    }
}
