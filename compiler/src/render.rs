//! From typed trees to BSON, one to one.
//!
//! This is the only place that decides how a literal is written so that the server reads it as data: `$literal` where
//! an expression could be read out of it, `$eq` where a filter could.

use bson::{Bson, Document, doc};

use crate::mql::{
    Accumulator, Args, Command, Expr, FieldOp, Filter, Find, Lookup, Projection, SortOrder, Stage,
    UpdateModel, WindowOutput, WindowRange, WriteModel,
};
use crate::queryset::Hint;

/// Values of earlier steps by the number of their parameter.
pub type Values<'a> = &'a [(u32, Vec<Bson>)];

/// A command as a server takes it, without `$db`.
#[must_use]
pub fn command(command: &Command, values: Values<'_>) -> Document {
    let r = Render { values };
    match command {
        Command::Find(find) => r.find(find),
        Command::Aggregate {
            collection,
            pipeline,
            hint,
        } => {
            let target = collection
                .as_ref()
                .map_or(Bson::Int32(1), |c| Bson::String(c.clone()));
            let mut out =
                doc! {"aggregate": target, "pipeline": r.pipeline(pipeline), "cursor": {}};
            options(&mut out, hint.as_deref());
            out
        }
        Command::Count {
            collection,
            filter,
            limit,
            skip,
            hint,
        } => {
            let mut out = doc! {"count": collection, "query": r.filter(filter)};
            if let Some(limit) = limit {
                out.insert("limit", number(*limit));
            }
            if *skip > 0 {
                out.insert("skip", number(*skip));
            }
            options(&mut out, hint.as_deref());
            out.remove("allowDiskUse");
            out
        }
        Command::Insert {
            collection,
            documents,
            keys,
            ordered,
        } => {
            let documents = r.with_keys(documents, *keys);
            doc! {"insert": collection, "documents": documents, "ordered": *ordered}
        }
        Command::Update {
            collection,
            updates,
            ordered,
            hint,
        } => {
            let new = updates.iter().filter(|u| u.key.is_some()).count();
            let mut keys = command
                .keys()
                .map(|number| r.numbers(number, new))
                .unwrap_or_default();
            let mut rendered = Vec::with_capacity(updates.len());
            for update in updates {
                let key = update.key.and_then(|_| keys.next());
                let mut update = r.update(update, key);
                which(&mut update, hint.as_deref());
                rendered.push(update);
            }
            let updates = rendered;
            let mut out = doc! {"update": collection, "updates": updates, "ordered": *ordered};
            remarks(&mut out, hint.as_deref());
            out
        }
        Command::Delete {
            collection,
            filter,
            one,
            hint,
        } => {
            let mut delete = doc! {"q": r.filter(filter), "limit": i32::from(*one)};
            which(&mut delete, hint.as_deref());
            let mut out = doc! {"delete": collection, "deletes": [delete]};
            remarks(&mut out, hint.as_deref());
            out
        }
        Command::FindAndModify {
            collection,
            filter,
            update,
            upsert,
            new,
        } => doc! {
            "findAndModify": collection, "query": r.filter(filter), "update": r.write(update),
            "upsert": *upsert, "new": *new,
        },
    }
}

/// Stages as BSON, without values of earlier steps.
#[must_use]
pub fn pipeline(stages: &[Stage]) -> Vec<Document> {
    Render { values: &[] }.stages(stages)
}

/// A filter as BSON, without values of earlier steps.
#[must_use]
pub fn filter(filter: &Filter) -> Document {
    Render { values: &[] }.filter(filter)
}

/// An expression as BSON, without values of earlier steps.
#[must_use]
pub fn expr(expr: &Expr) -> Bson {
    Render { values: &[] }.expr(expr)
}

/// Consecutive keys in the making, up to a last one.
#[derive(Default)]
struct Numbers {
    last: Option<Bson>,
    left: i64,
}

impl Iterator for Numbers {
    type Item = Bson;

    fn next(&mut self) -> Option<Bson> {
        self.left = self.left.checked_sub(1).filter(|left| *left >= 0)?;
        Some(match self.last.as_ref()? {
            Bson::Int32(last) => match i32::try_from(i64::from(*last).saturating_sub(self.left)) {
                Ok(number) => Bson::Int32(number),
                Err(_) => Bson::Int64(i64::from(*last).saturating_sub(self.left)),
            },
            Bson::Int64(last) => Bson::Int64(last.saturating_sub(self.left)),
            // An expression of the shell.
            Bson::Symbol(last) if self.left > 0 => Bson::Symbol(format!("{last} - {}", self.left)),
            other => other.clone(),
        })
    }
}

