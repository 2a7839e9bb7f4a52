//! Equalities of one value become a list.

use std::collections::HashMap;

use super::{Context, Kinds, Rule, literal, walk};
use crate::error::Result;
use crate::plan::{ColumnId, Columns, CompareOp, Plan, Predicate, Scalar};

pub(super) const RULE: Rule = Rule {
    name: "or_to_in",
    does: "Joins `x = 1 or x = 2 or x in (3)` into one `in`, and `x <> 1 and x <> 2` into one `not in`.",
    sound: "the list's truth is by definition that of the equalities; only for single values (no arrays, no JSON) and literals \
            that are not NULL, so that `in` and `=` look at the same thing wherever they are lowered to.",
    example: (
        "filter a = 1 or b = 3 or a = 2",
        "filter a in (1, 2) or b = 3",
    ),
    needs: [Kinds::ALIKE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    Ok(walk::each_predicate(plan, &mut |p, _, columns| match p {
        Predicate::Or(list) => collect(list, true, columns),
        Predicate::And(list) => collect(list, false, columns),
        _ => false,
    }))
}

/// How many values that are no columns are told apart.
const OTHERS: usize = 32;

/// The value and the members that a part of a junction compares it with.
fn members(p: &Predicate, positive: bool) -> Option<(&Scalar, &[Scalar])> {
    match p {
        Predicate::Compare { op, lhs, rhs }
            if *op
                == if positive {
                    CompareOp::Eq
                } else {
                    CompareOp::Ne
                } =>
        {
            Some((lhs, std::slice::from_ref(rhs)))
        }
        Predicate::In { lhs, list } if positive => Some((lhs, list)),
        Predicate::Not(inner) if !positive => match &**inner {
            Predicate::In { lhs, list } => Some((lhs, list)),
            Predicate::Compare {
                op: CompareOp::Eq,
                lhs,
                rhs,
            } => Some((lhs, std::slice::from_ref(rhs))),
            _ => None,
        },
        _ => None,
    }
}

fn collect(list: &mut Vec<Predicate>, positive: bool, columns: &Columns) -> bool {
    // For each value the first part that looks at it, and how many do.
    let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
    let mut by_column: HashMap<ColumnId, usize> = HashMap::new();
    for (i, p) in list.iter().enumerate() {
        let Some((lhs, items)) = members(p, positive) else {
            continue;
        };
        if items.is_empty()
            || !items.iter().all(|s| literal::literal(s).is_some())
            || matches!(lhs, Scalar::Literal(_))
            || !literal::is_single(lhs, columns)
        {
            continue;
        }
        let same = match lhs {
            Scalar::Column(id) => by_column.get(id).copied(),
            _ => groups.iter().take(OTHERS).position(|(first, _)| {
                list.get(*first)
                    .and_then(|q| members(q, positive))
                    .is_some_and(|(l, _)| l == lhs)
            }),
        };
        match same.and_then(|at| groups.get_mut(at)) {
            Some((_, all)) => all.push(i),
            None => {
                if let Scalar::Column(id) = lhs {
                    by_column.insert(*id, groups.len());
                }
                groups.push((i, vec![i]));
            }
        }
    }
    groups.retain(|(_, all)| all.len() > 1);
    if groups.is_empty() {
        return false;
    }
    let mut gone = vec![false; list.len()];
    for (first, all) in groups {
        let mut joined: Option<(Scalar, Vec<Scalar>)> = None;
        for i in all {
            let Some((lhs, items)) = list.get(i).and_then(|p| members(p, positive)) else {
                continue;
            };
            match &mut joined {
                Some((_, so_far)) => so_far.extend(items.iter().cloned()),
                None => joined = Some((lhs.clone(), items.to_vec())),
            }
            if let Some(flag) = gone.get_mut(i) {
                *flag = i != first;
            }
        }
        if let (Some((lhs, items)), Some(place)) = (joined, list.get_mut(first)) {
            let p = Predicate::In { lhs, list: items };
            *place = if positive { p } else { p.negate() };
        }
    }
    let mut gone = gone.into_iter();
    list.retain(|_| !gone.next().unwrap_or(false));
    true
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Equalities on one value are joined, others stay.
    #[test]
    fn equalities_become_a_list() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let rel = filter(
            scan(book),
            or([
                eq(pages, 1),
                eq(title, "a"),
                in_ints(pages, [2, 3]),
                lt(pages, 0),
            ]),
        );
        b.rows(rel, [title, pages]).fires(
            "or_to_in",
            "scan Book\n\
             filter Book.pages#1 in (1, 2, 3) or Book.title#0 = \"a\" or Book.pages#1 < 0\n\
             rows title: Book.title#0, pages: Book.pages#1\n",
        );
    }

    /// The same for inequalities, also below a negation where unknown counts.
    #[test]
    fn inequalities_become_a_list() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(
            scan(book),
            not(and([ne(pages, 1), not(in_ints(pages, [2, 3]))])),
        );
        b.rows(rel, [pages]).fires(
            "or_to_in",
            "scan Book\nfilter not (Book.pages#0 not in (1, 2, 3))\nrows pages: Book.pages#0\n",
        );
    }

    /// Arrays and JSON may be compared by element or as a whole.
    #[test]
    fn arrays_and_json_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, data, marks) = (
            b.column(book, "_id"),
            b.column(book, "data"),
            b.column(book, "marks"),
        );
        let rel = filter(
            scan(book),
            or([eq(data, 1), eq(data, 2), eq(marks, 1), eq(marks, 2)]),
        );
        b.rows(rel, [id]).stays("or_to_in");
    }

    /// NULL and columns are no members.
    #[test]
    fn nulls_and_columns_stay() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = filter(scan(book), or([eq(pages, null()), eq(pages, id)]));
        b.rows(rel, [id]).stays("or_to_in");
    }

    /// `and` of equalities is no list.
    #[test]
    fn conjunctions_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(scan(book), and([eq(pages, 1), eq(pages, 2)]));
        b.rows(rel, [pages]).stays("or_to_in");
    }
}
