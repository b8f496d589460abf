//! Finds a model's bytes from a file, a stem or the name of a bundled model.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use prost::bytes::Bytes;

use super::bundled::BUNDLED;
use super::file::read_capped;
use super::metadata::Metadata;
use super::torch_file::TorchFile;
use crate::onnx::MAX_FILE_BYTES;
use crate::{Error, Result};

/// What was found for a name.
pub(super) struct Found {
    pub name: String,
    /// The name in error messages.
    pub subject: String,
    /// Where external data is looked for; `None` for a model from memory.
    pub folder: Option<PathBuf>,
    pub network: Network,
    pub metadata: Metadata,
}

/// The files of a network.
pub(super) enum Network {
    /// The bytes of a graph, and the TorchScript file beside it, if there is one.
    Onnx(Bytes, Option<TorchFile>),
    /// A TorchScript file without a graph.
    Torch(TorchFile),
}

/// Finds what `path` names; see [`super::Model::open`].
pub fn find(path: &Path) -> Result<Found> {
    let extension = path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    match extension.as_deref() {
        Some("onnx") => return read(path, &path.with_extension("pt"), &path.with_extension("json")),
        Some("json") => {
            if !path.is_file() {
                return Err(missing(path));
            }
            let (onnx, torch) = (path.with_extension("onnx"), path.with_extension("pt"));
            return if onnx.is_file() {
                read(&onnx, &torch, path)
            } else if torch.is_file() {
                read_torch(&torch, path)
            } else {
                Err(no_graph(path))
            };
        }
        Some("pt" | "pth" | "ts" | "torchscript") if path.is_file() => {
            return read_torch(path, &path.with_extension("json"));
        }
        Some("pb") if path.is_file() => return Err(no_graph(path)),
        _ => {}
    }
    // A stem: the extension is appended, not replaced, because stems can contain dots (`track-1.5`).
    let [onnx, torch, json] = [".onnx", ".pt", ".json"].map(|suffix| with_suffix(path, suffix));
    if onnx.is_file() {
        return read(&onnx, &torch, &json);
    }
    if torch.is_file() {
        return read_torch(&torch, &json);
    }
    let bare = path.components().count() == 1 && !path.is_file() && !path.is_dir();
    match path.to_str() {
        Some(name) if bare && BUNDLED.iter().any(|model| model.name == name) => bundled(name),
        _ if path.is_file() => Err(Error::model(
            path.display().to_string(),
            "neither an .onnx or .pt file nor the .json beside one",
        )),
        _ if [".json", ".pb"].iter().any(|suffix| with_suffix(path, suffix).is_file()) => Err(no_graph(path)),
        _ => Err(missing(path)),
    }
}

/// A bundled model by name.
pub fn bundled(name: &str) -> Result<Found> {
    match BUNDLED.iter().find(|model| model.name == name) {
        Some(model) => in_memory(name, Bytes::from_static(model.onnx), Some(model.json)),
        None => Err(Error::model(name, format!("no such bundled model; {}", known()))),
    }
}

/// A model from memory: the bytes of a graph or of a TorchScript file, and the text of its metadata.
pub fn in_memory(name: &str, file: Bytes, json: Option<&str>) -> Result<Found> {
    let metadata = json.map(Metadata::parse).transpose();
    let metadata = metadata.map_err(|reason| Error::model(name, format!("metadata: {reason}")))?;
    // TorchScript is a zip archive; ONNX files never begin like one.
    let network = match file.starts_with(b"PK\x03\x04") {
        true => Network::Torch(TorchFile::of_bytes(name, file)),
        false => Network::Onnx(file, None),
    };
    let metadata = metadata.unwrap_or_default();
    Ok(Found { name: name.to_owned(), subject: name.to_owned(), folder: None, network, metadata })
}

/// Reads a graph and, if it exists, its metadata. A TorchScript file beside it is not read yet.
fn read(onnx: &Path, torch: &Path, json: &Path) -> Result<Found> {
    let bytes = read_capped(onnx, MAX_FILE_BYTES)?;
    let torch = torch.is_file().then(|| TorchFile::at(torch.to_owned()));
    found(onnx, Network::Onnx(bytes.into(), torch), json)
}

/// Finds a TorchScript file without a graph and, if it exists, its metadata.
fn read_torch(torch: &Path, json: &Path) -> Result<Found> {
    found(torch, Network::Torch(TorchFile::at(torch.to_owned())), json)
}

/// A network with the metadata beside it, if there is any.
fn found(path: &Path, network: Network, json: &Path) -> Result<Found> {
    let metadata = if json.is_file() { Metadata::read(json)? } else { Metadata::default() };
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // The folder of a bare name is the working directory.
    let folder = path.parent().map(|folder| if folder == Path::new("") { Path::new(".") } else { folder });
    let folder = folder.map(Path::to_owned);
    Ok(Found { name, subject: path.display().to_string(), folder, network, metadata })
}

/// Why a model that has neither `.onnx` nor `.pt` cannot be opened.
fn no_graph(path: &Path) -> Error {
    let has_tensorflow = path.extension() == Some(OsStr::new("pb"))
        || path.with_extension("pb").is_file()
        || with_suffix(path, ".pb").is_file();
    let reason = if has_tensorflow {
        "TensorFlow's .pb is not supported; use the .onnx that is published beside it"
    } else {
        "there is metadata, but no .onnx or .pt beside it"
    };
    Error::model(path.display().to_string(), reason)
}

fn missing(path: &Path) -> Error {
    let reason = format!(
        "no such file, not a stem of .onnx, .pt or .json files, and not a bundled model; {}",
        known()
    );
    Error::model(path.display().to_string(), reason)
}

/// A sentence with the bundled models' names.
fn known() -> String {
    let names: Vec<&str> = BUNDLED.iter().map(|model| model.name).collect();
    if names.is_empty() {
        "this build has no bundled models".into()
    } else {
        format!("bundled: {}", names.join(", "))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
