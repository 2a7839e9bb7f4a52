//! Searches: the stage that begins a pipeline, and what it tells of each document.

use super::Lowerer;
use super::scope::{Kind, Val};
use crate::error::{Error, Result};
use crate::mql::{Expr, Stage};
use crate::plan::facts::used_columns;
use crate::plan::{ArrayFact, Node, Rel, Search, SearchMeta, SearchStage};

impl Lowerer<'_> {
    /// The documents that a search finds become the pipeline's.
    ///
    /// What the search tells of a document is read by `$meta` where it is used, or written into the documents first.
    pub(super) fn search(&mut self, search: &Search) -> Result<()> {
        let name = search.stage.name();
        let kind = self.scope()?.kind;
        if kind == Kind::Lookup && search.stage != SearchStage::Text {
            return Err(Error::unsupported(
                format!("{name} in a subquery"),
                "the server takes it at the start of a pipeline only, which a $lookup is not",
            ));
        }
        if !self.scope()?.stages.is_empty() {
            return Err(Error::unsupported(
                format!("{name} after other stages"),
                "the server takes it as the first stage of a pipeline only",
            ));
        }
        self.scan(search.source)?;
        self.push(Stage::Search {
            name,
            spec: search.spec.clone(),
        })?;
        for (id, meta) in &search.columns {
            let val = Val {
                expr: Expr::one("$meta", Expr::lit(meta.name(search.stage))),
                ty: self.columns.get(*id)?.ty.clone(),
                nullable: *meta != SearchMeta::Score,
                array: match meta {
                    SearchMeta::Highlights => ArrayFact::Yes,
                    _ => ArrayFact::No,
                },
            };
            self.scope()?.columns.insert(*id, val);
            if !self.metadata && self.uses.of(*id) > 0 {
                self.materialize(*id)?;
            }
        }
        Ok(())
    }
}

/// Whether what a search tells of documents can be read where it is used: nothing makes new documents on the way, and no
/// condition asks for it (MongoDB manual, "$meta").
pub(super) fn stays(rel: &Rel) -> bool {
    let mut at = rel;
    let search = loop {
        match at {
            Rel::Search(search) => break search,
            at_ => match at_.input() {
                Some(input) => at = input,
                None => return true,
            },
        }
    };
    let told = |node: Node<'_>| {
        let used = used_columns(node);
        search.columns.iter().any(|(id, _)| used.contains(*id))
    };
    let mut at = rel;
    loop {
        let stays = match at {
            Rel::Filter { predicate, .. } => !told(Node::Predicate(predicate)),
            Rel::Extend { columns, .. } => !columns.iter().any(|(_, s)| told(Node::Scalar(s))),
            Rel::Join(join) => !join
                .condition
                .as_ref()
                .is_some_and(|p| told(Node::Predicate(p))),
            Rel::Sort { .. } | Rel::Slice { .. } => true,
            Rel::Search(_) => return true,
            _ => false,
        };
        match at.input() {
            Some(input) if stays => at = input,
            _ => return false,
        }
    }
}
