//! From a specification to a tree.
use bson::{Bson, Document as Spec};

use super::registry::{self, Kind};
use super::variable;
use super::{Env, Evaluation, Expr, Node, Result, Scope, Slot};
use crate::memory::error::{Code, EngineError};
use crate::memory::value::{Path, Str, Value};

/// Deeper expressions are refused (MongoDB's documents end at 200 levels).
const MAX_DEPTH: u32 = 200;

/// Where an expression is compiled: the variables in reach and the depth.
#[derive(Clone, Copy)]
pub(crate) struct Context<'s> {
    scope: &'s Scope,
    depth: u32,
}

impl<'s> Context<'s> {
    pub fn new(scope: &'s Scope) -> Self {
        Self { scope, depth: 0 }
    }

    pub fn scope(&self) -> &'s Scope {
        self.scope
    }

    /// The same place with other variables.
    pub fn with<'t>(&self, scope: &'t Scope) -> Context<'t> {
        Context {
            scope,
            depth: self.depth,
        }
    }

    fn deeper(&self) -> Result<Self> {
        if self.depth >= MAX_DEPTH {
            return Err(EngineError::new(
                Code::Overflow,
                "expression exceeded the maximum depth of nesting",
            ));
        }
        Ok(Self {
            scope: self.scope,
            depth: self.depth + 1,
        })
    }

    pub fn compile(&self, spec: &Bson) -> Result<Expr> {
        let cx = self.deeper()?;
        match spec {
            Bson::String(s) if s.starts_with('$') => cx.path(s),
            Bson::Document(d) => match d.keys().next() {
                Some(name) if name.starts_with('$') => {
                    if d.len() != 1 {
                        return Err(EngineError::location(
                            15983,
                            format!(
                                "An object representing an expression must have exactly one field: {d}"
                            ),
                        ));
                    }
                    let argument = d.get(name).unwrap_or(&Bson::Null);
                    cx.call(name, argument)
                }
                _ => cx.object(d),
            },
            Bson::Array(items) => {
                let items = items.iter().map(|i| cx.compile(i));
                cx.fold(Node::Array(items.collect::<Result<_>>()?))
            }
            other => Ok(Expr::literal(Value::from_bson(other))),
        }
    }

    fn object(&self, d: &Spec) -> Result<Expr> {
        let mut fields = Vec::with_capacity(d.len());
        for (name, value) in d {
            if name.starts_with('$') {
                return Err(EngineError::location(
                    16410,
                    format!(
                        "FieldPath field names may not start with '$'. Consider using $getField or $setField. FieldPath: {name}"
                    ),
                ));
            }
            if name.contains('.') {
                return Err(EngineError::location(
                    16412,
                    format!(
                        "FieldPath field names may not contain '.'. Consider using $getField or $setField. FieldPath: {name}"
                    ),
                ));
            }
            fields.push((Str::from(name.as_str()), self.compile(value)?));
        }
        self.fold(Node::Object(fields.into_boxed_slice()))
    }

    fn path(&self, text: &str) -> Result<Expr> {
        let Some(rest) = text.strip_prefix("$$") else {
            if text.len() == 1 {
                return Err(EngineError::location(
                    16872,
                    "'$' by itself is not a valid FieldPath",
                ));
            }
            let path = Path::parse(text.get(1..).unwrap_or_default())?;
            return Ok(Expr::from_node(match self.scope.lookup("CURRENT") {
                Some(slot) => Node::Variable(slot, Some(path)),
                None => Node::RootPath(path),
            }));
        };
        let (name, path) = match rest.split_once('.') {
            Some((name, path)) => (name, Some(Path::parse(path)?)),
            None => (rest, None),
        };
        variable::check_name(name)?;
        if let Some(slot) = self.scope.lookup(name) {
            return Ok(Expr::from_node(Node::Variable(slot, path)));
        }
        variable::system(name, path)
    }

    fn call(&self, name: &str, argument: &Bson) -> Result<Expr> {
        let Some(kind) = registry::find(name) else {
            return Err(EngineError::new(
                Code::InvalidPipelineOperator,
                format!("Unrecognized expression '{name}'"),
            ));
        };
        Ok(match kind {
            Kind::Unary(f) => {
                let [a] = self.exactly(name, argument)?;
                self.fold(Node::Unary(f, Box::new(a)))?
            }
            Kind::Binary(f) => {
                self.fold(Node::Binary(f, Box::new(self.exactly(name, argument)?)))?
            }
            Kind::Compare(how) => {
                self.fold(Node::Compare(how, Box::new(self.exactly(name, argument)?)))?
            }
            Kind::Nary(low, high, f) => self.fold(Node::Nary(
                f,
                self.between(name, argument, low, high)?.into(),
            ))?,
            Kind::Collated(low, high, f) => self.fold(Node::Collated(
                f,
                self.between(name, argument, low, high)?.into(),
            ))?,
            Kind::Special(f) => f(name, argument, *self)?,
        })
    }

    /// The arguments of an operator: an array's elements, or the one value.
    pub fn arguments(&self, argument: &Bson) -> Result<Vec<Expr>> {
        match argument {
            Bson::Array(items) => items.iter().map(|i| self.compile(i)).collect(),
            one => Ok(vec![self.compile(one)?]),
        }
    }

    /// Exactly so many arguments.
    pub fn exactly<const N: usize>(&self, name: &str, argument: &Bson) -> Result<[Expr; N]> {
        let args = self.arguments(argument)?;
        let n = args.len();
        args.try_into().map_err(|_| {
            EngineError::location(
                16020,
                format!("Expression {name} takes exactly {N} arguments. {n} were passed in."),
            )
        })
    }

    /// At least and at most so many arguments.
    pub fn between(
        &self,
        name: &str,
        argument: &Bson,
        low: usize,
        high: usize,
    ) -> Result<Vec<Expr>> {
        let args = self.arguments(argument)?;
        let n = args.len();
        if n < low || n > high {
            let code = if name == "$setEquals" { 17045 } else { 28667 };
            return Err(EngineError::location(
                code,
                format!(
                    "Expression {name} takes at least {low} arguments, and at most {high}, but {n} were passed in."
                ),
            ));
        }
        Ok(args)
    }
}

