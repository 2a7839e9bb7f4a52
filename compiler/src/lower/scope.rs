//! Where columns live while a pipeline is being written: the environment of each pipeline, and the variables that
//! inner pipelines take from outer ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bson::Bson;

use super::Lowerer;
use crate::error::{Error, Result};
use crate::mql::{Args, Expr, Lookup, Projection, Stage};
use crate::names::{Name, Path};
use crate::plan::facts::ColumnSet;
use crate::plan::{ArrayFact, ColumnId, Origin, SourceId, SubPlan};
use crate::schema::{FieldType, StorageFamily};

/// A lowered value with what is known of it.
#[derive(Debug, Clone)]
pub(super) struct Val {
    /// How to compute it from the current document.
    pub expr: Expr,
    /// Its type.
    pub ty: Arc<FieldType>,
    /// Can be null or missing.
    pub nullable: bool,
    /// Can be an array.
    pub array: ArrayFact,
}

impl Val {
    /// The path, if it is one that the match language can name.
    pub fn path(&self) -> Option<String> {
        match &self.expr {
            Expr::Field(path) => Some(path.dotted()),
            _ => None,
        }
    }

    /// The path, if no array can be on it.
    pub fn scalar_path(&self) -> Option<String> {
        if self.array == ArrayFact::No {
            self.path()
        } else {
            None
        }
    }

    /// The constant, if it is one.
    pub fn literal(&self) -> Option<&Bson> {
        match &self.expr {
            Expr::Literal(value) => Some(value),
            _ => None,
        }
    }

    pub fn family(&self) -> StorageFamily {
        self.ty.kind.family()
    }

    /// It has a value. JSON's null is a value: it is the missing key that is NULL.
    pub fn is_not_null(&self) -> Expr {
        if self.family() == StorageFamily::Json {
            let ty = Expr::one("$type", if_there(self.expr.clone()));
            Expr::list("$ne", [ty, Expr::lit("missing")])
        } else {
            self.expr.clone().is_not_nullish()
        }
    }

    /// It is NULL.
    pub fn is_null(&self) -> Expr {
        if self.family() == StorageFamily::Json {
            let ty = Expr::one("$type", if_there(self.expr.clone()));
            Expr::list("$eq", [ty, Expr::lit("missing")])
        } else {
            self.expr.clone().is_nullish()
        }
    }
}

/// What kind of pipeline a scope is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The command's own.
    Root,
    /// Of a `$lookup`: outer columns come in through `let`.
    Lookup,
    /// Of a `$unionWith`: it sees the variables of the pipeline around it, not its documents.
    Union,
}

/// The keys at the root that a new one must avoid.
#[derive(Debug, Default)]
struct Taken {
    stored: Vec<Arc<[Name]>>,
    one_by_one: BTreeSet<String>,
}

impl Taken {
    fn contains(&self, key: &str) -> bool {
        self.one_by_one.contains(key)
            || self.stored.iter().any(|keys| keys.iter().any(|k| k == key))
    }
}

/// A pipeline under construction.
#[derive(Debug)]
pub(super) struct Scope {
    pub kind: Kind,
    pub collection: Option<Name>,
    pub stages: Vec<Stage>,
    /// Places of columns other than the stored ones of `sources`.
    pub columns: BTreeMap<ColumnId, Val>,
    /// Where the documents of sources live, and whether they may be absent.
    pub sources: BTreeMap<SourceId, (Path, bool)>,
    /// The source whose document is the root of the current document, with all its keys.
    pub open: Option<SourceId>,
    /// Keys at the root beside those of `open`.
    pub added: Vec<String>,
    taken: Taken,
    /// Variables of `let`: name, outer column, its value outside.
    captures: Vec<(String, ColumnId, Val, Expr)>,
    /// Subqueries that are already there.
    pub subqueries: Vec<(SubPlan, Val)>,
    /// Keys at the root with at most one row that was looked up.
    pub single: Vec<String>,
    /// Columns that conditions passed before say are not NULL.
    pub not_null: ColumnSet,
}

impl Scope {
    pub fn new(kind: Kind) -> Self {
        Scope {
            kind,
            collection: None,
            stages: Vec::new(),
            columns: BTreeMap::new(),
            sources: BTreeMap::new(),
            open: None,
            added: Vec::new(),
            taken: Taken::default(),
            captures: Vec::new(),
            subqueries: Vec::new(),
            single: Vec::new(),
            not_null: ColumnSet::new(),
        }
    }

    /// A key at the root that nothing has yet, like `name`.
    pub fn fresh(&mut self, name: &str) -> String {
        let candidate = key_beside(name, |key| self.taken.contains(key));
        self.take(&candidate);
        self.added.push(candidate.clone());
        candidate
    }

    /// Gives back a key that `fresh` gave and nothing uses.
    pub fn release(&mut self, name: &str) {
        self.taken.one_by_one.remove(name);
        self.added.retain(|n| n != name);
    }

    pub fn take(&mut self, name: &str) {
        if !self.taken.contains(name) {
            self.taken.one_by_one.insert(name.to_owned());
        }
    }

