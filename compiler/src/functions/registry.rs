//! The rows by name.

use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

use super::typing::{infer, numeric, plain, unknown_type};
use super::{
    AggregateRequest, AggregateRules, Arg, Call, Context, Function, Grouped, Kind,
    LoweredAggregate, LoweredArg, LoweredCall, LoweredWindow, Names, NullRule, Output,
    ResolvedAggregate, Windowed, arithmetic, array, combined_type, families, is_subclass,
};
use crate::error::{Code, Error, Result};
use crate::mql::Expr;
use crate::plan::{AggregateCall, Scalar, WindowFrame};
use crate::queryset::{ArithmeticOp, Value};
use crate::schema::{FieldKind, FieldType, Settings, StorageFamily};
use crate::target::Target;

/// Known names that no row has, with the reason.
const ABSENT: &[(&[&str], &str)] = &[
    (
        &[
            "SearchVector",
            "SearchQuery",
            "SearchRank",
            "SearchHeadline",
        ],
        "it is the text search of PostgreSQL, and the $search stage is not compiled yet; raw_aggregate() takes it",
    ),
    (
        &[
            "SearchAutocomplete",
            "SearchEquals",
            "SearchExists",
            "SearchGeoShape",
            "SearchGeoWithin",
            "SearchIn",
            "SearchPhrase",
            "SearchQueryString",
            "SearchRange",
            "SearchRegex",
            "SearchText",
            "SearchWildcard",
            "CompoundExpression",
        ],
        "the $search stage is not compiled yet; raw_aggregate() takes it",
    ),
    (
        &[
            "TrigramSimilarity",
            "TrigramDistance",
            "TrigramWordSimilarity",
            "TrigramWordDistance",
            "TrigramStrictWordSimilarity",
            "TrigramStrictWordDistance",
        ],
        "trigrams are an extension of PostgreSQL that MongoDB has no operator for",
    ),
];

/// Functions by name.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    functions: IndexMap<&'static str, Function>,
}

/// What a name in a lookup path stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct Transform {
    /// Function.
    pub function: &'static str,
    /// Arguments after the transformed value.
    pub args: Vec<Arg>,
    /// Options.
    pub options: IndexMap<String, Value>,
}

impl Transform {
    /// The transformed value.
    ///
    /// # Errors
    /// Whatever Django refuses.
    pub fn apply(&self, arg: Arg, registry: &Registry, cx: &Context<'_>) -> Result<Scalar> {
        let mut call = Call::new(self.function, [arg]);
        call.args.extend(self.args.iter().cloned());
        call.options.clone_from(&self.options);
        registry.resolve(call, cx)
    }
}

impl Registry {
    /// No functions.
    #[must_use]
    pub fn empty() -> Self {
        Registry::default()
    }

    /// The functions of Django 5.2 and of its MongoDB backend.
    #[must_use]
    pub fn django() -> Self {
        let mut registry = Registry::default();
        for function in families() {
            registry.register(function);
        }
        registry
    }

    /// Adds a function, or replaces the one of that name, which is returned.
    pub fn register(&mut self, function: Function) -> Option<Function> {
        self.functions.insert(function.name, function)
    }

    /// All functions.
    pub fn iter(&self) -> impl Iterator<Item = &Function> {
        self.functions.values()
    }

