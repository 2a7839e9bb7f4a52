//! Conditions come as early as they can.

use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::plan::facts::{ColumnSet, Scope, scope};
use crate::plan::{
    ColumnId, Columns, Definitions, Join, JoinKind, Node, Plan, Predicate, Rel, Scalar, VisitMut,
    as_column, has_volatile, is_copyable, substitute_predicate, substitute_scalar, visit, walk_rel,
    walk_terminal,
};

pub(super) const RULE: Rule = Rule {
    name: "push_filter",
    does: "Moves conditions before sorts, joins, computed columns, windows (on partition keys), groups (on group keys) and \
           distinct rows, into INNER joins that they alone concern and \
           out of those that they do not concern, and into the inputs of set operations.",
    sound: "the condition names no column that the operator adds, or only columns whose definitions can take their place (no \
            subqueries, nothing volatile, few nodes); it does not separate rows that a window, group or `DISTINCT ON` looks \
            at together. Nothing passes a slice.",
    example: (
        "scan book\njoin author one on book.author_id = author._id\nsort book.title\nfilter book.pages > 3 and author.name = \"x\"",
        "scan book\nfilter book.pages > 3\njoin author one on book.author_id = author._id where author.name = \"x\"\nsort book.title",
    ),
    needs: [Kinds::MOVABLE, Kinds::ANY],
    apply,
};

/// Definitions of at most this many nodes take the place of columns.
const SMALL: usize = 12;

struct Push<'a> {
    columns: &'a Columns,
    changed: bool,
}

impl VisitMut for Push<'_> {
    fn rel(&mut self, rel: &mut Rel) {
        self.changed |= leave_join(rel, self.columns);
        self.changed |= sink(rel, self.columns);
        walk_rel(self, rel);
    }
}

fn apply(plan: &mut Plan, _: &Context<'_>) -> Result<bool> {
    let mut push = Push {
        columns: &plan.columns,
        changed: false,
    };
    push.rel(&mut plan.rel);
    walk_terminal(&mut push, &mut plan.terminal);
    Ok(push.changed)
}

/// Where a part of the condition can go.
enum Way {
    /// Below the operator, perhaps with definitions in the place of columns.
    Down(Predicate),
    /// Into the join's condition.
    Into(Predicate),
    /// Nowhere.
    Stay(Predicate),
}

fn sink(rel: &mut Rel, columns: &Columns) -> bool {
    let Rel::Filter { input, predicate } = rel else {
        return false;
    };
    if matches!(
        **input,
        Rel::Scan(_)
            | Rel::Raw { .. }
            | Rel::Search(_)
            | Rel::Slice { .. }
            | Rel::Empty
            | Rel::Unit
            | Rel::Filter { .. }
    ) {
        return false;
    }
    if let Rel::SetOp { .. } = **input {
        return into_set_op(rel);
    }
    let parts = predicate.take_parts();
    let below = input.input().map(scope).unwrap_or_default();
    let (mut down, mut into, mut stay) = (Vec::new(), Vec::new(), Vec::new());
    for part in parts {
        match way(part, input, &below, columns) {
            Way::Down(p) => down.push(p),
            Way::Into(p) => into.push(p),
            Way::Stay(p) => stay.push(p),
        }
    }
    let changed = !down.is_empty() || !into.is_empty();
    if !into.is_empty()
        && let Rel::Join(join) = &mut **input
    {
        let condition = join.condition.take().unwrap_or(Predicate::TRUE);
        join.condition = Some(condition.and(all(into)));
    }
    if !down.is_empty()
        && let Some(place) = input.input_mut()
    {
        put(place, all(down));
    }
    if stay.is_empty() {
        *rel = input.take();
    } else {
        *predicate = all(stay);
    }
    changed
}

/// What an INNER join asks of the rows before it (as the type of a generic relation) is asked of them at once.
fn leave_join(rel: &mut Rel, columns: &Columns) -> bool {
    let Rel::Join(join) = rel else { return false };
    if join.kind != JoinKind::Inner {
        return false;
    }
    let Some(mut condition) = join.condition.take() else {
        return false;
    };
    let source = join.source;
    let (stay, leave): (Vec<_>, Vec<_>) = condition.take_parts().into_iter().partition(|part| {
        has_volatile(Node::Predicate(part))
            || walk::has_subquery(part)
            || part
                .used_columns()
                .iter()
                .any(|id| columns.source_of(id) == Some(source))
    });
    if !stay.is_empty() {
        join.condition = Some(all(stay));
    }
    if leave.is_empty() {
        return false;
    }
    put(&mut join.input, all(leave));
    true
}

