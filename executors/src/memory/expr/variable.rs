//! Names of variables, and the ones that the system provides.
use super::{Expr, Node, Result};
use crate::memory::error::EngineError;
use crate::memory::value::{Path, Value};

fn valid(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || !c.is_ascii()
}

/// Whether a variable that is read may have this name.
pub(super) fn check_name(name: &str) -> Result<()> {
    let Some(first) = name.chars().next() else {
        return Err(EngineError::failed_to_parse(
            "empty variable names are not allowed",
        ));
    };
    if first.is_ascii() && !first.is_ascii_alphabetic() {
        return Err(EngineError::failed_to_parse(format!(
            "'{name}' starts with an invalid character for a variable name"
        )));
    }
    check_rest(name)
}

/// Whether a user may bind a variable of this name: a small letter first (`CURRENT` is the exception).
pub(super) fn check_user_name(name: &str) -> Result<()> {
    let Some(first) = name.chars().next() else {
        return Err(EngineError::failed_to_parse(
            "empty variable names are not allowed",
        ));
    };
    if name != "CURRENT" && first.is_ascii() && !first.is_ascii_lowercase() {
        return Err(EngineError::failed_to_parse(format!(
            "'{name}' starts with an invalid character for a user variable name"
        )));
    }
    check_rest(name)
}

fn check_rest(name: &str) -> Result<()> {
    match name.chars().find(|c| !valid(*c)) {
        Some(c) => Err(EngineError::failed_to_parse(format!(
            "'{name}' contains an invalid character for a variable name: '{c}'"
        ))),
        None => Ok(()),
    }
}

/// A variable of the system.
pub(super) fn system(name: &str, path: Option<Path>) -> Result<Expr> {
    let node = match name {
        "ROOT" | "CURRENT" => match path {
            Some(p) => Node::RootPath(p),
            None => Node::Root,
        },
        "REMOVE" => Node::Literal(Value::Missing),
        "NOW" if path.is_none() => Node::Now,
        "CLUSTER_TIME" if path.is_none() => Node::ClusterTime,
        "NOW" | "CLUSTER_TIME" | "SEARCH_META" => Node::Literal(Value::Missing),
        "USER_ROLES" => Node::Literal(Value::array(Vec::new())),
        _ => {
            return Err(EngineError::location(
                17276,
                format!("Use of undefined variable: {name}"),
            ));
        }
    };
    Ok(Expr::from_node(node))
}
