//! Running a program: steps in order, with the values that pass between them.

use std::collections::HashSet;

use bson::oid::ObjectId;
use bson::{Bson, Document};
use futures_util::stream::{BoxStream, TryStreamExt};
use mqlc_compiler::Compiled;
use mqlc_compiler::mql::Command;
use mqlc_compiler::names::Name;
use mqlc_compiler::program::{Parameter, Step};
use mqlc_compiler::shape::{Attachment, Counted, RowShape, Shape, ShapeNode};

use crate::error::{DUPLICATE_KEY, Error, Result};
use crate::executor::{Executor, Outcome, Written};
use crate::rows::{Decoder, JoinKey, Row, at_path};
use crate::upsert;

/// Runs a statement and collects its result.
pub(crate) async fn execute<E: Executor + ?Sized>(
    executor: &E,
    compiled: &Compiled,
) -> Result<Outcome> {
    if let Shape::Upserted(shape) = &compiled.shape {
        return upsert::execute(executor, compiled, shape).await;
    }
    let steps = if compiled.program.steps.is_empty() {
        Vec::new()
    } else {
        let first: Vec<Document> = first_documents(executor, compiled)
            .await?
            .try_collect()
            .await?;
        follow(executor, compiled, first).await?
    };
    let first = || steps.first().map(Vec::as_slice).unwrap_or_default();
    Ok(match &compiled.shape {
        Shape::Rows(shape) => {
            let decoder = Decoder::new(&compiled.schema, shape)?;
            Outcome::Rows(decoder.rows(&compiled.schema, steps)?)
        }
        Shape::Count { field } => Outcome::Count(count(first(), field.as_deref())?),
        Shape::Exists => Outcome::Exists(!first().is_empty()),
        Shape::Aggregate { row, empty } => {
            Outcome::Aggregate(aggregate(compiled, row, empty, steps)?)
        }
        Shape::Written(counted) => Outcome::Written(written(&steps, counted)),
        #[allow(unreachable_patterns)] // shapes to come
        _ => {
            return Err(Error::decode(
                "",
                "a shape that this executor does not know",
            ));
        }
    })
}

/// The cursor of the first step.
pub(crate) async fn first_documents<'a, E: Executor + ?Sized>(
    executor: &'a E,
    compiled: &Compiled,
) -> Result<BoxStream<'a, Result<Document>>> {
    let Some(step) = compiled.program.steps.first() else {
        return Ok(Box::pin(futures_util::stream::empty()));
    };
    if step.command.writes() {
        let replies = send(executor, step, &[]).await?;
        return Ok(Box::pin(futures_util::stream::iter(
            replies.into_iter().map(Ok),
        )));
    }
    Ok(executor.run(step.bind(&[])).await?.into_stream())
}

/// Runs the steps after the first, whose documents are given. Gives the documents of every step.
pub(crate) async fn follow<E: Executor + ?Sized>(
    executor: &E,
    compiled: &Compiled,
    first: Vec<Document>,
) -> Result<Vec<Vec<Document>>> {
    let program = &compiled.program;
    let mut steps = vec![first];
    steps.resize(program.steps.len().max(1), Vec::new());
    let mut next = 1;
    while next < program.steps.len() {
        let repeat = program.repeats.iter().find(|range| range.start == next);
        let range = repeat.cloned().unwrap_or(next..next + 1);
        let mut seen = vec![Seen::new(); range.len()];
        loop {
            let mut sent = false;
            for (number, seen) in range.clone().zip(&mut seen) {
                let Some(step) = program.steps.get(number) else {
                    continue;
                };
                let values = values(&steps, step, seen)?;
                let idle = |p: &Parameter| {
                    let mut lists = values.iter();
                    p.needed && lists.any(|(n, list)| *n == p.number && list.is_empty())
                };
                let found = |earlier: usize| steps.get(earlier).is_some_and(|d| !d.is_empty());
                if step.parameters.iter().any(idle) || step.unless.is_some_and(found) {
                    continue;
                }
                sent = true;
                let mut documents = Vec::new();
                for values in portions(values, divisible(compiled, number, step), MOST_BYTES) {
                    documents.extend(send(executor, step, &values).await?);
                }
                if let (Some(refusal), false) = (&step.refusal, documents.is_empty()) {
                    return Err(Error::Refused(refusal.clone()));
                }
                if let Some(found) = steps.get_mut(number) {
                    found.extend(documents);
                }
            }
            if repeat.is_none() || !sent {
                break;
            }
        }
        next = range.end.max(next + 1);
    }
    Ok(steps)
}

