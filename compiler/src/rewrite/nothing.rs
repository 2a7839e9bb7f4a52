//! Where nothing can be, nothing is asked.

use std::sync::Arc;

use bson::Bson;

use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::{JoinKind, Literal, Plan, Predicate, Rel, Scalar, SetOp, SubKind};

pub(super) const RULE: Rule = Rule {
    name: "nothing",
    does: "A filter that is never true, a slice of no rows and whatever is made of them become `empty`; existence of it is \
           false, its value NULL; set operations lose empty inputs.",
    sound: "an operator other than an aggregate without keys has no row without an input row; an aggregate without keys \
            keeps its single row.",
    example: ("scan book\nfilter false\nsort a", "empty"),
    needs: [
        Kinds::CONST.or(Kinds::EMPTY).or(Kinds::IDLE_SLICE),
        Kinds::ANY,
    ],
    apply,
};

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    let mut changed = walk::each_rel(plan, &mut collapse);
    changed |= walk::each_predicate(plan, &mut |p, _, _| {
        let nothing = match p {
            Predicate::Exists(query) | Predicate::InSubquery { query, .. } => {
                query.rel == Rel::Empty
            }
            _ => false,
        };
        if nothing {
            *p = Predicate::FALSE;
        }
        nothing
    });
    changed |= walk::each_scalar(plan, &mut |s| {
        let Scalar::Subquery(sub) = s else {
            return false;
        };
        if sub.kind != SubKind::Scalar || sub.rel != Rel::Empty {
            return false;
        }
        *s = Scalar::from(Literal {
            value: Bson::Null,
            ty: Arc::clone(&sub.ty),
        });
        true
    });
    Ok(changed)
}

fn collapse(rel: &mut Rel) -> bool {
    let nothing = match rel {
        Rel::Filter {
            predicate: Predicate::Const(None | Some(false)),
            ..
        } => true,
        Rel::Slice { limit: Some(0), .. } => true,
        Rel::Join(join) if join.kind == JoinKind::Inner => {
            join.input == Rel::Empty || join.condition == Some(Predicate::FALSE)
        }
        Rel::Aggregate { input, keys, .. } => !keys.is_empty() && **input == Rel::Empty,
        Rel::SetOp { .. } => return set_op(rel),
        Rel::Slice {
            skip: 0,
            limit: None,
            input,
        } => {
            *rel = input.take();
            return true;
        }
        _ => matches!(rel.input(), Some(Rel::Empty)),
    };
    if nothing {
        *rel = Rel::Empty;
    }
    nothing
}

fn set_op(rel: &mut Rel) -> bool {
    let Rel::SetOp {
        op,
        inputs,
        columns,
    } = rel
    else {
        return false;
    };
    let before = inputs.len();
    let first_empty = inputs.first().is_some_and(|(r, _)| *r == Rel::Empty);
    match op {
        SetOp::Intersection if inputs.iter().any(|(r, _)| *r == Rel::Empty) => inputs.clear(),
        SetOp::Difference if first_empty => inputs.clear(),
        SetOp::Intersection => {}
        SetOp::Union | SetOp::UnionAll | SetOp::Difference => {
            inputs.retain(|(r, _)| *r != Rel::Empty);
        }
    }
    if inputs.is_empty() {
        *rel = Rel::Empty;
        return true;
    }
    if inputs.len() == 1
        && let Some((input, scalars)) = inputs.pop()
    {
        // One input is left: its columns under the names of the result.
        let columns = std::mem::take(columns);
        let only = Rel::Extend {
            input: Box::new(input),
            columns: columns.iter().copied().zip(scalars).collect(),
        };
        *rel = match op {
            SetOp::UnionAll => only,
            _ => Rel::Distinct {
                input: Box::new(only),
                columns,
                carried: Vec::new(),
            },
        };
        return true;
    }
    inputs.len() != before
}

#[cfg(test)]
mod tests {
    use crate::plan::{Predicate, SetOp};
    use crate::testing::*;

    /// Nothing spreads upwards.
    #[test]
    fn false_filters_are_empty() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "author_id"));
        let pk = b.column(author, "_id");
        let rel = filter(scan(book), Predicate::FALSE);
        let rel = sort(inner_one(rel, author, fk, pk), [asc(title)]);
        b.rows(rel, [title])
            .fires("nothing", "empty\nrows title: Book.title#0\n");
    }

    /// A count without groups of nothing is a row.
    #[test]
    fn single_rows_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let n = b.counted("n");
        let rel = aggregate(
            filter(scan(book), Predicate::FALSE),
            [],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.row(rel, [n])
            .fires("nothing", "empty\naggregate n#0 = Count(*)\nrow n: n#0\n");
    }

    /// Existence of nothing is false, its value NULL.
    #[test]
    fn subqueries_of_nothing_are_known() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, name) = (b.column(book, "title"), b.column(author, "name"));
        let other = b.source_as("Author", "other");
        let first = b.computed("first", text_type());
        let nothing = |source| filter(scan(source), Predicate::FALSE);
        let rel = filter(scan(book), not(exists(nothing(author))));
        let rel = extend(rel, [(first, scalar_query(nothing(other), name))]);
        b.rows(rel, [title, first]).fires(
            "nothing",
            "scan Book\nfilter not false\nextend first#2 = null\nrows title: Book.title#0, first: first#2\n",
        );
    }

    /// A union of something and nothing is something, without repetition.
    #[test]
    fn set_operations_lose_empty_inputs() {
        let mut b = Build::new();
        let (book, other) = (b.source("Book"), b.source_as("Book", "other"));
        let (title, t2) = (b.column(book, "title"), b.column(other, "title"));
        let out = b.computed("title", text_type());
        let rel = set_op(
            SetOp::Union,
            [
                (scan(book), vec![value(title)]),
                (filter(scan(other), Predicate::FALSE), vec![value(t2)]),
            ],
            vec![out],
        );
        b.rows(rel, [out]).fires(
            "nothing",
            "scan Book\nextend title#2 = Book.title#0\ndistinct title#2\nrows title: title#2\n",
        );
    }

    /// A LEFT join keeps its rows whatever its condition.
    #[test]
    fn left_joins_without_partners_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "author_id"));
        let pk = b.column(author, "_id");
        let name = b.column(author, "name");
        let rel = on_condition(left_one(scan(book), author, fk, pk), Predicate::FALSE);
        b.rows(rel, [title, name]).stays("nothing");
    }
}
