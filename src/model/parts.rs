//! The parts of a model, combined from its files.

use std::sync::{Mutex, Weak};

use sha2::{Digest, Sha256};

use super::graph::OnnxFile;
use super::metadata::Metadata;
use super::open::{Found, Network};
use super::torch_file::{Description, TorchFile};
use super::{shape, torchscript};
use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec};
use crate::{Error, Result, onnx};

/// The parts of a model, which its clones share.
pub(super) struct Parts {
    pub name: String,
    pub metadata: Metadata,
    pub sha256: String,
    /// At least one of these is present.
    pub onnx: Option<OnnxFile>,
    pub torch: Option<TorchFile>,
    pub input: InputSpec,
    pub outputs: Vec<OutputSpec>,
    pub classes: Vec<String>,
    /// Default hop of patches in frames; 0 for a head.
    pub hop: usize,
    pub warnings: Vec<String>,
    /// Engines on CUDA that are in use. They are shared, because a device has memory for only a few, and one serves any
    /// number of threads.
    pub on_cuda: Mutex<Vec<(EngineOptions, Weak<dyn Engine>)>>,
}

impl Parts {
    /// Reads the graph, or finds the outputs of the TorchScript file, and combines them with the metadata.
    pub fn of(found: Found) -> Result<Parts> {
        let Found { name, subject, network, metadata } = found;
        let mut warnings = Vec::new();
        let (sha256, onnx, torch, Description { input, outputs }) = match network {
            Network::Onnx(bytes, torch) => {
                let error = |reason: String| Error::model(&subject, reason);
                let file = onnx::Model::read(bytes.clone()).map_err(error)?;
                let (onnx, description) = described(file, &metadata, &mut warnings).map_err(error)?;
                (digest(&bytes), Some(onnx), torch, description)
            }
            Network::Torch(torch) => {
                let description = torch.describe(&metadata, &mut warnings)?;
                (digest(&torch.bytes()?), None, Some(torch), description)
            }
        };
        let classes = shape::classes(&metadata, &outputs, &mut warnings);
        let hop = match input {
            InputSpec::Patch { frames, .. } => shape::patching(frames, &metadata, &mut warnings).1,
            InputSpec::Vector { .. } => 0,
        };
        for warning in &warnings {
            log::warn!("model {name}: {warning}");
        }
        let on_cuda = Mutex::default();
        Ok(Parts { name, metadata, sha256, onnx, torch, input, outputs, classes, hop, warnings, on_cuda })
    }

    /// See [`super::Model::to_torchscript`].
    pub fn to_torchscript(&self) -> Result<Vec<u8>> {
        let names: Vec<&str> = self.outputs.iter().map(|output| output.name.as_str()).collect();
        let module = match &self.onnx {
            None => Err("it has no ONNX graph".into()),
            Some(onnx) => match onnx.fused() {
                Ok(network) => Ok(torchscript::of_effnet(network.weights(), &names)),
                Err(_) => torchscript::of_graph(&onnx.file().graph, &names),
            },
        };
        let module = module.map_err(|reason| {
            Error::model(
                &self.name,
                format!(
                    "there is no TorchScript file beside it, and it cannot be converted to one: {reason}"
                ),
            )
        })?;
        Ok(module.to_bytes("Dict[str, Tensor]"))
    }
}

/// A graph with its input and outputs.
fn described(
    file: onnx::Model,
    metadata: &Metadata,
    warnings: &mut Vec<String>,
) -> Result<(OnnxFile, Description), String> {
    let signature = file.signature();
    let (input, row_shape) = shape::input(&signature, metadata, warnings)?;
    let is_head = matches!(input, InputSpec::Vector { .. });
    let described = shape::outputs(&signature, metadata, is_head, warnings);
    let onnx = OnnxFile::new(file, input, row_shape);
    // If the graph does not state a width, it is measured by running the network.
    let is_open = described.iter().any(|(_, _, dim)| dim.is_none());
    let measured = if is_open { onnx.measure()? } else { Vec::new() };
    let outputs = described.into_iter().enumerate().map(|(index, (name, purpose, dim))| {
        let dim = dim.unwrap_or_else(|| measured[index]);
        OutputSpec { name, purpose, dim }
    });
    let outputs = outputs.collect();
    Ok((onnx, Description { input, outputs }))
}

/// The SHA-256 of some bytes in hexadecimal.
fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
