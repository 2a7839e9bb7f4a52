//! Negations move to the leaves.

use super::{Context, Kinds, Rule, literal, walk};
use crate::error::Result;
use crate::plan::{Columns, Plan, Predicate};

pub(super) const RULE: Rule = Rule {
    name: "negation",
    does: "Moves `not` inwards over `and`, `or` and `not`, and into comparisons of ordered values.",
    sound: "De Morgan's laws hold in three-valued logic; a comparison and its opposite are unknown for the same rows and \
            exactly one of them is true for the others, provided that the values are totally ordered: no arrays, no \
            free JSON, no floats (NaN).",
    example: (
        "filter not (a < 1 or b is null)",
        "filter a >= 1 and b is not null",
    ),
    needs: [Kinds::NEGATION, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    // Inner conditions come first: what a step makes below is finished by `push`, which goes down itself.
    Ok(walk::each_predicate(plan, &mut |p, _, columns| {
        push(p, columns)
    }))
}

fn push(predicate: &mut Predicate, columns: &Columns) -> bool {
    let Predicate::Not(inner) = predicate else {
        return false;
    };
    match &mut **inner {
        Predicate::Not(twice) => {
            *predicate = std::mem::replace(&mut **twice, Predicate::TRUE);
            true
        }
        Predicate::Const(value) => {
            *predicate = Predicate::Const(value.map(|v| !v));
            true
        }
        Predicate::And(list) => {
            let parts = std::mem::take(list);
            *predicate = Predicate::Or(negated(parts, columns));
            true
        }
        Predicate::Or(list) => {
            let parts = std::mem::take(list);
            *predicate = Predicate::And(negated(parts, columns));
            true
        }
        Predicate::Compare { op, lhs, rhs }
            if literal::is_ordered(lhs, columns) && literal::is_ordered(rhs, columns) =>
        {
            *op = op.opposite();
            let compare = std::mem::replace(&mut **inner, Predicate::TRUE);
            *predicate = compare;
            true
        }
        _ => false,
    }
}

fn negated(parts: Vec<Predicate>, columns: &Columns) -> Vec<Predicate> {
    parts
        .into_iter()
        .map(|p| {
            let mut p = p.negate();
            push(&mut p, columns);
            p
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Negations end at the leaves.
    #[test]
    fn negations_reach_the_leaves() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(
            scan(book),
            not(and([
                not(not(lt(pages, 1))),
                or([is_null(pages), not(eq(pages, 7))]),
            ])),
        );
        b.rows(rel, [pages]).fires(
            "negation",
            "scan Book\n\
             filter Book.pages#0 >= 1 or (Book.pages#0 is not null and Book.pages#0 = 7)\n\
             rows pages: Book.pages#0\n",
        );
    }

    /// A comparison of JSON has no opposite: values of other types make both false.
    #[test]
    fn json_comparisons_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, data) = (b.column(book, "_id"), b.column(book, "data"));
        let rel = filter(scan(book), not(lt(data, 1)));
        b.rows(rel, [id]).stays("negation");
    }

    /// Nor has one of floats, among which NaN is.
    #[test]
    fn float_comparisons_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, price) = (b.column(book, "_id"), b.column(book, "price"));
        let rel = filter(scan(book), not(lt(price, 1.0)));
        b.rows(rel, [id]).stays("negation");
    }

    /// Nor one of arrays.
    #[test]
    fn array_comparisons_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (id, marks) = (b.column(book, "_id"), b.column(book, "marks"));
        let rel = filter(scan(book), not(eq(marks, 1)));
        b.rows(rel, [id]).stays("negation");
    }
}
