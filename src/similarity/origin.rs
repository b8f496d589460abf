//! What made the vectors of a library: vectors of different origins cannot be compared.

use serde::{Deserialize, Serialize};

use crate::audio::{Ffmpeg, Level};
use crate::engine::Purpose;
use crate::extractor::Extractor;
use crate::{Error, Result};

/// What made the vectors of a library. Two origins agree if everything does but [`place`](Self::place) and
/// [`ffmpeg`](Self::ffmpeg).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Origin {
    /// The model's name.
    pub model: String,
    /// The SHA-256 of the model's graph, in hexadecimal digits.
    pub sha256: String,
    /// Where the model was opened from: a bundled name or a path. It may have been moved since.
    pub place: String,
    /// The name of the output that the vectors are means of.
    pub output: String,
    /// The number of values of a vector.
    pub dim: usize,
    /// The name of the front end, or empty if vectors came from elsewhere.
    pub front_end: String,
    /// The distance between the beginnings of two patches, in frames of the front end.
    pub hop: usize,
    /// The name of the resampler.
    pub resampler: String,
    /// The name of the level: `none` or `track`.
    pub level: String,
    /// Whether FFmpeg was allowed to decode what the library cannot. Both kinds of library may be searched for the same
    /// track, so origins agree whichever this is.
    pub ffmpeg: bool,
    /// The names of the activations that each track has: means of the model's predictions. Empty if it has none.
    pub classes: Vec<String>,
}

impl Origin {
    /// Vectors of `dim` values that came from elsewhere: `model` and `sha256` are what a library of another origin is
    /// recognised by.
    pub fn other(model: impl Into<String>, sha256: impl Into<String>, dim: usize) -> Self {
        Origin {
            model: model.into(),
            sha256: sha256.into(),
            place: String::new(),
            output: "embeddings".to_owned(),
            dim,
            front_end: String::new(),
            hop: 0,
            resampler: String::new(),
            level: Level::None.name().to_owned(),
            ffmpeg: false,
            classes: Vec::new(),
        }
    }

    /// The origin of what an extractor gives: its first output of embeddings and, if it computes predictions, their
    /// classes.
    ///
    /// # Errors
    /// `InvalidArgument` if the extractor computes no embeddings.
    pub fn of(extractor: &Extractor) -> Result<Self> {
        let model = extractor.model();
        let embeddings = extractor.outputs().find(|output| output.purpose == Purpose::Embeddings);
        let embeddings = embeddings.ok_or_else(|| {
            Error::InvalidArgument(format!("{}: this model has no embeddings to compare", model.name()))
        })?;
        let classes = extractor.outputs().find(|output| is_activations(output.purpose, &output.classes));
        let options = extractor.audio_options();
        Ok(Origin {
            model: model.name().to_owned(),
            sha256: model.sha256().to_owned(),
            place: model.name().to_owned(),
            output: embeddings.tensor.clone(),
            dim: embeddings.dim,
            front_end: extractor.front_end().to_string(),
            hop: extractor.patching().hop(),
            resampler: options.resampler.name().to_owned(),
            level: options.level.name().to_owned(),
            ffmpeg: options.ffmpeg != Ffmpeg::Never,
            classes: classes.map(|output| output.classes.clone()).unwrap_or_default(),
        })
    }

    /// Why vectors of another origin cannot be compared with these, in words; `None` if they can.
    pub fn difference(&self, other: &Origin) -> Option<String> {
        let short = |origin: &Origin| {
            let digits: String = origin.sha256.chars().take(12).collect();
            format!("{} (SHA-256 {digits}...)", origin.model)
        };
        if self.sha256 != other.sha256 {
            return Some(format!("made with {}, not with {}", short(self), short(other)));
        }
        let differs = |what: &str, ours: &str, theirs: &str| {
            (ours != theirs).then(|| format!("made with {what} {ours}, not {theirs}"))
        };
        differs("output", &self.output, &other.output)
            .or_else(|| differs("vectors of size", &self.dim.to_string(), &other.dim.to_string()))
            .or_else(|| differs("front end", &self.front_end, &other.front_end))
            .or_else(|| differs("hop", &self.hop.to_string(), &other.hop.to_string()))
            .or_else(|| differs("resampler", &self.resampler, &other.resampler))
            .or_else(|| differs("level", &self.level, &other.level))
    }

    /// Refuses what cannot be an origin.
    pub(super) fn check(&self) -> std::result::Result<(), String> {
        if self.dim == 0 || self.dim > MAX_DIM {
            return Err(format!("vectors of {} values; 1 to {MAX_DIM} are possible", self.dim));
        }
        if self.classes.len() > MAX_DIM {
            return Err(format!("{} activations; at most {MAX_DIM} are possible", self.classes.len()));
        }
        Ok(())
    }
}

/// The most values of a vector, and the most activations.
pub(super) const MAX_DIM: usize = 1 << 16;

/// Whether an output gives the activations of a library.
pub(super) fn is_activations(purpose: Purpose, classes: &[String]) -> bool {
    purpose == Purpose::Predictions && !classes.is_empty()
}
