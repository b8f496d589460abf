//! Encoders: models, the baselines beside them, and embeddings from elsewhere, with one interface.

pub mod extracted;
pub mod given;
pub mod mel_statistics;
pub mod model;
pub mod open;
pub mod vggish;

use ndarray::{Array2, ArrayView2, ArrayView3};
use sleeve::engine::Engine;
use sleeve::front_end::Spectrogram;

use super::recordings::Recording;
use crate::error::{Error, Result};

/// Turns patches of a spectrogram into embeddings, one per patch. It does not learn.
pub trait Encoder: Send {
    /// Its name in results and tables.
    fn name(&self) -> &str;

    /// A key that distinguishes its embeddings from those of every other encoder: the model's SHA-256, or a name with a
    /// version.
    fn identity(&self) -> String;

    /// The spectrogram that it reads.
    fn front_end(&self) -> FrontEnd;

    /// Frames of a patch; 0 if it gives the rows of whole recordings.
    fn frames(&self) -> usize;

    /// Values of an embedding.
    fn dimensions(&self) -> usize;

    /// Embeddings `[n, dimensions]` of patches `[n, frames, bands]`.
    ///
    /// # Errors
    /// If the shape is wrong, or the engine fails.
    fn embed(&mut self, patches: ArrayView3<f32>) -> Result<Array2<f32>>;

    /// Another encoder of the same kind and weights for another thread; `None` if all threads must share this one.
    fn sibling(&self) -> Option<Box<dyn Encoder>> {
        None
    }

    /// Whether it gives the rows of whole recordings ([`Encoder::rows`]) instead of embedding patches.
    fn gives_rows(&self) -> bool {
        false
    }

    /// Whether its rows come from files, whatever the audio is.
    fn is_stored(&self) -> bool {
        false
    }

    /// The rows of a recording, `[n, dimensions]` in the order of time, at least one; or why there are none.
    ///
    /// # Errors
    /// If a file is damaged, or it embeds patches.
    fn rows(&mut self, _recording: &Recording) -> Result<Result<Array2<f32>, String>> {
        Err(Error::InvalidArgument(format!("{} embeds patches of a spectrogram", self.name())))
    }

    /// One vector for a whole recording `[frames, bands]`; `None` if it is the mean of the patches' embeddings.
    fn whole(&mut self, _frames: ArrayView2<f32>) -> Option<Vec<f32>> {
        None
    }
}

/// Runs patches through an engine and returns one output; `[frames, bands, dimensions]` are the sizes of input and
/// output.
fn embed_on(
    engine: &dyn Engine,
    name: &str,
    output: usize,
    patches: ArrayView3<f32>,
    [frames, bands, dimensions]: [usize; 3],
) -> Result<Array2<f32>> {
    let (rows, own_frames, own_bands) = patches.dim();
    if (own_frames, own_bands) != (frames, bands) {
        let reason = format!("{name} takes patches of {frames} x {bands}, not {own_frames} x {own_bands}");
        return Err(Error::InvalidArgument(reason));
    }
    let patches = patches.as_standard_layout();
    let mut embeddings = Array2::zeros((rows, dimensions));
    let into = embeddings.as_slice_mut().expect("in rows");
    engine.run(patches.as_slice().expect("in rows"), rows, &mut [(output, into)])?;
    Ok(embeddings)
}

/// A spectrogram of mono audio at 16 kHz.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrontEnd {
    /// The library's: 96 mel bands, 62.5 frames a second.
    MusiCnn,
    /// VGGish's, as its authors published it: 64 log-mel bands, 100 frames a second.
    VggIsh,
}

impl FrontEnd {
    /// Values of a frame.
    pub fn bands(self) -> usize {
        self.of_the_library().bands()
    }

    /// Frames a second.
    pub fn rate(self) -> f64 {
        let front_end = self.of_the_library();
        f64::from(front_end.sample_rate()) / front_end.hop() as f64
    }

    /// The spectrogram `[frames, bands]` of mono samples at 16 kHz.
    pub fn of_samples(self, samples: &[f32]) -> Array2<f32> {
        Spectrogram::new(self.of_the_library()).compute(samples)
    }

    fn of_the_library(self) -> sleeve::front_end::FrontEnd {
        match self {
            FrontEnd::MusiCnn => sleeve::front_end::FrontEnd::MusiCnn,
            FrontEnd::VggIsh => sleeve::front_end::FrontEnd::VggishOriginal,
        }
    }
}
