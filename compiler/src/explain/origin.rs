//! Which call of the queryset a stage is for.
//!
//! Stages are not tagged on their way through the passes: rules merge, move and split what calls asked for. What ties a
//! stage to a call is what it is named after, the fields, relations and annotations that both speak of, and what kinds
//! of stages a call can lead to.

use std::collections::HashSet;

use crate::mql::{Expr, Filter, Stage};
use crate::queryset::{Call, Do, Queryset, Statement};

/// A call with the names in it.
struct Spoken {
    kind: Kind,
    text: String,
    words: HashSet<String>,
}

/// What kinds of stages a call leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Filter,
    Annotate,
    Fields,
    Order,
    Slice,
    Distinct,
    Dates,
    Related,
    Prefetch,
    Set,
    Terminal,
    Other,
}

/// The calls of a statement.
pub(super) struct Calls {
    calls: Vec<Spoken>,
    model: String,
}

impl Calls {
    pub fn of(statement: &Statement) -> Calls {
        let mut calls: Vec<Spoken> = statement
            .calls
            .iter()
            .map(|call| {
                let text = written(&statement.model, call);
                Spoken {
                    kind: kind(call),
                    words: words(&text),
                    text,
                }
            })
            .collect();
        if let Some(text) = terminal(statement) {
            calls.push(Spoken {
                kind: Kind::Terminal,
                words: words(&text),
                text,
            });
        }
        let model = crate::schema::model_name(&statement.model);
        Calls {
            calls,
            model: model.to_owned(),
        }
    }

    /// The calls that a stage of a step is for, as text.
    pub fn of_stage(&self, step: usize, stage: &Stage) -> Vec<String> {
        if step > 0 {
            return self.texts(|c| c.kind == Kind::Prefetch);
        }
        let names = names(stage);
        let meets = |c: &Spoken| c.words.iter().any(|w| names.contains(w));
        match stage {
            Stage::Sort(_) => self.order(&names),
            Stage::Skip(_) | Stage::Limit(_) => {
                let slices = self.texts(|c| c.kind == Kind::Slice);
                if slices.is_empty() {
                    self.texts(|c| c.kind == Kind::Terminal)
                } else {
                    slices
                }
            }
            Stage::Sample(_) => self.texts(|c| matches!(c.kind, Kind::Order | Kind::Slice)),
            Stage::Count(_) => self.texts(|c| c.kind == Kind::Terminal),
            Stage::Match(_) => self.first_of(&[
                &|c| matches!(c.kind, Kind::Filter | Kind::Dates) && meets(c),
                &|c| matches!(c.kind, Kind::Filter | Kind::Dates),
                &|c| matches!(c.kind, Kind::Set | Kind::Annotate),
            ]),
            Stage::Group { .. } => self.first_of(&[
                &|c| c.kind == Kind::Terminal && c.text.starts_with("aggregate"),
                &|c| c.kind == Kind::Annotate && meets(c),
                &|c| matches!(c.kind, Kind::Distinct | Kind::Dates | Kind::Set),
                &|c| c.kind == Kind::Annotate,
            ]),
            Stage::SetWindowFields { .. } => self.first_of(&[
                &|c| c.kind == Kind::Annotate && c.text.contains("Window(") && meets(c),
                &|c| c.kind == Kind::Annotate,
            ]),
            // What was joined and is not wanted.
            Stage::Unset(_) => self.first_of(&[&|c| meets(c), &|c| c.kind == Kind::Fields]),
            Stage::Project(_) | Stage::ReplaceRoot(_) => self.first_of(&[
                &|c| matches!(c.kind, Kind::Fields | Kind::Dates),
                &|c| c.kind == Kind::Terminal,
                &|c| c.kind == Kind::Related,
            ]),
            Stage::Set(_) => self.first_of(&[
                &|c| c.kind == Kind::Annotate && meets(c),
                &|c| meets(c),
                &|c| matches!(c.kind, Kind::Order | Kind::Dates),
            ]),
            Stage::UnionWith { .. } => self.texts(|c| c.kind == Kind::Set),
            Stage::Lookup(_) | Stage::Unwind { .. } => {
                let named = self.texts(|c| c.kind != Kind::Prefetch && meets(c));
                if named.is_empty() {
                    self.order(&names)
                } else {
                    named
                }
            }
            Stage::Search { .. } => self.texts(|c| {
                matches!(
                    c.kind,
                    Kind::Filter | Kind::Annotate | Kind::Order | Kind::Terminal
                ) && ["Search", "__search", "CompoundExpression", "RankFusion"]
                    .iter()
                    .any(|name| c.text.contains(name))
            }),
            Stage::Documents(_) | Stage::Facet(_) | Stage::Other(_) => {
                self.texts(|c| c.kind == Kind::Other)
            }
        }
    }

