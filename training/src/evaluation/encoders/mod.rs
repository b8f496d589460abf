//! Whatever turns a recording into embeddings, behind one face: models, and the baselines beside them.

use ndarray::{Array2, ArrayView2, ArrayView3};

use crate::error::Result;

/// Turns patches of a spectrogram into embeddings, one a patch; nothing in it learns.
pub trait Encoder: Send {
    /// What it is called in results and tables.
    fn name(&self) -> &str;

    /// What tells its embeddings from those of every other encoder: the model's SHA-256, or a name with a version.
    fn identity(&self) -> String;

    /// The spectrogram that it reads.
    fn front_end(&self) -> FrontEnd;

    /// Frames of a patch.
    fn frames(&self) -> usize;

    /// Values of an embedding.
    fn dimensions(&self) -> usize;

    /// Embeddings `[n, dimensions]` of patches `[n, frames, bands]`.
    ///
    /// # Errors
    /// If the shape is another, or the engine fails.
    fn embed(&mut self, patches: ArrayView3<f32>) -> Result<Array2<f32>>;

    /// One vector for a whole recording, of its `[frames, bands]`; `None` if it is the mean of the patches' embeddings.
    fn whole(&mut self, _frames: ArrayView2<f32>) -> Option<Vec<f32>> {
        None
    }
}

/// A spectrogram of mono audio at 16 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrontEnd {
    /// The library's: 96 mel bands, 62.5 frames a second.
    MusiCnn,
    /// VGGish's: 64 log-mel bands, 100 frames a second.
    VggIsh,
}
