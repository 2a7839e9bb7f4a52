//! `$unwind`.
use std::sync::Arc;

use bson::Bson;

use super::pick::MOST;
use super::{Source, Stage, StagePlan, Starting, Visit};
use crate::memory::error::EngineError;
use crate::memory::expr::Env;
use crate::memory::value::{ArrRef, Array, DocRef, Document, Part, Path, Value, ValueRef, num};

/// A compiled `$unwind`.
#[derive(Clone, Debug)]
pub struct Unwind {
    path: Path,
    index: Option<Path>,
    preserve: bool,
}

impl Unwind {
    /// Reads a path or a document of options.
    ///
    /// # Errors
    /// 15981, 28808 to 28812, 28818, 28822 as MongoDB.
    pub fn compile(spec: &Bson) -> Result<Self, EngineError> {
        let bad = |code, message: &str| Err(EngineError::location(code, message));
        let (mut path, mut index, mut preserve) = (None, None, false);
        match spec {
            Bson::String(s) => path = Some(s.as_str()),
            Bson::Document(d) => {
                for (key, v) in d {
                    match (key.as_str(), v) {
                        ("path", Bson::String(s)) => path = Some(s.as_str()),
                        ("path", _) => {
                            return bad(28808, "expected a string as the path for $unwind stage");
                        }
                        ("preserveNullAndEmptyArrays", Bson::Boolean(b)) => preserve = *b,
                        ("preserveNullAndEmptyArrays", _) => {
                            return bad(
                                28809,
                                "expected a boolean for the preserveNullAndEmptyArrays option to $unwind stage",
                            );
                        }
                        ("includeArrayIndex", Bson::String(s)) if s.is_empty() => {
                            return bad(
                                28810,
                                "expected a non-empty string for the includeArrayIndex option to $unwind stage",
                            );
                        }
                        ("includeArrayIndex", Bson::String(s)) if s.starts_with('$') => {
                            return bad(
                                28822,
                                "includeArrayIndex option to $unwind stage should not be prefixed with a '$'",
                            );
                        }
                        ("includeArrayIndex", Bson::String(s)) => index = Some(Path::parse(s)?),
                        ("includeArrayIndex", _) => {
                            return bad(
                                28810,
                                "expected a non-empty string for the includeArrayIndex option to $unwind stage",
                            );
                        }
                        _ => {
                            return bad(
                                28811,
                                &format!("unrecognized option to $unwind stage: {key}"),
                            );
                        }
                    }
                }
            }
            _ => {
                return bad(
                    15981,
                    "expected either a string or an object as specification for $unwind stage",
                );
            }
        }
        let Some(text) = path.filter(|p| !p.is_empty()) else {
            return bad(28812, "no path specified to $unwind stage");
        };
        let Some(text) = text.strip_prefix('$') else {
            return bad(
                28818,
                &format!("path option to $unwind stage should be prefixed with a '$': {text}"),
            );
        };
        Ok(Self {
            path: Path::parse(text)?,
            index,
            preserve,
        })
    }
}

impl StagePlan for Unwind {
    fn start(&self, input: Source, starting: &Starting<'_>) -> Result<Source, EngineError> {
        let kept = starting.needed().filter(|_| self.index.is_none());
        Ok(Box::new(Unwinding {
            input,
            plan: Arc::new(self.clone()),
            kept,
            current: None,
        }))
    }

    fn touches(&self) -> Option<&Part> {
        match self.index {
            None => self.path.parts().first(),
            Some(_) => None,
        }
    }
}

struct Unwinding {
    input: Source,
    plan: Arc<Unwind>,
    /// The fields that anybody reads after this, if that is known.
    kept: Option<Vec<Part>>,
    current: Option<(Document, Array, usize)>,
}

/// What becomes of a document.
enum Unwound<'d> {
    /// Nothing.
    Dropped,
    /// It stays as it is.
    Same,
    /// It gets this value in place of its own, and null for the index.
    One(Value),
    /// It is there once for each element.
    Each(ArrRef<'d>),
}

