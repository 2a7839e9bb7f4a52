//! The type of a call, and the number of its arguments.

use std::sync::Arc;

use super::typing::{infer, numeric, plain};
use super::{Call, Context, Function, Output};
use crate::error::{Code, Error, Result};
use crate::schema::{FieldKind, FieldType, StorageFamily};

/// Refuses a wrong number of arguments.
pub(super) fn check_arity(function: &Function, given: usize) -> Result<()> {
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

/// The type of a call.
pub(super) fn output_type(
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
        Output::Element => Ok(first().and_then(|ty| element(&ty))),
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

/// The type of an array's elements.
fn element(ty: &FieldType) -> Option<Arc<FieldType>> {
    let kind = match ty.kind {
        FieldKind::EmbeddedModelArrayField => FieldKind::EmbeddedModelField,
        FieldKind::PolymorphicEmbeddedModelArrayField => FieldKind::PolymorphicEmbeddedModelField,
        _ => return ty.base.clone(),
    };
    let mut element = FieldType::new(kind);
    element.models.clone_from(&ty.models);
    element.null = true;
    Some(Arc::new(element))
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
