//! The walk with a closure.

use super::{Node, Visit};

/// Calls `f` with a node and everything in it, parents first; with the depth, 0 for the node itself. Where `f` gives
/// false, what is inside stays unvisited.
pub fn visit<'a>(root: Node<'a>, f: &mut dyn FnMut(Node<'a>, usize) -> bool) {
    root.visit(&mut Descent { depth: 0, f });
}

/// Depth to which the walk recurses: most trees are not deeper, and need no stack of their own.
const RECURSED: usize = 32;

struct Descent<'f, 'a> {
    depth: usize,
    f: &'f mut dyn FnMut(Node<'a>, usize) -> bool,
}

impl<'a> Visit<'a> for Descent<'_, 'a> {
    fn node(&mut self, node: Node<'a>) {
        if self.depth == RECURSED {
            visit_deep(node, self.depth, self.f);
        } else if (self.f)(node, self.depth) {
            self.depth += 1;
            node.visit_inside(self);
            self.depth -= 1;
        }
    }
}

fn visit_deep<'a>(root: Node<'a>, depth: usize, f: &mut dyn FnMut(Node<'a>, usize) -> bool) {
    let mut stack = vec![(root, depth)];
    while let Some((node, depth)) = stack.pop() {
        if f(node, depth) {
            let first = stack.len();
            node.children(&mut |child| stack.push((child, depth + 1)));
            if let Some(pushed) = stack.get_mut(first..) {
                pushed.reverse();
            }
        }
    }
}
