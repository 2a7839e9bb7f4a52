//! Evaluates the syntax tree of a text to statements.
//!
//! Python is not run: names, calls and operators that have a meaning for queries are known ([`names`]), everything else is
//! refused at its place. What Django's Python code decides before any SQL is decided here in the same way (how Q objects
//! combine, what `first()` orders by, which manager a relation has); names of fields are left to the binder.
//!
//! | file | holds |
//! |---|---|
//! | `value` | what expressions evaluate to |
//! | `names` | the tables of known names |
//! | `tree` | nodes of the syntax tree: displays, operators, arguments |
//! | `member` | what values answer: attributes, calls, methods |
//! | `args` | arguments and parameters |
//! | `operator`, `scalar` | operators between expressions, and between literals |
//! | `node` | Q objects |
//! | `convert` | values as expressions, conditions and literals of a statement |
//! | `expression` | `F`, `Value`, `Subquery` and the like |
//! | `conditional`, `window`, `search` | `Case` and `When`; `Window` and frames; search expressions |
//! | `shortcut` | `get_model()`, `get_object_or_404()` |
//! | `function` | functions, aggregates, lookups, fields |
//! | `sql` | functions by their SQL names |
//! | `queryset`, `method`, `ordered` | querysets and the methods that give querysets |
//! | `index` | indexes and slices |
//! | `instance` | instances as values of relations |
//! | `loops` | comprehensions, lambdas, f-strings |
//! | `format` | texts with values in them |
//! | `alias` | default names, classes, aggregates inside expressions |
//! | `terminal` | the methods that end them |
//! | `write` | rows of `create()` and its siblings |
//! | `class` | what models and instances answer |
//! | `related`, `change` | managers of relations; what changes one |
//! | `content_type` | `ContentType.objects` |
//! | `registered` | functions of an embedder |
//! | `python`, `container`, `strings`, `moment` | the functions and methods of Python: literals, containers, strings, dates and times |
//! | `own` | methods of the project's own managers |
//! | `measure` | size and depth of values |

mod alias;
mod args;
mod change;
mod class;
mod conditional;
mod container;
mod content_type;
mod convert;
mod expression;
mod format;
mod function;
mod index;
mod instance;
mod loops;
mod measure;
mod member;
mod method;
mod moment;
mod names;
mod node;
mod operator;
mod ordered;
mod own;
mod python;
mod queryset;
mod registered;
mod related;
mod scalar;
mod search;
mod shortcut;
mod sql;
mod strings;
mod terminal;
mod tree;
mod value;
mod window;
mod write;

use indexmap::IndexMap;
use jiff::Timestamp;

use self::measure::Measure;
use self::names::{Python, Role};
use self::node::At;
use self::value::{Done, Instance, Py, Zone};
use super::syntax::{Chained, Kind, Node, Stmt, StmtKind, python};
use super::{Extras, ParamValue, Params};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result, Span};
use crate::queryset::{Do, Statement, Value};
use crate::schema::Schema;

/// Most nodes that a text may evaluate to, counted again for each use of a variable.
const MAX_WORK: usize = 4_000_000;
/// Deepest value of a variable or a statement.
const MAX_VALUE_DEPTH: usize = 300;
/// Deepest evaluation: the parser's own bound, and a little for methods and lambdas.
const MAX_EVAL_DEPTH: usize = 210;
/// Most operators on expressions in one line.
const MAX_OPERATORS: usize = 1_000;

/// Runs texts against a schema.
pub(super) struct Evaluator<'a> {
    /// Absent while the models themselves are read.
    schema: Option<&'a Schema>,
    params: &'a Params,
    extras: &'a Extras,
    variables: Vec<IndexMap<String, Variable>>,
    work: usize,
    operators: usize,
    /// Depth of the nodes being evaluated.
    depth: usize,
    /// Depth of the calls of lambdas.
    calls: usize,
    /// Instances that conditions were given, whose class the statement does not hold.
    given: Vec<instance::Given>,
    /// Enumerations that were met while the models are read.
    enumerations: IndexMap<String, IndexMap<String, Value>>,
}

struct Variable {
    value: Py,
    size: usize,
}

/// What a text came to.
pub(super) struct Outcome {
    /// The last expression, if it is a query.
    pub(super) statement: Option<Statement>,
    /// Queries of the lines before it.
    pub(super) earlier: Vec<Statement>,
}

