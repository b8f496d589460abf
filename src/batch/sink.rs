//! What a caller hears of a run.

use crate::Result;
use crate::audio::AudioInfo;
use crate::extractor::{Rows, Summary};

/// Receives the rows of many recordings. Everything is called on the thread that called
/// [`BatchExtractor::run`](super::BatchExtractor::run).
///
/// A recording's rows come in its own order; between them come those of others. [`BatchSink::done`] is called once for
/// every recording that was taken from the inputs, and nothing of a recording comes after that.
pub trait BatchSink {
    /// Some more rows of one recording from one of the extractors, both counted from 0. An error ends this recording,
    /// and goes to its `done`.
    ///
    /// # Errors
    /// Whatever the sink cannot cope with: a full disk, a recording that is not wanted any more.
    fn rows(&mut self, recording: usize, extractor: usize, rows: &Rows<'_>) -> Result<()>;

    /// A recording is whole: all of its rows have come, from every extractor. Or it has failed, with the reason, or was
    /// cancelled ([`Error::Cancelled`](crate::Error::Cancelled)): what has come of it is not all, and no more will.
    fn done(&mut self, recording: usize, outcome: Result<Summary>);

    /// A recording could be opened; this is what it says about itself.
    fn started(&mut self, _recording: usize, _audio: &AudioInfo) {}

    /// How far the run is. Called about ten times a second and when a recording is done.
    fn progress(&mut self, _progress: &Progress) {}

    /// Whether to stop. Asked at least ten times a second while no other call into the sink or the iterator of inputs is
    /// going on; after `true` it ends within the time of a batch.
    fn cancelled(&mut self) -> bool {
        false
    }
}

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Progress {
    /// Recordings that are whole.
    pub done: usize,
    /// Recordings that failed.
    pub failed: usize,
    /// Seconds of audio decoded so far, of all recordings, whatever became of them.
    pub seconds: f64,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Totals {
    /// Recordings that are whole.
    pub done: usize,
    /// Recordings that failed.
    pub failed: usize,
    /// Recordings that were taken from the inputs and not whole when the run was cancelled.
    pub cancelled: usize,
    /// Seconds of audio of the recordings that are whole.
    pub seconds: f64,
    /// The most patches that were between decoder and sink at a time, of all extractors together.
    pub most_patches: usize,
}
