//! The stages that need little: `$match`, `$limit`, `$skip`, `$project`, `$addFields`, `$replaceRoot`, `$count`,
//! `$sample`, `$documents`, `$unionWith`.
use std::sync::Arc;

use bson::Bson;

use super::foreign::{Namespace, source_of};
use super::{
    Compiling, Context, Pipeline, Place, Projection, Source, Stage, StagePlan, Starting, Tree,
    Visit,
};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr, Scope};
use crate::memory::filter::Filter;
use crate::memory::value::{Document, Part, Value};

/// `$match` in the middle of a pipeline.
pub struct Matching {
    input: Source,
    filter: Arc<Filter>,
}

impl Matching {
    /// Lets through what matches.
    pub fn new(input: Source, filter: Arc<Filter>) -> Self {
        Self { input, filter }
    }
}

impl Stage for Matching {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        while let Some(doc) = self.input.next(env)? {
            if self.filter.matches(doc.view(), env)? {
                return Ok(Some(doc));
            }
        }
        Ok(None)
    }

    fn each(&mut self, env: &mut Env<'_>, f: Visit<'_>) -> Result<(), EngineError> {
        let filter = Arc::clone(&self.filter);
        self.input.each(env, &mut |doc, env| {
            if filter.matches(doc, env)? {
                f(doc, env)?;
            }
            Ok(())
        })
    }
}

/// `$limit`: reads no more than it gives.
pub struct Limit {
    input: Option<Source>,
    left: usize,
}

impl Limit {
    /// The first `n` documents.
    pub fn new(input: Source, n: usize) -> Self {
        Self {
            input: Some(input),
            left: n,
        }
    }
}

impl Stage for Limit {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if self.left == 0 {
            self.input = None;
        }
        let Some(input) = &mut self.input else {
            return Ok(None);
        };
        self.left -= 1;
        input.next(env)
    }
}

/// `$skip`.
pub struct Skip {
    input: Source,
    left: usize,
}

impl Skip {
    /// All but the first `n` documents.
    pub fn new(input: Source, n: usize) -> Self {
        Self { input, left: n }
    }
}

impl Stage for Skip {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        while self.left > 0 {
            self.left -= 1;
            if self.input.next(env)?.is_none() {
                self.left = 0;
                return Ok(None);
            }
        }
        self.input.next(env)
    }
}

/// A stage that turns each document into another.
pub struct Mapping<F> {
    input: Source,
    f: F,
}

impl<F> Mapping<F> {
    /// Applies `f` to each document.
    pub fn new(input: Source, f: F) -> Self {
        Self { input, f }
    }
}

impl<F> Stage for Mapping<F>
where
    F: FnMut(Document, &mut Env<'_>) -> Result<Document, EngineError> + Send,
{
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        match self.input.next(env)? {
            Some(doc) => (self.f)(doc, env).map(Some),
            None => Ok(None),
        }
    }
}

/// `$project` and `$unset`.
#[derive(Clone, Debug)]
pub struct Project(pub Projection);

impl StagePlan for Project {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        let projection = self.0.clone();
        Ok(Box::new(Mapping::new(
            input,
            move |doc: Document, env: &mut Env<'_>| projection.apply(&doc, env),
        )))
    }
}

/// `$addFields`.
#[derive(Clone, Debug)]
pub struct AddFields(pub Tree);

impl StagePlan for AddFields {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        let tree = self.0.clone();
        Ok(Box::new(Mapping::new(
            input,
            move |doc: Document, env: &mut Env<'_>| tree.add_fields(doc, env),
        )))
    }
}

/// `$replaceRoot` and `$replaceWith`.
#[derive(Clone, Debug)]
pub struct ReplaceRoot(Expr);

impl ReplaceRoot {
    /// Reads either stage.
    ///
    /// # Errors
    /// 40229, 40414, 40415 as MongoDB; what the expression gives.
    pub fn compile(name: &str, spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        if name == "$replaceWith" {
            return Ok(Self(Expr::compile(spec, scope)?));
        }
        let Bson::Document(d) = spec else {
            return Err(EngineError::location(
                40229,
                format!(
                    "expected an object as specification for $replaceRoot stage, got {}",
                    Value::from_bson(spec).type_name()
                ),
            ));
        };
        if let Some(unknown) = d.keys().find(|k| *k != "newRoot") {
            return Err(EngineError::location(
                40415,
                format!("BSON field '$replaceRoot.{unknown}' is an unknown field."),
            ));
        }
        match d.get("newRoot") {
            Some(v) => Ok(Self(Expr::compile(v, scope)?)),
            None => Err(EngineError::location(
                40414,
                "BSON field '$replaceRoot.newRoot' is missing but a required field",
            )),
        }
    }
}