    /// A function by Django's class name.
    #[must_use]
    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.get(name)
    }

    fn get(&self, name: &str) -> Result<&Function> {
        self.function(name).ok_or_else(|| {
            if let Some((_, because)) = ABSENT.iter().find(|(names, _)| names.contains(&name)) {
                return Error::unsupported(format!("{name}()"), *because);
            }
            let error = Error::new(Code::UnknownFunction, format!("Unknown function '{name}'"));
            let meant = crate::diagnostic::closest(name, self.functions.keys().copied());
            match meant.map(|meant| format!("did you mean '{meant}'?")) {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
            .with_choices(self.functions.keys().copied())
        })
    }

    /// When a function is NULL; `Any` for unknown names.
    #[must_use]
    pub fn null_rule(&self, name: &str) -> NullRule {
        self.function(name).map_or(NullRule::Any, |f| f.nulls)
    }

    /// Whether a call can be NULL, given which arguments can be.
    pub fn nullable(&self, name: &str, args: impl Iterator<Item = bool>) -> bool {
        self.null_rule(name).nullable(args)
    }

    /// The value of an aggregate without rows.
    #[must_use]
    pub fn empty_value(&self, name: &str) -> Bson {
        match self.function(name).map(|f| f.kind) {
            Some(Kind::Aggregate(_, AggregateRules { zero: true, .. })) => Bson::Int64(0),
            _ => Bson::Null,
        }
    }

    /// The value of a call with constant arguments, in storage form.
    #[must_use]
    pub fn fold(
        &self,
        name: &str,
        args: &[&Bson],
        options: &IndexMap<String, Value>,
        ty: &FieldType,
    ) -> Option<Bson> {
        let function = self.function(name)?;
        if function.nulls.rejects_null() && args.iter().any(|a| matches!(a, Bson::Null)) {
            return Some(Bson::Null);
        }
        (function.fold?)(args, options, ty)
    }

    /// Checks and types a scalar call.
    ///
    /// # Errors
    /// Whatever Django refuses, with its class and message; `UnknownFunction`.
    pub fn resolve(&self, mut call: Call, cx: &Context<'_>) -> Result<Scalar> {
        let function = self.prepare(&mut call, cx)?;
        if !matches!(function.kind, Kind::Scalar(_)) {
            return Err(Error::new(
                Code::TypeError,
                format!("{} is not a scalar function", function.name),
            ));
        }
        let ty = output_type(function, &call, cx)?.ok_or_else(unknown_type)?;
        Ok(Scalar::Call {
            function: call.name,
            args: call.args.into_iter().map(|a| a.scalar).collect(),
            options: call.options,
            ty,
        })
    }

    /// The type of a call with given arguments, without checks of the arguments.
    ///
    /// # Errors
    /// `FieldError` for mixed types, `UnknownFunction`.
    pub fn output_type(&self, call: &Call, cx: &Context<'_>) -> Result<Option<Arc<FieldType>>> {
        output_type(self.get(&call.name)?, call, cx)
    }

    /// Checks and types an aggregate or a window function.
    ///
    /// # Errors
    /// Whatever Django refuses, with its class and message; `UnknownFunction`.
    pub fn aggregate(
        &self,
        request: AggregateRequest,
        cx: &Context<'_>,
    ) -> Result<ResolvedAggregate> {
        let function = self.get(&request.name)?;
        let rules = match function.kind {
            Kind::Aggregate(_, rules) => rules,
            _ => AggregateRules::default(),
        };
        if request.distinct && !rules.distinct {
            return Err(Error::new(
                Code::TypeError,
                format!("{} does not allow distinct.", function.name),
            ));
        }
        if rules.zero && request.default.is_some() {
            return Err(Error::new(
                Code::TypeError,
                format!("{} does not allow default.", function.name),
            ));
        }
        let star = rules.zero && request.args.is_empty();
        if star && request.filter.is_some() {
            return Err(Error::new(
                Code::ValueError,
                "Star cannot be used with filter. Please specify a field.",
            ));
        }
        if !function.is_aggregate()
            && (request.filter.is_some() || request.default.is_some() || !request.order.is_empty())
        {
            return Err(Error::new(
                Code::TypeError,
                format!("{} takes no filter, default or order_by", function.name),
            ));
        }
        if !request.order.is_empty() && !rules.ordered {
            return Err(Error::new(
                Code::TypeError,
                format!("{} does not allow order_by.", function.name),
            ));
        }
        let mut call = Call {
            name: request.name,
            args: request.args,
            options: request.options,
            output: request.output,
        };
        let function = if star {
            function
        } else {
            self.prepare(&mut call, cx)?
        };
        let ty = output_type(function, &call, cx)?.ok_or_else(unknown_type)?;
        Ok(ResolvedAggregate {
            call: AggregateCall {
                function: call.name,
                args: call.args.into_iter().map(|a| a.scalar).collect(),
                distinct: request.distinct,
                filter: request.filter,
                order: request.order,
                options: call.options,
                ty: ty.clone(),
            },
            default: request.default.map(|d| d.scalar),
            ty,
        })
    }

    /// Refuses what cannot stand before `OVER`.
    ///
    /// # Errors
    /// `ValueError` with Django's message.
    pub fn check_window(&self, name: &str) -> Result<()> {
        match self.function(name) {
            Some(function) if function.is_window_compatible() => Ok(()),
            _ => Err(Error::new(
                Code::ValueError,
                format!("Expression '{name}' isn't compatible with OVER clauses."),
            )),
        }
    }

    /// `lhs op rhs`. Without an `output` the type follows from Django's table.
    ///
    /// # Errors
    /// `FieldError` for types that do not combine.
    pub fn combine(
        &self,
        op: ArithmeticOp,
        lhs: Arg,
        rhs: Arg,
        output: Option<Arc<FieldType>>,
        _cx: &Context<'_>,
    ) -> Result<Scalar> {
        let ty = match output {
            Some(ty) => ty,
            None => arithmetic::result_type(op, &lhs, &rhs)?,
        };
        Ok(Scalar::Arithmetic {
            op,
            lhs: Box::new(lhs.scalar),
            rhs: Box::new(rhs.scalar),
            ty,
        })
    }

    /// `-arg`, which Django takes as `arg * -1`.
    ///
    /// # Errors
    /// `FieldError` for what is no number.
    pub fn negate(
        &self,
        arg: Arg,
        output: Option<Arc<FieldType>>,
        cx: &Context<'_>,
    ) -> Result<Scalar> {
        let minus_one = Arg::literal(-1_i64, FieldKind::IntegerField);
        self.combine(ArithmeticOp::Mul, arg, minus_one, output, cx)
    }

    /// `F(...)[start:stop]`.
    ///
    /// # Errors
    /// `NotSupported` for types that have no slices, as Django says it.
    pub fn slice(
        &self,
        arg: Arg,
        start: u64,
        stop: Option<u64>,
        cx: &Context<'_>,
    ) -> Result<Scalar> {
        self.resolve(array::slice_call(arg, start, stop)?, cx)
    }

    /// An explicit conversion.
    #[must_use]
    pub fn cast(&self, arg: Arg, to: Arc<FieldType>) -> Scalar {
        Scalar::Call {
            function: "Cast".to_owned(),
            args: vec![arg.scalar],
            options: IndexMap::new(),
            ty: to,
        }
    }

    /// The common type of several expressions (`Case` and the like).
    ///
    /// # Errors
    /// `FieldError` for mixed types.
    pub fn infer(&self, types: &[Option<Arc<FieldType>>]) -> Result<Option<Arc<FieldType>>> {
        infer(types)
    }

    /// The function that a lookup of this name means after a value of a type.
    #[must_use]
    pub fn lookup(&self, ty: &FieldType, name: &str) -> Option<&Function> {
        self.functions.values().find(|function| {
            function.lookups.iter().any(|(lookup, kinds)| {
                *lookup == name
                    && (kinds.is_empty() || kinds.iter().any(|kind| is_subclass(ty.kind, *kind)))
            })
        })
    }

    /// Names of the registered lookups after a value of a type.
    #[must_use]
    pub fn lookup_names(&self, ty: &FieldType) -> Vec<String> {
        let names = self.functions.values().flat_map(|f| &f.lookups);
        names
            .filter(|(_, kinds)| {
                kinds.is_empty() || kinds.iter().any(|kind| is_subclass(ty.kind, *kind))
            })
            .map(|(name, _)| (*name).to_owned())
            .collect()
    }

    /// What a name in a lookup path means after a value of a type. Keys of JSON values and names of embedded fields
    /// are not here.
    #[must_use]
    pub fn transform(&self, ty: &FieldType, name: &str, settings: &Settings) -> Option<Transform> {
        let embedded = ty.kind.family() == StorageFamily::EmbeddedArray;
        if (is_subclass(ty.kind, FieldKind::ArrayField) || embedded && name == "len")
            && let Some(found) = array::transform(name)
        {
            return Some(found);
        }
        let registered = settings.lookups.iter().find_map(|(class, names)| {
            let class = FieldKind::from_name(class)?;
            is_subclass(ty.kind, class).then(|| names.get(name))?
        });
        for function in self.functions.values() {
            let by_setting = registered.is_some_and(|wanted| wanted == function.name);
            for (path, kinds) in &function.transforms {
                let by_class =
                    *path == name && kinds.iter().any(|kind| is_subclass(ty.kind, *kind));
                if by_class || by_setting {
                    return Some(Transform {
                        function: function.name,
                        args: Vec::new(),
                        options: IndexMap::new(),
                    });
                }
            }
            if by_setting {
                return Some(Transform {
                    function: function.name,
                    args: Vec::new(),
                    options: IndexMap::new(),
                });
            }
        }
        None
    }

    /// The names that [`Registry::transform`] knows for a type.
    #[must_use]
    pub fn transform_names(&self, ty: &FieldType, settings: &Settings) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for function in self.functions.values() {
            for (path, kinds) in &function.transforms {
                if kinds.iter().any(|kind| is_subclass(ty.kind, *kind)) {
                    names.push((*path).to_owned());
                }
            }
        }
        for (class, registered) in &settings.lookups {
            if FieldKind::from_name(class).is_some_and(|class| is_subclass(ty.kind, class)) {
                names.extend(registered.keys().cloned());
            }
        }
        if is_subclass(ty.kind, FieldKind::ArrayField)
            || ty.kind.family() == StorageFamily::EmbeddedArray
        {
            names.push("len".to_owned());
        }
        names.sort();
        names.dedup();
        names
    }

    /// A scalar call in the aggregation language.
    ///
    /// # Errors
    /// `Unsupported` for what the target cannot do.
    pub fn lower_call(&self, call: &LoweredCall<'_>, target: &Target) -> Result<Expr> {
        let function = self.get(call.function)?;
        self.check_version(function, target)?;
        match function.kind {
            Kind::Scalar(lower) => lower(call, target),
            _ => Err(Error::internal(format!("{} as a scalar", call.function))),
        }
    }

    /// `lhs op rhs` in the aggregation language.
    ///
    /// # Errors
    /// `Unsupported` for what the target cannot do.
    pub fn lower_arithmetic(
        &self,
        op: ArithmeticOp,
        lhs: &LoweredArg,
        rhs: &LoweredArg,
        ty: &FieldType,
        target: &Target,
    ) -> Result<Expr> {
        arithmetic::lower(op, lhs, rhs, ty, target)
    }

    /// An aggregate as outputs of `$group`.
    ///
    /// # Errors
    /// `Unsupported` for what the target cannot do.
    pub fn lower_aggregate(
        &self,
        call: &LoweredAggregate<'_>,
        names: &mut Names<'_>,
        target: &Target,
    ) -> Result<Grouped> {
        let function = self.get(call.function)?;
        self.check_version(function, target)?;
        match function.kind {
            Kind::Aggregate(lower, _) => lower(call, names, target),
            _ => Err(Error::internal(format!(
                "{} as an aggregate",
                call.function
            ))),
        }
    }

    /// A window function, or an aggregate over a frame.
    ///
    /// # Errors
    /// `Unsupported` for what the target cannot do.
    pub fn lower_window(
        &self,
        call: &LoweredWindow<'_>,
        names: &mut Names<'_>,
        target: &Target,
    ) -> Result<Windowed> {
        let function = self.get(call.call.function)?;
        self.check_version(function, target)?;
        if let Some(WindowFrame {
            start: Some(start),
            end: Some(end),
            ..
        }) = call.frame
            && start > end
        {
            return Err(Error::new(
                Code::ValueError,
                "start cannot be greater than end.",
            ));
        }
        match function.kind {
            Kind::Window(lower) => lower(call, names, target),
            Kind::Aggregate(lower, _) => {
                // A frame beside the current row can be empty, so that nothing is certain to have a value.
                let beside = call.frame.is_some_and(|f| {
                    f.start.is_some_and(|s| s > 0) || f.end.is_some_and(|e| e < 0)
                });
                let mut args = call.call.args.to_vec();
                for arg in &mut args {
                    arg.nullable |= beside;
                }
                let inner = LoweredAggregate {
                    args: &args,
                    filter: call.call.filter.clone(),
                    ..call.call
                };
                let grouped = lower(&inner, names, target)?;
                super::frame::over_frame(call, grouped, names)
            }
            Kind::Scalar(_) => Err(Error::internal(format!("{} over a window", function.name))),
        }
    }

    fn check_version(&self, function: &Function, target: &Target) -> Result<()> {
        if target.version < function.since {
            return Err(Error::unsupported(
                format!("{} on MongoDB {}", function.name, target.version),
                format!("it needs MongoDB {}", function.since),
            ));
        }
        Ok(())
    }

    /// Number of arguments, then the function's own check (which may rename the call).
    fn prepare(&self, call: &mut Call, cx: &Context<'_>) -> Result<&Function> {
        let function = self.get(&call.name)?;
        check_arity(function, call.args.len())?;
        if let Some(check) = function.check {
            check(call, cx)?;
        }
        self.get(&call.name)
    }
}

