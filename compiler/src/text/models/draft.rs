//! Classes as they stand in the file: what kind they are, their fields, constants and managers.

use indexmap::IndexMap;

use super::field::{DraftField, read_field};
use super::meta::{self, Meta};
use super::registered::Registered;
use super::{OwnClass, Skipped, contrib};
use crate::diagnostic::closest;
use crate::error::{Code, Error, Result, Span};
use crate::queryset::Value;
use crate::schema::FieldKind;
use crate::text::eval::Evaluator;
use crate::text::syntax::{
    Arg, ArgKind, ClassDef, FunctionDef, Kind, Mode, Node, Stmt, StmtKind, Trailer, TrailerKind,
    parse,
};
use crate::text::{Extras, Params};

/// A file that was read.
pub(super) struct File {
    pub(super) app: String,
    pub(super) models: IndexMap<String, Draft>,
    pub(super) classes: IndexMap<String, OwnClass>,
    pub(super) enums: IndexMap<String, IndexMap<String, Value>>,
    /// Names bound by imports, to the label of the model that they probably are.
    pub(super) imports: IndexMap<String, String>,
    pub(super) skipped: Vec<Skipped>,
    /// Transforms registered for field classes.
    pub(super) registered: Vec<Registered>,
}

/// A model as it stands in the file.
#[derive(Clone)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) span: Span,
    /// Bases that are models: names in the file, or labels.
    pub(super) bases: Vec<String>,
    pub(super) embedded: bool,
    pub(super) fields: Vec<DraftField>,
    /// Fields of bases that are taken away (`name = None`).
    pub(super) removed: Vec<String>,
    pub(super) meta: Option<Meta>,
    pub(super) constants: IndexMap<String, Value>,
    pub(super) managers: IndexMap<String, Option<String>>,
}

/// Bases of enumerations.
const ENUMERATIONS: &[&str] = &[
    "TextChoices",
    "IntegerChoices",
    "Choices",
    "Enum",
    "IntEnum",
    "StrEnum",
];

/// What a class is.
enum Sort {
    Model { bases: Vec<String>, embedded: bool },
    Manager { bases: Vec<String> },
    Enumeration,
    Field(FieldKind),
    Other,
}

/// The module while it is read.
pub(super) struct Reader<'a> {
    pub(super) file: File,
    /// Literals of the module and the class.
    pub(super) constants: Evaluator<'a>,
    /// Field classes of the project.
    pub(super) fields: IndexMap<String, FieldKind>,
    /// Number of the next field: Django orders fields by their creation.
    pub(super) sequence: usize,
}

/// Reads the statements of a module.
pub(super) fn read(app: &str, statements: &[Stmt]) -> Result<File> {
    let params = Params::default();
    let extras = Extras::default();
    let mut reader = Reader {
        file: File {
            app: app.to_owned(),
            models: IndexMap::new(),
            classes: IndexMap::new(),
            enums: IndexMap::new(),
            imports: IndexMap::new(),
            skipped: Vec::new(),
            registered: Vec::new(),
        },
        constants: Evaluator::new(None, &params, &extras),
        fields: IndexMap::new(),
        sequence: 0,
    };
    let users = parse(contrib::ABSTRACT_USERS, Mode::Models)?;
    for stmt in users.iter().chain(statements) {
        reader.stmt(stmt).map_err(|e| e.with_span(stmt.span))?;
    }
    Ok(reader.file)
}

