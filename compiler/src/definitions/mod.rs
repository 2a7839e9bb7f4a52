//! What a database needs before it is written to: indexes and validators, as commands.
//!
//! [`Compiler::definitions`] looks at models only. Indexes come from options of fields, keys, `unique_together`, `Meta.indexes` and
//! `Meta.constraints`; validators from the types of fields and from check constraints.
//!
//! | file | holds |
//! |---|---|
//! | `index` | one index as `createIndexes` takes it |
//! | `key` | from names of fields to paths |
//! | `name` | the names that Django gives |
//! | `condition` | conditions, bound |
//! | `partial`, `clause` | conditions as `partialFilterExpression` |
//! | `validator` | fields as `$jsonSchema` |
//! | `check` | check constraints as filters |

mod check;
mod clause;
mod condition;
mod index;
mod key;
mod name;
mod partial;
mod validator;

use std::fmt;

use bson::{Bson, Document, doc};

use crate::compiler::{Compiled, Compiler};
use crate::error::{Code, Error, Result};
use crate::mql::Command;
use crate::program::Program;
use crate::schema::{Field, IndexSpec, Model, Schema};
use crate::shape::Shape;
use crate::trace::Trace;
use index::Index;

/// Indexes that a collection holds at most, that of `_id` among them (MongoDB manual, "Limits and Thresholds").
const MAX_INDEXES: usize = 64;

/// What is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DefinitionOptions {
    /// Labels of the models; all if there are none.
    pub models: Vec<String>,
    /// Validators, too.
    pub validators: bool,
    /// Which documents validators look at.
    pub level: ValidationLevel,
    /// What they do.
    pub action: ValidationAction,
}

/// Which documents a validator looks at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ValidationLevel {
    /// All that are written.
    #[default]
    Strict,
    /// New ones, and those that were valid before.
    Moderate,
}

/// What a validator does with a document that is not valid.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ValidationAction {
    /// The write is refused.
    #[default]
    Error,
    /// It is logged.
    Warn,
}

/// The definitions of some collections, in the order of their models.
#[derive(Debug, Clone)]
pub struct Definitions {
    /// One a collection.
    pub collections: Vec<Definition>,
    schema: std::sync::Arc<Schema>,
    options: DefinitionOptions,
}

/// The definition of a collection.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    /// Its name.
    pub collection: String,
    /// Labels of the models that it stores.
    pub models: Vec<String>,
    /// Its indexes, each as `createIndexes` takes it, but for that of `_id`.
    pub indexes: Vec<Document>,
    /// The validator, if it was asked for.
    pub validator: Option<Document>,
}

impl Compiler {
    /// The indexes and validators of models.
    ///
    /// # Errors
    /// `UnknownModel` for a label that there is not; `Schema` for what contradicts itself; `Unsupported` for what MongoDB
    /// cannot hold, with the reason.
    pub fn definitions(&self, options: &DefinitionOptions) -> Result<Definitions> {
        for label in &options.models {
            self.schema().find(label)?;
        }
        let mut collections: Vec<(Definition, Vec<Index>, Vec<Document>)> = Vec::new();
        for model in self.schema().models() {
            let wanted = options.models.is_empty() || options.models.contains(&model.label);
            if !wanted || model.embedded || model.concrete != model.id {
                continue;
            }
            let at = collections
                .iter()
                .position(|(d, ..)| model.collection == d.collection);
            let at = at.unwrap_or_else(|| {
                let definition = Definition {
                    collection: model.collection.to_string(),
                    models: Vec::new(),
                    indexes: Vec::new(),
                    validator: None,
                };
                collections.push((definition, Vec::new(), Vec::new()));
                collections.len() - 1
            });
            if let Some((definition, indexes, validators)) = collections.get_mut(at) {
                definition.models.push(model.label.clone());
                self.indexes_of(model, indexes)?;
                if options.validators {
                    validators.push(self.validator_of(model)?);
                }
            }
        }
        let finished = collections
            .into_iter()
            .map(|(mut definition, indexes, mut validators)| {
                definition.indexes = indexes.into_iter().map(|index| index.spec).collect();
                definition.validator = match validators.len() {
                    0 | 1 => validators.pop(),
                    // Documents of several models are those of one of them.
                    _ => Some(doc! {"$or": validators}),
                };
                definition
            });
        Ok(Definitions {
            collections: finished.collect(),
            schema: self.shared_schema(),
            options: options.clone(),
        })
    }

    /// Adds the indexes of a model to those of its collection.
    fn indexes_of(&self, model: &Model, out: &mut Vec<Index>) -> Result<()> {
        for (i, spec) in model.indexes.iter().enumerate() {
            let found = index::index(self, model, spec).map_err(|error| {
                let names: Vec<&str> = spec.keys.iter().map(|key| key.field.as_str()).collect();
                let what = match &spec.name {
                    Some(name) => format!("the index '{name}' of {}", model.label),
                    None => format!("the index of {} of {}", names.join(", "), model.label),
                };
                let named = |f: &Field| spec.keys.first().is_some_and(|k| k.field == f.name);
                let of_field = model.fields.iter().position(named);
                match of_field.filter(|_| spec.of_field) {
                    Some(field) => place(error, &what, model, ("fields", field)),
                    None => place(error, &what, model, ("indexes", i)),
                }
            })?;
            if let Some(found) = found {
                add(found, model, out)?;
            }
        }
        if let Some(found) = index::composite(self, model)? {
            add(found, model, out)?;
        }
        if out.len() >= MAX_INDEXES {
            return Err(Error::new(
                Code::Limit,
                format!(
                    "{:?} would have {} indexes, and a collection holds {MAX_INDEXES}",
                    &*model.collection,
                    out.len() + 1
                ),
            ));
        }
        Ok(())
    }

