//! The syntax tree.

use crate::error::Span;

/// An expression with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Name(String),
    None,
    Bool(bool),
    Int(i128),
    Float(f64),
    Str(String),
    Bytes(Vec<u8>),
    Ellipsis,
    Comprehension(Box<Comprehension>),
    /// `lambda a, b: a | b`.
    Lambda(Box<Lambda>),
    /// An f-string.
    Formatted(Vec<Piece>),
    /// Python that is passed over in models.py.
    Code,
    /// Elements are positional or starred arguments.
    List(Vec<Arg>),
    Tuple(Vec<Arg>),
    Set(Vec<Arg>),
    /// Keys with values; `None` for `**other`.
    Dict(Vec<(Option<Node>, Node)>),
    /// A base with attributes, calls and indexes after it.
    Postfix {
        base: Box<Node>,
        trailers: Vec<Trailer>,
    },
    Unary {
        op: UnaryOp,
        operand: Box<Node>,
    },
    /// Operands of one level of precedence, from left to right.
    Chain {
        first: Box<Node>,
        rest: Vec<Chained>,
    },
    Power {
        base: Box<Node>,
        exponent: Box<Node>,
    },
    Compare {
        first: Box<Node>,
        rest: Vec<(CompareOp, Node)>,
    },
    /// `a and b` (true) or `a or b` (false).
    Logic {
        and: bool,
        operands: Vec<Node>,
    },
    Conditional {
        condition: Box<Node>,
        then: Box<Node>,
        otherwise: Box<Node>,
    },
}

/// What a comprehension makes of its elements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Makes {
    List(Node),
    Set(Node),
    Generator(Node),
    Dict(Node, Node),
}

/// `[x for x in source if condition]`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Comprehension {
    pub(crate) makes: Makes,
    pub(crate) clauses: Vec<Clause>,
}

/// One `for` of a comprehension with the conditions after it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Clause {
    /// A name, or a tuple of names.
    pub(crate) target: Node,
    pub(crate) source: Node,
    pub(crate) conditions: Vec<Node>,
}

/// A function of one expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Lambda {
    pub(crate) params: Vec<String>,
    pub(crate) body: Node,
}

/// A part of an f-string.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    /// `{value!r:>10}`.
    Value {
        node: Node,
        conversion: Option<char>,
        spec: String,
    },
}

/// An operator and its right operand.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chained {
    pub(crate) op: BinaryOp,
    pub(crate) right: Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnaryOp {
    Plus,
    Minus,
    Invert,
    Not,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BinaryOp {
    Or,
    Xor,
    And,
    ShiftLeft,
    ShiftRight,
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    MatMul,
    Pow,
}

impl BinaryOp {
    /// As written.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            BinaryOp::Or => "|",
            BinaryOp::Xor => "^",
            BinaryOp::And => "&",
            BinaryOp::ShiftLeft => "<<",
            BinaryOp::ShiftRight => ">>",
            BinaryOp::Add => "+",
            BinaryOp::Sub => "-",
            BinaryOp::Mul => "*",
            BinaryOp::Div => "/",
            BinaryOp::FloorDiv => "//",
            BinaryOp::Mod => "%",
            BinaryOp::MatMul => "@",
            BinaryOp::Pow => "**",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CompareOp {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
    Is,
    IsNot,
}

/// What follows an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Trailer {
    pub(crate) kind: TrailerKind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TrailerKind {
    Attribute(String),
    Call(Vec<Arg>),
    Index(Subscript),
}

/// What stands in brackets after an expression.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Subscript {
    Item(Box<Node>),
    Slice {
        start: Option<Box<Node>>,
        stop: Option<Box<Node>>,
        step: Option<Box<Node>>,
    },
}

/// An argument of a call, or an element of a display.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Arg {
    pub(crate) kind: ArgKind,
    pub(crate) value: Node,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ArgKind {
    Positional,
    /// `*value`.
    Star,
    /// `**value`.
    DoubleStar,
    /// `name=value`, with the place of the name.
    Keyword(String, Span),
}

/// A statement with its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stmt {
    pub(crate) kind: StmtKind,
    pub(crate) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum StmtKind {
    Expr(Node),
    /// `a = b = value`, also `a: type = value`; targets are names, attributes or tuples of them.
    Assign {
        targets: Vec<Node>,
        value: Node,
    },
    /// `a |= value`.
    Augmented {
        target: Node,
        op: BinaryOp,
        value: Node,
    },
    /// `import a.b as c`: module path and bound name.
    Import {
        module: String,
        alias: Option<String>,
    },
    /// `from a.b import c as d`.
    FromImport {
        module: String,
        names: Vec<ImportedName>,
    },
    Class(ClassDef),
    Function(FunctionDef),
    Return(Option<Node>),
    Pass,
    /// Python that is known but not read: a keyword and its block.
    Skipped(String),
}

/// One name of a `from` import.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ImportedName {
    /// Name in the module, or `*`.
    pub(crate) name: String,
    /// Name here.
    pub(crate) alias: Option<String>,
    pub(crate) span: Span,
}

/// A class with the statements of its body.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ClassDef {
    pub(crate) name: String,
    pub(crate) name_span: Span,
    pub(crate) bases: Vec<Arg>,
    pub(crate) body: Vec<Stmt>,
}

/// A function; without a body where that is more Python than is read here.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FunctionDef {
    pub(crate) name: String,
    pub(crate) decorators: Vec<Node>,
    /// Parameters with their default values.
    pub(crate) params: Vec<(String, Option<Node>)>,
    pub(crate) body: Option<Vec<Stmt>>,
}
