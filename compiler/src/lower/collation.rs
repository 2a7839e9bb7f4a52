//! `Collate()`: MongoDB has one collation for a whole command, so a statement can ask for one where nothing else in it
//! compares texts.

use std::collections::HashSet;

use crate::error::{Error, Result};
use crate::functions::COLLATE;
use crate::plan::{
    AggregateCall, ColumnId, Columns, Node, Plan, Predicate, Rel, Scalar, SetOp, SortKey, Terminal,
    VisitMut, visit, walk_scalar,
};
use crate::schema::StorageFamily;

/// Functions whose result depends on how texts compare.
const COMPARING: [&str; 3] = ["Greatest", "Least", "NullIf"];

/// Aggregates whose result depends on how texts compare, also without `distinct`.
const ORDERING: [&str; 2] = ["Max", "Min"];

/// Gives the commands of a plan the collation that it names, and takes the calls of `Collate` out of it.
///
/// # Errors
/// `Unsupported` where texts are compared beside it, or something is written.
pub(super) fn settle(plan: &mut Plan) -> Result<()> {
    let Some(collation) = plan.collation.take() else {
        return Ok(());
    };
    plan.follow_ups(&mut settle)?;
    let mut nodes = Vec::new();
    gather(Node::Rel(&plan.rel), &mut nodes);
    if !nodes.iter().any(|node| is_call(*node)) {
        return Ok(());
    }
    // By the bytes of the texts is how a command without collation compares.
    if collation
        .get_str("locale")
        .is_ok_and(|locale| locale != "simple")
    {
        let writes = !matches!(
            plan.terminal,
            Terminal::Rows { .. }
                | Terminal::Count { .. }
                | Terminal::Exists
                | Terminal::Aggregate { .. }
        );
        if writes {
            return Err(Error::unsupported(
                "Collate() in a write",
                "other texts would be compared by it as well",
            ));
        }
        let mut check = Check {
            columns: &plan.columns,
            collated: HashSet::new(),
        };
        // What is inside comes before what is around it.
        for node in nodes.iter().rev() {
            check.node(*node)?;
        }
        let hint = plan.hint.get_or_insert_default();
        match &hint.collation {
            Some(other) if *other != collation => {
                return Err(Error::unsupported(
                    "Collate() beside another collation in hint()",
                    "MongoDB has one collation for a whole command",
                ));
            }
            _ => hint.collation = Some(collation),
        }
    }
    Strip.rel(&mut plan.rel);
    Ok(())
}

/// All nodes, those around before those inside, conditions on elements included.
fn gather<'a>(root: Node<'a>, nodes: &mut Vec<Node<'a>>) {
    let mut roots = vec![root];
    while let Some(root) = roots.pop() {
        visit(root, &mut |node, _| {
            nodes.push(node);
            if let Node::Predicate(Predicate::AnyElement(any)) = node {
                roots.push(Node::Predicate(&any.test));
            }
            true
        });
    }
}

fn is_call(node: Node<'_>) -> bool {
    matches!(node, Node::Scalar(Scalar::Call(call)) if call.function == COLLATE)
}

struct Check<'a> {
    columns: &'a Columns,
    /// Computed columns that are nothing but a text with its collation.
    collated: HashSet<ColumnId>,
}

