//! The registry of database functions, transforms, lookups, aggregates and window functions.
//!
//! A [`Function`] is a row of data: its name, how many arguments it takes, how its type follows from theirs, when it
//! is NULL, from which server version it exists, and how it becomes MongoDB's language. Nothing else in the compiler
//! knows a function by name. Embedders add their own rows with [`Registry::register`]:
//!
//! ```
//! use mqlc_compiler::functions::{Function, NullRule, Output, Registry};
//! use mqlc_compiler::mql::Expr;
//! use mqlc_compiler::schema::FieldKind;
//!
//! // ByteLength(text): how long the text is in bytes.
//! let mut registry = Registry::django();
//! registry.register(
//!     Function::scalar("ByteLength", 1, Output::Kind(FieldKind::IntegerField), NullRule::Strict, |call, _target| {
//!         let text = call.arg(0)?.text();
//!         Ok(text.unless_null(|t| Expr::one("$strLenBytes", t)))
//!     })
//!     .transform("bytes", &[FieldKind::CharField, FieldKind::TextField]),
//! );
//! assert!(registry.function("ByteLength").is_some());
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `function` | what a row says, [`Function`] |
//! | `lookup` | what a row of a lookup says, [`Lookup`], and Django's |
//! | `registry` | the rows by name, [`Registry`] |
//! | `path` | names in lookup paths |
//! | `output` | the type of a call |
//! | `call` | what the binder asks and what it gets |
//! | `typing` | Django's rules for the type of an expression |
//! | `lowered` | what lowering gives and what it gets |
//! | `build` | building blocks of expressions that never abort and pass NULL through |
//! | `arithmetic` | `+ - * / % ^` and bit operators |
//! | `convert` | `Cast`, and conversions between any two types |
//! | `text`, `hash`, `math`, `compare`, `date`, `json`, `array`, `ids` | the families of scalar functions |
//! | `aggregate`, `collect` | aggregates: numbers; lists and texts |
//! | `search` | search expressions |
//! | `window`, `frame` | window functions; aggregates over frames |

mod aggregate;
mod arithmetic;
mod array;
mod build;
mod call;
mod collect;
mod compare;
mod convert;
mod date;
mod frame;
mod function;
mod hash;
mod ids;
mod json;
mod lookup;
mod lowered;
mod math;
mod output;
mod path;
mod registry;
pub(crate) mod search;
mod text;
mod typing;
mod window;

pub use call::{AggregateRequest, Arg, Call, Context, ResolvedAggregate};
pub(crate) use compare::COLLATE;
pub use compare::collation_document;
pub use function::{
    AggregateRules, Arity, Check, Fold, Function, Kind, LowerAggregate, LowerScalar, LowerWindow,
    NullRule, Output,
};
pub use lookup::{Left, LeftSide, Lookup, Meaning, Right};
pub use lowered::{
    Grouped, LoweredAggregate, LoweredArg, LoweredCall, LoweredKey, LoweredWindow, Names, Over,
    WindowPass, Windowed,
};
pub use path::Transform;
pub use registry::Registry;
pub use typing::{combined_type, infer, is_subclass};

/// The rows of every family.
fn families() -> impl Iterator<Item = Function> {
    [
        aggregate::functions(),
        collect::functions(),
        window::functions(),
        array::functions(),
        compare::functions(),
        convert::functions(),
        date::functions(),
        hash::functions(),
        ids::functions(),
        json::functions(),
        math::functions(),
        text::functions(),
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests;
