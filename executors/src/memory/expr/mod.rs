//! Aggregation expressions: compiled once per pipeline into a tree of typed operators, evaluated per document.
mod env;
mod scope;

use bson::Bson;

pub use env::{Env, Evaluation};
pub use scope::{Scope, Slot};

use super::error::{Code, EngineError};
use super::value::{Path, Value};

/// A compiled expression.
#[derive(Clone, Debug)]
pub struct Expr(Node);

#[derive(Clone, Debug)]
enum Node {
    Literal(Value),
    /// A path from the root document.
    RootPath(Path),
    /// The root document.
    Root,
    /// A path from a variable, or the variable itself.
    Variable(Slot, Option<Path>),
}

impl Expr {
    /// Compiles an expression: operators and variables are resolved, constants folded.
    ///
    /// # Errors
    /// What MongoDB gives when it parses the expression (`InvalidPipelineOperator` for an unknown operator, ...).
    pub fn compile(spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        match spec {
            Bson::String(s) if s.starts_with("$$") => {
                let text = s.get(2..).unwrap_or_default();
                let (name, rest) = text
                    .split_once('.')
                    .map_or((text, None), |(n, r)| (n, Some(r)));
                let path = rest.map(Path::parse).transpose()?;
                match (name, path) {
                    ("ROOT", None) => Ok(Self(Node::Root)),
                    ("ROOT", Some(p)) => Ok(Self(Node::RootPath(p))),
                    (_, path) => match scope.lookup(name) {
                        Some(slot) => Ok(Self(Node::Variable(slot, path))),
                        None => Err(EngineError::location(
                            17276,
                            format!("Use of undefined variable: {name}"),
                        )),
                    },
                }
            }
            Bson::String(s) if s.starts_with('$') => Ok(Self(Node::RootPath(Path::parse(
                s.get(1..).unwrap_or_default(),
            )?))),
            Bson::Document(d) if d.len() == 1 && d.keys().any(|k| k.starts_with('$')) => {
                Err(EngineError::new(
                    Code::InvalidPipelineOperator,
                    format!(
                        "Unrecognized expression '{}'",
                        d.keys().next().map_or("", String::as_str)
                    ),
                ))
            }
            other => Ok(Self(Node::Literal(Value::from_bson(other)))),
        }
    }

    /// A constant.
    pub fn literal(v: Value) -> Self {
        Self(Node::Literal(v))
    }

    /// The value, when the expression is constant.
    pub fn as_literal(&self) -> Option<&Value> {
        match &self.0 {
            Node::Literal(v) => Some(v),
            _ => None,
        }
    }

    /// The path, when the expression is a plain field path of the root document (`"$a.b"`): planners use it.
    pub fn as_path(&self) -> Option<&Path> {
        match &self.0 {
            Node::RootPath(p) => Some(p),
            _ => None,
        }
    }

    /// Evaluates on the environment's document.
    ///
    /// # Errors
    /// What MongoDB gives when it evaluates (`ConversionFailure`, `TypeMismatch`, `Location16020`, ...).
    pub fn eval(&self, env: &mut Env<'_>) -> Result<Value, EngineError> {
        Ok(match &self.0 {
            Node::Literal(v) => v.clone(),
            Node::Root => Value::Document(env.root().clone()),
            Node::RootPath(p) => p.get(env.root().view()),
            Node::Variable(slot, None) => env.get(*slot).clone(),
            Node::Variable(slot, Some(p)) => p.get_in(env.get(*slot).view()),
        })
    }
}
