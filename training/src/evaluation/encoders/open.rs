//! Names of encoders on the command line.

use sleeve::engine::EngineOptions;
use sleeve::model::Model;

use super::Encoder;
use super::extracted::Extracted;
use super::given::Given;
use super::mel_statistics::MelStatistics;
use super::model::{ModelEncoder, musicnn_frames};
use super::vggish::VggIsh;
use crate::error::{Error, Result};

/// The names of encoders, for `--help`.
pub const NAMES: &str = "a model's file (.onnx, .pt), stem or bundled name (msd-musicnn-1), MODEL@OUTPUT for another \
     of its outputs than its embeddings, mel-statistics (mean and standard deviation of the bands), vggish=FILE.onnx \
     (made by models/convert_vggish.py), random:SEED for an untrained EfficientNet-B0, or embeddings that another \
     program has computed: npy=DIR (a NumPy array for each recording, [patches, values] or [values]) or parquet=FILE \
     (columns path and embedding)";

/// Opens the encoder with the given name.
///
/// # Errors
/// If there is none, or it cannot be opened.
pub fn open(name: &str, options: &EngineOptions) -> Result<Box<dyn Encoder>> {
    // Encoders with names of their own; everything else is a model.
    if name == MelStatistics::NAME {
        return Ok(Box::new(MelStatistics));
    }
    if let Some(file) = name.strip_prefix("vggish=") {
        return Ok(Box::new(VggIsh::open(file, options)?));
    }
    if let Some(folder) = name.strip_prefix("npy=") {
        return Ok(Box::new(Given::folder(folder.as_ref())?));
    }
    if let Some(file) = name.strip_prefix("parquet=") {
        return Ok(Box::new(Given::table(file.as_ref())?));
    }
    if let Some(seed) = name.strip_prefix("random:") {
        let wrong = || Error::InvalidArgument(format!("{name}: {seed:?} is not a seed (a whole number)"));
        return Ok(Box::new(ModelEncoder::random(seed.parse().map_err(|_| wrong())?, options)?));
    }
    let (place, output) = match name.rsplit_once('@') {
        Some((place, output)) if !std::path::Path::new(name).exists() && !output.contains('/') => {
            (place, Some(output))
        }
        _ => (name, None),
    };
    let model = Model::open(place)?;
    // A model with a front end of its own is run by the library's extractor; others share MusiCNN's frames.
    match musicnn_frames(&model) {
        Err(_) if model.audio_patching().is_ok() => Ok(Box::new(Extracted::of(model, output, options)?)),
        _ => Ok(Box::new(ModelEncoder::of(&model, output, options)?)),
    }
}

/// Opens several encoders, whose names must all differ.
///
/// # Errors
/// As [`open`], and if two have the same name.
pub fn open_all(names: &[String], options: &EngineOptions) -> Result<Vec<Box<dyn Encoder>>> {
    let encoders: Vec<Box<dyn Encoder>> =
        names.iter().map(|name| open(name, options)).collect::<Result<_>>()?;
    for (index, encoder) in encoders.iter().enumerate() {
        if encoders[..index].iter().any(|other| other.name() == encoder.name()) {
            let reason =
                format!("two of the models are called {}; give one's file another name", encoder.name());
            return Err(Error::InvalidArgument(reason));
        }
    }
    Ok(encoders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_to_encoders_or_say_what_is_wrong() {
        let options = EngineOptions::default().threads(1);
        let open = |name: &str| super::open(name, &options).map(|encoder| encoder.name().to_owned());
        assert_eq!(open("random:3").unwrap(), "random-3");
        assert_eq!(open("mtt-musicnn-1@dense").unwrap(), "mtt-musicnn-1@dense");
        for (name, reason) in [("random:x", "not a seed"), ("nothing", "nothing"), ("msd-musicnn-1@x", "`x`")]
        {
            let error = open(name).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let twice = ["random:3".to_owned(), "random:3".to_owned()];
        assert!(open_all(&twice, &options).err().unwrap().to_string().contains("random-3"));
    }
}
