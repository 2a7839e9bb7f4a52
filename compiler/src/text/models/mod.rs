//! models.py as a declared schema.
//!
//! Read are classes of models with their fields, `Meta`, bases (abstract ones, parents, proxies), constants, and managers
//! whose methods only say a query, and `register_lookup()`. Other Python is skipped and listed; what concerns the schema and is not understood is an
//! error at its place. Names, columns, reverse names and intermediate models follow Django (`Options`, `RelatedField`,
//! `ModelBase`); the collection is Django's table name and the primary key's column is `_id`.
//!
//! | file | holds |
//! |---|---|
//! | `draft` | classes as they stand in the file |
//! | `field`, `option` | one field with its options |
//! | `meta` | the options of a model |
//! | `constraint` | its indexes and constraints |
//! | `build` | drafts to models: inheritance, keys |
//! | `registered` | transforms registered for field classes |
//! | `relation` | targets, reverse names, intermediate models |
//! | `contrib` | the models of Django's own apps |

mod build;
mod constraint;
mod contrib;
mod draft;
mod field;
mod meta;
mod option;
mod registered;
mod relation;

use indexmap::IndexMap;

pub use contrib::is_contrib;

use super::syntax::{self, FunctionDef, Mode};
use crate::error::{Error, Result, Span};
use crate::queryset::Value;
use crate::schema::{FieldKind, SchemaSpec};

/// What a models.py says.
#[derive(Debug, Clone, Default)]
pub struct Models {
    /// The declared schema.
    pub spec: SchemaSpec,
    /// What the schema has no place for and texts need: defaults, managers, constants.
    pub extras: Extras,
    /// Python that was not read, because it says nothing about what is stored.
    pub skipped: Vec<Skipped>,
}

/// Python that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skipped {
    /// What it is: `method Book.__str__`.
    pub what: String,
    /// Its place.
    pub span: Span,
    /// Why, of an index or a constraint: it says something about what is stored, but nothing that is kept here.
    pub because: Option<String>,
}

/// How a models.py is read.
#[derive(Debug, Clone)]
pub struct ModelsOptions {
    /// Class of the primary key that models get which declare none (`DEFAULT_AUTO_FIELD`).
    pub auto_field: FieldKind,
    /// Label of the user model (`AUTH_USER_MODEL`).
    pub user_model: String,
    /// Add the models of Django's own apps (`auth.User`, `contenttypes.ContentType`, ...).
    pub contrib: bool,
}

impl Default for ModelsOptions {
    fn default() -> Self {
        ModelsOptions {
            auto_field: FieldKind::AutoField,
            user_model: "auth.User".to_owned(),
            contrib: true,
        }
    }
}

/// What models.py says beyond the schema, for the texts that use it.
#[derive(Debug, Clone)]
pub struct Extras {
    pub(super) models: IndexMap<String, ModelExtras>,
    /// Classes of managers and querysets by name.
    pub(super) classes: IndexMap<String, OwnClass>,
    /// Enumerations of the module: class, member, value.
    pub(super) enums: IndexMap<String, IndexMap<String, Value>>,
    /// Label of the user model.
    pub(super) user_model: String,
}

impl Default for Extras {
    fn default() -> Self {
        Extras {
            models: IndexMap::new(),
            classes: IndexMap::new(),
            enums: IndexMap::new(),
            user_model: "auth.User".to_owned(),
        }
    }
}

/// Of one model.
#[derive(Debug, Clone, Default)]
pub(super) struct ModelExtras {
    /// Managers in their order, with their class if it is the project's.
    pub(super) managers: IndexMap<String, Option<String>>,
    /// Constants, those of inner classes as `Class.NAME`.
    pub(super) constants: IndexMap<String, Value>,
    /// Defaults of its own fields.
    pub(super) defaults: IndexMap<String, FieldDefault>,
}

/// A manager or queryset class.
#[derive(Debug, Clone, Default)]
pub(super) struct OwnClass {
    pub(super) bases: Vec<String>,
    pub(super) methods: IndexMap<String, FunctionDef>,
}

/// What a field is filled with that was given nothing.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum FieldDefault {
    Value(Value),
    /// The current time, aware.
    Now,
    /// The current time on the local clock.
    LocalNow,
    /// The current date.
    Today,
    /// The current time, whatever was given (`auto_now`).
    AutoNow,
    /// A new identifier.
    Random,
    /// `db_default`.
    Database,
    /// Other Python.
    Code,
}

impl Extras {
    /// The default of a field.
    pub(super) fn default_of(&self, label: &str, field: &str) -> Option<&FieldDefault> {
        self.models.get(label)?.defaults.get(field)
    }

    /// Label of the user model.
    #[must_use]
    pub fn user_model(&self) -> &str {
        &self.user_model
    }
}

impl Models {
    /// Adds the models of another models.py; models that are there already stay.
    pub fn merge(&mut self, other: Models) {
        for (label, model) in other.spec.models {
            self.spec.models.entry(label).or_insert(model);
        }
        for (class, names) in other.spec.settings.lookups {
            let known = self.spec.settings.lookups.entry(class).or_default();
            for (name, function) in names {
                known.entry(name).or_insert(function);
            }
        }
        for (label, model) in other.extras.models {
            self.extras.models.entry(label).or_insert(model);
        }
        for (name, class) in other.extras.classes {
            self.extras.classes.entry(name).or_insert(class);
        }
        for (name, members) in other.extras.enums {
            self.extras.enums.entry(name).or_insert(members);
        }
        self.skipped.extend(other.skipped);
    }
}

/// Reads a models.py of the app with this label.
///
/// # Errors
/// `Syntax`, `Python` and `Schema` errors with their spans.
pub fn parse_models(app_label: &str, source: &str) -> Result<Models> {
    parse_models_with(app_label, source, &ModelsOptions::default())
}

/// As [`parse_models`], with options.
///
/// # Errors
/// As [`parse_models`].
pub fn parse_models_with(app_label: &str, source: &str, options: &ModelsOptions) -> Result<Models> {
    let mut models = one(app_label, source, options)?;
    if options.contrib {
        for (app, text) in contrib::APPS {
            let further = one(app, text, options)
                .map_err(|e| Error::internal(format!("models of {app}: {e}")))?;
            models.merge(Models {
                skipped: Vec::new(),
                ..further
            });
        }
    }
    Ok(models)
}

fn one(app: &str, source: &str, options: &ModelsOptions) -> Result<Models> {
    let statements = syntax::parse(source, Mode::Models)?;
    let file = draft::read(app, &statements)?;
    build::build(file, options)
}
