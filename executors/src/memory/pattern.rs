//! Regular expressions with MongoDB's options, shared by `$regex` and the `$regexMatch` family.
mod syntax;

use std::sync::Arc;

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::error::EngineError;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Arc<Regex>,
    /// Whether `$` may stand before a newline that ends the text.
    ends: bool,
}

impl Pattern {
    /// Compiles a pattern with options out of `imsxu`.
    ///
    /// # Errors
    /// 51091 for a bad pattern, 51108 for a bad option.
    pub fn compile(pattern: &str, options: &str) -> Result<Self, EngineError> {
        let mut flags = String::new();
        for option in options.chars() {
            match option {
                'i' | 'm' | 's' | 'x' => flags.push(option),
                'u' => {}
                _ => {
                    return Err(EngineError::location(
                        51108,
                        format!("invalid flag in regex options: {options}"),
                    ));
                }
            }
        }
        let translated = syntax::translate(pattern);
        let source = if flags.is_empty() {
            translated
        } else {
            format!("(?{flags}){translated}")
        };
        let regex = RegexBuilder::new(&source)
            .backtrack_limit(1_000_000)
            .build()
            .map_err(|e| {
                EngineError::location(51091, format!("Regular expression is invalid: {e}"))
            })?;
        Ok(Self {
            regex: Arc::new(regex),
            ends: pattern.contains('$') && !flags.contains('m'),
        })
    }

    /// Whether the text has a match. A match that takes too many steps counts as none.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text).unwrap_or(false)
            || self
                .before_newline(text)
                .is_some_and(|t| self.regex.is_match(t).unwrap_or(false))
    }

    /// The first match at or after a byte offset, with its groups.
    pub fn captures_at<'t>(&self, text: &'t str, start: usize) -> Option<Captures<'t>> {
        let whole = self.regex.captures_from_pos(text, start).ok().flatten();
        if whole.is_some() {
            return whole;
        }
        let text = self.before_newline(text).filter(|t| start <= t.len())?;
        self.regex.captures_from_pos(text, start).ok().flatten()
    }

    /// The text without the newline at its end, where `$` also matches.
    fn before_newline<'t>(&self, text: &'t str) -> Option<&'t str> {
        if self.ends {
            text.strip_suffix('\n')
        } else {
            None
        }
    }
}
