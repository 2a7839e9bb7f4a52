//! Relational operators, one a line.

use std::fmt::{self, Write};

use super::Printer;
use crate::plan::{
    AggregateCall, Cardinality, ColumnId, Join, JoinKind, Rel, Scalar, SetOp, SortKey, SourceId,
    WindowCall,
};
use crate::queryset::NullsOrder;

impl Printer<'_, '_, '_> {
    pub(super) fn rel(&mut self, rel: &Rel, indent: usize) -> fmt::Result {
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
            Rel::Search(search) => {
                self.f.write_str("search ")?;
                self.source(search.source)?;
                write!(self.f, " by {} {}", search.stage.name(), search.spec)?;
                for (id, meta) in &search.columns {
                    self.f.write_str(", ")?;
                    self.column(*id)?;
                    write!(self.f, " = {}", meta.name(search.stage))?;
                }
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
            } => self.aggregate(keys, carried, aggregates)?,
            Rel::Window {
                partition,
                order,
                outputs,
                ..
            } => self.window(partition, order, outputs)?,
            Rel::Distinct {
                columns, carried, ..
            } => {
                self.f.write_str("distinct ")?;
                self.column_list(columns)?;
                self.carried(carried)?;
            }
            Rel::DistinctOn {
                on, order, kept, ..
            } => self.distinct_on(on, order, kept.as_deref())?,
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

    fn aggregate(
        &mut self,
        keys: &[(ColumnId, Scalar)],
        carried: &[SourceId],
        aggregates: &[(ColumnId, AggregateCall)],
    ) -> fmt::Result {
        self.f.write_str("aggregate")?;
        if !aggregates.is_empty() {
            self.f.write_char(' ')?;
        }
        self.list(aggregates, ", ", |p, (id, call)| {
            p.column(*id)?;
            p.f.write_str(" = ")?;
            p.call(call)
        })?;
        if !keys.is_empty() {
            self.f.write_str(" by ")?;
            self.definitions(keys)?;
        }
        self.carried(carried)
    }

    fn window(
        &mut self,
        partition: &[Scalar],
        order: &[SortKey],
        outputs: &[(ColumnId, WindowCall)],
    ) -> fmt::Result {
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
            self.scalars(partition)?;
        }
        self.order(order)
    }

    fn distinct_on(
        &mut self,
        on: &[Scalar],
        order: &[SortKey],
        kept: Option<&[ColumnId]>,
    ) -> fmt::Result {
        self.f.write_str("distinct on ")?;
        self.scalars(on)?;
        self.order(order)?;
        match kept {
            None => Ok(()),
            Some([]) => self.f.write_str(" keeping nothing"),
            Some(kept) => {
                self.f.write_str(" keeping ")?;
                self.column_list(kept)
            }
        }
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
        self.column_list(columns)?;
        for (input, scalars) in inputs {
            if self.inline {
                self.f.write_str(" {")?;
            } else {
                self.f.write_char('\n')?;
            }
            self.rel(input, indent + 1)?;
            self.open(indent + 1)?;
            self.f.write_str("select ")?;
            self.scalars(scalars)?;
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

    fn order(&mut self, keys: &[SortKey]) -> fmt::Result {
        if keys.is_empty() {
            return Ok(());
        }
        self.f.write_str(" order by ")?;
        self.keys(keys)
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
        self.scalars(&call.args)?;
        self.order(&call.order)?;
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
}