fn all(mut parts: Vec<Predicate>) -> Predicate {
    if parts.len() == 1
        && let Some(only) = parts.pop()
    {
        return only;
    }
    Predicate::And(parts)
}

/// Puts a filter over rows, merged with one that is there.
fn put(rel: &mut Rel, condition: Predicate) {
    if let Rel::Filter { predicate, .. } = rel {
        let before = std::mem::replace(predicate, Predicate::TRUE);
        *predicate = before.and(condition);
        return;
    }
    let input = rel.take();
    *rel = Rel::Filter {
        input: Box::new(input),
        predicate: condition,
    };
}

fn way(part: Predicate, input: &Rel, below: &Scope, columns: &Columns) -> Way {
    if has_volatile(Node::Predicate(&part)) {
        return Way::Stay(part);
    }
    let used = part.used_columns();
    // What takes the place of columns below, if it can go there.
    let definitions = match input {
        Rel::Join(join) => return way_at_join(part, &used, join, below, columns),
        // After a sort of a collection, that an index may give, the rows of a slice are enough.
        Rel::Sort { input, .. } if is_collection(input) && walk::has_subquery(&part) => None,
        Rel::Sort { .. } => Some(Definitions::new()),
        Rel::Extend {
            columns: definitions,
            ..
        } => small_definitions(definitions, &used),
        Rel::Window { partition, .. } => {
            reads_only(&used, partition, &scope(input), columns).then(Definitions::new)
        }
        Rel::DistinctOn { on, .. } => reads_only(&used, on, below, columns).then(Definitions::new),
        Rel::Aggregate {
            keys, aggregates, ..
        } if !keys.is_empty()
            && !aggregates.iter().any(|(id, _)| used.contains(*id))
            && tells_equals_alike(&part) =>
        {
            key_definitions(keys, &used)
        }
        Rel::Distinct { .. } if tells_equals_alike(&part) => Some(Definitions::new()),
        _ => None,
    };
    match definitions {
        Some(definitions) if definitions.is_empty() => Way::Down(part),
        Some(definitions) => {
            let mut part = part;
            substitute_predicate(&mut part, &definitions);
            Way::Down(part)
        }
        None => Way::Stay(part),
    }
}

fn way_at_join(
    part: Predicate,
    used: &ColumnSet,
    join: &Join,
    below: &Scope,
    columns: &Columns,
) -> Way {
    let joined = used
        .iter()
        .any(|id| columns.source_of(id) == Some(join.source));
    if !joined {
        Way::Down(part)
    } else if join.kind == JoinKind::Inner
        && !below.has_any(columns, used)
        && is_copyable(Node::Predicate(&part))
    {
        Way::Into(part)
    } else {
        Way::Stay(part)
    }
}

/// The definitions of computed columns, if those that are used may be computed once more.
fn small_definitions(definitions: &[(ColumnId, Scalar)], used: &ColumnSet) -> Option<Definitions> {
    let mut resolved = Definitions::new();
    if !definitions.iter().any(|(id, _)| used.contains(*id)) {
        return Some(resolved);
    }
    for (id, definition) in definitions {
        let mut definition = definition.clone();
        substitute_scalar(&mut definition, &resolved);
        let small = size(&definition) <= SMALL;
        if used.contains(*id) && !(small && is_copyable(Node::Scalar(&definition))) {
            return None;
        }
        if small {
            resolved.insert(*id, definition);
        }
    }
    Some(resolved)
}

/// The definitions of the group keys that are used, if they may be computed once more.
fn key_definitions(keys: &[(ColumnId, Scalar)], used: &ColumnSet) -> Option<Definitions> {
    keys.iter()
        .filter(|(id, _)| used.contains(*id))
        .map(|(id, key)| is_copyable(Node::Scalar(key)).then(|| (*id, key.clone())))
        .collect()
}

/// Whether all columns of the rows that are used are among the values by which rows are looked at together.
fn reads_only(used: &ColumnSet, values: &[Scalar], rows: &Scope, columns: &Columns) -> bool {
    let fixed: Vec<_> = values.iter().filter_map(as_column).collect();
    used.iter()
        .all(|id| fixed.contains(&id) || !rows.has(columns, id))
}

