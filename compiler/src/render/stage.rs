//! Stages.

use super::Render;
use super::sink::{ITEM, Sink};
use crate::mql::{Lookup, SortOrder, Stage};

impl Render<'_> {
    pub(super) fn pipeline<S: Sink>(&self, key: &str, stages: &[Stage], out: &mut S) {
        out.array(key, |out| {
            for stage in stages {
                out.document(ITEM, |out| self.stage(stage, out));
            }
        });
    }

    pub(super) fn stage<S: Sink>(&self, stage: &Stage, out: &mut S) {
        match stage {
            Stage::Match(filter) => self.filter("$match", filter, out),
            Stage::Project(fields) => self.projection("$project", fields, out),
            Stage::Set(fields) => self.named("$set", fields, out),
            Stage::Unset(fields) => match fields.as_slice() {
                [one] => out.str("$unset", one),
                many => out.strs("$unset", many),
            },
            Stage::Group { id, fields } => out.document("$group", |out| {
                self.expr("_id", id, out);
                for (name, accumulator) in fields {
                    self.accumulator(name, accumulator, out);
                }
            }),
            Stage::Sort(keys) => sort("$sort", keys, out),
            Stage::Skip(n) => out.count("$skip", *n),
            Stage::Limit(n) => out.count("$limit", *n),
            Stage::Unwind {
                path,
                preserve: false,
                index: None,
            } => out.text("$unwind", ["$", path.as_str()].into_iter()),
            Stage::Unwind {
                path,
                preserve,
                index,
            } => out.document("$unwind", |out| {
                out.text("path", ["$", path.as_str()].into_iter());
                if let Some(index) = index {
                    out.str("includeArrayIndex", index);
                }
                if *preserve {
                    out.bool("preserveNullAndEmptyArrays", true);
                }
            }),
            Stage::Lookup(lookup) => out.document("$lookup", |out| self.lookup(lookup, out)),
            Stage::ReplaceRoot(root) => self.expr("$replaceWith", root, out),
            Stage::UnionWith {
                collection,
                pipeline,
            } => match (collection, pipeline.as_slice()) {
                (Some(collection), []) => out.str("$unionWith", collection),
                (collection, stages) => out.document("$unionWith", |out| {
                    if let Some(collection) = collection {
                        out.str("coll", collection);
                    }
                    self.pipeline("pipeline", stages, out);
                }),
            },
            Stage::SetWindowFields {
                partition,
                sort: keys,
                output,
            } => out.document("$setWindowFields", |out| {
                if let Some(partition) = partition {
                    self.expr("partitionBy", partition, out);
                }
                if !keys.is_empty() {
                    sort("sortBy", keys, out);
                }
                out.document("output", |out| {
                    for (name, output) in output {
                        self.window(name, output, out);
                    }
                });
            }),
            Stage::Count(name) => out.str("$count", name),
            Stage::Sample(n) => out.document("$sample", |out| out.count("size", *n)),
            Stage::Documents(documents) => self.list("$documents", documents, out),
            Stage::Facet(facets) => out.document("$facet", |out| {
                for (name, stages) in facets {
                    self.pipeline(name, stages, out);
                }
            }),
            Stage::Search { name, spec } => out.document(name, |out| out.entries(spec)),
            Stage::Other(stage) => out.entries(stage),
        }
    }

    fn lookup<S: Sink>(&self, lookup: &Lookup, out: &mut S) {
        if let Some(from) = &lookup.from {
            out.str("from", from);
        }
        if let Some((local, foreign)) = &lookup.fields {
            out.str("localField", local);
            out.str("foreignField", foreign);
        }
        if !lookup.variables.is_empty() {
            self.named("let", &lookup.variables, out);
        }
        if !lookup.pipeline.is_empty() || lookup.fields.is_none() {
            self.pipeline("pipeline", &lookup.pipeline, out);
        }
        out.str("as", &lookup.into);
    }
}

pub(super) fn sort<S: Sink>(key: &str, keys: &[(String, SortOrder)], out: &mut S) {
    out.document(key, |out| {
        for (path, order) in keys {
            out.int(
                path,
                match order {
                    SortOrder::Asc => 1,
                    SortOrder::Desc => -1,
                },
            );
        }
    });
}