impl StagePlan for ReplaceRoot {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        let expr = self.0.clone();
        Ok(Box::new(Mapping::new(
            input,
            move |doc: Document, env: &mut Env<'_>| {
                env.set_root(doc);
                match expr.eval(env)? {
                    Value::Document(d) => Ok(d),
                    other => Err(EngineError::location(
                        40228,
                        format!(
                            "'newRoot' expression must evaluate to an object, but resulting value was: {:?}. Type of resulting value: '{}'",
                            other,
                            other.type_name()
                        ),
                    )),
                }
            },
        )))
    }
}

/// `$count`.
#[derive(Clone, Debug)]
pub struct Count(String);

impl Count {
    /// Reads the name.
    ///
    /// # Errors
    /// 40156 to 40160 as MongoDB.
    pub fn compile(spec: &Bson) -> Result<Self, EngineError> {
        let bad = |code, message: &str| Err(EngineError::location(code, message));
        match spec {
            Bson::String(s) if s.is_empty() => {
                bad(40157, "the count field must be a non-empty string")
            }
            Bson::String(s) if s.starts_with('$') => {
                bad(40158, "the count field cannot be a $-prefixed path")
            }
            Bson::String(s) if s.contains('\0') => {
                bad(40159, "the count field cannot contain a null byte")
            }
            Bson::String(s) if s.contains('.') => bad(40160, "the count field cannot contain '.'"),
            Bson::String(s) if s == "_id" => bad(9_039_800, "the count field cannot be '_id'"),
            Bson::String(s) => Ok(Self(s.clone())),
            _ => bad(40156, "the count field must be a non-empty string"),
        }
    }
}

impl StagePlan for Count {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Counting {
            input: Some(input),
            name: self.0.clone(),
        }))
    }

    fn needs(&self) -> Option<&[Part]> {
        Some(&[])
    }
}

struct Counting {
    input: Option<Source>,
    name: String,
}

impl Stage for Counting {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        let Some(mut input) = self.input.take() else {
            return Ok(None);
        };
        let mut n = 0_i64;
        input.each(env, &mut |_, _| {
            n += 1;
            Ok(())
        })?;
        Ok((n > 0).then(|| [(self.name.as_str(), Value::int(n))].into_iter().collect()))
    }
}

/// `$sample`.
#[derive(Clone, Debug)]
pub struct Sample(usize);

impl Sample {
    /// Reads the size.
    ///
    /// # Errors
    /// 28745 to 28749 as MongoDB.
    pub fn compile(spec: &Bson) -> Result<Self, EngineError> {
        let bad = |code, message: &str| Err(EngineError::location(code, message));
        let Bson::Document(d) = spec else {
            return bad(28745, "the $sample stage specification must be an object");
        };
        if let Some(unknown) = d.keys().find(|k| *k != "size") {
            return bad(28748, &format!("unrecognized option to $sample: {unknown}"));
        }
        let Some(size) = d.get("size") else {
            return bad(28749, "$sample stage must specify a size");
        };
        let value = Value::from_bson(size);
        let Some(x) = value.as_f64() else {
            return bad(28746, "size argument to $sample must be a number");
        };
        let n = value
            .as_i64()
            .or_else(|| crate::memory::value::num::exact_i64(x.trunc()));
        match n.and_then(|n| usize::try_from(n).ok()) {
            Some(n) if n > 0 => Ok(Self(n)),
            _ => bad(28747, "size argument to $sample must be a positive integer"),
        }
    }
}

impl StagePlan for Sample {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Sampling {
            input: Some(input),
            size: self.0,
            docs: Vec::new(),
        }))
    }
}

struct Sampling {
    input: Option<Source>,
    size: usize,
    docs: Vec<Document>,
}

impl Stage for Sampling {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if let Some(input) = self.input.take() {
            self.docs = super::drain(input, "$sample", env)?;
        }
        if self.size == 0 || self.docs.is_empty() {
            return Ok(None);
        }
        self.size -= 1;
        let n = u64::try_from(self.docs.len()).unwrap_or(1);
        let at = usize::try_from(env.random() % n).unwrap_or(0);
        Ok(Some(self.docs.swap_remove(at)))
    }
}