/// What is known of a node before any document.
enum Constant {
    No,
    /// All of it.
    Yes,
    /// Whether it fails, but strings compare by the command's collation.
    Failure,
}

fn constant(node: &Node) -> Constant {
    let fixed = |e: &Expr| matches!(e.node(), Node::Literal(_));
    let text = |e: &Expr| !e.as_literal().is_some_and(Value::is_number);
    let (all, collated) = match node {
        Node::Unary(_, a) => (fixed(a), false),
        Node::Binary(_, args) => (args.iter().all(fixed), false),
        Node::Nary(_, args) | Node::Array(args) => (args.iter().all(fixed), false),
        Node::Object(fields) => (fields.iter().all(|(_, e)| fixed(e)), false),
        Node::Compare(_, args) => (args.iter().all(fixed), args.iter().all(text)),
        Node::Collated(_, args) => (args.iter().all(fixed), true),
        _ => (false, false),
    };
    match (all, collated) {
        (false, _) => Constant::No,
        (true, false) => Constant::Yes,
        (true, true) => Constant::Failure,
    }
}

impl Context<'_> {
    /// Evaluates a node now if everything in it is constant. A server does so when it optimizes a pipeline, so that what
    /// fails does so even where it would never be reached (the branch of a `$cond`, or no documents).
    pub fn fold(&self, node: Node) -> Result<Expr> {
        match constant(&node) {
            Constant::No => Ok(Expr::from_node(node)),
            Constant::Yes => self.fold_if(true, Expr::from_node(node)),
            Constant::Failure => {
                let e = Expr::from_node(node);
                self.fold_if(true, e.clone())?;
                Ok(e)
            }
        }
    }

    /// Evaluates an operator now if told that it is constant.
    pub fn fold_if(&self, constant: bool, e: Expr) -> Result<Expr> {
        if !constant {
            return Ok(e);
        }
        let evaluation = Evaluation::default();
        match e.eval(&mut Env::new(&evaluation)) {
            Ok(v) => Ok(Expr::literal(v)),
            Err(_) if self.scope.is_lazy() => Ok(e),
            Err(failed) => Err(failed),
        }
    }
}

/// The named arguments of an operator, checked against the names that it knows.
pub(crate) struct Fields<'a> {
    operator: &'a str,
    spec: &'a Spec,
}

impl<'a> Fields<'a> {
    /// `not_object` and `unknown` are the codes for an argument that is no document and for an unknown name.
    pub fn new(
        operator: &'a str,
        argument: &'a Bson,
        known: &[&str],
        not_object: i32,
        unknown: i32,
    ) -> Result<Self> {
        let Bson::Document(spec) = argument else {
            return Err(EngineError::location(
                not_object,
                format!("{operator} only supports an object as its argument"),
            ));
        };
        if let Some(name) = spec.keys().find(|k| !known.contains(&k.as_str())) {
            return Err(EngineError::location(
                unknown,
                format!("{operator} found an unknown argument: {name}"),
            ));
        }
        Ok(Self { operator, spec })
    }

    /// The specification of an argument that may be left out.
    pub fn get(&self, name: &str) -> Option<&'a Bson> {
        self.spec.get(name)
    }

    /// The specification of an argument that must be there.
    pub fn require(&self, name: &str, code: i32) -> Result<&'a Bson> {
        self.spec.get(name).ok_or_else(|| {
            EngineError::location(
                code,
                format!("Missing '{name}' parameter to {}", self.operator),
            )
        })
    }

    /// An argument that may be left out.
    pub fn optional(&self, name: &str, cx: Context<'_>) -> Result<Option<Expr>> {
        self.get(name).map(|s| cx.compile(s)).transpose()
    }

    /// An argument that must be there.
    pub fn required(&self, name: &str, code: i32, cx: Context<'_>) -> Result<Expr> {
        cx.compile(self.require(name, code)?)
    }
}

/// Binds a further variable for an inner expression.
pub(crate) fn bind(scope: &Scope, name: &str) -> Result<(Scope, Slot)> {
    variable::check_user_name(name)?;
    Ok(scope.with(name))
}
