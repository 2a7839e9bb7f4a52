//! What is said twice is said once.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use super::walk::Truth;
use super::{Context, Kinds, Rule, literal, walk};
use crate::error::Result;
use crate::plan::{Node, Plan, Predicate, has_volatile};

pub(super) const RULE: Rule = Rule {
    name: "subsumption",
    does: "Removes repeated parts of junctions and parts that another implies, takes common parts out of an `or`, and decides \
           junctions of a condition and its opposite.",
    sound: "idempotence, absorption and distributivity hold in three-valued logic; `p and not p` is never true, which \
            suffices where only truth counts; `p or not p` is true only where `p` cannot be unknown. Nothing that is drawn anew \
            each time (`Random()`) counts as repeated.",
    example: (
        "filter a = 1 and a = 1 and (a = 1 or b = 2) and (c = 3 and d = 4 or c = 3 and e = 5)",
        "filter a = 1 and c = 3 and (d = 4 or e = 5)",
    ),
    needs: [
        Kinds::ALIKE.or(Kinds::DEEP_JUNCTION).or(Kinds::NESTED),
        Kinds::ANY,
    ],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    Ok(walk::each_predicate(plan, &mut |p, truth, _| {
        let mut changed = false;
        if let Predicate::And(list) | Predicate::Or(list) = p {
            changed |= repeated(list);
        }
        if opposites(p, truth) {
            return true;
        }
        match p {
            Predicate::And(list) => changed |= absorb(list, true),
            Predicate::Or(list) => changed |= absorb(list, false),
            _ => {}
        }
        changed | factor(p) | unwrap(p)
    }))
}

/// What is equal is the same, unless it is drawn anew each time.
fn is_certain(p: &Predicate) -> bool {
    !has_volatile(Node::Predicate(p))
}

/// Removes repeated parts. Their number may be large, so they are looked up.
fn repeated(list: &mut Vec<Predicate>) -> bool {
    let before = list.len();
    if before <= 8 {
        let mut i = 1;
        while i < list.len() {
            let (head, tail) = list.split_at(i);
            match tail.first() {
                Some(p) if head.contains(p) && is_certain(p) => {
                    list.remove(i);
                }
                _ => i += 1,
            }
        }
        return list.len() != before;
    }
    let state = RandomState::default();
    let mut seen: HashMap<u64, Vec<usize>, RandomState> =
        HashMap::with_capacity_and_hasher(before, state.clone());
    let mut keep = vec![true; before];
    for (i, p) in list.iter().enumerate() {
        let same = seen
            .entry(literal::predicate_fingerprint(&state, p))
            .or_default();
        if same.iter().any(|j| list.get(*j) == Some(p)) && is_certain(p) {
            if let Some(flag) = keep.get_mut(i) {
                *flag = false;
            }
        } else {
            same.push(i);
        }
    }
    let mut keep = keep.into_iter();
    list.retain(|_| keep.next().unwrap_or(true));
    list.len() != before
}

/// How many parts are looked at pairwise at most.
const PAIRS: usize = 64;

/// `p and not p`, `p or not p`.
fn opposites(p: &mut Predicate, truth: Truth) -> bool {
    let (list, and) = match p {
        Predicate::And(list) => (list, true),
        Predicate::Or(list) => (list, false),
        _ => return false,
    };
    if list.len() > PAIRS {
        return false;
    }
    let found = list.iter().any(|part| match part {
        Predicate::Not(inner) => {
            let decided = if and {
                truth == Truth::True || never_unknown(inner)
            } else {
                never_unknown(inner)
            };
            decided && list.contains(inner) && is_certain(inner)
        }
        _ => false,
    });
    if found {
        *p = Predicate::Const(Some(!and));
    }
    found
}

fn never_unknown(p: &Predicate) -> bool {
    matches!(
        p,
        Predicate::IsNull(_) | Predicate::Exists(_) | Predicate::AnyElement(_)
    )
}

