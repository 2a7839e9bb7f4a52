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

use std::fmt::{self, Display, Formatter, Write};

use bson::Bson;

use super::{
    AggregateCall, Cardinality, ColumnId, Columns, CompareOp, Conflict, DeletedBy, Deletion,
    FunctionCall, Join, JoinKind, JsonStep, Origin, Output, OutputNode, Pattern, Plan, Predicate,
    Rel, Scalar, SetOp, SortKey, SourceId, SubKind, SubPlan, Terminal,
};
use crate::queryset::{ArithmeticOp, NullsOrder};

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
    /// Between operators: a new line, or a bar inside subqueries.
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

    fn open(&mut self, indent: usize) -> fmt::Result {
        if self.inline {
            return Ok(());
        }
        write!(self.f, "{:indent$}", "", indent = indent * 2)
    }

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

    fn carried(&mut self, carried: &[SourceId]) -> fmt::Result {
        if !carried.is_empty() {
            self.f.write_str(" carrying ")?;
            self.list(carried, ", ", |p, id| {
                let name = p.columns.source(*id).map_or("?", |s| &s.name).to_owned();
                p.f.write_str(&name)
            })?;
        }
        Ok(())
    }

    fn rel(&mut self, rel: &Rel, indent: usize) -> fmt::Result {
        if let Some(input) = rel.input() {
            self.rel(input, indent)?;
        }
        self.open(indent)?;
        match rel {
            Rel::Scan(source) => {
                self.f.write_str("scan ")?;
                self.source(*source)?;
            }
            Rel::Raw { source, stages } => {
                self.f.write_str("raw ")?;
                self.source(*source)?;
                write!(self.f, " {} stages", stages.len())?;
            }
            Rel::Empty => self.f.write_str("empty")?,
            Rel::Unit => self.f.write_str("unit")?,
            Rel::Filter { predicate, .. } => {
                self.f.write_str("filter ")?;
                self.predicate(predicate, 0)?;
            }
            Rel::Join(join) => self.join(join)?,
            Rel::Extend { columns, .. } => {
                self.f.write_str("extend ")?;
                self.definitions(columns)?;
            }
            Rel::Aggregate {
                keys,
                carried,
                aggregates,
                ..
            } => {
                self.f.write_str("aggregate ")?;
                self.list(aggregates, ", ", |p, (id, call)| {
                    p.column(*id)?;
                    p.f.write_str(" = ")?;
                    p.call(call)
                })?;
                if !keys.is_empty() {
                    self.f
                        .write_str(if aggregates.is_empty() { "by " } else { " by " })?;
                    self.definitions(keys)?;
                }
                self.carried(carried)?;
            }
            Rel::Window {
                partition,
                order,
                outputs,
                ..
            } => {
                self.f.write_str("window ")?;
                self.list(outputs, ", ", |p, (id, window)| {
                    p.column(*id)?;
                    p.f.write_str(" = ")?;
                    p.call(&window.call)?;
                    if let Some(frame) = &window.frame {
                        write!(p.f, " {:?} {:?}..{:?}", frame.unit, frame.start, frame.end)?;
                    }
                    Ok(())
                })?;
                if !partition.is_empty() {
                    self.f.write_str(" partition by ")?;
                    self.list(partition, ", ", |p, s| p.scalar(s))?;
                }
                if !order.is_empty() {
                    self.f.write_str(" order by ")?;
                    self.keys(order)?;
                }
            }
            Rel::Distinct {
                columns, carried, ..
            } => {
                self.f.write_str("distinct ")?;
                self.list(columns, ", ", |p, id| p.column(*id))?;
                self.carried(carried)?;
            }
            Rel::DistinctOn {
                on, order, kept, ..
            } => {
                self.f.write_str("distinct on ")?;
                self.list(on, ", ", |p, s| p.scalar(s))?;
                if !order.is_empty() {
                    self.f.write_str(" order by ")?;
                    self.keys(order)?;
                }
                if let Some(kept) = kept {
                    self.f.write_str(" keeping ")?;
                    if kept.is_empty() {
                        self.f.write_str("nothing")?;
                    }
                    self.list(kept, ", ", |p, id| p.column(*id))?;
                }
            }
            Rel::Sort { keys, .. } => {
                self.f.write_str("sort ")?;
                self.keys(keys)?;
            }
            Rel::Slice { skip, limit, .. } => {
                write!(self.f, "slice {skip}..")?;
                if let Some(limit) = limit {
                    write!(self.f, "{}", skip.saturating_add(*limit))?;
                }
            }
            Rel::SetOp {
                op,
                inputs,
                columns,
            } => self.set_op(*op, inputs, columns, indent)?,
        }
        self.close()
    }

    fn set_op(
        &mut self,
        op: SetOp,
        inputs: &[(Rel, Vec<Scalar>)],
        columns: &[ColumnId],
        indent: usize,
    ) -> fmt::Result {
        self.f.write_str(match op {
            SetOp::Union => "union ",
            SetOp::UnionAll => "union all ",
            SetOp::Intersection => "intersection ",
            SetOp::Difference => "difference ",
        })?;
        self.list(columns, ", ", |p, id| p.column(*id))?;
        for (input, scalars) in inputs {
            if self.inline {
                self.f.write_str(" {")?;
            } else {
                self.f.write_char('\n')?;
            }
            self.rel(input, indent + 1)?;
            self.open(indent + 1)?;
            self.f.write_str("select ")?;
            self.list(scalars, ", ", |p, s| p.scalar(s))?;
            if self.inline {
                self.f.write_char('}')?;
            }
        }
        Ok(())
    }

    fn join(&mut self, join: &Join) -> fmt::Result {
        self.f.write_str(match join.kind {
            JoinKind::Inner => "join ",
            JoinKind::Left => "left join ",
        })?;
        self.source(join.source)?;
        self.f.write_str(match join.cardinality {
            Cardinality::One => " one on ",
            Cardinality::Many => " many on ",
        })?;
        self.list(&join.on, " and ", |p, (lhs, rhs)| {
            p.scalar(lhs)?;
            p.f.write_str(" = ")?;
            p.column(*rhs)
        })?;
        if let Some(condition) = &join.condition {
            self.f.write_str(" where ")?;
            self.predicate(condition, 0)?;
        }
        Ok(())
    }

    fn definitions(&mut self, columns: &[(ColumnId, Scalar)]) -> fmt::Result {
        self.list(columns, ", ", |p, (id, scalar)| {
            if *scalar == Scalar::Column(*id) {
                return p.column(*id);
            }
            p.column(*id)?;
            p.f.write_str(" = ")?;
            p.scalar(scalar)
        })
    }

    fn keys(&mut self, keys: &[SortKey]) -> fmt::Result {
        self.list(keys, ", ", |p, key| {
            p.scalar(&key.scalar)?;
            p.f.write_str(if key.desc { " desc" } else { " asc" })?;
            p.f.write_str(match key.nulls {
                Some(NullsOrder::First) => " nulls first",
                Some(NullsOrder::Last) => " nulls last",
                None => "",
            })
        })
    }

    fn call(&mut self, call: &AggregateCall) -> fmt::Result {
        write!(self.f, "{}(", call.function)?;
        if call.distinct {
            self.f.write_str("distinct ")?;
        }
        if call.args.is_empty() && call.function == "Count" {
            self.f.write_char('*')?;
        }
        self.list(&call.args, ", ", |p, s| p.scalar(s))?;
        if !call.order.is_empty() {
            self.f.write_str(" order by ")?;
            self.keys(&call.order)?;
        }
        self.f.write_char(')')?;
        if let Some(filter) = &call.filter {
            self.f.write_str(" where (")?;
            self.predicate(filter, 0)?;
            self.f.write_char(')')?;
        }
        if call.never_null && call.function == "Sum" {
            self.f.write_str(" or 0")?;
        }
        Ok(())
    }

    fn subplan(&mut self, sub: &SubPlan) -> fmt::Result {
        self.f.write_str(match sub.kind {
            SubKind::Scalar => "scalar {",
            SubKind::Array => "array {",
            SubKind::Exists => "exists {",
            SubKind::Set => "set {",
        })?;
        let inline = std::mem::replace(&mut self.inline, true);
        self.rel(&sub.rel, 0)?;
        self.f.write_str("select ")?;
        self.list(&sub.columns, ", ", |p, s| p.scalar(s))?;
        self.inline = inline;
        self.f.write_char('}')
    }

    fn literal(&mut self, value: &Bson) -> fmt::Result {
        match value {
            Bson::String(text) => write!(self.f, "{text:?}"),
            Bson::Null => self.f.write_str("null"),
            Bson::Int32(n) => write!(self.f, "{n}"),
            Bson::Int64(n) => write!(self.f, "{n}"),
            Bson::DateTime(date) => match date.try_to_rfc3339_string() {
                Ok(text) => self.f.write_str(&text),
                Err(_) => write!(self.f, "{date:?}"),
            },
            other => write!(self.f, "{other}"),
        }
    }

    fn scalar(&mut self, scalar: &Scalar) -> fmt::Result {
        match scalar {
            Scalar::Column(id) => self.column(*id),
            Scalar::Literal(literal) => self.literal(&literal.value),
            Scalar::Arithmetic { op, lhs, rhs, .. } => {
                self.f.write_char('(')?;
                self.scalar(lhs)?;
                write!(self.f, " {} ", arithmetic(*op))?;
                self.scalar(rhs)?;
                self.f.write_char(')')
            }
            Scalar::Call(call) => {
                let FunctionCall {
                    function,
                    args,
                    options,
                    ..
                } = &**call;
                write!(self.f, "{function}(")?;
                self.list(args, ", ", |p, s| p.scalar(s))?;
                for (i, (name, value)) in options.iter().enumerate() {
                    if i > 0 || !args.is_empty() {
                        self.f.write_str(", ")?;
                    }
                    write!(self.f, "{name}: {value:?}")?;
                }
                self.f.write_char(')')
            }
            Scalar::Case {
                when, otherwise, ..
            } => {
                self.f.write_str("case")?;
                for (condition, result) in when {
                    self.f.write_str(" when ")?;
                    self.predicate(condition, 0)?;
                    self.f.write_str(" then ")?;
                    self.scalar(result)?;
                }
                self.f.write_str(" else ")?;
                self.scalar(otherwise)?;
                self.f.write_str(" end")
            }
            Scalar::Predicate(p) => {
                self.f.write_char('[')?;
                self.predicate(p, 0)?;
                self.f.write_char(']')
            }
            Scalar::Json { base, steps, text } => {
                self.scalar(base)?;
                for step in steps {
                    match step {
                        JsonStep::Key(key) => write!(self.f, "->{key:?}")?,
                        JsonStep::Index(i) => write!(self.f, "->{i}")?,
                    }
                }
                if *text {
                    self.f.write_str("::text")?;
                }
                Ok(())
            }
            Scalar::List(items) => {
                self.f.write_char('(')?;
                self.list(items, ", ", |p, s| p.scalar(s))?;
                self.f.write_char(')')
            }
            Scalar::Subquery(sub) => self.subplan(sub),
            Scalar::Raw(value, _) => write!(self.f, "raw {value}"),
        }
    }

    /// `level` is the binding strength around it: 1 inside `and`, 2 inside `not`.
    fn predicate(&mut self, predicate: &Predicate, level: u8) -> fmt::Result {
        match predicate {
            Predicate::Const(Some(value)) => write!(self.f, "{value}"),
            Predicate::Const(None) => self.f.write_str("unknown"),
            Predicate::And(list) => self.junction(list, " and ", level > 0, 1),
            Predicate::Or(list) => self.junction(list, " or ", level > 0, 1),
            Predicate::Xor(list) => self.junction(list, " xor ", level > 0, 1),
            Predicate::Not(inner) => match &**inner {
                Predicate::IsNull(s) => {
                    self.scalar(s)?;
                    self.f.write_str(" is not null")
                }
                Predicate::In { lhs, list } => self.member(lhs, list, " not in ("),
                other => {
                    self.f.write_str("not ")?;
                    self.predicate(other, 2)
                }
            },
            Predicate::Compare { op, lhs, rhs } => {
                self.scalar(lhs)?;
                write!(self.f, " {} ", comparison(*op))?;
                self.scalar(rhs)
            }
            Predicate::IsNull(s) => {
                self.scalar(s)?;
                self.f.write_str(" is null")
            }
            Predicate::In { lhs, list } => self.member(lhs, list, " in ("),
            Predicate::Like {
                pattern,
                insensitive,
                lhs,
                rhs,
            } => {
                self.scalar(lhs)?;
                let i = if *insensitive { "i" } else { "" };
                write!(self.f, " {i}{} ", pattern_name(*pattern))?;
                self.scalar(rhs)
            }
            Predicate::InSubquery { lhs, query } => {
                self.list(lhs, ", ", |p, s| p.scalar(s))?;
                self.f.write_str(" in ")?;
                self.subplan(query)
            }
            Predicate::InParameter { lhs, parameter } => {
                self.scalar(lhs)?;
                write!(self.f, " in ${parameter}")
            }
            Predicate::Exists(query) => self.subplan(query),
            Predicate::AnyElement(any) => {
                self.f.write_str("any of ")?;
                self.scalar(&any.array)?;
                if let Some((start, stop)) = any.range {
                    write!(self.f, "[{start}:{stop}]")?;
                }
                for (id, scalar) in &any.given {
                    self.f.write_str(" with ")?;
                    self.scalar(&Scalar::Column(*id))?;
                    self.f.write_str(" = ")?;
                    self.scalar(scalar)?;
                }
                self.f.write_str(" (")?;
                self.predicate(&any.test, 0)?;
                self.f.write_char(')')
            }
            Predicate::Bool(s) => self.scalar(s),
            Predicate::Lookup { name, lhs, rhs, .. } => {
                self.scalar(lhs)?;
                write!(self.f, " {name} ")?;
                self.scalar(rhs)
            }
        }
    }

    fn member(&mut self, lhs: &Scalar, list: &[Scalar], word: &str) -> fmt::Result {
        self.scalar(lhs)?;
        self.f.write_str(word)?;
        self.list(list, ", ", |p, s| p.scalar(s))?;
        self.f.write_char(')')
    }

    fn junction(&mut self, list: &[Predicate], word: &str, wrap: bool, level: u8) -> fmt::Result {
        if wrap {
            self.f.write_char('(')?;
        }
        if list.is_empty() {
            write!(self.f, "nothing{word}")?;
        }
        self.list(list, word, |p, item| p.predicate(item, level))?;
        if wrap {
            self.f.write_char(')')?;
        }
        Ok(())
    }

    fn terminal(&mut self, terminal: &Terminal, indent: usize) -> fmt::Result {
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
            Terminal::Insert(insertion) => {
                let count = insertion.documents.len();
                write!(
                    self.f,
                    "insert {count} documents into {}",
                    insertion.collection
                )?;
                match &insertion.conflict {
                    Conflict::Fail => {}
                    Conflict::Ignore => self.f.write_str(", conflicts ignored")?,
                    Conflict::Update { unique, update } => {
                        let (unique, update) = (unique.join(", "), update.join(", "));
                        write!(self.f, ", {update} updated where {unique} is there")?;
                    }
                }
            }
            Terminal::Update { assignments, .. } => {
                self.f.write_str("update ")?;
                self.list(assignments, "; ", |p, assignment| {
                    write!(p.f, "{} of ", assignment.collection)?;
                    p.scalar(&assignment.key)?;
                    p.f.write_str(" set ")?;
                    p.list(&assignment.values, ", ", |p, (name, scalar)| {
                        write!(p.f, "{name} = ")?;
                        p.scalar(scalar)
                    })
                })?;
            }
            Terminal::Delete { source, deletion } => {
                self.f.write_str("delete ")?;
                self.source(*source)?;
                self.deletion(deletion)?;
            }
        }
        self.f.write_char('\n')
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
                p.list(columns, ", ", |p, id| p.column(*id))?;
                p.f.write_char(')')
            }
        })
    }
}

fn comparison(op: CompareOp) -> &'static str {
    match op {
        CompareOp::Eq => "=",
        CompareOp::Ne => "<>",
        CompareOp::Lt => "<",
        CompareOp::Lte => "<=",
        CompareOp::Gt => ">",
        CompareOp::Gte => ">=",
    }
}

fn arithmetic(op: ArithmeticOp) -> &'static str {
    match op {
        ArithmeticOp::Add => "+",
        ArithmeticOp::Sub => "-",
        ArithmeticOp::Mul => "*",
        ArithmeticOp::Div => "/",
        ArithmeticOp::Mod => "%",
        ArithmeticOp::Pow => "^",
        ArithmeticOp::BitAnd => "&",
        ArithmeticOp::BitOr => "|",
        ArithmeticOp::BitXor => "#",
        ArithmeticOp::ShiftLeft => "<<",
        ArithmeticOp::ShiftRight => ">>",
    }
}

fn pattern_name(pattern: Pattern) -> &'static str {
    match pattern {
        Pattern::Exact => "is",
        Pattern::Contains => "contains",
        Pattern::StartsWith => "startswith",
        Pattern::EndsWith => "endswith",
        Pattern::Regex => "regex",
    }
}
