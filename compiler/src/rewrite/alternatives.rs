//! Alternatives of several collections.

use super::block::{self, Reach, is_bounded, is_indexed, is_picky, reach, root_key};
use super::walk::{Purpose, Query};
use super::{Context, Kinds, Rule, walk};
use crate::error::Result;
use crate::names::Path;
use crate::plan::facts::ColumnSet;
use crate::plan::{
    ArrayFact, Cardinality, Column, ColumnId, Columns, Definitions, Join, JoinKind, Node, Origin,
    Plan, Predicate, Rel, Scalar, SetOp, SourceId, is_copyable, substitute_predicate,
};

pub(super) const RULE: Rule = Rule {
    name: "alternatives",
    does: "Where a row is chosen by alternatives of several sources, finds the keys of each alternative on its own and joins their \
           union, instead of looking up every row to ask: where an index selects few for each of them, or where all rows are wanted \
           and each selects by an equality, a list, a pattern, or a bound on the rows themselves.",
    sound: "a row is chosen exactly if its key is found by an alternative: the joins are to one row, so that the key decides all of \
            it, or to many of which only these conditions read anything and where repetition does not count; and an alternative that \
            compares a joined column needs the joined row. Each alternative reads one source, and literals only.",
    example: (
        "scan book\nleft join author one on book.editor_id = author._id\nfilter author.name = \"x\" or book.isbn = \"y\"",
        "union _id\n  scan book | filter book.isbn = \"y\" | select book._id\n  scan book | join author one on book.editor_id = author._id | filter author.name = \"x\" | select book._id\njoin book one on _id = book._id\nleft join author one on book.editor_id = author._id",
    ),
    needs: [Kinds::JOIN, Kinds::OR],
    apply,
};

fn apply(plan: &mut Plan, context: &Context<'_>) -> Result<bool> {
    walk::each_query(plan, context, &mut |query, columns| {
        descend(query, context, columns)
    })
}

fn descend(query: Query<'_>, context: &Context<'_>, columns: &mut Columns) -> Result<bool> {
    let mut first = None;
    // What is read of rows of which repetition does not count.
    let mut distinct: Option<ColumnSet> = None;
    // The first row that is found may end the search.
    let mut whole = query.purpose != Purpose::Exists;
    let mut at = query.rel;
    loop {
        if let Rel::Filter { .. } = at
            && let Some(found) = choose(at, first, whole, distinct.as_ref(), context, columns)?
        {
            found.replace(at, context, columns)?;
            return Ok(true);
        }
        distinct = match at {
            Rel::Distinct {
                columns, carried, ..
            } if carried.is_empty() => Some(columns.iter().copied().collect()),
            _ => None,
        };
        if let Rel::Distinct { .. } = at {
            // All rows are seen before there is an order.
            first = None;
        }
        if let Rel::Slice { input, .. } = at {
            whole &= matches!(**input, Rel::Sort { .. });
        }
        if let Rel::Slice { input, .. } = at
            && let Rel::Sort { keys, .. } = &**input
        {
            first = keys.first().and_then(|k| crate::plan::as_column(&k.scalar));
        }
        match at.input_mut() {
            Some(input) => at = input,
            None => return Ok(false),
        }
    }
}

/// Alternatives by the source that they read.
type Branches = Vec<(SourceId, Vec<Predicate>)>;

/// What is to be done: the part of the filter that holds the alternatives, by their sources.
struct Found {
    base: SourceId,
    part: usize,
    branches: Branches,
}

