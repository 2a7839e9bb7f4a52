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
                Ok(fold(Node::Array(items.collect::<Result<_>>()?)))
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
        Ok(fold(Node::Object(fields.into_boxed_slice())))
    }

    fn path(&self, text: &str) -> Result<Expr> {
        let Some(rest) = text.strip_prefix("$$") else {
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
                fold(Node::Unary(f, Box::new(a)))
            }
            Kind::Binary(f) => fold(Node::Binary(f, Box::new(self.exactly(name, argument)?))),
            Kind::Compare(how) => {
                Expr::from_node(Node::Compare(how, Box::new(self.exactly(name, argument)?)))
            }
            Kind::Nary(low, high, f) => fold(Node::Nary(
                f,
                self.between(name, argument, low, high)?.into(),
            )),
            Kind::Collated(low, high, f) => Expr::from_node(Node::Collated(
                f,
                self.between(name, argument, low, high)?.into(),
            )),
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

/// Evaluates a node now if everything in it is constant. What fails stays: it may never be reached.
pub(crate) fn fold(node: Node) -> Expr {
    let constant = |e: &Expr| matches!(e.node(), Node::Literal(_));
    let all = match &node {
        Node::Unary(_, a) => constant(a),
        Node::Binary(_, args) => args.iter().all(constant),
        Node::Nary(_, args) | Node::Array(args) => args.iter().all(constant),
        Node::Object(fields) => fields.iter().all(|(_, e)| constant(e)),
        _ => false,
    };
    fold_if(all, Expr::from_node(node))
}

/// Evaluates an operator now if told that it is constant.
pub(crate) fn fold_if(constant: bool, e: Expr) -> Expr {
    if !constant {
        return e;
    }
    let evaluation = Evaluation::default();
    match e.eval(&mut Env::new(&evaluation)) {
        Ok(v) => Expr::literal(v),
        Err(_) => e,
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
