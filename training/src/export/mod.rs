//! Exports a checkpoint to files for the library and other runtimes: `<name>.onnx`, `<name>.pt` and the metadata of
//! both, `<name>.json`.
//!
//! [`weights`] folds batch norm and rounds to half precision or to eight bits, and [`onnx`] writes the ONNX file. The
//! library opens it and makes the TorchScript file from it, so all formats have the same weights. [`mod@closeness`]
//! measures what rounding does to embeddings, [`published`] reads the weights back from an ONNX file, and [`mod@card`]
//! describes a model for those who find it.

pub mod card;
pub mod closeness;
pub mod metadata;
pub mod onnx;
pub mod published;
pub mod weights;

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};
use sleeve::engine::{EngineChoice, EngineOptions};
use sleeve::model::{Metadata, Model};

use crate::atomic;
use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::network::Description;
use closeness::{Closeness, closeness};
use weights::{Storage, Weights};

/// A file format for export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// ONNX, for the library's CPU engines and every other runtime.
    Onnx,
    /// TorchScript, for libtorch on CPU and CUDA.
    Pt,
}

impl Format {
    /// The file's extension, which is also its name among `model_types`.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Onnx => "onnx",
            Format::Pt => "pt",
        }
    }
}

/// The source of an export.
pub enum Source<'a> {
    /// A checkpoint, and its file if there is one; unknown metadata are left empty.
    Checkpoint(&'a Checkpoint, Option<&'a Path>),
    /// An ONNX file; the metadata beside it are kept. It must have been exported by this module unless only TorchScript
    /// is written.
    Onnx(&'a Path),
}

/// The options of an export.
pub struct Options<'a> {
    /// The folder; created if it does not exist.
    pub folder: &'a Path,
    /// The files' stem.
    pub name: &'a str,
    /// The formats, each once.
    pub formats: &'a [Format],
    /// How the ONNX file stores the weights; by default as the source does.
    pub storage: Option<Storage>,
    /// Features on which the embeddings before and after the weights are stored must agree to [`MIN_COSINE`].
    pub compared_on: Option<&'a Path>,
    /// Whether existing files are replaced; otherwise they are an error.
    pub replace: bool,
}

/// The outcome of an export.
pub struct Report {
    /// The files.
    pub files: Vec<PathBuf>,
    /// The largest relative rounding error of the weights for one output of a layer.
    pub rounding: f64,
    /// How the network stores its weights.
    pub storage: Storage,
    /// The effect of rounding on embeddings, if it was measured.
    pub closeness: Option<Closeness>,
}

/// The minimum cosine between the embeddings of a patch before and after rounding; below it, a model is not written.
pub const MIN_COSINE: f64 = 0.999;

/// Writes a network. All files are made before the first is written, and each is atomic.
///
/// # Errors
/// `InvalidArgument` for an invalid name or formats, `Format` if the source cannot be used or a file exists already,
/// and `Io`.
pub fn export(source: &Source, options: &Options) -> Result<Report> {
    let &Options { folder, name, formats, storage, replace, .. } = options;
    check_name(name)?;
    if formats.is_empty() || (1..formats.len()).any(|i| formats[..i].contains(&formats[i])) {
        return Err(Error::InvalidArgument("formats: name each once, and at least one".into()));
    }
    let Made { json, mut files, rounding, storage, closeness } = match *source {
        Source::Onnx(path) if formats == [Format::Pt] && storage.is_none() => torchscript_of(path, options)?,
        _ => made(source, options)?,
    };
    let described = folder.join(format!("{name}.json"));
    // Writing other formats of the same model is not a conflict.
    let is_update = matches!(source, Source::Onnx(path) if is_beside(path, folder, name));
    let clash = files.iter().map(|(path, _)| path).chain((!is_update).then_some(&described));
    if let Some(path) = clash.into_iter().find(|path| path.exists() && !replace) {
        return Err(Error::format(path, "exists already; choose another name, or use --replace"));
    }
    let left = [Format::Onnx, Format::Pt].into_iter().filter(|format| !formats.contains(format));
    let left = left.map(|format| folder.join(format!("{name}.{}", format.extension())));
    if let Some(path) = left.into_iter().find(|path| path.exists() && !is_update) {
        let reason = "belongs to another network and would stay beside the new files; choose another name or remove it";
        return Err(Error::format(path, reason));
    }
    files.push((described, json.into_bytes()));
    for (path, bytes) in &files {
        atomic::write(path, bytes)?;
    }
    let files = files.into_iter().map(|(path, _)| path).collect();
    Ok(Report { files, rounding, storage, closeness })
}

/// Files that are not written yet, and their report.
struct Made {
    json: String,
    files: Vec<(PathBuf, Vec<u8>)>,
    rounding: f64,
    storage: Storage,
    closeness: Option<Closeness>,
}

