//! Window functions as `$setWindowFields`.

use super::Lowerer;
use super::scope::Val;
use crate::error::Result;
use crate::functions::{LoweredAggregate, LoweredKey, LoweredWindow, Over, WindowPass};
use crate::mql::{Expr, SortOrder, Stage, WindowOutput};
use crate::plan::{ColumnId, Scalar, SortKey, WindowCall};

/// The sort and partition of a window, as paths.
struct Frame {
    partition: Vec<Val>,
    sort: Vec<(String, SortOrder)>,
    order: Vec<Val>,
}

impl Lowerer<'_> {
    pub fn window(
        &mut self,
        partition: &[Scalar],
        order: &[SortKey],
        outputs: &[(ColumnId, WindowCall)],
    ) -> Result<()> {
        // Keys are placed first, so that every pass names the same paths.
        let mut parts = Vec::with_capacity(partition.len());
        for scalar in partition {
            parts.push(self.scalar(scalar)?);
        }
        let mut keys = Vec::with_capacity(order.len());
        let mut order_vals = Vec::with_capacity(order.len());
        for key in order {
            let val = self.placed(&key.scalar, "order")?;
            order_vals.push(val.clone());
            keys.push(LoweredKey {
                expr: val.expr,
                desc: key.desc,
                nulls: key.nulls,
                ty: val.ty,
                nullable: val.nullable,
            });
        }
        let sort = self.sort_by_places(order, order_vals.iter().cloned().map(Some).collect())?;
        let frame = Frame {
            partition: parts,
            sort,
            order: order_vals,
        };
        let mut values: Vec<(ColumnId, Val)> = Vec::with_capacity(outputs.len());
        let mut done: Vec<(Over, Vec<(String, WindowOutput)>)> = Vec::new();
        for (id, call) in outputs {
            let name = self.columns.get(*id)?.name.clone();
            let args = self.lowered_args(&call.call.args)?;
            let filter = self.aggregate_filter(call.call.filter.as_ref())?;
            let inner_order = self.lowered_keys(&call.call.order)?;
            let registry = self.registry;
            let target = self.target;
            let scope = self.scope()?;
            let mut names = || scope.fresh(&name);
            let windowed = registry.lower_window(
                &LoweredWindow {
                    call: LoweredAggregate {
                        function: &call.call.function,
                        args: &args,
                        distinct: call.call.distinct,
                        filter,
                        order: &inner_order,
                        options: &call.call.options,
                        ty: &call.call.ty,
                        never_null: call.call.never_null,
                        always_there: false,
                    },
                    frame: call.frame,
                    order: &keys,
                },
                &mut names,
                target,
            )?;
            for pass in windowed.passes {
                let mergeable = pass.set.is_empty();
                match done.last_mut() {
                    // Outputs over the same rows share a stage.
                    Some((over, outputs)) if mergeable && *over == pass.over => {
                        outputs.extend(pass.outputs);
                    }
                    _ => {
                        self.flush(&mut done, &frame)?;
                        let WindowPass { set, over, outputs } = pass;
                        if !set.is_empty() {
                            self.push(Stage::Set(set))?;
                        }
                        done.push((over, outputs));
                    }
                }
            }
            values.push((
                *id,
                Val {
                    expr: windowed.value,
                    ty: call.call.ty.clone(),
                    nullable: self.registry.empty_value(&call.call.function) == bson::Bson::Null,
                    array: super::scalar::array_of(&call.call.ty),
                },
            ));
        }
        self.flush(&mut done, &frame)?;
        self.scope()?.columns.extend(values);
        Ok(())
    }

    fn flush(
        &mut self,
        done: &mut Vec<(Over, Vec<(String, WindowOutput)>)>,
        frame: &Frame,
    ) -> Result<()> {
        for (over, output) in done.drain(..) {
            let (partition, sort) = match over {
                Over::Rows => (partition_of(&frame.partition), frame.sort.clone()),
                Over::Partition => (partition_of(&frame.partition), Vec::new()),
                Over::Peers { number } => {
                    let mut all = frame.partition.clone();
                    all.extend(frame.order.iter().cloned());
                    (partition_of(&all), vec![(number, SortOrder::Asc)])
                }
                Over::Sorted { field } => (
                    partition_of(&frame.partition),
                    vec![(field, SortOrder::Asc)],
                ),
                Over::Reversed => {
                    let sort = frame
                        .sort
                        .iter()
                        .map(|(path, order)| {
                            let order = match order {
                                SortOrder::Asc => SortOrder::Desc,
                                SortOrder::Desc => SortOrder::Asc,
                            };
                            (path.clone(), order)
                        })
                        .collect();
                    (partition_of(&frame.partition), sort)
                }
            };
            // Frames of documents and ranks need an order; where the window has none, any will do.
            let needs_order = output.iter().any(|(_, o)| {
                o.op == "$rank" || o.op == "$denseRank" || o.op == "$shift" || o.window.is_some()
            });
            let sort = if sort.is_empty() && needs_order {
                vec![("_id".to_owned(), SortOrder::Asc)]
            } else {
                sort
            };
            self.push(Stage::SetWindowFields {
                partition,
                sort,
                output,
            })?;
        }
        Ok(())
    }
}

/// One value, or a document of several; null and missing are the same partition.
fn partition_of(parts: &[Val]) -> Option<Expr> {
    match parts {
        [] => None,
        [one] => Some(one.expr.clone()),
        many => Some(Expr::Document(
            many.iter()
                .enumerate()
                .map(|(i, val)| {
                    let expr = if val.nullable && val.expr.may_be_missing() {
                        Expr::list("$ifNull", [val.expr.clone(), Expr::null()])
                    } else {
                        val.expr.clone()
                    };
                    (format!("k{}", i + 1), expr)
                })
                .collect(),
        )),
    }
}
