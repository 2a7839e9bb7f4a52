//! Full-text search with a plain analyzer: words are runs of letters and digits in lower case; no stemming, no stop
//! words. An approximation of MongoDB's text indexes: which documents match is close, scores are not the same.
use bson::Bson;

use crate::memory::error::EngineError;
use crate::memory::value::{ArrRef, DocRef, Path, Value, ValueRef, num};

/// The words of a text.
pub fn words(text: &str, case_sensitive: bool) -> Vec<String> {
    let word = |w: &str| {
        if case_sensitive {
            w.to_owned()
        } else {
            w.to_lowercase()
        }
    };
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|w| !w.is_empty())
        .map(word)
        .collect()
}

/// What a text must have: some of the words, all phrases, none of the excluded words.
#[derive(Clone, Debug, Default)]
pub struct TextQuery {
    words: Vec<String>,
    phrases: Vec<Vec<String>>,
    excluded: Vec<String>,
    case_sensitive: bool,
    /// Where to look; everywhere when empty.
    paths: Vec<Path>,
}

impl TextQuery {
    /// The argument of `$text`.
    ///
    /// # Errors
    /// `TypeMismatch`, `BadValue` for malformed arguments.
    pub fn compile(arg: &Bson) -> Result<Self, EngineError> {
        let Bson::Document(d) = arg else {
            return Err(EngineError::type_mismatch("$text expects an object"));
        };
        let Some(Bson::String(search)) = d.get("$search") else {
            return Err(EngineError::type_mismatch(
                "$search requires a string value",
            ));
        };
        if let Some(unknown) = d.keys().find(|k| {
            ![
                "$search",
                "$language",
                "$caseSensitive",
                "$diacriticSensitive",
            ]
            .contains(&k.as_str())
        }) {
            return Err(EngineError::bad_value(format!(
                "extra fields in $text: {unknown}"
            )));
        }
        let mut out = Self {
            case_sensitive: matches!(d.get("$caseSensitive"), Some(Bson::Boolean(true))),
            ..Self::default()
        };
        for (i, part) in search.split('"').enumerate() {
            if i % 2 == 1 {
                out.phrases.push(words(part, out.case_sensitive));
                continue;
            }
            for token in part.split_whitespace() {
                match token.strip_prefix('-') {
                    Some(word) => out.excluded.extend(words(word, out.case_sensitive)),
                    None => out.words.extend(words(token, out.case_sensitive)),
                }
            }
        }
        Ok(out)
    }

    /// Any of the words (or the words in a row) at one of the paths.
    pub fn of(text: &str, paths: Vec<Path>, phrase: bool) -> Self {
        let found = words(text, false);
        if phrase {
            return Self {
                phrases: vec![found],
                paths,
                ..Self::default()
            };
        }
        Self {
            words: found,
            paths,
            ..Self::default()
        }
    }

    /// How well a document matches; `None` when it does not.
    pub fn score(&self, doc: DocRef<'_>) -> Option<f64> {
        let mut texts = Vec::new();
        if self.paths.is_empty() {
            collect(doc, &mut texts);
        }
        for path in &self.paths {
            match path.get(doc) {
                Value::Str(s) => texts.push(s.as_str().to_owned()),
                Value::Array(items) => array(items.view(), &mut texts),
                Value::Document(d) => collect(d.view(), &mut texts),
                _ => {}
            }
        }
        let texts: Vec<Vec<String>> = texts
            .iter()
            .map(|t| words(t, self.case_sensitive))
            .collect();
        let mut score = 0.0;
        let mut phrases = vec![false; self.phrases.len()];
        for text in &texts {
            if text.iter().any(|w| self.excluded.contains(w)) {
                return None;
            }
            let hits = text.iter().filter(|w| self.words.contains(w)).count();
            // More hits count for less each, and for less in a longer text.
            score += num::usize_to_f64(hits) / num::usize_to_f64(hits + 1)
                * (1.0 + 1.0 / num::usize_to_f64(text.len().max(1)));
            for (phrase, found) in self.phrases.iter().zip(&mut phrases) {
                if !phrase.is_empty() && text.windows(phrase.len()).any(|w| w == phrase.as_slice())
                {
                    *found = true;
                    score += 1.0;
                }
            }
        }
        let matches = phrases.iter().all(|f| *f)
            && (score > 0.0 || (self.words.is_empty() && !self.phrases.is_empty()));
        matches.then_some(score)
    }
}

fn collect(doc: DocRef<'_>, out: &mut Vec<String>) {
    for (_, v) in doc.iter() {
        one(v, out);
    }
}

fn array(items: ArrRef<'_>, out: &mut Vec<String>) {
    for v in items.iter() {
        one(v, out);
    }
}

fn one(v: ValueRef<'_>, out: &mut Vec<String>) {
    match v {
        ValueRef::Str(s) => out.push(s.as_str().to_owned()),
        ValueRef::Document(d) => collect(d, out),
        ValueRef::Array(a) => array(a, out),
        _ => {}
    }
}
