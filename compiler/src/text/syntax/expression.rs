//! The expression parser: Python's levels of precedence, one loop for the binary ones.

use std::collections::HashSet;

use super::cursor::{KEYWORDS, Parser};
use super::display::comprehension;
use super::token::TokenKind;
use super::tree::{
    Arg, ArgKind, BinaryOp, Chained, CompareOp, Kind, Lambda, Makes, Node, Subscript, Trailer,
    TrailerKind, UnaryOp,
};
use super::{python, syntax};
use crate::error::{Error, Result};

/// Binary operators by level, the weakest first.
const LEVELS: [&[(&str, BinaryOp)]; 6] = [
    &[("|", BinaryOp::Or)],
    &[("^", BinaryOp::Xor)],
    &[("&", BinaryOp::And)],
    &[("<<", BinaryOp::ShiftLeft), (">>", BinaryOp::ShiftRight)],
    &[("+", BinaryOp::Add), ("-", BinaryOp::Sub)],
    &[
        ("*", BinaryOp::Mul),
        ("/", BinaryOp::Div),
        ("//", BinaryOp::FloorDiv),
        ("%", BinaryOp::Mod),
        ("@", BinaryOp::MatMul),
    ],
];

const COMPARISONS: [(&str, CompareOp); 6] = [
    ("==", CompareOp::Eq),
    ("!=", CompareOp::Ne),
    ("<", CompareOp::Lt),
    ("<=", CompareOp::Le),
    (">", CompareOp::Gt),
    (">=", CompareOp::Ge),
];

impl<'t> Parser<'t> {
    /// An expression; with commas a tuple.
    pub(super) fn expressions(&mut self) -> Result<Node> {
        let start = self.span().start;
        let first = self.element()?;
        if !self.is_op(",") {
            return match first.kind {
                ArgKind::Star => Err(syntax(
                    "a starred expression stands in a list, tuple or call",
                    first.value.span,
                )),
                _ => Ok(first.value),
            };
        }
        let mut items = vec![first];
        while self.eat(",") {
            if self.ends() {
                break;
            }
            items.push(self.element()?);
        }
        Ok(Node {
            kind: Kind::Tuple(items),
            span: self.since(start),
        })
    }

    pub(super) fn ends(&self) -> bool {
        matches!(
            self.kind(),
            TokenKind::End | TokenKind::Newline | TokenKind::Op(")" | "]" | "}" | "=" | ":" | ";")
        )
    }

    /// An element of a display: an expression or `*expression`.
    pub(super) fn element(&mut self) -> Result<Arg> {
        if self.eat("*") {
            let value = self.deeper(|p| p.binary())?;
            return Ok(Arg {
                kind: ArgKind::Star,
                value,
            });
        }
        Ok(Arg {
            kind: ArgKind::Positional,
            value: self.expression()?,
        })
    }

    /// One expression, without commas.
    pub(super) fn expression(&mut self) -> Result<Node> {
        self.deeper(Self::conditional)
    }

    /// Code that has no meaning here: refused, or passed over up to the end of the expression.
    pub(super) fn code(&mut self, start: usize, error: Error) -> Result<Node> {
        if !self.lenient {
            return Err(error);
        }
        let mut open = 0usize;
        loop {
            match self.kind() {
                TokenKind::Op("(" | "[" | "{") => open += 1,
                TokenKind::Op(")" | "]" | "}") if open == 0 => break,
                TokenKind::Op(")" | "]" | "}") => open -= 1,
                TokenKind::Op("," | ";") if open == 0 => break,
                TokenKind::Newline | TokenKind::End | TokenKind::Indent | TokenKind::Dedent => {
                    break;
                }
                _ => {}
            }
            self.advance();
        }
        Ok(Node {
            kind: Kind::Code,
            span: self.since(start),
        })
    }

