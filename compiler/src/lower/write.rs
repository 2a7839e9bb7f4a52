//! Writes: one `update`, or the keys of the rows first where a filter alone cannot find them.

use bson::{Bson, Document};

use super::Lowerer;
use super::rel::unordered;
use super::scope::{Kind, include, is_path_key};
use crate::error::{Error, Result};
use crate::mql::{Command, Expr, FieldOp, Filter, Stage, UpdateModel, WriteModel};
use crate::plan::{Rel, Scalar, SourceId};
use crate::program::{Origin, Parameter, Program, Step};
use crate::schema::StorageFamily;
use crate::shape::Shape;
use crate::tidy;

/// The number of the keys that the first step finds.
const KEYS: u32 = u32::MAX;

impl Lowerer<'_> {
    pub fn update(
        &mut self,
        rel: &Rel,
        assignments: &[(SourceId, Vec<(String, Scalar)>)],
        program: &mut Program,
    ) -> Result<Shape> {
        let [(source, values)] = assignments else {
            return Err(Error::unsupported(
                "an update of several collections",
                "it takes one command for each",
            ));
        };
        let collection = self.columns.source(*source)?.collection.clone();
        self.rel(unordered(rel))?;
        let (filter, parameters) = match self.direct(*source)? {
            Some(filter) => (filter, Vec::new()),
            None => {
                if self.scope()?.open != Some(*source) {
                    return Err(Error::unsupported(
                        "an update of rows that are no documents",
                        "they were grouped or combined",
                    ));
                }
                self.push(include(&["_id".to_owned()]))?;
                let step = program.steps.len();
                self.finish(None, Vec::new(), program)?;
                let keys = Parameter {
                    number: KEYS,
                    from: vec![Origin {
                        step,
                        path: vec!["_id".to_owned()],
                        only: None,
                    }],
                    needed: true,
                };
                (Filter::field("_id", FieldOp::InParameter(KEYS)), vec![keys])
            }
        };
        // Values are computed from the stored document, not from what the pipeline made of it.
        self.begin(Kind::Root);
        let update = self
            .rel(&Rel::Scan(*source))
            .and_then(|()| self.model(values));
        self.end()?;
        let command = Command::Update {
            collection,
            updates: vec![UpdateModel {
                filter,
                update: update?,
                multi: true,
                upsert: false,
                key: None,
            }],
            ordered: true,
        };
        program.steps.push(Step {
            parameters,
            ..command.into()
        });
        Ok(Shape::Written(vec![(program.steps.len() - 1, None)]))
    }

    /// A filter that finds the documents of the rows by itself, if there is one.
    pub(super) fn direct(&mut self, source: SourceId) -> Result<Option<Filter>> {
        let stages = tidy::pipeline(self.scope()?.stages.clone());
        Ok(
            match (self.scope()?.open == Some(source), stages.as_slice()) {
                (true, []) => Some(Filter::True),
                (true, [Stage::Match(filter)]) => Some(filter.clone()),
                _ => None,
            },
        )
    }

    /// Update operators where all values are literals, else a `$set` that reads the old document.
    fn model(&mut self, values: &[(String, Scalar)]) -> Result<WriteModel> {
        if values.iter().any(|(key, _)| !is_path_key(key)) {
            return Err(Error::unsupported(
                "an update of such a key",
                "update operators read dots and dollar signs in it",
            ));
        }
        let mut set = Document::new();
        let mut computed: Vec<(String, Expr)> = Vec::new();
        for (key, scalar) in values {
            let val = self.scalar(scalar)?;
            let json = val.family() == StorageFamily::Json;
            match val.literal() {
                Some(Bson::Null) if json => {
                    return Err(Error::unsupported(
                        "an update of a JSONField to null",
                        "NULL and JSON's null are kept apart",
                    ));
                }
                Some(value) => {
                    set.insert(key, value.clone());
                    computed.push((key.clone(), val.expr.clone()));
                    continue;
                }
                None => {}
            }
            computed.push((
                key.clone(),
                if val.nullable && !json {
                    Expr::list("$ifNull", [val.expr, Expr::null()])
                } else {
                    val.expr
                },
            ));
        }
        if !self.scope()?.stages.is_empty() {
            return Err(Error::unsupported(
                "an update to the value of a subquery",
                "an update has no $lookup",
            ));
        }
        Ok(if set.len() == computed.len() {
            WriteModel::Operators(bson::doc! {"$set": set})
        } else {
            WriteModel::Pipeline(vec![computed])
        })
    }
}
