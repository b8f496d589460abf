//! Options of an extractor: model, heads, outputs, engine.

use super::{Extractor, Head, OutputInfo, Source};
use crate::audio::{AudioOptions, Ffmpeg, Level, Resampler};
use crate::engine::{Device, EngineChoice, EngineOptions, InputSpec, OutputSpec, Precision, Purpose};
use crate::front_end::musicnn;
use crate::model::Model;
use crate::patches::{LastPatch, Patching};
use crate::{Error, Result};

/// The largest batch. Larger ones need more memory and are no faster.
const MAX_BATCH: usize = 4096;

/// Sets the options of an [`Extractor`] and loads it.
///
/// ```no_run
/// use sleeve::engine::Device;
/// use sleeve::extractor::Extractor;
/// use sleeve::model::Model;
/// use sleeve::patches::LastPatch;
///
/// let extractor = Extractor::builder(Model::open("discogs-effnet-bs64-1.onnx")?)
///     .head(Model::open("genre_discogs400-discogs-effnet-1.onnx")?)
///     .device(Device::Cpu)
///     .last_patch(LastPatch::Repeat)
///     .output("embeddings")
///     .build()?;
/// let analysis = extractor.extract_file("song.mp3")?;
/// println!("{:?}", analysis.predictions());
/// # Ok::<(), sleeve::Error>(())
/// ```
#[derive(Clone)]
pub struct ExtractorBuilder {
    model: Model,
    heads: Vec<Model>,
    options: EngineOptions,
    audio: AudioOptions,
    last_patch: LastPatch,
    patch_hop: Option<usize>,
    wanted: Vec<String>,
}

impl ExtractorBuilder {
    pub(super) fn new(model: Model) -> Self {
        ExtractorBuilder {
            model,
            heads: Vec::new(),
            options: EngineOptions::default(),
            audio: AudioOptions::default(),
            last_patch: LastPatch::default(),
            patch_hop: None,
            wanted: Vec::new(),
        }
    }

    /// Adds a head: a model whose input is the embedding of this one. Its outputs follow those of the model.
    pub fn head(mut self, head: Model) -> Self {
        self.heads.push(head);
        self
    }

    /// Sets the engine; automatic by default.
    pub fn engine(mut self, engine: EngineChoice) -> Self {
        self.options.engine = engine;
        self
    }

    /// Sets the device; automatic by default.
    pub fn device(mut self, device: Device) -> Self {
        self.options.device = device;
        self
    }

    /// Sets the arithmetic; automatic by default.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.options.precision = precision;
        self
    }

    /// Sets the number of threads of the network; 0 (the default) means every core that the process may use.
    pub fn threads(mut self, threads: usize) -> Self {
        self.options.threads = threads;
        self
    }

    /// Sets the patches per batch, 1 to 4,096; by default the engine chooses.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.options.batch_size = Some(rows);
        self
    }

    /// Sets the method that converts audio to the model's sample rate; linear by default, as published models expect.
    pub fn resampler(mut self, resampler: Resampler) -> Self {
        self.audio.resampler = resampler;
        self
    }

    /// Sets whether recordings are brought to the same loudness; as recorded by default. Streams cannot be levelled.
    pub fn level(mut self, level: Level) -> Self {
        self.audio.level = level;
        self
    }

    /// Sets whether FFmpeg decodes what the library cannot; never by default.
    pub fn ffmpeg(mut self, ffmpeg: Ffmpeg) -> Self {
        self.audio.ffmpeg = ffmpeg;
        self
    }

    /// Sets the policy for the mel frames after the last complete patch; discarded by default.
    pub fn last_patch(mut self, last_patch: LastPatch) -> Self {
        self.last_patch = last_patch;
        self
    }

    /// Sets the mel frames from one patch to the next, at least 1; by default the model's own.
    pub fn patch_hop(mut self, frames: usize) -> Self {
        self.patch_hop = Some(frames);
        self
    }

    /// Selects an output of the model by purpose (`embeddings`, `predictions`) or by the tensor's name. Call it once
    /// per output. By default every output with a known purpose is given, or all outputs if none has one.
    pub fn output(mut self, name: impl Into<String>) -> Self {
        self.wanted.push(name.into());
        self
    }

    /// Loads the networks.
    ///
    /// # Errors
    /// `Model` or `InvalidArgument` if the model is itself a head, a head does not fit the model, or an output does not
    /// exist; `Unavailable` if the engine, device or precision is not available.
    pub fn build(self) -> Result<Extractor> {
        let ExtractorBuilder { model, heads, mut options, audio, last_patch, patch_hop, wanted } = self;
        let mut patching = model_patching(&model)?;
        if let Some(hop) = patch_hop {
            patching = Patching::new(patching.frames(), hop)?;
        }
        if let Some(rows) = options.batch_size
            && !(1..=MAX_BATCH).contains(&rows)
        {
            return Err(Error::InvalidArgument(format!(
                "the batch size must be 1 to {MAX_BATCH}, not {rows}"
            )));
        }
        let engine = model.engine(&options)?;
        let wanted = wanted_outputs(&model, &wanted)?;
        let mut computed = wanted.clone();
        let mut outputs: Vec<(OutputInfo, Source)> = wanted
            .iter()
            .enumerate()
            .map(|(position, &index)| (describe(&model, index, false), Source::Model(position)))
            .collect();
        let mut warnings = model.warnings().to_vec();

        // Heads are small: one thread of the CPU, whatever the model itself runs on.
        options = EngineOptions::new().threads(1).batch_size(options.batch_size);
        let mut chained = Vec::new();
        for head in heads {
            let feeds = feeding_output(&model, &head)?;
            let reads = computed.iter().position(|&index| index == feeds).unwrap_or_else(|| {
                computed.push(feeds);
                computed.len() - 1
            });
            let head_outputs = wanted_outputs(&head, &[])?;
            for (position, &index) in head_outputs.iter().enumerate() {
                outputs.push((describe(&head, index, true), Source::Head(chained.len(), position)));
            }
            warnings.extend_from_slice(head.warnings());
            chained.push(Head { engine: head.engine(&options)?, model: head, reads, computed: head_outputs });
        }
        let batch_size = options.batch_size.unwrap_or(engine.batch_size()).clamp(1, MAX_BATCH);
        Ok(Extractor {
            patching,
            model,
            engine,
            computed,
            heads: chained.into(),
            outputs: outputs.into(),
            last_patch,
            audio,
            batch_size,
            warnings,
        })
    }
}

