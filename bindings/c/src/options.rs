//! Options of extractors. The setters take the same values as the program's command line.

use std::ffi::c_char;

use super::boundary::{Failure, call, free, give, text};
use super::model::sleeve_model;
use super::status::sleeve_status;
use sleeve::audio::AudioOptions;
use sleeve::engine::{Device, EngineChoice, Precision};
use sleeve::extractor::{Extractor, ExtractorBuilder, Predictor};
use sleeve::model::Model;
use sleeve::patches::LastPatch;

/// Options of an extractor. Extractors copy them: options may be changed, reused or freed afterwards. For one thread at
/// a time.
#[derive(Default)]
pub struct sleeve_options {
    engine: EngineChoice,
    device: Device,
    precision: Precision,
    audio: AudioOptions,
    last_patch: LastPatch,
    threads: usize,
    batch_size: Option<usize>,
    patch_hop: Option<usize>,
    outputs: Vec<String>,
    heads: Vec<Model>,
    head_input: Option<String>,
    any_embedding_model: bool,
    keeps_range: bool,
}

impl sleeve_options {
    pub(super) fn extractor(&self, model: Model) -> ExtractorBuilder {
        let mut builder = Extractor::builder(model)
            .engine(self.engine)
            .device(self.device.clone())
            .precision(self.precision)
            .threads(self.threads)
            .resampler(self.audio.resampler)
            .level(self.audio.level)
            .ffmpeg(self.audio.ffmpeg.clone())
            .normalise(!self.keeps_range)
            .any_embedding_model(self.any_embedding_model)
            .last_patch(self.last_patch);
        if let Some(rows) = self.batch_size {
            builder = builder.batch_size(rows);
        }
        if let Some(frames) = self.patch_hop {
            builder = builder.patch_hop(frames);
        }
        for name in &self.outputs {
            builder = builder.output(name);
        }
        if let Some(name) = &self.head_input {
            builder = builder.head_input(name);
        }
        self.heads.iter().fold(builder, |builder, head| builder.head(head.clone()))
    }

    pub(super) fn predictor(&self, head: Model) -> sleeve::Result<Predictor> {
        let options = sleeve::engine::EngineOptions::default()
            .engine(self.engine)
            .device(self.device.clone())
            .precision(self.precision)
            .threads(self.threads)
            .batch_size(self.batch_size);
        Predictor::new(head, &options, &self.outputs)
    }
}

/// Makes options with the defaults.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_new(options: *mut *mut sleeve_options) -> sleeve_status {
    // SAFETY: the ABI's rules for out-parameters.
    call(|| unsafe { give(options, "options", sleeve_options::default()) })
}

/// Sets the engine: `"auto"` (the default), `"effnet"` (the fused EfficientNet-B0), `"fused"` (other
/// convolutional networks), `"onnx"` (any ONNX graph) or `"torch"` (TorchScript, through its plugin).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_engine(
    options: *mut sleeve_options,
    engine: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        // SAFETY: the ABI's rules for strings.
        options.engine = unsafe { text(engine, "engine")? }.parse()?;
        Ok(())
    })
}

/// Sets the device: `"auto"` (the default: CUDA if available, else the CPU), `"cpu"`, `"cuda"`, `"cuda:1"`
/// or `"cuda:0,1"`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_device(
    options: *mut sleeve_options,
    device: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        // SAFETY: the ABI's rules for strings.
        options.device = unsafe { text(device, "device")? }.parse()?;
        Ok(())
    })
}

/// Sets the arithmetic: `"auto"` (the default: f32 on a CPU), `"f32"`, `"bf16"` or `"fp16"`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_precision(
    options: *mut sleeve_options,
    precision: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        // SAFETY: the ABI's rules for strings.
        options.precision = unsafe { text(precision, "precision")? }.parse()?;
        Ok(())
    })
}

/// Sets the method that converts audio to the model's sample rate: `"linear"` (the default, as published models expect)
/// or `"sinc"` (band-limited).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_resampler(
    options: *mut sleeve_options,
    resampler: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        // SAFETY: the ABI's rules for strings.
        options.audio.resampler = unsafe { text(resampler, "resampler")? }.parse()?;
        Ok(())
    })
}

/// Sets whether recordings are brought to the same loudness: `"none"` (the default, as recorded) or `"track"` (each is
/// measured as a whole by EBU R 128 and amplified or attenuated to -14 LUFS). A stream cannot be levelled.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_level(
    options: *mut sleeve_options,
    level: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        // SAFETY: the ABI's rules for strings.
        options.audio.level = unsafe { text(level, "level")? }.parse()?;
        Ok(())
    })
}

