//! From what a user names (a file, a stem, a bundled model) to a model's bytes.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::Model;
use super::bundled::BUNDLED;
use super::metadata::Metadata;
use super::torch_file::TorchFile;
use crate::engine::onnx::MAX_FILE_BYTES;
use crate::{Error, Result};

/// Opens what `path` names; see [`Model::open`].
pub fn open(path: &Path) -> Result<Model> {
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
    // A stem: the extension is added, not replaced, for stems hold dots (`track-1.5`).
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
pub fn bundled(name: &str) -> Result<Model> {
    match BUNDLED.iter().find(|model| model.name == name) {
        Some(model) => Model::build(name, model.onnx.into(), Some(model.json)),
        None => Err(Error::model(name, format!("no such bundled model; {}", known()))),
    }
}

/// Reads a graph, and its metadata where there is any; a TorchScript file beside it is only noted.
fn read(onnx: &Path, torch: &Path, json: &Path) -> Result<Model> {
    let bytes = read_capped(onnx, MAX_FILE_BYTES)?;
    let torch = torch.is_file().then(|| torch.to_owned());
    Model::assemble(&stem(onnx), &onnx.display().to_string(), bytes.into(), torch, metadata(json)?)
}

/// Reads a TorchScript file that is a model of its own, and its metadata where there is any.
fn read_torch(torch: &Path, json: &Path) -> Result<Model> {
    Model::assemble_torch(&stem(torch), TorchFile::at(torch.to_owned()), metadata(json)?)
}

fn metadata(json: &Path) -> Result<Metadata> {
    if json.is_file() { Metadata::read(json) } else { Ok(Metadata::default()) }
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// A file's bytes, refused if there are more than `limit`.
pub fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let io = |source| Error::io(path, source);
    // Asked before opening: a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(Error::model(path.display().to_string(), "a folder or a device, not a file"));
    }
    let mut bytes = Vec::new();
    // The size that the file announces may change; no more than the limit is read either way.
    File::open(path).map_err(io)?.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(Error::model(path.display().to_string(), format!("larger than {} MiB", limit >> 20)));
    }
    Ok(bytes)
}

/// Why a model that has neither `.onnx` nor `.pt` cannot be opened.
fn no_graph(path: &Path) -> Error {
    let has_tensorflow = path.extension() == Some(OsStr::new("pb"))
        || path.with_extension("pb").is_file()
        || with_suffix(path, ".pb").is_file();
    let reason = if has_tensorflow {
        "TensorFlow's .pb is not read; use the .onnx that is published beside it"
    } else {
        "there is metadata, but no .onnx or .pt beside it"
    };
    Error::model(path.display().to_string(), reason)
}

fn missing(path: &Path) -> Error {
    let reason =
        format!("no such file, nor a stem of .onnx, .pt and .json files, nor a bundled model; {}", known());
    Error::model(path.display().to_string(), reason)
}

/// A sentence with the bundled models' names.
fn known() -> String {
    let names: Vec<&str> = BUNDLED.iter().map(|model| model.name).collect();
    if names.is_empty() {
        "this build bundles no model".into()
    } else {
        format!("bundled: {}", names.join(", "))
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
