//! Choosing what an extractor gives and how it runs.

use super::{Extractor, Head, OutputInfo, Source};
use crate::audio::Resampler;
use crate::engine::{Device, EngineChoice, EngineOptions, InputSpec, OutputSpec, Precision, Purpose};
use crate::model::Model;
use crate::patches::{LastPatch, Patching};
use crate::{Error, Result, mel};

/// The most rows a batch may have; beyond this, memory grows and speed does not.
const LARGEST_BATCH: usize = 4096;

/// An extractor in the making.
#[derive(Clone)]
pub struct ExtractorBuilder {
    model: Model,
    heads: Vec<Model>,
    options: EngineOptions,
    resampler: Resampler,
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
            resampler: Resampler::default(),
            last_patch: LastPatch::default(),
            patch_hop: None,
            wanted: Vec::new(),
        }
    }

    /// Adds a head: a model whose input is an embedding of this one.
    pub fn head(mut self, head: Model) -> Self {
        self.heads.push(head);
        self
    }

    /// Which engine runs the model; automatic by default.
    pub fn engine(mut self, engine: EngineChoice) -> Self {
        self.options.engine = engine;
        self
    }

    /// Where the model runs; automatic by default.
    pub fn device(mut self, device: Device) -> Self {
        self.options.device = device;
        self
    }

    /// The arithmetic it runs in; automatic by default.
    pub fn precision(mut self, precision: Precision) -> Self {
        self.options.precision = precision;
        self
    }

    /// Threads the network may use; 0 (the default) means every core the process may use.
    pub fn threads(mut self, threads: usize) -> Self {
        self.options.threads = threads;
        self
    }

    /// Patches a batch, 1 to 4,096; the engine's own choice by default.
    pub fn batch_size(mut self, rows: usize) -> Self {
        self.options.batch_size = Some(rows);
        self
    }

    /// How audio at other rates is brought to the model's; linear (as published models expect) by default.
    pub fn resampler(mut self, resampler: Resampler) -> Self {
        self.resampler = resampler;
        self
    }

    /// What becomes of the frames after the last complete patch; discarded by default.
    pub fn last_patch(mut self, last_patch: LastPatch) -> Self {
        self.last_patch = last_patch;
        self
    }

    /// Frames from one patch to the next, in place of the model's own; at least 1.
    pub fn patch_hop(mut self, frames: usize) -> Self {
        self.patch_hop = Some(frames);
        self
    }

    /// Asks for one output of the model, by purpose (`embeddings`, `predictions`) or by the tensor's name; may
    /// be called several times. By default every output whose purpose is known is given, or all if none is.
    pub fn output(mut self, name: impl Into<String>) -> Self {
        self.wanted.push(name.into());
        self
    }

    /// Loads the networks.
    ///
    /// # Errors
    /// `Model` or `InvalidArgument` when the model is a head, a head does not fit, or an output does not
    /// exist; `Unavailable` when the engine, device or precision is not here.
    pub fn build(self) -> Result<Extractor> {
        let ExtractorBuilder { model, heads, mut options, resampler, last_patch, patch_hop, wanted } = self;
        let mut patching = model_patching(&model)?;
        if let Some(hop) = patch_hop {
            patching = Patching::new(patching.frames(), hop)?;
        }
        if let Some(rows) = options.batch_size
            && !(1..=LARGEST_BATCH).contains(&rows)
        {
            return Err(Error::InvalidArgument(format!("a batch has 1 to {LARGEST_BATCH} rows, not {rows}")));
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

        // Heads are small: one thread, on the CPU, whatever the model itself runs on.
        options = EngineOptions { threads: 1, batch_size: options.batch_size, ..EngineOptions::default() };
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
        let batch_size = options.batch_size.unwrap_or(engine.batch_size()).clamp(1, LARGEST_BATCH);
        Ok(Extractor {
            patching,
            model,
            engine,
            computed,
            heads: chained.into(),
            outputs: outputs.into(),
            last_patch,
            resampler,
            batch_size,
            warnings,
        })
    }
}

/// How the model's patches are cut; an error if it does not take mel patches.
fn model_patching(model: &Model) -> Result<Patching> {
    match model.input() {
        InputSpec::Patch { bands: mel::BANDS, .. } => {
            let (frames, hop) = model.patching();
            Patching::new(frames, hop)
        }
        InputSpec::Patch { bands, .. } => Err(Error::model(
            model.name(),
            format!("takes {bands} mel bands a frame, and the MusiCNN front end gives {}", mel::BANDS),
        )),
        InputSpec::Vector { dim } => Err(Error::model(
            model.name(),
            format!(
                "is a head: it takes vectors of {dim} values, not audio; chain it behind an embedding model"
            ),
        )),
    }
}

/// The outputs that were named, or those with a known purpose, or all.
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
            let known: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
            Error::model(model.name(), format!("has no output `{name}`; it has {}", known.join(", ")))
        })?;
        if !wanted.contains(&index) {
            wanted.push(index);
        }
    }
    Ok(wanted)
}

/// The output of `model` that `head` reads: its embeddings if they fit, else the only output that does.
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
