//! `delete()`: one command where nothing hangs on the documents, else a program. It finds everything that goes, then asks
//! whether something forbids it, and only then writes: references that are detached, and documents, the last found first.

use std::ops::Range;

use bson::{Bson, doc};

use super::rel::unordered;
use super::scope::include;
use super::{EXCEPT, KEYS, Lowerer, found_keys};
use crate::error::{Error, Result};
use crate::mql::{
    Command, Expr, FieldOp, Filter, Find, Lookup, Projection, Stage, UpdateModel, WriteModel,
};
use crate::names::Path;
use crate::plan::{DeletedBy, Deletion, Guard, Reference, Rel, SourceId};
use crate::program::{Origin, Parameter, Program, Refusal, Step};
use crate::queryset::Hint;
use crate::shape::{Counted, Shape};

/// Where an aggregation keeps what it found.
const FOUND: &str = "found";

impl Lowerer<'_> {
    pub fn delete(
        &mut self,
        rel: &Rel,
        source: SourceId,
        deletion: &Deletion,
        program: &mut Program,
    ) -> Result<Shape> {
        let Some(root) = deletion.sets.first() else {
            return Err(Error::internal("a delete without documents"));
        };
        let alone = deletion.sets.len() == 1
            && deletion.guards.is_empty()
            && deletion.detached.is_empty()
            && root.origins.is_empty();
        if alone && let Some((filter, keys)) = self.referring(rel, source, program)? {
            let deleted = Counted::Deleted(program.steps.len(), root.label.clone());
            program.steps.push(Step {
                parameters: vec![keys],
                ..all(root.collection.clone(), filter, None).into()
            });
            return Ok(Shape::Written(vec![deleted]));
        }
        self.rel(unordered(rel))?;
        if alone && let Some(filter) = self.direct(source)? {
            program
                .steps
                .push(all(root.collection.clone(), filter, self.hint.clone()).into());
            return Ok(Shape::Written(vec![Counted::Deleted(
                0,
                root.label.clone(),
            )]));
        }
        let mut names = vec!["_id".to_owned()];
        names.extend(root.keep.iter().cloned());
        let keys = if self.scope()?.open == Some(source) {
            include(&names)
        } else {
            self.of_joined(source, names)?
        };
        self.push(keys)?;
        self.finish(Vec::new(), program)?;
        Deleting::new(deletion).steps(program)
    }
}

impl Lowerer<'_> {
    /// Values of the documents of a source that were joined.
    fn of_joined(&mut self, source: SourceId, names: Vec<String>) -> Result<Stage> {
        match self.scope()?.sources.get(&source) {
            Some((prefix, false)) if !prefix.is_empty() => {
                let value = |name: String| {
                    let path = prefix.then(name.as_str());
                    (name, Projection::Expr(Expr::Field(path)))
                };
                Ok(Stage::Project(names.into_iter().map(value).collect()))
            }
            _ => Err(Error::unsupported(
                "a delete of rows that are no documents",
                "they were grouped or combined",
            )),
        }
    }
}

fn all(collection: String, filter: Filter, hint: Option<Box<Hint>>) -> Command {
    Command::Delete {
        collection,
        filter,
        one: false,
        hint,
    }
}

/// A step that finds documents: the number of their set, and why they go.
struct Finding<'a> {
    set: usize,
    origin: &'a DeletedBy,
}

struct Deleting<'a> {
    deletion: &'a Deletion,
    /// Steps that find documents, from step 1 on.
    findings: Vec<Finding<'a>>,
    repeats: Vec<Range<usize>>,
}

impl<'a> Deleting<'a> {
    fn new(deletion: &'a Deletion) -> Self {
        let mut deleting = Deleting {
            deletion,
            findings: Vec::new(),
            repeats: Vec::new(),
        };
        for group in groups(deletion) {
            let first = deleting.findings.len();
            for set in &group {
                deleting.find(*set);
            }
            let last = deleting.findings.len();
            let again = deleting.findings.get(first..last).is_some_and(|group_of| {
                group_of
                    .iter()
                    .any(|finding| group.contains(&of(finding.origin)))
            });
            if again {
                deleting.repeats.push(first + 1..last + 1);
            }
        }
        deleting
    }

    fn find(&mut self, number: usize) {
        let Some(set) = self.deletion.sets.get(number) else {
            return;
        };
        for origin in &set.origins {
            let found = match origin {
                DeletedBy::Reference(reference) => {
                    set.needed || reference.columns.len() > 1 || reference.part.is_some()
                }
                // The children have the keys.
                DeletedBy::Parent { .. } => !set.keep.is_empty(),
            };
            if found {
                self.findings.push(Finding {
                    set: number,
                    origin,
                });
            }
        }
    }