/// `a and (a or b)` is `a`; `a or (a and b)` too.
fn absorb(list: &mut Vec<Predicate>, and: bool) -> bool {
    if list.len() > PAIRS {
        return false;
    }
    let before = list.len();
    let mut i = 0;
    while i < list.len() {
        let implied = match (list.get(i), and) {
            (Some(Predicate::Or(inner)), true) | (Some(Predicate::And(inner)), false) => list
                .iter()
                .enumerate()
                .any(|(j, q)| j != i && inner.contains(q) && is_certain(q)),
            _ => false,
        };
        if implied {
            list.remove(i);
        } else {
            i += 1;
        }
    }
    list.len() != before
}

/// `(a and b) or (a and c)` is `a and (b or c)`.
fn factor(p: &mut Predicate) -> bool {
    let Predicate::Or(branches) = p else {
        return false;
    };
    if branches.len() > PAIRS {
        return false;
    }
    let Some(Predicate::And(first)) = branches.first() else {
        return false;
    };
    let common: Vec<Predicate> = first
        .iter()
        .filter(|part| {
            branches.iter().skip(1).all(|branch| match branch {
                Predicate::And(list) => list.contains(part),
                _ => false,
            }) && is_certain(part)
        })
        .cloned()
        .collect();
    if common.is_empty() || branches.len() < 2 {
        return false;
    }
    let mut rest = Vec::with_capacity(branches.len());
    let branches = std::mem::take(branches);
    for branch in branches {
        if let Predicate::And(mut list) = branch {
            list.retain(|part| !common.contains(part));
            match list.len() {
                // This branch adds nothing to what is common: it absorbs the others.
                0 => {
                    *p = Predicate::And(common);
                    return true;
                }
                1 => rest.extend(list),
                _ => rest.push(Predicate::And(list)),
            }
        }
    }
    let mut parts = common;
    parts.push(Predicate::Or(rest));
    *p = Predicate::And(parts);
    true
}

fn unwrap(p: &mut Predicate) -> bool {
    let (Predicate::And(list) | Predicate::Or(list)) = p else {
        return false;
    };
    if list.len() != 1 {
        return false;
    }
    if let Some(only) = list.pop() {
        *p = only;
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Repeated and implied parts go.
    #[test]
    fn repetition_goes() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let rel = filter(
            scan(book),
            and([
                gt(pages, 1),
                gt(pages, 1),
                or([gt(pages, 1), eq(title, "a")]),
                or([
                    and([eq(title, "a"), lt(pages, 4)]),
                    and([eq(title, "a"), lt(pages, 5)]),
                ]),
            ]),
        );
        b.rows(rel, [title, pages]).fires(
            "subsumption",
            "scan Book\n\
             filter Book.pages#1 > 1 and (Book.title#0 = \"a\" and (Book.pages#1 < 4 or Book.pages#1 < 5))\n\
             rows title: Book.title#0, pages: Book.pages#1\n",
        );
    }

    /// A condition and its opposite are never true together.
    #[test]
    fn opposites_are_false() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
        let rel = filter(
            scan(book),
            and([contains(title, "a"), eq(id, 1), not(contains(title, "a"))]),
        );
        b.rows(rel, [id]).fires(
            "subsumption",
            "scan Book\nfilter false\nrows _id: Book._id#0\n",
        );
    }

    /// A condition that can be unknown and its opposite do not make a truth.
    #[test]
    fn unknown_opposites_stay() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = filter(scan(book), or([lt(pages, 3), not(lt(pages, 3))]));
        b.rows(rel, [id]).stays("subsumption");
    }

    /// As a value, `p and not p` may be unknown.
    #[test]
    fn opposites_in_values_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let flag = b.computed("flag", bool_type());
        let rel = extend(
            scan(book),
            [(flag, as_value(and([lt(pages, 3), not(lt(pages, 3))])))],
        );
        b.rows(rel, [flag]).stays("subsumption");
    }

    /// Branches without a common part stay.
    #[test]
    fn different_branches_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let rel = filter(
            scan(book),
            or([
                and([eq(title, "a"), lt(pages, 4)]),
                and([eq(title, "b"), lt(pages, 5)]),
            ]),
        );
        b.rows(rel, [title]).stays("subsumption");
    }
}
