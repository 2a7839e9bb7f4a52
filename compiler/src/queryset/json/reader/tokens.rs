//! Words, numbers and strings.

use std::borrow::Cow;

use super::{Kind, Number, Reader};
use crate::error::{Error, Result};

impl<'a> Reader<'a> {
    pub(super) fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    /// The next byte that is no space. Most documents have none.
    #[inline]
    pub(super) fn skip_space(&mut self) -> Option<u8> {
        match self.byte() {
            Some(byte) if byte > b' ' => Some(byte),
            _ => self.after_space(),
        }
    }

    fn after_space(&mut self) -> Option<u8> {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.pos += 1,
                other => return other,
            }
        }
    }

    /// The kind of the value that comes next.
    pub(crate) fn peek(&mut self) -> Result<Kind> {
        match self.skip_space() {
            Some(b'{') => Ok(Kind::Object),
            Some(b'[') => Ok(Kind::Array),
            Some(b'"') => Ok(Kind::String),
            Some(b'-' | b'0'..=b'9') => Ok(Kind::Number),
            Some(b't' | b'f') => Ok(Kind::Bool),
            Some(b'n') => Ok(Kind::Null),
            _ => Err(self.broken("expected a value")),
        }
    }

    /// Refuses what comes next, unless it is of this kind.
    pub(crate) fn expect(&mut self, kind: Kind, what: &str) -> Result<()> {
        let found = self.peek()?;
        if found == kind {
            return Ok(());
        }
        Err(self.fail(format!(
            "{what} must be {}, found {}",
            kind.article(),
            found.article()
        )))
    }

    /// A refusal of the kind of what comes next.
    pub(crate) fn wrong_kind(&mut self, what: &str, expected: &str) -> Error {
        match self.peek() {
            Ok(found) => self.fail(format!(
                "{what} must be {expected}, found {}",
                found.article()
            )),
            Err(error) => error,
        }
    }

    pub(super) fn word(&mut self, word: &str) -> Result<()> {
        let end = self.pos + word.len();
        if self.text.get(self.pos..end) != Some(word) {
            return Err(self.broken(&format!("expected `{word}`")));
        }
        self.pos = end;
        Ok(())
    }

    /// Takes a null if it comes next.
    pub(crate) fn take_null(&mut self) -> Result<bool> {
        if self.peek()? != Kind::Null {
            return Ok(false);
        }
        self.word("null")?;
        Ok(true)
    }

    /// Null, or what `read` reads.
    pub(crate) fn nullable<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T>,
    ) -> Result<Option<T>> {
        if self.take_null()? {
            return Ok(None);
        }
        read(self).map(Some)
    }

    pub(crate) fn bool(&mut self, what: &str) -> Result<bool> {
        self.expect(Kind::Bool, what)?;
        if self.byte() == Some(b't') {
            self.word("true")?;
            return Ok(true);
        }
        self.word("false")?;
        Ok(false)
    }

    pub(crate) fn string(&mut self, what: &str) -> Result<Cow<'a, str>> {
        if self.skip_space() != Some(b'"') {
            self.expect(Kind::String, what)?;
        }
        self.string_token()
    }

    pub(crate) fn owned(&mut self, what: &str) -> Result<String> {
        self.string(what).map(Cow::into_owned)
    }

    /// One of the known words.
    pub(crate) fn choice<T: Copy>(&mut self, what: &str, known: &[(T, &'static str)]) -> Result<T> {
        let given = self.string(what)?;
        match known.iter().find(|(_, name)| *name == given) {
            Some((choice, _)) => Ok(*choice),
            None => {
                let names: Vec<&str> = known.iter().map(|(_, name)| *name).collect();
                Err(self.unknown_choice(what, &given, &names))
            }
        }
    }

    /// An integer that fits.
    pub(crate) fn int<T: TryFrom<i128>>(&mut self, what: &str, expected: &str) -> Result<T> {
        if self.peek()? != Kind::Number {
            return Err(self.wrong_kind(what, expected));
        }
        match self.number()? {
            Number::Int(number) => T::try_from(number)
                .map_err(|_| self.fail(format!("{what} must be {expected}, found {number}"))),
            Number::Float(number) => {
                Err(self.fail(format!("{what} must be {expected}, found {number:?}")))
            }
        }
    }

    /// A number; the caller has peeked that one comes.
    pub(crate) fn number(&mut self) -> Result<Number> {
        let start = self.pos;
        if self.byte() == Some(b'-') {
            self.pos += 1;
        }
        if self.byte() == Some(b'0') {
            self.pos += 1;
        } else {
            self.digits()?;
        }
        let mut float = false;
        if self.byte() == Some(b'.') {
            float = true;
            self.pos += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            float = true;
            self.pos += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.pos += 1;
            }
            self.digits()?;
        }
        let text = self.text.get(start..self.pos).unwrap_or_default();
        if float {
            return match text.parse::<f64>() {
                Ok(number) if number.is_finite() => Ok(Number::Float(number)),
                _ => Err(self.fail("a float of 64 bits cannot hold this number")),
            };
        }
        // Most integers are short, and 64 bits are read much faster than 128.
        if text.len() <= 18
            && let Ok(number) = text.parse::<i64>()
        {
            return Ok(Number::Int(number.into()));
        }
        text.parse::<i128>()
            .map(Number::Int)
            .map_err(|_| self.fail("integers beyond 128 bits are not supported"))
    }

    pub(super) fn digits(&mut self) -> Result<()> {
        if !self.byte().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.broken("expected a digit"));
        }
        while self.byte().is_some_and(|b| b.is_ascii_digit()) {
            self.pos += 1;
        }
        Ok(())
    }

    #[inline]
    pub(super) fn string_token(&mut self) -> Result<Cow<'a, str>> {
        let start = self.pos + 1;
        let end = start + self.plain_length(start);
        self.pos = start;
        if self.text.as_bytes().get(end) == Some(&b'"')
            && let Some(plain) = self.text.get(start..end)
        {
            self.pos = end + 1;
            return Ok(Cow::Borrowed(plain));
        }
        self.escaped().map(Cow::Owned)
    }

    /// A string with escapes, after its first quote.
    fn escaped(&mut self) -> Result<String> {
        let mut out = String::new();
        loop {
            match self.byte() {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => {
                    out.push_str(self.plain_run()?);
                }
            }
        }
    }

    /// How many bytes stand before the first quote, backslash or control character. Eight are looked at together.
    fn plain_length(&self, start: usize) -> usize {
        let text = self.text.as_bytes().get(start..).unwrap_or_default();
        let (words, rest) = text.as_chunks::<8>();
        for (at, word) in words.iter().enumerate() {
            let found = special(u64::from_le_bytes(*word));
            if found != 0 {
                // The lowest bit that is set is that of the first byte.
                return at * 8 + usize::try_from(found.trailing_zeros() / 8).unwrap_or_default();
            }
        }
        let plain = |b: &&u8| !matches!(b, b'"' | b'\\' | 0..=0x1f);
        words.len() * 8 + rest.iter().take_while(plain).count()
    }

    /// Text up to the next quote or backslash.
    fn plain_run(&mut self) -> Result<&'a str> {
        let start = self.pos;
        self.pos += self.plain_length(start);
        match self.byte() {
            Some(b'"' | b'\\') => Ok(self.text.get(start..self.pos).unwrap_or_default()),
            Some(_) => Err(self.broken("control characters in strings must be escaped")),
            None => Err(self.broken("expected the end of a string")),
        }
    }

    pub(super) fn escape(&mut self) -> Result<char> {
        self.pos += 1;
        let c = match self.byte() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.pos += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.broken("expected an escape")),
        };
        self.pos += 1;
        Ok(c)
    }

    pub(super) fn unicode_escape(&mut self) -> Result<char> {
        let first = self.hex4()?;
        let code = if (0xd800..0xdc00).contains(&first)
            && self.text.get(self.pos..self.pos + 2) == Some("\\u")
        {
            self.pos += 2;
            let second = self.hex4()?;
            if !(0xdc00..0xe000).contains(&second) {
                return Err(self.broken("expected the second half of a surrogate pair"));
            }
            0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
        } else {
            first
        };
        char::from_u32(code).ok_or_else(|| self.broken("half a surrogate pair is no text"))
    }

    pub(super) fn hex4(&mut self) -> Result<u32> {
        let mut code = 0;
        for _ in 0..4 {
            let Some(digit) = self.byte().and_then(|b| char::from(b).to_digit(16)) else {
                return Err(self.broken("expected a hexadecimal digit"));
            };
            code = code * 16 + digit;
            self.pos += 1;
        }
        Ok(code)
    }
}

/// The highest bits of the bytes that are quotes, backslashes or control characters; above the first of them, other bytes may have theirs as well.
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = ONES << 7;
    let below = |word: u64, limit: u64| word.wrapping_sub(ONES * limit) & !word & HIGH;
    let quote = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
    quote | backslash | below(word, 0x20)
}