struct Render<'a> {
    values: Values<'a>,
}

impl Render<'_> {
    fn find(&self, find: &Find) -> Document {
        let mut out = doc! {"find": &find.collection};
        if find.filter != Filter::True {
            out.insert("filter", self.filter(&find.filter));
        }
        if !find.projection.is_empty() {
            out.insert("projection", self.projection(&find.projection));
        }
        if !find.sort.is_empty() {
            out.insert("sort", sort(&find.sort));
        }
        if find.skip > 0 {
            out.insert("skip", number(find.skip));
        }
        if let Some(limit) = find.limit {
            out.insert("limit", number(limit));
        }
        options(&mut out, find.hint.as_deref());
        out
    }

    /// `count` consecutive numbers, the last of which is a parameter's value.
    fn numbers(&self, parameter: u32, count: usize) -> Numbers {
        let found = self.values.iter().find(|(n, _)| *n == parameter);
        Numbers {
            last: found.and_then(|(_, values)| values.first()).cloned(),
            left: i64::try_from(count).unwrap_or(i64::MAX),
        }
    }

    fn with_keys(&self, documents: &[Document], keys: Option<u32>) -> Vec<Document> {
        let Some(parameter) = keys else {
            return documents.to_vec();
        };
        let new = documents.iter().filter(|d| !d.contains_key("_id")).count();
        let mut keys = self.numbers(parameter, new);
        let with_key = |document: &Document| {
            if document.contains_key("_id") {
                return document.clone();
            }
            let mut out = Document::new();
            if let Some(key) = keys.next() {
                out.insert("_id", key);
            }
            out.extend(document.clone());
            out
        };
        documents.iter().map(with_key).collect()
    }

    fn update(&self, model: &UpdateModel, key: Option<Bson>) -> Document {
        let mut out = doc! {"q": self.filter(&model.filter), "u": self.write(&model.update)};
        if let (Some(key), Ok(operators)) = (key, out.get_document_mut("u")) {
            match operators.get_document_mut("$setOnInsert") {
                Ok(fields) => {
                    fields.insert("_id", key);
                }
                Err(_) => {
                    operators.insert("$setOnInsert", doc! {"_id": key});
                }
            }
        }
        if model.multi {
            out.insert("multi", true);
        }
        if model.upsert {
            out.insert("upsert", true);
        }
        out
    }

    fn write(&self, write: &WriteModel) -> Bson {
        match write {
            WriteModel::Operators(document) => Bson::Document(document.clone()),
            WriteModel::Pipeline(stages) => Bson::Array(
                stages
                    .iter()
                    .map(|fields| Bson::Document(doc! {"$set": self.named(fields)}))
                    .collect(),
            ),
        }
    }

    fn pipeline(&self, stages: &[Stage]) -> Bson {
        Bson::Array(
            self.stages(stages)
                .into_iter()
                .map(Bson::Document)
                .collect(),
        )
    }

    fn stages(&self, stages: &[Stage]) -> Vec<Document> {
        stages.iter().map(|s| self.stage(s)).collect()
    }

    fn stage(&self, stage: &Stage) -> Document {
        match stage {
            Stage::Match(filter) => doc! {"$match": self.filter(filter)},
            Stage::Project(fields) => doc! {"$project": self.projection(fields)},
            Stage::Set(fields) => doc! {"$set": self.named(fields)},
            Stage::Unset(fields) => match fields.as_slice() {
                [one] => doc! {"$unset": one},
                many => doc! {"$unset": many.to_vec()},
            },
            Stage::Group { id, fields } => {
                let mut group = doc! {"_id": self.expr(id)};
                for (name, accumulator) in fields {
                    group.insert(name, self.accumulator(accumulator));
                }
                doc! {"$group": group}
            }
            Stage::Sort(keys) => doc! {"$sort": sort(keys)},
            Stage::Skip(n) => doc! {"$skip": number(*n)},
            Stage::Limit(n) => doc! {"$limit": number(*n)},
            Stage::Unwind {
                path,
                preserve,
                index,
            } => {
                let path = format!("${path}");
                if !*preserve && index.is_none() {
                    return doc! {"$unwind": path};
                }
                let mut unwind = doc! {"path": path};
                if let Some(index) = index {
                    unwind.insert("includeArrayIndex", index);
                }
                if *preserve {
                    unwind.insert("preserveNullAndEmptyArrays", true);
                }
                doc! {"$unwind": unwind}
            }
            Stage::Lookup(lookup) => doc! {"$lookup": self.lookup(lookup)},
            Stage::ReplaceRoot(root) => doc! {"$replaceWith": self.expr(root)},
            Stage::UnionWith {
                collection,
                pipeline,
            } => match (collection, pipeline.as_slice()) {
                (Some(collection), []) => doc! {"$unionWith": collection},
                (Some(collection), stages) => {
                    doc! {"$unionWith": {"coll": collection, "pipeline": self.pipeline(stages)}}
                }
                (None, stages) => doc! {"$unionWith": {"pipeline": self.pipeline(stages)}},
            },
            Stage::SetWindowFields {
                partition,
                sort: keys,
                output,
            } => {
                let mut window = Document::new();
                if let Some(partition) = partition {
                    window.insert("partitionBy", self.expr(partition));
                }
                if !keys.is_empty() {
                    window.insert("sortBy", sort(keys));
                }
                let mut outputs = Document::new();
                for (name, output) in output {
                    outputs.insert(name, self.window(output));
                }
                window.insert("output", outputs);
                doc! {"$setWindowFields": window}
            }
            Stage::Count(name) => doc! {"$count": name},
            Stage::Sample(n) => doc! {"$sample": {"size": number(*n)}},
            Stage::Documents(documents) => {
                let documents: Vec<Bson> = documents.iter().map(|d| self.expr(d)).collect();
                doc! {"$documents": documents}
            }
            Stage::Facet(facets) => {
                let mut out = Document::new();
                for (name, stages) in facets {
                    out.insert(name, self.pipeline(stages));
                }
                doc! {"$facet": out}
            }
            Stage::Other(stage) => stage.clone(),
        }
    }

    fn lookup(&self, lookup: &Lookup) -> Document {
        let mut out = Document::new();
        if let Some(from) = &lookup.from {
            out.insert("from", from);
        }
        if let Some((local, foreign)) = &lookup.fields {
            out.insert("localField", local);
            out.insert("foreignField", foreign);
        }
        if !lookup.variables.is_empty() {
            out.insert("let", self.named(&lookup.variables));
        }
        if !lookup.pipeline.is_empty() || lookup.fields.is_none() {
            out.insert("pipeline", self.pipeline(&lookup.pipeline));
        }
        out.insert("as", &lookup.into);
        out
    }

    fn projection(&self, fields: &[(String, Projection)]) -> Document {
        let mut out = Document::new();
        for (name, projection) in fields {
            out.insert(
                name,
                match projection {
                    Projection::Include => Bson::Int32(1),
                    Projection::Exclude => Bson::Int32(0),
                    // Numbers and booleans would include or exclude.
                    Projection::Expr(Expr::Literal(value)) if !matches!(value, Bson::String(_)) => {
                        quoted(value)
                    }
                    Projection::Expr(expr) => self.expr(expr),
                },
            );
        }
        out
    }

    fn accumulator(&self, accumulator: &Accumulator) -> Document {
        doc! {accumulator.op: self.args(&accumulator.args)}
    }

    fn window(&self, output: &WindowOutput) -> Document {
        let mut out = doc! {output.op: self.args(&output.args)};
        if let Some(window) = &output.window {
            out.insert("window", range(window));
        }
        out
    }

    fn named<S: AsRef<str>>(&self, fields: &[(S, Expr)]) -> Document {
        fields
            .iter()
            .map(|(name, value)| (name.as_ref().to_owned(), self.expr(value)))
            .collect()
    }

    fn args(&self, args: &Args) -> Bson {
        match args {
            // A list here would be read as the list of arguments.
            Args::One(x) if matches!(**x, Expr::Array(_) | Expr::Literal(Bson::Array(_))) => {
                Bson::Array(vec![self.expr(x)])
            }
            Args::One(x) => self.expr(x),
            Args::List(xs) => Bson::Array(xs.iter().map(|x| self.expr(x)).collect()),
            Args::Named(fields) => Bson::Document(self.named(fields)),
            Args::Document(fields) => Bson::Document(self.named(fields)),
        }
    }

    fn expr(&self, expr: &Expr) -> Bson {
        match expr {
            Expr::Field(path) => Bson::String(format!("${}", path.join("."))),
            Expr::Var { name, path } => Bson::String(if path.is_empty() {
                format!("$${name}")
            } else {
                format!("$${name}.{}", path.join("."))
            }),
            Expr::Literal(value) => literal(value),
            Expr::Parameter(n) => literal(&Bson::Array(self.parameter(*n))),
            Expr::Op(op, args) => Bson::Document(doc! {*op: self.args(args)}),
            Expr::Array(items) => Bson::Array(items.iter().map(|x| self.expr(x)).collect()),
            Expr::Document(fields) => Bson::Document(self.named(fields)),
            Expr::Raw(value) => value.clone(),
        }
    }

    fn parameter(&self, number: u32) -> Vec<Bson> {
        self.values
            .iter()
            .find(|(n, _)| *n == number)
            .map(|(_, values)| values.clone())
            .unwrap_or_default()
    }

    fn filter(&self, filter: &Filter) -> Document {
        let mut out = Document::new();
        self.filter_into(filter, &mut out);
        out
    }

    fn filter_into(&self, filter: &Filter, out: &mut Document) {
        match filter {
            Filter::True => {}
            // The planner knows this one: it does not even look.
            Filter::False => {
                out.insert("_id", doc! {"$in": []});
            }
            Filter::And(items) => self.conjunction(items, out),
            Filter::Or(items) => {
                out.insert("$or", self.filters(items));
            }
            Filter::Nor(items) => {
                out.insert("$nor", self.filters(items));
            }
            Filter::Field { path, ops } => {
                let (mut merged, mut rest) = (Document::new(), Vec::new());
                for op in ops {
                    let rendered = self.op(op);
                    if rendered.keys().any(|k| merged.contains_key(k)) {
                        rest.push(rendered);
                    } else {
                        merged.extend(rendered);
                    }
                }
                let value = match merged.get("$eq") {
                    Some(v) if merged.len() == 1 && is_plain(v) => v.clone(),
                    _ => Bson::Document(merged),
                };
                if rest.is_empty() {
                    out.insert(path, value);
                } else {
                    let mut all = vec![doc! {path: value}];
                    all.extend(rest.into_iter().map(|r| doc! {path: r}));
                    out.insert("$and", all);
                }
            }
            Filter::Expr(expr) => {
                out.insert("$expr", self.expr(expr));
            }
            Filter::Raw(document) => out.extend(document.clone()),
        }
    }

    fn filters(&self, items: &[Filter]) -> Vec<Document> {
        items.iter().map(|f| self.filter(f)).collect()
    }

    /// One document for all items whose keys do not collide; the rest goes under `$and`.
    fn conjunction(&self, items: &[Filter], out: &mut Document) {
        let (mut own, mut rest) = (Document::new(), Vec::new());
        for item in items {
            let document = self.filter(item);
            let collides = document.keys().any(|k| own.contains_key(k));
            if collides {
                rest.push(document);
            } else {
                own.extend(document);
            }
        }
        if rest.is_empty() {
            out.extend(own);
        } else if let Some(Bson::Array(nested)) = own.get_mut("$and") {
            nested.extend(rest.into_iter().map(Bson::Document));
            out.extend(own);
        } else {
            own.insert("$and", rest);
            out.extend(own);
        }
    }

    fn op(&self, op: &FieldOp) -> Document {
        match op {
            FieldOp::Eq(v) => doc! {"$eq": v.clone()},
            FieldOp::Ne(v) => doc! {"$ne": v.clone()},
            FieldOp::Lt(v) => doc! {"$lt": v.clone()},
            FieldOp::Lte(v) => doc! {"$lte": v.clone()},
            FieldOp::Gt(v) => doc! {"$gt": v.clone()},
            FieldOp::Gte(v) => doc! {"$gte": v.clone()},
            FieldOp::In(v) => doc! {"$in": v.clone()},
            FieldOp::Nin(v) => doc! {"$nin": v.clone()},
            FieldOp::InParameter(n) => doc! {"$in": self.parameter(*n)},
            FieldOp::Exists(yes) => doc! {"$exists": *yes},
            FieldOp::Type(types) => match types.as_slice() {
                [one] => doc! {"$type": *one},
                many => doc! {"$type": many.to_vec()},
            },
            FieldOp::Regex { pattern, options } if options.is_empty() => doc! {"$regex": pattern},
            FieldOp::Regex { pattern, options } => doc! {"$regex": pattern, "$options": options},
            FieldOp::Mod(divisor, remainder) => doc! {"$mod": [*divisor, *remainder]},
            FieldOp::All(v) => doc! {"$all": v.clone()},
            FieldOp::Size(n) => doc! {"$size": *n},
            FieldOp::ElemMatch(filter) => doc! {"$elemMatch": self.filter(filter)},
            FieldOp::ElemMatchValue(ops) => doc! {"$elemMatch": self.ops(ops)},
            FieldOp::Not(ops) => doc! {"$not": self.ops(ops)},
            FieldOp::Other(op, value) => doc! {*op: value.clone()},
        }
    }

    fn ops(&self, ops: &[FieldOp]) -> Document {
        ops.iter().flat_map(|op| self.op(op)).collect()
    }
}

