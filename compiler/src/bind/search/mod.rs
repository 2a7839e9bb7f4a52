//! Search expressions: from calls to the one search that a query begins with.
//!
//! A search selects rows and orders them, and its value is a score. As an annotation it is that score; as a condition it
//! selects only. The index is the one that the expression names, else the one that the schema declares for its fields,
//! else `default`: nobody is asked.

//!
//! | file | holds |
//! |---|---|
//! | `operator` | operators of `$search`, and compounds of them |
//! | `value` | paths and values as the server takes them |
//! | `vector` | `$vectorSearch` and what it may filter by |
//! | `fusion` | `$rankFusion` of several searches |

mod fusion;
mod operator;
mod value;
mod vector;

use bson::{Bson, Document};

use super::expr::plain;
use super::query::QueryId;
use super::{Binder, Bound, Resolve, Rhs};
use crate::error::{Code, Error, Result};
use crate::functions::search::{METAS, Parameter, RANK_FUSION, Takes, VECTOR, is_text_search};
use crate::plan::{
    ArrayFact, Column, ColumnId, Node, Origin, Predicate, Scalar, Search, SearchMeta, SearchStage,
    visit,
};
use crate::queryset::Func;
use crate::schema::{FieldKind, SearchIndexSpec};
use value::{no_literal, parameter, query_text, simple};
use vector::is_vector;

/// A search in the making.
#[derive(Default)]
struct Draft {
    /// What is said of the stage.
    stage: Document,
    /// The stored paths that it looks at; none if it looks at all.
    paths: Vec<String>,
}

impl Draft {
    fn say(&mut self, name: &'static str, value: Bson) -> Result<()> {
        match self.stage.get(name) {
            Some(said) if *said != value => Err(Error::new(
                Code::ValueError,
                format!("the parts of a search name different values for '{name}'"),
            )
            .with_hint("a search is one stage: say it once")),
            _ => {
                self.stage.insert(name, value);
                Ok(())
            }
        }
    }
}

