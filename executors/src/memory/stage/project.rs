//! Trees of fields to include, exclude or compute: `$project`, `$addFields`, `$unset`.
use bson::Bson;

use crate::memory::error::EngineError;
use crate::memory::expr::{Env, Expr, Scope, Slot};
use crate::memory::value::{Array, DocBuilder, DocRef, Document, Path, Str, Value, ValueRef};

/// What is asked for one field.
#[derive(Clone, Debug)]
pub enum Field {
    /// Keep it.
    Include,
    /// Drop it.
    Exclude,
    /// Set it.
    Compute(Expr),
    /// Set it to a variable.
    Slot(Slot),
    /// Something below it.
    Tree(Tree),
}

/// Fields in the order of the specification.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    fields: Vec<(Str, Field)>,
    computed: bool,
    projected: bool,
}

fn collision(code: i32, path: &Path) -> EngineError {
    EngineError::location(code, format!("Path collision at {path}"))
}

impl Tree {
    fn get(&self, name: &[u8]) -> Option<&Field> {
        self.fields
            .iter()
            .find(|(k, _)| k.as_bytes() == name)
            .map(|(_, f)| f)
    }

    /// Adds a field at a dotted path.
    ///
    /// # Errors
    /// 31250 when the path collides with one that is there.
    pub fn insert(&mut self, path: &Path, field: Field) -> Result<(), EngineError> {
        let computed = matches!(field, Field::Compute(_) | Field::Slot(_));
        let mut tree = self;
        let Some((last, init)) = path.parts().split_last() else {
            return Ok(());
        };
        for part in init {
            tree.note(computed);
            let at = match tree.fields.iter().position(|(k, _)| *k == part.name) {
                Some(at) => at,
                None => {
                    tree.fields
                        .push((part.name.clone(), Field::Tree(Self::default())));
                    tree.fields.len() - 1
                }
            };
            match tree.fields.get_mut(at) {
                Some((_, Field::Tree(inner))) => tree = inner,
                // Below a leaf.
                _ => return Err(collision(31249, path)),
            }
        }
        tree.note(computed);
        if tree.fields.iter().any(|(k, _)| *k == last.name) {
            return Err(collision(31250, path));
        }
        tree.fields.push((last.name.clone(), field));
        Ok(())
    }

    fn note(&mut self, computed: bool) {
        self.computed |= computed;
        self.projected |= !computed;
    }

    /// The fields of a document that an inclusion keeps, then those that it computes.
    fn include(&self, doc: &Document, env: &mut Env<'_>) -> Result<Document, EngineError> {
        let mut out = self.included(doc.view());
        if self.computed {
            env.set_root(doc.clone());
            self.compute_into(&mut out, env)?;
        }
        let score = doc.score();
        if !score.is_missing() {
            out.set(crate::memory::value::SCORE, score);
        }
        Ok(out.build())
    }

    fn included(&self, doc: DocRef<'_>) -> DocBuilder {
        let mut out = DocBuilder::with_capacity(self.fields.len());
        let mut wanted = self.fields.len();
        for (key, value) in doc.iter() {
            match self.get(key.as_bytes()) {
                Some(Field::Include) => out.push(key.to_str(), value.to_value()),
                Some(Field::Tree(inner)) => out.push(key.to_str(), inner.included_value(value)),
                Some(Field::Exclude | Field::Compute(_) | Field::Slot(_)) => {}
                None => continue,
            }
            wanted = wanted.saturating_sub(1);
            if wanted == 0 {
                break;
            }
        }
        out
    }