/// `{path: value}` cannot be read as anything but equality.
fn is_plain(value: &Bson) -> bool {
    !matches!(value, Bson::Document(_) | Bson::RegularExpression(_))
}

/// A constant in an expression.
fn literal(value: &Bson) -> Bson {
    if is_inert(value) {
        value.clone()
    } else {
        quoted(value)
    }
}

fn quoted(value: &Bson) -> Bson {
    Bson::Document(doc! {"$literal": value.clone()})
}

/// The server reads the value as itself wherever an expression may stand.
fn is_inert(value: &Bson) -> bool {
    match value {
        Bson::String(s) => !s.starts_with('$'),
        Bson::Document(d) => d.is_empty(),
        Bson::Array(items) => items.iter().all(is_inert),
        Bson::RegularExpression(_)
        | Bson::JavaScriptCode(_)
        | Bson::JavaScriptCodeWithScope(_)
        | Bson::Symbol(_)
        | Bson::DbPointer(_)
        | Bson::Undefined => false,
        _ => true,
    }
}

fn sort(keys: &[(String, SortOrder)]) -> Document {
    keys.iter()
        .map(|(path, order)| {
            let direction = match order {
                SortOrder::Asc => 1,
                SortOrder::Desc => -1,
            };
            (path.clone(), Bson::Int32(direction))
        })
        .collect()
}

