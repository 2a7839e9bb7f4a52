//! **mqlc**, the MQL compiler: Django-like querysets in, MongoDB commands and rows out.
//!
//! This crate is the facade: it re-exports the pure compiler ([`mqlc_compiler`]) and the executors
//! ([`mqlc_executors`]), and holds the command line tool.
//!
//! ```
//! use mqlc::prelude::*;
//!
//! let models = text::parse_models("library", "
//! from django.db import models
//! class Author(models.Model):
//!     name = models.CharField(max_length=80)
//! class Book(models.Model):
//!     title = models.CharField(max_length=120)
//!     author = models.ForeignKey(Author, on_delete=models.CASCADE)
//!     pages = models.IntegerField(null=True)
//! ")?;
//! let compiler = Compiler::new(Schema::new(models.spec)?);
//! let books = Query::from("library.Book")
//!     .filter(f("author__name").istartswith("le") & f("pages").gte(100))
//!     .order_by([desc("pages")])
//!     .slice(..20);
//! let compiled = compiler.compile(&books.into())?;
//! assert_eq!(compiled.program.steps.len(), 1);
//! # Ok::<(), mqlc::Error>(())
//! ```

pub use mqlc_compiler as compiler;
pub use mqlc_compiler::{Code, Compiled, Compiler, Error, Result, Span};
pub use mqlc_executors as executors;

/// What most programs need.
pub mod prelude {
    pub use mqlc_compiler::builder::*;
    pub use mqlc_compiler::queryset::{Statement, Value};
    pub use mqlc_compiler::schema::{Schema, SchemaSpec};
    pub use mqlc_compiler::target::Target;
    pub use mqlc_compiler::{Compiled, Compiler, text};
    pub use mqlc_executors::{Execute, Executor, Row, RowValue};
}
