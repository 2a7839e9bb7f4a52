//! The pieces of f-strings: texts, and expressions with their conversion and format.

use super::literal::text;
use super::token::{Token, inner};

/// A piece of an f-string.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Part {
    Text(String),
    /// Tokens of an expression, `!r`, and what follows the colon.
    Value {
        tokens: Vec<Token>,
        conversion: Option<char>,
        spec: String,
    },
}

/// Cuts the content of an f-string, which stands at byte `at`; `None` if it is more than is read here.
pub(super) fn parts(content: &str, at: usize, raw: bool) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut rest = content;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..)?;
        match c {
            '{' | '}' if after.starts_with(c) => {
                literal.push(c);
                rest = after.get(1..)?;
            }
            '}' => return None,
            '{' => {
                flush(&mut parts, &mut literal, raw)?;
                let start = at + (content.len() - after.len());
                let (part, length) = value(after, start)?;
                parts.push(part);
                rest = after.get(length..)?;
            }
            _ => {
                literal.push(c);
                rest = after;
            }
        }
    }
    flush(&mut parts, &mut literal, raw)?;
    Some(parts)
}

fn flush(parts: &mut Vec<Part>, literal: &mut String, raw: bool) -> Option<()> {
    if !literal.is_empty() {
        let content = std::mem::take(literal);
        parts.push(Part::Text(if raw {
            content
        } else {
            text(&content, 0).ok()?
        }));
    }
    Some(())
}

/// One `expression!r:spec}`, and its length with the closing brace.
fn value(source: &str, start: usize) -> Option<(Part, usize)> {
    let mut open = 0usize;
    let mut quote: Option<char> = None;
    let mut end = None;
    let mut chars = source.char_indices().peekable();
    while let Some((i, c)) = chars.next() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => open += 1,
            (None, ')' | ']' | '}') if open > 0 => open -= 1,
            (None, '!') if chars.peek().is_some_and(|(_, n)| *n == '=') => {
                chars.next();
            }
            (None, '}' | '!' | ':') if open == 0 => {
                end = Some((i, c));
                break;
            }
            _ => {}
        }
    }
    let (length, stop) = end?;
    let tokens = inner(source.get(..length)?, start)?;
    let mut at = length;
    let mut conversion = None;
    if stop == '!' {
        conversion = source.get(at + 1..)?.chars().next();
        at += 2;
    }
    let mut spec = String::new();
    if source.get(at..)?.starts_with(':') {
        let close = source.get(at..)?.find('}')?;
        source.get(at + 1..at + close)?.clone_into(&mut spec);
        at += close;
    }
    if !source.get(at..)?.starts_with('}')
        || spec.contains('{')
        || conversion.is_some_and(|c| !"rsa".contains(c))
    {
        return None;
    }
    Some((
        Part::Value {
            tokens,
            conversion,
            spec,
        },
        at + 1,
    ))
}
