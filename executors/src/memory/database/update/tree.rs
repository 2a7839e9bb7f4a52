//! Update operators over a document: paths, positions, array filters, conflicts.
use std::cmp::Ordering;
use std::collections::HashMap;

use bson::{Bson, Document as Bdoc};

use super::Moment;
use super::operator::Operator;
use crate::memory::error::{Code, EngineError};
use crate::memory::expr::{Env, Scope};
use crate::memory::filter::Filter;
use crate::memory::value::{Collation, Document, Part, Path, Value, ValueRef};

/// One part of an update path.
#[derive(Clone, Debug)]
enum Step {
    /// A field, or an index of an array.
    Field(Part),
    /// `$`: the element that the filter matched.
    Matched,
    /// `$[]`: all elements.
    All,
    /// `$[name]`: the elements that pass a filter.
    Filtered(usize),
}

/// An operator and where it works.
#[derive(Clone, Debug)]
struct Action {
    text: String,
    path: Vec<Step>,
    operator: Operator,
}

/// Compiled update operators, in the order in which they work.
#[derive(Clone, Debug, Default)]
pub struct Operators {
    actions: Vec<Action>,
    renames: Vec<(String, String)>,
    filters: Vec<(String, Filter)>,
}

/// An array is not filled up beyond this.
const MAX_FILL: usize = 1_500_000;

fn array_filters(
    specs: Option<&Vec<Bson>>,
    scope: &Scope,
) -> Result<Vec<(String, Filter)>, EngineError> {
    let mut out: Vec<(String, Filter)> = Vec::new();
    for spec in specs.into_iter().flatten() {
        let Bson::Document(d) = spec else {
            return Err(EngineError::type_mismatch(
                "BSON field 'update.updates.arrayFilters' must hold objects",
            ));
        };
        if Filter::compile(d, scope).is_ok_and(|f| f.has_expr()) {
            return Err(EngineError::new(
                Code::QueryFeatureNotAllowed,
                "Error parsing array filter :: caused by :: $expr is not allowed in this context",
            ));
        }
        let mut names = Vec::new();
        identifiers(d, &mut names);
        let Some(name) = names.first().cloned() else {
            return Err(EngineError::failed_to_parse(
                "Cannot use an expression without a top-level field name in arrayFilters",
            ));
        };
        if names.iter().any(|n| *n != name) {
            return Err(EngineError::failed_to_parse(format!(
                "Error parsing array filter :: caused by :: Expected a single top-level field name, found '{name}' and others"
            )));
        }
        if !name.starts_with(|c: char| c.is_ascii_lowercase())
            || name.chars().any(|c| !c.is_ascii_alphanumeric())
        {
            return Err(EngineError::bad_value(format!(
                "Error parsing array filter :: caused by :: The top-level field name must be an alphanumeric string beginning with a lowercase letter, found '{name}'"
            )));
        }
        if out.iter().any(|(n, _)| *n == name) {
            return Err(EngineError::failed_to_parse(format!(
                "Found multiple array filters with the same top-level field name {name}"
            )));
        }
        out.push((name, Filter::compile(d, scope)?));
    }
    Ok(out)
}

fn identifiers(d: &Bdoc, out: &mut Vec<String>) {
    for (key, v) in d {
        if key.starts_with('$') {
            if let Bson::Array(items) = v {
                for item in items {
                    if let Bson::Document(inner) = item {
                        identifiers(inner, out);
                    }
                }
            }
        } else {
            out.push(key.split('.').next().unwrap_or_default().to_owned());
        }
    }
}

/// Whether a name starts with a dollar sign that no reference has.
fn is_dollar_name(name: &str) -> bool {
    name.starts_with('$') && !matches!(name, "$id" | "$ref" | "$db")
}

fn dollar_name(name: &str, path: &str) -> EngineError {
    EngineError::new(
        Code::DollarPrefixedFieldName,
        format!("The dollar ($) prefixed field '{name}' in '{path}' is not valid for storage."),
    )
}

fn empty_name(path: &str) -> EngineError {
    EngineError::new(
        Code::EmptyFieldName,
        format!("The update path '{path}' contains an empty field name, which is not allowed."),
    )
}