fn check_arity(function: &Function, given: usize) -> Result<()> {
    let arity = function.arity;
    if given >= arity.min && arity.max.is_none_or(|max| given <= max) {
        return Ok(());
    }
    let name = function.name;
    let error = match arity.max {
        // Coalesce, Concat, Greatest, Least
        None if arity.min == 2 => Error::new(
            Code::ValueError,
            format!("{name} must take at least two expressions"),
        ),
        Some(max) if max == arity.min => {
            let noun = if max == 1 { "argument" } else { "arguments" };
            Error::new(
                Code::TypeError,
                format!("'{name}' takes exactly {max} {noun} ({given} given)"),
            )
        }
        _ => Error::new(
            Code::TypeError,
            format!("{name} does not take {given} arguments"),
        ),
    };
    Err(error)
}

fn output_type(
    function: &Function,
    call: &Call,
    cx: &Context<'_>,
) -> Result<Option<Arc<FieldType>>> {
    if let Some(output) = &call.output {
        return Ok(Some(output.clone()));
    }
    let types: Vec<_> = call.args.iter().map(|a| a.ty.clone()).collect();
    let first = || types.first().cloned().flatten();
    let found = match function.output {
        Output::Same => infer(&types),
        Output::First => Ok(first()),
        Output::Kind(kind) => Ok(Some(plain(kind))),
        Output::Numeric => numeric(&types),
        Output::ArrayOfFirst => Ok(first().map(|base| {
            let mut ty = FieldType::new(FieldKind::ArrayField);
            ty.base = Some(base);
            Arc::new(ty)
        })),
        Output::Element => Ok(first().and_then(|ty| ty.base.clone())),
        Output::Rule(rule) => rule(call, cx),
        Output::Given => Err(Error::new(
            Code::TypeError,
            format!("{} needs an output_field", function.name),
        )),
    };
    match found {
        Err(error) if cx.lenient && error.code() == Code::FieldError => {
            alike(&types).map(Some).ok_or(error)
        }
        found => found,
    }
}

