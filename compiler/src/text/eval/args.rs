//! Arguments of a call, evaluated, and how they meet parameters.

use super::value::{Py, type_error};
use crate::error::{Error, Result, Span};

/// Evaluated arguments with their places.
#[derive(Debug, Clone, Default)]
pub(super) struct Args {
    pub(super) positional: Vec<(Py, Span)>,
    pub(super) keywords: Vec<Keyword>,
}

/// A keyword argument.
#[derive(Debug, Clone)]
pub(super) struct Keyword {
    pub(super) name: String,
    pub(super) value: Py,
    /// Place of the name.
    pub(super) span: Span,
}

impl Args {
    /// Takes a keyword argument out.
    pub(super) fn take(&mut self, name: &str) -> Option<Py> {
        let at = self.keywords.iter().position(|k| k.name == name)?;
        Some(self.keywords.remove(at).value)
    }

    /// As [`Args::take`], with `None` as good as nothing.
    pub(super) fn take_some(&mut self, name: &str) -> Option<Py> {
        self.take(name).filter(|v| !v.is_none())
    }

    /// Meets parameters in order: positional arguments first, the rest by name.
    ///
    /// # Errors
    /// `TypeError` for arguments that no parameter takes, or two take.
    pub(super) fn bind<const N: usize>(
        self,
        function: &str,
        params: [&str; N],
    ) -> Result<[Option<Py>; N]> {
        let given = self.positional.len();
        let mut bound: [Option<Py>; N] = std::array::from_fn(|_| None);
        if let Some((_, span)) = self.positional.get(N) {
            return Err(type_error(format!(
                "{function}() takes {N} positional argument{} but {given} were given",
                if N == 1 { "" } else { "s" }
            ))
            .with_span(*span));
        }
        for (slot, (value, _)) in bound.iter_mut().zip(self.positional) {
            *slot = Some(value);
        }
        for keyword in self.keywords {
            let slot = params
                .iter()
                .position(|p| *p == keyword.name)
                .and_then(|i| bound.get_mut(i));
            match slot {
                Some(slot @ None) => *slot = Some(keyword.value),
                Some(Some(_)) => {
                    return Err(type_error(format!(
                        "{function}() got multiple values for argument '{}'",
                        keyword.name
                    ))
                    .with_span(keyword.span));
                }
                None => {
                    return Err(unexpected(function, &keyword)
                        .with_choices(params.iter().map(|p| (*p).to_owned())));
                }
            }
        }
        Ok(bound)
    }

    /// Refuses what is left.
    pub(super) fn finish(self, function: &str) -> Result<()> {
        if let Some((_, span)) = self.positional.first() {
            return Err(
                type_error(format!("{function}() takes fewer positional arguments"))
                    .with_span(*span),
            );
        }
        match self.keywords.first() {
            Some(keyword) => Err(unexpected(function, keyword)),
            None => Ok(()),
        }
    }

    /// Refuses keyword arguments.
    pub(super) fn only_positional(self, function: &str) -> Result<Vec<(Py, Span)>> {
        match self.keywords.first() {
            Some(keyword) => Err(unexpected(function, keyword)),
            None => Ok(self.positional),
        }
    }
}

fn unexpected(function: &str, keyword: &Keyword) -> Error {
    type_error(format!(
        "{function}() got an unexpected keyword argument '{}'",
        keyword.name
    ))
    .with_span(keyword.span)
}

/// An argument that must be there.
pub(super) fn required(value: Option<Py>, function: &str, param: &str) -> Result<Py> {
    value.ok_or_else(|| {
        type_error(format!(
            "{function}() missing 1 required argument: '{param}'"
        ))
    })
}
