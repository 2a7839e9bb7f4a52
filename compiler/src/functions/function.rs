//! What a row of the registry says.

use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

use super::{
    Call, Context, Grouped, LoweredAggregate, LoweredCall, LoweredWindow, Names, Windowed,
};
use crate::error::Result;
use crate::mql::Expr;
use crate::queryset::Value;
use crate::schema::{FieldKind, FieldType};
use crate::target::{ServerVersion, Target};

/// Checks and completes a call: defaults, ranges of literal arguments, rewritten arguments.
pub type Check = fn(&mut Call, &Context<'_>) -> Result<()>;
/// The type of a call.
pub type TypeRule = fn(&Call, &Context<'_>) -> Result<Option<Arc<FieldType>>>;
/// The value of a call whose arguments are all constant, in storage form; `None` leaves it to the server.
pub type Fold = fn(&[&Bson], &IndexMap<String, Value>, &FieldType) -> Option<Bson>;
/// A scalar function in the aggregation language.
pub type LowerScalar = fn(&LoweredCall<'_>, &Target) -> Result<Expr>;
/// An aggregate as outputs of `$group`.
pub type LowerAggregate = fn(&LoweredAggregate<'_>, &mut Names<'_>, &Target) -> Result<Grouped>;
/// A window function as outputs of `$setWindowFields`.
pub type LowerWindow = fn(&LoweredWindow<'_>, &mut Names<'_>, &Target) -> Result<Windowed>;

/// A function, aggregate or window function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Class name in Django.
    pub name: &'static str,
    /// How it is used and lowered.
    pub kind: Kind,
    /// Number of arguments.
    pub arity: Arity,
    /// Names of the options that are no expressions.
    pub options: &'static [&'static str],
    /// Its type.
    pub output: Output,
    /// When it is NULL.
    pub nulls: NullRule,
    /// The server version that brought what it needs.
    pub since: ServerVersion,
    /// Checks beyond the number of arguments.
    pub check: Option<Check>,
    /// Its value for constants.
    pub fold: Option<Fold>,
    /// Names in a lookup path, each for some field classes (and their subclasses) or, if empty, for those for which
    /// the schema's settings register it.
    pub transforms: Vec<(&'static str, &'static [FieldKind])>,
    /// Names of lookups that it is the meaning of, as [`Function::transforms`]: a boolean function of both sides.
    pub lookups: Vec<(&'static str, &'static [FieldKind])>,
}

/// How a function is used and lowered.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// One value from the values of a row.
    Scalar(LowerScalar),
    /// One value from the rows of a group; also over the frame of a window.
    Aggregate(LowerAggregate, AggregateRules),
    /// One value from the rows of a window.
    Window(LowerWindow),
}

/// What an aggregate allows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AggregateRules {
    /// `distinct=True`.
    pub distinct: bool,
    /// `order_by=`.
    pub ordered: bool,
    /// Its value without rows is 0, not NULL; then `default=` is refused.
    pub zero: bool,
}

/// Number of arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arity {
    /// At least.
    pub min: usize,
    /// At most; `None` for any number.
    pub max: Option<usize>,
}

impl Arity {
    /// Exactly `n`.
    #[must_use]
    pub const fn exactly(n: usize) -> Self {
        Arity {
            min: n,
            max: Some(n),
        }
    }

    /// `min` to `max`.
    #[must_use]
    pub const fn between(min: usize, max: usize) -> Self {
        Arity {
            min,
            max: Some(max),
        }
    }

    /// `min` or more.
    #[must_use]
    pub const fn at_least(min: usize) -> Self {
        Arity { min, max: None }
    }
}

/// How the type follows when the user gives none.
#[derive(Debug, Clone, Copy)]
pub enum Output {
    /// The common type of the arguments (`Expression._resolve_output_field`).
    Same,
    /// The type of the first argument.
    First,
    /// A class, whatever the arguments.
    Kind(FieldKind),
    /// Decimal if an argument is, else float (`NumericOutputFieldMixin`).
    Numeric,
    /// An array of the first argument's type.
    ArrayOfFirst,
    /// The element type of the first argument.
    Element,
    /// A rule of its own.
    Rule(TypeRule),
    /// The user must give it.
    Given,
}

