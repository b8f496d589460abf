//! Why a recording was lost, kept to be said again.

use std::path::PathBuf;

use crate::Error;

/// The parts of an error that can be kept.
pub(super) enum Failure {
    NonFinite {
        index: u64,
        value: f32,
    },
    Engine {
        engine: &'static str,
        reason: String,
    },
    /// A sink's error, or another that a stream has no name for.
    Other(String),
    /// A panic, which somebody caught.
    Interrupted,
}

impl Failure {
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::NonFinite { index, value, .. } => Failure::NonFinite { index: *index, value: *value },
            Error::Engine { engine, reason } => Failure::Engine { engine, reason: reason.clone() },
            other => Failure::Other(other.to_string()),
        }
    }

    pub(super) fn error(&self) -> Error {
        match self {
            Failure::NonFinite { index, value } => {
                Error::NonFinite { path: PathBuf::from("<samples>"), index: *index, value: *value }
            }
            Failure::Engine { engine, reason } => Error::Engine { engine, reason: reason.clone() },
            Failure::Other(reason) => Error::InvalidArgument(reason.clone()),
            Failure::Interrupted => {
                Error::InvalidArgument("the last pull panicked: reset the stream to go on".to_owned())
            }
        }
    }
}