/// Documents of one collection, perhaps with conditions.
fn is_collection(rel: &Rel) -> bool {
    match rel {
        Rel::Scan(_) => true,
        Rel::Filter { input, .. } => matches!(**input, Rel::Scan(_)),
        _ => false,
    }
}

/// Whether the condition is the same for values that a group takes for equal.
fn tells_equals_alike(part: &Predicate) -> bool {
    let mut alike = true;
    visit(Node::Predicate(part), &mut |node, _| {
        if let Node::Predicate(Predicate::Lookup { .. }) | Node::Scalar(Scalar::Raw(..)) = node {
            alike = false;
        }
        alike
    });
    alike
}

fn size(scalar: &Scalar) -> usize {
    let mut n = 0;
    visit(Node::Scalar(scalar), &mut |_, _| {
        n += 1;
        n <= SMALL
    });
    n
}

/// A condition on the result holds for the rows of each input that become it.
fn into_set_op(rel: &mut Rel) -> bool {
    let Rel::Filter { input, predicate } = rel else {
        return false;
    };
    let Rel::SetOp {
        inputs, columns, ..
    } = &mut **input
    else {
        return false;
    };
    let node = Node::Predicate(predicate);
    let used = predicate.used_columns();
    let simple = is_copyable(node)
        && tells_equals_alike(predicate)
        && inputs.iter().all(|(_, scalars)| {
            columns
                .iter()
                .zip(scalars)
                .all(|(id, s)| !used.contains(*id) || is_copyable(Node::Scalar(s)))
        });
    if !simple {
        return false;
    }
    for (input, scalars) in inputs {
        let definitions: Definitions = columns
            .iter()
            .copied()
            .zip(scalars.iter().cloned())
            .collect();
        let mut condition = predicate.clone();
        substitute_predicate(&mut condition, &definitions);
        put(input, condition);
    }
    *rel = input.take();
    true
}

#[cfg(test)]
mod tests {
    use crate::plan::{JoinKind, Rel, SetOp};
    use crate::testing::*;

