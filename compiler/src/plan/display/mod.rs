//! Plans as text for people: one operator a line, in the order in which rows pass; subqueries in braces.
//!
//! ```text
//! scan library_book as book
//! left join library_author as author one on book.author_id#2 = author.id#6
//! filter author.name#3 = "x"
//! sort book.title#1 asc
//! slice 0..20
//! rows title: book.title#1
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `rows` | relational operators |
//! | `expression` | values, conditions, subqueries |
//! | `terminal` | what becomes of the rows |

mod expression;
mod rows;
mod terminal;

use std::fmt::{self, Display, Formatter};

use super::{ColumnId, Columns, Origin, Plan, Predicate, Rel, Scalar, SourceId};

/// Shows a part of a plan with the names of its columns.
pub struct Show<'a, T> {
    columns: &'a Columns,
    node: &'a T,
}

impl<'a, T> Show<'a, T> {
    /// Shows a part of a plan.
    pub fn new(columns: &'a Columns, node: &'a T) -> Self {
        Show { columns, node }
    }
}

impl Display for Show<'_, Rel> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Printer::new(self.columns, f).rel(self.node, 0)
    }
}

impl Display for Show<'_, Predicate> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Printer::new(self.columns, f).predicate(self.node, 0)
    }
}

impl Display for Show<'_, Scalar> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Printer::new(self.columns, f).scalar(self.node)
    }
}

impl Display for Plan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut printer = Printer::new(&self.columns, f);
        printer.rel(&self.rel, 0)?;
        printer.terminal(&self.terminal, 0)
    }
}

struct Printer<'a, 'f, 'b> {
    columns: &'a Columns,
    f: &'f mut Formatter<'b>,
    /// Inside a subquery: a bar between operators, not a new line.
    inline: bool,
}

impl<'a, 'f, 'b> Printer<'a, 'f, 'b> {
    fn new(columns: &'a Columns, f: &'f mut Formatter<'b>) -> Self {
        Printer {
            columns,
            f,
            inline: false,
        }
    }

    /// Begins an operator.
    fn open(&mut self, indent: usize) -> fmt::Result {
        if self.inline {
            return Ok(());
        }
        write!(self.f, "{:indent$}", "", indent = indent * 2)
    }

    /// Ends an operator.
    fn close(&mut self) -> fmt::Result {
        self.f.write_str(if self.inline { " | " } else { "\n" })
    }

    fn list<T>(
        &mut self,
        items: &[T],
        separator: &str,
        mut one: impl FnMut(&mut Self, &T) -> fmt::Result,
    ) -> fmt::Result {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.f.write_str(separator)?;
            }
            one(self, item)?;
        }
        Ok(())
    }

    fn column_list(&mut self, ids: &[ColumnId]) -> fmt::Result {
        self.list(ids, ", ", |p, id| p.column(*id))
    }

    fn column(&mut self, id: ColumnId) -> fmt::Result {
        match self.columns.get(id) {
            Ok(column) => {
                if let Origin::Stored { source, path, .. } = &column.origin {
                    let source = self.columns.source(*source).map_or("?", |s| &s.name);
                    write!(self.f, "{source}.{}#{}", path.join("."), id.0)
                } else {
                    write!(self.f, "{}#{}", column.name, id.0)
                }
            }
            Err(_) => write!(self.f, "?#{}", id.0),
        }
    }

    fn source(&mut self, id: SourceId) -> fmt::Result {
        match self.columns.source(id) {
            Ok(source) if source.name == source.collection => self.f.write_str(&source.name),
            Ok(source) => write!(self.f, "{} as {}", source.collection, source.name),
            Err(_) => self.f.write_str("?"),
        }
    }
}
