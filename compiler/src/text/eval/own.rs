//! Methods of the project's own managers and querysets: those that only say a query.

use indexmap::IndexMap;

use super::args::{Args, required};
use super::queryset::Rows;
use super::value::{Py, refuse};
use super::{Evaluator, Variable};
use crate::error::{Code, Error, Result};
use crate::text::syntax::{FunctionDef, Kind, StmtKind};

/// Deepest calls of methods by methods.
const MAX_CALLS: usize = 12;

impl<'a> Evaluator<'a> {
    /// Applies `get_queryset()` of the manager's class.
    pub(super) fn own_queryset(&mut self, rows: Rows) -> Result<Rows> {
        let Some(function) = self.find_method(rows.class.as_deref(), "get_queryset") else {
            return Ok(rows);
        };
        match self.run_method(&rows, function, Args::default())? {
            Py::Rows(found) => Ok(*found),
            other => Err(refuse(
                Code::Python,
                format!(
                    "get_queryset() in models.py gives {}, no queryset",
                    other.describe()
                ),
            )),
        }
    }

    /// Calls a method of the project, if there is one of that name.
    pub(super) fn own_method(
        &mut self,
        rows: &Rows,
        name: &str,
        args: &mut Args,
    ) -> Result<Option<Py>> {
        if name == "get_queryset" {
            return Ok(None);
        }
        let Some(function) = self.find_method(rows.class.as_deref(), name) else {
            return Ok(None);
        };
        self.run_method(rows, function, std::mem::take(args))
            .map(Some)
    }

    /// Names of the project's methods on a queryset.
    pub(super) fn own_methods(&self, rows: &Rows) -> Vec<String> {
        let mut names = Vec::new();
        let mut queue: Vec<&str> = rows.class.as_deref().into_iter().collect();
        let mut seen = 0;
        while let Some(class) = queue.pop()
            && seen < 64
        {
            seen += 1;
            if let Some(class) = self.extras.classes.get(class) {
                names.extend(
                    class
                        .methods
                        .keys()
                        .filter(|m| !m.starts_with('_'))
                        .cloned(),
                );
                queue.extend(class.bases.iter().map(String::as_str));
            }
        }
        names
    }

    /// A method of a class or its bases.
    fn find_method(&self, class: Option<&str>, name: &str) -> Option<&'a FunctionDef> {
        let extras = self.extras;
        let mut queue: Vec<&str> = class.into_iter().collect();
        let mut seen = 0;
        while !queue.is_empty() && seen < 64 {
            seen += 1;
            let class = extras.classes.get(queue.remove(0));
            if let Some(class) = class {
                if let Some(function) = class.methods.get(name) {
                    return Some(function);
                }
                queue.extend(class.bases.iter().map(String::as_str));
            }
        }
        None
    }

    fn run_method(&mut self, rows: &Rows, function: &FunctionDef, args: Args) -> Result<Py> {
        let outside = |message: &str| {
            refuse(
                Code::Python,
                format!("the method '{}' of models.py {message}", function.name),
            )
        };
        let Some(body) = &function.body else {
            return Err(outside("is code, which is not run here"));
        };
        if self.variables.len() > MAX_CALLS {
            return Err(Error::new(
                Code::Limit,
                "methods call each other too deeply",
            ));
        }
        let mut scope = IndexMap::new();
        let mut params = function.params.iter();
        let mut variable = |name: &str, value: Py| {
            let size = super::measure::value(&value).size;
            scope.insert(name.to_owned(), Variable { value, size });
        };
        if let Some((this, _)) = params.next() {
            variable(this, Py::Rows(Box::new(rows.clone())));
        }
        let mut positional = args.positional.into_iter();
        let mut keywords = args.keywords;
        for (name, default) in params {
            let given = positional.next().map(|(v, _)| v).or_else(|| {
                let at = keywords.iter().position(|k| k.name == *name)?;
                Some(keywords.remove(at).value)
            });
            let value = match (given, default) {
                (Some(value), _) => value,
                (None, Some(default)) => self.eval(default).map_err(|e| moved(&e, function))?,
                (None, None) => required(None, &function.name, name)?,
            };
            variable(name, value);
        }
        self.variables.push(scope);
        let mut result = Ok(Py::null());
        for stmt in body {
            match &stmt.kind {
                StmtKind::Return(None) => break,
                StmtKind::Return(Some(node)) => {
                    result = self.eval(node);
                    break;
                }
                // A docstring.
                StmtKind::Expr(node) if matches!(node.kind, Kind::Str(_)) => {}
                _ => {
                    if let Err(error) = self.stmt(stmt) {
                        result = Err(error);
                        break;
                    }
                }
            }
        }
        self.variables.pop();
        result.map_err(|e| moved(&e, function))
    }

    /// `BookQuerySet(model, using=...)`: a queryset with the methods of a class.
    pub(super) fn own_instance(&mut self, class: String, mut args: Args) -> Result<Py> {
        args.take("using");
        let [model, _] = args.bind(&class, ["model", "query"])?;
        match required(model, &class, "model")? {
            Py::Class(model) => {
                let label = self.schema()?.model(model)?.label.clone();
                let mut rows = Rows::new(model, &label);
                rows.manager = false;
                rows.class = Some(class);
                Ok(Py::Rows(Box::new(rows)))
            }
            other => Err(refuse(
                Code::Python,
                format!("'{class}' takes a model, not {}", other.describe()),
            )),
        }
    }

    /// `super().name(...)` inside a manager's method.
    pub(super) fn this_manager(&mut self, name: &str, args: Args) -> Result<Py> {
        let this = self.variables.last().and_then(|scope| {
            scope.values().find_map(|v| match &v.value {
                Py::Rows(rows) => Some((**rows).clone()),
                _ => None,
            })
        });
        let Some(rows) = this else {
            return Err(refuse(Code::Python, "super() has no meaning here"));
        };
        if name == "get_queryset" {
            return Ok(Py::Rows(Box::new(rows)));
        }
        let parent = rows
            .class
            .as_deref()
            .and_then(|c| self.extras.classes.get(c))
            .and_then(|c| c.bases.first().cloned());
        let class = rows.class.clone();
        let mut rows = rows;
        rows.class = parent;
        let result = self.rows_method(rows, name, args)?;
        Ok(match result {
            Py::Rows(mut rows) => {
                rows.class = class;
                Py::Rows(rows)
            }
            other => other,
        })
    }
}

/// An error inside models.py has no place in the text.
fn moved(error: &Error, function: &FunctionDef) -> Error {
    Error::new(
        error.code(),
        format!(
            "in the method '{}' of models.py: {}",
            function.name,
            error.message()
        ),
    )
}
