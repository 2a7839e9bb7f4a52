//! Relational operators.

use std::cmp::Ordering;
use std::rc::Rc;

use bson::{Bson, Document};
use mqlc_compiler::plan::{
    ColumnId, Join, JoinKind, Rel, Scalar, SearchMeta, SetOp, SortKey, SourceId,
};
use mqlc_compiler::queryset::NullsOrder;

use super::order::{compared, order, same};
use super::{Interpreter, Row};

impl Row {
    /// Rows that nothing can tell apart.
    fn is_same(&self, other: &Row) -> bool {
        self.documents.len() == other.documents.len()
            && self.documents.iter().all(|(source, document)| {
                other
                    .documents
                    .get(source)
                    .is_some_and(|d| Rc::ptr_eq(d, document) || d == document)
            })
            && self.values == other.values
    }
}

impl Interpreter<'_> {
    fn documents(&self, source: SourceId) -> Vec<Rc<Document>> {
        let collection = &self.columns.source(source).expect("a source").collection;
        self.data
            .get(&**collection)
            .map(|d| d.iter().cloned().map(Rc::new).collect())
            .unwrap_or_default()
    }

    pub fn rows(&self, rel: &Rel, outer: &Row) -> Vec<Row> {
        let mut outer = outer.clone();
        outer.tie = 0;
        let outer = &outer;
        match rel {
            Rel::Scan(source) => self
                .documents(*source)
                .into_iter()
                .map(|d| with_document(outer, *source, d))
                .collect(),
            Rel::Raw { .. } => panic!("raw stages have no interpretation"),
            // As good as any: it finds everything, and earlier documents fit better.
            Rel::Search(search) => {
                let documents = self.documents(search.source).into_iter();
                let scores = (0_i64..).map(|i| Bson::Int64(-i));
                documents
                    .zip(scores)
                    .map(|(document, score)| {
                        let mut row = with_document(outer, search.source, document);
                        for (id, meta) in &search.columns {
                            let told = match meta {
                                SearchMeta::Score => score.clone(),
                                _ => Bson::Null,
                            };
                            row.values.insert(*id, told);
                        }
                        row
                    })
                    .collect()
            }
            Rel::Empty => Vec::new(),
            Rel::Unit => vec![outer.clone()],
            Rel::Filter { input, predicate } => {
                let mut rows = self.rows(input, outer);
                rows.retain(|row| self.truth(predicate, row) == Some(true));
                rows
            }
            Rel::Join(join) => self.join(join, outer),
            Rel::Extend { input, columns } => {
                let mut rows = self.rows(input, outer);
                for row in &mut rows {
                    for (id, scalar) in columns {
                        let value = self.value(scalar, row);
                        row.values.insert(*id, value);
                    }
                }
                rows
            }
            Rel::Aggregate {
                input,
                keys,
                carried,
                aggregates,
            } => {
                let rows = self.rows(input, outer);
                let mut groups: Vec<(Vec<Bson>, Vec<Row>)> = Vec::new();
                if keys.is_empty() {
                    groups.push((Vec::new(), Vec::new()));
                }
                for row in rows {
                    let key: Vec<Bson> = keys.iter().map(|(_, s)| self.value(s, &row)).collect();
                    match groups.iter_mut().find(|(k, _)| same(k, &key)) {
                        Some((_, members)) => members.push(row),
                        None => groups.push((key, vec![row])),
                    }
                }
                groups
                    .into_iter()
                    .map(|(key, members)| {
                        let mut row = carry(outer, carried, members.first());
                        for ((id, _), value) in keys.iter().zip(key) {
                            row.values.insert(*id, value);
                        }
                        for (id, call) in aggregates {
                            row.values.insert(*id, self.aggregate(call, &members));
                        }
                        row
                    })
                    .collect()
            }
            Rel::Window {
                input,
                partition,
                order,
                outputs,
            } => {
                let rows = self.rows(input, outer);
                self.window(rows, partition, order, outputs)
            }
            Rel::Distinct {
                input,
                columns,
                carried,
            } => {
                let mut seen: Vec<Vec<Bson>> = Vec::new();
                let mut result = Vec::new();
                for row in self.rows(input, outer) {
                    let key: Vec<Bson> = columns.iter().map(|id| self.column(*id, &row)).collect();
                    if !seen.iter().any(|k| same(k, &key)) {
                        let mut kept = carry(outer, carried, Some(&row));
                        for (id, value) in columns.iter().zip(&key) {
                            kept.values.insert(*id, value.clone());
                        }
                        seen.push(key);
                        result.push(kept);
                    }
                }
                result
            }
            Rel::DistinctOn {
                input, on, order, ..
            } => {
                let mut seen: Vec<(Vec<Bson>, Row)> = Vec::new();
                let mut rows = self.rows(input, outer);
                rows.retain(|row| {
                    let key: Vec<Bson> = on.iter().map(|s| self.value(s, row)).collect();
                    match seen.iter().find(|(k, _)| same(k, &key)) {
                        Some((_, first)) => {
                            if first.tie == row.tie && !first.is_same(row) {
                                self.unsure();
                            }
                            false
                        }
                        None => {
                            seen.push((key, row.clone()));
                            true
                        }
                    }
                });
                if !order.is_empty() {
                    self.sort(&mut rows, order);
                }
                rows
            }
            Rel::Sort { input, keys } => {
                let mut rows = self.rows(input, outer);
                self.sort(&mut rows, keys);
                rows
            }
            Rel::Slice { input, skip, limit } => {
                let rows = self.rows(input, outer);
                let start = rows.len().min(usize::try_from(*skip).unwrap_or(usize::MAX));
                let stop = limit.map_or(rows.len(), |n| {
                    start
                        .saturating_add(usize::try_from(n).unwrap_or(usize::MAX))
                        .min(rows.len())
                });
                if start < stop {
                    self.cut(&rows, start);
                    self.cut(&rows, stop);
                }
                rows[start..stop].to_vec()
            }
            Rel::SetOp {
                op,
                inputs,
                columns,
            } => self.set_op(*op, inputs, columns, outer),
        }
    }

    /// A cut between rows that are equal in their order takes any of them.
    fn cut(&self, rows: &[Row], at: usize) {
        if at == 0 || at >= rows.len() || rows[at - 1].tie != rows[at].tie {
            return;
        }
        let tied = rows.iter().filter(|r| r.tie == rows[at].tie);
        if !tied.into_iter().all(|r| r.is_same(&rows[at])) {
            self.unsure();
        }
    }

    fn set_op(
        &self,
        op: SetOp,
        inputs: &[(Rel, Vec<Scalar>)],
        columns: &[ColumnId],
        outer: &Row,
    ) -> Vec<Row> {
        let mut lists = inputs.iter().map(|(rel, scalars)| {
            self.rows(rel, outer)
                .iter()
                .map(|row| scalars.iter().map(|s| self.value(s, row)).collect())
                .collect::<Vec<Vec<Bson>>>()
        });
        let mut result = lists.next().unwrap_or_default();
        for list in lists {
            match op {
                SetOp::Union | SetOp::UnionAll => result.extend(list),
                SetOp::Intersection => result.retain(|row| list.iter().any(|r| same(r, row))),
                SetOp::Difference => result.retain(|row| !list.iter().any(|r| same(r, row))),
            }
        }
        if op != SetOp::UnionAll {
            let mut seen: Vec<Vec<Bson>> = Vec::new();
            result.retain(|row| {
                let fresh = !seen.iter().any(|r| same(r, row));
                seen.push(row.clone());
                fresh
            });
        }
        result
            .into_iter()
            .map(|values| {
                let mut row = outer.clone();
                for (id, value) in columns.iter().zip(values) {
                    row.values.insert(*id, value);
                }
                row
            })
            .collect()
    }

    fn join(&self, join: &Join, outer: &Row) -> Vec<Row> {
        let mut result = Vec::new();
        let documents = self.documents(join.source);
        for row in self.rows(&join.input, outer) {
            let mut matched = false;
            for document in &documents {
                let both = with_document(&row, join.source, document.clone());
                let equal = join.on.iter().all(|(lhs, rhs)| {
                    let (a, b) = (self.value(lhs, &row), self.column(*rhs, &both));
                    compared(mqlc_compiler::plan::CompareOp::Eq, &a, &b) == Some(true)
                });
                let fits = equal
                    && join
                        .condition
                        .as_ref()
                        .is_none_or(|c| self.truth(c, &both) == Some(true));
                if fits {
                    matched = true;
                    result.push(both);
                }
            }
            if !matched && join.kind == JoinKind::Left {
                result.push(row);
            }
        }
        result
    }

    /// How two rows stand in an order.
    pub(super) fn place(&self, keys: &[SortKey], a: &Row, b: &Row) -> Ordering {
        for key in keys {
            let (x, y) = (self.value(&key.scalar, a), self.value(&key.scalar, b));
            let o = match (&x, &y, key.nulls) {
                (Bson::Null, Bson::Null, _) => Ordering::Equal,
                (Bson::Null, _, Some(NullsOrder::First))
                | (_, Bson::Null, Some(NullsOrder::Last)) => Ordering::Less,
                (Bson::Null, _, Some(NullsOrder::Last))
                | (_, Bson::Null, Some(NullsOrder::First)) => Ordering::Greater,
                _ if key.desc => order(&y, &x),
                _ => order(&x, &y),
            };
            if o.is_ne() {
                return o;
            }
        }
        Ordering::Equal
    }

    /// Sorts, and numbers the rows by their place.
    pub(super) fn sort(&self, rows: &mut [Row], keys: &[SortKey]) {
        rows.sort_by(|a, b| self.place(keys, a, b));
        let mut tie = 0;
        for i in 0..rows.len() {
            if i > 0 && self.place(keys, &rows[i - 1], &rows[i]).is_ne() {
                tie += 1;
            }
            rows[i].tie = tie;
        }
    }
}

fn with_document(row: &Row, source: SourceId, document: Rc<Document>) -> Row {
    let mut row = row.clone();
    row.documents.insert(source, document);
    row
}

/// A new row that keeps only some documents of another.
fn carry(outer: &Row, carried: &[SourceId], from: Option<&Row>) -> Row {
    let mut row = outer.clone();
    for source in carried {
        if let Some(document) = from.and_then(|r| r.documents.get(source)) {
            row.documents.insert(*source, document.clone());
        }
    }
    row
}
