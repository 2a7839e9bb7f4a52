//! Tests for NULL that are decided already.

use std::collections::HashMap;

use super::walk::Truth;
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, Nulls, rejected};
use crate::plan::{ColumnId, Plan, Predicate, Scalar};

pub(super) const RULE: Rule = Rule {
    name: "null_guards",
    does: "Decides `is null` of values that are never NULL, and removes tests for NULL beside a condition that rejects NULL \
           anyway.",
    sound: "a column counts as there when it is declared so and not behind a LEFT join, or when a condition below, or beside \
            it in the same conjunction, is true only if it is there. Guards go only where nothing but truth counts.",
    example: (
        "filter a is not null and a < 3 and (a is null or b = 1)",
        "filter a < 3 and b = 1",
    ),
    needs: [Kinds::IS_NULL, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    Ok(walk::each_predicate_with_nulls(plan, &mut decide))
}

fn decide(p: &mut Predicate, truth: Truth, nulls: &Nulls<'_>) -> bool {
    match p {
        Predicate::IsNull(s) if !matches!(s, Scalar::Literal(_)) && !nulls.nullable_scalar(s) => {
            *p = Predicate::FALSE;
            true
        }
        Predicate::And(list) if truth == Truth::True && has_test(list) => guards(p),
        _ => false,
    }
}

fn has_test(list: &[Predicate]) -> bool {
    list.iter().any(|p| match p {
        Predicate::IsNull(_) => true,
        Predicate::Not(inner) => matches!(**inner, Predicate::IsNull(_)),
        Predicate::Or(inner) | Predicate::And(inner) => has_test(inner),
        _ => false,
    })
}

fn guards(p: &mut Predicate) -> bool {
    let Predicate::And(list) = p else {
        return false;
    };
    // What each part that is no test itself rejects. Tests do not vouch for each other, else both would go.
    let tests: Vec<Option<ColumnId>> = list.iter().map(guard).collect();
    let guarded: ColumnSet = tests.iter().flatten().copied().collect();
    let mut firm = Firm::of(list, &tests);
    let mut changed = false;
    let mut contradiction = false;
    // First what is not a guard, one after the other: a part that loses a test may reject less than before.
    for (i, part) in list.iter_mut().enumerate() {
        if tests.get(i).is_some_and(Option::is_some) {
            continue;
        }
        let known = |id| firm.beside(i, id) || guarded.contains(id);
        if let Predicate::IsNull(Scalar::Column(id)) = part {
            contradiction |= known(*id);
        } else if has_test(std::slice::from_ref(part)) && assume(part, &known) {
            changed = true;
            firm.replace(i, rejected(part));
        }
    }
    for (i, part) in list.iter_mut().enumerate() {
        if let Some(Some(id)) = tests.get(i)
            && firm.beside(i, *id)
        {
            *part = Predicate::TRUE;
            changed = true;
        }
    }
    if contradiction {
        *p = Predicate::FALSE;
        return true;
    }
    if changed {
        list.retain(|q| *q != Predicate::TRUE);
        if list.len() < 2 {
            *p = list.pop().unwrap_or(Predicate::TRUE);
        }
    }
    changed
}

/// What the parts of a conjunction reject, tests left out, and how many parts reject each column.
struct Firm {
    sets: Vec<ColumnSet>,
    counts: HashMap<ColumnId, u32>,
}

impl Firm {
    fn of(list: &[Predicate], tests: &[Option<ColumnId>]) -> Self {
        let mut firm = Firm {
            sets: Vec::with_capacity(list.len()),
            counts: HashMap::new(),
        };
        for (p, test) in list.iter().zip(tests) {
            let set = match test {
                Some(_) => ColumnSet::new(),
                None => rejected(p),
            };
            for id in set.iter() {
                *firm.counts.entry(id).or_default() += 1;
            }
            firm.sets.push(set);
        }
        firm
    }

    /// Whether a part other than one rejects NULL in a column.
    fn beside(&self, i: usize, id: ColumnId) -> bool {
        let own = self.sets.get(i).is_some_and(|set| set.contains(id));
        self.counts.get(&id).copied().unwrap_or(0) > u32::from(own)
    }

    fn replace(&mut self, i: usize, set: ColumnSet) {
        let Some(place) = self.sets.get_mut(i) else {
            return;
        };
        for id in place.iter() {
            if let Some(count) = self.counts.get_mut(&id) {
                *count -= 1;
            }
        }
        for id in set.iter() {
            *self.counts.entry(id).or_default() += 1;
        }
        *place = set;
    }
}

/// The column that a part only tests to be there.
fn guard(p: &Predicate) -> Option<ColumnId> {
    match p {
        Predicate::Not(inner) => match **inner {
            Predicate::IsNull(Scalar::Column(id)) => Some(id),
            _ => None,
        },
        _ => None,
    }
}

/// Decides tests inside junctions for columns that are there.
fn assume(p: &mut Predicate, known: &dyn Fn(ColumnId) -> bool) -> bool {
    match p {
        Predicate::IsNull(Scalar::Column(id)) if known(*id) => {
            *p = Predicate::FALSE;
            true
        }
        Predicate::Not(inner) => match **inner {
            Predicate::IsNull(Scalar::Column(id)) if known(id) => {
                *p = Predicate::TRUE;
                true
            }
            _ => false,
        },
        Predicate::And(list) | Predicate::Or(list) => {
            let mut changed = false;
            for part in list {
                changed |= assume(part, known);
            }
            changed
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Guards beside a rejecting condition go; so do alternatives that it rules out.
    #[test]
    fn guards_go() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let rel = filter(
            scan(book),
            and([
                not_null(pages),
                lt(pages, 3),
                or([is_null(pages), eq(title, "a")]),
            ]),
        );
        b.rows(rel, [title, pages]).fires(
            "null_guards",
            "scan Book\n\
             filter Book.pages#1 < 3 and (false or Book.title#0 = \"a\")\n\
             rows title: Book.title#0, pages: Book.pages#1\n",
        );
    }

    /// A column that cannot be NULL is decided.
    #[test]
    fn columns_that_are_there_are_decided() {
        let mut b = Build::new();
        let book = b.source("Book");
        let title = b.column(book, "title");
        let rel = filter(scan(book), not(is_null(title)));
        b.rows(rel, [title]).fires(
            "null_guards",
            "scan Book\nfilter not false\nrows title: Book.title#0\n",
        );
    }

    /// Behind a LEFT join every column can be NULL.
    #[test]
    fn columns_behind_a_left_join_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "editor_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = filter(left_one(scan(book), author, fk, pk), is_null(name));
        b.rows(rel, [title]).stays("null_guards");
    }

    /// A filter below proves what is there.
    #[test]
    fn filters_below_are_known() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = slice(sort(filter(scan(book), gt(pages, 1)), [asc(id)]), 0, 5);
        b.rows(filter(rel, is_null(pages)), [id]).fires(
            "null_guards",
            "scan Book\nfilter Book.pages#1 > 1\nsort Book._id#0 asc\nslice 0..5\nfilter false\nrows _id: Book._id#0\n",
        );
    }

    /// A guard whose only company tolerates NULL stays.
    #[test]
    fn needed_guards_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let rel = filter(
            scan(book),
            and([not_null(pages), or([eq(pages, 3), eq(title, "a")])]),
        );
        b.rows(rel, [title]).stays("null_guards");
    }

    /// Below a negation unknown and false differ.
    #[test]
    fn guards_in_values_stay() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = filter(scan(book), not(and([not_null(pages), lt(pages, 3)])));
        b.rows(rel, [id]).stays("null_guards");
    }
}
