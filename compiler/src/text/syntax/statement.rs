//! Statements: those of a query text, and those of a models.py.

use super::cursor::Parser;
use super::token::{TokenKind, tokenize};
use super::tree::{
    BinaryOp, ClassDef, FunctionDef, ImportedName, Kind, Node, Stmt, StmtKind, TrailerKind,
};
use super::{python, syntax};
use crate::error::{Code, Result};

/// What a text may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Expressions, assignments and imports; everything else is refused.
    Query,
    /// Classes and functions too; other Python is skipped.
    Models,
}

const AUGMENTED: [(&str, BinaryOp); 12] = [
    ("|=", BinaryOp::Or),
    ("^=", BinaryOp::Xor),
    ("&=", BinaryOp::And),
    ("<<=", BinaryOp::ShiftLeft),
    (">>=", BinaryOp::ShiftRight),
    ("+=", BinaryOp::Add),
    ("-=", BinaryOp::Sub),
    ("*=", BinaryOp::Mul),
    ("/=", BinaryOp::Div),
    ("//=", BinaryOp::FloorDiv),
    ("%=", BinaryOp::Mod),
    ("**=", BinaryOp::Pow),
];

/// Words that start statements with blocks or effects, which are no part of a query.
const CODE: &[&str] = &[
    "async", "assert", "break", "continue", "del", "elif", "else", "except", "finally", "for",
    "global", "if", "match", "nonlocal", "raise", "try", "while", "with",
];

/// Parses a text.
///
/// # Errors
/// `Syntax`, `Python` and `Limit` errors with spans.
pub(crate) fn parse(source: &str, mode: Mode) -> Result<Vec<Stmt>> {
    let tokens = tokenize(source)?;
    let mut parser = Parser::new(&tokens);
    parser.lenient = mode == Mode::Models;
    let mut statements = Vec::new();
    while *parser.kind() != TokenKind::End {
        parser.statement(mode, &mut statements)?;
    }
    Ok(statements)
}