/// The patch length and hop of the model; an error if it does not take mel patches.
fn model_patching(model: &Model) -> Result<Patching> {
    match model.input() {
        InputSpec::Patch { bands: musicnn::BANDS, .. } => {
            let (frames, hop) = model.patching();
            Patching::new(frames, hop)
        }
        InputSpec::Patch { bands, .. } => Err(Error::model(
            model.name(),
            format!("takes mel frames of {bands} bands; the MusiCNN front end gives {}", musicnn::BANDS),
        )),
        InputSpec::Vector { dim } => Err(Error::model(
            model.name(),
            format!(
                "is a head: it takes vectors of {dim} values, not audio; use it together with an embedding model"
            ),
        )),
    }
}

/// The selected outputs, or those with a known purpose, or all.
pub(super) fn wanted_outputs(model: &Model, names: &[String]) -> Result<Vec<usize>> {
    let outputs = model.outputs();
    if names.is_empty() {
        let known: Vec<usize> =
            (0..outputs.len()).filter(|&index| outputs[index].purpose != Purpose::Other).collect();
        return Ok(if known.is_empty() { (0..outputs.len()).collect() } else { known });
    }
    let mut wanted = Vec::new();
    for name in names {
        let index = match name.as_str() {
            "embeddings" => model.output(Purpose::Embeddings),
            "predictions" => model.output(Purpose::Predictions),
            _ => None,
        };
        let index = index.or_else(|| model.output_named(name)).ok_or_else(|| {
            let names: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
            Error::model(model.name(), format!("has no output `{name}`; it has {}", names.join(", ")))
        })?;
        if !wanted.contains(&index) {
            wanted.push(index);
        }
    }
    Ok(wanted)
}

/// The output of `model` that `head` reads: its embeddings if they fit, else the only output that fits.
fn feeding_output(model: &Model, head: &Model) -> Result<usize> {
    let InputSpec::Vector { dim } = head.input() else {
        return Err(Error::model(head.name(), "is not a head: it takes mel patches, not embeddings"));
    };
    let outputs = model.outputs();
    if let Some(index) = model.output(Purpose::Embeddings).filter(|&index| outputs[index].dim == dim) {
        return Ok(index);
    }
    let fitting: Vec<usize> = (0..outputs.len()).filter(|&index| outputs[index].dim == dim).collect();
    match fitting[..] {
        [index] if outputs[index].purpose != Purpose::Predictions => Ok(index),
        _ => {
            let has: Vec<String> = outputs
                .iter()
                .map(|output: &OutputSpec| format!("{} ({})", output.name, output.dim))
                .collect();
            Err(Error::model(
                head.name(),
                format!("takes vectors of {dim} values; {} gives {}", model.name(), has.join(", ")),
            ))
        }
    }
}

pub(super) fn describe(model: &Model, index: usize, from_head: bool) -> OutputInfo {
    let output = &model.outputs()[index];
    let named = output.purpose == Purpose::Predictions && model.classes().len() == output.dim;
    OutputInfo {
        model: model.name().to_owned(),
        tensor: output.name.clone(),
        purpose: output.purpose,
        dim: output.dim,
        classes: if named { model.classes().to_vec() } else { Vec::new() },
        from_head,
    }
}
