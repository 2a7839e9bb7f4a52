//! What can be counted in a command without running it.

use bson::{Bson, Document};

/// Counts of a command.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cost {
    /// Stages, those of inner pipelines included; a `find` counts as one.
    pub stages: usize,
    /// Stages that must see all their input before they give anything, inner ones included. A sort that an index serves is not one.
    pub blocking: usize,
    /// Conditions in the match language, which indexes can serve.
    pub native: usize,
    /// Conditions in aggregation expressions.
    pub expressions: usize,
    /// Bytes of BSON.
    pub bytes: usize,
}

const BLOCKING: [&str; 8] = [
    "$sort",
    "$group",
    "$setWindowFields",
    "$facet",
    "$bucket",
    "$bucketAuto",
    "$sortByCount",
    "$count",
];

impl Cost {
    pub fn of(command: &Document, sorted_by_index: bool) -> Self {
        let mut cost = Cost {
            bytes: bson::serialize_to_vec(command).map_or(0, |b| b.len()),
            ..Cost::default()
        };
        if let Ok(pipeline) = command.get_array("pipeline") {
            cost.pipeline(pipeline);
        } else {
            cost.stages += 1;
            for key in ["filter", "query"] {
                if let Ok(filter) = command.get_document(key) {
                    cost.filter(filter);
                }
            }
            cost.blocking +=
                usize::from(command.contains_key("sort") || command.contains_key("key"));
        }
        cost.blocking = cost.blocking.saturating_sub(usize::from(sorted_by_index));
        cost
    }

    pub fn add(&mut self, other: Cost) {
        self.stages += other.stages;
        self.blocking += other.blocking;
        self.native += other.native;
        self.expressions += other.expressions;
        self.bytes += other.bytes;
    }

    fn pipeline(&mut self, stages: &[Bson]) {
        for stage in stages.iter().filter_map(Bson::as_document) {
            self.stages += 1;
            for (name, body) in stage {
                self.blocking += usize::from(BLOCKING.contains(&name.as_str()));
                match (name.as_str(), body) {
                    ("$match", Bson::Document(filter)) => self.filter(filter),
                    ("$facet", Bson::Document(facets)) => {
                        for (_, inner) in facets {
                            self.pipeline(inner.as_array().map_or(&[], Vec::as_slice));
                        }
                    }
                    (_, Bson::Document(body)) => {
                        if let Ok(inner) = body.get_array("pipeline") {
                            self.pipeline(inner);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    fn filter(&mut self, filter: &Document) {
        for (key, value) in filter {
            match (key.as_str(), value) {
                ("$and" | "$or" | "$nor", Bson::Array(parts)) => {
                    for part in parts.iter().filter_map(Bson::as_document) {
                        self.filter(part);
                    }
                }
                ("$expr", value) => self.expression(value),
                _ => self.native += 1,
            }
        }
    }

    fn expression(&mut self, value: &Bson) {
        let parts = value.as_document().and_then(|d| {
            let (operator, arguments) = d.iter().next()?;
            matches!(operator.as_str(), "$and" | "$or" | "$not").then_some(arguments)
        });
        match parts {
            Some(Bson::Array(parts)) => parts.iter().for_each(|p| self.expression(p)),
            Some(part) => self.expression(part),
            None => self.expressions += 1,
        }
    }
}