    fn conditional(&mut self) -> Result<Node> {
        let start = self.span().start;
        if self.is_word("lambda") {
            if self.lenient {
                let error = python("a lambda is code, which is not run here", self.span());
                return self.code(start, error);
            }
            return self.lambda();
        }
        if self.is_word("yield") {
            return Err(python("there is nothing to yield to", self.span()));
        }
        let then = self.logic(false)?;
        if self.is_op(":=") {
            return Err(python("assign on a line of its own", self.span()));
        }
        if !self.eat_word("if") {
            return Ok(then);
        }
        let condition = self.logic(false)?;
        if !self.eat_word("else") {
            return Err(self.unexpected("'else' of the conditional expression"));
        }
        let otherwise = self.expression()?;
        Ok(Node {
            kind: Kind::Conditional {
                condition: Box::new(condition),
                then: Box::new(then),
                otherwise: Box::new(otherwise),
            },
            span: self.since(start),
        })
    }

    /// `lambda a, b: value`: plain parameters only.
    fn lambda(&mut self) -> Result<Node> {
        let start = self.span().start;
        self.advance();
        let mut params = Vec::new();
        while !self.eat(":") {
            params.push(self.name("a parameter of the lambda")?);
            if !self.eat(",") && !self.is_op(":") {
                return Err(python(
                    "only plain parameters of a lambda are read here",
                    self.span(),
                ));
            }
        }
        let body = self.expression()?;
        Ok(Node {
            kind: Kind::Lambda(Box::new(Lambda { params, body })),
            span: self.since(start),
        })
    }

