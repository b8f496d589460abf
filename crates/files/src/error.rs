//! Why a file cannot be read or written.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong; every message names the file and the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write something.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said. It is part of the message, and so not its `source` too.
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
