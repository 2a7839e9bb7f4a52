//! Rows that a search index finds.

use bson::Document;

use super::{ColumnId, SourceId};

/// A search of MongoDB Search or Vector Search: the documents of a source that its index finds, each once, the best first. It
/// is a leaf of the plan, as the server runs it before everything else (MongoDB Search manual, "$search",
/// "$vectorSearch").
#[derive(Debug, Clone, PartialEq)]
pub struct Search {
    /// Whose documents.
    pub source: SourceId,
    /// Which stage.
    pub stage: SearchStage,
    /// What the stage takes: paths are resolved, values are in the form in which they are stored, and nothing in it is an
    /// expression.
    pub spec: Document,
    /// What the search tells of a document. Only the search can tell: after groups, it is gone.
    pub columns: Vec<(ColumnId, SearchMeta)>,
}

/// Stages that search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchStage {
    /// `$search`.
    Text,
    /// `$vectorSearch`.
    Vector,
    /// `$rankFusion` of several searches.
    RankFusion,
}

impl SearchStage {
    /// Its name, with `$`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            SearchStage::Text => "$search",
            SearchStage::Vector => "$vectorSearch",
            SearchStage::RankFusion => "$rankFusion",
        }
    }
}

/// What a search tells of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchMeta {
    /// How well it fits.
    Score,
    /// Where its texts hold what was looked for.
    Highlights,
    /// How its score came about.
    Details,
    /// Where a next search goes on.
    Sequence,
}

impl SearchMeta {
    /// What `$meta` calls it.
    #[must_use]
    pub fn name(self, stage: SearchStage) -> &'static str {
        match (self, stage) {
            (SearchMeta::Score, SearchStage::Text) => "searchScore",
            (SearchMeta::Score, SearchStage::Vector) => "vectorSearchScore",
            (SearchMeta::Score, SearchStage::RankFusion) => "score",
            (SearchMeta::Highlights, _) => "searchHighlights",
            (SearchMeta::Details, SearchStage::RankFusion) => "scoreDetails",
            (SearchMeta::Details, _) => "searchScoreDetails",
            (SearchMeta::Sequence, _) => "searchSequenceToken",
        }
    }
}
