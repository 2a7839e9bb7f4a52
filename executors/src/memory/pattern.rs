//! Regular expressions with MongoDB's options, shared by `$regex` and the `$regexMatch` family.
use std::sync::Arc;

use fancy_regex::{Captures, Regex, RegexBuilder};

use super::error::EngineError;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Pattern {
    regex: Arc<Regex>,
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
        let source = if flags.is_empty() {
            pattern.to_owned()
        } else {
            format!("(?{flags}){pattern}")
        };
        let regex = RegexBuilder::new(&source)
            .backtrack_limit(1_000_000)
            .build()
            .map_err(|e| {
                EngineError::location(51091, format!("Regular expression is invalid: {e}"))
            })?;
        Ok(Self {
            regex: Arc::new(regex),
        })
    }

    /// Whether the text has a match. A match that takes too many steps counts as none.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex.is_match(text).unwrap_or(false)
    }

    /// The first match at or after a byte offset, with its groups.
    pub fn captures_at<'t>(&self, text: &'t str, start: usize) -> Option<Captures<'t>> {
        self.regex.captures_from_pos(text, start).ok().flatten()
    }
}
