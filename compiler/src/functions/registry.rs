//! The rows by name.

use super::output::{check_arity, output_type};
use std::sync::Arc;

use bson::Bson;
use indexmap::IndexMap;

use crate::names::NameMap;

use super::typing::{infer, plain, unknown_type};
use super::{
    AggregateRequest, AggregateRules, Arg, Call, Context, Function, Grouped, Kind,
    LoweredAggregate, LoweredArg, LoweredCall, LoweredWindow, Names, NullRule, ResolvedAggregate,
    Windowed, arithmetic, array, combined_type, families,
};
use crate::error::{Code, Error, Result};
use crate::mql::Expr;
use crate::plan::{AggregateCall, FunctionCall, Scalar, WindowFrame};
use crate::queryset::{ArithmeticOp, Value};
use crate::schema::{FieldKind, FieldType};
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
        "it is the text search of PostgreSQL; MongoDB's is SearchText() and its siblings",
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
    functions: NameMap<&'static str, Function>,
    pub(super) names: super::path::Names,
}

impl Registry {
    /// No functions, no lookups.
    #[must_use]
    pub fn empty() -> Self {
        Registry::default()
    }

    /// The functions and lookups of Django 5.2 and of its MongoDB backend.
    #[must_use]
    pub fn django() -> Self {
        let mut registry = Registry::default();
        for function in families() {
            registry.register(function);
        }
        for lookup in super::lookup::DJANGO {
            registry.register_lookup(*lookup);
        }
        registry
    }

    /// Adds a function with its transforms and lookups, or replaces the one of that name, which is returned.
    pub fn register(&mut self, function: Function) -> Option<Function> {
        if let Some(old) = self.functions.get(function.name) {
            self.names.remove(old);
        }
        self.names.add(&function);
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
        Ok(FunctionCall {
            function: call.name,
            args: call.args.into_iter().map(|a| a.scalar).collect(),
            options: call.options,
            ty,
        }
        .into())
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
                never_null: false,
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
        FunctionCall {
            function: "Cast".to_owned(),
            args: vec![arg.scalar],
            options: IndexMap::new(),
            ty: to,
        }
        .into()
    }

    /// The common type of several expressions (`Case` and the like).
    ///
    /// # Errors
    /// `FieldError` for mixed types.
    pub fn infer(&self, types: &[Option<Arc<FieldType>>]) -> Result<Option<Arc<FieldType>>> {
        infer(types)
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
                let always_there = beside && !args.iter().any(|arg| arg.nullable);
                for arg in &mut args {
                    arg.nullable |= beside;
                }
                let inner = LoweredAggregate {
                    args: &args,
                    filter: call.call.filter.clone(),
                    always_there,
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