impl Operators {
    pub(super) fn compile(
        spec: &Bdoc,
        filters: Option<&Vec<Bson>>,
        scope: &Scope,
    ) -> Result<Self, EngineError> {
        let filters = array_filters(filters, scope)?;
        let mut out = Self {
            actions: Vec::new(),
            renames: Vec::new(),
            filters,
        };
        let mut used = vec![false; out.filters.len()];
        let mut taken: Vec<String> = Vec::new();
        let mut kinds: HashMap<String, bool> = HashMap::new();
        for (name, arguments) in spec {
            if !name.starts_with('$') {
                return Err(EngineError::failed_to_parse(format!(
                    "Unknown modifier: {name}. Expected a valid update modifier or pipeline-style update specified as an array"
                )));
            }
            let known = name == "$rename"
                || Operator::compile(name, "", &probe(name), scope).is_ok_and(|o| o.is_some());
            if !known {
                return Err(EngineError::failed_to_parse(format!(
                    "Unknown modifier: {name}. Expected a valid update modifier or pipeline-style update specified as an array"
                )));
            }
            let Bson::Document(arguments) = arguments else {
                return Err(EngineError::failed_to_parse(format!(
                    "Modifiers operate on fields but we found type {} instead. For example: {{$mod: {{<field>: ...}}}} not {{{name}: {arguments}}}",
                    Value::from_bson(arguments).type_name()
                )));
            };
            for (path, v) in arguments {
                if name == "$rename" {
                    let to = rename(path, v)?;
                    taken.push(path.clone());
                    taken.push(to.clone());
                    out.renames.push((path.clone(), to));
                    continue;
                }
                let steps = out.steps(path, &mut used)?;
                if let Some(operator) = Operator::compile(name, path, v, scope)? {
                    one_kind(path, &mut kinds)?;
                    taken.push(path.clone());
                    out.actions.push(Action {
                        text: path.clone(),
                        path: steps,
                        operator,
                    });
                }
            }
        }
        conflicts(&mut taken)?;
        if let Some(at) = used.iter().position(|u| !u) {
            let name = out.filters.get(at).map_or("", |(n, _)| n.as_str());
            return Err(EngineError::failed_to_parse(format!(
                "The array filter for identifier '{name}' was not used in the update"
            )));
        }
        // New fields appear in this order: by name, numbers by value.
        out.actions.sort_by(|a, b| order(&a.text, &b.text));
        Ok(out)
    }

    fn steps(&self, text: &str, used: &mut [bool]) -> Result<Vec<Step>, EngineError> {
        if text.is_empty() || text.split('.').any(str::is_empty) {
            return Err(empty_name(text));
        }
        let path = Path::lenient(text)?;
        let mut steps = Vec::with_capacity(path.parts().len());
        for (at, part) in path.parts().iter().enumerate() {
            let name = part.name.as_str();
            let step = match name {
                "$" => Step::Matched,
                "$[]" => Step::All,
                _ if name.starts_with("$[") && name.ends_with(']') => {
                    let id = name.get(2..name.len() - 1).unwrap_or_default();
                    let Some(found) = self.filters.iter().position(|(n, _)| n == id) else {
                        return Err(EngineError::bad_value(format!(
                            "No array filter found for identifier '{id}' in path '{text}'"
                        )));
                    };
                    if let Some(u) = used.get_mut(found) {
                        *u = true;
                    }
                    Step::Filtered(found)
                }
                _ if is_dollar_name(name) => return Err(dollar_name(name, text)),
                _ => Step::Field(part.clone()),
            };
            if at == 0 && !matches!(step, Step::Field(_)) {
                return Err(EngineError::bad_value(format!(
                    "Cannot have array filter identifier (i.e. '$[<id>]') or positional element in the first position in path '{text}'"
                )));
            }
            steps.push(step);
        }
        if steps.iter().filter(|s| matches!(s, Step::Matched)).count() > 1 {
            return Err(EngineError::bad_value(format!(
                "Too many positional (i.e. '$') elements found in path '{text}'"
            )));
        }
        Ok(steps)
    }

    pub(super) fn apply(
        &self,
        doc: &Document,
        moment: &Moment<'_>,
        env: &Env<'_>,
    ) -> Result<Document, EngineError> {
        let mut value = Value::Document(doc.clone());
        for (from, to) in &self.renames {
            value = move_field(value, from, to)?;
        }
        for action in &self.actions {
            if matches!(action.operator, Operator::SetOnInsert(_)) && !moment.inserting {
                continue;
            }
            let walk = Walk {
                action,
                filters: &self.filters,
                moment,
                collation: env.collation(),
            };
            value = walk.at(value, &action.path)?;
        }
        match value {
            Value::Document(d) => Ok(d),
            _ => Ok(doc.clone()),
        }
    }
}

/// An argument that every operator of that name accepts: to find out whether there is one.
fn probe(name: &str) -> Bson {
    match name {
        "$bit" => Bson::Document(bson::doc! {"and": 1_i32}),
        "$pullAll" => Bson::Array(Vec::new()),
        "$currentDate" => Bson::Boolean(true),
        _ => Bson::Int32(1),
    }
}

