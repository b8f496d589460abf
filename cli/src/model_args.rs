//! Options of models that commands share.

use std::path::Path;

use sleeve::model::{Algorithm, Model, ModelOptions};

/// How models are opened.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct ModelArgs {
    /// The input that the models were trained on, in place of what their metadata say: musicnn, effnet-discogs, maest,
    /// vggish, vggish-original, tempocnn, fsd-sinet, openl3, crepe, or musicnn-mel (MusiCNN's frames in patches of any length). Values
    /// are wrong if it is not true
    #[arg(long, value_name = "NAME")]
    pub front_end: Option<Algorithm>,
}

impl ModelArgs {
    /// Opens a model that takes audio.
    pub fn open(&self, path: impl AsRef<Path>) -> sleeve::Result<Model> {
        let options = self
            .front_end
            .map_or_else(ModelOptions::new, |front_end| ModelOptions::new().front_end(front_end));
        Model::open_with(path, &options)
    }
}
