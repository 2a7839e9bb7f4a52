//! The aggregation language.

use bson::Bson;

use crate::names::{Name, Path};

/// An aggregation expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// `"$a.b"`: a field of the current document. Keys hold no dot and do not start with `$`
    /// (other keys need `$getField`).
    Field(Path),
    /// `"$$name.a.b"`: a variable and a path into it.
    Var {
        /// Name without `$$`.
        name: String,
        /// Keys.
        path: Vec<String>,
    },
    /// User data or a constant; `$literal` is added where it could be read as anything else.
    Literal(Bson),
    /// The list of values that an earlier step found.
    Parameter(u32),
    /// `{$op: ...}`.
    Op(&'static str, Args),
    /// An array of expressions.
    Array(Vec<Expr>),
    /// A document of expressions.
    Document(Vec<(String, Expr)>),
    /// The user's own expression.
    Raw(Bson),
}

/// Arguments of an operator.
#[derive(Debug, Clone, PartialEq)]
pub enum Args {
    /// `{$op: x}`.
    One(Box<Expr>),
    /// `{$op: [x, y]}`.
    List(Vec<Expr>),
    /// `{$op: {name: x}}`.
    Named(Vec<(&'static str, Expr)>),
    /// `{$op: {name: x}}` with names of the query's own (`$let`'s `vars` use `Expr::Document` instead).
    Document(Vec<(String, Expr)>),
}

impl Expr {
    /// `"$a.b"`.
    pub fn field<K: Into<Name>>(path: impl IntoIterator<Item = K>) -> Expr {
        Expr::Field(Path::of(path))
    }

    /// `"$$name"`.
    pub fn var(name: impl Into<String>) -> Expr {
        Expr::Var {
            name: name.into(),
            path: Vec::new(),
        }
    }

    /// A constant.
    pub fn lit(value: impl Into<Bson>) -> Expr {
        Expr::Literal(value.into())
    }

    /// NULL.
    #[must_use]
    pub fn null() -> Expr {
        Expr::Literal(Bson::Null)
    }

    /// `{$op: x}`.
    #[must_use]
    pub fn one(op: &'static str, x: Expr) -> Expr {
        Expr::Op(op, Args::One(Box::new(x)))
    }

    /// `{$op: [..]}`.
    pub fn list(op: &'static str, args: impl IntoIterator<Item = Expr>) -> Expr {
        Expr::Op(op, Args::List(args.into_iter().collect()))
    }

    /// `{$op: {..}}`.
    pub fn named(op: &'static str, args: impl IntoIterator<Item = (&'static str, Expr)>) -> Expr {
        Expr::Op(op, Args::Named(args.into_iter().collect()))
    }

    /// `{$cond: [test, yes, no]}`.
    #[must_use]
    pub fn cond(test: Expr, yes: Expr, no: Expr) -> Expr {
        Expr::list("$cond", [test, yes, no])
    }

    /// `{$let: {vars: {..}, in: x}}`.
    pub fn let_in<S: Into<String>>(vars: impl IntoIterator<Item = (S, Expr)>, body: Expr) -> Expr {
        let vars = vars.into_iter().map(|(n, e)| (n.into(), e)).collect();
        Expr::named("$let", [("vars", Expr::Document(vars)), ("in", body)])
    }

    /// Null or missing: `{$lte: [x, null]}` (nothing sorts before null but missing).
    #[must_use]
    pub fn is_nullish(self) -> Expr {
        Expr::list("$lte", [self, Expr::null()])
    }

    /// Neither null nor missing: `{$gt: [x, null]}`.
    #[must_use]
    pub fn is_not_nullish(self) -> Expr {
        Expr::list("$gt", [self, Expr::null()])
    }

    /// It can have no value at all, rather than null: paths can, and what hands one of its arguments on. Most operators give null.
    #[must_use]
    pub fn may_be_missing(&self) -> bool {
        match self {
            Expr::Literal(_) | Expr::Array(_) | Expr::Document(_) => false,
            Expr::Op(op, _) => match self.choices() {
                Some(choices) => choices.into_iter().any(Expr::may_be_missing),
                None => !super::operators::operator(op).is_some_and(|known| known.is_never_missing),
            },
            Expr::Field(_) | Expr::Var { .. } | Expr::Parameter(_) | Expr::Raw(_) => true,
        }
    }

    /// The expressions of which the value of a choice is one, as far as a missing value goes.
    fn choices(&self) -> Option<Vec<&Expr>> {
        let Expr::Op(op, args) = self else {
            return None;
        };
        match (&**op, args) {
            ("$cond", Args::List(list)) => match list.as_slice() {
                [_, then, other] => Some(vec![then, other]),
                _ => None,
            },
            // The others are not given when they are missing.
            ("$ifNull", Args::List(list)) => list.last().map(|last| vec![last]),
            ("$switch", Args::Named(parts)) => {
                let mut out = Vec::new();
                for (name, part) in parts {
                    match (*name, part) {
                        ("default", other) => out.push(other),
                        (_, Expr::Array(branches)) => {
                            for branch in branches {
                                let Expr::Document(branch) = branch else {
                                    return None;
                                };
                                let then = branch.iter().filter(|(name, _)| *name == *"then");
                                out.extend(then.map(|(_, then)| then));
                            }
                        }
                        _ => return None,
                    }
                }
                Some(out)
            }
            _ => None,
        }
    }

    /// The expressions directly inside.
    pub fn children_mut(&mut self, f: &mut dyn FnMut(&mut Expr)) {
        match self {
            Expr::Op(_, args) => match args {
                Args::One(x) => f(x),
                Args::List(list) => list.iter_mut().for_each(f),
                Args::Named(list) => list.iter_mut().for_each(|(_, x)| f(x)),
                Args::Document(list) => list.iter_mut().for_each(|(_, x)| f(x)),
            },
            Expr::Array(list) => list.iter_mut().for_each(f),
            Expr::Document(list) => list.iter_mut().for_each(|(_, x)| f(x)),
            Expr::Field(_)
            | Expr::Var { .. }
            | Expr::Literal(_)
            | Expr::Parameter(_)
            | Expr::Raw(_) => {}
        }
    }

    /// The expressions directly inside.
    pub fn children<'e>(&'e self, f: &mut dyn FnMut(&'e Expr)) {
        match self {
            Expr::Op(_, args) => match args {
                Args::One(x) => f(x),
                Args::List(list) => list.iter().for_each(f),
                Args::Named(list) => list.iter().for_each(|(_, x)| f(x)),
                Args::Document(list) => list.iter().for_each(|(_, x)| f(x)),
            },
            Expr::Array(list) => list.iter().for_each(f),
            Expr::Document(list) => list.iter().for_each(|(_, x)| f(x)),
            Expr::Field(_)
            | Expr::Var { .. }
            | Expr::Literal(_)
            | Expr::Parameter(_)
            | Expr::Raw(_) => {}
        }
    }

    /// Reads another field at the root of the document wherever it reads `from`.
    pub fn rename_root(&mut self, from: &str, to: &str) {
        if let Expr::Field(path) = self
            && let Some((first, rest)) = path.split_first()
            && first == from
        {
            *path = Path::key(to).to(&rest.iter().cloned().collect());
        }
        self.children_mut(&mut |x| x.rename_root(from, to));
    }

    /// May read this key at the root of the document, or the document as a whole.
    #[must_use]
    pub fn reads_root(&self, key: &str) -> bool {
        let mut stack = vec![self];
        while let Some(expr) = stack.pop() {
            match expr {
                Expr::Field(path) if path.first().is_some_and(|k| k == key) => return true,
                Expr::Var { name, .. } if name == "ROOT" || name == "CURRENT" => return true,
                Expr::Raw(_) => return true,
                other => other.children(&mut |x| stack.push(x)),
            }
        }
        false
    }
}
