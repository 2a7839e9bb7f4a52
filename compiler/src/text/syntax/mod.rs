//! The subset of Python's grammar that queries and models are written in: text to tokens to a tree.
//!
//! | file | holds |
//! |---|---|
//! | `token` | text to tokens with indentation, [`Token`] |
//! | `literal` | numbers and strings inside the tokenizer |
//! | `formatted` | the pieces of f-strings |
//! | `tree` | the syntax tree, [`Node`] and [`Stmt`] |
//! | `cursor` | the token stream, [`cursor::Parser`] |
//! | `expression`, `display` | the expression parser, Python's precedence, brackets |
//! | `statement` | assignments, imports, classes and functions |
//!
//! Every node knows its span. Nesting is bounded before the parser recurses; chains (`a | b | c`, `x.y().z()`) are
//! flat nodes, so that their length costs no depth.

mod cursor;
mod display;
mod expression;
mod formatted;
mod literal;
mod statement;
mod token;
mod tree;

pub(super) use statement::{Mode, parse};
pub(super) use tree::{
    Arg, ArgKind, BinaryOp, Chained, ClassDef, Clause, CompareOp, Comprehension, FunctionDef, Kind,
    Lambda, Makes, Node, Piece, Stmt, StmtKind, Subscript, Trailer, TrailerKind, UnaryOp,
};

use crate::error::{Code, Error, Span};

/// Deepest nesting of brackets.
pub(super) const MAX_BRACKETS: usize = 90;
/// Deepest nesting of the tree: brackets, signs and blocks together.
pub(super) const MAX_DEPTH: usize = 200;
/// Longest text in bytes.
pub(super) const MAX_TEXT: usize = 4 << 20;

/// A syntax error at a place.
pub(super) fn syntax(message: impl Into<String>, span: Span) -> Error {
    Error::new(Code::Syntax, message).with_span(span)
}

/// Python that has no meaning here, at its place.
pub(super) fn python(message: impl Into<String>, span: Span) -> Error {
    Error::new(Code::Python, message).with_span(span)
}
