//! `$lookup`: by equality (index or hash), by pipeline with variables, or both.
use std::sync::Arc;

use bson::Bson;

use super::compile::{Step, documents, start};
use super::foreign::{Foreign, Namespace, local_values, source_of};
use super::{Compiling, Context, Pipeline, Place, Source, Stage, StagePlan, Starting, drain};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr, Slot};
use crate::memory::value::{Array, Document, Path, Value};

/// A compiled `$lookup`.
#[derive(Clone, Debug)]
pub struct Lookup {
    from: Option<Namespace>,
    equality: Option<(Path, Path)>,
    bindings: Vec<(Slot, Expr)>,
    pipeline: Option<Pipeline>,
    /// How many of the pipeline's first steps do not depend on the local document.
    independent: usize,
    into: Path,
}

fn failed<T>(message: impl Into<String>) -> Result<T, EngineError> {
    Err(EngineError::failed_to_parse(message))
}

/// Whether a stage mentions one of the variables, or draws at random.
fn depends(stage: &Bson, names: &[String]) -> bool {
    match stage {
        Bson::String(s) => s.strip_prefix("$$").is_some_and(|rest| {
            let name = rest.split('.').next().unwrap_or_default();
            names.iter().any(|n| n == name)
        }),
        Bson::Array(items) => items.iter().any(|v| depends(v, names)),
        Bson::Document(d) => d
            .iter()
            .any(|(k, v)| k == "$rand" || k == "$sample" || depends(v, names)),
        _ => false,
    }
}

/// A variable's name as users may choose it.
pub(super) fn check_variable(name: &str) -> Result<(), EngineError> {
    let first = name.chars().next();
    if !first.is_some_and(|c| c.is_ascii_lowercase() || !c.is_ascii()) {
        return failed(format!(
            "'{name}' starts with an invalid character for a user variable name"
        ));
    }
    if name
        .chars()
        .any(|c| c.is_ascii() && !c.is_ascii_alphanumeric() && c != '_')
    {
        return failed(format!(
            "'{name}' contains an invalid character for a variable name"
        ));
    }
    Ok(())
}

impl Lookup {
    /// Reads the specification.
    ///
    /// # Errors
    /// `FailedToParse` and others as MongoDB; what the pipeline gives.
    pub fn compile(spec: &Bson, compiling: &Compiling<'_>) -> Result<Self, EngineError> {
        let Bson::Document(d) = spec else {
            return failed("the $lookup specification must be an Object");
        };
        let (mut from, mut local, mut foreign, mut into) = (None, None, None, None);
        let (mut lets, mut stages) = (None, None);
        for (key, v) in d {
            match (key.as_str(), v) {
                ("pipeline", Bson::Array(items)) => stages = Some(items),
                ("pipeline", _) => {
                    return Err(EngineError::type_mismatch(
                        "'pipeline' option must be specified as an array",
                    ));
                }
                ("let", Bson::Document(vars)) => lets = Some(vars),
                ("let", _) => return failed("$lookup argument 'let' must be an object"),
                ("from", Bson::String(s)) => from = Some(Namespace::new(s.clone())),
                ("localField", Bson::String(s)) => local = Some(Path::parse(s)?),
                ("foreignField", Bson::String(s)) => foreign = Some(Path::parse(s)?),
                ("as", Bson::String(s)) => into = Some(Path::parse(s)?),
                ("from" | "localField" | "foreignField" | "as", other) => {
                    return failed(format!(
                        "$lookup argument '{key}: {other}' must be a string, is type {}",
                        Value::from_bson(other).type_name()
                    ));
                }
                _ => return failed(format!("unknown argument to $lookup: {key}")),
            }
        }
        let Some(into) = into else {
            return failed("must specify 'as' field for a $lookup");
        };
        if from.is_none() && stages.is_none() {
            return failed("must specify 'pipeline' when 'from' is empty");
        }
        let equality = match (local, foreign) {
            (Some(l), Some(f)) => Some((l, f)),
            (None, None) if stages.is_none() => {
                return failed(
                    "$lookup requires either 'pipeline' or both 'localField' and 'foreignField' to be specified",
                );
            }
            (None, None) => None,
            _ => {
                return failed(
                    "$lookup requires both or neither of 'localField' and 'foreignField' to be specified",
                );
            }
        };
        if lets.is_some() && stages.is_none() {
            return failed("$lookup with a 'let' argument must also specify 'pipeline'");
        }
        let mut scope = compiling.scope.clone();
        let (mut bindings, mut names) = (Vec::new(), Vec::new());
        for (name, value) in lets.into_iter().flatten() {
            check_variable(name)?;
            let expr = Expr::compile(value, compiling.scope)?;
            let (inner, slot) = scope.with(name);
            scope = inner;
            bindings.push((slot, expr));
            names.push(name.clone());
        }
        let (mut pipeline, mut independent) = (None, 0);
        if let Some(stages) = stages {
            let place = if from.is_some() {
                Place::Lookup
            } else {
                Place::Database
            };
            let compiled = Pipeline::compile(stages, &compiling.inside(&scope, place))?;
            // Steps and stages are one to one except for $sortByCount, which makes two: count from the front.
            let free = stages.iter().take_while(|s| !depends(s, &names)).count();
            let doubled = stages
                .iter()
                .take(free)
                .filter(|s| matches!(s, Bson::Document(d) if d.contains_key("$sortByCount")))
                .count();
            independent = (free + doubled).min(compiled.steps().len());
            pipeline = Some(compiled);
        }
        Ok(Self {
            from,
            equality,
            bindings,
            pipeline,
            independent,
            into,
        })
    }
}

