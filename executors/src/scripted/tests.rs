//! A script answers in order and explains what differs.

use bson::doc;
use futures_util::FutureExt;
use mqlc_compiler::program::Bound;

use super::ScriptedExecutor;
use crate::{Error, Executor, Reply};

fn run(script: &ScriptedExecutor, command: bson::Document) -> crate::Result<Vec<bson::Document>> {
    let reply: Reply<'_> = script.run(Bound { command }).now_or_never().unwrap()?;
    reply.into_vec().now_or_never().unwrap()
}

/// Expected commands get their replies.
#[test]
fn answers_in_order() {
    let script = ScriptedExecutor::new()
        .expect(doc! {"find": "a"}, [doc! {"_id": 1}])
        .any([doc! {"_id": 2}]);
    assert_eq!(run(&script, doc! {"find": "a"}).unwrap(), [doc! {"_id": 1}]);
    assert_eq!(run(&script, doc! {"find": "b"}).unwrap(), [doc! {"_id": 2}]);
    assert_eq!(script.seen().len(), 2);
    assert_eq!(script.remaining(), 0);
}

/// Another command is refused with the lines that differ.
#[test]
fn shows_the_difference() {
    let script = ScriptedExecutor::new().expect(doc! {"find": "a", "limit": 1}, []);
    let error = run(&script, doc! {"find": "a", "limit": 2}).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("-  \"limit\": 1"), "{text}");
    assert!(text.contains("+  \"limit\": 2"), "{text}");
}

/// Errors of the server come as errors.
#[test]
fn fails_as_scripted() {
    let script = ScriptedExecutor::new().expect_error(doc! {"drop": "a"}, 13, "Unauthorized", "no");
    assert!(matches!(
        run(&script, doc! {"drop": "a"}),
        Err(Error::Command(e)) if e.code == 13
    ));
}
