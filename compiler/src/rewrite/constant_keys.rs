//! Groups by what is the same for every row.

use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, defined_inside, scope, used_columns};
use crate::plan::{
    ArrayFact, Column, ColumnId, Columns, Literal, Node, Origin, Plan, Rel, Scalar, has_volatile,
    visit,
};
use crate::schema::{FieldKind, FieldType};

pub(super) const RULE: Rule = Rule {
    name: "constant_keys",
    does: "Groups by a constant where conditions fix every key to one value and nobody reads the keys afterwards, and asks a subquery \
           that is a key, but reads nothing of the rows, once for each group.",
    sound: "all rows are of one group, which is there if there is a row, as before. A key is fixed by an equality with a literal or \
            a column of an outer query, among the parts of a filter below the group. A subquery that reads nothing of the rows, \
            nor anything volatile, has one value for all of them.",
    example: (
        "filter book.author_id = author._id\naggregate n = Count(*) by book.author_id\nslice 0..1",
        "filter book.author_id = author._id\naggregate n = Count(*) by 1\nslice 0..1",
    ),
    needs: [Kinds::AGGREGATE, Kinds::ANY],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        if query.purpose == Purpose::Write {
            return Ok(false);
        }
        Ok(rewrite(query, columns))
    })
}

fn rewrite(query: Query<'_>, columns: &mut Columns) -> bool {
    let mut used = query.demand();
    let mut at = query.rel;
    loop {
        if asked_once(at, columns) {
            return true;
        }
        if let Rel::Aggregate {
            input,
            keys,
            carried,
            ..
        } = at
        {
            let fixed = fixed(input, columns);
            let constant = |(id, key): &(ColumnId, Scalar)| {
                matches!(key, Scalar::Column(of) if fixed.contains(*of))
                    && !used.contains(*id)
                    && !key.used_columns().iter().any(|of| used.contains(of))
            };
            if !keys.is_empty() && carried.is_empty() && keys.iter().all(constant) {
                *keys = vec![one(columns)];
                return true;
            }
        }
        at.expressions(&mut |node: Node<'_>| used.union(&used_columns(node)));
        if let Rel::Distinct { columns: by, .. } = at {
            by.iter().for_each(|id| {
                used.insert(*id);
            });
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return false,
        }
    }
}

/// A key that groups all rows together.
fn one(columns: &mut Columns) -> (ColumnId, Scalar) {
    let ty = std::sync::Arc::new(FieldType::new(FieldKind::IntegerField));
    let one = columns.add(Column {
        name: "one".into(),
        ty: ty.clone(),
        nullable: false,
        array: ArrayFact::No,
        origin: Origin::Computed,
    });
    let value = bson::Bson::Int32(1);
    (one, Scalar::from(Literal { value, ty }))
}

/// A key that is the value of a subquery which reads nothing of the rows is asked once for each group.
fn asked_once(rel: &mut Rel, columns: &mut Columns) -> bool {
    let Rel::Aggregate {
        input,
        keys,
        aggregates,
        ..
    } = rel
    else {
        return false;
    };
    let Rel::Extend {
        input: rows,
        columns: definitions,
    } = &mut **input
    else {
        return false;
    };
    let mut inside = scope(rows);
    definitions.iter().for_each(|(id, _)| {
        inside.columns.insert(*id);
    });
    let found = definitions.iter().position(|(id, definition)| {
        let node = Node::Scalar(definition);
        let own = defined_inside(node);
        asks_subquery(node)
            && !has_volatile(node)
            && !inside.all
            && used_columns(node)
                .iter()
                .all(|used| own.has(columns, used) || !inside.has(columns, used))
            && keys
                .iter()
                .any(|(key, of)| key == id && *of == Scalar::Column(*id))
            && definitions
                .iter()
                .map(|(_, other)| Node::Scalar(other))
                .all(|other| !used_columns(other).contains(*id))
            && aggregates
                .iter()
                .all(|(_, call)| !call.used_columns().contains(*id))
    });
    let Some(at) = found else {
        return false;
    };
    let (id, definition) = definitions.remove(at);
    if definitions.is_empty() {
        **input = rows.take();
    }
    keys.retain(|(key, _)| *key != id);
    if keys.is_empty() {
        keys.push(one(columns));
    }
    *rel = Rel::Extend {
        input: Box::new(rel.take()),
        columns: vec![(id, definition)],
    };
    true
}

fn asks_subquery(node: Node<'_>) -> bool {
    let mut found = false;
    visit(node, &mut |node, _| {
        found |= matches!(node, Node::SubPlan(_));
        !found
    });
    found
}

/// Columns that have one value in all rows.
fn fixed(rel: &Rel, columns: &Columns) -> ColumnSet {
    let inside = defined_inside(Node::Rel(rel));
    let outer = |s: &Scalar| match s {
        Scalar::Literal(_) => true,
        Scalar::Column(id) => {
            let one: ColumnSet = [*id].into_iter().collect();
            !inside.has_any(columns, &one)
        }
        _ => false,
    };
    let mut set = ColumnSet::new();
    let mut at = rel;
    loop {
        match at {
            Rel::Filter { input, predicate } => {
                for part in predicate.parts() {
                    if let Some((lhs, rhs)) = part.as_equality() {
                        for (a, b) in [(lhs, rhs), (rhs, lhs)] {
                            if let Scalar::Column(id) = a
                                && outer(b)
                            {
                                set.insert(*id);
                            }
                        }
                    }
                }
                at = input;
            }
            Rel::Sort { input, .. } | Rel::Slice { input, .. } | Rel::Extend { input, .. } => {
                at = input;
            }
            Rel::Join(join) => at = &join.input,
            _ => return set,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// Whether there is a tag is the same for all books; what is read of them, drawn anew, or aggregated, is not asked once.
    #[test]
    fn subqueries_of_nothing_are_asked_once() {
        for broken in ["", "correlated", "aggregated", "volatile"] {
            let mut b = Build::new();
            let (book, id, pages) = books(&mut b);
            let tag = b.source("Tag");
            let (name, key) = (b.column(tag, "name"), b.column(tag, "_id"));
            let (any, n) = (b.computed("any", bool_type()), b.counted("n"));
            let asked = match broken {
                "correlated" => eq(key, id),
                "volatile" => gt(call("Random", vec![], int_type()), 1),
                _ => eq(name, "t1"),
            };
            let of = match broken {
                "aggregated" => any,
                _ => pages,
            };
            let rel = extend(
                scan(book),
                [(any, as_value(exists(filter(scan(tag), asked))))],
            );
            let rel = aggregate(
                rel,
                [(any, value(any))],
                [],
                [(n, agg("Count", vec![value(of)]))],
            );
            let case = b.rows(rel, [any, n]);
            match broken {
                "" => case.fires(
                    "constant_keys",
                    "scan Book\n\
                     aggregate n#5 = Count(Book.pages#1) by one#6 = 1\n\
                     extend any#4 = [exists {scan Tag | filter Tag.name#2 = \"t1\" | select }]\n\
                     rows any: any#4, n: n#5\n",
                ),
                _ => case.stays("constant_keys"),
            }
        }
    }

    /// The books of one author are one group.
    #[test]
    fn fixed_keys_are_one_group() {
        let mut b = Build::new();
        let book = b.source("Book");
        let author = b.column(book, "author_id");
        let n = b.counted("n");
        let rel = aggregate(
            filter(scan(book), eq(author, 3)),
            [(author, value(author))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [n]).fires(
            "constant_keys",
            "scan Book\n\
             filter Book.author_id#0 = 3\n\
             aggregate n#1 = Count(*) by one#2 = 1\n\
             rows n: n#1\n",
        );
    }

    /// A key that is read is needed.
    #[test]
    fn keys_that_are_read_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let author = b.column(book, "author_id");
        let n = b.counted("n");
        let rel = aggregate(
            filter(scan(book), eq(author, 3)),
            [(author, value(author))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [author, n]).stays("constant_keys");
    }

    /// A range fixes nothing, nor does an alternative.
    #[test]
    fn other_keys_stay() {
        let mut b = Build::new();
        let book = b.source("Book");
        let author = b.column(book, "author_id");
        let n = b.counted("n");
        let rel = aggregate(
            filter(
                scan(book),
                and([gt(author, 3), or([eq(author, 4), eq(author, 5)])]),
            ),
            [(author, value(author))],
            [],
            [(n, agg("Count", vec![]))],
        );
        b.rows(rel, [n]).stays("constant_keys");
    }
}
