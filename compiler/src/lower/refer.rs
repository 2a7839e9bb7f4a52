//! Writes of documents that refer to others: the others are found, and the filter of the write finds its own by their
//! keys, without a look-up of every document that it will write.

use super::join::stored_path;
use super::rel::unordered;
use super::{KEYS, Lowerer, all_of, found_keys};
use crate::error::Result;
use crate::mql::{FieldOp, Filter};
use crate::plan::facts::used_columns;
use crate::plan::{
    ColumnId, Columns, JoinKind, Node, Predicate, Rel, Scalar, SourceId, has_subquery,
};
use crate::program::{Parameter, Program};

/// Rows of documents that are joined last, by one column of theirs, to rows that were found before.
struct Referring<'a> {
    /// The rows that are joined to.
    found: &'a Rel,
    /// Their column.
    key: ColumnId,
    /// Where the documents have the same value.
    path: String,
    /// Conditions on the documents themselves.
    own: Vec<&'a Predicate>,
}

impl Lowerer<'_> {
    /// Appends the step that finds what the documents of a source refer to, and returns the filter for them and its
    /// parameter. `None`, without a trace, where the documents are not found so: then their own keys are asked for.
    pub(super) fn referring(
        &mut self,
        rel: &Rel,
        source: SourceId,
        program: &mut Program,
    ) -> Result<Option<(Filter, Parameter)>> {
        // The write itself compares without a collation.
        if self.hint.as_ref().is_some_and(|h| h.collation.is_some()) {
            return Ok(None);
        }
        let Some(referring) = last_joined(unordered(rel), source, self.columns) else {
            return Ok(None);
        };
        let own: Vec<Predicate> = referring.own.iter().map(|p| (*p).clone()).collect();
        let mut rows = Rel::Scan(source);
        if !own.is_empty() {
            rows = Rel::Filter {
                input: Box::new(rows),
                predicate: Predicate::And(own),
            };
        }
        self.begin(super::scope::Kind::Root);
        let own = self.rel(&rows).and_then(|()| self.direct(source));
        self.end()?;
        let Some(own) = own? else {
            return Ok(None);
        };
        self.rel(referring.found)?;
        self.project(&[referring.key], &[])?;
        let path = self.output_path(referring.key)?;
        let step = program.steps.len();
        self.finish(Vec::new(), program)?;
        let refers = Filter::field(referring.path, FieldOp::InParameter(KEYS));
        let filter = match own {
            Filter::True => refers,
            own => Filter::And(vec![refers, own]),
        };
        Ok(Some((filter, found_keys(all_of(step, path)))))
    }
}

/// The form of rows that [`Lowerer::referring`] knows. The join is INNER: a document is written if there is a row that it
/// refers to, however many there are, and NULL refers to none.
fn last_joined<'a>(rel: &'a Rel, source: SourceId, columns: &Columns) -> Option<Referring<'a>> {
    let mut own = Vec::new();
    let mut at = rel;
    while let Rel::Filter { input, predicate } = at {
        own.push(predicate);
        at = input;
    }
    let Rel::Join(join) = at else { return None };
    let [(Scalar::Column(key), inner)] = join.on.as_slice() else {
        return None;
    };
    if join.source != source || join.kind != JoinKind::Inner {
        return None;
    }
    own.extend(join.condition.iter());
    let is_own = |p: &&Predicate| {
        !has_subquery(p)
            && used_columns(Node::Predicate(p))
                .iter()
                .all(|id| columns.source_of(id) == Some(source))
    };
    if !own.iter().all(is_own) {
        return None;
    }
    let path = stored_path(columns.get(*inner).ok()?)?;
    Some(Referring {
        found: &join.input,
        key: *key,
        path,
        own,
    })
}
