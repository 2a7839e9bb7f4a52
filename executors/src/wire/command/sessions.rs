//! Commands about sessions.
use bson::{Bson, doc};

use super::super::session;
use super::{Call, Done};
use crate::memory::error::EngineError;

fn list<'a>(call: &Call<'a>) -> Result<&'a [Bson], EngineError> {
    match call.command.get(call.name) {
        Some(Bson::Array(list)) => Ok(list),
        _ => Err(EngineError::type_mismatch(format!(
            "BSON field '{0}.{0}' is the wrong type, expected type 'array'",
            call.name
        ))),
    }
}

pub(super) fn end(call: Call<'_>) -> Done {
    session::end(call.shared, list(&call)?);
    Ok(doc! {"ok": 1.0})
}

pub(super) fn end_all(call: Call<'_>) -> Done {
    session::end_all(call.shared);
    Ok(doc! {"ok": 1.0})
}

pub(super) fn refresh(call: Call<'_>) -> Done {
    call.shared.sessions.refresh(list(&call)?);
    Ok(doc! {"ok": 1.0})
}

pub(super) fn start(call: Call<'_>) -> Done {
    let id = bson::Uuid::new();
    let minutes = call.shared.limits.session_idle.as_secs() / 60;
    let minutes = i32::try_from(minutes).unwrap_or(i32::MAX);
    Ok(doc! {"id": {"id": id}, "timeoutMinutes": minutes, "ok": 1.0})
}
