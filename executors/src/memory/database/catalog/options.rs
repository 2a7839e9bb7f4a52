//! The options of `create`.
use crate::memory::database::args::Args;
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::Scope;
use crate::memory::filter::Filter;
use crate::memory::stage::{Compiling, Pipeline, Place};
use crate::memory::storage::CollectionOptions;

/// Options of `create` that are known; those without a meaning here are kept and listed.
pub(super) const CREATE: [&str; 19] = [
    "capped",
    "size",
    "max",
    "validator",
    "validationLevel",
    "validationAction",
    "viewOn",
    "pipeline",
    "autoIndexId",
    "idIndex",
    "storageEngine",
    "indexOptionDefaults",
    "timeseries",
    "expireAfterSeconds",
    "clusteredIndex",
    "changeStreamPreAndPostImages",
    "encryptedFields",
    "flags",
    "temp",
];

impl CollectionOptions {
    /// Reads the options of `create`.
    ///
    /// # Errors
    /// What the validator, the collation and the pipeline give; `InvalidOptions`.
    pub fn parse(args: Args<'_>) -> Result<Self, EngineError> {
        let mut out = Self {
            validation_is_error: true,
            ..Self::default()
        };
        out.set_validation(args)?;
        out.collation = args.collation(None)?;
        if let Some(on) = args.string("viewOn")? {
            if on.is_empty() {
                return Err(EngineError::bad_value("'viewOn' cannot be empty"));
            }
            let stages = args.array("pipeline")?.cloned().unwrap_or_default();
            let scope = Scope::new();
            Pipeline::compile(
                &stages,
                &Compiling {
                    scope: &scope,
                    place: Place::Collection,
                    depth: 0,
                },
            )?;
            out.view = Some((on.to_owned(), stages));
        }
        if args.flag("capped")? {
            let Some(size) = args.count("size")? else {
                return Err(EngineError::new(
                    Code::InvalidOptions,
                    "the 'size' field is required when 'capped' is true",
                ));
            };
            out.capped = Some((size, args.count("max")?));
        }
        for (key, v) in args.doc() {
            if CREATE.contains(&key.as_str()) || key == "collation" {
                out.listed.insert(key.clone(), v.clone());
            }
        }
        Ok(out)
    }

    pub(super) fn set_validation(&mut self, args: Args<'_>) -> Result<(), EngineError> {
        if let Some(validator) = args.document("validator")? {
            self.validator = if validator.is_empty() {
                None
            } else {
                Some(Filter::compile(validator, &Scope::new())?)
            };
        }
        match args.string("validationAction")? {
            None => {}
            Some("error") => self.validation_is_error = true,
            Some("warn") => self.validation_is_error = false,
            Some(other) => {
                return Err(EngineError::bad_value(format!(
                    "Enumeration value '{other}' for field 'validationAction' is not a valid value."
                )));
            }
        }
        match args.string("validationLevel")? {
            None => {}
            Some("strict") => self.moderate = false,
            Some("moderate") => self.moderate = true,
            Some("off") => self.validation_is_error = false,
            Some(other) => {
                return Err(EngineError::bad_value(format!(
                    "Enumeration value '{other}' for field 'validationLevel' is not a valid value."
                )));
            }
        }
        for key in ["validator", "validationAction", "validationLevel"] {
            if let Some(v) = args.get(key) {
                self.listed.insert(key, v.clone());
            }
        }
        Ok(())
    }
}