/// The files of a network whose weights are known.
fn made(source: &Source, options: &Options) -> Result<Made> {
    let &Options { folder, name, formats, storage, compared_on, .. } = options;
    let (description, weights, document) = match *source {
        Source::Checkpoint(checkpoint, path) => {
            let Checkpoint { description, .. } = checkpoint;
            let wrong = |reason: String| match path {
                Some(path) => Error::format(path, reason),
                None => Error::InvalidArgument(reason),
            };
            let weights = Weights::of(checkpoint).map_err(wrong)?;
            let document = metadata::document(name, description, &extensions(formats)).map_err(wrong)?;
            (description.clone(), weights, document)
        }
        Source::Onnx(path) => {
            let (description, weights) = published::read(path)?;
            let document = document_of(path, &description, options)?;
            (description, weights, document)
        }
    };
    let json = Metadata::from_document(document)?.to_json();
    let description = serde_json::to_string(&description).expect("a description can be written as JSON");
    let place = folder.join(format!("{name}.onnx"));
    let before = compared_on.map(|_| onnx::file(&weights, name, &description));
    let weights = match storage {
        Some(storage) => weights.stored_as(storage),
        None => weights,
    };
    let graph = onnx::file(&weights, name, &description);
    let model = opened(&place, &graph, &json)?;
    let closeness = match (compared_on, before) {
        (Some(features), Some(before)) => {
            let closeness = closeness(&opened(&place, &before, &json)?, &model, features)?;
            if closeness.lowest < MIN_COSINE {
                let lowest = closeness.lowest;
                let reason = format!(
                    "not written: the cosine of embeddings before and after rounding is {lowest:.5}, below \
                     {MIN_COSINE}; use half precision"
                );
                return Err(Error::format(&place, reason));
            }
            Some(closeness)
        }
        _ => None,
    };
    let mut files = Vec::new();
    for format in formats {
        let bytes = match format {
            Format::Onnx => graph.clone(),
            Format::Pt => {
                model.to_torchscript().map_err(|error| not_written(folder, name, *format, &error))?
            }
        };
        files.push((folder.join(format!("{name}.{}", format.extension())), bytes));
    }
    Ok(Made { json, files, rounding: weights.rounding, storage: weights.storage(), closeness })
}

/// The TorchScript file of any model that the library can convert.
fn torchscript_of(path: &Path, options: &Options) -> Result<Made> {
    let &Options { folder, name, .. } = options;
    let model = published::open(path)?;
    let document = if path.with_extension("json").exists() {
        updated(path, options)?
    } else {
        document_of(path, &published::read(path)?.0, options)?
    };
    let json = Metadata::from_document(document)?.to_json();
    let bytes = model.to_torchscript().map_err(|error| not_written(folder, name, Format::Pt, &error))?;
    let files = vec![(folder.join(format!("{name}.pt")), bytes)];
    Ok(Made { json, files, rounding: 0.0, storage: Storage::Half, closeness: None })
}

fn extensions(formats: &[Format]) -> Vec<&'static str> {
    formats.iter().map(|format| format.extension()).collect()
}

/// The metadata for the new files: those beside the ONNX file, or else those of its description.
fn document_of(path: &Path, description: &Description, options: &Options) -> Result<Map<String, Value>> {
    let kinds = kinds_beside(path, options);
    let generated = metadata::document(options.name, description, &kinds);
    let generated = generated.map_err(|reason| Error::format(path, reason))?;
    if path.with_extension("json").exists() { updated(path, options) } else { Ok(generated) }
}

/// The formats of the model after the export. With the same name, formats are added; with another, it has only the new
/// ones.
fn kinds_beside(path: &Path, options: &Options) -> Vec<&'static str> {
    let mut kinds = extensions(options.formats);
    if is_beside(path, options.folder, options.name) && !kinds.contains(&"onnx") {
        kinds.insert(0, "onnx");
    }
    kinds
}

/// Checks that a stem stays in its folder and is not hidden.
fn check_name(name: &str) -> Result<()> {
    let is_plain = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\\', '\0']);
    match is_plain && name.len() <= 200 {
        true => Ok(()),
        false => Err(Error::InvalidArgument(format!("{name:?} is not a valid file name"))),
    }
}

/// Whether a model's file has this stem and this folder, even if the paths are written differently.
fn is_beside(path: &Path, folder: &Path, name: &str) -> bool {
    let place = |folder: &Path| {
        let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
        folder.canonicalize().ok()
    };
    path.file_stem().is_some_and(|stem| stem == name)
        && path.parent().and_then(place).is_some_and(|parent| place(folder) == Some(parent))
}

/// The metadata beside an ONNX file, with other formats; if the name is the file's, it becomes the new one.
fn updated(path: &Path, options: &Options) -> Result<Map<String, Value>> {
    let (path, kinds) = (path.with_extension("json"), kinds_beside(path, options));
    let metadata = Metadata::read(&path).map_err(|error| Error::InvalidArgument(error.to_string()))?;
    let mut document = metadata.document().clone();
    document.insert("model_types".into(), kinds.iter().copied().collect());
    document.insert("framework".into(), metadata::framework(&kinds).into());
    if path.file_stem().is_some_and(|stem| stem == metadata.name()) {
        document.insert("name".into(), options.name.into());
    }
    Ok(document)
}

/// The graph as the library opens it; a warning is an error.
fn opened(path: &Path, bytes: &[u8], json: &str) -> Result<Model> {
    let name = path.display().to_string();
    let wrong = |reason: String| Error::format(path, format!("not written: {reason}"));
    let model = Model::from_bytes(&name, bytes, Some(json)).map_err(|error| wrong(error.to_string()))?;
    if let [warning, ..] = model.warnings() {
        return Err(wrong(warning.clone()));
    }
    let options = EngineOptions::default().engine(EngineChoice::Effnet).threads(1);
    model.engine(&options).map_err(|error| wrong(error.to_string()))?;
    Ok(model)
}

fn not_written(folder: &Path, name: &str, format: Format, error: &sleeve::Error) -> Error {
    Error::format(folder.join(format!("{name}.{}", format.extension())), format!("not written: {error}"))
}