impl<'a> Evaluator<'a> {
    pub(super) fn new(schema: Option<&'a Schema>, params: &'a Params, extras: &'a Extras) -> Self {
        Evaluator {
            schema,
            params,
            extras,
            variables: vec![IndexMap::new()],
            work: 0,
            operators: 0,
            depth: 0,
            calls: 0,
            given: Vec::new(),
            enumerations: IndexMap::new(),
        }
    }

    /// Runs a whole text.
    ///
    /// # Errors
    /// What Python or Django refuse before a query is made, and what is not understood, with the place.
    pub(super) fn run(&mut self, statements: &[Stmt]) -> Result<Outcome> {
        let mut earlier = Vec::new();
        let mut last: Option<Py> = None;
        for stmt in statements {
            if let Some(before) = last.take()
                && let Ok(Some(statement)) = self.statement_of(before)
                && writes(&statement.action)
            {
                earlier.push(statement);
            }
            last = self.stmt(stmt).at(stmt.span)?;
        }
        let span = statements.last().map(|s| s.span);
        let statement = match last {
            Some(value) => {
                let result = self.statement_of(value);
                match span {
                    Some(span) => result.at(span)?,
                    None => result?,
                }
            }
            None => None,
        };
        Ok(Outcome { statement, earlier })
    }

    /// One statement; the value of an expression.
    fn stmt(&mut self, stmt: &Stmt) -> Result<Option<Py>> {
        self.operators = 0;
        match &stmt.kind {
            StmtKind::Expr(node) => {
                let value = self.eval(node)?;
                self.check(&value).at(node.span)?;
                Ok(Some(value))
            }
            StmtKind::Assign { targets, value } => {
                let value = self.eval(value)?;
                for target in targets {
                    self.assign(target, value.clone())?;
                }
                let query = matches!(value, Py::Rows(_) | Py::Done(_));
                Ok(query.then_some(value))
            }
            StmtKind::Augmented { target, op, value } => {
                let left = self.eval(target)?;
                let chained = Chained {
                    op: *op,
                    right: value.clone(),
                };
                let value = self.chain(left, std::slice::from_ref(&chained))?;
                self.assign(target, value)?;
                Ok(None)
            }
            StmtKind::Import { module, alias } => {
                let last = module.rsplit('.').next().unwrap_or(module);
                let bound = match alias {
                    Some(alias) => alias.as_str(),
                    None => module.split('.').next().unwrap_or(module),
                };
                let name = if alias.is_some() { last } else { bound };
                self.bind(bound, Py::Module(name.to_owned()))?;
                Ok(None)
            }
            StmtKind::FromImport { module: _, names } => {
                for name in names {
                    if name.name == "*" {
                        continue;
                    }
                    let value = self
                        .global(&name.name)?
                        .unwrap_or_else(|| Py::Unknown(name.name.clone()));
                    let bound = name.alias.as_ref().unwrap_or(&name.name).clone();
                    self.bind(&bound, value)?;
                }
                Ok(None)
            }
            StmtKind::Pass => Ok(None),
            StmtKind::Return(_) => Err(python("there is nothing to return from", stmt.span)),
            StmtKind::Class(_) | StmtKind::Function(_) | StmtKind::Skipped(_) => {
                Err(python("this is code, which is not run here", stmt.span))
            }
        }
    }

    fn assign(&mut self, target: &Node, value: Py) -> Result<()> {
        match &target.kind {
            Kind::Name(name) => self.bind(name, value).at(target.span),
            Kind::Tuple(targets) | Kind::List(targets) => {
                if matches!(value, Py::Rows(_) | Py::Done(_)) {
                    // The query runs, and Python takes its rows apart.
                    let done = match value {
                        Py::Rows(rows) => self.done(&rows, Do::Rows),
                        other => other,
                    };
                    let Py::Done(done) = done else {
                        return Ok(());
                    };
                    for target in targets {
                        let item = Py::Done(Box::new(Done {
                            statement: done.statement.clone(),
                            instance: None,
                        }));
                        self.assign(&target.value, item)?;
                    }
                    return Ok(());
                }
                let Some(items) = value.items().filter(|i| i.len() == targets.len()) else {
                    return Err(python(
                        format!(
                            "cannot unpack {} into {} names",
                            value.describe(),
                            targets.len()
                        ),
                        target.span,
                    ));
                };
                for (target, item) in targets.iter().zip(items.to_vec()) {
                    self.assign(&target.value, item)?;
                }
                Ok(())
            }
            _ => Err(python("only names can be assigned to here", target.span)),
        }
    }