impl Reader<'_> {
    fn skip(&mut self, what: impl Into<String>, span: Span) {
        self.file.skipped.push(Skipped {
            what: what.into(),
            span,
            because: None,
        });
    }

    fn stmt(&mut self, stmt: &Stmt) -> Result<()> {
        match &stmt.kind {
            StmtKind::FromImport { module, names } => {
                self.constants.import(stmt)?;
                let app = app_of(module, &self.file.app);
                for name in names {
                    let bound = name.alias.as_ref().unwrap_or(&name.name).clone();
                    let label = match contrib::label(&name.name) {
                        Some(label) if module.starts_with("django.") => label.to_owned(),
                        _ => format!("{app}.{}", name.name),
                    };
                    self.file.imports.insert(bound, label);
                }
                Ok(())
            }
            StmtKind::Import { .. } => self.constants.import(stmt),
            StmtKind::Pass => Ok(()),
            StmtKind::Class(class) => self.class(class, stmt.span),
            StmtKind::Assign { targets, value } => {
                if let [
                    Node {
                        kind: Kind::Name(name),
                        ..
                    },
                ] = targets.as_slice()
                    && let Ok(value) = self.constants.constant(value)
                {
                    return self.constants.define(name, value);
                }
                self.skip("assignment", stmt.span);
                Ok(())
            }
            StmtKind::Function(function) => {
                self.skip(format!("function {}", function.name), stmt.span);
                Ok(())
            }
            StmtKind::Skipped(word) => {
                self.skip(format!("'{word}' statement"), stmt.span);
                Ok(())
            }
            StmtKind::Expr(node) if matches!(node.kind, Kind::Str(_)) => Ok(()),
            StmtKind::Expr(node) => {
                match self.registered(node) {
                    Some(registered) => self.file.registered.push(registered),
                    None => self.skip("statement", stmt.span),
                }
                Ok(())
            }
            _ => {
                self.skip("statement", stmt.span);
                Ok(())
            }
        }
    }

    fn class(&mut self, class: &ClassDef, span: Span) -> Result<()> {
        match self.sort(&class.bases) {
            Sort::Model { bases, embedded } => self.model(class, bases, embedded),
            Sort::Manager { bases } => {
                let own = OwnClass {
                    bases,
                    methods: methods(&class.body),
                };
                self.file.classes.insert(class.name.clone(), own);
                Ok(())
            }
            Sort::Enumeration => {
                let members = self.members(&class.body)?;
                self.constants
                    .define_enumeration(&class.name, members.clone());
                self.file.enums.insert(class.name.clone(), members);
                Ok(())
            }
            Sort::Field(kind) => {
                self.fields.insert(class.name.clone(), kind);
                self.skip(format!("methods of the field class {}", class.name), span);
                Ok(())
            }
            Sort::Other => {
                self.skip(format!("class {}", class.name), span);
                Ok(())
            }
        }
    }

    /// What a class is, by its bases.
    fn sort(&self, args: &[Arg]) -> Sort {
        let mut bases = Vec::new();
        let mut managers = Vec::new();
        let (mut model, mut embedded, mut manager) = (false, false, false);
        for arg in args {
            if !matches!(arg.kind, ArgKind::Positional) {
                continue;
            }
            let node = &arg.value;
            if let Some(found) = self.manager_bases(node) {
                manager = true;
                managers.extend(found);
                continue;
            }
            let Some(path) = dotted(node) else { continue };
            let last = path.rsplit('.').next().unwrap_or_default();
            let bare = !path.contains('.');
            if bare && let Some(base) = self.file.models.get(last) {
                model = true;
                embedded |= base.embedded;
                bases.push(last.to_owned());
            } else if last == "Model" {
                model = true;
            } else if last == "EmbeddedModel" {
                (model, embedded) = (true, true);
            } else if matches!(
                last,
                "AbstractUser" | "AbstractBaseUser" | "PermissionsMixin"
            ) {
                model = true;
                bases.push(last.to_owned());
            } else if let Some(label) = self.file.imports.get(&path).filter(|label| {
                contrib::APPS
                    .iter()
                    .any(|(app, _)| label.starts_with(&format!("{app}.")))
            }) {
                model = true;
                bases.push(label.clone());
            } else if ENUMERATIONS.contains(&last) || self.file.enums.contains_key(last) {
                return Sort::Enumeration;
            } else if let Some(kind) = self.field_kind(last) {
                return Sort::Field(kind);
            } else if last == "Field" {
                return Sort::Field(FieldKind::TextField);
            }
        }
        if model {
            Sort::Model { bases, embedded }
        } else if manager {
            Sort::Manager { bases: managers }
        } else {
            Sort::Other
        }
    }

    /// The field class of a name.
    pub(super) fn field_kind(&self, name: &str) -> Option<FieldKind> {
        self.fields
            .get(name)
            .copied()
            .or_else(|| super::option::kind_of(name))
    }

    /// The project's classes behind a manager or queryset class; `None` if it is none.
    fn manager_bases(&self, node: &Node) -> Option<Vec<String>> {
        if let Some(path) = dotted(node) {
            let last = path.rsplit('.').next().unwrap_or_default();
            if self.file.classes.contains_key(last) {
                return Some(vec![last.to_owned()]);
            }
            return (last.ends_with("Manager") || last.ends_with("QuerySet")).then(Vec::new);
        }
        // Manager.from_queryset(QuerySet)
        let (callee, args) = called(node)?;
        let (owner, method) = callee.rsplit_once('.')?;
        if method != "from_queryset" {
            return None;
        }
        let mut bases: Vec<String> = args
            .iter()
            .filter_map(|a| dotted(&a.value))
            .filter(|name| self.file.classes.contains_key(name))
            .collect();
        if self.file.classes.contains_key(owner) {
            bases.insert(0, owner.to_owned());
        }
        Some(bases)
    }

    /// The class of a manager that an expression makes: the outer `None` if it makes none.
    fn manager(&mut self, node: &Node) -> Option<Option<String>> {
        let Kind::Postfix { base, trailers } = &node.kind else {
            return None;
        };
        let (last, rest) = trailers.split_last()?;
        let TrailerKind::Call(_) = &last.kind else {
            return None;
        };
        let head = Node {
            kind: if rest.is_empty() {
                base.kind.clone()
            } else {
                Kind::Postfix {
                    base: base.clone(),
                    trailers: rest.to_vec(),
                }
            },
            span: node.span,
        };
        // QuerySet.as_manager()
        if let Some(path) = dotted(&head)
            && let Some(owner) = path.strip_suffix(".as_manager")
        {
            let class = self
                .file
                .classes
                .contains_key(owner)
                .then(|| owner.to_owned());
            return Some(class);
        }
        let bases = self.manager_bases(&head)?;
        match bases.as_slice() {
            [] => Some(None),
            [one] => Some(Some(one.clone())),
            many => {
                let name = many.join("+");
                self.file.classes.entry(name.clone()).or_insert(OwnClass {
                    bases: many.to_vec(),
                    methods: IndexMap::new(),
                });
                Some(Some(name))
            }
        }
    }

    /// Members of an enumeration: the first element of a pair is the value.
    fn members(&mut self, body: &[Stmt]) -> Result<IndexMap<String, Value>> {
        let mut members = IndexMap::new();
        for stmt in body {
            let StmtKind::Assign { targets, value } = &stmt.kind else {
                continue;
            };
            let Ok(value) = self.constants.constant(value) else {
                continue;
            };
            let value = match value {
                Value::List(items) if items.len() == 2 => {
                    items.into_iter().next().unwrap_or(Value::Null)
                }
                other => other,
            };
            for target in targets {
                if let Kind::Name(name) = &target.kind {
                    self.constants.define(name, value.clone())?;
                    members.insert(name.clone(), value.clone());
                }
            }
        }
        Ok(members)
    }

    fn model(&mut self, class: &ClassDef, bases: Vec<String>, embedded: bool) -> Result<()> {
        let own_user = matches!(
            class.name.as_str(),
            "AbstractUser" | "AbstractBaseUser" | "PermissionsMixin"
        );
        if self.file.models.contains_key(&class.name) && !own_user {
            return Err(Error::new(
                Code::Schema,
                format!("the model '{}' is declared twice", class.name),
            )
            .with_span(class.name_span));
        }
        let mut draft = Draft {
            name: class.name.clone(),
            span: class.name_span,
            bases,
            embedded,
            fields: Vec::new(),
            removed: Vec::new(),
            meta: None,
            constants: IndexMap::new(),
            managers: IndexMap::new(),
        };
        for stmt in &class.body {
            self.member(&mut draft, stmt)
                .map_err(|e| e.with_span(stmt.span))?;
        }
        self.file.models.insert(class.name.clone(), draft);
        Ok(())
    }

    /// One statement of a model's body.
    fn member(&mut self, draft: &mut Draft, stmt: &Stmt) -> Result<()> {
        match &stmt.kind {
            StmtKind::Assign { targets, value } => {
                let [
                    Node {
                        kind: Kind::Name(name),
                        span,
                    },
                ] = targets.as_slice()
                else {
                    self.skip(format!("assignment in {}", draft.name), stmt.span);
                    return Ok(());
                };
                self.assigned(draft, name, *span, value, stmt.span)
            }
            StmtKind::Class(class) if class.name == "Meta" => {
                draft.meta = Some(meta::read(self, class)?);
                Ok(())
            }
            StmtKind::Class(class) => {
                if matches!(self.sort(&class.bases), Sort::Enumeration) {
                    for (member, value) in self.members(&class.body)? {
                        draft
                            .constants
                            .insert(format!("{}.{member}", class.name), value);
                    }
                } else {
                    self.skip(format!("class {}.{}", draft.name, class.name), stmt.span);
                }
                Ok(())
            }
            StmtKind::Function(function) => {
                self.skip(
                    format!("method {}.{}", draft.name, function.name),
                    stmt.span,
                );
                Ok(())
            }
            StmtKind::Pass => Ok(()),
            StmtKind::Expr(node) if matches!(node.kind, Kind::Str(_) | Kind::Ellipsis) => Ok(()),
            StmtKind::Skipped(word) => {
                self.skip(format!("'{word}' statement in {}", draft.name), stmt.span);
                Ok(())
            }
            _ => {
                self.skip(format!("statement in {}", draft.name), stmt.span);
                Ok(())
            }
        }
    }

    fn assigned(
        &mut self,
        draft: &mut Draft,
        name: &str,
        name_span: Span,
        value: &Node,
        span: Span,
    ) -> Result<()> {
        if let Some((callee, args)) = called(value) {
            let last = callee.rsplit('.').next().unwrap_or_default();
            if self.field_kind(last).is_some() || last == "GeneratedField" {
                let mut field = read_field(self, name, last, args, value.span)?;
                field.name_span = name_span;
                if draft.fields.iter().any(|f| f.spec.name == name) {
                    draft.fields.retain(|f| f.spec.name != name);
                }
                draft.fields.push(field);
                return Ok(());
            }
            if let Some(class) = self.manager(value) {
                draft.managers.insert(name.to_owned(), class);
                return Ok(());
            }
            let meant = closest(last, FieldKind::ALL.iter().map(|kind| kind.name()));
            let known = crate::text::eval::is_known(last);
            if last.ends_with("Field")
                || last.ends_with("Key")
                || !known
                    && last.starts_with(char::is_uppercase)
                    && (callee.starts_with("models.") || meant.is_some())
            {
                return Err(Error::new(
                    Code::Python,
                    format!("the field class '{last}' is not known"),
                )
                .with_span(value.span)
                .with_hint(match meant {
                    Some(meant) => format!(
                        "did you mean '{meant}'? Own field classes are declared in this file, on the base of a known one"
                    ),
                    None => "declare it in this file on the base of a known field class".to_owned(),
                }));
            }
        } else if let Some(class) = self.manager(value) {
            draft.managers.insert(name.to_owned(), class);
            return Ok(());
        }
        if matches!(value.kind, Kind::None) {
            draft.removed.push(name.to_owned());
            return Ok(());
        }
        if let Some(path) = dotted(value)
            && let Some((class, member)) = path.split_once('.')
            && let Some(found) = draft
                .constants
                .get(&format!("{class}.{member}"))
                .or_else(|| self.file.enums.get(class).and_then(|e| e.get(member)))
        {
            let found = found.clone();
            self.constants.define(name, found.clone())?;
            draft.constants.insert(name.to_owned(), found);
            return Ok(());
        }
        match self.constants.constant(value) {
            Ok(constant) => {
                self.constants.define(name, constant.clone())?;
                draft.constants.insert(name.to_owned(), constant);
            }
            Err(_) => self.skip(format!("assignment {}.{name}", draft.name), span),
        }
        Ok(())
    }
}

