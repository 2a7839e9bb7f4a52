//! Hashes: lower-case hexadecimal digits of a text's UTF-8 bytes. MongoDB has MD5 and SHA-256 from 8.3; where the target
//! allows server-side JavaScript, all of them are computed there.

use super::{Function, LoweredCall, NullRule, Output};
use crate::error::{Error, Result};
use crate::mql::Expr;
use crate::target::{ServerVersion, Target};

/// The version that brought `$hexHash`.
const NATIVE: ServerVersion = ServerVersion::new(8, 3);

/// The family's rows.
pub(super) fn functions() -> Vec<Function> {
    let row = |name, path, lower| {
        Function::scalar(name, 1, Output::Same, NullRule::Strict, lower).transform(path, &[])
    };
    vec![
        row("MD5", "md5", |c, t| hash(c, t, Some("md5"))),
        row("SHA1", "sha1", |c, t| hash(c, t, None)),
        row("SHA224", "sha224", |c, t| hash(c, t, None)),
        row("SHA256", "sha256", |c, t| hash(c, t, Some("sha256"))),
        row("SHA384", "sha384", |c, t| hash(c, t, None)),
        row("SHA512", "sha512", |c, t| hash(c, t, None)),
    ]
}

fn hash(call: &LoweredCall<'_>, target: &Target, native: Option<&str>) -> Result<Expr> {
    let text = call.arg(0)?.text();
    match native {
        Some(algorithm) if target.version >= NATIVE => Ok(text.unless_null(|x| {
            Expr::one(
                "$toLower",
                Expr::named(
                    "$hexHash",
                    [("input", x), ("algorithm", Expr::lit(algorithm))],
                ),
            )
        })),
        _ if target.javascript => Ok(Expr::named(
            "$function",
            [
                ("body", Expr::lit(script(call.function))),
                ("args", Expr::Array(vec![text.expr])),
                ("lang", Expr::lit("js")),
            ],
        )),
        Some(_) => Err(Error::unsupported(
            format!("{} on MongoDB {}", call.function, target.version),
            format!("it needs MongoDB {NATIVE}, or a target that allows server-side JavaScript"),
        )),
        None => Err(Error::unsupported(
            call.function,
            "MongoDB has no such operator: it needs a target that allows server-side JavaScript",
        )),
    }
}

/// A JavaScript function from text to digits; NULL stays NULL.
fn script(name: &str) -> String {
    let body = match name {
        // a built-in of the server's JavaScript
        "MD5" => "return hex_md5(s);".to_owned(),
        "SHA1" => include_str!("sha1.js").trim().to_owned(),
        "SHA224" => narrow(
            "0xc1059ed8,0x367cd507,0x3070dd17,0xf70e5939,0xffc00b31,0x68581511,0x64f98fa7,0xbefa4fa4",
            7,
        ),
        "SHA384" => wide(
            "0xcbbb9d5dc1059ed8n,0x629a292a367cd507n,0x9159015a3070dd17n,0x152fecd8f70e5939n,0x67332667ffc00b31n,0x8eb44a8768581511n,0xdb0c2e0d64f98fa7n,0x47b5481dbefa4fa4n",
            6,
        ),
        "SHA512" => wide(
            "0x6a09e667f3bcc908n,0xbb67ae8584caa73bn,0x3c6ef372fe94f82bn,0xa54ff53a5f1d36f1n,0x510e527fade682d1n,0x9b05688c2b3e6c1fn,0x1f83d9abfb41bd6bn,0x5be0cd19137e2179n",
            8,
        ),
        _ => narrow(
            "0x6a09e667,0xbb67ae85,0x3c6ef372,0xa54ff53a,0x510e527f,0x9b05688c,0x1f83d9ab,0x5be0cd19",
            8,
        ),
    };
    format!("function(s) {{ if (s === null || s === undefined) return null; {body} }}")
}

/// SHA-2 with words of 32 bits.
fn narrow(start: &str, words: usize) -> String {
    include_str!("sha2_32.js")
        .trim()
        .replace("START", start)
        .replace("WORDS", &words.to_string())
}

/// SHA-2 with words of 64 bits.
fn wide(start: &str, words: usize) -> String {
    include_str!("sha2_64.js")
        .trim()
        .replace("START", start)
        .replace("WORDS", &words.to_string())
}
