//! The one error type of the crate.

use std::path::{Path, PathBuf};

/// What went wrong. Every message names its subject (a file, an option) and the reason.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write something.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file is not what it should be: another format, truncated, or without a column.
    #[error("{}: {reason}", path.display())]
    Format {
        /// The file concerned.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// There is nothing of what is asked for, as when no two tracks make a pair.
    #[error("{}: {reason}", path.display())]
    Nothing {
        /// The file or folder concerned.
        path: PathBuf,
        /// What there is, in numbers.
        reason: String,
    },
    /// A program that the work needs is missing or failed.
    #[error("{program}: {reason}")]
    Program {
        /// The program's name.
        program: String,
        /// What it said.
        reason: String,
    },
    /// Another process of the same run has ended, or cannot be reached.
    #[error("{0}")]
    Process(String),
    /// Whoever runs the program wanted it to stop.
    #[error("{0}")]
    Interrupted(String),
    /// Training cannot go on, as when a loss is no number.
    #[error("{0}")]
    Training(String),
    /// What Sleeve's library says.
    #[error(transparent)]
    Sleeve(#[from] sleeve::Error),
    /// A file that cannot be read or written.
    #[error(transparent)]
    Files(#[from] sleeve_files::Error),
    /// An argument is outside its documented range.
    #[error("{0}")]
    InvalidArgument(String),
}

/// Results of this crate.
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
