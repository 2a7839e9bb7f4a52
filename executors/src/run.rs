//! Running a program: steps in order, with the values that pass between them.

use std::collections::HashSet;

use bson::{Bson, Document};
use futures_util::stream::{BoxStream, TryStreamExt};
use mqlc_compiler::Compiled;
use mqlc_compiler::program::Parameter;
use mqlc_compiler::shape::{RowShape, Shape, ShapeNode};

use crate::error::{Error, Result};
use crate::executor::{Executor, Outcome, Written};
use crate::rows::{Decoder, JoinKey, Row, at_path};

/// Runs a statement and collects its result.
pub(crate) async fn execute<E: Executor + ?Sized>(
    executor: &E,
    compiled: &Compiled,
) -> Result<Outcome> {
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
        Shape::Written => Outcome::Written(Written {
            count: steps
                .iter()
                .flatten()
                .map(|reply| number(reply.get("n")).unwrap_or(0))
                .sum(),
        }),
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
    Ok(executor.run(step.bind(&[])).await?.into_stream())
}

/// Runs the steps after the first, whose documents are given. Gives the documents of every step.
pub(crate) async fn follow<E: Executor + ?Sized>(
    executor: &E,
    compiled: &Compiled,
    first: Vec<Document>,
) -> Result<Vec<Vec<Document>>> {
    let attached = attached_steps(&compiled.shape);
    let mut steps = vec![first];
    for (number, step) in compiled.program.steps.iter().enumerate().skip(1) {
        let mut values = Vec::with_capacity(step.parameters.len());
        for parameter in &step.parameters {
            let documents = steps.get(parameter.step).ok_or_else(|| {
                Error::decode("", "a step takes values from a step that comes later")
            })?;
            values.push((parameter.number, distinct_values(documents, parameter)));
        }
        // Rows that hang on no parent are not attached to anything: they need not be fetched.
        let idle = !values.is_empty() && values.iter().all(|(_, list)| list.is_empty());
        if idle && attached.contains(&number) {
            steps.push(Vec::new());
            continue;
        }
        let bound = step.bind(&values);
        let documents = executor.run(bound).await?.into_vec().await?;
        steps.push(documents);
    }
    Ok(steps)
}

fn distinct_values(documents: &[Document], parameter: &Parameter) -> Vec<Bson> {
    let mut seen = HashSet::new();
    let mut values = Vec::new();
    for document in documents {
        if let Some((path, wanted)) = &parameter.only
            && !at_path(document, path).is_some_and(|v| JoinKey::same(v, wanted))
        {
            continue;
        }
        let mut add = |value: &Bson| {
            if let Some(key) = JoinKey::new(value)
                && seen.insert(key)
            {
                values.push(value.clone());
            }
        };
        each_value(document, &parameter.path, &mut add);
    }
    values
}

/// Every value at a path; arrays on the way, and at its end, are entered.
fn each_value(document: &Document, path: &[String], add: &mut impl FnMut(&Bson)) {
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

fn attached_steps(shape: &Shape) -> HashSet<usize> {
    fn of_nodes(nodes: &[ShapeNode], steps: &mut HashSet<usize>) {
        for node in nodes {
            if let ShapeNode::Related {
                nodes, attached, ..
            } = node
            {
                of_nodes(nodes, steps);
                for attachment in attached {
                    steps.insert(attachment.step);
                    of_row(&attachment.row, steps);
                }
            }
        }
    }
    fn of_row(row: &RowShape, steps: &mut HashSet<usize>) {
        of_nodes(&row.nodes, steps);
        for attachment in &row.attached {
            steps.insert(attachment.step);
            of_row(&attachment.row, steps);
        }
    }
    let mut steps = HashSet::new();
    if let Shape::Rows(row) | Shape::Aggregate { row, .. } = shape {
        of_row(row, &mut steps);
    }
    steps
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
    empty: &[(String, Bson)],
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

fn insert_at(document: &mut Document, path: &[String], value: Bson) {
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
