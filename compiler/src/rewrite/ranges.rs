//! Bounds on one value become the tightest range.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::walk::Truth;
use super::{Context, Kinds, Rule, literal, walk};
use crate::error::Result;
use crate::plan::{ColumnId, Columns, CompareOp, Plan, Predicate, Scalar};

pub(super) const RULE: Rule = Rule {
    name: "ranges",
    does: "Keeps the tightest bounds on a value, restricts `in` by them, and finds bounds that nothing fits.",
    sound: "the value is single: in an array each bound may hold for another element. Literals are of one kind with a certain \
            order, and only truth counts, so that unknown and false are the same.",
    example: (
        "filter a > 1 and a >= 3 and b in (1, 5, 9) and b < 6 and b <> 1",
        "filter a >= 3 and b in (5)",
    ),
    needs: [Kinds::ALIKE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    Ok(walk::each_predicate(plan, &mut |p, truth, columns| {
        let Predicate::And(list) = p else {
            return false;
        };
        if truth != Truth::True {
            return false;
        }
        let changed = merge(list, columns);
        if changed && let Some(never) = list.iter().position(|p| *p == Predicate::FALSE) {
            let never = list.swap_remove(never);
            *p = never;
        }
        changed
    }))
}

/// How many values that are no columns are told apart.
const OTHERS: usize = 32;

/// How many pairs of members are compared at most: longer lists stay apart.
const PAIRS: usize = 100_000;

/// What the parts of a conjunction say of one value.
struct Bounds {
    parts: Vec<usize>,
    lower: Option<(Scalar, bool)>,
    upper: Option<(Scalar, bool)>,
    members: Option<Vec<Scalar>>,
    excluded: Vec<Scalar>,
    /// Something about the literals is not certain.
    unclear: bool,
}

/// A part: the value, and what it says.
fn part(p: &Predicate) -> Option<(&Scalar, CompareOp, &[Scalar])> {
    match p {
        Predicate::Compare { op, lhs, rhs } if !matches!(lhs, Scalar::Literal(_)) => {
            literal::literal(rhs)?;
            Some((lhs, *op, std::slice::from_ref(rhs)))
        }
        Predicate::In { lhs, list } if list.iter().all(|s| literal::literal(s).is_some()) => {
            Some((lhs, CompareOp::Eq, list))
        }
        Predicate::Not(inner) => match &**inner {
            Predicate::In { lhs, list } if list.iter().all(|s| literal::literal(s).is_some()) => {
                Some((lhs, CompareOp::Ne, list))
            }
            _ => None,
        },
        _ => None,
    }
}

fn order(a: &Scalar, b: &Scalar) -> Option<Ordering> {
    literal::compare(literal::literal(a)?, literal::literal(b)?)
}

impl Bounds {
    fn add(&mut self, i: usize, op: CompareOp, values: &[Scalar]) {
        self.parts.push(i);
        match (op, values) {
            (CompareOp::Eq, values) => {
                let values = match self.members.take() {
                    None => values.to_vec(),
                    Some(so_far) if so_far.len().saturating_mul(values.len()) > PAIRS => {
                        self.unclear = true;
                        so_far
                    }
                    Some(so_far) => {
                        let mut common = Vec::new();
                        for v in so_far {
                            match contains(values, &v) {
                                Some(true) => common.push(v),
                                Some(false) => {}
                                None => self.unclear = true,
                            }
                        }
                        common
                    }
                };
                self.members = Some(values);
            }
            (CompareOp::Ne, values) => self.excluded.extend(values.iter().cloned()),
            (CompareOp::Gt | CompareOp::Gte, [value]) => {
                let inclusive = op == CompareOp::Gte;
                tighten(
                    &mut self.lower,
                    value,
                    inclusive,
                    Ordering::Greater,
                    &mut self.unclear,
                );
            }
            (CompareOp::Lt | CompareOp::Lte, [value]) => {
                let inclusive = op == CompareOp::Lte;
                tighten(
                    &mut self.upper,
                    value,
                    inclusive,
                    Ordering::Less,
                    &mut self.unclear,
                );
            }
            _ => self.unclear = true,
        }
    }

    /// Whether a member satisfies the bounds and exclusions.
    fn admits(&self, value: &Scalar) -> Option<bool> {
        if let Some((bound, inclusive)) = &self.lower {
            let o = order(value, bound)?;
            if o.is_lt() || o.is_eq() && !inclusive {
                return Some(false);
            }
        }
        if let Some((bound, inclusive)) = &self.upper {
            let o = order(value, bound)?;
            if o.is_gt() || o.is_eq() && !inclusive {
                return Some(false);
            }
        }
        Some(!contains(&self.excluded, value)?)
    }

    /// The parts that say the same in fewer words; `None` if nothing is certain.
    fn parts(mut self, lhs: &Scalar) -> Option<Vec<Predicate>> {
        let pairs = self.members.as_ref().map_or(0, Vec::len) * self.excluded.len();
        if self.unclear || pairs > PAIRS {
            return None;
        }
        if let Some(members) = self.members.take() {
            let mut fitting = Vec::new();
            for value in members {
                if self.admits(&value)? {
                    fitting.push(value);
                }
            }
            return Some(vec![one_of(lhs, fitting, true)]);
        }
        if let (Some((low, low_in)), Some((high, high_in))) = (&self.lower, &self.upper) {
            match order(low, high)? {
                Ordering::Greater => return Some(vec![Predicate::FALSE]),
                Ordering::Equal if !(*low_in && *high_in) => return Some(vec![Predicate::FALSE]),
                Ordering::Equal => {
                    let value = low.clone();
                    if contains(&self.excluded, &value)? {
                        return Some(vec![Predicate::FALSE]);
                    }
                    return Some(vec![one_of(lhs, vec![value], true)]);
                }
                Ordering::Less => {}
            }
        }
        let excluded = std::mem::take(&mut self.excluded);
        let mut parts = Vec::new();
        if let Some((value, inclusive)) = &self.lower {
            let op = if *inclusive {
                CompareOp::Gte
            } else {
                CompareOp::Gt
            };
            parts.push(compare(op, lhs, value));
        }
        if let Some((value, inclusive)) = &self.upper {
            let op = if *inclusive {
                CompareOp::Lte
            } else {
                CompareOp::Lt
            };
            parts.push(compare(op, lhs, value));
        }
        let mut inside = Vec::new();
        for value in excluded {
            if self.admits(&value)? {
                inside.push(value);
            }
        }
        if !inside.is_empty() {
            parts.push(one_of(lhs, inside, false));
        }
        Some(parts)
    }
}

fn compare(op: CompareOp, lhs: &Scalar, rhs: &Scalar) -> Predicate {
    Predicate::Compare {
        op,
        lhs: lhs.clone(),
        rhs: rhs.clone(),
    }
}

fn one_of(lhs: &Scalar, mut list: Vec<Scalar>, positive: bool) -> Predicate {
    if list.is_empty() {
        return Predicate::Const(Some(!positive));
    }
    if list.len() == 1
        && let Some(value) = list.pop()
    {
        let op = if positive {
            CompareOp::Eq
        } else {
            CompareOp::Ne
        };
        return compare(op, lhs, &value);
    }
    let p = Predicate::In {
        lhs: lhs.clone(),
        list,
    };
    if positive { p } else { p.negate() }
}

fn contains(values: &[Scalar], value: &Scalar) -> Option<bool> {
    for v in values {
        if order(v, value)?.is_eq() {
            return Some(true);
        }
    }
    Some(false)
}

fn tighten(
    bound: &mut Option<(Scalar, bool)>,
    value: &Scalar,
    inclusive: bool,
    tighter: Ordering,
    unclear: &mut bool,
) {
    let replace = match bound {
        None => literal::literal(value)
            .is_some_and(|v| literal::compare(v, v) == Some(Ordering::Equal))
            .then_some(true),
        Some((old, old_inclusive)) => match order(value, old) {
            None => None,
            Some(o) if o == tighter => Some(true),
            Some(Ordering::Equal) => Some(*old_inclusive && !inclusive),
            Some(_) => Some(false),
        },
    };
    match replace {
        Some(true) => *bound = Some((value.clone(), inclusive)),
        Some(false) => {}
        None => *unclear = true,
    }
}

fn merge(list: &mut Vec<Predicate>, columns: &Columns) -> bool {
    let mut groups: Vec<(Scalar, Bounds)> = Vec::new();
    let mut by_column: HashMap<ColumnId, usize> = HashMap::new();
    // Most conjunctions compare every value once.
    let mut several = false;
    for (i, p) in list.iter().enumerate() {
        let Some((lhs, op, values)) = part(p) else {
            continue;
        };
        let same = match lhs {
            Scalar::Column(id) => by_column.get(id).copied(),
            _ => groups
                .iter()
                .take(OTHERS)
                .position(|(scalar, _)| scalar == lhs),
        };
        if let Some((_, bounds)) = same.and_then(|at| groups.get_mut(at)) {
            several = true;
            bounds.add(i, op, values);
        } else if literal::is_single(lhs, columns) {
            let mut bounds = Bounds {
                parts: Vec::new(),
                lower: None,
                upper: None,
                members: None,
                excluded: Vec::new(),
                unclear: false,
            };
            bounds.add(i, op, values);
            if let Scalar::Column(id) = lhs {
                by_column.insert(*id, groups.len());
            }
            groups.push((lhs.clone(), bounds));
        }
    }
    if !several {
        return false;
    }
    let mut changed = false;
    for (lhs, bounds) in groups {
        if bounds.parts.len() < 2 {
            continue;
        }
        let places = bounds.parts.clone();
        let Some(parts) = bounds.parts(&lhs) else {
            continue;
        };
        let same = parts.len() == places.len()
            && parts
                .iter()
                .all(|p| places.iter().any(|i| list.get(*i) == Some(p)));
        if same {
            continue;
        }
        changed = true;
        let mut parts = parts.into_iter();
        for i in places {
            if let Some(place) = list.get_mut(i) {
                *place = parts.next().unwrap_or(Predicate::TRUE);
            }
        }
        list.extend(parts);
    }
    if changed {
        list.retain(|p| *p != Predicate::TRUE);
    }
    changed
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// The tightest bounds stay.
    #[test]
    fn bounds_are_tightened() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let rel = filter(
            scan(book),
            and([
                gt(pages, 1),
                lt(pages, 9),
                gte(pages, 2),
                lt(pages, 5),
                eq(title, "a"),
            ]),
        );
        b.rows(rel, [title, pages]).fires(
            "ranges",
            "scan Book\n\
             filter Book.pages#1 >= 2 and Book.pages#1 < 5 and Book.title#0 = \"a\"\n\
             rows title: Book.title#0, pages: Book.pages#1\n",
        );
    }

    /// Lists are restricted by bounds and exclusions.
    #[test]
    fn lists_are_restricted() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(
            scan(book),
            and([in_ints(pages, [0, 1, 2, 3]), lt(pages, 3), ne(pages, 1)]),
        );
        b.rows(rel, [pages]).fires(
            "ranges",
            "scan Book\nfilter Book.pages#0 in (0, 2)\nrows pages: Book.pages#0\n",
        );
    }

    /// Bounds that nothing fits are false.
    #[test]
    fn empty_ranges_are_false() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(scan(book), and([gte(pages, 3), lt(pages, 3)]));
        b.rows(rel, [pages]).fires(
            "ranges",
            "scan Book\nfilter false\nrows pages: Book.pages#0\n",
        );
    }

    /// One element may be above and another below.
    #[test]
    fn arrays_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, marks) = (b.column(book, "_id"), b.column(book, "marks"));
        let rel = filter(scan(book), and([gt(marks, 1), lt(marks, 1)]));
        b.rows(rel, [id]).stays("ranges");
    }

    /// Literals of different kinds have no certain order.
    #[test]
    fn mixed_kinds_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, price) = (b.column(book, "_id"), b.column(book, "price"));
        let rel = filter(scan(book), and([gt(price, 1.0), lt(price, 1)]));
        b.rows(rel, [id]).stays("ranges");
    }

    /// Below a negation a NULL makes the range unknown, but not false.
    #[test]
    fn values_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(scan(book), not(and([gt(pages, 3), lt(pages, 2)])));
        b.rows(rel, [pages]).stays("ranges");
    }
}
