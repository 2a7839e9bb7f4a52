//! What the server can do.

use serde::{Deserialize, Serialize};

/// The server that commands are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ServerVersion {
    /// `8` of 8.0.
    pub major: u16,
    /// `0` of 8.0.
    pub minor: u16,
}

impl ServerVersion {
    /// A version.
    #[must_use]
    pub const fn new(major: u16, minor: u16) -> Self {
        ServerVersion { major, minor }
    }
}

impl std::fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// A server version and options of the compilation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Server version.
    pub version: ServerVersion,
    /// Server-side JavaScript may be used.
    pub javascript: bool,
    /// Rewrite rules that are switched off, by name; `"all"` for all of them.
    pub disabled_rules: Vec<String>,
}

impl Target {
    /// A MongoDB server.
    #[must_use]
    pub fn server(major: u16, minor: u16) -> Self {
        Target {
            version: ServerVersion::new(major, minor),
            javascript: false,
            disabled_rules: Vec::new(),
        }
    }
}

impl Default for Target {
    fn default() -> Self {
        Target::server(8, 0)
    }
}
