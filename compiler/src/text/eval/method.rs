//! The methods of querysets and managers that give querysets.

use indexmap::IndexMap;

use super::Evaluator;
use super::alias::{Alias, default_alias, note_aggregates, numbered, positional_name};
use super::args::{Args, required};
use super::node::At;
use super::queryset::Rows;
use super::value::{Py, attribute_error, integer, name_of, string, type_error, value_error};
use crate::diagnostic::closest;
use crate::error::{Error, Result, Span};
use crate::queryset::{Call, Expr, Hint, Prefetch, Value, ValuesFields};

/// Methods that give querysets, and those that end them.
const METHODS: &[&str] = &[
    "aggregate",
    "alias",
    "all",
    "annotate",
    "bulk_create",
    "complex_filter",
    "contains",
    "count",
    "create",
    "dates",
    "datetimes",
    "defer",
    "delete",
    "difference",
    "distinct",
    "earliest",
    "exclude",
    "exists",
    "explain",
    "filter",
    "first",
    "get",
    "get_or_create",
    "in_bulk",
    "intersection",
    "iterator",
    "last",
    "latest",
    "none",
    "only",
    "order_by",
    "page_after",
    "prefetch_related",
    "raw_aggregate",
    "reverse",
    "select_for_update",
    "select_related",
    "union",
    "update",
    "update_or_create",
    "using",
    "values",
    "values_list",
];

