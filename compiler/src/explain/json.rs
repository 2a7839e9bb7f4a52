//! The explanation as JSON, for programs that embed the compiler.

use serde_json::{Value, json};

use super::{Comparison, Explanation, Service};

fn keys(list: &[(String, bool)]) -> Value {
    let pairs = list
        .iter()
        .map(|(key, desc)| json!({"path": key, "desc": desc}));
    Value::Array(pairs.collect())
}

fn service(service: &Service) -> Value {
    json!({
        "index": {
            "name": service.index.name,
            "keys": keys(&service.index.keys),
            "unique": service.index.unique,
        },
        "equality": service.equality,
        "sort": service.sort,
        "range": service.range,
        "one": service.one,
    })
}

impl Explanation {
    /// All that the text says, by name. Commands are relaxed extended JSON, with empty lists where values of earlier
    /// steps come in; `mongosh` has the text.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let rules: Vec<Value> = self
            .compiled
            .trace
            .firings
            .iter()
            .map(|firing| {
                let (before, after) = firing.plans.as_deref().cloned().unwrap_or_default();
                json!({
                    "rule": firing.rule,
                    "before": before,
                    "after": after,
                    "changes": super::changes(&before, &after),
                })
            })
            .collect();
        let commands: Vec<Value> = self
            .compiled
            .program
            .steps
            .iter()
            .map(|step| bson::Bson::Document(step.bind(&[]).command).into_relaxed_extjson())
            .collect();
        let stages: Vec<Value> = self
            .stages
            .iter()
            .map(|s| json!({"step": s.step, "stage": s.stage, "about": s.about, "calls": s.calls}))
            .collect();
        let reads: Vec<Value> = self
            .reads
            .iter()
            .map(|read| {
                json!({
                    "step": read.step,
                    "collection": read.collection,
                    "lookup": read.lookup,
                    "equality": read.asked.equality,
                    "sort": keys(&read.asked.sort),
                    "range": read.asked.range,
                    "served": read.served.as_ref().map(service),
                    "advice": read.advice().as_deref().map(keys),
                })
            })
            .collect();
        let leaves: Vec<Value> = self
            .leaves
            .iter()
            .map(|l| json!({"condition": l.condition, "collection": l.collection, "reason": l.reason}))
            .collect();
        let blocking: Vec<Value> = self
            .blocking
            .iter()
            .map(|b| json!({"step": b.step, "stage": b.stage, "reason": b.reason}))
            .collect();
        json!({
            "statement": self.statement,
            "plan": self.bound,
            "rules": rules,
            "rewritten": self.rewritten,
            "mongosh": self.commands(),
            "commands": commands,
            "stages": stages,
            "reads": reads,
            "conditions_without_index": leaves,
            "blocking": blocking,
        })
    }
}

impl Comparison {
    /// Both explanations and the lines of the commands: `-` without the rules, `+` with them.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "disabled": self.disabled,
            "without": self.without.to_json(),
            "with": self.with.to_json(),
            "changes": super::changes(&self.without.commands(), &self.with.commands()),
        })
    }
}
