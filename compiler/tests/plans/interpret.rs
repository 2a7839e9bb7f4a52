//! An interpreter of plans: relational algebra over rows in memory, as naive as can be.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::rc::Rc;

use bson::{Bson, Document};
use mqlc_compiler::plan::{
    AggregateCall, ColumnId, Columns, CompareOp, Join, JoinKind, JsonStep, Origin, Output,
    OutputNode, Pattern, Plan, Predicate, Rel, Scalar, SetOp, SortKey, SourceId, SubKind, SubPlan,
    Terminal,
};
use mqlc_compiler::queryset::{ArithmeticOp, NullsOrder, Value};

use super::Data;

/// The rows that a plan promises in some order, as positions in its output with their direction.
pub fn promised_order(plan: &Plan) -> Vec<(usize, bool)> {
    let Terminal::Rows { output, .. } = &plan.terminal else {
        return Vec::new();
    };
    let mut at = &plan.rel;
    loop {
        match at {
            Rel::Sort { keys, .. } => {
                return keys
                    .iter()
                    .map_while(|key| {
                        let Scalar::Column(id) = key.scalar else {
                            return None;
                        };
                        let place = output.nodes.iter().position(
                            |n| matches!(n, OutputNode::Column { column, .. } if *column == id),
                        )?;
                        Some((place, key.desc))
                    })
                    .collect();
            }
            Rel::Slice { input, .. } | Rel::Extend { input, .. } | Rel::Filter { input, .. } => {
                at = input;
            }
            _ => return Vec::new(),
        }
    }
}

/// The values of a plan's rows, in the order in which they come.
pub fn values(plan: &Plan, data: &Data) -> Vec<Vec<Bson>> {
    let interpreter = Interpreter {
        columns: &plan.columns,
        data,
    };
    let Terminal::Rows { output, .. } = &plan.terminal else {
        return Vec::new();
    };
    interpreter
        .rows(&plan.rel, &Row::default())
        .iter()
        .map(|row| {
            output
                .nodes
                .iter()
                .map(|node| match node {
                    OutputNode::Column { column, .. } => interpreter.column(*column, row),
                    _ => Bson::Null,
                })
                .collect()
        })
        .collect()
}

/// Whether rows are in a promised order.
pub fn in_order(rows: &[Vec<Bson>], promised: &[(usize, bool)]) -> bool {
    rows.windows(2).all(|pair| {
        for (place, desc) in promised {
            let mut o = order(&pair[0][*place], &pair[1][*place]);
            if *desc {
                o = o.reverse();
            }
            if o.is_ne() {
                return o.is_lt();
            }
        }
        true
    })
}

/// The result of a plan: one text a row, sorted.
pub fn interpret(plan: &Plan, data: &Data) -> Vec<String> {
    let interpreter = Interpreter {
        columns: &plan.columns,
        data,
    };
    let rows = interpreter.rows(&plan.rel, &Row::default());
    match &plan.terminal {
        Terminal::Count { limit } => {
            let n = limit.map_or(rows.len(), |l| rows.len().min(l as usize));
            vec![n.to_string()]
        }
        Terminal::Exists => vec![(!rows.is_empty()).to_string()],
        Terminal::Rows { output, .. } | Terminal::Aggregate { output } => {
            let mut texts: Vec<String> = rows
                .iter()
                .map(|row| interpreter.output(output, row))
                .collect();
            texts.sort();
            texts
        }
        other => panic!("no interpretation of {other:?}"),
    }
}

/// One row with the rows around it.
#[derive(Debug, Clone, Default)]
pub struct Row {
    documents: HashMap<SourceId, Rc<Document>>,
    values: HashMap<ColumnId, Bson>,
}

/// The rows of operators.
pub struct Interpreter<'a> {
    pub columns: &'a Columns,
    pub data: &'a Data,
}