    fn bind(&mut self, name: &str, value: Py) -> Result<()> {
        let size = self.check(&value)?;
        if let Some(scope) = self.variables.last_mut() {
            scope.insert(name.to_owned(), Variable { value, size });
        }
        Ok(())
    }

    /// Refuses values that are too deep for the passes that follow; its size.
    fn check(&mut self, value: &Py) -> Result<usize> {
        let Measure { size, depth } = measure::value(value);
        if depth > MAX_VALUE_DEPTH {
            return Err(Error::new(
                Code::Limit,
                format!("the query is nested more than {MAX_VALUE_DEPTH} deep"),
            ));
        }
        self.spend(size)?;
        Ok(size)
    }

    /// Counts work.
    fn spend(&mut self, work: usize) -> Result<()> {
        self.work = self.work.saturating_add(work);
        if self.work > MAX_WORK {
            return Err(Error::new(
                Code::Limit,
                "the text stands for too large a query",
            ));
        }
        Ok(())
    }

    /// The value of a name.
    fn name(&mut self, name: &str, span: Span) -> Result<Py> {
        if let Some(variable) = self.variables.last().and_then(|scope| scope.get(name)) {
            let (value, size) = (variable.value.clone(), variable.size);
            self.spend(size).at(span)?;
            return Ok(value);
        }
        if let Some(param) = self.params.names.get(name) {
            return self.param(param).at(span);
        }
        if let Some(value) = self.global(name).at(span)? {
            return Ok(value);
        }
        let classes: Vec<String> = self.class_names();
        let variables = self.variables.last().map(IndexMap::keys);
        let mut choices: Vec<&str> = variables
            .into_iter()
            .flatten()
            .chain(self.params.names.keys())
            .chain(&classes)
            .map(String::as_str)
            .collect();
        for known in names::all() {
            choices.push(known);
        }
        let error = python(format!("name '{name}' is not defined"), span);
        Err(match closest(name, choices) {
            Some(choice) => error.with_hint(format!("did you mean '{choice}'?")),
            None if self.is_field(name) => error.with_hint(format!(
                "fields are named inside calls: {name}=... or F(\"{name}\")"
            )),
            None if self.schema.is_some() && name.starts_with(char::is_uppercase) => {
                error.with_choices(classes)
            }
            None => error.with_hint("assign it in the text, or give it as a parameter"),
        })
    }

    fn is_field(&self, name: &str) -> bool {
        self.schema
            .is_some_and(|s| s.models().iter().any(|m| m.names.contains_key(name)))
    }

    fn class_names(&self) -> Vec<String> {
        self.schema.map_or_else(Vec::new, |schema| {
            schema
                .models()
                .iter()
                .map(|m| m.name().to_owned())
                .collect()
        })
    }

    /// A name that the text does not define itself: a model, a known name, a module.
    fn global(&self, name: &str) -> Result<Option<Py>> {
        if let Some(class) = self.class(name)? {
            return Ok(Some(class));
        }
        let mut enumerations = [&self.extras.enums, &self.enumerations].into_iter();
        if let Some(members) = enumerations.find_map(|known| known.get(name)) {
            return Ok(Some(Py::Enum(members.clone())));
        }
        if self.extras.classes.contains_key(name) {
            return Ok(Some(Py::OwnClass(name.to_owned())));
        }
        if names::find(name).is_none()
            && let Some(function) = self.find_registered(name)
        {
            return Ok(Some(function));
        }
        if names::is_module(name) {
            return Ok(Some(Py::Module(name.to_owned())));
        }
        Ok(names::find(name).map(|known| match &known.role {
            Role::Python(Python::Utc) => Py::Zone(Zone::Named("UTC".to_owned())),
            _ => Py::Builtin(known),
        }))
    }