/// By parts; two numbers by value.
fn order(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.split('.'), b.split('.'));
    loop {
        let (x, y) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => (x, y),
        };
        let order = match (x.parse::<u64>(), y.parse::<u64>()) {
            (Ok(x), Ok(y)) => x.cmp(&y),
            _ => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// What is below a path is either picked by `$[]` and the like or by names, not both.
fn one_kind(path: &str, kinds: &mut HashMap<String, bool>) -> Result<(), EngineError> {
    for (at, _) in path.match_indices('.') {
        let Some((prefix, rest)) = path.split_at_checked(at) else {
            continue;
        };
        let picks = rest.starts_with(".$[");
        if *kinds.entry(prefix.to_owned()).or_insert(picks) != picks {
            return Err(EngineError::new(
                Code::ConflictingUpdateOperators,
                format!("Updating the path '{path}' would create a conflict at '{prefix}'"),
            ));
        }
    }
    Ok(())
}

/// No path may be another's beginning.
fn conflicts(paths: &mut [String]) -> Result<(), EngineError> {
    paths.sort_by(|a, b| a.split('.').cmp(b.split('.')));
    for (a, b) in paths.iter().zip(paths.iter().skip(1)) {
        let inside = b
            .strip_prefix(a.as_str())
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        if inside {
            return Err(EngineError::new(
                Code::ConflictingUpdateOperators,
                format!("Updating the path '{b}' would create a conflict at '{a}'"),
            ));
        }
    }
    Ok(())
}

fn rename(from: &str, to: &Bson) -> Result<String, EngineError> {
    let Bson::String(to) = to else {
        return Err(EngineError::bad_value(format!(
            "The 'to' field for $rename must be a string: {from}: {to}"
        )));
    };
    if from.is_empty() || to.is_empty() || from.split('.').chain(to.split('.')).any(str::is_empty) {
        return Err(empty_name(from));
    }
    if from == to {
        return Err(EngineError::bad_value(format!(
            "The source and target field for $rename must differ: {from}: \"{to}\""
        )));
    }
    let below = |a: &str, b: &str| b.strip_prefix(a).is_some_and(|rest| rest.starts_with('.'));
    if below(from, to) || below(to, from) {
        return Err(EngineError::bad_value(format!(
            "The source and target field for $rename must not be on the same path: {from}: \"{to}\""
        )));
    }
    let dynamic = |p: &str| {
        p.split('.')
            .any(|part| part.starts_with("$[") || part == "$")
    };
    if dynamic(from) || dynamic(to) {
        return Err(EngineError::bad_value(format!(
            "The source and destination fields for $rename may not be dynamic: {from}"
        )));
    }
    if let Some(name) = to.split('.').find(|part| is_dollar_name(part)) {
        return Err(dollar_name(name, to));
    }
    Ok(to.clone())
}

fn move_field(value: Value, from: &str, to: &str) -> Result<Value, EngineError> {
    let Value::Document(doc) = value else {
        return Ok(value);
    };
    let (source, target) = (Path::lenient(from)?, Path::lenient(to)?);
    let through_array = |p: &Path| {
        let mut at = doc.view();
        for part in p.parts() {
            match at.get(part.name.as_str()) {
                ValueRef::Document(d) => at = d,
                ValueRef::Array(_) => return true,
                _ => return false,
            }
        }
        false
    };
    let mut at = doc.view();
    for part in source.parts() {
        match at.get(part.name.as_str()) {
            ValueRef::Document(d) => at = d,
            ValueRef::Missing | ValueRef::Array(_) => break,
            other if source.parts().last() != Some(part) => {
                return Err(not_viable(part.name.as_str(), &other.to_value()));
            }
            _ => break,
        }
    }
    let found = match source.get_ref(doc.view()) {
        None => {
            return Err(EngineError::bad_value(format!(
                "The source field cannot be an array element, '{from}' in doc has an array field"
            )));
        }
        Some(ValueRef::Missing) => return Ok(Value::Document(doc)),
        Some(v) => v.to_value(),
    };
    let (last, above) = target
        .parts()
        .split_last()
        .map_or((None, &[] as &[Part]), |(l, a)| (Some(l), a));
    if !above.is_empty() {
        let joined: Vec<&str> = above.iter().map(|p| p.name.as_str()).collect();
        if through_array(&Path::lenient(&joined.join("."))?) {
            return Err(EngineError::bad_value(format!(
                "The destination field cannot be an array element, '{to}' in doc has an array field"
            )));
        }
    }
    let _name = last;
    let doc = doc.with_path(source.parts(), Value::Missing);
    let mut blocked = doc.view();
    for part in above {
        match blocked.get(part.name.as_str()) {
            ValueRef::Document(d) => blocked = d,
            ValueRef::Missing => break,
            other => return Err(not_viable(part.name.as_str(), &other.to_value())),
        }
    }
    Ok(Value::Document(doc.with_path(target.parts(), found)))
}

fn not_viable(name: &str, value: &Value) -> EngineError {
    EngineError::new(
        Code::PathNotViable,
        format!("Cannot create field '{name}' in element {{{value:?}}}"),
    )
}

struct Walk<'a> {
    action: &'a Action,
    filters: &'a [(String, Filter)],
    moment: &'a Moment<'a>,
    collation: Option<&'a Collation>,
}