/// The functions of a class.
fn methods(body: &[Stmt]) -> IndexMap<String, FunctionDef> {
    body.iter()
        .filter_map(|stmt| match &stmt.kind {
            StmtKind::Function(function) => Some((function.name.clone(), function.clone())),
            _ => None,
        })
        .collect()
}

/// `a.b.c` as text.
pub(super) fn dotted(node: &Node) -> Option<String> {
    match &node.kind {
        Kind::Name(name) => Some(name.clone()),
        Kind::Postfix { base, trailers } => path(base, trailers),
        _ => None,
    }
}

fn path(base: &Node, trailers: &[Trailer]) -> Option<String> {
    let Kind::Name(name) = &base.kind else {
        return None;
    };
    let mut path = name.clone();
    for trailer in trailers {
        match &trailer.kind {
            TrailerKind::Attribute(name) => {
                path.push('.');
                path.push_str(name);
            }
            // Type parameters: models.Manager["Book"].
            TrailerKind::Index(_) => {}
            TrailerKind::Call(_) => return None,
        }
    }
    Some(path)
}

/// A call of a dotted name: the name and the arguments.
pub(super) fn called(node: &Node) -> Option<(String, &[Arg])> {
    let Kind::Postfix { base, trailers } = &node.kind else {
        return None;
    };
    let (last, rest) = trailers.split_last()?;
    let TrailerKind::Call(args) = &last.kind else {
        return None;
    };
    Some((path(base, rest)?, args))
}

/// The label of the app that a module of models belongs to.
fn app_of(module: &str, own: &str) -> String {
    let parts: Vec<&str> = module.split('.').filter(|p| !p.is_empty()).collect();
    match parts.as_slice() {
        [] | ["models"] => own.to_owned(),
        [.., app, "models"] | [.., app, "models", _] => (*app).to_owned(),
        _ if module.starts_with('.') => own.to_owned(),
        [.., last] => (*last).to_owned(),
    }
}
