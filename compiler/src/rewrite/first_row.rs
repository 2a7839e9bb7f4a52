//! The first row of each partition.

use super::{Context, Kinds, Rule, block, walk};
use crate::error::Result;
use crate::plan::{CompareOp, Node, Plan, Predicate, Rel, Scalar, WindowCall, is_copyable};
use crate::rewrite::walk::Purpose;

pub(super) const RULE: Rule = Rule {
    name: "first_row",
    does: "Takes the first row of each partition instead of numbering all rows and leaving out those whose number is not 1.",
    sound: "the rows that are numbered 1 are the first of their partitions in the window's order, one of each, whichever is first among \
            equal ones; nothing else is computed of the window.",
    example: (
        "scan book\nwindow n = RowNumber() partition by book.author_id order by book.pages\nfilter n = 1",
        "scan book\nsort book.pages\ndistinct on book.author_id\nextend n = 1",
    ),
    needs: [Kinds::WINDOW, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, _| {
        if query.purpose == Purpose::Write {
            return Ok(false);
        }
        walk::first_operator(query.rel, &mut |rel| Ok(replace(rel)))
    })
}

fn replace(rel: &mut Rel) -> bool {
    let Rel::Filter { input, predicate } = rel else {
        return false;
    };
    let Rel::Window {
        input: rows,
        partition,
        order,
        outputs,
    } = &mut **input
    else {
        return false;
    };
    let [(number, call)] = outputs.as_slice() else {
        return false;
    };
    let first = predicate.parts().iter().find_map(|p| match p {
        Predicate::Compare {
            op: CompareOp::Eq,
            lhs: Scalar::Column(id),
            rhs: Scalar::Literal(literal),
        } if id == number && is_one(&literal.value) => Some(literal.clone()),
        _ => None,
    });
    let Some(one) = first else {
        return false;
    };
    let same = |s: &Scalar| is_copyable(Node::Scalar(s));
    if !numbers(call)
        || order.is_empty()
        || !order.iter().all(|key| same(&key.scalar))
        || !partition.iter().all(same)
    {
        return false;
    }
    let number = *number;
    let sorted = Box::new(Rel::Sort {
        input: Box::new(rows.take()),
        keys: std::mem::take(order),
    });
    let first = match partition.is_empty() {
        true => Rel::Slice {
            input: sorted,
            skip: 0,
            limit: Some(1),
        },
        false => Rel::DistinctOn {
            input: sorted,
            on: std::mem::take(partition),
            order: Vec::new(),
            kept: None,
        },
    };
    // What else is asked of the number is asked of 1.
    **input = Rel::Extend {
        input: Box::new(first),
        columns: vec![(number, Scalar::Literal(one.clone()))],
    };
    let rest: Vec<Predicate> = predicate.parts()
        .iter()
        .filter(|p| {
            !matches!(p, Predicate::Compare { op: CompareOp::Eq, lhs: Scalar::Column(id), rhs: Scalar::Literal(l) }
                if *id == number && *l == one)
        })
        .cloned()
        .collect();
    *rel = block::filtered(input.take(), rest);
    true
}

fn numbers(window: &WindowCall) -> bool {
    window.call.function == "RowNumber" && window.call.filter.is_none()
}

fn is_one(value: &bson::Bson) -> bool {
    matches!(value, bson::Bson::Int32(1) | bson::Bson::Int64(1))
}

#[cfg(test)]
mod tests {
    use crate::plan::{ColumnId, Rel, WindowCall};
    use crate::testing::*;

    fn numbered(b: &mut Build, broken: &str) -> (Rel, [ColumnId; 3]) {
        let (book, id, pages) = books(b);
        let fk = b.column(book, "author_id");
        let (n, m) = (b.counted("n"), b.counted("m"));
        let call = |function| WindowCall {
            call: agg(function, vec![]),
            frame: None,
        };
        let mut outputs = vec![(n, call("RowNumber"))];
        match broken {
            "other function" => outputs = vec![(n, call("Rank"))],
            "two functions" => outputs.push((m, call("Rank"))),
            _ => {}
        }
        let rel = Rel::Window {
            input: Box::new(scan(book)),
            partition: match broken {
                "one partition" => Vec::new(),
                _ => vec![value(fk)],
            },
            order: match broken {
                "no order" => Vec::new(),
                _ => vec![desc(pages), asc(id)],
            },
            outputs,
        };
        (rel, [id, pages, n])
    }

    /// The longest book of each author.
    #[test]
    fn the_first_row_of_each_partition_is_taken() {
        let mut b = Build::new();
        let (rel, [id, pages, n]) = numbered(&mut b, "");
        let rel = sort(filter(rel, and([eq(n, 1), gt(pages, 3)])), [asc(id)]);
        b.rows(rel, [id, n]).fires(
            "first_row",
            "scan Book\n\
             sort Book.pages#1 desc, Book._id#0 asc\n\
             distinct on Book.author_id#2\n\
             extend n#3 = 1\n\
             filter Book.pages#1 > 3\n\
             sort Book._id#0 asc\n\
             rows _id: Book._id#0, n: n#3\n",
        );
    }

    /// Of one partition it is the first row of all.
    #[test]
    fn the_first_row_of_all_is_a_slice() {
        let mut b = Build::new();
        let (rel, [id, _, n]) = numbered(&mut b, "one partition");
        b.rows(filter(rel, eq(n, 1)), [id]).fires(
            "first_row",
            "scan Book\n\
             sort Book.pages#1 desc, Book._id#0 asc\n\
             slice 0..1\n\
             extend n#3 = 1\n\
             rows _id: Book._id#0\n",
        );
    }

    /// The second row, several rows, no order, a rank, which several rows can share, and a second function of the same window.
    #[test]
    fn other_numbers_stay() {
        for broken in [
            "second",
            "several",
            "no order",
            "other function",
            "two functions",
        ] {
            let mut b = Build::new();
            let (rel, [id, _, n]) = numbered(&mut b, broken);
            let wanted = match broken {
                "second" => eq(n, 2),
                "several" => lt(n, 3),
                _ => eq(n, 1),
            };
            b.rows(filter(rel, wanted), [id]).stays("first_row");
        }
    }
}
