//! What `aggregate()` gives where no row matches: told by the shape where it is known, by the pipeline elsewhere.

use std::collections::HashMap;

use bson::Bson;

use super::Lowerer;
use super::rel::is_empty;
use super::scope::Val;
use crate::error::Result;
use crate::functions::NullRule;
use crate::mql::{Accumulator, Expr, Stage};
use crate::plan::{
    AggregateCall, ArrayFact, ColumnId, FunctionCall, Output, OutputNode, Rel, RowKind, Scalar,
};
use crate::program::Program;
use crate::shape::{RowShape, Shape};

impl Lowerer<'_> {
    /// The single row of an aggregate.
    pub fn aggregate_row(
        &mut self,
        rel: &Rel,
        output: &Output,
        program: &mut Program,
    ) -> Result<Shape> {
        let mut known = HashMap::new();
        self.without_rows(rel, &mut known);
        let mut empty = Vec::new();
        let mut decided = true;
        for node in &output.nodes {
            if let OutputNode::Column { name, column } = node {
                match known.get(column) {
                    Some(value) => empty.push((name.clone(), value.clone())),
                    None => decided = false,
                }
            }
        }
        if decided && input_is_empty(rel) {
            let row = RowShape {
                kind: RowKind::Values,
                nodes: self.unfilled(&output.nodes)?,
                attached: Vec::new(),
            };
            return Ok(Shape::Aggregate { row, empty });
        }
        self.aggregate_rel(rel, !decided)?;
        let row = self.project_rows(output, &[], Vec::new(), program)?;
        Ok(Shape::Aggregate { row, empty })
    }

    /// The stages of an aggregate without groups; with `always` there is a row even if none matches.
    fn aggregate_rel(&mut self, rel: &Rel, always: bool) -> Result<()> {
        match rel {
            Rel::Extend { input, columns } => {
                self.aggregate_rel(input, always)?;
                self.extend(columns)
            }
            Rel::Aggregate { keys, .. } if keys.is_empty() => {
                self.shape_knows = !always;
                self.rel(rel)
            }
            other => self.rel(other),
        }
    }

    /// The columns of an aggregate without groups over no rows: constants.
    pub fn nothing_aggregated(&mut self, aggregates: &[(ColumnId, AggregateCall)]) -> Result<()> {
        for (id, call) in aggregates {
            let empty = self.registry.empty_value(&call.function);
            let val = Val {
                nullable: empty == Bson::Null,
                array: ArrayFact::No,
                expr: Expr::Literal(empty),
                ty: call.ty.clone(),
            };
            self.scope()?.columns.insert(*id, val);
        }
        Ok(())
    }

    /// After a `$group` without keys: its row where no row matches, with counts of 0 and everything else NULL.
    pub fn row_of_nothing(&mut self, aggregates: &[(ColumnId, AggregateCall)]) -> Result<()> {
        let mut zeros = Vec::new();
        for (id, call) in aggregates {
            if self.registry.empty_value(&call.function) != Bson::Null
                && let Expr::Field(path) = self.column(*id)?.expr
            {
                zeros.extend(path.iter().map(String::from));
            }
        }
        // Sets that the `$group` collected are counted by a `$set` after it.
        let stages = &mut self.scope()?.stages;
        let counts = stages
            .iter()
            .rev()
            .take_while(|stage| matches!(stage, Stage::Set(_)))
            .count();
        let after = stages.split_off(stages.len().saturating_sub(counts));
        let Some(Stage::Group { fields, .. }) = stages.last() else {
            stages.extend(after);
            return Ok(());
        };
        let nothing = fields
            .iter()
            .map(|(name, accumulator)| (name.clone(), nothing(accumulator, zeros.contains(name))))
            .collect();
        self.push(Stage::UnionWith {
            collection: None,
            pipeline: vec![Stage::Documents(vec![Expr::Document(nothing)])],
        })?;
        self.push(Stage::Limit(1))?;
        self.scope()?.stages.extend(after);
        Ok(())
    }

    /// Values of the columns of an aggregate without groups where no row matches, as far as they are constant.
    fn without_rows(&self, rel: &Rel, known: &mut HashMap<ColumnId, Bson>) {
        match rel {
            Rel::Aggregate {
                keys, aggregates, ..
            } if keys.is_empty() => {
                for (id, call) in aggregates {
                    known.insert(*id, self.registry.empty_value(&call.function));
                }
            }
            Rel::Extend { input, columns } => {
                self.without_rows(input, known);
                for (id, scalar) in columns {
                    if let Some(value) = self.constant(scalar, known) {
                        known.insert(*id, value);
                    }
                }
            }
            _ => {}
        }
    }

    /// The value of a scalar, if the columns that it reads are known.
    fn constant(&self, scalar: &Scalar, known: &HashMap<ColumnId, Bson>) -> Option<Bson> {
        match scalar {
            Scalar::Column(id) => known.get(id).cloned(),
            Scalar::Literal(literal) => Some(literal.value.clone()),
            Scalar::Arithmetic { lhs, rhs, .. } => {
                let sides = [self.constant(lhs, known)?, self.constant(rhs, known)?];
                sides.contains(&Bson::Null).then_some(Bson::Null)
            }
            Scalar::Call(call) => {
                let FunctionCall {
                    function,
                    args,
                    options,
                    ty,
                } = &**call;
                let args = args
                    .iter()
                    .map(|a| self.constant(a, known))
                    .collect::<Option<Vec<_>>>()?;
                if function == "Coalesce" {
                    let first = args.into_iter().find(|v| *v != Bson::Null);
                    return Some(first.unwrap_or(Bson::Null));
                }
                let strict = matches!(
                    self.registry.null_rule(function),
                    NullRule::Strict | NullRule::Partial
                );
                if strict && args.contains(&Bson::Null) {
                    return Some(Bson::Null);
                }
                let args: Vec<&Bson> = args.iter().collect();
                self.registry.fold(function, &args, options, ty)
            }
            _ => None,
        }
    }
}

fn input_is_empty(rel: &Rel) -> bool {
    match rel {
        Rel::Extend { input, .. } => input_is_empty(input),
        Rel::Aggregate { input, keys, .. } => keys.is_empty() && is_empty(input),
        _ => false,
    }
}

/// What an accumulator is for no input.
fn nothing(accumulator: &Accumulator, zero: bool) -> Expr {
    match accumulator.op {
        _ if zero => Expr::lit(0),
        "$push" | "$addToSet" | "$concatArrays" | "$setUnion" => Expr::Array(Vec::new()),
        _ => Expr::null(),
    }
}