impl Binder<'_> {
    /// A call of a search expression; `None` for other functions.
    pub(super) fn search(
        &mut self,
        q: QueryId,
        func: &Func,
        cx: &mut Resolve,
    ) -> Result<Option<Bound>> {
        let name = func.name.as_str();
        if let Some((_, meta, kind)) = METAS.iter().find(|(class, ..)| *class == name) {
            return self.search_meta(q, func, *meta, *kind, cx).map(Some);
        }
        if is_text_search(name) || is_vector(func) || name == RANK_FUSION {
            self.may_search(q)?;
            let (stage, spec) = self.search_stage(q, func, cx)?;
            let id = self.add_search(q, stage, spec)?;
            return self.typed(Scalar::Column(id)).map(Some);
        }
        Ok(None)
    }

    /// `field__search="text"`: the score of a search, which stands for the condition until [`Binder::take_search`].
    pub(super) fn search_lookup(&mut self, q: QueryId, lhs: &Bound, rhs: Rhs) -> Result<Predicate> {
        self.may_search(q)?;
        let Rhs::Value(value) = rhs else {
            return Err(no_literal("__search"));
        };
        let mut draft = Draft::default();
        let path = self.search_path(q, lhs)?;
        draft.paths.push(path.clone());
        let query = query_text("__search", "query", &value)?;
        let spec = self.text_stage(
            q,
            draft,
            "text",
            bson::doc! {"path": path, "query": query}.into(),
        )?;
        let id = self.add_search(q, SearchStage::Text, spec)?;
        Ok(Predicate::Bool(Scalar::Column(id)))
    }

    /// Takes the search out of a condition that it is a part of: the stage selects. Under NOT and OR no stage could.
    pub(super) fn take_search(&self, q: QueryId, predicate: Predicate) -> Result<Predicate> {
        let Some(score) = self.search_score(q) else {
            return Ok(predicate);
        };
        let stands = |p: &Predicate| *p == Predicate::Bool(Scalar::Column(score));
        let predicate = match predicate {
            Predicate::And(parts) => {
                super::filter::conjunction(parts.into_iter().filter(|p| !stands(p)).collect())
            }
            p if stands(&p) => Predicate::TRUE,
            p => p,
        };
        self.no_search(q, Node::Predicate(&predicate))?;
        Ok(predicate)
    }

    /// Refuses a search as a condition inside something else.
    pub(super) fn no_search(&self, q: QueryId, node: Node<'_>) -> Result<()> {
        let Some(score) = self.search_score(q) else {
            return Ok(());
        };
        let mut found = false;
        visit(node, &mut |node, _| {
            found |= matches!(node, Node::Predicate(Predicate::Bool(Scalar::Column(id))) if *id == score);
            !found
        });
        if !found {
            return Ok(());
        }
        Err(Error::unsupported(
            "a search that is negated, one of several alternatives, or part of another expression",
            "the server searches before everything else, and all rows are of what it finds",
        )
        .with_hint(
            "combine searches with each other: `&`, `|` and `~` of search expressions, or CompoundExpression(must_not=[...])",
        ))
    }

    /// The column of the score, if the query searches.
    fn search_score(&self, q: QueryId) -> Option<ColumnId> {
        let search = self.q(q).ok()?.search.as_ref()?;
        search.columns.first().map(|(id, _)| *id)
    }

    /// The column is one that the query's search tells.
    pub(super) fn is_search_column(&self, q: QueryId, id: ColumnId) -> bool {
        self.q(q)
            .ok()
            .and_then(|query| query.search.as_ref())
            .is_some_and(|search| search.columns.iter().any(|(column, _)| *column == id))
    }

    /// A query begins with its search, or has none.
    fn may_search(&self, q: QueryId) -> Result<()> {
        let query = self.q(q)?;
        let place = if query.outer.is_some() {
            Some((
                "a search in a subquery",
                "the server would search again for every row",
                "search in the outermost queryset, and ask the rest with its filter()",
            ))
        } else if !query.raw.is_empty() {
            Some((
                "a search after raw_aggregate()",
                "the server takes it as the first stage only",
                "write the search as the first of the raw stages",
            ))
        } else if query.is_sliced() && query.search.is_none() {
            Some((
                "a search after a slice",
                "the server searches before everything else",
                "search first, then slice",
            ))
        } else {
            None
        };
        match place {
            Some((what, because, hint)) => Err(Error::unsupported(what, because).with_hint(hint)),
            None => Ok(()),
        }
    }

    /// Makes the query begin with a search; gives the column of its score. The same search again is the same.
    fn add_search(&mut self, q: QueryId, stage: SearchStage, spec: Document) -> Result<ColumnId> {
        if let Some(known) = &self.q(q)?.search {
            let mut said = known.spec.clone();
            for (_, meta) in &known.columns {
                if let Some(option) = option_of(*meta)
                    && spec.get(option).is_none()
                {
                    said.remove(option);
                }
            }
            if known.stage == stage
                && (known.spec == spec || said == spec)
                && let Some((score, _)) = known.columns.first()
            {
                return Ok(*score);
            }
            let hint = match (known.stage, stage) {
                (SearchStage::Text, SearchStage::Text) => {
                    "combine them: `&`, `|` and `~` of search expressions, or CompoundExpression(...)"
                }
                _ => {
                    "rank the results of several searches together: SearchRankFusion(name=..., name=...)"
                }
            };
            return Err(Error::unsupported(
                "a second search",
                "a pipeline begins with one search, which finds all of its rows",
            )
            .with_hint(hint));
        }
        let alias = self.initial_alias(q)?;
        let source = self.q(q)?.alias(alias)?.source;
        let score = self.search_column("score", FieldKind::FloatField, false);
        self.q_mut(q)?.search = Some(Box::new(Search {
            source,
            stage,
            spec,
            columns: vec![(score, SearchMeta::Score)],
        }));
        Ok(score)
    }

    fn search_column(&mut self, name: &str, kind: FieldKind, nullable: bool) -> ColumnId {
        self.columns.add(Column {
            name: name.into(),
            ty: plain(kind),
            nullable,
            array: match kind {
                FieldKind::JSONField => ArrayFact::Maybe,
                _ => ArrayFact::No,
            },
            origin: Origin::Computed,
        })
    }

    /// What a search tells beside its score.
    fn search_meta(
        &mut self,
        q: QueryId,
        func: &Func,
        meta: SearchMeta,
        kind: FieldKind,
        cx: &mut Resolve,
    ) -> Result<Bound> {
        let Some(stage) = self.q(q)?.search.as_ref().map(|search| search.stage) else {
            return Err(Error::new(
                Code::ValueError,
                format!(
                    "{}() tells of a search, and there is none before it",
                    func.name
                ),
            )
            .with_hint("annotate() or filter() with a search expression first"));
        };
        let fits = match meta {
            SearchMeta::Score => true,
            SearchMeta::Details => stage != SearchStage::Vector,
            SearchMeta::Highlights | SearchMeta::Sequence => stage == SearchStage::Text,
        };
        if !fits {
            return Err(Error::unsupported(
                format!("{}() of {}", func.name, stage.name()),
                "it tells a score only",
            ));
        }
        let said = match meta {
            SearchMeta::Highlights => Some(Bson::Document(self.highlight(q, func, cx)?)),
            SearchMeta::Details => Some(Bson::Boolean(true)),
            SearchMeta::Score | SearchMeta::Sequence => None,
        };
        if meta != SearchMeta::Highlights && !(func.args.is_empty() && func.options.is_empty()) {
            return Err(Error::new(
                Code::TypeError,
                format!("{}() takes no arguments", func.name),
            ));
        }
        let found = self.q(q)?.search.as_ref().and_then(|search| {
            let found = search.columns.iter().find(|(_, m)| *m == meta);
            found.map(|(id, _)| *id)
        });
        let id = match found {
            Some(id) => id,
            None => self.search_column(meta.name(SearchStage::Text), kind, true),
        };
        if let Some(search) = &mut self.q_mut(q)?.search {
            if let (Some(option), Some(value)) = (option_of(meta), said) {
                match search.spec.get(option) {
                    Some(other) if *other != value && found.is_some() => {
                        return Err(Error::new(
                            Code::ValueError,
                            format!("{}() is there twice with different arguments", func.name),
                        ));
                    }
                    _ => search.spec.insert(option, value),
                };
            }
            if found.is_none() {
                search.columns.push((id, meta));
            }
        }
        self.typed(Scalar::Column(id))
    }

    /// `SearchHighlights(path, max_chars_to_examine=..., max_num_passages=...)` (MongoDB Search manual, "Highlight Terms").
    fn highlight(&mut self, q: QueryId, func: &Func, cx: &mut Resolve) -> Result<Document> {
        const OPTIONS: &[Parameter] = &[
            Parameter {
                option: "max_chars_to_examine",
                name: "maxCharsToExamine",
                takes: Takes::Int(1),
            },
            Parameter {
                option: "max_num_passages",
                name: "maxNumPassages",
                takes: Takes::Int(1),
            },
        ];
        let [path] = func.args.as_slice() else {
            return Err(Error::new(
                Code::TypeError,
                "SearchHighlights() takes the paths whose texts are shown",
            ));
        };
        let mut out = Document::new();
        let (path, _) = self.search_paths(q, path, &mut Draft::default(), cx)?;
        out.insert("path", path);
        for (name, value) in &func.options {
            let parameter = parameter(&func.name, OPTIONS, name)?;
            out.insert(parameter.name, simple(&func.name, parameter, value)?);
        }
        Ok(out)
    }

    /// A search as a stage.
    fn search_stage(
        &mut self,
        q: QueryId,
        func: &Func,
        cx: &mut Resolve,
    ) -> Result<(SearchStage, Document)> {
        Ok(match func.name.as_str() {
            VECTOR => (SearchStage::Vector, self.vector_search(q, func, cx)?),
            RANK_FUSION => (SearchStage::RankFusion, self.rank_fusion(q, func, cx)?),
            _ => {
                let mut draft = Draft::default();
                let (name, content) = self.search_operator(q, func, &mut draft, cx)?;
                (SearchStage::Text, self.text_stage(q, draft, name, content)?)
            }
        })
    }

    fn text_stage(
        &self,
        q: QueryId,
        draft: Draft,
        operator: &str,
        content: Bson,
    ) -> Result<Document> {
        let Draft { mut stage, paths } = draft;
        let index = match stage.remove("index") {
            Some(index) => index,
            None => self.search_index(q, &paths, false)?.into(),
        };
        let mut spec = bson::doc! {"index": index};
        spec.insert(operator, content);
        spec.extend(stage);
        Ok(spec)
    }

    /// The name of the declared index that has all these paths.
    fn search_index(&self, q: QueryId, paths: &[String], vector: bool) -> Result<String> {
        let model = self
            .schema
            .model(self.schema.model(self.q(q)?.model)?.concrete)?;
        let has = |declared: &str, path: &str| {
            let (first, rest) = declared.split_once('.').unwrap_or((declared, ""));
            let field = model
                .fields
                .iter()
                .find(|f| f.name == first || *f.attname == *first);
            let stored = match (field, rest) {
                (Some(field), "") => field.path.dotted(),
                (Some(field), rest) => format!("{}.{rest}", field.path.dotted()),
                (None, _) => declared.to_owned(),
            };
            path.strip_prefix(stored.as_str())
                .is_some_and(|inside| inside.is_empty() || inside.starts_with('.'))
        };
        let all = |index: &&SearchIndexSpec| {
            index.vector == vector
                && paths
                    .iter()
                    .all(|path| index.fields.iter().any(|field| has(field, path)))
        };
        let index = model.search_indexes.iter().find(all);
        Ok(index.map_or_else(|| "default".to_owned(), |index| index.name.clone()))
    }
}

/// What the stage must be told so that it tells this.
fn option_of(meta: SearchMeta) -> Option<&'static str> {
    match meta {
        SearchMeta::Highlights => Some("highlight"),
        SearchMeta::Details => Some("scoreDetails"),
        SearchMeta::Score | SearchMeta::Sequence => None,
    }
}
