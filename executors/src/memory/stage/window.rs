//! `$setWindowFields`: partitions, sorts, and hands each partition to the window functions.
use std::sync::Arc;

use bson::Bson;

use super::group::{KeyMap, KeyRef};
use super::project::{Field, Tree};
use super::{Held, Source, Stage, StagePlan, Starting};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr, Scope, Slot};
use crate::memory::stage::SortSpec;
use crate::memory::value::{Document, Key, Path, Value, compare_with};
use crate::memory::window::WindowFunction;

/// A compiled `$setWindowFields`.
#[derive(Clone, Debug)]
pub struct SetWindowFields {
    partition: Option<Expr>,
    sort: Option<SortSpec>,
    functions: Vec<WindowFunction>,
    /// Where the functions' results wait, and the tree that puts them into the document.
    slots: Vec<Slot>,
    outputs: Tree,
}

impl SetWindowFields {
    /// Reads the specification.
    ///
    /// # Errors
    /// `FailedToParse`, 40414, 40415 as MongoDB; what the window functions give.
    pub fn compile(spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return Err(EngineError::failed_to_parse(
                "the $setWindowFields stage specification must be an object",
            ));
        };
        if let Some(unknown) = d
            .keys()
            .find(|k| !["partitionBy", "sortBy", "output"].contains(&k.as_str()))
        {
            return Err(EngineError::location(
                40415,
                format!("BSON field '$setWindowFields.{unknown}' is an unknown field."),
            ));
        }
        if !matches!(d.get("sortBy"), None | Some(Bson::Document(_))) {
            return Err(EngineError::type_mismatch(
                "BSON field '$setWindowFields.sortBy' must be an object",
            ));
        }
        let output = match d.get("output") {
            Some(Bson::Document(o)) => o,
            Some(other) => {
                return Err(EngineError::type_mismatch(format!(
                    "BSON field '$setWindowFields.output' is the wrong type '{}', expected type 'object'",
                    Value::from_bson(other).type_name()
                )));
            }
            None => {
                return Err(EngineError::location(
                    40414,
                    "BSON field '$setWindowFields.output' is missing but a required field",
                ));
            }
        };
        let partition = match d.get("partitionBy") {
            None | Some(Bson::Null) => None,
            Some(v) => Some(Expr::compile(v, scope)?),
        };
        let sort = match d.get("sortBy") {
            Some(Bson::Document(s)) => Some(SortSpec::compile(s)?),
            _ => None,
        };
        let parts = sort.as_ref().map(|s| s.parts.clone()).unwrap_or_default();
        let (mut functions, mut slots, mut outputs) = (Vec::new(), Vec::new(), Tree::default());
        let mut inner = scope.clone();
        for (path, function) in output {
            let Bson::Document(f) = function else {
                return Err(EngineError::failed_to_parse(format!(
                    "The field '{path}' must be an object"
                )));
            };
            functions.push(WindowFunction::compile(f, &parts, scope)?);
            // A name that no user can write.
            let name = format!("window {path}");
            let (next, slot) = inner.with(&name);
            inner = next;
            slots.push(slot);
            let put = outputs.insert(&Path::parse(path)?, Field::Slot(slot));
            put.map_err(|_| {
                EngineError::location(
                    6_307_900,
                    "$setWindowFields 'output' specification contains two conflicting paths",
                )
            })?;
        }
        let literal = partition.as_ref().and_then(Expr::as_literal);
        if matches!(literal, Some(Value::Array(_))) {
            return Err(no_array());
        }
        Ok(Self {
            partition,
            sort,
            functions,
            slots,
            outputs,
        })
    }
}

fn no_array() -> EngineError {
    EngineError::type_mismatch(
        "An expression used to partition cannot evaluate to value of type array",
    )
}

impl StagePlan for SetWindowFields {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Windowing {
            input: Some(input),
            plan: Arc::new(self.clone()),
            partitions: Vec::new().into_iter(),
            ready: Vec::new().into_iter(),
        }))
    }
}

struct Windowing {
    input: Option<Source>,
    plan: Arc<SetWindowFields>,
    partitions: std::vec::IntoIter<Vec<Document>>,
    ready: std::vec::IntoIter<Document>,
}

impl Windowing {
    fn partition(&mut self, mut input: Source, env: &mut Env<'_>) -> Result<(), EngineError> {
        let mut groups: KeyMap<Vec<Document>> = KeyMap::default();
        let mut held = Held::new("$setWindowFields");
        while let Some(doc) = input.next(env)? {
            held.add(doc.held_bytes(), env)?;
            let mut key = match &self.plan.partition {
                None => Value::Null,
                Some(expr) => {
                    env.set_root(doc.clone());
                    expr.eval(env)?.or_null()
                }
            };
            if matches!(key, Value::Array(_)) {
                return Err(no_array());
            }
            if let Some(c) = env.collation() {
                key = c.fold(&key);
            }
            match groups.get_mut(&KeyRef(key.view())) {
                Some(docs) => docs.push(doc),
                None => {
                    groups.insert(Key(key), vec![doc]);
                }
            }
        }
        let mut groups: Vec<(Key, Vec<Document>)> = groups.into_iter().collect();
        groups.sort_by(|a, b| compare_with(a.0.0.view(), b.0.0.view(), None));
        self.partitions = groups
            .into_iter()
            .map(|(_, docs)| docs)
            .collect::<Vec<_>>()
            .into_iter();
        Ok(())
    }

    fn compute(
        &self,
        docs: Vec<Document>,
        env: &mut Env<'_>,
    ) -> Result<Vec<Document>, EngineError> {
        let plan = &self.plan;
        let docs = match &plan.sort {
            None => docs,
            Some(sort) => {
                let mut keyed = Vec::with_capacity(docs.len());
                for d in docs {
                    keyed.push((sort.key(d.view(), env.collation())?, d));
                }
                keyed.sort_by(|a, b| sort.compare(&a.0, &b.0));
                keyed.into_iter().map(|(_, d)| d).collect()
            }
        };
        let mut columns = Vec::with_capacity(plan.functions.len());
        for function in &plan.functions {
            columns.push(function.run(&docs, env)?.into_iter());
        }
        let mut out = Vec::with_capacity(docs.len());
        for doc in docs {
            for (column, slot) in columns.iter_mut().zip(&plan.slots) {
                env.set(*slot, column.next().unwrap_or_default());
            }
            out.push(plan.outputs.add_fields(doc, env)?);
        }
        Ok(out)
    }
}

impl Stage for Windowing {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if let Some(input) = self.input.take() {
            self.partition(input, env)?;
        }
        loop {
            if let Some(doc) = self.ready.next() {
                return Ok(Some(doc));
            }
            let Some(docs) = self.partitions.next() else {
                return Ok(None);
            };
            self.ready = self.compute(docs, env)?.into_iter();
        }
    }
}