/// Sets whether the program FFmpeg decodes the files that the library cannot: `"never"` (the default), `"auto"` (if
/// `ffmpeg` is in the PATH) or the path of the program.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_ffmpeg(
    options: *mut sleeve_options,
    ffmpeg: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        // SAFETY: the ABI's rules for strings.
        options.audio.ffmpeg = unsafe { text(ffmpeg, "ffmpeg")? }.parse()?;
        Ok(())
    })
}

/// Sets the policy for the mel frames after the last complete patch: `"discard"` (the default) or `"repeat"` (they are
/// repeated until they fill a patch, so that short recordings have one too).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_last_patch(
    options: *mut sleeve_options,
    last_patch: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        // SAFETY: the ABI's rules for strings.
        options.last_patch = unsafe { text(last_patch, "last_patch")? }.parse()?;
        Ok(())
    })
}

/// Sets the number of threads of the network; 0 (the default) means every core that the process may use.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_threads(
    options: *mut sleeve_options,
    threads: usize,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        if threads > MAX_THREADS {
            return Err(Failure::invalid(format!("{threads} threads; at most {MAX_THREADS}")));
        }
        options.threads = threads;
        Ok(())
    })
}

/// A larger number of threads is a mistake that could exhaust the system.
const MAX_THREADS: usize = 1024;

/// Sets the patches per batch, 1 to 4096; 0 (the default) lets the engine choose.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_batch_size(
    options: *mut sleeve_options,
    patches: usize,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        if patches > 4096 {
            return Err(Failure::invalid(format!("the batch size must be 1 to 4096 patches, not {patches}")));
        }
        options.batch_size = (patches > 0).then_some(patches);
        Ok(())
    })
}

/// Sets the frames of the front end (of MusiCNN 16 ms each) from one patch to the next, 1 to 65536; 0 (the default) is the model's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_patch_hop(
    options: *mut sleeve_options,
    frames: usize,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        if frames > sleeve::patches::Patching::MAX {
            let max = sleeve::patches::Patching::MAX;
            return Err(Failure::invalid(format!(
                "the patch hop must be 1 to {max} mel frames, not {frames}"
            )));
        }
        options.patch_hop = (frames > 0).then_some(frames);
        Ok(())
    })
}

/// Selects an output of the model by purpose (`"embeddings"`, `"predictions"`), by the tensor's name, or `"tempo"` or
/// `"pitch"` where the model gives one. Call it once per output. By default every output with a known purpose is given, or
/// all outputs if none has one, and the tempo or pitch. Outputs of tokens, as those of MAEST's layers, are given as the
/// class token, the distillation token and the mean of the others; `:cls`, `:dist`, `:mean`, `:stack` (all three) or
/// `:tokens` behind the name selects one of these or all tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_add_output(
    options: *mut sleeve_options,
    output: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        // SAFETY: the ABI's rules for strings.
        options.outputs.push(unsafe { text(output, "output")? }.to_owned());
        Ok(())
    })
}

/// Adds a head: a model that takes the embeddings of this one. The head may be freed afterwards.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_add_head(
    options: *mut sleeve_options,
    head: *const sleeve_model,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        let head = not_null!(head);
        if !head.model.is_head() {
            let why = format!("{} is not a head: it takes mel patches, not embeddings", head.model.name());
            return Err(Failure::new(sleeve_status::SLEEVE_STATUS_MODEL, why));
        }
        options.heads.push(head.model.clone());
        Ok(())
    })
}

/// Sets the output of the model that heads take, by purpose or by the tensor's name; NULL (the default) is the one that
/// they were trained on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_head_input(
    options: *mut sleeve_options,
    output: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        options.head_input = match output.is_null() {
            true => None,
            // SAFETY: the ABI's rules for strings.
            false => Some(unsafe { text(output, "output")? }.to_owned()),
        };
        Ok(())
    })
}

/// Sets whether heads are taken whose metadata name another embedding model; false by default, because their values are
/// wrong unless it is the same network under another name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_any_embedding_model(
    options: *mut sleeve_options,
    allowed: bool,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        options.any_embedding_model = allowed;
        Ok(())
    })
}

/// Sets whether the whole recording is normalised where the front end asks for it, as FSD-SINet's does; true by default.
/// Without it, such a model can run on a stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_normalise(
    options: *mut sleeve_options,
    normalise: bool,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        options.keeps_range = !normalise;
        Ok(())
    })
}

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_free(options: *mut sleeve_options) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(options) };
}
