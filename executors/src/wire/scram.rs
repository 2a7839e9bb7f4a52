//! SCRAM-SHA-256 (RFC 5802, RFC 7677), the server's side.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::memory::error::{Code, EngineError};

/// The only mechanism offered.
pub(super) const MECHANISM: &str = "SCRAM-SHA-256";

const ROUNDS: u32 = 15_000;

/// What is kept of a password.
#[derive(Clone)]
pub(super) struct Credentials {
    user: String,
    salt: [u8; 28],
    stored_key: [u8; 32],
    server_key: [u8; 32],
}

/// An exchange that has begun.
pub(super) struct Exchange {
    /// The nonce of both.
    nonce: String,
    client_first: String,
    server_first: String,
    known_user: bool,
    proven: bool,
}

fn failed() -> EngineError {
    EngineError::new(Code::AuthenticationFailed, "Authentication failed.")
}

fn hmac(key: &[u8], text: &[u8]) -> Result<[u8; 32], EngineError> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| failed())?;
    mac.update(text);
    Ok(mac.finalize().into_bytes().into())
}

fn random<const N: usize>() -> std::io::Result<[u8; N]> {
    let mut out = [0; N];
    getrandom::fill(&mut out).map_err(|_| std::io::Error::other("no randomness"))?;
    Ok(out)
}

/// The value of an attribute (`r=...`) in a message.
fn attribute<'a>(message: &'a str, name: &str) -> Option<&'a str> {
    message
        .split(',')
        .find_map(|part| part.strip_prefix(name)?.strip_prefix('='))
}

impl Credentials {
    /// Of a user with this password.
    ///
    /// # Errors
    /// When the system has no randomness, or the password holds characters that none may hold.
    pub fn new(user: &str, password: &str) -> std::io::Result<Self> {
        let prepared = stringprep::saslprep(password)
            .map_err(|e| std::io::Error::new(std::io::ErrorKind::InvalidInput, e.to_string()))?;
        let salt = random()?;
        let mut salted = [0_u8; 32];
        pbkdf2::pbkdf2_hmac::<Sha256>(prepared.as_bytes(), &salt, ROUNDS, &mut salted);
        let other = |_| std::io::Error::other("no keys");
        let client_key = hmac(&salted, b"Client Key").map_err(other)?;
        Ok(Self {
            user: user.to_owned(),
            salt,
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, b"Server Key").map_err(other)?,
        })
    }

    /// Whose they are.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Answers the client's first message.
    pub fn start(&self, payload: &[u8]) -> Result<(Exchange, String), EngineError> {
        let text = std::str::from_utf8(payload).map_err(|_| failed())?;
        let bare = text
            .strip_prefix("n,")
            .and_then(|rest| rest.split_once(','))
            .map(|(_, bare)| bare)
            .ok_or_else(failed)?;
        let user = attribute(bare, "n").ok_or_else(failed)?;
        let user = user.replace("=2C", ",").replace("=3D", "=");
        let theirs = attribute(bare, "r")
            .filter(|r| !r.is_empty())
            .ok_or_else(failed)?;
        let ours = random::<24>().map_err(|_| failed())?;
        let nonce = format!("{theirs}{}", STANDARD.encode(ours));
        let server_first = format!("r={nonce},s={},i={ROUNDS}", STANDARD.encode(self.salt));
        let exchange = Exchange {
            nonce,
            client_first: bare.to_owned(),
            server_first: server_first.clone(),
            // An unknown user learns so only when the proof fails.
            known_user: user == self.user,
            proven: false,
        };
        Ok((exchange, server_first))
    }

    /// Answers the client's proof.
    pub fn finish(&self, exchange: &mut Exchange, payload: &[u8]) -> Result<String, EngineError> {
        let text = std::str::from_utf8(payload).map_err(|_| failed())?;
        let (without_proof, proof) = text.rsplit_once(",p=").ok_or_else(failed)?;
        if attribute(without_proof, "r") != Some(exchange.nonce.as_str())
            || !without_proof.starts_with("c=")
        {
            return Err(failed());
        }
        let proof: [u8; 32] = STANDARD
            .decode(proof)
            .ok()
            .and_then(|p| p.try_into().ok())
            .ok_or_else(failed)?;
        let message = format!(
            "{},{},{without_proof}",
            exchange.client_first, exchange.server_first
        );
        let mut key = hmac(&self.stored_key, message.as_bytes())?;
        for (k, p) in key.iter_mut().zip(proof) {
            *k ^= p;
        }
        let given: [u8; 32] = Sha256::digest(key).into();
        // Compared without stopping early.
        let differs = given
            .iter()
            .zip(self.stored_key)
            .fold(0_u8, |sum, (a, b)| sum | (a ^ b));
        if differs != 0 || !exchange.known_user {
            return Err(failed());
        }
        exchange.proven = true;
        let signature = hmac(&self.server_key, message.as_bytes())?;
        Ok(format!("v={}", STANDARD.encode(signature)))
    }
}

impl Exchange {
    /// Whether the client has proven who it is.
    pub fn proven(&self) -> bool {
        self.proven
    }
}
