//! Where rows go as they come.

use ndarray::ArrayView2;

use crate::Result;

/// Some consecutive patches' outputs.
pub struct Rows<'a> {
    /// The index of the first patch.
    pub first: u64,
    /// Where each patch starts, in seconds.
    pub times: &'a [f64],
    /// `[patches, dim]` of each of the extractor's outputs, in their order.
    pub outputs: &'a [ArrayView2<'a, f32>],
}

/// Receives rows in the order of the recording.
pub trait Sink {
    /// Some more rows. An error ends the run and is returned by it.
    ///
    /// # Errors
    /// Whatever the sink cannot cope with: a full disk, a caller who has had enough.
    fn rows(&mut self, rows: &Rows<'_>) -> Result<()>;

    /// How much of the recording has been heard, in seconds, and its whole length where the file claims
    /// one. Called a few times a minute of audio.
    fn progress(&mut self, _seconds: f64, _claimed_total: Option<f64>) {}
}

impl<F: FnMut(&Rows<'_>) -> Result<()>> Sink for F {
    fn rows(&mut self, rows: &Rows<'_>) -> Result<()> {
        self(rows)
    }
}