impl Check<'_> {
    fn node(&mut self, node: Node<'_>) -> Result<()> {
        match node {
            Node::Rel(rel) => self.rel(rel),
            Node::Predicate(predicate) => self.predicate(predicate),
            Node::Scalar(Scalar::Call(call)) if COMPARING.contains(&call.function.as_str()) => {
                self.compared(&call.args)
            }
            Node::Scalar(_) | Node::SubPlan(_) => Ok(()),
        }
    }

    fn rel(&mut self, rel: &Rel) -> Result<()> {
        match rel {
            Rel::Raw { .. } => Err(beside("what the stages of raw_aggregate() compare")),
            Rel::Join(join) => join
                .on
                .iter()
                .try_for_each(|(own, other)| self.compared([own, &Scalar::Column(*other)])),
            Rel::Extend { columns, .. } => {
                self.define(columns);
                Ok(())
            }
            Rel::Aggregate {
                keys, aggregates, ..
            } => {
                self.define(keys);
                self.each(keys.iter().map(|(_, key)| key))?;
                aggregates.iter().try_for_each(|(_, call)| self.call(call))
            }
            Rel::Window {
                partition,
                order,
                outputs,
                ..
            } => {
                self.each(partition)?;
                self.keys(order)?;
                outputs
                    .iter()
                    .try_for_each(|(_, output)| self.call(&output.call))
            }
            Rel::Distinct { columns, .. } => columns
                .iter()
                .try_for_each(|id| self.compared([&Scalar::Column(*id)])),
            Rel::DistinctOn { on, order, .. } => {
                self.each(on)?;
                self.keys(order)
            }
            Rel::Sort { keys, .. } => self.keys(keys),
            Rel::SetOp { op, inputs, .. } if *op != SetOp::UnionAll => inputs
                .iter()
                .try_for_each(|(_, columns)| self.each(columns)),
            // What it compares, its index says.
            Rel::Scan(_)
            | Rel::Search(_)
            | Rel::Empty
            | Rel::Unit
            | Rel::Filter { .. }
            | Rel::Slice { .. }
            | Rel::SetOp { .. } => Ok(()),
        }
    }

    fn predicate(&self, predicate: &Predicate) -> Result<()> {
        match predicate {
            Predicate::Compare { lhs, rhs, .. } => self.compared([lhs, rhs]),
            Predicate::In { lhs, list } => self.compared(std::iter::once(lhs).chain(list)),
            Predicate::InSubquery { lhs, .. } => self.each(lhs),
            Predicate::InParameter { lhs, .. } => self.compared([lhs]),
            Predicate::Lookup { .. } => Err(beside(
                "what the lookup of an array or a JSON value compares",
            )),
            // Patterns look at characters, whatever the collation.
            Predicate::Const(_)
            | Predicate::And(_)
            | Predicate::Or(_)
            | Predicate::Xor(_)
            | Predicate::Not(_)
            | Predicate::IsNull(_)
            | Predicate::Like { .. }
            | Predicate::Exists(_)
            | Predicate::AnyElement(_)
            | Predicate::Bool(_) => Ok(()),
        }
    }

    fn call(&self, call: &AggregateCall) -> Result<()> {
        if call.distinct || ORDERING.contains(&call.function.as_str()) {
            self.each(&call.args)?;
        }
        self.keys(&call.order)
    }

    fn keys(&self, keys: &[SortKey]) -> Result<()> {
        self.each(keys.iter().map(|key| &key.scalar))
    }

    fn each<'s>(&self, scalars: impl IntoIterator<Item = &'s Scalar>) -> Result<()> {
        scalars
            .into_iter()
            .try_for_each(|scalar| self.compared([scalar]))
    }

    /// Values that are compared with each other: if one of them can hold a text, one of them must name the collation.
    fn compared<'s>(&self, scalars: impl IntoIterator<Item = &'s Scalar>) -> Result<()> {
        let mut text = None;
        for scalar in scalars {
            if self.is_collated(scalar) {
                return Ok(());
            }
            if self.may_be_text(scalar)? {
                text = Some(scalar);
            }
        }
        match text {
            None => Ok(()),
            Some(Scalar::Column(id)) => Err(beside(&format!("'{}'", self.columns.get(*id)?.name))),
            Some(_) => Err(beside("another text")),
        }
    }

    fn define(&mut self, columns: &[(ColumnId, Scalar)]) {
        for (id, scalar) in columns {
            if self.is_collated(scalar) {
                self.collated.insert(*id);
            }
        }
    }

    fn is_collated(&self, scalar: &Scalar) -> bool {
        match scalar {
            Scalar::Column(id) => self.collated.contains(id),
            scalar => is_call(Node::Scalar(scalar)),
        }
    }

    fn may_be_text(&self, scalar: &Scalar) -> Result<bool> {
        Ok(match scalar.ty(self.columns)?.kind.family() {
            StorageFamily::Int
            | StorageFamily::Long
            | StorageFamily::Double
            | StorageFamily::Decimal
            | StorageFamily::Bool
            | StorageFamily::Binary
            | StorageFamily::Date
            | StorageFamily::DateTime
            | StorageFamily::Time
            | StorageFamily::Duration
            | StorageFamily::Uuid
            | StorageFamily::ObjectId => false,
            StorageFamily::Text
            | StorageFamily::Json
            | StorageFamily::Array
            | StorageFamily::Embedded
            | StorageFamily::EmbeddedArray
            | StorageFamily::Geo
            | StorageFamily::Key
            | StorageFamily::None => true,
        })
    }
}

fn beside(what: &str) -> Error {
    Error::unsupported(
        "Collate() beside other comparisons of texts",
        format!(
            "MongoDB has one collation for a whole command, and {what} would be compared by it too"
        ),
    )
    .with_hint("compare everything by it with hint(collation={...}), or name it for each text")
}

/// Takes the calls out.
struct Strip;

impl VisitMut for Strip {
    fn scalar(&mut self, scalar: &mut Scalar) {
        while let Scalar::Call(call) = scalar {
            if call.function != COLLATE || call.args.len() != 1 {
                break;
            }
            let Some(inner) = call.args.pop() else {
                break;
            };
            *scalar = inner;
        }
        walk_scalar(self, scalar);
    }
}