impl Parser<'_> {
    fn statement(&mut self, mode: Mode, into: &mut Vec<Stmt>) -> Result<()> {
        if *self.kind() == TokenKind::Newline {
            self.advance();
            return Ok(());
        }
        if *self.kind() == TokenKind::Indent {
            return Err(syntax("unexpected indentation", self.span()).with_hint(
                "put the whole expression in parentheses to continue it on the next line",
            ));
        }
        let start = self.span().start;
        if let TokenKind::Name(word) = self.kind() {
            let word = word.as_str();
            let block = match (word, mode) {
                ("class", Mode::Models) => Some(StmtKind::Class(self.class()?)),
                ("def", Mode::Models) => Some(StmtKind::Function(self.function(Vec::new())?)),
                ("class", Mode::Query) => {
                    return Err(python("classes are no part of a query", self.span())
                        .with_hint("models are read from a schema or a models.py"));
                }
                ("def", Mode::Query) => {
                    return Err(python(
                        "functions are code, which is not run here",
                        self.span(),
                    ));
                }
                (word, mode) if CODE.contains(&word) && !self.soft_keyword(word) => {
                    if mode == Mode::Query {
                        return Err(python(
                            format!("'{word}' statements are code, which is not run here"),
                            self.span(),
                        )
                        .with_hint("write the query as an expression"));
                    }
                    let word = word.to_owned();
                    self.skip_block();
                    Some(StmtKind::Skipped(word))
                }
                _ => None,
            };
            if let Some(kind) = block {
                into.push(Stmt {
                    kind,
                    span: self.since(start),
                });
                return Ok(());
            }
        }
        if self.is_op("@") {
            return self.decorated(mode, into);
        }
        self.simple_line(into)
    }

    /// `match` is a name where an operator, a call or an assignment follows.
    fn soft_keyword(&self, word: &str) -> bool {
        word == "match"
            && matches!(
                self.kind_after(1),
                TokenKind::Op("=" | "." | "(" | "[" | "|" | "&" | "^" | ",") | TokenKind::Newline
            )
    }

    fn decorated(&mut self, mode: Mode, into: &mut Vec<Stmt>) -> Result<()> {
        let start = self.span().start;
        let mut decorators = Vec::new();
        while self.is_op("@") {
            if mode == Mode::Query {
                return Err(python("decorators are no part of a query", self.span()));
            }
            self.advance();
            decorators.push(self.expression()?);
            if *self.kind() == TokenKind::Newline {
                self.advance();
            }
        }
        let kind = if self.is_word("def") {
            StmtKind::Function(self.function(decorators)?)
        } else if self.is_word("class") {
            StmtKind::Class(self.class()?)
        } else {
            self.skip_block();
            StmtKind::Skipped("decorated".to_owned())
        };
        into.push(Stmt {
            kind,
            span: self.since(start),
        });
        Ok(())
    }

    /// Statements separated by semicolons, up to the end of the line.
    fn simple_line(&mut self, into: &mut Vec<Stmt>) -> Result<()> {
        loop {
            let start = self.span().start;
            let kind = self.simple()?;
            into.push(Stmt {
                kind,
                span: self.since(start),
            });
            if self.eat(";") {
                if *self.kind() == TokenKind::Newline {
                    self.advance();
                    return Ok(());
                }
                continue;
            }
            return match self.kind() {
                TokenKind::Newline => {
                    self.advance();
                    Ok(())
                }
                TokenKind::End | TokenKind::Dedent => Ok(()),
                _ => Err(self.unexpected("an operator or the end of the line")),
            };
        }
    }

    fn simple(&mut self) -> Result<StmtKind> {
        if self.eat_word("import") {
            return self.import();
        }
        if self.eat_word("from") {
            return self.names_of_module();
        }
        if self.eat_word("pass") {
            return Ok(StmtKind::Pass);
        }
        if self.eat_word("return") {
            let value = match self.kind() {
                TokenKind::Newline | TokenKind::End | TokenKind::Op(";") => None,
                _ => Some(self.expressions()?),
            };
            return Ok(StmtKind::Return(value));
        }
        let first = self.expressions()?;
        if self.eat(":") {
            // An annotation says nothing about the value.
            self.expression()?;
            if !self.is_op("=") {
                return Ok(StmtKind::Pass);
            }
        }
        if let TokenKind::Op(found) = self.kind()
            && let Some((_, op)) = AUGMENTED.iter().find(|(sign, _)| sign == found)
        {
            self.advance();
            check_target(&first, false)?;
            let value = self.expressions()?;
            return Ok(StmtKind::Augmented {
                target: first,
                op: *op,
                value,
            });
        }
        if !self.is_op("=") {
            return Ok(StmtKind::Expr(first));
        }
        let mut targets = Vec::new();
        let mut value = first;
        while self.eat("=") {
            check_target(&value, true)?;
            targets.push(std::mem::replace(&mut value, self.expressions()?));
        }
        Ok(StmtKind::Assign { targets, value })
    }

    fn dotted(&mut self) -> Result<String> {
        let mut path = String::new();
        while self.is_op(".") || self.is_op("...") {
            path.push_str(if self.is_op(".") { "." } else { "..." });
            self.advance();
        }
        if self.is_word("import") && !path.is_empty() {
            return Ok(path);
        }
        path.push_str(&self.name("the name of a module")?);
        while self.eat(".") {
            path.push('.');
            path.push_str(&self.name("a name after '.'")?);
        }
        Ok(path)
    }

    fn import(&mut self) -> Result<StmtKind> {
        let module = self.dotted()?;
        let alias = if self.eat_word("as") {
            Some(self.name("a name after 'as'")?)
        } else {
            None
        };
        if self.is_op(",") {
            return Err(syntax("import one module a line", self.span()));
        }
        Ok(StmtKind::Import { module, alias })
    }

    fn names_of_module(&mut self) -> Result<StmtKind> {
        let module = self.dotted()?;
        if !self.eat_word("import") {
            return Err(self.unexpected("'import' after the module"));
        }
        let bracketed = self.eat("(");
        let mut names = Vec::new();
        loop {
            if bracketed && self.eat(")") {
                break;
            }
            let span = self.span();
            let name = if self.eat("*") {
                "*".to_owned()
            } else {
                self.name("a name to import")?
            };
            let alias = if self.eat_word("as") {
                Some(self.name("a name after 'as'")?)
            } else {
                None
            };
            names.push(ImportedName { name, alias, span });
            if self.eat(",") {
                continue;
            }
            if bracketed {
                self.expect(")", "after the imported names")?;
            }
            break;
        }
        Ok(StmtKind::FromImport { module, names })
    }

    fn class(&mut self) -> Result<ClassDef> {
        self.advance();
        let name_span = self.span();
        let name = self.name("the name of the class")?;
        let bases = if self.eat("(") {
            self.arguments()?
        } else {
            Vec::new()
        };
        let body = self.block()?;
        Ok(ClassDef {
            name,
            name_span,
            bases,
            body,
        })
    }

    /// The block after a colon: on the same line, or indented.
    fn block(&mut self) -> Result<Vec<Stmt>> {
        self.expect(":", "before the block")?;
        let mut body = Vec::new();
        if *self.kind() != TokenKind::Newline {
            self.simple_line(&mut body)?;
            return Ok(body);
        }
        self.advance();
        if *self.kind() != TokenKind::Indent {
            return Err(self.unexpected("an indented block"));
        }
        self.advance();
        self.deeper(|p| {
            while !matches!(p.kind(), TokenKind::Dedent | TokenKind::End) {
                p.statement(Mode::Models, &mut body)?;
            }
            Ok(())
        })?;
        if *self.kind() == TokenKind::Dedent {
            self.advance();
        }
        Ok(body)
    }

    fn function(&mut self, decorators: Vec<Node>) -> Result<FunctionDef> {
        self.advance();
        let name = self.name("the name of the function")?;
        let at = self.position();
        let depth = self.depth;
        if let Ok(params) = self.parameters()
            && let Ok(body) = self.block()
        {
            return Ok(FunctionDef {
                name,
                decorators,
                params,
                body: Some(body),
            });
        }
        // More Python than is read here: a function is only known by its name then.
        self.rewind(at);
        self.depth = depth;
        self.skip_block();
        Ok(FunctionDef {
            name,
            decorators,
            params: Vec::new(),
            body: None,
        })
    }

    fn parameters(&mut self) -> Result<Vec<(String, Option<Node>)>> {
        self.expect("(", "before the parameters")?;
        let mut params = Vec::new();
        while !self.eat(")") {
            if self.eat("/") || self.is_op("*") && self.eat("*") && self.is_op(",") {
                self.eat(",");
                continue;
            }
            let starred = self.eat("**");
            let name = self.name("the name of a parameter")?;
            if self.eat(":") {
                self.expression()?;
            }
            let default = if self.eat("=") {
                Some(self.expression()?)
            } else {
                None
            };
            if !starred {
                params.push((name, default));
            }
            if !self.eat(",") && !self.is_op(")") {
                return Err(self.unexpected("',' or ')' after the parameter"));
            }
        }
        if self.eat("->") {
            self.expression()?;
        }
        Ok(params)
    }

    /// Skips the line and the block that belongs to it.
    fn skip_block(&mut self) {
        while !matches!(self.kind(), TokenKind::Newline | TokenKind::End) {
            self.advance();
        }
        if *self.kind() == TokenKind::Newline {
            self.advance();
        }
        if *self.kind() != TokenKind::Indent {
            return;
        }
        let mut depth = 0usize;
        loop {
            match self.kind() {
                TokenKind::Indent => depth += 1,
                TokenKind::Dedent => depth = depth.saturating_sub(1),
                TokenKind::End => return,
                _ => {}
            }
            self.advance();
            if depth == 0 {
                return;
            }
        }
    }
}

fn check_target(node: &Node, many: bool) -> Result<()> {
    let fine = match &node.kind {
        Kind::Name(_) => true,
        Kind::Tuple(items) | Kind::List(items) if many => {
            for item in items {
                check_target(&item.value, false)?;
            }
            true
        }
        Kind::Postfix { trailers, .. } => {
            if matches!(
                trailers.last().map(|t| &t.kind),
                Some(TrailerKind::Call(_)) | None
            ) {
                return Err(
                    syntax("cannot assign to a call", node.span).with_hint("write == to compare")
                );
            }
            return Err(crate::error::Error::new(
                Code::Python,
                "only names can be assigned to here",
            )
            .with_span(node.span));
        }
        _ => false,
    };
    if fine {
        return Ok(());
    }
    Err(syntax("cannot assign to this", node.span).with_hint("write == to compare"))
}
