//! The text front end: querysets as people write them, and models.py, in Python's syntax.
//!
//! ```
//! use mqlc_compiler::schema::Schema;
//! use mqlc_compiler::text;
//!
//! let models = text::parse_models("library", "
//! from django.db import models
//! class Book(models.Model):
//!     title = models.CharField(max_length=100)
//!     pages = models.IntegerField()
//! ")?;
//! let schema = Schema::new(models.spec)?;
//! let params = text::Params::default();
//! let parsed = text::parse(&schema, "Book.objects.filter(pages__gt=100).order_by('-title')[:10]", &params)?;
//! assert_eq!(parsed.statement.unwrap().model, "library.Book");
//! # Ok::<(), mqlc_compiler::Error>(())
//! ```
//!
//! | folder | holds |
//! |---|---|
//! | `syntax` | text to tokens to a tree, with spans |
//! | `eval` | the tree of a query to statements |
//! | `models` | the tree of a models.py to a declared schema |
//!
//! Nothing is executed: what is not understood is refused at its place ([`Error::render`](crate::Error::render) draws it).

mod eval;
mod locate;
mod models;
mod syntax;

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;

pub use locate::Places;
pub(crate) use models::FieldDefault;
pub use models::{
    Extras, Models, ModelsOptions, Skipped, is_contrib, parse_models, parse_models_with,
};

use crate::error::Result;
use crate::functions::Registry;
use crate::queryset::{Statement, Value};
use crate::schema::Schema;

/// What a text may refer to besides the schema.
#[derive(Debug, Clone, Default)]
pub struct Params {
    /// Names that the text uses and does not define; a name may have dots (`request.user`) and is then bound as a whole.
    pub names: IndexMap<String, ParamValue>,
    /// The time that `now()`, `today()` and such defaults of fields give; without it they are refused.
    pub now: Option<Timestamp>,
    /// Label of the app whose models are meant where several apps have a class of the same name.
    pub app: Option<String>,
    /// What models.py says beyond the schema: defaults, managers, constants.
    pub extras: Arc<Extras>,
    /// Functions and aggregates of an embedder, which texts may call by their names.
    pub registry: Option<Arc<Registry>>,
}

/// The value of a name.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ParamValue {
    /// A literal.
    Value(Value),
    /// A stored instance of a model.
    Instance {
        /// Label of the model, `app.Model`.
        model: String,
        /// Its primary key; a list for a composite one.
        pk: Value,
    },
}

/// What a text says.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The statement that the last expression stands for; `None` if it is no query.
    pub statement: Option<Statement>,
    /// Queries of earlier lines that do more than read rows (`create()`, `delete()`, ...), in order.
    pub earlier: Vec<Statement>,
    /// Where the parts of the statement stand in the text.
    pub places: Places,
}

/// Reads a text: an expression, or assignments and then an expression.
///
/// # Errors
/// `Syntax` for what is not Python, `Python` for Python that is not understood here, and what Django refuses before a query
/// is made (`TypeError`, `ValueError`, ...), each with its span. Names of fields are not looked at: that is the binder's work.
pub fn parse(schema: &Schema, source: &str, params: &Params) -> Result<Parsed> {
    let statements = syntax::parse(source, syntax::Mode::Query)?;
    let outcome = eval::Evaluator::new(Some(schema), params, &params.extras).run(&statements)?;
    let places = Places::new(&statements, outcome.statement.clone());
    Ok(Parsed {
        statement: outcome.statement,
        earlier: outcome.earlier,
        places,
    })
}