/// Sends a step. Documents that it inserts have their keys before they are sent, as drivers have it.
async fn send<E: Executor + ?Sized>(
    executor: &E,
    step: &Step,
    values: &[(u32, Vec<Bson>)],
) -> Result<Vec<Document>> {
    let mut bound = step.bind(values);
    let mut keys = Vec::new();
    if bound.command.contains_key("insert")
        && let Ok(documents) = bound.command.get_array_mut("documents")
    {
        for document in documents.iter_mut().filter_map(Bson::as_document_mut) {
            if !document.contains_key("_id") {
                let mut keyed = bson::doc! {"_id": ObjectId::new()};
                keyed.extend(std::mem::take(document));
                *document = keyed;
            }
            keys.extend(document.get("_id").cloned());
        }
    }
    let reply = match executor.run(bound).await {
        Ok(reply) => reply.into_vec().await,
        Err(error) => Err(error),
    };
    match reply {
        Err(Error::Write(failure))
            if step.ignore_duplicates && failure.errors.iter().all(|e| e.code == DUPLICATE_KEY) =>
        {
            Ok(vec![
                bson::doc! {"n": i64::try_from(failure.written).unwrap_or(i64::MAX)},
            ])
        }
        Ok(mut documents) if !keys.is_empty() && !step.ignore_duplicates => {
            if let Some(reply) = documents.first_mut() {
                reply.insert(KEYS, keys);
            }
            Ok(documents)
        }
        other => other,
    }
}

/// Where the keys of inserted documents are kept in the reply to their command.
pub(crate) const KEYS: &str = "insertedKeys";

/// Values that a step has been given already.
type Seen = HashSet<(u32, JoinKey)>;

/// What a step takes from others and has not been given yet, by the number of the parameter.
fn values(steps: &[Vec<Document>], step: &Step, seen: &mut Seen) -> Result<Vec<(u32, Vec<Bson>)>> {
    let mut all = Vec::with_capacity(step.parameters.len());
    for parameter in &step.parameters {
        let mut values = Vec::new();
        for origin in &parameter.from {
            let documents = steps.get(origin.step).ok_or_else(|| {
                Error::decode("", "a step takes values from a step that is not there")
            })?;
            for document in documents {
                if let Some((path, wanted)) = &origin.only
                    && !at_path(document, path).is_some_and(|v| JoinKey::same(v, wanted))
                {
                    continue;
                }
                let mut add = |value: &Bson| {
                    if let Some(key) = JoinKey::new(value)
                        && seen.insert((parameter.number, key))
                    {
                        values.push(value.clone());
                    }
                };
                each_value(document, &origin.path, &mut add);
            }
        }
        all.push((parameter.number, values));
    }
    Ok(all)
}

/// No list of values is larger in one command: a server takes 16 MiB with all that is around it.
const MOST_BYTES: usize = 12 * 1024 * 1024;

/// Whether a step may be sent several times with a part of its values each: what it says about one value depends on no other. Rows
/// that are attached to others by these values are such, and so are changes of documents that have them.
fn divisible(compiled: &Compiled, number: usize, step: &Step) -> bool {
    fn attached(row: &RowShape, number: usize) -> bool {
        let inside = |a: &Attachment| a.step == number || attached(&a.row, number);
        row.attached.iter().any(inside)
    }
    match &compiled.shape {
        _ if step.parameters.len() != 1 => false,
        Shape::Rows(row) => attached(row, number) && !step.command.writes(),
        Shape::Written(_) => matches!(step.command, Command::Delete { .. }),
        _ => false,
    }
}

/// The bytes of a list of values in a command.
fn size(values: &[Bson]) -> usize {
    values.iter().map(size_of_value).sum()
}

fn size_of_value(value: &Bson) -> usize {
    // Type, index and its zero.
    10 + match value {
        Bson::String(s) => s.len() + 5,
        Bson::Binary(b) => b.bytes.len() + 5,
        Bson::ObjectId(_) | Bson::Decimal128(_) => 16,
        Bson::Document(_) | Bson::Array(_) => {
            let whole = bson::doc! {"": value.clone()};
            whole.to_vec().map_or(0, |bytes| bytes.len())
        }
        _ => 8,
    }
}

/// The values of one step as those of several, when they are too many for one.
fn portions(
    values: Vec<(u32, Vec<Bson>)>,
    divisible: bool,
    most: usize,
) -> Vec<Vec<(u32, Vec<Bson>)>> {
    let [(number, list)] = values.as_slice() else {
        return vec![values];
    };
    if !divisible || size(list) <= most {
        return vec![values];
    }
    let mut portions = Vec::new();
    let (mut portion, mut bytes) = (Vec::new(), 0);
    for value in list {
        let more = size_of_value(value);
        if bytes + more > most && !portion.is_empty() {
            portions.push(vec![(*number, std::mem::take(&mut portion))]);
            bytes = 0;
        }
        bytes += more;
        portion.push(value.clone());
    }
    portions.push(vec![(*number, portion)]);
    portions
}