    /// Takes all keys of the documents of a source.
    pub fn take_stored(&mut self, stored: &Arc<[Name]>) {
        self.taken.stored.push(stored.clone());
    }

    /// The document has only what is added from now on.
    pub fn close(&mut self) {
        self.columns.clear();
        self.sources.clear();
        self.subqueries.clear();
        self.single.clear();
        self.not_null = ColumnSet::new();
        self.open = None;
        self.added.clear();
        self.taken = Taken::default();
    }

    pub fn push(&mut self, stage: Stage) {
        self.stages.push(stage);
    }

    /// The `$lookup` that runs this pipeline.
    pub fn into_lookup(self, fields: Option<(String, String)>, into: String) -> Stage {
        Stage::Lookup(Box::new(Lookup {
            from: self.collection.map(String::from),
            fields,
            variables: self
                .captures
                .into_iter()
                .map(|(name, _, _, outside)| (name, outside))
                .collect(),
            pipeline: self.stages,
            into,
        }))
    }
}

impl Lowerer<'_> {
    pub fn level(&self) -> usize {
        self.scopes.len().saturating_sub(1)
    }

    pub fn scope(&mut self) -> Result<&mut Scope> {
        self.scopes
            .last_mut()
            .ok_or_else(|| Error::internal("no pipeline is open"))
    }

    fn at(&mut self, level: usize) -> Result<&mut Scope> {
        self.scopes
            .get_mut(level)
            .ok_or_else(|| Error::internal("no pipeline of that depth is open"))
    }

    pub fn push(&mut self, stage: Stage) -> Result<()> {
        self.scope()?.push(stage);
        Ok(())
    }

    pub fn fresh(&mut self, name: &str) -> Result<String> {
        Ok(self.scope()?.fresh(name))
    }

    pub fn begin(&mut self, kind: Kind) {
        self.scopes.push(Scope::new(kind));
    }

    pub fn end(&mut self) -> Result<Scope> {
        self.scopes
            .pop()
            .ok_or_else(|| Error::internal("no pipeline is open"))
    }

    /// The value of a column in the current pipeline.
    pub fn column(&mut self, id: ColumnId) -> Result<Val> {
        self.column_at(self.level(), id)
    }

    fn column_at(&mut self, level: usize, id: ColumnId) -> Result<Val> {
        let mut val = self.place_at(level, id)?;
        if val.nullable && !self.matching && self.at(level)?.not_null.contains(id) {
            val.nullable = false;
        }
        Ok(val)
    }

    fn place_at(&mut self, level: usize, id: ColumnId) -> Result<Val> {
        if let Some(val) = self.at(level)?.columns.get(&id).cloned() {
            let often = self.uses.of(id) > 1;
            if often && !is_cheap(&val.expr) {
                return self.materialize_at(level, id);
            }
            return Ok(val);
        }
        let column = self.columns.get(id)?;
        if let Origin::Stored { source, path, .. } = &column.origin
            && let Some((prefix, absent)) = self.at(level)?.sources.get(source)
        {
            return Ok(Val {
                expr: field(prefix.to(path)),
                ty: column.ty.clone(),
                nullable: column.nullable || *absent,
                array: column.array,
            });
        }
        self.captured(level, id)
    }

    /// Where a stored column is in the current documents, if it is there and a path can name it.
    pub fn stored_path(&mut self, id: ColumnId) -> Result<Option<Path>> {
        let Origin::Stored { source, path, .. } = &self.columns.get(id)?.origin else {
            return Ok(None);
        };
        let scope = self.scope()?;
        if scope.columns.contains_key(&id) {
            return Ok(None);
        }
        Ok(match scope.sources.get(source) {
            Some((prefix, _)) if is_path(prefix) && is_path(path) => Some(prefix.to(path)),
            _ => None,
        })
    }

    /// A column of an outer query as a variable.
    fn captured(&mut self, level: usize, id: ColumnId) -> Result<Val> {
        let scope = self.at(level)?;
        let found = scope.captures.iter().find(|(_, column, ..)| *column == id);
        if let Some((_, _, val, _)) = found {
            return Ok(val.clone());
        }
        let kind = scope.kind;
        let outside = level
            .checked_sub(1)
            .ok_or_else(|| self.unknown_column(id))?;
        match kind {
            Kind::Root => Err(self.unknown_column(id)),
            Kind::Union => self.captured(outside, id),
            Kind::Lookup => {
                let outer = self.column_at(outside, id)?;
                if outer.literal().is_some() {
                    return Ok(outer);
                }
                let name = self.variable(&self.columns.get(id)?.name);
                let val = Val {
                    expr: Expr::var(name.clone()),
                    ..outer.clone()
                };
                self.at(level)?
                    .captures
                    .push((name, id, val.clone(), outer.expr));
                Ok(val)
            }
        }
    }

    fn unknown_column(&self, id: ColumnId) -> Error {
        let name = self.columns.get(id).map_or("?", |c| &*c.name);
        Error::internal(format!("column {name} (#{}) is not in scope", id.0))
    }

    /// A variable that no pipeline around has, like `name`.
    pub fn variable(&mut self, name: &str) -> String {
        let mut base: String = name
            .trim_start_matches(|c: char| !c.is_ascii_alphabetic())
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if let Some(first) = base.get_mut(0..1) {
            first.make_ascii_lowercase();
        }
        if base.is_empty() {
            base.push('v');
        }
        let candidate = numbered(&base, |name| self.variables.contains(name));
        self.variables.insert(candidate.clone());
        candidate
    }

    /// Gives a column a path of its own.
    pub fn materialize(&mut self, id: ColumnId) -> Result<Val> {
        self.materialize_at(self.level(), id)
    }

    fn materialize_at(&mut self, level: usize, id: ColumnId) -> Result<Val> {
        let name = self.columns.get(id)?.name.clone();
        let scope = self.at(level)?;
        let Some(val) = scope.columns.get(&id).cloned() else {
            return self.column_at(level, id);
        };
        if matches!(val.expr, Expr::Field(_)) {
            return Ok(val);
        }
        let key = scope.fresh(&name);
        scope.push(Stage::Set(vec![(key.clone(), val.expr)]));
        let placed = Val {
            expr: Expr::Field(Path::key(key)),
            ..val
        };
        scope.columns.insert(id, placed.clone());
        Ok(placed)
    }

    /// Gives a value a path: its own, or a temporary one.
    pub fn place(&mut self, val: Val, name: &str) -> Result<Val> {
        if matches!(val.expr, Expr::Field(_)) {
            return Ok(val);
        }
        let scope = self.scope()?;
        let key = scope.fresh(name);
        scope.push(Stage::Set(vec![(key.clone(), val.expr)]));
        Ok(Val {
            expr: Expr::Field(Path::key(key)),
            ..val
        })
    }
}

