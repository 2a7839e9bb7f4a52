//! `$regexMatch`, `$regexFind`, `$regexFindAll`.
use bson::Bson;

use super::{Context, Env, Expr, Fields, Operator, Result};
use crate::memory::error::EngineError;
use crate::memory::pattern::Pattern;
use crate::memory::value::{DocBuilder, Value, num};

/// In expressions a bad pattern has a code of its own.
fn invalid(name: &str, e: EngineError) -> EngineError {
    match e.code {
        51091 => EngineError::location(51111, format!("Invalid Regex in {name}: {}", e.message)),
        _ => e,
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Match,
    Find,
    FindAll,
}

/// A pattern compiled once, or one that each document brings.
#[derive(Debug)]
enum Source {
    Fixed(Option<Pattern>),
    Dynamic(Expr, Option<Expr>),
}

#[derive(Debug)]
struct Search {
    name: &'static str,
    mode: Mode,
    input: Expr,
    source: Source,
}

fn pattern(name: &str, regex: &Value, options: Option<&Value>) -> Result<Option<Pattern>> {
    let given = match options {
        None => None,
        Some(v) if v.is_nullish() => None,
        Some(v) => Some(v.as_str().ok_or_else(|| {
            EngineError::location(
                51106,
                format!("{name} needs 'options' to be of type string"),
            )
        })?),
    };
    if given.is_some_and(|o| o.contains('\0')) {
        return Err(EngineError::location(
            51110,
            format!("{name}: regular expression options cannot contain an embedded null byte"),
        ));
    }
    match regex {
        v if v.is_nullish() => Ok(None),
        Value::Str(s) => {
            if s.as_bytes().contains(&0) {
                return Err(EngineError::location(
                    51109,
                    format!("{name}: regular expression cannot contain an embedded null byte"),
                ));
            }
            Pattern::compile(s.as_str(), given.unwrap_or_default())
                .map(Some)
                .map_err(|e| invalid(name, e))
        }
        Value::Regex(r) => {
            let own = r.options.as_str();
            if !own.is_empty() && given.is_some() {
                return Err(EngineError::location(
                    51107,
                    format!(
                        "{name}: found regex option(s) specified in both 'regex' and 'option' fields"
                    ),
                ));
            }
            Pattern::compile(r.pattern.as_str(), given.unwrap_or(own))
                .map(Some)
                .map_err(|e| invalid(name, e))
        }
        _ => Err(EngineError::location(
            51105,
            format!("{name} needs 'regex' to be of type string or regex"),
        )),
    }
}

impl Search {
    fn nothing(&self) -> Value {
        match self.mode {
            Mode::Match => Value::Bool(false),
            Mode::Find => Value::Null,
            Mode::FindAll => Value::array(Vec::new()),
        }
    }

    fn run(&self, p: &Pattern, text: &str) -> Value {
        if self.mode == Mode::Match {
            return Value::Bool(p.is_match(text));
        }
        let mut found = Vec::new();
        let (mut at, mut byte, mut point) = (0, 0, 0);
        // The end of a text is looked at only when it is its beginning too.
        while at < text.len() || at == 0 {
            let Some(captures) = p.captures_at(text, at) else {
                break;
            };
            let Some(whole) = captures.get(0) else { break };
            point += text
                .get(byte..whole.start())
                .map_or(0, |skipped| skipped.chars().count());
            byte = whole.start();
            let groups = (1..captures.len()).map(|i| {
                captures
                    .get(i)
                    .map_or(Value::Null, |g| Value::str(g.as_str()))
            });
            let mut doc = DocBuilder::new();
            doc.push("match", whole.as_str());
            doc.push("idx", num::len_i32(point));
            doc.push("captures", groups.collect::<Vec<_>>());
            if self.mode == Mode::Find {
                return doc.value();
            }
            found.push(doc.value());
            at = if whole.end() > whole.start() {
                whole.end()
            } else {
                // Step over one character, so that an empty match is not found again.
                let next = text.get(whole.end()..).and_then(|r| r.chars().next());
                whole.end() + next.map_or(1, char::len_utf8)
            };
        }
        if self.mode == Mode::Find {
            return Value::Null;
        }
        Value::array(found)
    }
}

impl Operator for Search {
    fn eval(&self, env: &mut Env<'_>) -> Result<Value> {
        let input = self.input.eval(env)?;
        if input.as_str().is_none() && !input.is_nullish() {
            return Err(EngineError::location(
                51104,
                format!("{} needs 'input' to be of type string", self.name),
            ));
        }
        let dynamic;
        let pattern = match &self.source {
            Source::Fixed(p) => p.as_ref(),
            Source::Dynamic(regex, options) => {
                let regex = regex.eval(env)?;
                let options = options.as_ref().map(|o| o.eval(env)).transpose()?;
                dynamic = pattern(self.name, &regex, options.as_ref())?;
                dynamic.as_ref()
            }
        };
        Ok(match (pattern, input.as_str()) {
            (Some(p), Some(text)) => self.run(p, text),
            _ => self.nothing(),
        })
    }
}

pub(super) fn compile(name: &str, argument: &Bson, cx: Context<'_>) -> Result<Expr> {
    let fields = Fields::new(name, argument, &["input", "regex", "options"], 51103, 31024)?;
    let input = fields.required("input", 31022, cx)?;
    let regex = fields.required("regex", 31023, cx)?;
    let options = fields.optional("options", cx)?;
    let (name, mode) = match name {
        "$regexMatch" => ("$regexMatch", Mode::Match),
        "$regexFind" => ("$regexFind", Mode::Find),
        _ => ("$regexFindAll", Mode::FindAll),
    };
    let fixed = match (regex.as_literal(), options.as_ref().map(Expr::as_literal)) {
        (Some(r), None) => Some((r, None)),
        (Some(r), Some(Some(o))) => Some((r, Some(o))),
        _ => None,
    };
    let source = match fixed {
        Some((r, o)) => Source::Fixed(pattern(name, r, o)?),
        None => Source::Dynamic(regex, options),
    };
    Ok(Expr::operator(Search {
        name,
        mode,
        input,
        source,
    }))
}