/// `$documents`.
#[derive(Clone, Debug)]
pub struct DocumentsStage(Expr);

impl DocumentsStage {
    /// Reads the expression.
    ///
    /// # Errors
    /// What the expression gives.
    pub fn compile(spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        Ok(Self(Expr::compile(spec, scope)?))
    }
}

impl StagePlan for DocumentsStage {
    fn start(&self, _: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Literal {
            expr: self.0.clone(),
            docs: None,
        }))
    }
}

struct Literal {
    expr: Expr,
    docs: Option<std::vec::IntoIter<Value>>,
}

impl Stage for Literal {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        let docs = match &mut self.docs {
            Some(docs) => docs,
            None => match self.expr.eval(env)? {
                Value::Array(items) => self.docs.insert(items.into_vec().into_iter()),
                other => {
                    return Err(EngineError::location(
                        5_858_203,
                        format!(
                            "an array is expected in $documents, got {}",
                            other.type_name()
                        ),
                    ));
                }
            },
        };
        match docs.next() {
            None => Ok(None),
            Some(Value::Document(d)) => Ok(Some(d)),
            Some(other) => Err(EngineError::location(
                40228,
                format!(
                    "'newRoot' expression must evaluate to an object, but was {}",
                    other.type_name()
                ),
            )),
        }
    }
}

/// `$unionWith`.
#[derive(Clone, Debug)]
pub struct UnionWith {
    from: Option<Namespace>,
    pipeline: Pipeline,
}

impl UnionWith {
    /// Reads the collection and its pipeline.
    ///
    /// # Errors
    /// `FailedToParse`, `TypeMismatch`, 40415 as MongoDB; what the pipeline gives.
    pub fn compile(spec: &Bson, compiling: &Compiling<'_>) -> Result<Self, EngineError> {
        let d = match spec {
            Bson::String(s) => {
                return Ok(Self {
                    from: Some(Namespace::new(s.clone())),
                    pipeline: Pipeline::default(),
                });
            }
            Bson::Document(d) => d,
            other => {
                return Err(EngineError::failed_to_parse(format!(
                    "the $unionWith stage specification must be an object or string, but found {}",
                    Value::from_bson(other).type_name()
                )));
            }
        };
        let empty = Vec::new();
        let mut stages = &empty;
        let mut from = None;
        for (key, v) in d {
            match (key.as_str(), v) {
                ("coll", Bson::String(s)) => from = Some(Namespace::new(s.clone())),
                ("pipeline", Bson::Array(items)) => stages = items,
                ("coll" | "pipeline", _) => {
                    return Err(EngineError::type_mismatch(format!(
                        "BSON field '$unionWith.{key}' is the wrong type '{}'",
                        Value::from_bson(v).type_name()
                    )));
                }
                _ => {
                    return Err(EngineError::location(
                        40415,
                        format!("BSON field '$unionWith.{key}' is an unknown field."),
                    ));
                }
            }
        }
        let place = if from.is_some() {
            Place::Union
        } else {
            Place::Database
        };
        if from.is_none() && d.get("pipeline").is_none() {
            return Err(EngineError::failed_to_parse(
                "$unionWith stage without explicit collection must have a pipeline with $documents as first stage",
            ));
        }
        // Variables of the outer pipeline are not visible here, but its slots are taken.
        Ok(Self {
            from,
            pipeline: Pipeline::compile(stages, &compiling.inside(compiling.scope, place))?,
        })
    }
}

impl StagePlan for UnionWith {
    fn start(&self, input: Source, starting: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Union {
            input: Some(input),
            plan: self.clone(),
            context: Arc::clone(starting.context),
            other: None,
        }))
    }
}

struct Union {
    input: Option<Source>,
    plan: UnionWith,
    context: Arc<Context>,
    other: Option<Source>,
}

impl Stage for Union {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        if let Some(input) = &mut self.input {
            if let Some(doc) = input.next(env)? {
                return Ok(Some(doc));
            }
            self.input = None;
        }
        if self.other.is_none() {
            let input = source_of(self.plan.from.as_ref(), &self.context, env)?;
            self.other = Some(self.plan.pipeline.start(input, &self.context, env)?);
        }
        match &mut self.other {
            Some(other) => other.next(env),
            None => Ok(None),
        }
    }
}
