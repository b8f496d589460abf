//! The one error type of the crate.

use std::path::{Path, PathBuf};

/// An error of this crate. Every message names its subject (a file, an option) and the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// The operating system's error.
        source: std::io::Error,
    },
    /// A file's content is wrong: another format, truncated, or without a required column.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file concerned.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// The input has nothing to work on: for example, no two tracks make a pair.
    #[error("{}: {reason}", path.display())]
    Nothing {
        /// The file or folder concerned.
        path: PathBuf,
        /// What the input has, in numbers.
        reason: String,
    },
    /// A required program is missing or failed.
    #[error("{program}: {reason}")]
    Program {
        /// The program's name.
        program: String,
        /// The reason, or the program's own message.
        reason: String,
    },
    /// Another process of the same run has ended, or cannot be reached.
    #[error("{0}")]
    Process(String),
    /// The user stopped the program.
    #[error("{0}")]
    Interrupted(String),
    /// Training cannot go on: for example, the loss is NaN.
    #[error("{0}")]
    Training(String),
    /// An error of Sleeve's library.
    #[error(transparent)]
    Sleeve(#[from] sleeve::Error),
    /// A file that cannot be read or written.
    #[error(transparent)]
    Files(#[from] sleeve_files::Error),
    /// An argument is outside its documented range.
    #[error("{0}")]
    InvalidArgument(String),
}

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an I/O error with the file it concerns.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_owned(), source }
    }

    /// A file that cannot be used, with anything printable as the reason.
    pub fn format(path: impl AsRef<Path>, reason: impl std::fmt::Display) -> Self {
        Error::Format { path: path.as_ref().to_owned(), reason: reason.to_string() }
    }
}