    fn included_value(&self, value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Document(d) => self.included(d).value(),
            // Holes stay while something may be computed into them; the array drops what is still missing then.
            ValueRef::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|v| self.included_value(v))
                    .filter(|v| self.computed || !v.is_missing())
                    .collect::<Array>(),
            ),
            _ => Value::Missing,
        }
    }

    fn compute_into(&self, out: &mut DocBuilder, env: &mut Env<'_>) -> Result<(), EngineError> {
        for (key, field) in &self.fields {
            match field {
                Field::Compute(expr) => {
                    let value = expr.eval(env)?;
                    out.set(key.clone(), value);
                }
                Field::Slot(slot) => {
                    let value = env.get(*slot).clone();
                    out.set(key.clone(), value);
                }
                Field::Tree(inner) if inner.computed => {
                    let old = out.get(key.as_str()).cloned().unwrap_or_default();
                    let new = inner.computed_value(old, env)?;
                    out.set(key.clone(), new);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn computed_value(&self, value: Value, env: &mut Env<'_>) -> Result<Value, EngineError> {
        match value {
            Value::Document(d) => {
                let mut out = d.edit();
                self.compute_into(&mut out, env)?;
                Ok(out.value())
            }
            Value::Array(items) => {
                let items: Result<Vec<Value>, EngineError> = items
                    .into_vec()
                    .into_iter()
                    .map(|v| self.computed_value(v, env))
                    .collect();
                Ok(Value::array(
                    items?.into_iter().filter(|v| !v.is_missing()).collect(),
                ))
            }
            _ => {
                let mut out = DocBuilder::new();
                self.compute_into(&mut out, env)?;
                Ok(out.value())
            }
        }
    }

    /// Sets the computed fields on a document that is otherwise kept.
    ///
    /// # Errors
    /// What evaluation gives.
    pub fn add_fields(&self, doc: Document, env: &mut Env<'_>) -> Result<Document, EngineError> {
        env.set_root(doc.clone());
        let mut out = doc.edit();
        self.compute_into(&mut out, env)?;
        Ok(out.build())
    }

    fn excluded(&self, doc: DocRef<'_>) -> Document {
        let mut out = DocBuilder::new();
        for (key, value) in doc.iter() {
            match self.get(key.as_bytes()) {
                Some(Field::Exclude) => {}
                Some(Field::Tree(inner)) => out.push(key.to_str(), inner.excluded_value(value)),
                _ => out.push(key.to_str(), value.to_value()),
            }
        }
        out.build()
    }

    fn excluded_value(&self, value: ValueRef<'_>) -> Value {
        match value {
            ValueRef::Document(d) => Value::Document(self.excluded(d)),
            ValueRef::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|v| self.excluded_value(v))
                    .collect::<Array>(),
            ),
            other => other.to_value(),
        }
    }

    /// Reads the specification of `$addFields`.
    ///
    /// # Errors
    /// As MongoDB's parser: 16410 and the like for paths, what expressions give.
    pub fn add_fields_spec(spec: &bson::Document, scope: &Scope) -> Result<Self, EngineError> {
        let mut tree = Self::default();
        for (key, value) in spec {
            add_spec(&mut tree, key, value, scope, 0).map_err(|e| match e.code {
                31249 | 31250 => EngineError::location(
                    40176,
                    format!(
                        "specification contains two conflicting paths: {}",
                        e.message
                    ),
                ),
                _ => e,
            })?;
        }
        Ok(tree)
    }
}

fn too_deep() -> EngineError {
    EngineError::failed_to_parse("projection is nested too deeply")
}

fn add_spec(
    tree: &mut Tree,
    prefix: &str,
    value: &Bson,
    scope: &Scope,
    depth: usize,
) -> Result<(), EngineError> {
    if depth > 180 {
        return Err(too_deep());
    }
    if let Bson::Document(d) = value
        && d.len() > 1
        && d.keys().any(|k| k.starts_with('$'))
    {
        return Err(EngineError::location(
            40181,
            format!(
                "an expression specification must contain exactly one field, the name of the expression. Found {} fields in {d}",
                d.len()
            ),
        ));
    }
    if let Bson::Document(d) = value
        && !d.is_empty()
        && !d.keys().any(|k| k.starts_with('$'))
    {
        for (key, inner) in d {
            if key.contains('.') {
                return Err(EngineError::location(
                    40183,
                    format!(
                        "FieldPath field names may not contain '.' in a nested object. Field name '{key}'"
                    ),
                ));
            }
            add_spec(tree, &format!("{prefix}.{key}"), inner, scope, depth + 1)?;
        }
        return Ok(());
    }
    tree.insert(
        &Path::parse(prefix)?,
        Field::Compute(Expr::compile(value, scope)?),
    )
}

/// A compiled `$project`.
#[derive(Clone, Debug)]
pub struct Projection {
    tree: Tree,
    inclusion: bool,
}

/// One leaf of a projection's specification.
enum Leaf<'s> {
    Include,
    Exclude,
    Compute(&'s Bson),
}

fn leaves<'s>(
    prefix: &str,
    value: &'s Bson,
    out: &mut Vec<(String, Leaf<'s>)>,
    depth: usize,
) -> Result<(), EngineError> {
    if depth > 180 {
        return Err(too_deep());
    }
    let leaf = match value {
        Bson::Document(d) if d.is_empty() => {
            return Err(EngineError::location(
                51270,
                "An empty sub-projection is not a valid value. Found empty object at path",
            ));
        }
        Bson::Document(d) if !d.keys().any(|k| k.starts_with('$')) => {
            for (key, inner) in d {
                leaves(&format!("{prefix}.{key}"), inner, out, depth + 1)?;
            }
            return Ok(());
        }
        Bson::Boolean(_)
        | Bson::Int32(_)
        | Bson::Int64(_)
        | Bson::Double(_)
        | Bson::Decimal128(_) => {
            if Value::from_bson(value).truthy() {
                Leaf::Include
            } else {
                Leaf::Exclude
            }
        }
        other => Leaf::Compute(other),
    };
    out.push((prefix.to_owned(), leaf));
    Ok(())
}

impl Projection {
    /// Reads the specification of `$project`.
    ///
    /// # Errors
    /// 51272 when empty, 31253/31254 when inclusion and exclusion are mixed, 31249/31250 for collisions.
    pub fn compile(spec: &bson::Document, scope: &Scope) -> Result<Self, EngineError> {
        if spec.is_empty() {
            return Err(EngineError::location(
                51272,
                "Invalid $project :: caused by :: projection specification must have at least one field",
            ));
        }
        let mut all = Vec::with_capacity(spec.len());
        for (key, value) in spec {
            leaves(key, value, &mut all, 0)?;
        }
        let decides = |(path, leaf): &(String, Leaf<'_>)| match leaf {
            Leaf::Exclude if path == "_id" => None,
            Leaf::Exclude => Some(false),
            Leaf::Include if path == "_id" => None,
            _ => Some(true),
        };
        let inclusion = all
            .iter()
            .find_map(decides)
            .unwrap_or_else(|| all.iter().any(|(_, l)| matches!(l, Leaf::Include)));
        let mut tree = Tree::default();
        let mut id = false;
        for (path, leaf) in all {
            id |= path == "_id" || path.starts_with("_id.");
            let parsed = Path::parse(&path)?;
            let field = match leaf {
                Leaf::Include if inclusion => Field::Include,
                Leaf::Exclude if !inclusion || path == "_id" => Field::Exclude,
                Leaf::Compute(value) if inclusion => Field::Compute(Expr::compile(value, scope)?),
                Leaf::Include if path == "_id" => continue,
                Leaf::Include => {
                    return Err(EngineError::location(
                        31253,
                        format!(
                            "Invalid $project :: caused by :: Cannot do inclusion on field {path} in exclusion projection"
                        ),
                    ));
                }
                Leaf::Exclude => {
                    return Err(EngineError::location(
                        31254,
                        format!(
                            "Invalid $project :: caused by :: Cannot do exclusion on field {path} in inclusion projection"
                        ),
                    ));
                }
                Leaf::Compute(_) => {
                    return Err(EngineError::location(
                        31252,
                        format!(
                            "Invalid $project :: caused by :: Cannot use expression other than $meta in exclusion projection: {path}"
                        ),
                    ));
                }
            };
            tree.insert(&parsed, field)?;
        }
        if inclusion && !id {
            tree.insert(&Path::lenient("_id")?, Field::Include)?;
        }
        Ok(Self { tree, inclusion })
    }

    /// An exclusion of paths: `$unset`.
    ///
    /// # Errors
    /// Path errors and collisions.
    pub fn unset(paths: &[&str]) -> Result<Self, EngineError> {
        let mut tree = Tree::default();
        for path in paths {
            tree.insert(&Path::parse(path)?, Field::Exclude)?;
        }
        Ok(Self {
            tree,
            inclusion: false,
        })
    }

    /// Projects one document.
    ///
    /// # Errors
    /// What evaluation gives.
    pub fn apply(&self, doc: &Document, env: &mut Env<'_>) -> Result<Document, EngineError> {
        if self.inclusion {
            self.tree.include(doc, env)
        } else {
            Ok(self.tree.excluded(doc.view()))
        }
    }
}
