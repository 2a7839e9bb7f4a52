//! `$facet`: several pipelines over the same documents.
use std::sync::Arc;

use bson::Bson;

use super::compile::documents;
use super::{Compiling, Context, Pipeline, Place, Source, Stage, StagePlan, Starting, drain};
use crate::memory::error::EngineError;
use crate::memory::expr::Env;
use crate::memory::value::{Array, DocBuilder, Document, Value};

/// A compiled `$facet`.
#[derive(Clone, Debug)]
pub struct Facet {
    facets: Vec<(String, Pipeline)>,
}

impl Facet {
    /// Reads the specification.
    ///
    /// # Errors
    /// 40169, 40170, 40600 as MongoDB; what the pipelines give.
    pub fn compile(spec: &Bson, compiling: &Compiling<'_>) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return Err(EngineError::location(
                40169,
                "the $facet specification must be a non-empty object",
            ));
        };
        if d.is_empty() {
            return Err(EngineError::location(
                40169,
                "the $facet specification must be a non-empty object",
            ));
        }
        let mut facets = Vec::with_capacity(d.len());
        for (name, stages) in d {
            let Bson::Array(stages) = stages else {
                return Err(EngineError::location(
                    40170,
                    format!(
                        "arguments to $facet must be arrays, {name} is type {}",
                        Value::from_bson(stages).type_name()
                    ),
                ));
            };
            if let Some(other) = stages.iter().find(|s| !matches!(s, Bson::Document(_))) {
                return Err(EngineError::location(
                    40171,
                    format!(
                        "elements of arrays in $facet spec must be non-empty objects, {name} argument contained an element of type {}",
                        Value::from_bson(other).type_name()
                    ),
                ));
            }
            if name.starts_with('$') || name.contains('.') {
                let code = if name.starts_with('$') { 16410 } else { 16412 };
                return Err(EngineError::location(
                    code,
                    format!("FieldPath field names may not start with '$' nor contain '.': {name}"),
                ));
            }
            facets.push((
                name.clone(),
                Pipeline::compile(stages, &compiling.inside(compiling.scope, Place::Facet))?,
            ));
        }
        Ok(Self { facets })
    }
}

impl StagePlan for Facet {
    fn start(&self, input: Source, starting: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Faceting {
            input: Some(input),
            plan: self.clone(),
            context: Arc::clone(starting.context),
        }))
    }
}

struct Faceting {
    input: Option<Source>,
    plan: Facet,
    context: Arc<Context>,
}

impl Stage for Faceting {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        let Some(input) = self.input.take() else {
            return Ok(None);
        };
        let docs = drain(input, "$facet", env)?;
        let mut out = DocBuilder::with_capacity(self.plan.facets.len());
        for (name, pipeline) in &self.plan.facets {
            let source = pipeline.start(documents(docs.clone()), &self.context, env)?;
            let found = drain(source, "$facet", env)?;
            out.push(
                name.as_str(),
                Value::Array(found.into_iter().map(Value::Document).collect::<Array>()),
            );
        }
        Ok(Some(out.build()))
    }
}
