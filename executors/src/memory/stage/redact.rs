//! `$redact`: keeps, prunes or descends into documents.
use bson::Bson;

use super::{Source, Stage, StagePlan, Starting};
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr, Scope, Slot};
use crate::memory::value::{ArrRef, DocBuilder, Document, Value, ValueRef};

/// A compiled `$redact`.
#[derive(Clone, Debug)]
pub struct Redact {
    expr: Expr,
    current: Slot,
    actions: [Slot; 3],
}

const ACTIONS: [&str; 3] = ["descend", "prune", "keep"];

impl Redact {
    /// Reads the expression, in which `$$DESCEND`, `$$PRUNE` and `$$KEEP` are variables and `$$CURRENT` is the level.
    ///
    /// # Errors
    /// What the expression gives.
    pub fn compile(spec: &Bson, scope: &Scope) -> Result<Self, EngineError> {
        let (scope, descend) = scope.with("DESCEND");
        let (scope, prune) = scope.with("PRUNE");
        let (scope, keep) = scope.with("KEEP");
        let (scope, current) = scope.with("CURRENT");
        Ok(Self {
            expr: Expr::compile(spec, &scope)?,
            current,
            actions: [descend, prune, keep],
        })
    }

    fn level(&self, doc: &Document, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        env.set(self.current, Value::Document(doc.clone()));
        let action = self.expr.eval(env)?;
        match action.as_str() {
            Some("keep") => Ok(Some(doc.clone())),
            Some("prune") => Ok(None),
            Some("descend") => {
                let mut out = DocBuilder::new();
                for (key, value) in doc.iter() {
                    let value = match value {
                        ValueRef::Document(d) => match self.level(&d.to_document(), env)? {
                            Some(d) => Value::Document(d),
                            None => continue,
                        },
                        ValueRef::Array(items) => self.items(items, env)?,
                        other => other.to_value(),
                    };
                    out.push(key.to_str(), value);
                }
                Ok(Some(out.build()))
            }
            _ => Err(EngineError::location(
                17053,
                format!(
                    "$redact's expression should not return anything aside from the variables $$KEEP, $$DESCEND, and $$PRUNE, but returned {action:?}"
                ),
            )),
        }
    }

    fn items(&self, items: ArrRef<'_>, env: &mut Env<'_>) -> Result<Value, EngineError> {
        let mut out = Vec::new();
        for item in items.iter() {
            match item {
                ValueRef::Document(d) => {
                    if let Some(d) = self.level(&d.to_document(), env)? {
                        out.push(Value::Document(d));
                    }
                }
                ValueRef::Array(inner) => out.push(self.items(inner, env)?),
                other => out.push(other.to_value()),
            }
        }
        Ok(Value::array(out))
    }
}

impl StagePlan for Redact {
    fn start(&self, input: Source, _: &Starting<'_>) -> Result<Source, EngineError> {
        Ok(Box::new(Redacting {
            input,
            plan: self.clone(),
        }))
    }
}

struct Redacting {
    input: Source,
    plan: Redact,
}

impl Stage for Redacting {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        while let Some(doc) = self.input.next(env)? {
            env.set_root(doc.clone());
            for (slot, action) in self.plan.actions.iter().zip(ACTIONS) {
                env.set(*slot, Value::str(action));
            }
            if let Some(doc) = self.plan.level(&doc, env)? {
                return Ok(Some(doc));
            }
        }
        Ok(None)
    }
}