impl Unwind {
    fn of<'d>(&self, doc: DocRef<'d>) -> Unwound<'d> {
        // An array on the way to the path counts as missing.
        match self.path.get_ref(doc).unwrap_or_default() {
            ValueRef::Array(items) if !items.is_empty() => Unwound::Each(items),
            ValueRef::Array(_) | ValueRef::Missing | ValueRef::Null | ValueRef::Undefined
                if !self.preserve =>
            {
                Unwound::Dropped
            }
            // With nothing in it, only the field goes.
            ValueRef::Array(_) => Unwound::One(Value::Missing),
            _ if self.index.is_none() => Unwound::Same,
            other => Unwound::One(other.to_value()),
        }
    }

    fn row(&self, doc: Document, value: Value, index: Value) -> Document {
        let out = doc.with_path(self.path.parts(), value);
        match &self.index {
            Some(path) => out.with_path(path.parts(), index),
            None => out,
        }
    }
}

/// The document, or only the fields that are kept: a built one, which is cheaper to change several times.
fn base(doc: DocRef<'_>, kept: Option<&[Part]>) -> Document {
    let Some(kept) = kept else {
        return doc.to_document().built();
    };
    let fields = doc.iter().filter(|(k, _)| {
        let name = k.as_bytes();
        kept.iter().any(|part| part.name.as_bytes() == name)
    });
    fields.map(|(k, v)| (k.to_str(), v.to_value())).collect()
}

impl Stage for Unwinding {
    fn next(&mut self, env: &mut Env<'_>) -> Result<Option<Document>, EngineError> {
        loop {
            if let Some((doc, items, at)) = &mut self.current {
                let (place, item) = (*at, items.get(*at));
                if !item.is_missing() {
                    env.tick()?;
                    *at += 1;
                    let index = Value::Int64(num::len_i64(place));
                    return Ok(Some(self.plan.row(doc.clone(), item, index)));
                }
                self.current = None;
            }
            let Some(doc) = self.input.next(env)? else {
                return Ok(None);
            };
            match self.plan.of(doc.view()) {
                Unwound::Dropped => {}
                Unwound::Same => return Ok(Some(doc)),
                Unwound::One(value) => return Ok(Some(self.plan.row(doc, value, Value::Null))),
                Unwound::Each(items) => {
                    // Elements are taken by number: a built vector makes that quick.
                    let items =
                        Array::from(items.iter().map(ValueRef::to_value).collect::<Vec<_>>());
                    let base = base(doc.view(), self.kept.as_deref());
                    self.current = Some((base, items, 0));
                }
            }
        }
    }

    fn each(&mut self, env: &mut Env<'_>, f: Visit<'_>) -> Result<(), EngineError> {
        while let Some(doc) = self.current.is_some().then(|| self.next(env)).transpose()? {
            match doc {
                Some(doc) => f(doc.view(), env)?,
                None => return Ok(()),
            }
        }
        let (plan, kept) = (Arc::clone(&self.plan), self.kept.as_deref());
        // Where few fields are kept, one document does for all rows: only its values change.
        let mut row = kept.filter(|k| k.len() <= MOST).map(Document::blank);
        let place = |part: &Part| kept.and_then(|k| k.iter().position(|p| p == part));
        let slot = match plan.path.parts() {
            [part] => place(part),
            _ => None,
        };
        self.input.each(env, &mut |doc, env| {
            let items = match plan.of(doc) {
                Unwound::Dropped => return Ok(()),
                Unwound::Same => return f(doc, env),
                Unwound::One(value) => {
                    let row = plan.row(base(doc, kept), value, Value::Null);
                    return f(row.view(), env);
                }
                Unwound::Each(items) => items,
            };
            if let (Some(row), Some(slot), Some(kept)) = (&mut row, slot, kept) {
                if kept.len() > 1 {
                    let mut found = [ValueRef::Missing; MOST];
                    if let Some(found) = found.get_mut(..kept.len()) {
                        doc.pick(kept, found);
                    }
                    let others = found.iter().take(kept.len()).enumerate();
                    others.for_each(|(at, v)| row.put(at, v.to_value()));
                }
                for item in items.iter() {
                    env.tick()?;
                    row.put(slot, item.to_value());
                    f(row.view(), env)?;
                }
                return Ok(());
            }
            let base = base(doc, kept);
            for (place, item) in (0_i64..).zip(items.iter()) {
                env.tick()?;
                let row = plan.row(base.clone(), item.to_value(), Value::Int64(place));
                f(row.view(), env)?;
            }
            Ok(())
        })
    }
}
