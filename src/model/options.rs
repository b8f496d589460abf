//! Options of opening a model.

use super::Algorithm;

/// How a model is opened.
///
/// ```no_run
/// use sleeve::model::{Algorithm, Model, ModelOptions};
///
/// let options = ModelOptions::new().front_end(Algorithm::Vggish);
/// let model = Model::open_with("mine.onnx", &options)?;
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelOptions {
    /// The input that the network was trained on, in place of what its metadata say.
    pub front_end: Option<Algorithm>,
}

impl ModelOptions {
    /// The defaults: the metadata say everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the input that the network was trained on, in place of what its metadata say. The network is fed that,
    /// whatever it was trained on: another front end gives wrong numbers.
    pub fn front_end(mut self, front_end: Algorithm) -> Self {
        self.front_end = Some(front_end);
        self
    }
}
