//! The caller's side of a batch: rows, results and progress.

use crate::Result;
use crate::audio::AudioInfo;
use crate::extractor::{Rows, Summary};

/// Receives the rows of many recordings. Everything is called on the thread that called
/// [`BatchExtractor::run`](super::BatchExtractor::run).
///
/// The rows of one recording come in order, interleaved with those of other recordings. [`BatchSink::done`] is called
/// once for every recording that was read from the inputs, after all of its rows.
pub trait BatchSink {
    /// More rows of a recording from one of the extractors (both are indices from 0). An error ends this recording, and
    /// is passed to its `done`.
    ///
    /// # Errors
    /// Any, for example when a file cannot be written; see [`Error::sink`](crate::Error::sink).
    fn rows(&mut self, recording: usize, extractor: usize, rows: &Rows<'_>) -> Result<()>;

    /// The end of a recording. With `Ok`, all of its rows have been given, from every extractor. With an error it has
    /// failed, or was cancelled ([`Error::Cancelled`](crate::Error::Cancelled)), and its rows may be incomplete.
    fn done(&mut self, recording: usize, outcome: Result<Summary>);

    /// Whether the next input may be asked for now, while other recordings are under way; asked again after each event,
    /// at least ten times a second. A host whose inputs come from elsewhere says `false` while there is none, so that rows
    /// are given meanwhile, or while it holds too many results. When nothing is under way, the iterator is asked at once.
    fn ready(&mut self) -> bool {
        true
    }

    /// A recording was opened.
    fn started(&mut self, _recording: usize, _audio: &AudioInfo) {}

    /// Progress callback: called about ten times a second, and when a recording is done.
    fn progress(&mut self, _progress: &Progress) {}

    /// Whether to cancel the run. Called at least ten times a second between other calls of the sink and the iterator;
    /// after `true`, the run ends within the time of a batch.
    fn cancelled(&mut self) -> bool {
        false
    }
}

/// The progress of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Recordings that are done.
    pub done: usize,
    /// Recordings that failed.
    pub failed: usize,
    /// Seconds of audio decoded so far, of all recordings, failed ones included.
    pub seconds: f64,
}

/// The totals of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Totals {
    /// Recordings that are done.
    pub done: usize,
    /// Recordings that failed.
    pub failed: usize,
    /// Recordings that were read from the inputs and not done when the run was cancelled.
    pub cancelled: usize,
    /// Seconds of audio of the recordings that are done.
    pub seconds: f64,
    /// The largest number of patches between decoder and sink at any time, of all extractors together.
    pub peak_patches: usize,
}
