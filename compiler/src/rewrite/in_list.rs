//! Lists become short.

use std::collections::HashSet;

use foldhash::fast::RandomState;

use super::walk::Truth;
use super::{Context, Kinds, Rule, literal, walk};
use crate::error::Result;
use crate::plan::{Plan, Predicate, Scalar};

pub(super) const RULE: Rule = Rule {
    name: "in_list",
    does: "Removes repeated members of `in`, and NULL where only truth counts; a list of one becomes `=`.",
    sound: "a member counts once; `x in (.., null)` is unknown instead of false, which is the same where only truth counts.",
    example: ("filter a in (1, 1, null)", "filter a = 1"),
    needs: [Kinds::IN, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    Ok(walk::each_predicate(plan, &mut |p, truth, _| {
        let Predicate::In { lhs, list } = p else {
            return false;
        };
        let before = list.len();
        if truth == Truth::True {
            list.retain(|s| !literal::is_null(s));
        }
        if list.len() > 1 {
            // A fingerprint that is new is a value that is new; only others are compared.
            let state = RandomState::default();
            let mut seen: HashSet<u64, RandomState> =
                HashSet::with_capacity_and_hasher(list.len(), state.clone());
            let mut twice = Vec::new();
            for (i, s) in list.iter().enumerate() {
                let Some(value) = literal::literal(s) else {
                    continue;
                };
                if !seen.insert(literal::fingerprint(&state, value))
                    && list
                        .iter()
                        .take(i)
                        .any(|t| literal::literal(t) == Some(value))
                {
                    twice.push(i);
                }
            }
            if !twice.is_empty() {
                let mut twice = twice.into_iter().peekable();
                let mut at = 0;
                list.retain(|_| {
                    at += 1;
                    twice.next_if(|i| *i + 1 == at).is_none()
                });
            }
        }
        if list.is_empty() {
            *p = Predicate::FALSE;
            return true;
        }
        if list.len() == 1
            && let Some(rhs) = list.pop()
        {
            let lhs = std::mem::replace(lhs, Scalar::List(Vec::new()));
            *p = Predicate::equal(lhs, rhs);
            return true;
        }
        list.len() != before
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Repetitions and NULL go, one member is an equality.
    #[test]
    fn lists_become_short() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(
            scan(book),
            or([
                member(pages, [value(1), null(), value(1)]),
                in_ints(pages, [2, 3, 2]),
            ]),
        );
        b.rows(rel, [pages]).fires(
            "in_list",
            "scan Book\nfilter Book.pages#0 = 1 or Book.pages#0 in (2, 3)\nrows pages: Book.pages#0\n",
        );
    }

    /// `not in (1, null)` is never true: below a negation NULL counts.
    #[test]
    fn null_stays_below_a_negation() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(scan(book), not(member(pages, [value(1), null()])));
        b.rows(rel, [pages]).stays("in_list");
    }
}
