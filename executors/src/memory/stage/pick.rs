//! What a stage needs of every document, read in place and in one walk.
use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr};
use crate::memory::value::{DocRef, Part, Path, Value, ValueRef};

/// No more fields are picked at once; the others are looked for one by one.
pub const MOST: usize = 8;

/// The fields of the root that are picked.
#[derive(Clone, Debug, Default)]
pub struct Picks {
    fields: Vec<Part>,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub enum Origin {
    /// A picked field.
    Picked(usize),
    /// A path.
    Path(Path),
    /// Always the same.
    Literal(Value),
    /// An expression, which reads the environment's document.
    Expr(Expr),
}

impl Picks {
    /// Where the value of an expression comes from; a plain field is picked from now on.
    pub fn origin(&mut self, e: &Expr) -> Origin {
        if let Some(v) = e.as_literal() {
            return Origin::Literal(v.clone());
        }
        let Some(path) = e.as_path() else {
            return Origin::Expr(e.clone());
        };
        let [part] = path.parts() else {
            return Origin::Path(path.clone());
        };
        if let Some(at) = self.fields.iter().position(|f| f == part) {
            return Origin::Picked(at);
        }
        if self.fields.len() == MOST {
            return Origin::Path(path.clone());
        }
        self.fields.push(part.clone());
        Origin::Picked(self.fields.len() - 1)
    }

    /// The picked values of a document.
    #[inline]
    pub fn of<'d>(&self, doc: DocRef<'d>) -> [ValueRef<'d>; MOST] {
        let mut found = [ValueRef::Missing; MOST];
        if let Some(found) = found.get_mut(..self.fields.len()) {
            doc.pick(&self.fields, found);
        }
        found
    }
}

impl Origin {
    /// Whether it needs the document in the environment.
    pub fn reads_env(&self) -> bool {
        matches!(self, Self::Expr(_))
    }

    /// Does something with the value.
    ///
    /// # Errors
    /// What the expression, or what is done, gives.
    #[inline(always)]
    pub fn with<'d, R>(
        &self,
        doc: DocRef<'d>,
        picked: &[ValueRef<'d>; MOST],
        env: &mut Env<'_>,
        f: impl FnOnce(ValueRef<'_>, &mut Env<'_>) -> Result<R, EngineError>,
    ) -> Result<R, EngineError> {
        let made = match self {
            Self::Picked(at) => return f(picked.get(*at).copied().unwrap_or_default(), env),
            Self::Literal(v) => return f(v.view(), env),
            Self::Path(path) => path.get(doc),
            Self::Expr(e) => e.eval(env)?,
        };
        f(made.view(), env)
    }
}
