//! Options: how an extractor is to run. Setters take what the command line takes.

use std::ffi::c_char;

use super::boundary::{Failure, call, free, give, text};
use super::model::sleeve_model;
use super::status::sleeve_status;
use sleeve::audio::Resampler;
use sleeve::engine::{Device, EngineChoice, Precision};
use sleeve::extractor::{Extractor, ExtractorBuilder, Predictor};
use sleeve::model::Model;
use sleeve::patches::LastPatch;

/// How an extractor is to run. Extractors copy what they need: options may be changed, used again or freed at
/// any time after. For one thread at a time.
#[derive(Default)]
pub struct sleeve_options {
    engine: EngineChoice,
    device: Device,
    precision: Precision,
    resampler: Resampler,
    last_patch: LastPatch,
    threads: usize,
    batch_size: Option<usize>,
    patch_hop: Option<usize>,
    outputs: Vec<String>,
    heads: Vec<Model>,
}

impl sleeve_options {
    pub(super) fn extractor(&self, model: Model) -> ExtractorBuilder {
        let mut builder = Extractor::builder(model)
            .engine(self.engine)
            .device(self.device.clone())
            .precision(self.precision)
            .threads(self.threads)
            .resampler(self.resampler)
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

/// Which engine runs the model: `"auto"` (the default), `"effnet"` (the fused EfficientNet-B0), `"onnx"` (any
/// ONNX graph) or `"torch"` (TorchScript, through its plugin).
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

/// Where the model runs: `"auto"` (the default: CUDA if it answers, else the CPU), `"cpu"`, `"cuda"`, `"cuda:1"`
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

/// The arithmetic it runs in: `"auto"` (the default: f32 on a CPU), `"f32"`, `"bf16"` or `"fp16"`.
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

/// How audio at other rates is brought to the model's: `"linear"` (the default, what published models were made
/// with) or `"sinc"` (band-limited).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_resampler(
    options: *mut sleeve_options,
    resampler: *const c_char,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        // SAFETY: the ABI's rules for strings.
        options.resampler = unsafe { text(resampler, "resampler")? }.parse()?;
        Ok(())
    })
}

/// What becomes of the frames after the last whole patch: `"discard"` (the default) or `"repeat"` (they are
/// repeated until they fill one, so that short recordings have one too).
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

/// Threads the network may use; 0 (the default) means every core the process may use.
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

/// More threads than this are a mistake, and asking the system for them would take it down.
const MAX_THREADS: usize = 1024;

/// Patches a batch, 1 to 4096; 0 (the default) lets the engine choose.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_batch_size(
    options: *mut sleeve_options,
    patches: usize,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        if patches > 4096 {
            return Err(Failure::invalid(format!("a batch has 1 to 4096 patches, not {patches}")));
        }
        options.batch_size = (patches > 0).then_some(patches);
        Ok(())
    })
}

/// Frames from one patch to the next (a frame is 16 ms), 1 to 65536; 0 (the default) is the model's own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_set_patch_hop(
    options: *mut sleeve_options,
    frames: usize,
) -> sleeve_status {
    call(|| {
        let options = not_null!(mut options);
        if frames > sleeve::patches::Patching::MAX {
            let most = sleeve::patches::Patching::MAX;
            return Err(Failure::invalid(format!("a patch hop has 1 to {most} frames, not {frames}")));
        }
        options.patch_hop = (frames > 0).then_some(frames);
        Ok(())
    })
}

/// Asks for one output of the model, by purpose (`"embeddings"`, `"predictions"`) or by the tensor's name; may be
/// called several times. By default every output whose purpose is known is given, or all if none is.
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

/// Adds a head behind the model: a model that takes its embeddings. The head may be freed afterwards.
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

/// Frees options. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_options_free(options: *mut sleeve_options) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(options) };
}