    /// Where the values of a column are in the documents that were found for a set.
    fn values(&self, set: usize, column: &str) -> Vec<Origin> {
        let in_step = |step: usize| Origin {
            step,
            path: Path::key(column),
            only: None,
        };
        let mut from = Vec::new();
        if set == 0 {
            from.push(in_step(0));
        }
        let mut parents = Vec::new();
        for (i, finding) in self.findings.iter().enumerate() {
            if finding.set == set {
                from.push(in_step(i + 1));
                parents.push(finding.origin);
            }
        }
        if column == "_id" {
            for origin in self.deletion.sets.get(set).map_or(&[][..], |s| &s.origins) {
                if let DeletedBy::Parent { of, column } = origin
                    && !parents.contains(&origin)
                {
                    from.extend(self.values(*of, column));
                }
            }
        }
        from
    }

    fn keys(&self, set: usize, column: &str) -> Parameter {
        found_keys(self.values(set, column))
    }

    fn steps(&self, program: &mut Program) -> Result<Shape> {
        for finding in &self.findings {
            let Some(set) = self.deletion.sets.get(finding.set) else {
                continue;
            };
            let mut names = vec!["_id".to_owned()];
            names.extend(set.keep.iter().cloned());
            let step = match finding.origin {
                DeletedBy::Reference(reference) => {
                    self.referring(&set.collection, reference, names, None)?
                }
                DeletedBy::Parent { of, column } => Step {
                    parameters: vec![self.keys(*of, column)],
                    ..found(&set.collection, in_keys("_id"), names, None).into()
                },
            };
            program.steps.push(step);
        }
        program.repeats.clone_from(&self.repeats);
        for guard in &self.deletion.guards {
            program.steps.push(self.guard(guard)?);
        }
        for detached in &self.deletion.detached {
            let (filter, parameter, column) = self.simple(&detached.reference)?;
            let update = UpdateModel {
                filter,
                update: WriteModel::Operators(doc! {"$set": {column: detached.value.clone()}}),
                multi: true,
                upsert: false,
                key: None,
            };
            let command = Command::Update {
                collection: detached.collection.clone(),
                updates: vec![update],
                ordered: true,
                hint: None,
            };
            program.steps.push(Step {
                parameters: vec![parameter],
                ..command.into()
            });
        }
        let mut written = Vec::new();
        let sets: Vec<usize> = groups(self.deletion).into_iter().flatten().collect();
        for number in sets.into_iter().rev() {
            let Some(set) = self.deletion.sets.get(number) else {
                continue;
            };
            for step in self.removals(number)? {
                written.push(Counted::Deleted(program.steps.len(), set.label.clone()));
                program.steps.push(step);
            }
        }
        Ok(Shape::Written(written))
    }

    /// The commands that delete the documents of a set.
    fn removals(&self, number: usize) -> Result<Vec<Step>> {
        let Some(set) = self.deletion.sets.get(number) else {
            return Ok(Vec::new());
        };
        let delete = |filter, parameter| Step {
            parameters: vec![parameter],
            ..all(set.collection.clone(), filter, None).into()
        };
        let mut steps = Vec::new();
        let keys = self.keys(number, "_id");
        if !keys.from.is_empty() {
            steps.push(delete(in_keys("_id"), keys));
        }
        for origin in &set.origins {
            if let DeletedBy::Reference(reference) = origin
                && !self
                    .findings
                    .iter()
                    .any(|f| f.set == number && f.origin == origin)
            {
                let (filter, parameter, _) = self.simple(reference)?;
                steps.push(delete(filter, parameter));
            }
        }
        Ok(steps)
    }

    fn guard(&self, guard: &Guard) -> Result<Step> {
        let mut more = None;
        let mut others = Vec::new();
        if let Some(set) = guard.except {
            let from = self.values(set, "_id");
            if !from.is_empty() {
                let in_others = vec![FieldOp::InParameter(EXCEPT)];
                more = Some(Filter::field("_id", FieldOp::Not(in_others)));
                others.push(Parameter {
                    number: EXCEPT,
                    from,
                    needed: false,
                });
            }
        }
        let names = vec!["_id".to_owned()];
        let mut step = self.referring(&guard.collection, &guard.reference, names, Some(more))?;
        step.parameters.extend(others);
        step.refusal = Some(Refusal {
            rule: guard.rule,
            model: guard.names.0.clone(),
            reference: guard.names.1.clone(),
        });
        Ok(step)
    }

    /// A filter for a reference of one column.
    fn simple(&self, reference: &Reference) -> Result<(Filter, Parameter, String)> {
        let [(own, target)] = reference.columns.as_slice() else {
            return Err(Error::unsupported(
                "a delete that changes a reference of several columns",
                "the documents cannot be found by one list of keys",
            )
            .at("/do"));
        };
        let mut filter = in_keys(own);
        if let Some((column, value)) = &reference.only {
            let only = Filter::field(column.clone(), FieldOp::Eq(value.clone()));
            filter = Filter::And(vec![only, filter]);
        }
        Ok((filter, self.keys(reference.of, target), own.clone()))
    }

