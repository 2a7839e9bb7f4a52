//! Shapes as text.

use mqlc_compiler::shape::{Attachment, RowShape, Shape, ShapeNode};

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
                let paths: Vec<String> = parts.iter().map(|(path, _)| path.join(".")).collect();
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
        let columns = |paths: &[Vec<String>]| {
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
