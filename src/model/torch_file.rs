//! A TorchScript file. It does not state shapes, so its input and outputs are found by running it.

use std::path::PathBuf;

use prost::bytes::Bytes;

use super::algorithm::Said;
use super::file::read_capped;
use super::metadata::Metadata;
use super::shape;
use crate::engine::plugin::{Library, PluginEngine};
use crate::engine::{Device, Engine, EngineOptions, InputSpec, OutputSpec};
use crate::onnx::{Declared, MAX_FILE_BYTES, Signature};
use crate::{Error, Result};

/// Frames of a patch if they are not stated: those of the Discogs models.
const FRAMES: usize = 128;

/// A file, or its bytes.
pub(super) struct TorchFile {
    /// The name in error messages.
    pub subject: String,
    source: Source,
}

enum Source {
    /// Read when an engine is created.
    File(PathBuf),
    Memory(Bytes),
}

/// The input and outputs of a file.
pub(super) struct Description {
    pub input: InputSpec,
    pub outputs: Vec<OutputSpec>,
}

impl TorchFile {
    pub fn at(path: PathBuf) -> Self {
        TorchFile { subject: path.display().to_string(), source: Source::File(path) }
    }

    pub fn of_bytes(subject: &str, bytes: Bytes) -> Self {
        TorchFile { subject: subject.to_owned(), source: Source::Memory(bytes) }
    }

    pub fn bytes(&self) -> Result<Bytes> {
        match &self.source {
            Source::File(path) => Ok(read_capped(path, MAX_FILE_BYTES)?.into()),
            Source::Memory(bytes) => Ok(bytes.clone()),
        }
    }

    /// Finds the outputs by running one patch. The input is that of the metadata; without it, the patches of the
    /// Discogs models are tried.
    pub fn describe(
        &self,
        metadata: &Metadata,
        said: Said,
        warnings: &mut Vec<String>,
    ) -> Result<Description> {
        let error = |reason: String| Error::model(&self.subject, reason);
        let schema = metadata.inputs().first();
        let dims = match schema {
            Some(schema) if !schema.shape.is_empty() => None,
            _ => Some(vec![None, (said == Said::Nothing).then_some(FRAMES), None]),
        };
        let name = schema.map_or("x", |schema| schema.name.as_str()).to_owned();
        let mut graph = Signature { inputs: vec![Declared { name, dims }], outputs: Vec::new() };
        let (input, _) = shape::input(&graph, metadata, said, warnings).map_err(error)?;
        let options =
            EngineOptions { device: Device::Cpu, threads: 1, batch_size: Some(1), ..Default::default() };
        let engine = PluginEngine::torch(Library::torch()?, &self.subject, &self.bytes()?, input, &options)?;
        let is_head = matches!(input, InputSpec::Vector { .. });
        let names = names(engine.outputs(), metadata, is_head).map_err(error)?;
        graph.outputs = names
            .into_iter()
            .zip(engine.outputs())
            .map(|(name, output)| Declared { name, dims: Some(vec![None, Some(output.dim)]) })
            .collect();
        let outputs = shape::outputs(&graph, metadata, is_head, warnings)
            .into_iter()
            .zip(engine.outputs())
            .map(|((name, purpose, _), output)| OutputSpec { name, purpose, dim: output.dim })
            .collect();
        Ok(Description { input, outputs })
    }
}

/// The outputs' names: those of the file; for a tuple, those of the metadata, in order; without metadata, those of this
/// library's models.
fn names(outputs: &[OutputSpec], metadata: &Metadata, is_head: bool) -> Result<Vec<String>, String> {
    if outputs.iter().any(|output| !output.name.is_empty()) {
        return Ok(outputs.iter().map(|output| output.name.clone()).collect());
    }
    let said = metadata.outputs();
    if said.len() == outputs.len() {
        return Ok(said.iter().map(|schema| schema.name.clone()).collect());
    }
    if !said.is_empty() {
        let listed: Vec<&str> = said.iter().map(|schema| schema.name.as_str()).collect();
        return Err(format!(
            "it returns {} outputs without names, but the metadata lists {} ({})",
            outputs.len(),
            said.len(),
            listed.join(", ")
        ));
    }
    Ok(match outputs.len() {
        1 if is_head => vec!["predictions".into()],
        1 => vec!["embeddings".into()],
        2 => vec!["predictions".into(), "embeddings".into()],
        count => (0..count).map(|index| format!("output_{index}")).collect(),
    })
}
