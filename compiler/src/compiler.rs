//! The compiler: statement in, program out.

use std::sync::Arc;

use crate::error::Result;
use crate::functions::Registry;
use crate::plan::Plan;
use crate::program::Program;
use crate::queryset::Statement;
use crate::schema::Schema;
use crate::shape::Shape;
use crate::target::Target;
use crate::trace::Trace;
use crate::{bind, lower, mql, rewrite};

/// Compiles statements against one schema. Cheap to clone, usable from several threads.
#[derive(Debug, Clone)]
pub struct Compiler {
    schema: Arc<Schema>,
    registry: Arc<Registry>,
    target: Target,
}

/// A compiled statement.
#[derive(Debug, Clone)]
pub struct Compiled {
    /// The schema that it was compiled against: rows are decoded by it.
    pub schema: Arc<Schema>,
    /// What is sent to the server.
    pub program: Program,
    /// How the reply becomes the result.
    pub shape: Shape,
    /// What was done to get there.
    pub trace: Trace,
}

impl Compiler {
    /// A compiler for the newest supported server.
    pub fn new(schema: impl Into<Arc<Schema>>) -> Self {
        Compiler {
            schema: schema.into(),
            registry: Arc::new(Registry::django()),
            target: Target::default(),
        }
    }

    /// Compiles for another server or with other options.
    #[must_use]
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Compiles with another registry: Django's functions and an embedder's own.
    #[must_use]
    pub fn registry(mut self, registry: impl Into<Arc<Registry>>) -> Self {
        self.registry = registry.into();
        self
    }

    /// The schema.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The schema, shared.
    pub(crate) fn shared_schema(&self) -> Arc<Schema> {
        Arc::clone(&self.schema)
    }

    /// The functions that it knows.
    pub(crate) fn functions(&self) -> &Registry {
        &self.registry
    }

    /// What it compiles for.
    #[must_use]
    pub fn target_ref(&self) -> &Target {
        &self.target
    }

    /// Compiles a statement in Queryset JSON.
    ///
    /// # Errors
    /// `Decode` for what is not of the documented form; then as [`Compiler::compile`].
    pub fn compile_json(&self, json: &str) -> Result<Compiled> {
        self.compile(&Statement::from_json(json)?)
    }

    /// Compiles a statement.
    ///
    /// # Errors
    /// Whatever Django refuses, with its class; and what cannot be done on the target.
    pub fn compile(&self, statement: &Statement) -> Result<Compiled> {
        self.compile_traced(statement, Trace::brief())
    }

    /// Compiles a statement and records how, in as much detail as the trace asks for.
    ///
    /// # Errors
    /// As [`Compiler::compile`].
    pub fn compile_traced(&self, statement: &Statement, mut trace: Trace) -> Result<Compiled> {
        let mut plan = self.bind(statement)?;
        rewrite::rewrite(&mut plan, &self.schema, &self.target, &mut trace)?;
        let (program, shape) = lower::lower(plan, &self.registry, &self.target)?;
        for step in &program.steps {
            mql::check(&step.command, &self.target)?;
        }
        Ok(Compiled {
            schema: Arc::clone(&self.schema),
            program,
            shape,
            trace,
        })
    }

    /// The bound plan of a statement, before any rewrite.
    ///
    /// # Errors
    /// Whatever Django refuses, with its class.
    pub fn bind(&self, statement: &Statement) -> Result<Plan> {
        bind::bind(&self.schema, &self.registry, statement)
    }
}
