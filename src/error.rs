//! The one error type of the library.

use std::path::{Path, PathBuf};

use crate::stream::PushError;

/// What went wrong. Every message names its subject (a file, an option, a tensor) and the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write something.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the operating system said. It is part of the message, and so not its `source` too.
        reason: std::io::Error,
    },
    /// The input is not audio that can be decoded: unknown, damaged beyond its first packet, or empty.
    #[error("{}: {reason}", path.display())]
    Audio {
        /// The file concerned, or a description in angle brackets for audio that came from memory.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// A sample is NaN or infinite.
    #[error("{}: sample {index} is {value}; audio must be finite", path.display())]
    NonFinite {
        /// The file concerned, or a description in angle brackets for audio that came from memory.
        path: PathBuf,
        /// Zero-based index: of the sample frame in a file, of the sample in a mono buffer.
        index: u64,
        /// The offending value.
        value: f32,
    },
    /// A file is not a NumPy array, or not one that can be used here.
    #[error("{}: {reason}", path.display())]
    Array {
        /// The file concerned.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// A model's graph or metadata cannot be used.
    #[error("model {name}: {reason}")]
    Model {
        /// The model's file or bundled name.
        name: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// An argument is outside its documented range.
    #[error("{0}")]
    InvalidArgument(String),
    /// A device, precision, engine or format that this build or machine does not have.
    #[error("{0}")]
    Unavailable(String),
    /// The caller asked for it to stop before it was done.
    #[error("cancelled")]
    Cancelled,
    /// The network failed while running.
    #[error("engine {engine}: {reason}")]
    Engine {
        /// The engine's name.
        engine: &'static str,
        /// What it said.
        reason: String,
    },
    /// A stream does not take what is pushed.
    #[error(transparent)]
    Push(#[from] PushError),
}

/// Results of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an I/O error with the file it concerns.
    pub fn io(path: impl AsRef<Path>, reason: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_owned(), reason }
    }

    /// Audio at `path` that cannot be used.
    pub fn audio(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Error::Audio { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    /// An array at `path` that cannot be used.
    pub fn array(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Error::Array { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    /// A model that cannot be used.
    pub fn model(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Error::Model { name: name.into(), reason: reason.into() }
    }
}