fn choose(
    rel: &Rel,
    first: Option<ColumnId>,
    whole: bool,
    distinct: Option<&ColumnSet>,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Option<Found>> {
    let Rel::Filter { input, predicate } = rel else {
        return Ok(None);
    };
    let Some(at) = predicate
        .parts()
        .iter()
        .position(|p| matches!(p, Predicate::Or(_)))
    else {
        return Ok(None);
    };
    let mut conditions: Vec<&Predicate> = predicate.parts().iter().collect();
    let mut joins = Vec::new();
    let mut below = &**input;
    let base = loop {
        match below {
            Rel::Scan(base) => break *base,
            Rel::Filter { input, predicate } => {
                conditions.extend(predicate.parts());
                below = input;
            }
            Rel::Join(join) if join.cardinality == Cardinality::One || distinct.is_some() => {
                joins.push(&**join);
                below = &join.input;
            }
            _ => return Ok(None),
        }
    };
    let repeated = repeated(&joins, columns);
    let of_repeated = |id| columns.source_of(id).is_some_and(|s| repeated.contains(&s));
    let counted = |set: &ColumnSet| set.iter().any(of_repeated);
    if distinct.is_some_and(counted) {
        return Ok(None);
    }
    let selected = reach(
        base,
        conditions.iter().copied(),
        &is_known,
        context.schema,
        columns,
    )? < Reach::Range;
    // The first rows in the order of an index are better than all of them.
    let ordered = match first.and_then(|id| root_key(columns, id)) {
        Some((source, key)) => source == base && is_indexed(context.schema, columns, source, key)?,
        None => false,
    };
    if joins.is_empty() || selected || ordered || key_field(base, context, columns)?.is_none() {
        return Ok(None);
    }
    for (part, p) in predicate.parts().iter().enumerate().skip(at) {
        // One row to many must not be asked by parts that may then find different ones.
        let alone = repeated.is_empty()
            || conditions
                .iter()
                .all(|other| std::ptr::eq(*other, p) || !counted(&other.used_columns()));
        if let Predicate::Or(list) = p
            && alone
            && let Some(branches) = by_source(list, base, &joins, whole, context, columns)?
        {
            return Ok(Some(Found {
                base,
                part,
                branches,
            }));
        }
    }
    Ok(None)
}

/// The sources of joins to many, and of those that follow from them.
fn repeated(joins: &[&Join], columns: &Columns) -> Vec<SourceId> {
    let mut sources = Vec::new();
    // Joins were found from the last to the first.
    for join in joins.iter().rev() {
        let follows = |id| {
            columns
                .source_of(id)
                .is_some_and(|source| sources.contains(&source))
        };
        let reads = join
            .on
            .iter()
            .any(|(lhs, _)| lhs.used_columns().iter().any(follows))
            || join
                .condition
                .as_ref()
                .is_some_and(|c| c.used_columns().iter().any(follows));
        if reads || join.cardinality == Cardinality::Many {
            sources.push(join.source);
        }
    }
    sources
}

fn is_known(s: &Scalar) -> bool {
    matches!(s, Scalar::Literal(_))
}

/// Alternatives by the only source that each reads, if each selects few rows, and there are several.
fn by_source(
    list: &[Predicate],
    base: SourceId,
    joins: &[&Join],
    whole: bool,
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Option<Branches>> {
    let mut branches = Branches::new();
    for alternative in list {
        let used = alternative.used_columns();
        let mut sources = used.iter().map(|id| columns.source_of(id));
        let Some(Some(source)) = sources.next() else {
            return Ok(None);
        };
        if !sources.all(|s| s == Some(source)) || !is_copyable(Node::Predicate(alternative)) {
            return Ok(None);
        }
        let reached = reach(
            source,
            alternative.parts().iter(),
            &is_known,
            context.schema,
            columns,
        )?;
        let conditions = alternative.parts().iter();
        let selects = match whole {
            true if source == base => is_bounded(source, conditions, &is_known, columns),
            true => is_picky(source, conditions, &is_known, columns),
            false => false,
        };
        if reached > Reach::Indexed && !selects {
            return Ok(None);
        }
        match branches.iter_mut().find(|(of, _)| *of == source) {
            Some((_, all)) => all.push(alternative.clone()),
            None => branches.push((source, vec![alternative.clone()])),
        }
    }
    for (source, _) in &branches {
        if *source != base && path(*source, base, joins, context, columns)?.is_none() {
            return Ok(None);
        }
    }
    // Alternatives of one source choose where to start.
    Ok((branches.len() > 1).then_some(branches))
}

/// The joins from the base to a source, if all can be followed back along an index.
fn path<'j>(
    source: SourceId,
    base: SourceId,
    joins: &[&'j Join],
    context: &Context<'_>,
    columns: &Columns,
) -> Result<Option<Vec<&'j Join>>> {
    let mut path = Vec::new();
    let mut at = source;
    while at != base {
        let Some(join) = joins.iter().find(|j| j.source == at) else {
            return Ok(None);
        };
        let [(Scalar::Column(lhs), _)] = join.on.as_slice() else {
            return Ok(None);
        };
        let Some((parent, key)) = root_key(columns, *lhs) else {
            return Ok(None);
        };
        let own = join.condition.as_ref().is_none_or(|c| {
            is_copyable(Node::Predicate(c))
                && c.used_columns()
                    .iter()
                    .all(|id| columns.source_of(id) == Some(at))
        });
        if !own || !is_indexed(context.schema, columns, parent, key)? || path.len() > joins.len() {
            return Ok(None);
        }
        path.push(*join);
        at = parent;
    }
    path.reverse();
    Ok(Some(path))
}

/// The key of the documents of a source as a column, by its path.
fn key_field(source: SourceId, context: &Context<'_>, columns: &Columns) -> Result<Option<Column>> {
    let model = context.schema.model(columns.source(source)?.model)?;
    let Some(field) = model
        .fields
        .iter()
        .find(|f| f.is_concrete() && f.column == "_id")
    else {
        return Ok(None);
    };
    Ok(Some(Column {
        name: field.name.clone().into(),
        ty: context.schema.key_target(field.id)?.ty.clone(),
        nullable: false,
        array: ArrayFact::No,
        origin: Origin::Stored {
            source,
            path: Path::key("_id"),
            field: Some(field.id),
        },
    }))
}

impl Found {
    fn replace(self, rel: &mut Rel, context: &Context<'_>, columns: &mut Columns) -> Result<()> {
        let Rel::Filter { input, predicate } = rel else {
            return Ok(());
        };
        let Some(known) = key_field(self.base, context, columns)? else {
            return Ok(());
        };
        let found = columns.add(Column {
            name: "_id".into(),
            origin: Origin::Computed,
            ..known.clone()
        });
        let mut inputs = Vec::new();
        for (source, alternatives) in &self.branches {
            inputs.push(self.branch(*source, alternatives, input, context, columns)?);
        }
        let keys = Rel::SetOp {
            op: SetOp::Union,
            inputs,
            columns: vec![found],
        };
        let key = columns.stored(self.base, &Path::key("_id"), || known);
        let back = Rel::Join(Box::new(Join {
            input: keys,
            source: self.base,
            kind: JoinKind::Inner,
            on: vec![(Scalar::Column(found), key)],
            condition: None,
            cardinality: Cardinality::One,
        }));
        let mut at = &mut **input;
        while !matches!(at, Rel::Scan(_)) {
            match at.input_mut() {
                Some(below) => at = below,
                None => return Ok(()),
            }
        }
        *at = back;
        let mut rest = predicate.take_parts();
        rest.remove(self.part);
        *rel = block::filtered(input.take(), rest);
        Ok(())
    }

    /// The keys of the rows that one of the alternatives of a source chooses, with sources of its own.
    fn branch(
        &self,
        source: SourceId,
        alternatives: &[Predicate],
        rows: &Rel,
        context: &Context<'_>,
        columns: &mut Columns,
    ) -> Result<(Rel, Vec<Scalar>)> {
        let mut joins = Vec::new();
        let mut at = Some(rows);
        while let Some(rel) = at {
            if let Rel::Join(join) = rel {
                joins.push(&**join);
            }
            at = rel.input();
        }
        let path = path(source, self.base, &joins, context, columns)?.unwrap_or_default();
        let mut copies = vec![(self.base, copy_source(self.base, columns)?)];
        for join in &path {
            copies.push((join.source, copy_source(join.source, columns)?));
        }
        let renamed = copy_columns(&copies, columns);
        let column = |id: ColumnId| match renamed.get(&id) {
            Some(Scalar::Column(copy)) => *copy,
            _ => id,
        };
        let condition = |p: &Predicate| {
            let mut p = p.clone();
            substitute_predicate(&mut p, &renamed);
            p
        };
        let copy_of = |of: SourceId| {
            copies
                .iter()
                .find(|(old, _)| *old == of)
                .map(|(_, new)| *new)
        };
        let own = copy_of(self.base).unwrap_or(self.base);
        let mut rel = Rel::Scan(own);
        for join in path {
            rel = Rel::Join(Box::new(Join {
                input: rel,
                source: copy_of(join.source).unwrap_or(join.source),
                kind: JoinKind::Inner,
                on: join
                    .on
                    .iter()
                    .map(|(lhs, rhs)| {
                        let lhs = crate::plan::as_column(lhs)
                            .map_or_else(|| lhs.clone(), |id| Scalar::Column(column(id)));
                        (lhs, column(*rhs))
                    })
                    .collect(),
                condition: join.condition.as_ref().map(condition),
                cardinality: join.cardinality,
            }));
        }
        let mut alternatives: Vec<Predicate> = alternatives.iter().map(condition).collect();
        let predicate = match alternatives.len() {
            1 => alternatives.remove(0),
            _ => Predicate::Or(alternatives),
        };
        let keys = match key_field(own, context, columns)? {
            Some(known) => {
                let key = columns.stored(own, &Path::key("_id"), || known);
                vec![Scalar::Column(key)]
            }
            None => Vec::new(),
        };
        Ok((block::filtered(rel, vec![predicate]), keys))
    }
}

fn copy_source(source: SourceId, columns: &mut Columns) -> Result<SourceId> {
    let copy = columns.source(source)?.clone();
    Ok(columns.add_source(copy))
}

/// Stored columns of sources, for their copies.
fn copy_columns(copies: &[(SourceId, SourceId)], columns: &mut Columns) -> Definitions {
    let mut renamed = Definitions::new();
    let known: Vec<(ColumnId, Column)> = columns.iter().map(|(id, c)| (id, c.clone())).collect();
    for (id, mut column) in known {
        let Origin::Stored { source, path, .. } = &mut column.origin else {
            continue;
        };
        let Some((_, copy)) = copies.iter().find(|(old, _)| old == source) else {
            continue;
        };
        *source = *copy;
        let path = path.clone();
        let new = columns.stored(*copy, &path, || column);
        renamed.insert(id, Scalar::Column(new));
    }
    renamed
}

#[cfg(test)]
mod tests {
    use crate::testing::*;

    /// The keys of each alternative are found by its index.
    #[test]
    fn alternatives_are_found_one_by_one() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, isbn) = (b.column(book, "_id"), b.column(book, "isbn"));
        let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
        let country = b.column(author, "country");
        let pages = b.column(book, "pages");
        let either = or([eq(country, "fr"), eq(isbn, "i1"), in_ints(id, [1, 2])]);
        let rel = filter(
            left_one(scan(book), author, fk, pk),
            and([gt(pages, 1), either]),
        );
        b.rows(rel, [id, country]).fires(
            "alternatives",
            "union _id#6\n  \
             scan Book\n  join Author one on Book.editor_id#9 = Author._id#10\n  filter Author.country#11 = \"fr\"\n  select Book._id#7\n  \
             scan Book\n  filter Book.isbn#14 = \"i1\" or Book._id#13 in (1, 2)\n  select Book._id#13\n\
             join Book one on _id#6 = Book._id#0\n\
             left join Author one on Book.editor_id#2 = Author._id#3\n\
             filter Book.pages#5 > 1\n\
             rows _id: Book._id#0, country: Author.country#4\n",
        );
    }

    /// Each alternative selects, but not by an index: books are read once, and no author is looked up to ask.
    #[test]
    fn alternatives_without_an_index_are_found_where_all_rows_are_wanted() {
        let mut b = Build::new();
        let (book, author) = (b.source("Book"), b.source("Author"));
        let (id, pages) = (b.column(book, "_id"), b.column(book, "pages"));
        let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
        let name = b.column(author, "name");
        let rel = filter(
            left_one(scan(book), author, fk, pk),
            or([eq(name, "a"), gt(pages, 3)]),
        );
        b.rows(rel, [id]).fires(
            "alternatives",
            "union _id#5\n  \
             scan Book\n  join Author one on Book.editor_id#8 = Author._id#9\n  filter Author.name#10 = \"a\"\n  select Book._id#6\n  \
             scan Book\n  filter Book.pages#12 > 3\n  select Book._id#11\n\
             join Book one on _id#5 = Book._id#0\n\
             left join Author one on Book.editor_id#2 = Author._id#3\n\
             rows _id: Book._id#0\n",
        );
    }

    /// Titles of books that have a tag or few pages: which of the tags it is does not count where titles are distinct.
    #[test]
    fn joins_to_many_are_alternatives_of_distinct_rows() {
        for broken in ["", "counted", "read", "asked twice"] {
            let mut b = Build::new();
            let (book, link) = (b.source("Book"), b.source("BookTag"));
            let (id, title) = (b.column(book, "_id"), b.column(book, "title"));
            let (fk, tag) = (b.column(link, "book_id"), b.column(link, "tag_id"));
            let pages = b.column(book, "pages");
            let rows = left_many(scan(book), link, id, fk);
            let either = or([eq(tag, 2), gt(pages, 3)]);
            let rel = match broken {
                "asked twice" => filter(rows, and([either, not_null(tag)])),
                _ => filter(rows, either),
            };
            let rel = match broken {
                "counted" => rel,
                "read" => distinct(rel, [title, tag]),
                _ => distinct(rel, [title]),
            };
            let case = b.rows(rel, [title]);
            match broken {
                "" => case.fires(
                    "alternatives",
                    "union _id#5\n  \
                     scan Book\n  join BookTag many on Book._id#6 = BookTag.book_id#8\n  filter BookTag.tag_id#9 = 2\n  select Book._id#6\n  \
                     scan Book\n  filter Book.pages#13 > 3\n  select Book._id#11\n\
                     join Book one on _id#5 = Book._id#0\n\
                     left join BookTag many on Book._id#0 = BookTag.book_id#2\n\
                     distinct Book.title#1\n\
                     rows title: Book.title#1\n",
                ),
                _ => case.stays("alternatives"),
            }
        }
    }

    /// No selection, no joined alternative, an alternative of two sources or of what is not known, a join to many, a collection that is
    /// selected already, or whose index gives the first rows; without indexes, some rows that are enough.
    #[test]
    fn other_alternatives_stay() {
        for broken in [
            "bound",
            "enough",
            "page",
            "theirs",
            "own",
            "both",
            "is null",
            "outer",
            "many",
            "selected",
            "ordered",
            "no way back",
        ] {
            let mut b = Build::new();
            let (book, author) = (b.source("Book"), b.source("Author"));
            let link = b.source("BookTag");
            let (id, isbn) = (b.column(book, "_id"), b.column(book, "isbn"));
            let (fk, pk) = (b.column(book, "editor_id"), b.column(author, "_id"));
            let (country, name) = (b.column(author, "country"), b.column(author, "name"));
            let (pages, by) = (b.column(book, "pages"), b.column(link, "book_id"));
            let lhs = if broken == "no way back" { pages } else { fk };
            let mut rows = left_one(scan(book), author, lhs, pk);
            if broken == "many" {
                rows = left_many(rows, link, id, by);
            }
            let theirs = match broken {
                "bound" => gt(name, "a"),
                "enough" | "page" => eq(name, "a"),
                "own" => eq(id, 3),
                "both" => and([eq(country, "fr"), gt(pages, 1)]),
                "is null" => is_null(country),
                "outer" => eq(country, name),
                _ => eq(country, "fr"),
            };
            let ours = match broken {
                "theirs" => eq(name, "a"),
                _ => eq(isbn, "i1"),
            };
            let mut list = vec![theirs, ours];
            list.truncate(2);
            let either = crate::plan::Predicate::Or(list);
            let condition = match broken {
                "selected" => and([eq(id, 1), either]),
                _ => either,
            };
            let mut rel = filter(rows, condition);
            if broken == "ordered" {
                rel = slice(sort(rel, [asc(id)]), 0, 3);
            }
            if broken == "page" {
                rel = slice(rel, 0, 3);
            }
            let case = match broken {
                "enough" => b.exists(rel),
                _ => b.rows(rel, [id]),
            };
            case.stays("alternatives");
        }
    }
}
