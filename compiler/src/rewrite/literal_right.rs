//! Literals stand on the right of comparisons.

use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::{Plan, Predicate, Scalar};

pub(super) const RULE: Rule = Rule {
    name: "literal_right",
    does: "Turns `literal op x` into `x op' literal`.",
    sound: "the mirrored operator compares the same two values.",
    example: ("filter 3 < a", "filter a > 3"),
    needs: [Kinds::LITERAL_LEFT, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    Ok(walk::each_predicate(plan, &mut |p, _, _| {
        let Predicate::Compare { op, lhs, rhs } = p else {
            return false;
        };
        if !matches!(lhs, Scalar::Literal(_)) || matches!(rhs, Scalar::Literal(_)) {
            return false;
        }
        std::mem::swap(lhs, rhs);
        *op = op.mirrored();
        true
    }))
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// The operator is mirrored, not negated.
    #[test]
    fn literals_go_right() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(scan(book), and([lt(value(3), pages), eq(value(4), pages)]));
        b.rows(rel, [pages]).fires(
            "literal_right",
            "scan Book\nfilter Book.pages#0 > 3 and Book.pages#0 = 4\nrows pages: Book.pages#0\n",
        );
    }

    /// Nothing is gained with literals on both sides.
    #[test]
    fn two_literals_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let pages = b.column(book, "pages");
        let rel = filter(scan(book), and([eq(value(3), 4), gt(pages, 3)]));
        b.rows(rel, [pages]).stays("literal_right");
    }
}
