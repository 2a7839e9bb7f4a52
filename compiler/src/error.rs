//! What the compiler answers when it cannot compile.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The result of everything that can be refused.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A refusal: what, where, and what would have been possible.
///
/// The error is boxed, so that results stay small.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Error(Box<Detail>);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Detail {
    code: Code,
    message: String,
    /// JSON path into the statement or schema, `/calls/2/filter/and/0`.
    at: String,
    span: Option<Span>,
    choices: Vec<String>,
    hint: Option<String>,
    because: Option<String>,
}

/// A range of bytes in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
}

impl Span {
    /// The place of what nobody wrote.
    pub(crate) const NOWHERE: Span = Span { start: 0, end: 0 };
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $django:literal;)*) => {
        /// Which refusal it is. The number is stable; each has a section in `docs/errors.md`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[non_exhaustive]
        pub enum Code { $($(#[doc = $doc])+ $name,)* }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &'static [Code] = &[$(Code::$name),*];

            /// The stable number, `E0301`.
            #[must_use]
            pub fn number(self) -> &'static str {
                match self { $(Code::$name => $number,)* }
            }

            /// Name of Django's exception class for the same mistake; empty where there is none.
            #[must_use]
            pub fn django_class(self) -> &'static str {
                match self { $(Code::$name => $django,)* }
            }
        }
    };
}

codes! {
    /// The JSON is not JSON, or not of the documented form.
    Decode = "E0101", "";
    /// The schema contradicts itself.
    Schema = "E0102", "";
    /// The text is not a queryset.
    Syntax = "E0201", "SyntaxError";
    /// The text uses Python that is not understood here.
    Python = "E0202", "NameError";
    /// A name does not lead to a field.
    UnknownField = "E0301", "FieldError";
    /// A name does not lead to a model.
    UnknownModel = "E0302", "LookupError";
    /// A field that the model does not have, where Django asks the model itself.
    FieldDoesNotExist = "E0303", "FieldDoesNotExist";
    /// A function, aggregate or lookup that is not registered.
    UnknownFunction = "E0304", "FieldError";
    /// A lookup that the field does not have.
    UnsupportedLookup = "E0401", "FieldError";
    /// Expressions or fields used where Django refuses them.
    FieldError = "E0402", "FieldError";
    /// A call with arguments of the wrong kind, or at the wrong time.
    TypeError = "E0403", "TypeError";
    /// A value that cannot be what it must be.
    ValueError = "E0404", "ValueError";
    /// A value that the field's validation refuses.
    ValidationError = "E0405", "ValidationError";
    /// The type of an expression cannot be told.
    OutputFieldIsNone = "E0406", "OutputFieldIsNoneError";
    /// An attribute that Django does not find.
    AttributeError = "E0407", "AttributeError";
    /// Django itself refuses this on databases.
    NotSupported = "E0501", "NotSupportedError";
    /// mqlc cannot compile this (yet, or for this target).
    Unsupported = "E0502", "NotSupportedError";
    /// A construct of Django without a MongoDB form; Django raises `NotImplementedError`.
    NotImplemented = "E0503", "NotImplementedError";
    /// A refusal that databases raise at run time and that is certain when compiling.
    DatabaseError = "E0504", "DatabaseError";
    /// A queryset that holds no row by contradiction where one is required.
    EmptyResultSet = "E0505", "EmptyResultSet";
    /// Deleting is forbidden by `PROTECT`.
    ProtectedError = "E0506", "ProtectedError";
    /// Deleting is forbidden by `RESTRICT`.
    RestrictedError = "E0507", "RestrictedError";
    /// A value violates a constraint that is known when compiling.
    IntegrityError = "E0508", "IntegrityError";
    /// Too deep or too large.
    Limit = "E0601", "RecursionError";
    /// A bug of mqlc: an invariant between passes does not hold.
    Internal = "E0901", "";
}

impl Error {
    /// An error without a place.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Error(Box::new(Detail {
            code,
            message: message.into(),
            at: String::new(),
            span: None,
            choices: Vec::new(),
            hint: None,
            because: None,
        }))
    }

    /// What mqlc cannot do, and why.
    pub fn unsupported(what: impl fmt::Display, because: impl Into<String>) -> Self {
        let mut error = Error::new(Code::Unsupported, format!("{what} is not supported"));
        error.0.because = Some(because.into());
        error
    }

    /// A broken invariant.
    pub fn internal(message: impl Into<String>) -> Self {
        Error::new(Code::Internal, message)
    }

    /// The same refusal in other words: place, choices and hint stay.
    pub(crate) fn reworded(mut self, code: Code, message: impl Into<String>) -> Self {
        self.0.code = code;
        self.0.message = message.into();
        self
    }

    /// The same refusal without a place.
    pub(crate) fn elsewhere(mut self) -> Self {
        self.0.at.clear();
        self
    }

    /// Sets the JSON path if there is none yet.
    #[must_use]
    pub fn at(mut self, path: impl Into<String>) -> Self {
        if self.0.at.is_empty() {
            self.0.at = path.into();
        }
        self
    }

    /// Puts a step in front of the JSON path: errors are located on the way out.
    #[must_use]
    pub fn inside(mut self, step: impl fmt::Display) -> Self {
        self.0.at = format!("/{step}{}", self.0.at);
        self
    }

    /// Sets the span in the text if there is none yet.
    #[must_use]
    pub fn with_span(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// Adds what would have been possible.
    #[must_use]
    pub fn with_choices<S: Into<String>>(mut self, choices: impl IntoIterator<Item = S>) -> Self {
        self.0.choices = choices.into_iter().map(Into::into).collect();
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Which refusal it is.
    #[must_use]
    pub fn code(&self) -> Code {
        self.0.code
    }

    /// What happened, in one sentence.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// JSON path into the statement or schema; empty for the whole.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.0.at
    }

    /// Place in the text, if it came from text.
    #[must_use]
    pub fn span(&self) -> Option<Span> {
        self.0.span
    }

    /// What would have been possible.
    #[must_use]
    pub fn choices(&self) -> &[String] {
        &self.0.choices
    }

    /// How to mend it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Why it cannot be done.
    #[must_use]
    pub fn because(&self) -> Option<&str> {
        self.0.because.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.code.number(), self.0.message)?;
        if let Some(because) = &self.0.because {
            write!(f, " because {because}")?;
        }
        if !self.0.at.is_empty() {
            write!(f, " (at {})", self.0.at)?;
        }
        if !self.0.choices.is_empty() {
            write!(f, "; choices are: {}", self.0.choices.join(", "))?;
        }
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}