    fn texts(&self, wanted: impl Fn(&Spoken) -> bool) -> Vec<String> {
        self.calls
            .iter()
            .filter(|c| wanted(c))
            .map(|c| c.text.clone())
            .collect()
    }

    /// The calls of the first test that one passes.
    fn first_of(&self, tests: &[&dyn Fn(&Spoken) -> bool]) -> Vec<String> {
        tests
            .iter()
            .map(|test| self.texts(test))
            .find(|found| !found.is_empty())
            .unwrap_or_default()
    }

    /// The last `order_by`, or the model's own order.
    fn order(&self, names: &HashSet<String>) -> Vec<String> {
        let mut last = None;
        for call in &self.calls {
            match call.kind {
                Kind::Order => last = Some(call),
                Kind::Dates => last = Some(call),
                _ => {}
            }
        }
        let meets = |c: &Spoken| c.words.iter().any(|w| names.contains(w));
        // The order of a subquery, where the pipeline starts with it.
        let inner =
            self.texts(|c| c.kind != Kind::Order && c.text.contains("order_by(") && meets(c));
        if !inner.is_empty() && !last.is_some_and(meets) {
            return inner;
        }
        match last {
            Some(call) if call.text != "order_by()" && call.text != "reverse()" => {
                vec![call.text.clone()]
            }
            // `distinct` on groups sorts for nobody else.
            _ if names.is_empty() => Vec::new(),
            _ => vec![format!("Meta.ordering of {}", self.model)],
        }
    }
}

fn kind(call: &Call) -> Kind {
    match call {
        Call::Filter(_) | Call::StickyFilter(_) | Call::Exclude(_) => Kind::Filter,
        Call::Annotate(_) | Call::Alias(_) => Kind::Annotate,
        Call::Values(_) | Call::ValuesList { .. } | Call::Only(_) | Call::Defer(_) => Kind::Fields,
        Call::OrderBy(_) | Call::Reverse => Kind::Order,
        Call::Slice { .. } => Kind::Slice,
        Call::Distinct(_) => Kind::Distinct,
        Call::Dates { .. } | Call::Datetimes { .. } => Kind::Dates,
        Call::SelectRelated(_) => Kind::Related,
        Call::PrefetchRelated(_) => Kind::Prefetch,
        Call::Union { .. } | Call::Intersection(_) | Call::Difference(_) | Call::Combine { .. } => {
            Kind::Set
        }
        _ => Kind::Other,
    }
}

/// A call as it is written after the manager.
fn written(model: &str, call: &Call) -> String {
    let text = Queryset {
        model: model.to_owned(),
        calls: vec![call.clone()],
    }
    .to_text();
    let rest = text
        .split_once(".objects")
        .map_or(text.as_str(), |(_, rest)| rest);
    let rest = rest.strip_prefix(".all()").unwrap_or(rest);
    rest.strip_prefix('.').unwrap_or(rest).to_owned()
}