/// When a function is NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullRule {
    /// Exactly if an argument is.
    Strict,
    /// If an argument is, and for some other values too.
    Partial,
    /// Only if all arguments are.
    All,
    /// Never.
    Never,
    /// Unknown.
    Any,
}

impl NullRule {
    /// Whether the function can be NULL, given which arguments can be.
    pub fn nullable(self, mut args: impl Iterator<Item = bool>) -> bool {
        match self {
            NullRule::Strict => args.any(|n| n),
            NullRule::All => args.all(|n| n),
            NullRule::Never => false,
            NullRule::Partial | NullRule::Any => true,
        }
    }

    /// Whether a NULL argument makes the function NULL.
    #[must_use]
    pub fn rejects_null(self) -> bool {
        matches!(self, NullRule::Strict | NullRule::Partial)
    }
}

impl Function {
    fn new(name: &'static str, kind: Kind, arity: Arity, output: Output, nulls: NullRule) -> Self {
        Function {
            name,
            kind,
            arity,
            options: &[],
            output,
            nulls,
            since: ServerVersion::new(5, 0),
            check: None,
            fold: None,
            transforms: Vec::new(),
            lookups: Vec::new(),
        }
    }

    /// A scalar function with an exact number of arguments.
    #[must_use]
    pub fn scalar(
        name: &'static str,
        arity: usize,
        output: Output,
        nulls: NullRule,
        lower: LowerScalar,
    ) -> Self {
        Self::new(
            name,
            Kind::Scalar(lower),
            Arity::exactly(arity),
            output,
            nulls,
        )
    }

    /// An aggregate with an exact number of arguments.
    #[must_use]
    pub fn aggregate(
        name: &'static str,
        arity: usize,
        output: Output,
        rules: AggregateRules,
        lower: LowerAggregate,
    ) -> Self {
        let nulls = if rules.zero {
            NullRule::Never
        } else {
            NullRule::Any
        };
        Self::new(
            name,
            Kind::Aggregate(lower, rules),
            Arity::exactly(arity),
            output,
            nulls,
        )
    }

    /// A window function with an exact number of arguments.
    #[must_use]
    pub fn window(
        name: &'static str,
        arity: usize,
        output: Output,
        nulls: NullRule,
        lower: LowerWindow,
    ) -> Self {
        Self::new(
            name,
            Kind::Window(lower),
            Arity::exactly(arity),
            output,
            nulls,
        )
    }

    /// Another number of arguments.
    #[must_use]
    pub fn arity(mut self, arity: Arity) -> Self {
        self.arity = arity;
        self
    }

    /// Options that are no expressions.
    #[must_use]
    pub fn options(mut self, names: &'static [&'static str]) -> Self {
        self.options = names;
        self
    }

    /// The server version that brought what it needs.
    #[must_use]
    pub fn since(mut self, major: u16, minor: u16) -> Self {
        self.since = ServerVersion::new(major, minor);
        self
    }

    /// Checks beyond the number of arguments.
    #[must_use]
    pub fn check(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// Its value for constants.
    #[must_use]
    pub fn fold(mut self, fold: Fold) -> Self {
        self.fold = Some(fold);
        self
    }

    /// A name in a lookup path, for these field classes; without any, only where the schema registers it.
    #[must_use]
    pub fn transform(mut self, name: &'static str, kinds: &'static [FieldKind]) -> Self {
        self.transforms.push((name, kinds));
        self
    }

    /// A name of a lookup: `path__name=value` is the function of the path and the value, which must be boolean. For
    /// these field classes and their subclasses, or for all without any.
    #[must_use]
    pub fn lookup(mut self, name: &'static str, kinds: &'static [FieldKind]) -> Self {
        self.lookups.push((name, kinds));
        self
    }

    /// Is it an aggregate.
    #[must_use]
    pub fn is_aggregate(&self) -> bool {
        matches!(self.kind, Kind::Aggregate(..))
    }

    /// May it stand before `OVER`.
    #[must_use]
    pub fn is_window_compatible(&self) -> bool {
        matches!(self.kind, Kind::Aggregate(..) | Kind::Window(_))
    }
}