    /// A model by the name of its class: of the preferred app, else of the project, else of Django's own apps.
    fn class(&self, name: &str) -> Result<Option<Py>> {
        let Some(schema) = self.schema else {
            return Ok(None);
        };
        let found: Vec<_> = schema
            .models()
            .iter()
            .filter_map(|m| {
                let (app, class) = m.label.rsplit_once('.')?;
                (class == name).then_some((app, m))
            })
            .collect();
        let preferred = found
            .iter()
            .find(|(app, _)| Some(*app) == self.params.app.as_deref());
        let one = match (preferred, found.as_slice()) {
            (Some((_, model)), _) | (None, [(_, model)]) => *model,
            (None, []) => return Ok(None),
            (None, many) => {
                let project: Vec<_> = many
                    .iter()
                    .filter(|(app, _)| !super::models::is_contrib(app))
                    .collect();
                match project.as_slice() {
                    [(_, model)] => *model,
                    _ => {
                        return Err(Error::new(
                            Code::UnknownModel,
                            format!("several models are named '{name}'"),
                        )
                        .with_choices(many.iter().map(|(_, m)| m.label.clone())));
                    }
                }
            }
        };
        Ok(Some(Py::Class(one.id)))
    }

    fn param(&self, param: &ParamValue) -> Result<Py> {
        match param {
            ParamValue::Value(value) => Ok(from_literal(value.clone())),
            ParamValue::Instance { model, pk } => {
                let model = self.schema()?.find(model)?.id;
                Ok(Py::Instance(Box::new(Instance {
                    model,
                    pk: Some(pk.clone()),
                    fields: IndexMap::new(),
                })))
            }
        }
    }

    fn schema(&self) -> Result<&'a Schema> {
        self.schema
            .ok_or_else(|| Error::new(Code::Python, "models cannot be queried here"))
    }

    /// The time that `now()` and its siblings give.
    fn now(&self) -> Result<Timestamp> {
        self.params.now.ok_or_else(|| {
            Error::new(Code::Python, "the current time is not known")
                .with_hint("give the time as a parameter: the compiler has no clock")
        })
    }

    /// The statement that a value stands for, if it is a query.
    fn statement_of(&self, value: Py) -> Result<Option<Statement>> {
        Ok(match value {
            Py::Rows(rows) => Some(rows.queryset().done(Do::Rows)),
            Py::Done(done) => {
                let Done { statement, .. } = *done;
                Some(statement)
            }
            _ => None,
        })
    }

    /// Evaluates one node as a literal, for the options of fields.
    pub(super) fn constant(&mut self, node: &Node) -> Result<Value> {
        let value = self.eval(node)?;
        value
            .literal()
            .ok_or_else(|| python(format!("{} is no literal", value.describe()), node.span))
    }

    /// Evaluates the terms of an ordering, for the options of models.
    pub(super) fn ordering(&mut self, node: &Node) -> Result<Vec<crate::queryset::OrderTerm>> {
        let value = self.eval(node)?;
        self.check(&value).at(node.span)?;
        let items = match value.items() {
            Some(items) => items.to_vec(),
            None => vec![value],
        };
        items
            .into_iter()
            .map(|item| self.order_term(item).at(node.span))
            .collect()
    }

    /// Evaluates the condition of an index or a constraint.
    pub(super) fn whole_condition(&mut self, node: &Node) -> Result<crate::queryset::Q> {
        let value = self.eval(node)?;
        self.q(value).at(node.span)
    }

    /// Makes an enumeration known.
    pub(super) fn define_enumeration(&mut self, name: &str, members: IndexMap<String, Value>) {
        self.enumerations.insert(name.to_owned(), members);
    }

    /// Binds the names of an import.
    pub(super) fn import(&mut self, stmt: &Stmt) -> Result<()> {
        self.stmt(stmt).map(|_| ())
    }

    /// Makes a constant of a class known.
    pub(super) fn define(&mut self, name: &str, value: Value) -> Result<()> {
        self.bind(name, from_literal(value))
    }
}

/// Whether a terminal changes what is stored.
fn writes(action: &Do) -> bool {
    matches!(
        action,
        Do::Insert(_)
            | Do::BulkUpdate(_)
            | Do::Update(_)
            | Do::Delete
            | Do::GetOrCreate { .. }
            | Do::UpdateOrCreate { .. }
    )
}

/// A literal as Python has it.
fn from_literal(value: Value) -> Py {
    match value {
        Value::List(items) => Py::List(items.into_iter().map(from_literal).collect()),
        Value::Dict(entries) => Py::Dict(
            entries
                .into_iter()
                .map(|(k, v)| (Py::str(k), from_literal(v)))
                .collect(),
        ),
        scalar => Py::Value(scalar),
    }
}

/// Whether a name has a meaning in texts by itself.
pub(super) fn is_known(name: &str) -> bool {
    names::find(name).is_some() || names::is_module(name)
}
