//! Numbers and strings.

use nom::branch::alt;
use nom::bytes::complete::{tag, tag_no_case, take_while, take_while1};
use nom::character::complete::{char, one_of, satisfy};
use nom::combinator::{opt, peek, recognize};
use nom::multi::{many0_count, many1_count};
use nom::sequence::{pair, preceded};
use nom::{IResult, Parser};

use super::token::TokenKind;
use super::{formatted, python, syntax};
use crate::error::{Result, Span};

/// Digits with single underscores between them.
fn digits<'s>(
    of: impl Fn(char) -> bool + Copy,
) -> impl FnMut(&'s str) -> IResult<&'s str, &'s str> {
    move |input| {
        recognize(pair(
            take_while1(of),
            many0_count(pair(char('_'), take_while1(of))),
        ))
        .parse(input)
    }
}

fn decimal(input: &str) -> IResult<&str, &str> {
    digits(|c| c.is_ascii_digit())(input)
}

fn exponent(input: &str) -> IResult<&str, &str> {
    recognize((one_of("eE"), opt(one_of("+-")), decimal)).parse(input)
}

fn float(input: &str) -> IResult<&str, &str> {
    alt((
        recognize((decimal, char('.'), opt(decimal), opt(exponent))),
        recognize((char('.'), decimal, opt(exponent))),
        recognize(pair(decimal, exponent)),
    ))
    .parse(input)
}

fn based(input: &str) -> IResult<&str, (u32, &str)> {
    alt((
        preceded(
            pair(tag_no_case("0x"), opt(char('_'))),
            digits(|c| c.is_ascii_hexdigit()),
        )
        .map(|d| (16, d)),
        preceded(
            pair(tag_no_case("0o"), opt(char('_'))),
            digits(|c| c.is_digit(8)),
        )
        .map(|d| (8, d)),
        preceded(
            pair(tag_no_case("0b"), opt(char('_'))),
            digits(|c| c.is_digit(2)),
        )
        .map(|d| (2, d)),
        decimal.map(|d| (10, d)),
    ))
    .parse(input)
}

/// A number at the start of `input`, which stands at byte `at`: its length and token.
pub(super) fn number(input: &str, at: usize) -> Result<(usize, TokenKind)> {
    let span = |length: usize| Span {
        start: at,
        end: at + length,
    };
    let (rest, kind) = if let Ok((rest, text)) = float(input) {
        let value: f64 = text
            .replace('_', "")
            .parse()
            .map_err(|_| syntax("this is not a number", span(text.len())))?;
        (rest, TokenKind::Float(value))
    } else {
        let (rest, (base, text)) =
            based(input).map_err(|_| syntax("this is not a number", span(1)))?;
        let length = input.len() - rest.len();
        let clean = text.replace('_', "");
        if base == 10
            && clean.len() > 1
            && clean.starts_with('0')
            && !clean.trim_matches('0').is_empty()
        {
            return Err(syntax("numbers have no leading zeros", span(length)));
        }
        let value = i128::from_str_radix(&clean, base).map_err(|_| {
            python(
                "integers of more than 127 bits are not supported",
                span(length),
            )
        })?;
        (rest, TokenKind::Int(value))
    };
    let length = input.len() - rest.len();
    if let Some(c) = rest.chars().next() {
        if c == 'j' || c == 'J' {
            return Err(python(
                "there are no complex numbers here",
                span(length + 1),
            ));
        }
        if c.is_alphanumeric() || c == '_' {
            let word = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                .unwrap_or(rest.len());
            return Err(syntax("this is not a number", span(length + word)));
        }
    }
    Ok((length, kind))
}

/// What stands before the quotation mark.
#[derive(Clone, Copy, Default)]
struct Prefix {
    raw: bool,
    bytes: bool,
    formatted: bool,
}

fn prefix(input: &str) -> IResult<&str, Prefix> {
    let (rest, letters) = take_while(|c: char| "rRbBuUfFtT".contains(c)).parse(input)?;
    peek(one_of("'\"")).parse(rest)?;
    let lower = letters.to_ascii_lowercase();
    let known = [
        "", "r", "b", "u", "f", "t", "br", "rb", "fr", "rf", "tr", "rt",
    ];
    if !known.contains(&lower.as_str()) {
        return Err(nom::Err::Error(nom::error::Error::new(
            input,
            nom::error::ErrorKind::Tag,
        )));
    }
    let prefix = Prefix {
        raw: lower.contains('r'),
        bytes: lower.contains('b'),
        formatted: lower.contains('f') || lower.contains('t'),
    };
    Ok((rest, prefix))
}

/// A string at the start of `input`, which stands at byte `at`: its length and token; nothing if none starts there.
/// `inside` an f-string no further one is read.
pub(super) fn string(input: &str, at: usize, inside: bool) -> Result<Option<(usize, TokenKind)>> {
    let Ok((body, prefix)) = prefix(input) else {
        return Ok(None);
    };
    let opened: IResult<&str, &str> =
        alt((tag("\"\"\""), tag("'''"), tag("\""), tag("'"))).parse(body);
    let Ok((body, quote)) = opened else {
        return Ok(None);
    };
    let offset = input.len() - body.len();
    let Some(length) = closing(body, quote) else {
        let line = body.find(['\n', '\r']).unwrap_or(body.len());
        let end = if quote.len() == 3 { 0 } else { line };
        return Err(syntax(
            "the string is never closed",
            Span {
                start: at,
                end: at + offset + end,
            },
        ));
    };
    let content = body.get(..length).unwrap_or("");
    let total = offset + length + quote.len();
    if prefix.formatted {
        let parts = if inside {
            None
        } else {
            formatted::parts(content, at + offset, prefix.raw)
        };
        return Ok(Some((total, TokenKind::Formatted(parts))));
    }
    let content = content.replace("\r\n", "\n");
    let kind = if prefix.bytes {
        TokenKind::Bytes(bytes(&content, prefix.raw, at + offset)?)
    } else if prefix.raw {
        TokenKind::Str(content)
    } else {
        TokenKind::Str(text(&content, at + offset)?)
    };
    Ok(Some((total, kind)))
}

