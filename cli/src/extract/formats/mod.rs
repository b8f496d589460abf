//! Output files: one writer per format. Files are written under a temporary name and renamed when complete.

mod csv;
mod json;
mod mean;
mod npy;
#[cfg(feature = "parquet")]
mod parquet;

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use sleeve::engine::Purpose;
use sleeve::extractor::{Extractor, OutputInfo, Sink};
use sleeve_files::names::shown;

use super::args::Format;

/// Takes one extractor's rows for one recording.
pub trait Writer: Sink {
    /// Completes the files and gives them their names, which are returned.
    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>>;
}

/// The output files of one extractor for one recording.
pub struct Target {
    /// What all files begin with, ending of the input included: `DIR/a/song.mp3`.
    stem: PathBuf,
    /// The model's name, if there are several models.
    model: Option<String>,
    /// The outputs in each row.
    outputs: Vec<OutputInfo>,
    /// What the model took.
    input: serde_json::Value,
}

impl Target {
    pub fn new(stem: PathBuf, extractor: &Extractor, several: bool) -> Self {
        Target {
            stem,
            model: several.then(|| extractor.model().name().to_owned()),
            outputs: extractor.outputs().cloned().collect(),
            input: described(extractor),
        }
    }

    /// `DIR/a/song.mp3.<ending>`, with the model's name before the ending if there are several.
    fn file(&self, ending: &str) -> PathBuf {
        let mut name = self.stem.file_name().unwrap_or_default().to_owned();
        name.push(self.suffix(ending));
        self.stem.with_file_name(name)
    }

    fn suffix(&self, ending: &str) -> String {
        match &self.model {
            Some(model) => format!(".{model}.{ending}"),
            None => format!(".{ending}"),
        }
    }

    /// What the names of all files of this format have behind the stem.
    pub fn suffixes(&self, format: Format) -> Vec<String> {
        match format {
            Format::Npy => self.labels().iter().map(|label| self.suffix(&format!("{label}.npy"))).collect(),
            Format::Json => vec![self.suffix("json")],
            Format::Csv => vec![self.suffix("csv")],
            Format::Parquet => vec![self.suffix("parquet")],
        }
    }

    /// A short, unique name for each output: its purpose (after the head's name), or its tensor's name.
    fn labels(&self) -> Vec<String> {
        let mut labels: Vec<String> = Vec::new();
        for output in &self.outputs {
            let word = match output.purpose {
                Purpose::Embeddings => "embeddings".to_owned(),
                Purpose::Predictions => "predictions".to_owned(),
                Purpose::Other => plain(&output.tensor),
            };
            let mut label = if output.from_head { format!("{}.{word}", plain(&output.model)) } else { word };
            if labels.contains(&label) {
                label = format!("{label}.{}", plain(&output.tensor));
            }
            labels.push(label);
        }
        labels
    }

    /// The column name of each value: `embeddings_0`, or `predictions:rock` if classes are known.
    fn columns(&self) -> Vec<String> {
        let mut columns = Vec::new();
        for (label, output) in self.labels().iter().zip(&self.outputs) {
            columns.extend((0..output.dim).map(|value| match output.classes.get(value) {
                Some(class) => format!("{label}:{class}"),
                None => format!("{label}_{value}"),
            }));
        }
        columns
    }
}

/// What a model took: sample rate, frames and patches.
fn described(extractor: &Extractor) -> serde_json::Value {
    let (front_end, patching) = (extractor.front_end(), extractor.patching());
    serde_json::json!({
        "sample_rate": front_end.sample_rate(),
        "front_end": front_end.name(),
        "bands": front_end.bands(),
        "frame_hop": front_end.hop(),
        "patch_frames": patching.frames(),
        "patch_hop": patching.hop(),
    })
}

/// Opens a writer.
pub fn writer(format: Format, mean: bool, target: Target) -> Result<Box<dyn Writer>> {
    if let Some(folder) = target.stem.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", shown(folder)))?;
    }
    let outputs = target.outputs.clone();
    let writer: Box<dyn Writer> = match format {
        Format::Npy => Box::new(npy::NpyFiles::create(&target)?),
        Format::Json => Box::new(json::JsonFile::create(&target)?),
        Format::Csv => Box::new(csv::CsvFile::create(&target)?),
        #[cfg(feature = "parquet")]
        Format::Parquet => Box::new(parquet::ParquetFile::create(&target)?),
        #[cfg(not(feature = "parquet"))]
        Format::Parquet => unreachable!("refused before any file is read"),
    };
    Ok(if mean { Box::new(mean::MeanOf::new(outputs, writer)) } else { writer })
}

/// A name with characters that are safe in file names and tables.
fn plain(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c } else { '_' }).collect()
}
