//! Receivers of rows.

use ndarray::ArrayView2;

use crate::Result;

/// The outputs of some consecutive patches.
#[derive(Debug)]
#[non_exhaustive]
pub struct Rows<'a> {
    /// The index of the first patch.
    pub first: u64,
    /// The start of each patch, in seconds.
    pub times: &'a [f64],
    /// `[patches, dim]` for each output of the extractor, in its order.
    pub outputs: &'a [ArrayView2<'a, f32>],
}

impl<'a> Rows<'a> {
    /// Rows to pass on to another sink.
    pub fn new(first: u64, times: &'a [f64], outputs: &'a [ArrayView2<'a, f32>]) -> Self {
        Rows { first, times, outputs }
    }
}

/// Receives rows in the order of the recording, as they are computed. Closures are sinks too.
///
/// ```no_run
/// use sleeve::extractor::{Extractor, Rows};
/// use sleeve::model::Model;
///
/// let extractor = Extractor::builder(Model::bundled("msd-musicnn-1")?).build()?;
/// let summary = extractor.run_file("song.mp3", &mut |rows: &Rows<'_>| {
///     println!("{} patches from {:.1} s on", rows.times.len(), rows.times[0]);
///     Ok(())
/// })?;
/// println!("{:.1} s of audio", summary.seconds);
/// # Ok::<(), sleeve::Error>(())
/// ```
pub trait Sink {
    /// More rows. An error ends the run and is returned from it.
    ///
    /// # Errors
    /// Any, for example when a file cannot be written ([`Error::sink`](crate::Error::sink)), or
    /// [`Error::Cancelled`](crate::Error::Cancelled) to stop early.
    fn rows(&mut self, rows: &Rows<'_>) -> Result<()>;

    /// Progress callback: seconds of audio processed, and the total length if the file states one. Called several times
    /// per minute of audio.
    fn progress(&mut self, _seconds: f64, _total: Option<f64>) {}
}

impl<F: FnMut(&Rows<'_>) -> Result<()>> Sink for F {
    fn rows(&mut self, rows: &Rows<'_>) -> Result<()> {
        self(rows)
    }
}