    /// Every part goes where it belongs.
    #[test]
    fn conditions_go_down() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let fk = b.column(book, "author_id");
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let x = b.computed("x", int_type());
        let rel = inner_one(scan(book), author, fk, pk);
        let rel = sort(extend(rel, [(x, plus(pages, 1))]), [asc(title)]);
        let rel = filter(
            rel,
            and([gt(pages, 1), eq(name, "a"), lt(x, 5), gt(pk, pages)]),
        );
        b.rows(rel, [title]).fires(
            "push_filter",
            "scan Book\n\
             filter Book.pages#1 > 1 and (Book.pages#1 + 1) < 5\n\
             join Author one on Book.author_id#2 = Author._id#3 where Author.name#4 = \"a\"\n\
             filter Author._id#3 > Book.pages#1\n\
             extend x#5 = (Book.pages#1 + 1)\n\
             sort Book.title#0 asc\n\
             rows title: Book.title#0\n",
        );
    }

    /// What an INNER join asks of the rows before it comes before it; a LEFT join keeps those rows, and what names the joined
    /// source stays with it.
    #[test]
    fn conditions_leave_inner_joins() {
        let build = |kind: JoinKind| {
            let mut b = Build::new();
            let (book, author) = (b.source("Book"), b.source("Author"));
            let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
            let fk = b.column(book, "author_id");
            let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
            let mut rel = match kind {
                JoinKind::Inner => inner_one(scan(book), author, fk, pk),
                JoinKind::Left => left_one(scan(book), author, fk, pk),
            };
            if let Rel::Join(join) = &mut rel {
                join.condition = Some(and([gt(pages, 1), eq(name, "a"), gt(pk, pages)]));
            }
            b.rows(rel, [title])
        };
        build(JoinKind::Inner).fires(
            "push_filter",
            "scan Book\n\
             filter Book.pages#1 > 1\n\
             join Author one on Book.author_id#2 = Author._id#3 where Author.name#4 = \"a\" and Author._id#3 > Book.pages#1\n\
             rows title: Book.title#0\n",
        );
        build(JoinKind::Left).stays("push_filter");
    }

    /// A condition on a joined column stays behind its LEFT join.
    #[test]
    fn left_joins_keep_their_conditions() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, fk) = (b.column(book, "title"), b.column(book, "editor_id"));
        let (pk, name) = (b.column(author, "_id"), b.column(author, "name"));
        let rel = filter(left_one(scan(book), author, fk, pk), is_null(name));
        b.rows(rel, [title]).stays("push_filter");
    }

    /// A condition on the group keys chooses groups; one on an aggregate needs them.
    #[test]
    fn conditions_on_keys_come_before_the_group() {
        let mut b = Build::new();
        let book = b.source("Book");
        let (title, pages) = (b.column(book, "title"), b.column(book, "pages"));
        let (k, n) = (b.computed("k", text_type()), b.counted("n"));
        let rel = aggregate(
            scan(book),
            [(k, call("Lower", vec![value(title)], text_type()))],
            [],
            [(n, agg("Count", vec![value(pages)]))],
        );
        b.rows(filter(rel, and([eq(k, "a"), gt(n, 1)])), [k, n])
            .fires(
                "push_filter",
                "scan Book\n\
             filter Lower(Book.title#0) = \"a\"\n\
             aggregate n#3 = Count(Book.pages#1) by k#2 = Lower(Book.title#0)\n\
             filter n#3 > 1\n\
             rows k: k#2, n: n#3\n",
            );
    }

    /// Without keys there is a row whatever the condition says.
    #[test]
    fn single_rows_keep_their_condition() {
        let mut b = Build::new();
        let book = b.source("Book");
        let n = b.counted("n");
        let rel = aggregate(scan(book), [], [], [(n, agg("Count", vec![]))]);
        b.rows(filter(rel, gt(value(1), 2)), [n])
            .stays("push_filter");
    }

    /// Windows see other rows: only whole partitions can go.
    #[test]
    fn windows_keep_their_rows() {
        let window = |on_key: bool| {
            let mut b = Build::new();
            let book = b.source("Book");
            let (id, author) = (b.column(book, "_id"), b.column(book, "author_id"));
            let n = b.counted("n");
            let rel = Rel::Window {
                input: Box::new(scan(book)),
                partition: vec![value(author)],
                order: vec![asc(id)],
                outputs: vec![(
                    n,
                    crate::plan::WindowCall {
                        call: agg("RowNumber", vec![]),
                        frame: None,
                    },
                )],
            };
            let rel = filter(rel, if on_key { eq(author, 1) } else { gt(id, 2) });
            b.rows(rel, [id, n])
        };
        window(true).fires(
            "push_filter",
            "scan Book\n\
             filter Book.author_id#1 = 1\n\
             window n#2 = RowNumber() partition by Book.author_id#1 order by Book._id#0 asc\n\
             rows _id: Book._id#0, n: n#2\n",
        );
        window(false).stays("push_filter");
    }

    /// Nothing passes a slice.
    #[test]
    fn slices_keep_their_rows() {
        let mut b = Build::new();
        let (book, id, pages) = books(&mut b);
        let rel = slice(sort(scan(book), [asc(id)]), 0, 3);
        b.rows(filter(rel, gt(pages, 1)), [id]).stays("push_filter");
    }

    /// Each input of a union is asked for what the result is asked for.
    #[test]
    fn unions_pass_conditions_on() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (title, name) = (b.column(book, "title"), b.column(author, "name"));
        let out = b.computed("out", text_type());
        let rel = set_op(
            SetOp::Union,
            [
                (scan(book), vec![value(title)]),
                (scan(author), vec![value(name)]),
            ],
            vec![out],
        );
        b.rows(filter(rel, eq(out, "a")), [out]).fires(
            "push_filter",
            "union out#2\n  scan Book\n  filter Book.title#0 = \"a\"\n  select Book.title#0\n  \
             scan Author\n  filter Author.name#1 = \"a\"\n  select Author.name#1\nrows out: out#2\n",
        );
    }

    /// A subquery is not computed twice.
    #[test]
    fn conditions_on_subqueries_stay() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, name) = (b.column(book, "_id"), b.column(author, "name"));
        let x = b.computed("x", text_type());
        let rel = extend(
            scan(book),
            [(
                x,
                scalar_query(slice(sort(scan(author), [asc(name)]), 0, 1), name),
            )],
        );
        b.rows(filter(rel, eq(x, "a")), [id]).stays("push_filter");
    }
}
