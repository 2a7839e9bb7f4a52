//! The canonical text of a statement: the Python that Django's users would write for it.
//!
//! `Book.objects.filter(Q(author__name__icontains="le guin") | ~Q(pages__lt=100)).order_by("-published")[:10]`. Reading
//! such a text gives the same statement again, up to the shape of conditions that mean the same (`Q(Q(x))` is `Q(x)`).
//! Models are written by the name of their class where it is the only one of that name, else
//! as `apps.get_model("app.Model")`.
//!
//! | file | holds |
//! |---|---|
//! | `call` | querysets, their methods, terminals |
//! | `condition` | `Q` objects |
//! | `expr` | expressions and types |
//! | `function` | functions, aggregates, windows: how their arguments are written |
//! | `literal` | Python literals |

mod call;
mod condition;
mod expr;
mod function;
mod literal;

use std::fmt;

use indexmap::IndexMap;

use super::{Expr, Q, Queryset, Statement};
use crate::schema::{Schema, model_name};

impl Statement {
    /// The statement in Django's Python.
    ///
    /// ```
    /// use mqlc_compiler::builder::*;
    /// let books = Query::from("library.Book")
    ///     .filter(f("author__name").icontains("le guin") | !f("pages").lt(100))
    ///     .order_by(["-published"])
    ///     .slice(..10);
    /// assert_eq!(
    ///     books.rows().to_text(),
    ///     r#"Book.objects.filter(Q(author__name__icontains="le guin") | ~Q(pages__lt=100)).order_by("-published")[:10]"#,
    /// );
    /// ```
    #[must_use]
    pub fn to_text(&self) -> String {
        written(None, |w| w.statement(self))
    }

    /// As [`Statement::to_text`]; classes are written by their name only where the whole schema has it once.
    #[must_use]
    pub fn to_text_in(&self, schema: &Schema) -> String {
        written(Some(schema), |w| w.statement(self))
    }
}

impl Queryset {
    /// The queryset in Django's Python.
    #[must_use]
    pub fn to_text(&self) -> String {
        written(None, |w| w.queryset(self))
    }
}

impl Q {
    /// The condition in Django's Python.
    #[must_use]
    pub fn to_text(&self) -> String {
        written(None, |w| w.q(self, Level::Any))
    }
}

impl Expr {
    /// The expression in Django's Python.
    #[must_use]
    pub fn to_text(&self) -> String {
        written(None, |w| w.expr(self, Style::Object, Level::Any))
    }
}

macro_rules! display {
    ($($ty:ty),*) => {$(
        /// The canonical text.
        impl fmt::Display for $ty {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.to_text())
            }
        }
    )*};
}
display!(Statement, Queryset, Q, Expr);

/// Writes; once more with qualified names if two models have classes of one name.
fn written(schema: Option<&Schema>, write: impl Fn(&mut Writer)) -> String {
    let mut writer = Writer::default();
    if let Some(schema) = schema {
        for model in schema.models() {
            writer.note_class(&model.label);
        }
    }
    write(&mut writer);
    if !writer.ambiguous {
        return writer.out;
    }
    let mut again = Writer {
        classes: writer.classes,
        ..Writer::default()
    };
    write(&mut again);
    again.out
}

/// How strongly operators of Python bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Any,
    Or,
    Xor,
    And,
    Sum,
    Product,
    Sign,
    Power,
    Atom,
}

/// What plain literals and names mean where an expression stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Literals are themselves: right sides, operands, assigned values.
    Literal,
    /// Text is the path of a field, other literals are themselves: arguments of functions.
    Path,
    /// Only objects will do.
    Object,
}

/// A text in the making.
#[derive(Default)]
struct Writer {
    out: String,
    /// Label of the model that a class name stands for; `None` if there are several.
    classes: IndexMap<String, Option<String>>,
    /// A class was written by its name before a second one of that name came up.
    ambiguous: bool,
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn note_class(&mut self, label: &str) {
        let class = model_name(label);
        match self.classes.get_mut(class) {
            None => {
                self.classes
                    .insert(class.to_owned(), Some(label.to_owned()));
            }
            Some(known) => {
                if known.as_deref().is_some_and(|known| known != label) {
                    *known = None;
                    self.ambiguous = true;
                }
            }
        }
    }

    /// The class of a model.
    fn class(&mut self, label: &str) {
        self.note_class(label);
        let class = model_name(label);
        if matches!(self.classes.get(class), Some(Some(_))) && is_name(class) {
            self.push(class);
        } else {
            self.push("apps.get_model(");
            self.string(label);
            self.push(")");
        }
    }

    /// Puts parentheses around what binds less than is wanted.
    fn level(&mut self, own: Level, wanted: Level, write: impl FnOnce(&mut Self)) {
        if own < wanted {
            self.push("(");
            write(self);
            self.push(")");
        } else {
            write(self);
        }
    }

    /// Items with commas between them.
    fn commas<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) {
        for (i, item) in items.into_iter().enumerate() {
            if i > 0 {
                self.push(", ");
            }
            write(self, item);
        }
    }

    /// Begins an argument: a comma if others came before, since `start`.
    fn argument(&mut self, start: usize) {
        if self.out.len() > start {
            self.push(", ");
        }
    }

    /// A keyword argument, after others since `start`. Names that Python does not allow go into a dict.
    fn keyword(&mut self, start: usize, name: &str, write: impl FnOnce(&mut Self)) {
        self.argument(start);
        if is_name(name) {
            self.push(name);
            self.push("=");
            write(self);
        } else {
            self.push("**{");
            self.string(name);
            self.push(": ");
            write(self);
            self.push("}");
        }
    }

    /// A keyword argument that is only written when it is true.
    fn flag(&mut self, start: usize, name: &str, value: bool) {
        if value {
            self.keyword(start, name, |w| w.push("True"));
        }
    }
}

/// Words that Python keeps to itself.
const KEYWORDS: &[&str] = &[
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Whether Python takes it as a name.
fn is_name(text: &str) -> bool {
    let mut chars = text.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !KEYWORDS.contains(&text)
}
