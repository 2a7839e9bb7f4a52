//! Shapes: as text, and without what recordings leave out.

use std::collections::HashMap;

use mqlc_compiler::queryset::{Call, Statement};
use mqlc_compiler::shape::{Attachment, RowShape, Shape, ShapeNode};

/// Relations that the statement's own `prefetch_related()` follows, by name.
#[derive(Default)]
struct Followed(HashMap<String, Followed>);

impl Followed {
    fn of(statement: &Statement) -> Self {
        let mut followed = Followed::default();
        for call in &statement.calls {
            match call {
                Call::PrefetchRelated(None) => followed = Followed::default(),
                Call::PrefetchRelated(Some(prefetches)) => {
                    for prefetch in prefetches {
                        let mut steps: Vec<&str> = prefetch.lookup.split("__").collect();
                        if let (Some(last), Some(name)) = (steps.last_mut(), &prefetch.to_attr) {
                            *last = name;
                        }
                        let mut at = &mut followed;
                        for step in steps {
                            at = at.0.entry(step.to_owned()).or_default();
                        }
                    }
                }
                _ => {}
            }
        }
        followed
    }
}

/// Leaves out what recordings do not hold: in prefetched rows, what the prefetch's own queryset selects and prefetches
/// on top.
pub(super) fn as_recorded(shape: &mut Shape, statement: &Statement) {
    if let Shape::Rows(row) = shape {
        let followed = Followed::of(statement);
        keep(&mut row.nodes, &mut row.attached, &followed, true);
    }
}

fn keep(
    nodes: &mut Vec<ShapeNode>,
    attached: &mut Vec<Attachment>,
    followed: &Followed,
    main: bool,
) {
    let nothing = Followed::default();
    nodes.retain_mut(|node| match node {
        ShapeNode::Related {
            name,
            nodes,
            attached,
            ..
        } => {
            let inner = followed.0.get(&**name);
            keep(nodes, attached, inner.unwrap_or(&nothing), main);
            main || inner.is_some()
        }
        _ => true,
    });
    attached.retain_mut(|attachment| {
        let Some(inner) = followed.0.get(&*attachment.name) else {
            return false;
        };
        let row = &mut attachment.row;
        keep(&mut row.nodes, &mut row.attached, inner, false);
        true
    });
}

/// A shape, a line for each part.
pub(super) fn text(shape: &Shape) -> String {
    match shape {
        Shape::Rows(shape) => format!("rows{}", row(shape, 1)),
        Shape::Aggregate { row: shape, empty } => {
            format!("aggregate, of no rows {empty:?}{}", row(shape, 1))
        }
        other => format!("{other:?}"),
    }
}

fn row(shape: &RowShape, depth: usize) -> String {
    format!(
        " of kind {:?}{}",
        shape.kind,
        parts(&shape.nodes, &shape.attached, depth)
    )
}

fn parts(nodes: &[ShapeNode], attached: &[Attachment], depth: usize) -> String {
    let mut text = String::new();
    let indent = format!("\n{}", "    ".repeat(depth));
    for node in nodes {
        text.push_str(&indent);
        match node {
            ShapeNode::Value { name, path, ty } => {
                text.push_str(&format!("{name}: {} {}", path.join("."), ty.kind.name()));
            }
            ShapeNode::Tuple { name, parts } => {
                let paths: mqlc_compiler::names::Path =
                    parts.iter().map(|(path, _)| path.join(".")).collect();
                text.push_str(&format!("{name}: ({})", paths.join(", ")));
            }
            ShapeNode::Related {
                name,
                key,
                nodes,
                attached,
            } => {
                let inner = parts(nodes, attached, depth + 1);
                text.push_str(&format!("{name}: related by {}{inner}", key.join(".")));
            }
        }
    }
    for attachment in attached {
        let columns = |paths: &[mqlc_compiler::names::Path]| {
            let paths: Vec<String> = paths.iter().map(|path| path.join(".")).collect();
            paths.join(", ")
        };
        text.push_str(&format!(
            "{indent}{}: {} of step {} with {} = {}{}{}",
            attachment.name,
            if attachment.many { "all" } else { "one" },
            attachment.step,
            columns(&attachment.child),
            columns(&attachment.parent),
            match &attachment.only {
                Some((path, value)) => format!(" where {} = {value}", path.join(".")),
                None => String::new(),
            },
            row(&attachment.row, depth + 1)
        ));
    }
    text
}