impl Interpreter<'_> {
    fn documents(&self, source: SourceId) -> Vec<Rc<Document>> {
        let collection = &self.columns.source(source).expect("a source").collection;
        self.data
            .get(collection)
            .map(|d| d.iter().cloned().map(Rc::new).collect())
            .unwrap_or_default()
    }

    pub fn rows(&self, rel: &Rel, outer: &Row) -> Vec<Row> {
        match rel {
            Rel::Scan(source) => self
                .documents(*source)
                .into_iter()
                .map(|d| with_document(outer, *source, d))
                .collect(),
            Rel::Raw { .. } => panic!("raw stages have no interpretation"),
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
                let mut rows = self.rows(input, outer);
                if !order.is_empty() {
                    self.sort(&mut rows, order);
                }
                let keys: Vec<Vec<Bson>> = rows
                    .iter()
                    .map(|row| partition.iter().map(|s| self.value(s, row)).collect())
                    .collect();
                let before = rows.clone();
                for (i, row) in rows.iter_mut().enumerate() {
                    let peers: Vec<Row> = before
                        .iter()
                        .zip(&keys)
                        .enumerate()
                        .filter(|(j, (_, key))| {
                            same(key, &keys[i]) && (order.is_empty() || *j <= i)
                        })
                        .map(|(_, (r, _))| r.clone())
                        .collect();
                    for (id, window) in outputs {
                        let value = match window.call.function.as_str() {
                            "RowNumber" => Bson::Int64(peers.len() as i64),
                            _ => self.aggregate(&window.call, &peers),
                        };
                        row.values.insert(*id, value);
                    }
                }
                rows
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
            Rel::DistinctOn { input, on, order } => {
                let mut seen: Vec<Vec<Bson>> = Vec::new();
                let mut rows = self.rows(input, outer);
                rows.retain(|row| {
                    let key: Vec<Bson> = on.iter().map(|s| self.value(s, row)).collect();
                    let fresh = !seen.iter().any(|k| same(k, &key));
                    seen.push(key);
                    fresh
                });
                self.sort(&mut rows, order);
                rows
            }
            Rel::Sort { input, keys } => {
                let mut rows = self.rows(input, outer);
                self.sort(&mut rows, keys);
                rows
            }
            Rel::Slice { input, skip, limit } => self
                .rows(input, outer)
                .into_iter()
                .skip(*skip as usize)
                .take(limit.map_or(usize::MAX, |l| l as usize))
                .collect(),
            Rel::SetOp {
                op,
                inputs,
                columns,
            } => self.set_op(*op, inputs, columns, outer),
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
                    a != Bson::Null && b != Bson::Null && order(&a, &b).is_eq()
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

    fn sort(&self, rows: &mut [Row], keys: &[SortKey]) {
        rows.sort_by(|a, b| {
            for key in keys {
                let (x, y) = (self.value(&key.scalar, a), self.value(&key.scalar, b));
                let by_value = |x: &Bson, y: &Bson| {
                    let o = order(x, y);
                    if key.desc { o.reverse() } else { o }
                };
                let o = match (&x, &y, key.nulls) {
                    (Bson::Null, Bson::Null, _) => Ordering::Equal,
                    (Bson::Null, _, Some(NullsOrder::First))
                    | (_, Bson::Null, Some(NullsOrder::Last)) => Ordering::Less,
                    (Bson::Null, _, Some(NullsOrder::Last))
                    | (_, Bson::Null, Some(NullsOrder::First)) => Ordering::Greater,
                    _ => by_value(&x, &y),
                };
                if o.is_ne() {
                    return o;
                }
            }
            Ordering::Equal
        });
    }

    fn output(&self, output: &Output, row: &Row) -> String {
        self.nodes(&output.nodes, row)
    }

    fn nodes(&self, nodes: &[OutputNode], row: &Row) -> String {
        let parts: Vec<String> = nodes
            .iter()
            .map(|node| match node {
                OutputNode::Column { name, column } => {
                    format!("{name}: {}", show(&self.column(*column, row)))
                }
                OutputNode::Related {
                    name, key, nodes, ..
                } => match self.column(*key, row) {
                    Bson::Null => format!("{name}: null"),
                    _ => format!("{name}: {{{}}}", self.nodes(nodes, row)),
                },
                OutputNode::Tuple { name, columns } => {
                    let parts: Vec<String> = columns
                        .iter()
                        .map(|id| show(&self.column(*id, row)))
                        .collect();
                    format!("{name}: ({})", parts.join(", "))
                }
            })
            .collect();
        parts.join(", ")
    }

    pub fn column(&self, id: ColumnId, row: &Row) -> Bson {
        if let Some(value) = row.values.get(&id) {
            return value.clone();
        }
        let Origin::Stored { source, path, .. } = &self.columns.get(id).expect("a column").origin
        else {
            return Bson::Null;
        };
        let Some(document) = row.documents.get(source) else {
            return Bson::Null;
        };
        let mut at = Bson::Document((**document).clone());
        for key in path {
            at = match at {
                Bson::Document(d) => d.get(key).cloned().unwrap_or(Bson::Null),
                _ => Bson::Null,
            };
        }
        at
    }

    fn subquery(&self, sub: &SubPlan, row: &Row) -> Vec<Vec<Bson>> {
        self.rows(&sub.rel, row)
            .iter()
            .map(|r| sub.columns.iter().map(|s| self.value(s, r)).collect())
            .collect()
    }

    pub fn value(&self, scalar: &Scalar, row: &Row) -> Bson {
        match scalar {
            Scalar::Column(id) => self.column(*id, row),
            Scalar::Literal(literal) => literal.value.clone(),
            Scalar::Arithmetic { op, lhs, rhs, .. } => {
                let (a, b) = (self.value(lhs, row), self.value(rhs, row));
                let (Some(a), Some(b)) = (whole(&a), whole(&b)) else {
                    return Bson::Null;
                };
                let result = match op {
                    ArithmeticOp::Add => a.checked_add(b),
                    ArithmeticOp::Sub => a.checked_sub(b),
                    ArithmeticOp::Mul => a.checked_mul(b),
                    _ => panic!("no interpretation of {op:?}"),
                };
                result.map_or(Bson::Null, Bson::Int64)
            }
            Scalar::Call {
                function,
                args,
                options,
                ..
            } => {
                let args: Vec<Bson> = args.iter().map(|s| self.value(s, row)).collect();
                call(function, &args, options)
            }
            Scalar::Case {
                when, otherwise, ..
            } => {
                for (condition, result) in when {
                    if self.truth(condition, row) == Some(true) {
                        return self.value(result, row);
                    }
                }
                self.value(otherwise, row)
            }
            Scalar::Predicate(p) => self.truth(p, row).map_or(Bson::Null, Bson::Boolean),
            Scalar::Json { base, steps, .. } => {
                let mut at = self.value(base, row);
                for step in steps {
                    at = match (at, step) {
                        (Bson::Document(d), JsonStep::Key(k)) => {
                            d.get(k).cloned().unwrap_or(Bson::Null)
                        }
                        (Bson::Array(a), JsonStep::Index(i)) => usize::try_from(*i)
                            .ok()
                            .and_then(|i| a.get(i).cloned())
                            .unwrap_or(Bson::Null),
                        _ => Bson::Null,
                    };
                }
                at
            }
            Scalar::List(items) => Bson::Array(items.iter().map(|s| self.value(s, row)).collect()),
            Scalar::Subquery(sub) => {
                let rows = self.subquery(sub, row);
                match sub.kind {
                    SubKind::Scalar => rows
                        .first()
                        .and_then(|r| r.first().cloned())
                        .unwrap_or(Bson::Null),
                    _ => Bson::Array(rows.into_iter().flatten().collect()),
                }
            }
            Scalar::Raw(..) => panic!("raw expressions have no interpretation"),
        }
    }

    pub fn truth(&self, predicate: &Predicate, row: &Row) -> Option<bool> {
        match predicate {
            Predicate::Const(value) => *value,
            Predicate::And(list) => {
                let mut result = Some(true);
                for p in list {
                    match self.truth(p, row) {
                        Some(false) => return Some(false),
                        None => result = None,
                        Some(true) => {}
                    }
                }
                result
            }
            Predicate::Or(list) => {
                let mut result = Some(false);
                for p in list {
                    match self.truth(p, row) {
                        Some(true) => return Some(true),
                        None => result = None,
                        Some(false) => {}
                    }
                }
                result
            }
            Predicate::Xor(list) => {
                let mut result = false;
                for p in list {
                    result ^= self.truth(p, row)?;
                }
                Some(result)
            }
            Predicate::Not(inner) => self.truth(inner, row).map(|v| !v),
            Predicate::Compare { op, lhs, rhs } => {
                compared(*op, &self.value(lhs, row), &self.value(rhs, row))
            }
            Predicate::IsNull(s) => Some(self.value(s, row) == Bson::Null),
            Predicate::In { lhs, list } => {
                let lhs = self.value(lhs, row);
                let list = list.iter().map(|s| vec![self.value(s, row)]).collect();
                found(&[lhs], list)
            }
            Predicate::InSubquery { lhs, query } => {
                let lhs: Vec<Bson> = lhs.iter().map(|s| self.value(s, row)).collect();
                found(&lhs, self.subquery(query, row))
            }
            Predicate::Like {
                pattern,
                insensitive,
                lhs,
                rhs,
            } => {
                let (Bson::String(mut text), Bson::String(mut part)) =
                    (self.value(lhs, row), self.value(rhs, row))
                else {
                    return None;
                };
                if *insensitive {
                    text = text.to_lowercase();
                    part = part.to_lowercase();
                }
                Some(match pattern {
                    Pattern::Exact => text == part,
                    Pattern::Contains => text.contains(&part),
                    Pattern::StartsWith => text.starts_with(&part),
                    Pattern::EndsWith => text.ends_with(&part),
                    Pattern::Regex => panic!("no interpretation of regular expressions"),
                })
            }
            Predicate::Exists(query) => Some(!self.rows(&query.rel, row).is_empty()),
            Predicate::Bool(s) => match self.value(s, row) {
                Bson::Boolean(value) => Some(value),
                Bson::Null => None,
                other => panic!("{other} is no truth value"),
            },
            Predicate::InParameter { .. } | Predicate::Lookup { .. } => {
                panic!("no interpretation of {predicate:?}")
            }
        }
    }

    fn aggregate(&self, call: &AggregateCall, rows: &[Row]) -> Bson {
        let mut rows: Vec<Row> = rows
            .iter()
            .filter(|row| {
                call.filter
                    .as_ref()
                    .is_none_or(|f| self.truth(f, row) == Some(true))
            })
            .cloned()
            .collect();
        self.sort(&mut rows, &call.order);
        let Some(arg) = call.args.first() else {
            return Bson::Int64(rows.len() as i64);
        };
        let mut values: Vec<Bson> = rows
            .iter()
            .map(|row| self.value(arg, row))
            .filter(|v| *v != Bson::Null || call.function == "ArrayAgg")
            .collect();
        if call.distinct {
            values.sort_by(order);
            values.dedup_by(|a, b| order(a, b).is_eq());
        }
        match call.function.as_str() {
            "Count" => Bson::Int64(values.len() as i64),
            "Sum" if values.is_empty() => Bson::Null,
            "Sum" => Bson::Int64(values.iter().filter_map(whole).sum()),
            "Min" => values.into_iter().min_by(order).unwrap_or(Bson::Null),
            "Max" => values.into_iter().max_by(order).unwrap_or(Bson::Null),
            "ArrayAgg" => Bson::Array(values),
            other => panic!("no interpretation of {other}"),
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

fn found(lhs: &[Bson], list: Vec<Vec<Bson>>) -> Option<bool> {
    let mut result = Some(false);
    for row in list {
        let mut equal = Some(true);
        for (a, b) in lhs.iter().zip(&row) {
            match compared(CompareOp::Eq, a, b) {
                Some(false) => equal = Some(false),
                None if equal == Some(true) => equal = None,
                _ => {}
            }
        }
        match equal {
            Some(true) => return Some(true),
            None => result = None,
            Some(false) => {}
        }
    }
    result
}

fn whole(value: &Bson) -> Option<i64> {
    match value {
        Bson::Int32(n) => Some(i64::from(*n)),
        Bson::Int64(n) => Some(*n),
        _ => None,
    }
}

/// A comparison; values of other types are never in order, as in the match language.
fn compared(op: CompareOp, a: &Bson, b: &Bson) -> Option<bool> {
    if *a == Bson::Null || *b == Bson::Null {
        return None;
    }
    if rank(a) != rank(b) {
        return Some(op == CompareOp::Ne);
    }
    // NaN is in no order with numbers, and equal to itself.
    if let (Bson::Double(x), Bson::Double(y)) = (a, b)
        && x.is_nan() != y.is_nan()
    {
        return Some(op == CompareOp::Ne);
    }
    let o = order(a, b);
    Some(match op {
        CompareOp::Eq => o.is_eq(),
        CompareOp::Ne => o.is_ne(),
        CompareOp::Lt => o.is_lt(),
        CompareOp::Lte => o.is_le(),
        CompareOp::Gt => o.is_gt(),
        CompareOp::Gte => o.is_ge(),
    })
}

fn rank(value: &Bson) -> u8 {
    match value {
        Bson::Null => 0,
        Bson::Int32(_) | Bson::Int64(_) | Bson::Double(_) => 1,
        Bson::String(_) => 2,
        Bson::Document(_) => 3,
        Bson::Array(_) => 4,
        Bson::Boolean(_) => 6,
        Bson::DateTime(_) => 7,
        other => panic!("no interpretation of {other}"),
    }
}

/// MongoDB's order of values.
pub fn order(a: &Bson, b: &Bson) -> Ordering {
    match (a, b) {
        (Bson::String(a), Bson::String(b)) => a.cmp(b),
        (Bson::Boolean(a), Bson::Boolean(b)) => a.cmp(b),
        (Bson::DateTime(a), Bson::DateTime(b)) => a.cmp(b),
        (Bson::Array(a), Bson::Array(b)) => a
            .iter()
            .zip(b)
            .map(|(x, y)| order(x, y))
            .find(|o| o.is_ne())
            .unwrap_or(a.len().cmp(&b.len())),
        (Bson::Document(a), Bson::Document(b)) => a
            .iter()
            .zip(b)
            .map(|((k, x), (l, y))| k.cmp(l).then(order(x, y)))
            .find(|o| o.is_ne())
            .unwrap_or(a.len().cmp(&b.len())),
        _ if rank(a) == 1 && rank(b) == 1 => match (whole(a), whole(b)) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => {
                let (x, y) = (number(a), number(b));
                x.partial_cmp(&y)
                    .unwrap_or_else(|| y.is_nan().cmp(&x.is_nan()))
            }
        },
        _ => rank(a).cmp(&rank(b)),
    }
}

fn number(value: &Bson) -> f64 {
    match value {
        Bson::Double(n) => *n,
        other => whole(other).expect("a number") as f64,
    }
}

fn same(a: &[Bson], b: &[Bson]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| order(x, y).is_eq())
}

fn show(value: &Bson) -> String {
    match value {
        Bson::Int32(n) => n.to_string(),
        other => other.to_string(),
    }
}

fn call(name: &str, args: &[Bson], options: &indexmap::IndexMap<String, Value>) -> Bson {
    if name == "Coalesce" {
        return args
            .iter()
            .find(|v| **v != Bson::Null)
            .cloned()
            .unwrap_or(Bson::Null);
    }
    if name == "Now" {
        return Bson::DateTime(bson::DateTime::from_millis(1_700_000_000_000));
    }
    match (name, args.first()) {
        (_, None | Some(Bson::Null)) => Bson::Null,
        ("Lower", Some(Bson::String(s))) => s.to_lowercase().into(),
        ("Upper", Some(Bson::String(s))) => s.to_uppercase().into(),
        ("Length", Some(Bson::String(s))) => Bson::Int64(s.chars().count() as i64),
        ("Abs", Some(v)) => whole(v).map_or(Bson::Null, |n| Bson::Int64(n.abs())),
        (_, Some(Bson::DateTime(d))) => date_function(name, *d, options),
        (name, Some(v)) => panic!("no interpretation of {name}({v})"),
    }
}

fn date_function(
    name: &str,
    date: bson::DateTime,
    options: &indexmap::IndexMap<String, Value>,
) -> Bson {
    let zone = match options.get("tzinfo") {
        Some(Value::Str(zone)) => zone.as_str(),
        _ => "UTC",
    };
    let at = jiff::Timestamp::from_millisecond(date.timestamp_millis())
        .expect("a date")
        .in_tz(zone)
        .expect("a zone");
    match (name, options.get("lookup_name")) {
        ("Extract", Some(Value::Str(part))) if part == "year" => Bson::Int64(at.year().into()),
        ("Extract", Some(Value::Str(part))) if part == "month" => Bson::Int64(at.month().into()),
        other => panic!("no interpretation of {other:?}"),
    }
}
