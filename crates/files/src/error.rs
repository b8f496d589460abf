//! Why a file cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

/// Why a call failed; every message names the file and the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing a file failed.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's error. The message contains it, so it is not also the `source`.
        reason: io::Error,
    },
    /// A file is not a NumPy array, or not one that can be used here.
    #[error("{}: {reason}", path.display())]
    Array {
        /// The file.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// An argument is outside its documented range.
    #[error("{0}")]
    InvalidArgument(String),
}

/// Results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    pub(crate) fn io(path: impl AsRef<Path>, reason: io::Error) -> Self {
        Error::Io { path: path.as_ref().to_owned(), reason }
    }

    pub(crate) fn array(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Error::Array { path: path.as_ref().to_owned(), reason: reason.into() }
    }
}
