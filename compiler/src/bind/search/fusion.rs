//! `$rankFusion`: the results of several searches, ranked together by their ranks in each (MongoDB manual, "$rankFusion").

use bson::{Bson, Document};

use super::value::{missing, one, raw, unexpected, whole};
use crate::bind::query::QueryId;
use crate::bind::{Binder, Resolve};
use crate::error::{Code, Error, Result};
use crate::functions::search::{RANK_FUSION, VECTOR, is_text_search};
use crate::plan::SearchStage;
use crate::queryset::{Expr, Func, Value};

impl Binder<'_> {
    /// `SearchRankFusion(name=search, ..., weights={name: weight}, limit=...)`: the options name the arguments.
    pub(super) fn rank_fusion(
        &mut self,
        q: QueryId,
        func: &Func,
        cx: &mut Resolve,
    ) -> Result<Document> {
        let (mut names, mut weights, mut limit) = (Vec::new(), None, None);
        for (name, value) in &func.options {
            match (name.as_str(), value) {
                (_, Value::Null) => {}
                ("names", Value::List(items)) => {
                    for item in items {
                        match item {
                            Value::Str(name) => names.push(name.as_str()),
                            _ => return Err(missing(RANK_FUSION, "texts as names")),
                        }
                    }
                }
                ("weights", Value::Dict(entries)) => weights = Some(entries),
                ("limit", value) => limit = Some(whole(RANK_FUSION, name, 1, value)?),
                ("names" | "weights", _) => {
                    return Err(missing(
                        RANK_FUSION,
                        "a list of names and an object with weights",
                    ));
                }
                _ => {
                    return Err(
                        unexpected(RANK_FUSION, name).with_choices(["names", "weights", "limit"])
                    );
                }
            }
        }
        if names.is_empty() || names.len() != func.args.len() {
            return Err(missing(RANK_FUSION, "a name for each of its searches"));
        }
        let mut pipelines = Document::new();
        for (i, (name, arg)) in names.iter().zip(&func.args).enumerate() {
            let inner = match arg {
                Expr::Func(inner) if inner.name == VECTOR || is_text_search(&inner.name) => inner,
                _ => return Err(missing(RANK_FUSION, "search expressions")),
            };
            if name.is_empty() || name.contains(['.', '$', '\0']) || pipelines.contains_key(name) {
                return Err(Error::new(
                    Code::ValueError,
                    format!(
                        "'{name}' cannot name a search: names are different and have no . or $"
                    ),
                ));
            }
            let (stage, spec) = self
                .search_stage(q, inner, cx)
                .map_err(|e| e.inside("func").inside(i).inside("args"))?;
            let mut stages = vec![one(stage.name(), Bson::Document(spec))];
            if let (Some(limit), SearchStage::Text) = (limit, stage) {
                stages.push(one("$limit", limit.into()));
            }
            pipelines.insert(*name, stages);
        }
        let mut spec = bson::doc! {"input": {"pipelines": pipelines}};
        if let Some(weights) = weights {
            let mut out = Document::new();
            for (name, weight) in weights {
                let positive = match weight {
                    Value::Int(n) => *n >= 0,
                    Value::Float(x) => *x >= 0.0,
                    _ => false,
                };
                if !positive || !names.contains(&name.as_str()) {
                    return Err(Error::new(
                        Code::ValueError,
                        format!("the weight of '{name}' is no number of at least 0 for a search"),
                    )
                    .with_choices(names.iter().copied()));
                }
                out.insert(name, raw(weight)?);
            }
            spec.insert("combination", bson::doc! {"weights": out});
        }
        Ok(spec)
    }
}