    /// A step that finds the documents that refer to a set; with `one` a single one for which more holds.
    fn referring(
        &self,
        collection: &str,
        reference: &Reference,
        names: Vec<String>,
        one: Option<Option<Filter>>,
    ) -> Result<Step> {
        let limit = one.is_some().then_some(1);
        let more = one.flatten();
        if let Some(part) = &reference.part {
            let (filter, parameter, _) = self.simple(reference)?;
            let mut inner: Vec<Stage> = more.map(Stage::Match).into_iter().collect();
            inner.push(include(&names));
            let lookup = Lookup {
                from: Some(collection.to_owned()),
                fields: Some(("_id".to_owned(), part.link.clone())),
                variables: Vec::new(),
                pipeline: inner,
                into: FOUND.to_owned(),
            };
            return Ok(Step {
                parameters: vec![parameter],
                ..unwound(part.collection.clone(), filter, lookup, limit).into()
            });
        }
        if let [_] = reference.columns.as_slice() {
            let (filter, parameter, _) = self.simple(reference)?;
            let filter = match more {
                Some(more) => Filter::And(vec![filter, more]),
                None => filter,
            };
            return Ok(Step {
                parameters: vec![parameter],
                ..found(collection, filter, names, limit).into()
            });
        }
        let Some(target) = self.deletion.sets.get(reference.of) else {
            return Err(Error::internal("a reference to no set"));
        };
        let mut pairs = reference.columns.iter();
        let Some((own, local)) = pairs.next() else {
            return Err(Error::internal("a reference without columns"));
        };
        let mut variables = Vec::new();
        let mut equal = Vec::new();
        for (i, (own, local)) in pairs.enumerate() {
            let name = format!("key{}", i + 1);
            variables.push((name.clone(), Expr::field([local.clone()])));
            let sides = [Expr::field([own.clone()]), Expr::var(name)];
            equal.push(Expr::list("$eq", sides));
        }
        let mut inner = vec![Stage::Match(Filter::Expr(Expr::list("$and", equal)))];
        inner.extend(more.map(Stage::Match));
        inner.push(include(&names));
        let filter = Filter::And(vec![
            in_keys("_id"),
            Filter::field(local.clone(), FieldOp::Ne(Bson::Null)),
        ]);
        let lookup = Lookup {
            from: Some(collection.to_owned()),
            fields: Some((local.clone(), own.clone())),
            variables,
            pipeline: inner,
            into: FOUND.to_owned(),
        };
        let command = unwound(target.collection.clone(), filter, lookup, limit);
        Ok(Step {
            parameters: vec![self.keys(reference.of, "_id")],
            ..command.into()
        })
    }
}

/// What a look-up finds for the documents of a filter.
fn unwound(collection: String, filter: Filter, lookup: Lookup, limit: Option<u64>) -> Command {
    let mut pipeline = vec![
        Stage::Match(filter),
        Stage::Lookup(Box::new(lookup)),
        Stage::Unwind {
            path: FOUND.to_owned(),
            preserve: false,
            index: None,
        },
        Stage::ReplaceRoot(Expr::field([FOUND])),
    ];
    pipeline.extend(limit.map(Stage::Limit));
    Command::Aggregate {
        collection: Some(collection),
        pipeline,
        hint: None,
    }
}

fn in_keys(column: &str) -> Filter {
    Filter::field(column, FieldOp::InParameter(KEYS))
}

fn found(collection: &str, filter: Filter, names: Vec<String>, limit: Option<u64>) -> Command {
    Command::Find(Box::new(Find {
        collection: collection.to_owned(),
        filter,
        projection: names
            .into_iter()
            .map(|name| (name, Projection::Include))
            .collect(),
        sort: Vec::new(),
        skip: 0,
        limit,
        hint: None,
    }))
}

fn of(origin: &DeletedBy) -> usize {
    match origin {
        DeletedBy::Reference(reference) => reference.of,
        DeletedBy::Parent { of, .. } => *of,
    }
}

/// Sets in an order in which each comes after those that it depends on; sets that depend on each other together.
fn groups(deletion: &Deletion) -> Vec<Vec<usize>> {
    let count = deletion.sets.len();
    // Which sets each depends on, in the end.
    let mut needs: Vec<Vec<bool>> = deletion
        .sets
        .iter()
        .map(|set| {
            (0..count)
                .map(|other| set.origins.iter().any(|origin| of(origin) == other))
                .collect()
        })
        .collect();
    let needs_of = |needs: &[Vec<bool>], a: usize, b: usize| {
        needs
            .get(a)
            .and_then(|row| row.get(b))
            .copied()
            .unwrap_or(false)
    };
    for via in 0..count {
        let through = needs.get(via).cloned().unwrap_or_default();
        for row in &mut needs {
            if row.get(via).copied().unwrap_or(false) {
                for (mine, theirs) in row.iter_mut().zip(&through) {
                    *mine |= theirs;
                }
            }
        }
    }
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut left: Vec<usize> = (0..count).collect();
    while let Some(first) = left.iter().copied().find(|set| {
        left.iter()
            .all(|other| !needs_of(&needs, *set, *other) || needs_of(&needs, *other, *set))
    }) {
        let group: Vec<usize> = left
            .iter()
            .copied()
            .filter(|other| {
                *other == first
                    || needs_of(&needs, first, *other) && needs_of(&needs, *other, first)
            })
            .collect();
        left.retain(|set| !group.contains(set));
        groups.push(group);
    }
    groups
}