/// What the steps that write say.
fn written(steps: &[Vec<Document>], counted: &[Counted]) -> Written {
    let mut written = Written::default();
    for counted in counted {
        let (Counted::Written(step) | Counted::Deleted(step, _) | Counted::Number(step)) = counted;
        let replies = steps.get(*step).map(Vec::as_slice).unwrap_or_default();
        let count: u64 = replies
            .iter()
            .map(|reply| number(reply.get("n")).unwrap_or(0))
            .sum();
        written.count += count;
        for reply in replies {
            if let (Counted::Written(_), Ok(keys)) = (counted, reply.get_array(KEYS)) {
                written.keys.extend(keys.iter().cloned());
            }
        }
        if let (Counted::Deleted(_, label), true) = (counted, count > 0) {
            *written.deleted.entry(label.clone()).or_default() += count;
        }
    }
    written
}

/// Every value at a path; arrays on the way, and at its end, are entered.
fn each_value(document: &Document, path: &[Name], add: &mut impl FnMut(&Bson)) {
    let Some((first, rest)) = path.split_first() else {
        return;
    };
    match document.get(first) {
        None => {}
        Some(Bson::Array(items)) => {
            for item in items {
                match item {
                    Bson::Document(inner) if !rest.is_empty() => each_value(inner, rest, add),
                    value if rest.is_empty() => add(value),
                    _ => {}
                }
            }
        }
        Some(Bson::Document(inner)) if !rest.is_empty() => each_value(inner, rest, add),
        Some(value) if rest.is_empty() => add(value),
        Some(_) => {}
    }
}

fn count(documents: &[Document], field: Option<&str>) -> Result<u64> {
    let Some(document) = documents.first() else {
        return Ok(0);
    };
    let field = field.unwrap_or("n");
    match document.get(field) {
        None | Some(Bson::Null) => Ok(0),
        value => number(value).ok_or_else(|| Error::decode(field, "not a count")),
    }
}

/// A whole number that is not negative.
pub(crate) fn number(value: Option<&Bson>) -> Option<u64> {
    match value? {
        Bson::Int32(i) => u64::try_from(*i).ok(),
        Bson::Int64(i) => u64::try_from(*i).ok(),
        Bson::Double(f) if f.fract() == 0.0 => format!("{f:.0}").parse().ok(),
        _ => None,
    }
}

fn aggregate(
    compiled: &Compiled,
    shape: &RowShape,
    empty: &[(Name, Bson)],
    mut steps: Vec<Vec<Document>>,
) -> Result<Row> {
    let decoder = Decoder::new(&compiled.schema, shape)?;
    let is_empty = steps.first().is_none_or(Vec::is_empty);
    if is_empty {
        // The values stand where the document would have them.
        let mut document = Document::new();
        for node in &shape.nodes {
            if let ShapeNode::Value { name, path, .. } = node
                && let Some((_, value)) = empty.iter().find(|(n, _)| n == name)
            {
                insert_at(&mut document, path, value.clone());
            }
        }
        steps.resize(steps.len().max(1), Vec::new());
        if let Some(first) = steps.first_mut() {
            first.push(document);
        }
    }
    let row = decoder.rows(&compiled.schema, steps)?.into_iter().next();
    match row.and_then(crate::rows::RowValue::into_row) {
        Some(row) => Ok(row),
        None => Err(Error::decode("", "the row of an aggregate is no object")),
    }
}

fn insert_at(document: &mut Document, path: &[Name], value: Bson) {
    match path.split_first() {
        None => {}
        Some((key, [])) => {
            document.insert(key.clone(), value);
        }
        Some((key, rest)) => {
            let mut inner = match document.remove(key) {
                Some(Bson::Document(inner)) => inner,
                _ => Document::new(),
            };
            insert_at(&mut inner, rest, value);
            document.insert(key.clone(), inner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Long lists are cut where a command would become too large, in order and without loss; lists of a step that may not be divided
    /// stay whole.
    #[test]
    fn long_lists_are_sent_in_portions() {
        let list: Vec<Bson> = (0..100).map(|i| Bson::String("x".repeat(i))).collect();
        let values = vec![(3, list.clone())];
        let portions = portions(values.clone(), true, 1000);
        assert!(portions.len() > 5);
        let sizes = portions.iter().map(|p| size(&p[0].1));
        assert!(sizes.max().unwrap() <= 1000);
        let all: Vec<Bson> = portions.iter().flat_map(|p| p[0].1.clone()).collect();
        assert_eq!(all, list);
        let whole = super::portions(values.clone(), false, 1000);
        assert_eq!(whole.as_slice(), std::slice::from_ref(&values));
        assert_eq!(super::portions(values.clone(), true, 1_000_000), [values]);
    }
}
