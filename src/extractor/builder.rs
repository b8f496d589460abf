//! Options of an extractor: model, heads, outputs, engine.

use super::heads::{self, Binding};
use super::selection::Selection;
use super::values::Computed;
use super::{Extractor, Head, OutputInfo, Source};
use crate::audio::{AudioOptions, Ffmpeg, Level, Resampler};
use crate::engine::{Device, EngineChoice, EngineOptions, Precision};
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
    binding: Binding,
    options: EngineOptions,
    audio: AudioOptions,
    normalise: bool,
    last_patch: LastPatch,
    patch_hop: Option<usize>,
    wanted: Vec<String>,
}

impl ExtractorBuilder {
    pub(super) fn new(model: Model) -> Self {
        ExtractorBuilder {
            model,
            heads: Vec::new(),
            binding: Binding::default(),
            options: EngineOptions::default(),
            audio: AudioOptions::default(),
            normalise: true,
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

    /// Sets the output of the model that heads take, by purpose or by the tensor's name; by default the one that they were
    /// trained on.
    pub fn head_input(mut self, name: impl Into<String>) -> Self {
        self.binding.input = Some(name.into());
        self
    }

    /// Sets whether heads of other models are taken, those whose metadata name another embedding model; refused by
    /// default, because their values are wrong unless it is the same network under another name.
    pub fn any_embedding_model(mut self, allowed: bool) -> Self {
        self.binding.any_embedding_model = allowed;
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

    /// Sets whether the whole recording is normalised where the front end asks for it, as FSD-SINet's does (Essentia's
    /// parameter `normalize`): its mean removed, its largest sample scaled to nearly 1. On by default; without it, such a
    /// model can run on a stream.
    pub fn normalise(mut self, normalise: bool) -> Self {
        self.normalise = normalise;
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
    /// per output. By default every output with a known purpose is given, or all outputs if none has one, and the tempo
    /// or pitch that can be read from them (`tempo`, `pitch`).
    ///
    /// Outputs of tokens, as those of MAEST's layers, are given as the class token, the distillation token and the mean
    /// of the others, one after the other. `:cls`, `:dist`, `:mean`, `:stack` (all three) or `:tokens` behind the name
    /// selects one of these or all tokens.
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
        let ExtractorBuilder {
            model,
            heads,
            binding,
            mut options,
            mut audio,
            normalise,
            last_patch,
            patch_hop,
            wanted,
        } = self;
        let mut patching = model.audio_patching()?;
        if let Some(hop) = patch_hop {
            patching = Patching::new(patching.front_end(), patching.frames(), hop)?;
        }
        if let Some(rows) = options.batch_size
            && !(1..=MAX_BATCH).contains(&rows)
        {
            return Err(Error::InvalidArgument(format!(
                "the batch size must be 1 to {MAX_BATCH}, not {rows}"
            )));
        }
        audio = audio.for_front_end(patching.front_end());
        audio.normalise &= normalise;
        let engine = model.engine(&options)?;
        let mut selections = selected(&model, &wanted)?;
        let mut outputs: Vec<(OutputInfo, Source)> = selections
            .iter()
            .enumerate()
            .map(|(position, selection)| (selection.describe(&model), Source::Model(position)))
            .collect();
        let mut warnings = model.warnings().to_vec();

        // Heads are small: one thread of the CPU, whatever the model itself runs on.
        options = EngineOptions::new().threads(1).batch_size(options.batch_size);
        let mut chained = Vec::new();
        for head in heads {
            let feeds = heads::feeding(&model, &head, &binding)?;
            let reads = selections.iter().position(|&selection| selection == feeds).unwrap_or_else(|| {
                selections.push(feeds);
                selections.len() - 1
            });
            let head_outputs = selected(&head, &[])?;
            for (position, selection) in head_outputs.iter().enumerate() {
                outputs.push((selection.describe(&head), Source::Head(chained.len(), position)));
            }
            let head_outputs = head_outputs.iter().map(|selection| selection.index).collect();
            warnings.extend_from_slice(head.warnings());
            chained.push(Head { engine: head.engine(&options)?, model: head, reads, computed: head_outputs });
        }
        let batch_size = options.batch_size.unwrap_or(engine.batch_size()).clamp(1, MAX_BATCH);
        Ok(Extractor {
            patching,
            preparation: model.preparation(),
            computed: Computed::of(&selections),
            model,
            engine,
            heads: chained.into(),
            outputs: outputs.into(),
            last_patch,
            audio,
            batch_size,
            warnings,
        })
    }
}

/// The selected outputs, or what is given by default.
pub(super) fn selected(model: &Model, names: &[String]) -> Result<Vec<Selection>> {
    if names.is_empty() {
        return Ok(Selection::by_default(model));
    }
    let mut selections = Vec::new();
    for name in names {
        let selection = Selection::named(model, name)?;
        if !selections.contains(&selection) {
            selections.push(selection);
        }
    }
    Ok(selections)
}