impl Evaluator<'_> {
    /// Calls a method of a queryset or manager.
    pub(super) fn rows_method(&mut self, rows: Rows, name: &str, mut args: Args) -> Result<Py> {
        if let Some(result) = self.own_method(&rows, name, &mut args)? {
            return Ok(result);
        }
        if let Some(result) = self.content_type_method(&rows, name, &mut args)? {
            return Ok(result);
        }
        // The asynchronous names do the same.
        if name == "_next_is_sticky" {
            args.finish(name)?;
            let mut rows = rows.chain();
            rows.sticky_next = true;
            return Ok(Py::Rows(Box::new(rows)));
        }
        let name = match name.strip_prefix('a') {
            Some(rest) if !METHODS.contains(&name) && METHODS.contains(&rest) => rest,
            _ => name,
        };
        let rows = match self.conditions_method(rows, name, args)? {
            Ok(rows) => return Ok(Py::Rows(Box::new(rows))),
            Err((rows, rest)) => {
                args = rest;
                rows
            }
        };
        let rows = match name {
            "annotate" | "alias" => self.annotate(rows, name, args)?,
            "values" => self.values(rows, args)?,
            "values_list" => self.values_list(rows, args)?,
            "order_by" => self.order_by(rows, args)?,
            "reverse" => {
                args.finish(name)?;
                rows.with(Call::Reverse)
            }
            "distinct" => {
                let fields = strings(args.only_positional(name)?)?;
                let mut rows = rows.with(Call::Distinct(fields.clone()));
                rows.facts.distinct_on = !fields.is_empty();
                rows
            }
            "dates" | "datetimes" => self.dates(rows, name, args)?,
            "none" => {
                args.finish(name)?;
                let mut rows = rows.with(Call::None);
                rows.facts.empty = true;
                rows
            }
            "select_related" => {
                let values = args.only_positional(name)?;
                let fields = match values.as_slice() {
                    [(value, _)] if value.is_none() => None,
                    _ => Some(strings(values)?),
                };
                rows.with(Call::SelectRelated(fields))
            }
            "prefetch_related" => self.prefetch_related(rows, args)?,
            "defer" => {
                let values = args.only_positional(name)?;
                let fields = match values.as_slice() {
                    [(value, _)] if value.is_none() => None,
                    _ => Some(strings(values)?),
                };
                rows.with(Call::Defer(fields))
            }
            "only" => {
                let values = args.only_positional(name)?;
                if values.iter().any(|(v, _)| v.is_none()) {
                    return Err(type_error("Cannot pass None as an argument to only()."));
                }
                rows.with(Call::Only(strings(values)?))
            }
            "union" | "intersection" | "difference" => self.combinator(rows, name, args)?,
            "using" | "db_manager" => {
                let [alias] = args.bind(name, ["alias"])?;
                let alias = required(alias, name, "alias")?;
                rows.with(Call::Using(string(&alias, "the alias")?))
            }
            "select_for_update" => select_for_update(rows, args)?,
            "raw_aggregate" => {
                let [pipeline, _, _] = args.bind(name, ["raw_query", "translations", "using"])?;
                let pipeline = self.literal(&required(pipeline, name, "raw_query")?)?;
                rows.with(Call::Raw(super::write::stages(&pipeline)?))
            }
            "page_after" => self.page_after(rows, args)?,
            "hint" => self.hint(rows, args)?,
            "as_manager" | "get_queryset" => {
                args.finish(name)?;
                rows
            }
            "extra" | "raw" => {
                return Err(Error::unsupported(
                    format!("{name}()"),
                    "raw SQL has no meaning for MongoDB",
                )
                .with_hint(if name == "raw" {
                    "use raw_aggregate()"
                } else {
                    "use annotate() and filter()"
                }));
            }
            _ => return self.terminal(rows, name, args),
        };
        Ok(Py::Rows(Box::new(rows)))
    }

    /// `filter()` and its siblings, and `all()`; gives back what it does not know.
    #[allow(clippy::type_complexity)] // the arguments travel back where the method is another
    fn conditions_method(
        &mut self,
        rows: Rows,
        name: &str,
        args: Args,
    ) -> Result<std::result::Result<Rows, (Rows, Args)>> {
        Ok(Ok(match name {
            "all" => {
                args.finish(name)?;
                if rows.manager {
                    let mut rows = rows;
                    rows.manager = false;
                    rows.related = None;
                    rows
                } else {
                    rows.chain()
                }
            }
            "filter" | "exclude" => {
                let node = self.conditions(args)?;
                if node.children.is_empty() {
                    rows.chain()
                } else {
                    let q = node.into_q();
                    self.check_instances(&rows, &q)?;
                    rows.with_condition(if name == "filter" {
                        Call::Filter(q)
                    } else {
                        Call::Exclude(q)
                    })
                }
            }
            "complex_filter" => {
                let [condition] = args.bind(name, ["filter_obj"])?;
                match required(condition, name, "filter_obj")? {
                    Py::Q(q) => {
                        let q = q.into_q();
                        self.check_instances(&rows, &q)?;
                        rows.with_condition(Call::Filter(q))
                    }
                    Py::Dict(entries) if entries.is_empty() => rows.chain(),
                    Py::Dict(entries) => {
                        let mut args = Args::default();
                        for (key, value) in entries {
                            args.keywords.push(super::args::Keyword {
                                name: string(&key, "a lookup")?,
                                value,
                                span: Span::NOWHERE,
                            });
                        }
                        let q = self.conditions(args)?.into_q();
                        self.check_instances(&rows, &q)?;
                        rows.with_condition(Call::Filter(q))
                    }
                    other => {
                        return Err(type_error(format!(
                            "complex_filter() takes a Q object or a dict, not {}",
                            other.describe()
                        )));
                    }
                }
            }
            _ => return Ok(Err((rows, args))),
        }))
    }

    /// Named expressions of `annotate()`, `alias()` and `aggregate()`; positional ones get Django's names.
    pub(super) fn annotations(
        &self,
        method: &str,
        args: Args,
    ) -> Result<(IndexMap<String, Expr>, IndexMap<String, Expr>)> {
        let mut positional = IndexMap::new();
        for (value, span) in args.positional {
            let expr = self.annotation(method, value).at(span)?;
            let alias = match default_alias(&expr) {
                Alias::Name(alias) => alias,
                _ => {
                    let what = if method == "aggregate" {
                        "aggregates"
                    } else {
                        "annotations"
                    };
                    return Err(type_error(format!("Complex {what} require an alias"))
                        .with_span(span)
                        .with_hint(format!("name it: {method}(name=...)")));
                }
            };
            if method != "aggregate" && args.keywords.iter().any(|k| k.name == alias) {
                return Err(value_error(format!(
                    "The named annotation '{alias}' conflicts with the default name for another annotation."
                ))
                .with_span(span));
            }
            positional.insert(alias, expr);
        }
        let mut named = IndexMap::new();
        for keyword in args.keywords {
            let expr = self.annotation(method, keyword.value).at(keyword.span)?;
            named.insert(keyword.name, expr);
        }
        Ok((positional, named))
    }

    fn annotation(&self, method: &str, value: Py) -> Result<Expr> {
        match value {
            value @ (Py::Expr(_) | Py::Q(_) | Py::Rows(_)) => self.value_expr(value),
            other => {
                let shown = super::strings::text_of(&other).unwrap_or_else(|_| other.describe());
                let error = type_error(format!(
                    "QuerySet.{method}() received non-expression(s): {shown}."
                ));
                Err(match other.as_str() {
                    Some(text) => error.with_hint(format!(
                        "write F(\"{text}\") for the field, Value(\"{text}\") for the text"
                    )),
                    None => error.with_hint("wrap literals in Value(...)"),
                })
            }
        }
    }

    fn annotate(&mut self, rows: Rows, name: &str, args: Args) -> Result<Rows> {
        let (mut all, named) = self.annotations("annotate", args)?;
        all.extend(named);
        if all.is_empty() {
            return Ok(rows.chain());
        }
        let mut rows = rows;
        note_aggregates(&mut rows, &all);
        Ok(rows.with(if name == "annotate" {
            Call::Annotate(all)
        } else {
            Call::Alias(all)
        }))
    }

    fn values(&mut self, rows: Rows, args: Args) -> Result<Rows> {
        let mut fields = Vec::new();
        let mut exprs = IndexMap::new();
        for (value, span) in args.positional {
            match value {
                Py::Value(Value::Str(name)) => fields.push(name),
                other => {
                    let error =
                        type_error(format!("values() takes names, not {}", other.describe()))
                            .with_span(span);
                    return Err(match other {
                        Py::Expr(_) | Py::Q(_) => {
                            error.with_hint("name the expression: values(name=...)")
                        }
                        _ => error,
                    });
                }
            }
        }
        for keyword in args.keywords {
            let expr = self
                .annotation("annotate", keyword.value)
                .at(keyword.span)?;
            exprs.insert(keyword.name, expr);
        }
        let mut rows = rows;
        note_aggregates(&mut rows, &exprs);
        let mut rows = rows.with(Call::Values(ValuesFields { fields, exprs }));
        rows.facts.values = true;
        Ok(rows)
    }

    fn values_list(&mut self, rows: Rows, mut args: Args) -> Result<Rows> {
        let mut flag = |name: &str| args.take(name).is_some_and(|v| v.truth() == Some(true));
        let (flat, named) = (flag("flat"), flag("named"));
        if flat && named {
            return Err(type_error("'flat' and 'named' can't be used together."));
        }
        let given = args.only_positional("values_list")?;
        if flat && given.len() > 1 {
            return Err(type_error(
                "'flat' is not valid when values_list is called with more than one field.",
            ));
        }
        // Names are made as Django makes them: a counter makes them unique among those given and made so far.
        let mut taken: Vec<String> = given
            .iter()
            .filter_map(|(v, _)| v.as_str().map(str::to_owned))
            .collect();
        let mut seen: Vec<String> = Vec::new();
        let mut fields = Vec::new();
        let mut exprs = IndexMap::new();
        let mut counter = 1;
        for (value, span) in given {
            match value {
                Py::Value(Value::Str(name)) if !seen.contains(&name) => {
                    seen.push(name.clone());
                    fields.push(name);
                }
                Py::Value(Value::Str(name)) => {
                    let made = numbered(&name, &taken, &mut counter);
                    exprs.insert(made.clone(), Expr::F(name));
                    taken.push(made.clone());
                    seen.push(made.clone());
                    fields.push(made);
                }
                value @ (Py::Expr(_) | Py::Q(_)) => {
                    let expr = self.value_expr(value)?;
                    let name = positional_name(&expr, &taken, &mut counter).at(span)?;
                    taken.push(name.clone());
                    seen.push(name.clone());
                    fields.push(name.clone());
                    exprs.insert(name, expr);
                }
                other => {
                    return Err(type_error(format!(
                        "values_list() takes names and expressions, not {}",
                        other.describe()
                    ))
                    .with_span(span));
                }
            }
        }
        let mut rows = rows;
        note_aggregates(&mut rows, &exprs);
        let mut rows = rows.with(Call::ValuesList {
            fields: ValuesFields { fields, exprs },
            flat,
            named,
        });
        rows.facts.values = true;
        Ok(rows)
    }

    fn prefetch_related(&mut self, rows: Rows, args: Args) -> Result<Rows> {
        let values = args.only_positional("prefetch_related")?;
        if matches!(values.as_slice(), [(value, _)] if value.is_none()) {
            return Ok(rows.with(Call::PrefetchRelated(None)));
        }
        let mut lookups = Vec::with_capacity(values.len());
        for (value, span) in values {
            lookups.push(match value {
                Py::Value(Value::Str(lookup)) => Prefetch {
                    lookup,
                    queryset: None,
                    to_attr: None,
                },
                Py::Prefetch(prefetch) => *prefetch,
                other => {
                    return Err(attribute_error(format!(
                        "prefetch_related() takes names and Prefetch objects, not {}",
                        other.describe()
                    ))
                    .with_span(span));
                }
            });
        }
        Ok(rows.with(Call::PrefetchRelated(Some(lookups))))
    }

    /// `union()` and its siblings; empty querysets vanish as in Django.
    fn combinator(&mut self, rows: Rows, name: &str, mut args: Args) -> Result<Rows> {
        let all = name == "union" && args.take("all").is_some_and(|v| v.truth() == Some(true));
        let mut others = Vec::new();
        for (value, span) in args.only_positional(name)? {
            match value {
                Py::Rows(rows) if !rows.manager => others.push(*rows),
                other => {
                    return Err(attribute_error(format!(
                        "{name}() takes querysets, not {}",
                        other.describe()
                    ))
                    .with_span(span));
                }
            }
        }
        let mut rows = rows;
        match name {
            "union" if rows.facts.empty => {
                others.retain(|o| !o.facts.empty);
                if others.is_empty() {
                    return Ok(rows.chain());
                }
                rows = others.remove(0);
                if others.is_empty() {
                    return Ok(rows.chain());
                }
            }
            "intersection" => {
                if rows.facts.empty {
                    return Ok(rows.chain());
                }
                if let Some(empty) = others.iter().find(|o| o.facts.empty) {
                    return Ok(empty.clone().chain());
                }
            }
            "difference" if rows.facts.empty => return Ok(rows.chain()),
            _ => {}
        }
        let others = others.iter().map(Rows::queryset).collect();
        let mut rows = rows.with(match name {
            "union" => Call::Union { all, others },
            "intersection" => Call::Intersection(others),
            _ => Call::Difference(others),
        });
        rows.facts.combined = true;
        rows.facts.ordered = false;
        rows.facts.unordered = true;
        rows.facts.sliced = false;
        Ok(rows)
    }

    fn hint(&mut self, rows: Rows, args: Args) -> Result<Rows> {
        let [index, comment, collation, time, disk] = args.bind(
            "hint",
            [
                "index",
                "comment",
                "collation",
                "max_time_ms",
                "allow_disk_use",
            ],
        )?;
        let bson = |value: Option<Py>| -> Result<Option<bson::Bson>> {
            match value {
                None => Ok(None),
                Some(value) if value.is_none() => Ok(None),
                Some(value) => super::write::bson(&self.literal(&value)?).map(Some),
            }
        };
        let collation = match bson(collation)? {
            None => None,
            Some(bson::Bson::Document(document)) => Some(document),
            Some(_) => return Err(type_error("collation must be a dict")),
        };
        let max_time_ms = match time {
            None => None,
            Some(value) => Some(
                u64::try_from(integer(&value, "max_time_ms")?)
                    .map_err(|_| value_error("max_time_ms must not be negative"))?,
            ),
        };
        Ok(rows.with(Call::Hint(Box::new(Hint {
            index: bson(index)?,
            comment: bson(comment)?,
            collation,
            max_time_ms,
            allow_disk_use: disk.and_then(|v| v.truth()),
        }))))
    }

    /// Whether Django calls a queryset ordered (`QuerySet.ordered`).
    pub(super) fn is_ordered(&self, rows: &Rows) -> bool {
        let facts = &rows.facts;
        if facts.empty || facts.ordered {
            return true;
        }
        !facts.unordered
            && !facts.grouped
            && self
                .schema()
                .and_then(|s| s.model(rows.model))
                .is_ok_and(|m| !m.ordering.is_empty())
    }

    /// The error for a method that does not exist.
    pub(super) fn no_method(&self, rows: &Rows, name: &str) -> Error {
        let of = if rows.manager { "Manager" } else { "QuerySet" };
        let error = super::member::no_attribute(&format!("'{of}' object"), name);
        let own = self.own_methods(rows);
        let choices = METHODS
            .iter()
            .copied()
            .chain(own.iter().map(String::as_str));
        match closest(name, choices) {
            Some(choice) if choice == name => {
                error.with_hint("managers do not have it: call all() first")
            }
            Some(choice) => error.with_hint(format!("did you mean '{choice}'?")),
            None => {
                error.with_hint("methods of the project's own managers are read from models.py")
            }
        }
    }
}

fn select_for_update(rows: Rows, args: Args) -> Result<Rows> {
    let [nowait, skip_locked, of, no_key] = args.bind(
        "select_for_update",
        ["nowait", "skip_locked", "of", "no_key"],
    )?;
    let flag = |v: Option<Py>| v.is_some_and(|v| v.truth() == Some(true));
    let (nowait, skip_locked) = (flag(nowait), flag(skip_locked));
    if nowait && skip_locked {
        return Err(value_error(
            "The nowait option cannot be used with skip_locked.",
        ));
    }
    let of = match of.as_ref().and_then(Py::items) {
        None => Vec::new(),
        Some(items) => items
            .iter()
            .map(|item| string(item, "a relation"))
            .collect::<Result<_>>()?,
    };
    Ok(rows.with(Call::SelectForUpdate {
        nowait,
        skip_locked,
        of,
        no_key: flag(no_key),
    }))
}

fn strings(values: Vec<(Py, Span)>) -> Result<Vec<String>> {
    values
        .into_iter()
        .map(|(value, span)| name_of(&value, "the name of a field").at(span))
        .collect()
}
