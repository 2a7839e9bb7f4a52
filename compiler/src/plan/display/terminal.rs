//! What becomes of the rows.

use std::fmt::{self, Write};

use super::Printer;
use crate::plan::{
    Assignment, Conflict, DeletedBy, Deletion, Insertion, Output, OutputNode, Terminal,
};

impl Printer<'_, '_, '_> {
    pub(super) fn terminal(&mut self, terminal: &Terminal, indent: usize) -> fmt::Result {
        self.open(indent)?;
        match terminal {
            Terminal::Rows { output } => {
                self.f.write_str("rows ")?;
                self.nodes(&output.nodes)?;
                self.prefetched(output, indent)?;
            }
            Terminal::Count { limit: None } => self.f.write_str("count")?,
            Terminal::Count { limit: Some(n) } => write!(self.f, "count up to {n}")?,
            Terminal::Exists => self.f.write_str("exists")?,
            Terminal::Aggregate { output } => {
                self.f.write_str("row ")?;
                self.nodes(&output.nodes)?;
            }
            Terminal::Insert(insertion) => self.insertion(insertion)?,
            Terminal::BulkUpdate(update) => {
                let (count, of) = (update.changes.len(), &update.collection);
                let columns = update.columns.join(", ");
                write!(
                    self.f,
                    "update {count} documents of {of} by key, set {columns}"
                )?;
            }
            Terminal::Upsert(upsert) => {
                self.f.write_str("the row ")?;
                self.nodes(&upsert.output.nodes)?;
                if !upsert.assignments.is_empty() {
                    self.f.write_str(", ")?;
                    self.assignments(&upsert.assignments)?;
                }
                self.f.write_str(", or ")?;
                self.insertion(&upsert.insertion)?;
                self.prefetched(&upsert.output, indent)?;
            }
            Terminal::Update { assignments, .. } => self.assignments(assignments)?,
            Terminal::Delete { source, deletion } => {
                self.f.write_str("delete ")?;
                self.source(*source)?;
                self.deletion(deletion)?;
            }
        }
        self.f.write_char('\n')
    }

    fn assignments(&mut self, assignments: &[Assignment]) -> fmt::Result {
        self.f.write_str("update ")?;
        self.list(assignments, "; ", |p, assignment| {
            write!(p.f, "{} of ", assignment.collection)?;
            p.scalar(&assignment.key)?;
            p.f.write_str(" set ")?;
            p.list(&assignment.values, ", ", |p, (name, scalar)| {
                write!(p.f, "{name} = ")?;
                p.scalar(scalar)
            })
        })
    }

    fn insertion(&mut self, insertion: &Insertion) -> fmt::Result {
        let count = insertion.documents.len();
        let into = &insertion.collection;
        write!(self.f, "insert {count} documents into {into}")?;
        match &insertion.conflict {
            Conflict::Fail => Ok(()),
            Conflict::Ignore => self.f.write_str(", conflicts ignored"),
            Conflict::Update { unique, update } => {
                let (unique, update) = (unique.join(", "), update.join(", "));
                write!(self.f, ", {update} updated where {unique} is there")
            }
        }
    }

    fn deletion(&mut self, deletion: &Deletion) -> fmt::Result {
        let label = |of: usize| deletion.sets.get(of).map_or("?", |set| set.label.as_str());
        for set in &deletion.sets {
            for origin in &set.origins {
                match origin {
                    DeletedBy::Reference(reference) => {
                        write!(
                            self.f,
                            "; {} that refer to {}",
                            set.label,
                            label(reference.of)
                        )?;
                    }
                    DeletedBy::Parent { of, .. } => {
                        write!(self.f, "; {} of {}", set.label, label(*of))?;
                    }
                }
            }
        }
        for detached in &deletion.detached {
            let of = label(detached.reference.of);
            write!(self.f, "; detach {} from {of}", detached.collection)?;
        }
        for guard in &deletion.guards {
            let of = label(guard.reference.of);
            write!(self.f, "; refused if {} refers to {of}", guard.names.1)?;
        }
        Ok(())
    }

    fn prefetched(&mut self, output: &Output, indent: usize) -> fmt::Result {
        for follow_up in &output.prefetched {
            write!(
                self.f,
                "\n{:i$}prefetch {}\n",
                "",
                follow_up.name,
                i = indent * 2
            )?;
            let mut printer = Printer::new(&follow_up.plan.columns, self.f);
            printer.rel(&follow_up.plan.rel, indent + 1)?;
            printer.terminal(&follow_up.plan.terminal, indent + 1)?;
        }
        Ok(())
    }

    fn nodes(&mut self, nodes: &[OutputNode]) -> fmt::Result {
        self.list(nodes, ", ", |p, node| match node {
            OutputNode::Column { name, column } => {
                write!(p.f, "{name}: ")?;
                p.column(*column)
            }
            OutputNode::Related {
                name, key, nodes, ..
            } => {
                write!(p.f, "{name}: {{key: ")?;
                p.column(*key)?;
                if !nodes.is_empty() {
                    p.f.write_str(", ")?;
                }
                p.nodes(nodes)?;
                p.f.write_char('}')
            }
            OutputNode::Tuple { name, columns } => {
                write!(p.f, "{name}: (")?;
                p.column_list(columns)?;
                p.f.write_char(')')
            }
        })
    }
}