    fn validator_of(&self, model: &Model) -> Result<Document> {
        let content = validator::schema(self.schema(), model)?;
        let mut out = doc! {"$jsonSchema": content};
        let mut broken: Vec<Bson> = Vec::new();
        for (i, spec) in model.checks.iter().enumerate() {
            let filter = check::broken(self, model, &spec.condition).map_err(|error| {
                let name = spec.name.as_deref().unwrap_or_default();
                let what = format!("the check '{name}' of {}", model.label);
                place(error, &what, model, ("checks", i))
            })?;
            broken.extend(filter.map(Bson::Document));
        }
        if !broken.is_empty() {
            out.insert("$nor", broken);
        }
        Ok(out)
    }
}

/// An error with what it is about.
fn place(error: Error, what: &str, model: &Model, (list, i): (&str, usize)) -> Error {
    let message = format!("{what}: {}", error.message());
    let code = error.code();
    // Paths inside a statement mean nothing here.
    error
        .elsewhere()
        .reworded(code, message)
        .inside(i)
        .inside(list)
        .inside(&model.label)
        .inside("models")
}

/// Adds an index. Of two that a server takes for the same, one that nobody has named is left out.
fn add(index: Index, model: &Model, out: &mut Vec<Index>) -> Result<()> {
    if let Some(same) = out.iter_mut().find(|other| other.is_like(&index)) {
        if !index.named || same.name() == index.name() {
            return Ok(());
        }
        if !same.named {
            *same = index;
            return Ok(());
        }
        return Err(Error::unsupported(
            format!(
                "{}: '{}' beside '{}'",
                model.label,
                index.name(),
                same.name()
            ),
            "a server holds one index of the same keys and options",
        ));
    }
    let words = |index: &Index| {
        let keys = index.spec.get_document("key");
        keys.is_ok_and(|keys| keys.values().any(|kind| kind.as_str() == Some("text")))
    };
    if words(&index) && out.iter().any(words) {
        return Err(Error::unsupported(
            format!("{}: a second text index '{}'", model.label, index.name()),
            "a collection holds one text index",
        )
        .with_hint("name all its fields in one"));
    }
    if out.iter().any(|other| other.name() == index.name()) {
        return Err(Error::new(
            Code::Schema,
            format!("{} has two indexes named '{}'", model.label, index.name()),
        ));
    }
    out.push(index);
    Ok(())
}

impl Definition {
    /// `createIndexes`, if there are any.
    #[must_use]
    pub fn create_indexes(&self) -> Option<Command> {
        let indexes: Vec<Bson> = self.indexes.iter().cloned().map(Bson::Document).collect();
        let command = doc! {"createIndexes": &self.collection, "indexes": indexes};
        (!self.indexes.is_empty()).then(|| Command::Define(Box::new(command)))
    }

    /// `create` or, for a collection that is there, `collMod`; nothing without a validator.
    #[must_use]
    pub fn validation(&self, options: &DefinitionOptions, exists: bool) -> Option<Command> {
        let verb = if exists { "collMod" } else { "create" };
        let level = match options.level {
            ValidationLevel::Strict => "strict",
            ValidationLevel::Moderate => "moderate",
        };
        let action = match options.action {
            ValidationAction::Error => "error",
            ValidationAction::Warn => "warn",
        };
        let command = doc! {
            verb: &self.collection,
            "validator": self.validator.clone()?,
            "validationLevel": level,
            "validationAction": action,
        };
        Some(Command::Define(Box::new(command)))
    }
}

impl Definitions {
    /// The commands, for a database of which some collections are there already. They can be sent again: what is there stays.
    #[must_use]
    pub fn program(&self, exists: impl Fn(&str) -> bool) -> Program {
        let mut program = Program::default();
        for definition in &self.collections {
            let validation = definition.validation(&self.options, exists(&definition.collection));
            let commands = validation.into_iter().chain(definition.create_indexes());
            program.steps.extend(commands.map(Into::into));
        }
        program
    }

    /// The commands as any executor runs them.
    #[must_use]
    pub fn compiled(&self, exists: impl Fn(&str) -> bool) -> Compiled {
        Compiled {
            schema: std::sync::Arc::clone(&self.schema),
            program: self.program(exists),
            shape: Shape::Written(Vec::new()),
            trace: Trace::brief(),
        }
    }
}

/// The paths of an index's keys, and those of them at which no row is in it that is NULL there; nothing for an index that cannot be made.
pub(crate) fn paths(
    schema: &Schema,
    model: &Model,
    spec: &IndexSpec,
) -> Option<(Vec<String>, Vec<String>)> {
    let keys = spec.keys.iter().map(|k| key::key(schema, model, &k.field));
    let keys: Vec<key::Key> = keys.collect::<Result<_>>().ok()?;
    let partial = spec.unique && !spec.nulls_equal;
    let not_null = keys.iter().filter(|key| partial && key.nullable);
    let not_null = not_null.map(|key| key.path.clone()).collect();
    Some((keys.into_iter().map(|key| key.path).collect(), not_null))
}

/// What one would type into `mongosh` for a new database.
impl fmt::Display for Definitions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.program(|_| false).fmt(f)
    }
}