/// `$a.b`, or the operators that reach keys which a path cannot name.
pub(super) fn field(keys: Path) -> Expr {
    if is_path(&keys) {
        return Expr::Field(keys);
    }
    let root = Expr::Var {
        name: "ROOT".to_owned(),
        path: Vec::new(),
    };
    keys.iter().fold(root, |input, key| get_field(input, key))
}

/// Whether a path can name what is there.
fn is_path(keys: &[Name]) -> bool {
    keys.iter().all(|k| is_path_key(k))
}

/// `{$getField: {field: key, input: x}}`: never enters arrays.
pub(super) fn get_field(input: Expr, key: &str) -> Expr {
    Expr::named("$getField", [("field", Expr::lit(key)), ("input", input)])
}

/// A key of JSON's null is not there; `$getField` of null would be null, which is JSON's null again.
pub(super) fn if_there(expr: Expr) -> Expr {
    match expr {
        Expr::Op("$getField", Args::Named(named)) => {
            let named = named.into_iter().map(|(name, arg)| match name {
                "input" => (name, Expr::list("$ifNull", [arg, Expr::var("REMOVE")])),
                _ => (name, arg),
            });
            Expr::Op("$getField", Args::Named(named.collect()))
        }
        // An element of an array, or a key that looks like an index.
        Expr::Op("$cond", Args::List(mut parts)) => {
            if let Some(key) = parts.pop() {
                parts.push(if_there(key));
            }
            Expr::Op("$cond", Args::List(parts))
        }
        other => other,
    }
}

/// Can be a part of a dotted path.
pub(super) fn is_path_key(key: &str) -> bool {
    !key.is_empty() && !key.starts_with('$') && !key.bytes().any(|b| matches!(b, b'.' | 0))
}

/// A key that no other is, like `name` as far as a key can be like it.
pub(super) fn key_beside(name: &str, taken: impl Fn(&str) -> bool) -> String {
    const SPECIAL: [char; 3] = ['.', '$', '\0'];
    if name.is_empty() {
        numbered("value", taken)
    } else if name.contains(SPECIAL) {
        numbered(&name.replace(SPECIAL, "_"), taken)
    } else {
        numbered(name, taken)
    }
}

/// A name, with a number behind it if it is taken.
fn numbered(base: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut candidate = base.to_owned();
    let mut n = 1;
    while taken(&candidate) {
        n += 1;
        candidate = format!("{base}_{n}");
    }
    candidate
}

/// Cheap enough to be computed wherever it is used.
pub(super) fn is_cheap(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Field(_) | Expr::Var { .. } | Expr::Literal(_) | Expr::Parameter(_)
    )
}

/// `{x: 1}` for every name, without `_id` unless named.
pub(super) fn include<N: AsRef<str>>(names: &[N]) -> Stage {
    let mut fields: Vec<(String, Projection)> = names
        .iter()
        .map(|n| (n.as_ref().to_owned(), Projection::Include))
        .collect();
    if !names.iter().any(|n| n.as_ref() == "_id") {
        fields.push(("_id".to_owned(), Projection::Exclude));
    }
    Stage::Project(fields)
}