impl Walk<'_> {
    fn at(&self, value: Value, steps: &[Step]) -> Result<Value, EngineError> {
        let Some((first, rest)) = steps.split_first() else {
            return self.action.operator.apply(
                value,
                &self.action.text,
                self.moment,
                self.collation,
            );
        };
        match first {
            Step::Field(part) => self.field(value, part.name.as_str(), part.index, rest),
            Step::Matched => match self.moment.position {
                Some(i) => self.field(value, &i.to_string(), Some(i), rest),
                None => Err(EngineError::bad_value(
                    "The positional operator did not find the match needed from the query.",
                )),
            },
            Step::All => self.elements(value, rest, |_| true),
            Step::Filtered(at) => {
                let Some((name, filter)) = self.filters.get(*at) else {
                    return Ok(value);
                };
                self.elements(value, rest, |item| {
                    // The filter speaks of the element by its name.
                    let named: Document = [(name.as_str(), item.clone())].into_iter().collect();
                    let evaluation = crate::memory::expr::Evaluation {
                        collation: self.collation.cloned(),
                        ..Default::default()
                    };
                    filter
                        .matches(named.view(), &mut Env::new(&evaluation))
                        .unwrap_or(false)
                })
            }
        }
    }

    fn elements(
        &self,
        value: Value,
        rest: &[Step],
        mut wanted: impl FnMut(&Value) -> bool,
    ) -> Result<Value, EngineError> {
        match value {
            Value::Array(items) => {
                let mut items = items.into_vec();
                for item in &mut items {
                    if wanted(item) {
                        *item = self.at(std::mem::take(item), rest)?.or_null();
                    }
                }
                Ok(Value::array(items))
            }
            Value::Missing => Err(EngineError::bad_value(format!(
                "The path '{}' must exist in the document in order to apply array updates.",
                self.action.text
            ))),
            other => Err(EngineError::bad_value(format!(
                "Cannot apply array updates to non-array element {other:?}"
            ))),
        }
    }

    fn field(
        &self,
        value: Value,
        name: &str,
        index: Option<usize>,
        rest: &[Step],
    ) -> Result<Value, EngineError> {
        let viable = self.action.operator.needs_viable();
        match value {
            Value::Document(doc) => {
                let mut out = doc.edit();
                match out.get_mut(name) {
                    Some(slot) => {
                        let new = self.at(std::mem::take(slot), rest)?;
                        if new.is_missing() {
                            out.remove(name);
                        } else if let Some(slot) = out.get_mut(name) {
                            *slot = new;
                        }
                    }
                    None => out.push(name, self.at(Value::Missing, rest)?),
                }
                Ok(out.value())
            }
            Value::Array(items) => {
                let Some(at) = index else {
                    return if viable {
                        Err(not_viable(name, &Value::Array(items)))
                    } else {
                        Ok(Value::Array(items))
                    };
                };
                let mut items = items.into_vec();
                if at >= items.len() {
                    let new = self.at(Value::Missing, rest)?;
                    if new.is_missing() {
                        return Ok(Value::array(items));
                    }
                    if at - items.len() > MAX_FILL {
                        return Err(EngineError::new(
                            Code::CannotBackfillArray,
                            "Cannot backfill array: too many elements",
                        ));
                    }
                    items.resize(at, Value::Null);
                    items.push(new);
                } else if let Some(slot) = items.get_mut(at) {
                    *slot = self.at(std::mem::take(slot), rest)?.or_null();
                }
                Ok(Value::array(items))
            }
            Value::Missing => {
                // `$[]` further down needs something that is there.
                let new = self.at(Value::Missing, rest)?;
                if new.is_missing() {
                    return Ok(Value::Missing);
                }
                Ok(Value::Document([(name, new)].into_iter().collect()))
            }
            other if viable => Err(not_viable(name, &other)),
            other => Ok(other),
        }
    }
}