/// Bytes before the closing quotation mark.
fn closing(body: &str, quote: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = body.get(at..)?;
        if rest.starts_with(quote) {
            return Some(at);
        }
        let mut chars = rest.chars();
        match chars.next()? {
            '\\' => at += 1 + chars.next()?.len_utf8(),
            '\n' | '\r' if quote.len() == 1 => return None,
            c => at += c.len_utf8(),
        }
    }
}

/// What an escape sequence stands for.
enum Escape {
    Char(u32),
    Nothing,
    Unknown,
}

fn hexadecimal(count: usize) -> impl FnMut(&str) -> IResult<&str, u32> {
    move |input| {
        let (rest, found) = take_while(|c: char| c.is_ascii_hexdigit()).parse(input)?;
        match found.get(..count).map(|d| u32::from_str_radix(d, 16)) {
            Some(Ok(value)) => Ok((input.get(count..).unwrap_or(rest), value)),
            _ => Err(nom::Err::Error(nom::error::Error::new(
                input,
                nom::error::ErrorKind::HexDigit,
            ))),
        }
    }
}

fn octal(input: &str) -> IResult<&str, u32> {
    let (_, found) = recognize(many1_count(satisfy(|c| c.is_digit(8)))).parse(input)?;
    let length = found.len().min(3);
    let value = found
        .get(..length)
        .and_then(|d| u32::from_str_radix(d, 8).ok())
        .unwrap_or(0);
    Ok((input.get(length..).unwrap_or(""), value))
}

/// The escape after a backslash; the name forms (`\u`, `\U`, `\N`) only in text.
fn escape(input: &str, in_text: bool) -> IResult<&str, Escape> {
    let simple = |c: char| {
        Some(match c {
            'n' => 10,
            't' => 9,
            'r' => 13,
            'a' => 7,
            'b' => 8,
            'f' => 12,
            'v' => 11,
            '\\' | '\'' | '"' => u32::from(c),
            _ => return None,
        })
    };
    let mut chars = input.chars();
    let Some(c) = chars.next() else {
        return Ok((input, Escape::Unknown));
    };
    let rest = chars.as_str();
    if let Some(code) = simple(c) {
        return Ok((rest, Escape::Char(code)));
    }
    match c {
        '\n' => Ok((rest, Escape::Nothing)),
        '0'..='7' => octal(input).map(|(r, v)| (r, Escape::Char(v))),
        'x' => hexadecimal(2)(rest).map(|(r, v)| (r, Escape::Char(v))),
        'u' if in_text => hexadecimal(4)(rest).map(|(r, v)| (r, Escape::Char(v))),
        'U' if in_text => hexadecimal(8)(rest).map(|(r, v)| (r, Escape::Char(v))),
        'N' if in_text => Err(nom::Err::Error(nom::error::Error::new(
            input,
            nom::error::ErrorKind::Tag,
        ))),
        _ => Ok((input, Escape::Unknown)),
    }
}

/// Calls `put` with every character and decoded escape.
fn unescape(
    content: &str,
    at: usize,
    raw: bool,
    in_text: bool,
    mut put: impl FnMut(u32, Span) -> Result<()>,
) -> Result<()> {
    let mut rest = content;
    while let Some(c) = rest.chars().next() {
        let start = at + (content.len() - rest.len());
        let after = rest.get(c.len_utf8()..).unwrap_or("");
        if c != '\\' || raw {
            put(
                u32::from(c),
                Span {
                    start,
                    end: start + c.len_utf8(),
                },
            )?;
            rest = after;
            continue;
        }
        let wrong = Span {
            start,
            end: start + 2,
        };
        match escape(after, in_text) {
            Ok((r, Escape::Char(code))) => {
                let end = start + 1 + (after.len() - r.len());
                put(code, Span { start, end })?;
                rest = r;
            }
            Ok((r, Escape::Nothing)) => rest = r,
            Ok((r, Escape::Unknown)) => {
                put(u32::from('\\'), wrong)?;
                rest = r;
            }
            Err(_) if after.starts_with('N') => {
                return Err(python("characters are not looked up by name", wrong)
                    .with_hint("write the character itself, or its number: \\u2026"));
            }
            Err(_) => return Err(syntax("the escape sequence is cut short", wrong)),
        }
    }
    Ok(())
}

/// The text that a string literal's content stands for.
pub(super) fn text(content: &str, at: usize) -> Result<String> {
    let mut out = String::with_capacity(content.len());
    unescape(content, at, false, true, |code, span| {
        let c = char::from_u32(code)
            .ok_or_else(|| syntax("the escape sequence is no character", span))?;
        out.push(c);
        Ok(())
    })?;
    Ok(out)
}

fn bytes(content: &str, raw: bool, at: usize) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(content.len());
    unescape(content, at, raw, false, |code, span| {
        let byte = u8::try_from(code)
            .ok()
            .filter(|b| b.is_ascii() || span.end - span.start > 2)
            .ok_or_else(|| syntax("bytes hold ASCII characters only", span))?;
        out.push(byte);
        Ok(())
    })?;
    Ok(out)
}