/// The type that stands for values that are stored alike: the first, of numbers the widest.
fn alike(types: &[Option<Arc<FieldType>>]) -> Option<Arc<FieldType>> {
    let mut known = types.iter().flatten();
    let mut best = known.next()?.clone();
    for other in known {
        let (a, b) = (best.kind.family(), other.kind.family());
        match (rank(a), rank(b)) {
            (Some(a), Some(b)) if b > a => best = other.clone(),
            (Some(_), Some(_)) => {}
            _ if a == b => {}
            _ => return None,
        }
    }
    Some(best)
}

/// Numbers by width.
fn rank(family: StorageFamily) -> Option<u8> {
    Some(match family {
        StorageFamily::Int => 0,
        StorageFamily::Long => 1,
        StorageFamily::Double => 2,
        StorageFamily::Decimal => 3,
        _ => return None,
    })
}

/// Django's refusal of an operator between types that do not combine.
pub(super) fn cannot_combine(op: ArithmeticOp, lhs: &Arg, rhs: &Arg) -> Error {
    let name = |arg: &Arg| arg.kind().map_or("NoneType", FieldKind::name);
    // Django writes its own signs: `%%` for the remainder.
    let sign = match op {
        ArithmeticOp::Mod => "%%",
        _ => op.sign(),
    };
    Error::new(
        Code::FieldError,
        format!(
            "Cannot infer type of '{sign}' expression involving these types: {}, {}. You must set output_field.",
            name(lhs),
            name(rhs)
        ),
    )
}

/// The plain result type of an operator.
pub(super) fn plain_result(op: ArithmeticOp, lhs: &Arg, rhs: &Arg) -> Result<Arc<FieldType>> {
    combined_type(op, lhs.kind(), rhs.kind())
        .map(plain)
        .ok_or_else(|| cannot_combine(op, lhs, rhs))
}