fn terminal(statement: &Statement) -> Option<String> {
    let bare = Statement {
        calls: Vec::new(),
        ..statement.clone()
    };
    if matches!(statement.action, Do::Rows) {
        return None;
    }
    let text = bare.to_text();
    let rest = text.split_once(".objects").map(|(_, rest)| rest)?;
    let rest = rest.strip_prefix(".all()").unwrap_or(rest);
    Some(rest.strip_prefix('.').unwrap_or(rest).to_owned())
}

/// Words that every call may hold and that say nothing.
const EMPTY_WORDS: &[&str] = &[
    "id", "pk", "Q", "F", "True", "False", "None", "name_", "filter", "exclude", "values", "all",
    "objects", "exact", "in", "gt", "gte", "lt", "lte", "isnull", "contains",
];

/// The names in a text: parts of paths, without quotes and lookups.
fn words(text: &str) -> HashSet<String> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .flat_map(|part| part.split("__"))
        .filter(|w| !w.is_empty() && !EMPTY_WORDS.contains(w))
        .flat_map(variants)
        .collect()
}

/// A name in the forms in which documents have it: a relation by its key, in the plural, as a collection.
fn variants(word: &str) -> Vec<String> {
    let mut out = vec![word.to_owned(), word.to_lowercase()];
    if let Some(stem) = word.strip_suffix("_id") {
        out.push(stem.to_owned());
    }
    if let Some(stem) = word.strip_suffix('s')
        && stem.len() > 2
    {
        out.push(stem.to_lowercase());
    }
    out
}

/// The names that a stage speaks of.
fn names(stage: &Stage) -> HashSet<String> {
    let mut out = HashSet::new();
    let mut add = |path: &str| {
        for part in path.split('.') {
            if part != "_id" {
                out.extend(variants(part));
                // Joined documents are named after relations: `book_tags`, `tags_exists`, `n_rows`.
                out.extend(part.split('_').filter(|p| p.len() > 2).flat_map(variants));
                let of_subquery = part
                    .strip_suffix("_rows")
                    .or_else(|| part.strip_suffix("_exists"));
                out.extend(of_subquery.map(str::to_owned));
            }
        }
    };
    match stage {
        Stage::Match(filter) => filter_names(filter, &mut add),
        Stage::Sort(keys) => keys.iter().for_each(|(path, _)| add(path)),
        Stage::Project(fields) => fields.iter().for_each(|(name, _)| add(name)),
        Stage::Set(fields) => fields.iter().for_each(|(name, expr)| {
            add(name);
            expr_names(expr, &mut add);
        }),
        Stage::Unset(fields) => fields.iter().for_each(|name| add(name)),
        Stage::Group { id, fields } => {
            expr_names(id, &mut add);
            fields.iter().for_each(|(name, _)| add(name));
        }
        Stage::SetWindowFields { output, .. } => output.iter().for_each(|(name, _)| add(name)),
        Stage::Unwind { path, .. } => add(path),
        Stage::Lookup(lookup) => {
            add(&lookup.into);
            if let Some((local, _)) = &lookup.fields {
                add(local);
            }
            for inner in &lookup.pipeline {
                if let Stage::Match(filter) = inner {
                    filter_names(filter, &mut add);
                }
            }
        }
        _ => {}
    }
    out.remove("rows");
    out.remove("exists");
    out
}

fn filter_names(filter: &Filter, add: &mut dyn FnMut(&str)) {
    let mut stack = vec![filter];
    while let Some(filter) = stack.pop() {
        match filter {
            Filter::And(items) | Filter::Or(items) | Filter::Nor(items) => stack.extend(items),
            Filter::Field { path, .. } => add(path),
            Filter::Expr(expr) => expr_names(expr, add),
            Filter::True | Filter::False | Filter::Raw(_) => {}
        }
    }
}

fn expr_names(expr: &Expr, add: &mut dyn FnMut(&str)) {
    let mut stack = vec![expr];
    while let Some(x) = stack.pop() {
        if let Expr::Field(path) = x {
            path.iter().for_each(|part| add(part));
        }
        x.children(&mut |child| stack.push(child));
    }
}
