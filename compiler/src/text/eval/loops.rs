//! The loops that only write a value down: comprehensions over literals, and functions of one expression.

use super::args::{Args, required};
use super::node::At;
use super::value::{Done, Py, refuse, type_error};
use super::{Evaluator, Variable};
use crate::error::{Code, Result, Span};
use crate::queryset::Do;
use crate::text::syntax::{Clause, Comprehension, Kind, Lambda, Makes, Node, Piece, python};

/// Most loops inside each other.
const MAX_LOOPS: usize = 8;
/// Most entries of a dict that a loop makes.
const MAX_ENTRIES: usize = 10_000;
/// Deepest calls of lambdas by lambdas.
const MAX_CALLS: usize = 4;

/// Variables as they were before a loop took their names.
type Saved = Vec<(String, Option<Variable>)>;

impl Evaluator<'_> {
    /// A comprehension. Over a queryset, the rows are read, and what Python makes of them changes nothing.
    pub(super) fn comprehension(&mut self, node: &Comprehension, span: Span) -> Result<Py> {
        let Some((first, rest)) = node.clauses.split_first() else {
            return Err(python("a comprehension without a loop", span));
        };
        if rest.len() >= MAX_LOOPS {
            return Err(refuse(Code::Limit, "too many loops in one comprehension").with_span(span));
        }
        let source = match self.eval(&first.source)? {
            Py::Rows(rows) => return Ok(self.done(&rows, Do::Rows)),
            Py::Done(done) if done.statement.action == Do::Rows => {
                return Ok(Py::Done(Box::new(Done {
                    statement: done.statement,
                    instance: None,
                })));
            }
            other => other,
        };
        let mut names = Vec::new();
        for clause in &node.clauses {
            names_of(&clause.target, &mut names);
        }
        let saved = self.save(names);
        let mut made = Vec::new();
        let result = self.run_clause(&node.makes, first, rest, &source, &mut made);
        self.restore(saved);
        result?;
        Ok(match &node.makes {
            Makes::List(_) | Makes::Generator(_) => {
                Py::List(made.into_iter().map(|(v, _)| v).collect())
            }
            Makes::Set(_) => {
                let mut set: Vec<Py> = Vec::new();
                for (item, _) in made {
                    if set.len() > 4096 || !set.contains(&item) {
                        set.push(item);
                    }
                }
                Py::Set(set)
            }
            Makes::Dict(..) => {
                if made.len() > MAX_ENTRIES {
                    return Err(refuse(Code::Limit, "the dict holds too many entries"));
                }
                let mut dict: Vec<(Py, Py)> = Vec::new();
                for (key, value) in made {
                    match dict.iter_mut().find(|(k, _)| *k == key) {
                        Some(entry) => entry.1 = value,
                        None => dict.push((key, value)),
                    }
                }
                Py::Dict(dict)
            }
        })
    }

    fn run_clause(
        &mut self,
        makes: &Makes,
        clause: &Clause,
        rest: &[Clause],
        source: &Py,
        made: &mut Vec<(Py, Py)>,
    ) -> Result<()> {
        let items = super::container::elements(Some(source)).at(clause.source.span)?;
        'items: for item in items {
            self.assign(&clause.target, item)?;
            for condition in &clause.conditions {
                let value = self.eval(condition)?;
                match value.truth() {
                    Some(true) => {}
                    Some(false) => continue 'items,
                    None => {
                        return Err(python(
                            format!(
                                "whether {} is true is only known when the query has run",
                                value.describe()
                            ),
                            condition.span,
                        ));
                    }
                }
            }
            if let Some((next, rest)) = rest.split_first() {
                let source = self.eval(&next.source)?;
                self.run_clause(makes, next, rest, &source, made)?;
                continue;
            }
            let (value, further) = match makes {
                Makes::List(node) | Makes::Set(node) | Makes::Generator(node) => {
                    (self.eval(node)?, Py::null())
                }
                Makes::Dict(key, value) => (self.eval(key)?, self.eval(value)?),
            };
            self.check(&value)?;
            self.check(&further)?;
            made.push((value, further));
        }
        Ok(())
    }

    /// Calls a lambda.
    pub(super) fn call_lambda(&mut self, lambda: &Lambda, args: Args) -> Result<Py> {
        if self.calls >= MAX_CALLS {
            return Err(refuse(Code::Limit, "lambdas call each other too deeply"));
        }
        let mut positional = args.positional.into_iter();
        let mut keywords = args.keywords;
        let mut values = Vec::with_capacity(lambda.params.len());
        for name in &lambda.params {
            let given = positional.next().map(|(v, _)| v).or_else(|| {
                let at = keywords.iter().position(|k| k.name == *name)?;
                Some(keywords.remove(at).value)
            });
            values.push((name.clone(), required(given, "<lambda>", name)?));
        }
        if positional.next().is_some() || !keywords.is_empty() {
            return Err(type_error(format!(
                "<lambda>() takes {} arguments",
                lambda.params.len()
            )));
        }
        let saved = self.save(lambda.params.clone());
        self.calls += 1;
        let mut result = Ok(());
        for (name, value) in values {
            result = result.and_then(|()| self.bind(&name, value));
        }
        let result = result.and_then(|()| self.eval(&lambda.body));
        self.calls -= 1;
        self.restore(saved);
        result
    }

    /// An f-string.
    pub(super) fn formatted(&mut self, pieces: &[Piece]) -> Result<Py> {
        let mut out = String::new();
        for piece in pieces {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Value {
                    node,
                    conversion,
                    spec,
                } => {
                    let value = self.eval(node)?;
                    out.push_str(&super::format::value(&value, *conversion, spec).at(node.span)?);
                }
            }
            if out.len() > super::scalar::MAX_TEXT {
                return Err(refuse(Code::Limit, "the string is too long"));
            }
        }
        self.spend(out.len() / 64)?;
        Ok(Py::str(out))
    }

    fn save(&mut self, names: Vec<String>) -> Saved {
        let Some(scope) = self.variables.last_mut() else {
            return Vec::new();
        };
        names
            .into_iter()
            .map(|name| {
                let before = scope.shift_remove(&name);
                (name, before)
            })
            .collect()
    }

    fn restore(&mut self, saved: Saved) {
        if let Some(scope) = self.variables.last_mut() {
            for (name, before) in saved.into_iter().rev() {
                match before {
                    Some(variable) => scope.insert(name, variable),
                    None => scope.shift_remove(&name),
                };
            }
        }
    }
}

fn names_of(target: &Node, names: &mut Vec<String>) {
    match &target.kind {
        Kind::Name(name) if !names.contains(name) => names.push(name.clone()),
        Kind::Tuple(items) | Kind::List(items) => {
            for item in items {
                names_of(&item.value, names);
            }
        }
        _ => {}
    }
}
