//! The one error type of the library.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What went wrong. Every message names its subject (a file, an option, a tensor) and the reason.
///
/// Cloning is cheap: causes are shared. A batch or a stream that reports one failure several times reports this same error.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused to read or write something.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// What the operating system said. It is part of the message, and so not its `source` too.
        reason: Arc<io::Error>,
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
    /// A [`Sink`](crate::extractor::Sink) of the caller's failed; its own error, which
    /// [`downcast_ref`](std::error::Error) finds.
    #[error("{0}")]
    Sink(Arc<dyn std::error::Error + Send + Sync>),
    /// A panic of the caller's code or ours, caught; the object concerned says how to go on.
    #[error("{0}")]
    Panicked(String),
    /// A stream does not take what is pushed.
    #[error(transparent)]
    Push(#[from] WriteError),
}

/// Results of this library.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Wraps an I/O error with the file it concerns.
    pub fn io(path: impl AsRef<Path>, reason: io::Error) -> Self {
        Error::Io { path: path.as_ref().to_owned(), reason: Arc::new(reason) }
    }

    /// Audio at `path` that cannot be used.
    pub fn audio(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Error::Audio { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    /// A model that cannot be used.
    pub fn model(name: impl Into<String>, reason: impl Into<String>) -> Self {
        Error::Model { name: name.into(), reason: reason.into() }
    }

    /// A sink's own failure: of a file that it writes, of a program that it talks to.
    ///
    /// ```
    /// let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
    /// let error = sleeve::Error::sink(full);
    /// assert!(matches!(&error, sleeve::Error::Sink(cause) if cause.downcast_ref::<std::io::Error>().is_some()));
    /// ```
    pub fn sink(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Sink(cause.into().into())
    }
}

/// Why a stream does not take samples, or the end of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The other end of the stream was dropped.
    #[error("the stream is closed: its reader was dropped")]
    Closed,
    /// The recording was finished; [`StreamWriter::reset`](crate::stream::StreamWriter::reset) begins the next one.
    #[error("the recording is finished: reset the stream to push the next one")]
    Finished,
    /// The slice is no whole number of frames.
    #[error("{samples} samples are no whole frames of {channels} channels")]
    PartialFrame {
        /// Samples in the slice.
        samples: usize,
        /// Channels of the stream.
        channels: usize,
    },
    /// As many recordings as the queue can tell apart are waiting for the reader.
    #[error("too many recordings wait for the reader; reset the stream later")]
    Busy,
}