impl StagePlan for Lookup {
    fn start(&self, input: Source, starting: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Joining {
            input,
            plan: Arc::new(self.clone()),
            context: Arc::clone(starting.context),
            foreign: None,
            prefix: None,
            whole: None,
        }))
    }
}

struct Joining {
    input: Source,
    plan: Arc<Lookup>,
    context: Arc<Context>,
    foreign: Option<Foreign>,
    /// The result of the independent steps, when others follow.
    prefix: Option<Vec<Document>>,
    /// The result, when every step is independent.
    whole: Option<Value>,
}

fn array(docs: Vec<Document>) -> Value {
    Value::Array(docs.into_iter().map(Value::Document).collect::<Array>())
}

impl Joining {
    fn matches(&mut self, doc: &Document, env: &mut Env<'_>) -> Result<Value, EngineError> {
        let plan = Arc::clone(&self.plan);
        for (slot, expr) in &plan.bindings {
            env.set_root(doc.clone());
            let value = expr.eval(env)?;
            env.set(*slot, value);
        }
        let mut steps = plan
            .pipeline
            .as_ref()
            .map_or(&[] as &[Step], Pipeline::steps);
        if let Some((local, path)) = &plan.equality {
            let foreign = match (&self.foreign, &plan.from) {
                (Some(foreign), _) => foreign,
                (None, Some(from)) => {
                    self.foreign
                        .insert(Foreign::open(Some(from), path, &self.context, env)?)
                }
                (None, None) => {
                    // Without a collection the first step, `$documents`, gives the documents.
                    let input = source_of(None, &self.context, env)?;
                    let head = steps.get(..1).unwrap_or_default();
                    let docs = drain(start(head, input, &self.context, env)?, "$lookup", env)?;
                    self.foreign.insert(Foreign::hash(docs, path, env))
                }
            };
            if plan.from.is_none() {
                steps = steps.get(1..).unwrap_or_default();
            }
            let found = foreign.matching(&local_values(doc, local), env);
            // Out of nothing these make nothing; `$count` or `$unionWith` might.
            if steps.is_empty()
                || (found.is_empty() && steps.iter().all(|s| !matches!(s, Step::Other(_))))
            {
                return Ok(array(found));
            }
            let source = start(steps, documents(found), &self.context, env)?;
            return Ok(array(drain(source, "$lookup", env)?));
        }
        if let Some(whole) = &self.whole {
            return Ok(whole.clone());
        }
        let (first, rest) = steps
            .split_at_checked(plan.independent)
            .unwrap_or((steps, &[]));
        if rest.is_empty() {
            let input = source_of(plan.from.as_ref(), &self.context, env)?;
            let whole = array(drain(
                start(first, input, &self.context, env)?,
                "$lookup",
                env,
            )?);
            self.whole = Some(whole.clone());
            return Ok(whole);
        }
        if first.is_empty() {
            let input = source_of(plan.from.as_ref(), &self.context, env)?;
            return Ok(array(drain(
                start(rest, input, &self.context, env)?,
                "$lookup",
                env,
            )?));
        }
        let prefix = match &self.prefix {
            Some(prefix) => prefix,
            None => {
                let input = source_of(plan.from.as_ref(), &self.context, env)?;
                self.prefix.insert(drain(
                    start(first, input, &self.context, env)?,
                    "$lookup",
                    env,
                )?)
            }
        };
        let source = start(rest, documents(prefix.clone()), &self.context, env)?;
        Ok(array(drain(source, "$lookup", env)?))
    }
}

impl Stage for Joining {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        let Some(doc) = self.input.next(env)? else {
            return Ok(None);
        };
        let found = self.matches(&doc, env)?;
        Ok(Some(doc.with_path(self.plan.into.parts(), found)))
    }
}