fn range(window: &WindowRange) -> Document {
    let bound = |b: &Option<Bson>| match b {
        None => Bson::String("unbounded".to_owned()),
        Some(Bson::Int32(0) | Bson::Int64(0)) => Bson::String("current".to_owned()),
        Some(v) => v.clone(),
    };
    let kind = if window.range { "range" } else { "documents" };
    let mut out = doc! {kind: [bound(&window.start), bound(&window.end)]};
    if let Some(unit) = window.unit {
        out.insert("unit", unit);
    }
    out
}

/// A count as a 32-bit number where it fits.
fn number(n: u64) -> Bson {
    i32::try_from(n).map_or_else(
        |_| Bson::Int64(i64::try_from(n).unwrap_or(i64::MAX)),
        Bson::Int32,
    )
}

/// Options of a command that reads.
fn options(out: &mut Document, hint: Option<&Hint>) {
    which(out, hint);
    remarks(out, hint);
    if let Some(allow) = hint.and_then(|h| h.allow_disk_use) {
        out.insert("allowDiskUse", allow);
    }
}

/// Options that say which documents are meant, and how they are found; each statement of a write has its own.
fn which(out: &mut Document, hint: Option<&Hint>) {
    if let Some(index) = hint.and_then(|h| h.index.as_ref()) {
        out.insert("hint", index.clone());
    }
    if let Some(collation) = hint.and_then(|h| h.collation.as_ref()) {
        out.insert("collation", collation.clone());
    }
}

/// Options that any command takes.
fn remarks(out: &mut Document, hint: Option<&Hint>) {
    if let Some(comment) = hint.and_then(|h| h.comment.as_ref()) {
        out.insert("comment", comment.clone());
    }
    if let Some(ms) = hint.and_then(|h| h.max_time_ms) {
        out.insert("maxTimeMS", number(ms));
    }
}
