//! Writes: one `update`, or the keys of the rows first where a filter alone cannot find them.

use bson::{Bson, Document};

use super::rel::unordered;
use super::scope::{Kind, is_path_key};
use super::{KEYS, Lowerer, all_of, found_keys};
use crate::error::{Error, Result};
use crate::mql::{Command, Expr, FieldOp, Filter, Projection, Stage, UpdateModel, WriteModel};
use crate::plan::{Assignment, ColumnId, Node, Rel, Scalar, SourceId, visit};
use crate::program::{Program, Step};
use crate::queryset::Hint;
use crate::schema::StorageFamily;
use crate::shape::{Counted, Shape};
use crate::tidy;

impl Lowerer<'_> {
    pub fn update(
        &mut self,
        rel: &Rel,
        source: SourceId,
        assignments: &[Assignment],
        program: &mut Program,
    ) -> Result<Shape> {
        let Some(first) = assignments.first() else {
            return Ok(Shape::Written(Vec::new()));
        };
        let own = self.columns.source(source)?.collection == first.collection;
        let computed = assignments
            .iter()
            .flat_map(|a| &a.values)
            .any(|(_, value)| holds_subquery(value));
        if let ([assignment], true, false) = (assignments, own, computed)
            && let Some((filter, keys)) = self.referring(rel, source, program)?
        {
            let update = self.computed_from(source, &assignment.values)?;
            let command = update_all(assignment.collection.clone(), filter, update, None);
            let written = Counted::Written(program.steps.len());
            program.steps.push(Step {
                parameters: vec![keys],
                ..command.into()
            });
            return Ok(Shape::Written(vec![written]));
        }
        self.rel(unordered(rel))?;
        if let ([assignment], true, false) = (assignments, own, computed)
            && let Some(filter) = self.direct(source)?
        {
            let update = self.computed_from(source, &assignment.values)?;
            let command = update_all(
                assignment.collection.clone(),
                filter,
                update,
                self.hint.clone(),
            );
            program.steps.push(command.into());
            return Ok(Shape::Written(vec![Counted::Written(0)]));
        }
        if computed {
            return self.merge(assignments, program);
        }
        let keys: Vec<ColumnId> = assignments
            .iter()
            .filter_map(|a| match &a.key {
                Scalar::Column(id) => Some(*id),
                _ => None,
            })
            .collect();
        self.project(&keys, &[])?;
        let mut paths = Vec::new();
        for key in &keys {
            paths.push(self.output_path(*key)?);
        }
        self.finish(Vec::new(), program)?;
        let counted = Counted::Written(program.steps.len());
        for (assignment, path) in assignments.iter().zip(paths) {
            let update = self.computed_from(source, &assignment.values)?;
            let filter = Filter::field("_id", FieldOp::InParameter(KEYS));
            let command = update_all(assignment.collection.clone(), filter, update, None);
            program.steps.push(Step {
                parameters: vec![found_keys(all_of(0, path))],
                ..command.into()
            });
        }
        Ok(Shape::Written(vec![counted]))
    }

    /// Values that need other documents: the server computes them in a pipeline and merges them into the documents, which
    /// were counted before, as its reply does not tell.
    fn merge(&mut self, assignments: &[Assignment], program: &mut Program) -> Result<Shape> {
        let [assignment] = assignments else {
            return Err(Error::unsupported(
                "an update of several collections to values of subqueries",
                "each would be computed after the other was written",
            )
            .at("/do"));
        };
        let Scalar::Column(key) = &assignment.key else {
            return Err(Error::internal("a key that is no column"));
        };
        let key = match self.column(*key)?.expr {
            Expr::Field(path) if matches!(&*path, [key] if key == "_id") => Projection::Include,
            key => Projection::Expr(key),
        };
        let id = ("_id".to_owned(), key);
        self.number_of(&id.1, program)?;
        let mut fields = vec![id];
        for (name, expr) in self.new_values(&assignment.values)? {
            fields.push((name, Projection::Expr(expr)));
        }
        self.push(Stage::Project(fields))?;
        let into = bson::doc! {"$merge": {
            "into": &assignment.collection,
            "on": "_id",
            "whenMatched": "merge",
            "whenNotMatched": "discard",
        }};
        self.push(Stage::Other(into))?;
        self.finish(Vec::new(), program)?;
        Ok(Shape::Written(vec![Counted::Number(0)]))
    }

    /// A step that says, as `n`, how many documents the rows so far are of, where a row is one and where joins repeat them.
    fn number_of(&mut self, key: &Projection, program: &mut Program) -> Result<()> {
        let hint = self.hint.clone();
        let scope = self.scope()?;
        let collection = scope.collection.clone();
        let mut stages = tidy::pipeline(scope.stages.clone());
        let command = match (&collection, tidy::as_count(&stages)) {
            (Some(collection), Some((filter, skip, limit))) => Command::Count {
                collection: collection.clone().into(),
                filter,
                limit,
                skip,
                hint,
            },
            _ => {
                let id = match key {
                    Projection::Expr(key) => key.clone(),
                    _ => Expr::field(["_id"]),
                };
                let fields = Vec::new();
                stages.push(Stage::Group { id, fields });
                stages.push(Stage::Count("n".to_owned()));
                Command::Aggregate {
                    collection: collection.map(String::from),
                    pipeline: stages,
                    hint,
                }
            }
        };
        program.steps.push(command.into());
        Ok(())
    }

    /// Values are computed from the stored document, not from what the pipeline made of it.
    pub(super) fn computed_from(
        &mut self,
        source: SourceId,
        values: &[(String, Scalar)],
    ) -> Result<WriteModel> {
        self.begin(Kind::Root);
        let update = self
            .rel(&Rel::Scan(source))
            .and_then(|()| self.model(values));
        self.end()?;
        update
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
        let computed = self.new_values(values)?;
        let mut set = Document::new();
        for (key, expr) in &computed {
            if let Expr::Literal(value) = expr {
                set.insert(key, value.clone());
            }
        }
        Ok(if set.len() == computed.len() {
            WriteModel::Operators(bson::doc! {"$set": set})
        } else {
            WriteModel::Pipeline(vec![computed])
        })
    }

    /// Values as they are stored, by key.
    fn new_values(&mut self, values: &[(String, Scalar)]) -> Result<Vec<(String, Expr)>> {
        if values.iter().any(|(key, _)| !is_path_key(key)) {
            return Err(Error::unsupported(
                "an update of such a key",
                "update operators read dots and dollar signs in it",
            ));
        }
        let mut computed: Vec<(String, Expr)> = Vec::new();
        for (key, scalar) in values {
            let val = self.scalar(scalar)?;
            let json = val.family() == StorageFamily::Json;
            let expr = match val.literal() {
                Some(Bson::Null) if json => {
                    return Err(Error::unsupported(
                        "an update of a JSONField to null",
                        "NULL and JSON's null are kept apart",
                    ));
                }
                Some(_) => val.expr,
                None if val.nullable && !json && val.expr.may_be_missing() => {
                    Expr::list("$ifNull", [val.expr, Expr::null()])
                }
                None => val.expr,
            };
            computed.push((key.clone(), expr));
        }
        Ok(computed)
    }
}

fn update_all(
    collection: String,
    filter: Filter,
    update: WriteModel,
    hint: Option<Box<Hint>>,
) -> Command {
    Command::Update {
        collection,
        updates: vec![UpdateModel {
            filter,
            update,
            multi: true,
            upsert: false,
            key: None,
        }],
        ordered: true,
        hint,
    }
}

fn holds_subquery(scalar: &Scalar) -> bool {
    let mut found = false;
    visit(Node::Scalar(scalar), &mut |node, _| {
        found |= matches!(node, Node::SubPlan(_));
        !found
    });
    found
}
