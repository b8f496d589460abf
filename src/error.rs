//! The one error type of the library.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why a call failed. Every message names its subject (a file, an option, a tensor) and the reason.
///
/// Cloning is cheap: causes are shared. A batch or a stream that reports one failure several times gives clones of it.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or writing a file failed.
    #[error("{}: {reason}", path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// The system's error. The message contains it, so it is not also the `source`.
        reason: Arc<io::Error>,
    },
    /// The input cannot be decoded as audio: the format is unknown, the file is damaged from the start, or empty.
    #[error("{}: {reason}", path.display())]
    Audio {
        /// The file concerned, or a description in angle brackets for audio that came from memory.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// A sample is NaN, infinite, or so large that the mel-spectrogram would be.
    #[error("{}: sample {index} is {value:e}; audio must be finite, and no sample larger than 1e15", path.display())]
    NonFinite {
        /// The file concerned, or a description in angle brackets for audio that came from memory.
        path: PathBuf,
        /// Zero-based index of the sample frame in a file, or of the sample in a mono buffer.
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
    /// A library file is not one, has another version, is damaged, in use or of another model.
    #[error("{}: {reason}", path.display())]
    Library {
        /// The library file.
        path: PathBuf,
        /// Why it cannot be used.
        reason: String,
    },
    /// An argument is outside its documented range.
    #[error("{0}")]
    InvalidArgument(String),
    /// A device, precision, engine or format that this build or machine does not have.
    #[error("{0}")]
    Unavailable(String),
    /// The caller cancelled the work before it was done.
    #[error("cancelled")]
    Cancelled,
    /// The network failed while running.
    #[error("engine {engine}: {reason}")]
    Engine {
        /// The engine's name.
        engine: &'static str,
        /// The engine's message.
        reason: String,
    },
    /// The caller's [`Sink`](crate::extractor::Sink) failed, with its own error: use `downcast_ref` to get at it.
    #[error("{0}")]
    Sink(Arc<dyn std::error::Error + Send + Sync>),
    /// A panic that was caught, in the caller's code or in the library.
    #[error("{0}")]
    Panicked(String),
    /// A stream refuses what is written to it.
    #[error(transparent)]
    Stream(#[from] WriteError),
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

    /// A library file that cannot be used.
    pub fn library(path: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Error::Library { path: path.as_ref().to_owned(), reason: reason.into() }
    }

    /// A failure of the caller's own [`Sink`](crate::extractor::Sink), such as a file that cannot be written.
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

/// Why a [`StreamWriter`](crate::stream::StreamWriter) refuses a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The reader was dropped.
    #[error("the stream is closed: its reader was dropped")]
    Closed,
    /// The recording was finished; [`StreamWriter::reset`](crate::stream::StreamWriter::reset) begins the next one.
    #[error("the recording is finished: reset the stream to write the next one")]
    Finished,
    /// The slice ends inside a sample frame.
    #[error("{samples} samples are not a whole number of frames of {channels} channels")]
    PartialFrame {
        /// Samples in the slice.
        samples: usize,
        /// Channels of the stream.
        channels: usize,
    },
    /// The largest number of recordings is waiting for the reader.
    #[error("too many recordings are waiting for the reader; reset the stream later")]
    Busy,
}
