//! The parts of a model, combined from its files.

use std::sync::{Mutex, Weak};

use sha2::{Digest, Sha256};

use super::algorithm::{Algorithm, Said};
use super::external::External;
use super::graph::OnnxFile;
use super::metadata::Metadata;
use super::open::{Found, Network};
use super::torch_file::{Description, TorchFile};
use super::{Meaning, ModelOptions, meaning, shape, torchscript};
use crate::engine::{Engine, EngineOptions, InputSpec, OutputSpec};
use crate::patches::Patching;
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
    /// What the values of each output mean.
    pub meanings: Vec<Meaning>,
    /// How its patches are made of audio.
    pub audio: Result<AudioInput, NoAudio>,
    pub warnings: Vec<String>,
    /// Engines on CUDA that are in use. They are shared, because a device has memory for only a few, and one serves any
    /// number of threads.
    pub on_cuda: Mutex<Vec<(EngineOptions, Weak<dyn Engine>)>>,
}

/// How the patches of a network are made of audio.
#[derive(Clone, Copy)]
pub(super) struct AudioInput {
    pub algorithm: Algorithm,
    /// With the default hop.
    pub patching: Patching,
    /// Whether the caller said what it is, in place of the metadata.
    pub overridden: bool,
}

/// Why a network cannot be fed audio.
#[derive(Clone, Debug)]
pub(super) enum NoAudio {
    /// It is a head.
    Head,
    /// It takes patches, and this is why nobody knows of what.
    Unknown(String),
}

impl Parts {
    /// Reads the graph, or finds the outputs of the TorchScript file, and combines them with the metadata.
    pub fn of(found: Found, options: &ModelOptions) -> Result<Parts> {
        let Found { name, subject, folder, network, metadata } = found;
        let mut warnings = metadata.warnings().to_vec();
        let error = |reason: String| Error::model(&subject, reason);
        let binding = match options.front_end {
            Some(algorithm) => Ok(Said::Audio(algorithm)),
            None => Algorithm::said(metadata.algorithm(), metadata.embedding_model().is_some()),
        };
        // An unknown algorithm is no reason not to open it: patches can come from elsewhere.
        let said = binding.clone().unwrap_or(Said::Nothing);
        let (sha256, onnx, torch, Description { input, outputs }) = match network {
            Network::Onnx(bytes, torch) => {
                let mut external = External::new(&bytes, folder.as_deref());
                let file =
                    onnx::Model::read_with(bytes, &mut |location| external.read(location)).map_err(error)?;
                let (onnx, description) = described(file, &metadata, said, &mut warnings).map_err(error)?;
                (external.sha256(), Some(onnx), torch, description)
            }
            Network::Torch(torch) => {
                let description = torch.describe(&metadata, said, &mut warnings)?;
                (digest(&torch.bytes()?), None, Some(torch), description)
            }
        };
        let classes = shape::classes(&metadata, &outputs, &mut warnings);
        let audio = match input {
            InputSpec::Patch { frames, bands } => {
                let overridden = options.front_end.is_some();
                let audio = binding
                    .and_then(|said| audio_input(frames, bands, said, overridden, &metadata, &mut warnings));
                audio.map_err(NoAudio::Unknown)
            }
            InputSpec::Vector { .. } => Err(NoAudio::Head),
        };
        let graph = onnx.as_ref().map(|onnx| &onnx.file().graph);
        let algorithm = audio.as_ref().ok().map(|audio| audio.algorithm);
        let meanings = meaning::of_outputs(&outputs, graph, &metadata, algorithm);
        for warning in &warnings {
            log::warn!("model {name}: {warning}");
        }
        let on_cuda = Mutex::default();
        Ok(Parts {
            name,
            metadata,
            sha256,
            onnx,
            torch,
            input,
            outputs,
            classes,
            meanings,
            audio,
            warnings,
            on_cuda,
        })
    }

    /// See [`super::Model::to_torchscript`].
    pub fn to_torchscript(&self) -> Result<Vec<u8>> {
        let names: Vec<&str> = self.outputs.iter().map(|output| output.name.as_str()).collect();
        let module = match &self.onnx {
            None => Err("it has no ONNX graph".into()),
            Some(onnx) => match onnx.effnet() {
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

/// How a network's patches of `frames` frames of `bands` values are made of audio.
fn audio_input(
    frames: usize,
    bands: usize,
    said: Said,
    overridden: bool,
    metadata: &Metadata,
    warnings: &mut Vec<String>,
) -> Result<AudioInput, String> {
    let algorithm = match said {
        Said::Audio(algorithm) => algorithm,
        Said::Head | Said::Nothing => {
            let assumed = Algorithm::assumed(frames, bands, metadata.sample_rate())?;
            let patching = assumed.patching(frames, bands)?;
            warnings.push(format!(
                "no metadata say what its patches of {frames} frames of {bands} values are; the front end {} is assumed",
                patching.front_end()
            ));
            assumed
        }
    };
    let patching = algorithm.patching(frames, bands)?;
    if let Some(rate) = metadata.sample_rate().filter(|_| !overridden) {
        algorithm.check_rate(rate)?;
    }
    Ok(AudioInput { algorithm, patching, overridden })
}

/// A graph with its input and outputs.
fn described(
    file: onnx::Model,
    metadata: &Metadata,
    said: Said,
    warnings: &mut Vec<String>,
) -> Result<(OnnxFile, Description), String> {
    let signature = file.signature();
    let (input, row_shape) = shape::input(&signature, metadata, said, warnings)?;
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
