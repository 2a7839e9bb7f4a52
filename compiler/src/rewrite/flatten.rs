//! Nested junctions and filters become flat.

use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::{Plan, Predicate, Rel, Scalar};

pub(super) const RULE: Rule = Rule {
    name: "flatten",
    does: "Splices `and` into `and`, `or` into `or`, unwraps junctions of one, and merges filters that follow each other.",
    sound: "`and` and `or` are associative in three-valued logic, and a row that passes two filters makes both conditions true.",
    example: (
        "filter a = 1\nfilter b = 2 and (c = 3 and d = 4)",
        "filter a = 1 and b = 2 and c = 3 and d = 4",
    ),
    needs: [Kinds::NESTED, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    let mut changed = walk::each_rel(plan, &mut merge);
    changed |= walk::each_predicate(plan, &mut |p, _, _| flatten(p));
    Ok(changed)
}

fn flatten(predicate: &mut Predicate) -> bool {
    match predicate {
        Predicate::And(list) => {
            let mut changed = false;
            if list.iter().any(|p| matches!(p, Predicate::And(_))) {
                changed = true;
                let mut flat = Vec::with_capacity(list.len() * 2);
                for p in list.drain(..) {
                    match p {
                        Predicate::And(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                *list = flat;
            }
            changed | unwrap(predicate, true)
        }
        Predicate::Or(list) => {
            let mut changed = false;
            if list.iter().any(|p| matches!(p, Predicate::Or(_))) {
                changed = true;
                let mut flat = Vec::with_capacity(list.len() * 2);
                for p in list.drain(..) {
                    match p {
                        Predicate::Or(inner) => flat.extend(inner),
                        other => flat.push(other),
                    }
                }
                *list = flat;
            }
            changed | unwrap(predicate, false)
        }
        // A condition as a value, used as a condition again.
        Predicate::Bool(Scalar::Predicate(inner)) => {
            *predicate = std::mem::replace(&mut **inner, Predicate::TRUE);
            true
        }
        _ => false,
    }
}

/// A junction of one is that one; of none, its neutral element.
fn unwrap(predicate: &mut Predicate, and: bool) -> bool {
    let (Predicate::And(list) | Predicate::Or(list)) = predicate else {
        return false;
    };
    if list.len() > 1 {
        return false;
    }
    *predicate = list.pop().unwrap_or(Predicate::Const(Some(and)));
    true
}

fn merge(rel: &mut Rel) -> bool {
    let Rel::Filter { input, predicate } = rel else {
        return false;
    };
    if !matches!(**input, Rel::Filter { .. }) {
        return false;
    }
    let outer = std::mem::replace(predicate, Predicate::TRUE);
    if let Rel::Filter {
        input: below,
        predicate: inner,
    } = input.take()
    {
        *predicate = inner.and(outer);
        *input = below;
    }
    true
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Junctions and filters collapse.
    #[test]
    fn nested_conditions_become_flat() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let rel = filter(
            filter(scan(book), eq(title, "a")),
            and([
                eq(pages, 1),
                and([eq(pages, 2), or([eq(pages, 3), or([eq(pages, 4)])])]),
            ]),
        );
        b.rows(rel, [title]).fires(
            "flatten",
            "scan Book\n\
             filter Book.title#0 = \"a\" and Book.pages#1 = 1 and Book.pages#1 = 2 and (Book.pages#1 = 3 or Book.pages#1 = 4)\n\
             rows title: Book.title#0\n",
        );
    }

    /// `and` inside `or` has to stay.
    #[test]
    fn mixed_junctions_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(
            scan(book),
            or([eq(pages, 1), and([gt(pages, 2), lt(pages, 5)])]),
        );
        b.rows(rel, [pages]).stays("flatten");
    }

    /// Filters with a slice between them have to stay apart.
    #[test]
    fn separated_filters_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, pages) = (b.column(book, "_id"), b.column(book, "pages"));
        let first = filter(scan(book), gt(pages, 1));
        let rel = filter(slice(sort(first, [asc(id)]), 0, 3), lt(pages, 9));
        b.rows(rel, [id, pages]).stays("flatten");
    }
}