    pub(super) fn logic(&mut self, and: bool) -> Result<Node> {
        let start = self.span().start;
        let word = if and { "and" } else { "or" };
        let operand = |p: &mut Self| if and { p.negation() } else { p.logic(true) };
        let first = operand(self)?;
        if !self.is_word(word) {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.eat_word(word) {
            operands.push(operand(self)?);
        }
        Ok(Node {
            kind: Kind::Logic { and, operands },
            span: self.since(start),
        })
    }

    fn negation(&mut self) -> Result<Node> {
        let start = self.span().start;
        if !self.is_word("not") {
            return self.comparison();
        }
        self.advance();
        let operand = self.deeper(Self::negation)?;
        Ok(Node {
            kind: Kind::Unary {
                op: UnaryOp::Not,
                operand: Box::new(operand),
            },
            span: self.since(start),
        })
    }

    fn comparison(&mut self) -> Result<Node> {
        let start = self.span().start;
        let first = self.binary()?;
        let mut rest = Vec::new();
        while let Some(op) = self.comparison_operator()? {
            rest.push((op, self.binary()?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        Ok(Node {
            kind: Kind::Compare {
                first: Box::new(first),
                rest,
            },
            span: self.since(start),
        })
    }

    fn comparison_operator(&mut self) -> Result<Option<CompareOp>> {
        if let TokenKind::Op(found) = self.kind()
            && let Some((_, op)) = COMPARISONS.iter().find(|(sign, _)| sign == found)
        {
            self.advance();
            return Ok(Some(*op));
        }
        if self.eat_word("in") {
            return Ok(Some(CompareOp::In));
        }
        if self.eat_word("is") {
            let op = if self.eat_word("not") {
                CompareOp::IsNot
            } else {
                CompareOp::Is
            };
            return Ok(Some(op));
        }
        if self.is_word("not") && matches!(self.kind_after(1), TokenKind::Name(n) if n == "in") {
            self.advance();
            self.advance();
            return Ok(Some(CompareOp::NotIn));
        }
        Ok(None)
    }

    /// Operators between signed operands.
    fn binary(&mut self) -> Result<Node> {
        let start = self.span().start;
        let first = self.unary()?;
        if self.binary_operator().is_none() {
            return Ok(first);
        }
        self.chains(first, start, 0)
    }

    fn binary_operator(&self) -> Option<(usize, BinaryOp)> {
        let TokenKind::Op(found) = self.kind() else {
            return None;
        };
        LEVELS.iter().enumerate().find_map(|(level, operators)| {
            let (_, op) = operators.iter().find(|(sign, _)| sign == found)?;
            Some((level, *op))
        })
    }

    /// Continues an operand with operators of a level and all stronger ones.
    fn chains(&mut self, mut first: Node, start: usize, weakest: usize) -> Result<Node> {
        while let Some((level, _)) = self.binary_operator()
            && level >= weakest
        {
            let mut rest = Vec::new();
            while let Some((same, op)) = self.binary_operator()
                && same == level
            {
                self.advance();
                let from = self.span().start;
                let mut right = self.unary()?;
                while let Some((stronger, _)) = self.binary_operator()
                    && stronger > level
                {
                    right = self.chains(right, from, stronger)?;
                }
                rest.push(Chained { op, right });
            }
            first = Node {
                kind: Kind::Chain {
                    first: Box::new(first),
                    rest,
                },
                span: self.since(start),
            };
        }
        Ok(first)
    }

    fn unary(&mut self) -> Result<Node> {
        let start = self.span().start;
        let op = match self.kind() {
            TokenKind::Op("-") => UnaryOp::Minus,
            TokenKind::Op("+") => UnaryOp::Plus,
            TokenKind::Op("~") => UnaryOp::Invert,
            _ => return self.power(),
        };
        self.advance();
        let operand = self.deeper(Self::unary)?;
        Ok(Node {
            kind: Kind::Unary {
                op,
                operand: Box::new(operand),
            },
            span: self.since(start),
        })
    }

    /// `a ** -b`: binds stronger than a sign before it and weaker than one after it, and to the right.
    fn power(&mut self) -> Result<Node> {
        let start = self.span().start;
        // Waiting for a query is what the executor does.
        self.eat_word("await");
        let base = self.postfix()?;
        if !self.eat("**") {
            return Ok(base);
        }
        let exponent = self.deeper(Self::unary)?;
        Ok(Node {
            kind: Kind::Power {
                base: Box::new(base),
                exponent: Box::new(exponent),
            },
            span: self.since(start),
        })
    }

    fn postfix(&mut self) -> Result<Node> {
        let start = self.span().start;
        let base = self.atom()?;
        let mut trailers = Vec::new();
        loop {
            let from = self.span().start;
            let kind = if self.eat(".") {
                let span = self.span();
                let name = self.name("a name after '.'")?;
                trailers.push(Trailer {
                    kind: TrailerKind::Attribute(name),
                    span,
                });
                continue;
            } else if self.eat("(") {
                TrailerKind::Call(self.arguments()?)
            } else if self.eat("[") {
                TrailerKind::Index(self.subscript()?)
            } else {
                break;
            };
            trailers.push(Trailer {
                kind,
                span: self.since(from),
            });
        }
        if trailers.is_empty() {
            return Ok(base);
        }
        Ok(Node {
            kind: Kind::Postfix {
                base: Box::new(base),
                trailers,
            },
            span: self.since(start),
        })
    }

    /// Arguments up to the closing bracket.
    pub(super) fn arguments(&mut self) -> Result<Vec<Arg>> {
        let mut args: Vec<Arg> = Vec::new();
        let mut names: HashSet<&'t str> = HashSet::new();
        let mut unpacking_before = false;
        while !self.eat(")") {
            let name = match (self.kind(), self.kind_after(1)) {
                (TokenKind::Name(name), TokenKind::Op("=")) => Some(name.as_str()),
                _ => None,
            };
            let arg = self.argument()?;
            match &arg.kind {
                ArgKind::Positional if unpacking_before => {
                    return Err(syntax(
                        "positional argument follows keyword argument unpacking",
                        arg.value.span,
                    ));
                }
                ArgKind::Positional if !names.is_empty() => {
                    return Err(syntax(
                        "positional argument follows keyword argument",
                        arg.value.span,
                    )
                    .with_hint("put conditions such as Q(...) before the keyword arguments"));
                }
                ArgKind::Star if unpacking_before => {
                    return Err(syntax(
                        "iterable argument unpacking follows keyword argument unpacking",
                        arg.value.span,
                    ));
                }
                ArgKind::Keyword(given, span) if name.is_some_and(|name| !names.insert(name)) => {
                    return Err(syntax(format!("keyword argument repeated: {given}"), *span));
                }
                ArgKind::DoubleStar => unpacking_before = true,
                _ => {}
            }
            args.push(arg);
            if let Some(clauses) = self.clauses()?
                && let Some(last) = args.last_mut()
            {
                last.value = comprehension(last.value.clone(), Makes::Generator, clauses);
            }
            if !self.eat(",") && !self.is_op(")") {
                return Err(self.unexpected("',' or ')' after the argument"));
            }
        }
        Ok(args)
    }

    fn argument(&mut self) -> Result<Arg> {
        if self.eat("**") {
            return Ok(Arg {
                kind: ArgKind::DoubleStar,
                value: self.expression()?,
            });
        }
        if self.eat("*") {
            return Ok(Arg {
                kind: ArgKind::Star,
                value: self.expression()?,
            });
        }
        let span = self.span();
        if let TokenKind::Name(name) = self.kind()
            && matches!(self.kind_after(1), TokenKind::Op("="))
        {
            if KEYWORDS.contains(&name.as_str()) {
                return Err(syntax(
                    format!("'{name}' cannot be the name of an argument"),
                    span,
                ));
            }
            self.advance();
            self.advance();
            return Ok(Arg {
                kind: ArgKind::Keyword(name.clone(), span),
                value: self.expression()?,
            });
        }
        let value = self.expression()?;
        if self.is_op("=") {
            return Err(
                syntax("only a name can stand before '=' in a call", value.span)
                    .with_hint("write == to compare, or name=value for a keyword argument"),
            );
        }
        Ok(Arg {
            kind: ArgKind::Positional,
            value,
        })
    }

    fn subscript(&mut self) -> Result<Subscript> {
        let mut parts: [Option<Box<Node>>; 3] = [None, None, None];
        let mut colons = 0;
        loop {
            if self.is_op("]") && colons > 0 {
                break;
            }
            if self.eat(":") {
                colons += 1;
                if colons > 2 {
                    return Err(syntax("a slice has at most three parts", self.span()));
                }
                continue;
            }
            let Some(part) = parts.get_mut(colons).filter(|p| p.is_none()) else {
                break;
            };
            let node = if colons == 0 {
                self.deeper(Self::expressions)?
            } else {
                self.expression()?
            };
            *part = Some(Box::new(node));
            if !self.is_op(":") {
                break;
            }
        }
        self.expect("]", "after the index")?;
        let [start, stop, step] = parts;
        match start {
            Some(item) if colons == 0 => Ok(Subscript::Item(item)),
            start => Ok(Subscript::Slice { start, stop, step }),
        }
    }

    pub(super) fn atom(&mut self) -> Result<Node> {
        let span = self.span();
        let kind = match self.kind() {
            TokenKind::Name(name) => match name.as_str() {
                "None" => Kind::None,
                "True" => Kind::Bool(true),
                "False" => Kind::Bool(false),
                "lambda" => {
                    return Err(python("a lambda is code, which is not run here", span));
                }
                word if KEYWORDS.contains(&word) => return Err(self.unexpected("an expression")),
                _ => Kind::Name(name.clone()),
            },
            TokenKind::Int(value) => Kind::Int(*value),
            TokenKind::Float(value) => Kind::Float(*value),
            TokenKind::Str(_) | TokenKind::Bytes(_) | TokenKind::Formatted(_) => {
                return self.strings();
            }
            TokenKind::Op("...") => Kind::Ellipsis,
            TokenKind::Op("(") => return self.deeper(Self::parenthesized),
            TokenKind::Op("[") => return self.deeper(Self::list),
            TokenKind::Op("{") => return self.deeper(Self::braces),
            _ => return Err(self.unexpected("an expression")),
        };
        self.advance();
        Ok(Node { kind, span })
    }
}
