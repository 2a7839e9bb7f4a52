//! Errors of the engine, with MongoDB's codes and names.
use std::fmt;

macro_rules! codes {
    ($($name:ident = $code:literal),* $(,)?) => {
        /// MongoDB's named error codes (those that this engine gives).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum Code { $($name),* }

        impl Code {
            /// The number.
            pub fn number(self) -> i32 {
                match self { $(Self::$name => $code),* }
            }

            /// The name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }

        /// The name of a code: `Location<n>` for those without a name is made by the display, here it is `Location`.
        pub fn code_name(code: i32) -> &'static str {
            match code { $($code => stringify!($name),)* _ => "Location" }
        }
    };
}

codes! {
    InternalError = 1, BadValue = 2, NoSuchKey = 4, HostUnreachable = 6, FailedToParse = 9, UserNotFound = 11,
    Unauthorized = 13, TypeMismatch = 14, Overflow = 15, InvalidLength = 16, ProtocolError = 17,
    AuthenticationFailed = 18, IllegalOperation = 20, NamespaceNotFound = 26, IndexNotFound = 27, PathNotViable = 28,
    ConflictingUpdateOperators = 40, CursorNotFound = 43, NamespaceExists = 48, MaxTimeMSExpired = 50,
    DollarPrefixedFieldName = 52, InvalidIdField = 53, NotSingleValueField = 54, EmptyFieldName = 56,
    DottedFieldName = 57, CommandNotFound = 59, ImmutableField = 66, CannotCreateIndex = 67,
    InvalidOptions = 72, InvalidNamespace = 73, IndexOptionsConflict = 85, IndexKeySpecsConflict = 86, NotImplemented = 238,
    OperationFailed = 96, DocumentValidationFailure = 121, WriteConflict = 112, CommandNotSupported = 115,
    ConversionFailure = 241, ExceededMemoryLimit = 146, NoSuchTransaction = 251, TransactionTooOld = 225,
    TransactionCommitted = 256, OperationNotSupportedInTransaction = 263, TooManyFilesOpen = 264,
    QueryExceededMemoryLimitNoDiskUseAllowed = 292, InvalidPipelineOperator = 168, QueryFeatureNotAllowed = 224,
    CommandOnShardedViewNotSupportedOnMongod = 169, OptionNotSupportedOnView = 167, MaxSubPipelineDepthExceeded = 232,
    BSONObjectTooLarge = 10334, DuplicateKey = 11000, InterruptedAtShutdown = 11600, Interrupted = 11601,
    NoQueryExecutionPlans = 291, KeyNotFound = 211, InvalidUUID = 207, CannotBackfillArray = 233,
    IndexAlreadyExists = 68, UnknownReplWriteConcern = 79, InvalidBSON = 22, AlreadyInitialized = 23, LockBusy = 46,
    SnapshotUnavailable = 246, SnapshotTooOld = 239, CollectionUUIDMismatch = 361, ViewDepthLimitExceeded = 165,
    GraphContainsCycle = 5, HostNotFound = 7, UnknownError = 8, CannotMutateObject = 10, UnsupportedFormat = 12,
    LockTimeout = 24, RoleNotFound = 31, WriteConcernTimeout = 64, NetworkTimeout = 89,
    ShutdownInProgress = 91, UnsatisfiableWriteConcern = 100, CappedPositionLost = 136, CommandNotSupportedOnView = 166,
    CannotIndexParallelArrays = 171, QueryPlanKilled = 175, InvalidViewDefinition = 182,
    ClientMetadataCannotBeMutated = 186, PrimarySteppedDown = 189, InvalidIndexSpecificationOption = 197,
    IncompleteTransactionHistory = 217, FailPointSetFailed = 237, TooManyLogicalSessions = 261, ExceededTimeLimit = 262,
    PreparedTransactionInProgress = 267, APIVersionError = 322, APIStrictError = 323, APIDeprecationError = 324,
    MechanismUnavailable = 334, SocketException = 9001, NotWritablePrimary = 10107,
    InterruptedDueToReplStateChange = 11602, NotPrimaryNoSecondaryOk = 13435, NotPrimaryOrSecondary = 13436,
    CommandFailed = 125, DatabaseDifferCase = 13297, NotARetryableWriteCommand = 50768, StaleConfig = 13388,
}

/// What a command fails with.
#[derive(Clone, Debug, PartialEq)]
pub struct EngineError {
    /// MongoDB's code.
    pub code: i32,
    /// The code's name (`Location` when it has none; see [`EngineError::name`]).
    pub code_name: &'static str,
    /// What happened.
    pub message: String,
    /// Further fields of the reply (`keyPattern`, `keyValue`, `errInfo`).
    pub details: Option<Box<bson::Document>>,
    /// Error labels (`TransientTransactionError`).
    pub labels: &'static [&'static str],
}

impl EngineError {
    /// An error with a named code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code: code.number(),
            code_name: code.name(),
            message: message.into(),
            details: None,
            labels: &[],
        }
    }

    /// An error with one of MongoDB's unnamed codes (`Location16020`), or with any code by number.
    pub fn location(code: i32, message: impl Into<String>) -> Self {
        Self {
            code,
            code_name: code_name(code),
            message: message.into(),
            details: None,
            labels: &[],
        }
    }

    /// `BadValue`.
    pub fn bad_value(message: impl Into<String>) -> Self {
        Self::new(Code::BadValue, message)
    }

    /// `TypeMismatch`.
    pub fn type_mismatch(message: impl Into<String>) -> Self {
        Self::new(Code::TypeMismatch, message)
    }

    /// `FailedToParse`.
    pub fn failed_to_parse(message: impl Into<String>) -> Self {
        Self::new(Code::FailedToParse, message)
    }

    /// With further fields for the reply.
    #[must_use]
    pub fn with_details(mut self, details: bson::Document) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    /// The code's full name, as `codeName` in a reply.
    pub fn name(&self) -> String {
        if self.code_name == "Location" {
            format!("Location{}", self.code)
        } else {
            self.code_name.to_owned()
        }
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.name(), self.code, self.message)
    }
}

impl std::error::Error for EngineError {}
