//! Extractors: loaded models that turn recordings into rows.

use std::ffi::{CString, c_char};

use ndarray::{ArrayView2, ArrayView3};

use super::analysis::sleeve_analysis;
use super::boundary::{Failure, c_string, call, free, give, path, product, set, slice, text_at};
use super::model::{require_out, sleeve_model};
use super::options::sleeve_options;
use super::status::sleeve_status;
use sleeve::engine::Purpose;
use sleeve::extractor::{Extractor, OutputInfo, Predictor};

/// A loaded model with its engine and its heads; or a head alone, which runs on embeddings. Immutable: threads may
/// share it and run it at the same time.
pub struct sleeve_extractor {
    pub(super) kind: Kind,
    outputs: Vec<Output>,
    engine: CString,
    warnings: Vec<CString>,
}

pub(super) enum Kind {
    Audio(Extractor),
    Head(Predictor),
}

/// The description of an output, with C strings.
struct Output {
    info: OutputInfo,
    model: CString,
    tensor: CString,
    meaning: CString,
    classes: Vec<CString>,
}

/// What an output is for.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sleeve_purpose {
    /// The metadata does not say.
    SLEEVE_PURPOSE_OTHER = 0,
    /// A vector that describes the sound.
    SLEEVE_PURPOSE_EMBEDDINGS = 1,
    /// Activations of classes, such as tags.
    SLEEVE_PURPOSE_PREDICTIONS = 2,
}

impl sleeve_extractor {
    fn new(kind: Kind) -> Self {
        let infos: Vec<OutputInfo> = match &kind {
            Kind::Audio(extractor) => extractor.outputs().cloned().collect(),
            Kind::Head(predictor) => predictor.outputs().to_vec(),
        };
        let describe = |info: OutputInfo| Output {
            model: c_string(&info.model),
            tensor: c_string(&info.tensor),
            meaning: c_string(info.meaning.name()),
            classes: info.classes.iter().map(|class| c_string(class)).collect(),
            info,
        };
        let (engine, warnings) = match &kind {
            Kind::Audio(extractor) => (extractor.engine(), extractor.warnings()),
            Kind::Head(predictor) => (predictor.engine(), predictor.model().warnings()),
        };
        Self {
            engine: c_string(&format!("{}: {}", engine.name(), engine.describe())),
            warnings: warnings.iter().map(|warning| c_string(warning)).collect(),
            outputs: infos.into_iter().map(describe).collect(),
            kind,
        }
    }

    /// The extractor of a model that takes audio.
    pub(super) fn audio(&self) -> Result<&Extractor, Failure> {
        match &self.kind {
            Kind::Audio(extractor) => Ok(extractor),
            Kind::Head(predictor) => Err(Failure::invalid(format!(
                "{} is a head: it takes embeddings, not audio",
                predictor.model().name()
            ))),
        }
    }
}

/// Loads `model`; `options` may be NULL for the defaults. If `model` is a head, the extractor runs on embeddings only.
///
/// Errors: MODEL, INVALID_ARGUMENT if a head or an output does not fit; UNAVAILABLE if the engine, device or precision
/// is not available.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_new(
    model: *const sleeve_model,
    options: *const sleeve_options,
    extractor: *mut *mut sleeve_extractor,
) -> sleeve_status {
    call(|| {
        let model = not_null!(model);
        require_out(extractor, "extractor")?;
        let defaults = sleeve_options::default();
        // SAFETY: the ABI's rules for handles.
        let options = unsafe { options.as_ref() }.unwrap_or(&defaults);
        let model = model.model.clone();
        let kind = if model.is_head() {
            Kind::Head(options.predictor(model)?)
        } else {
            Kind::Audio(options.extractor(model).build()?)
        };
        // SAFETY: the ABI's rules for out-parameters.
        unsafe { give(extractor, "extractor", sleeve_extractor::new(kind)) }
    })
}

/// A description of the engine: `"effnet: cpu, AVX-512, f32, 2 threads"`. NULL for NULL.
///
/// Valid as long as the extractor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_engine(extractor: *const sleeve_extractor) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { extractor.as_ref() }.map_or(std::ptr::null(), |extractor| extractor.engine.as_ptr())
}

/// The warning at `index` about the model's metadata or the choice of the engine; NULL beyond the last.
///
/// Valid as long as the extractor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_warning(
    extractor: *const sleeve_extractor,
    index: usize,
) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { extractor.as_ref() }.map_or(std::ptr::null(), |extractor| text_at(&extractor.warnings, index))
}

/// The number of outputs: those of the model, then those of each head. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_output_count(extractor: *const sleeve_extractor) -> usize {
    // SAFETY: the ABI's rules for handles.
    unsafe { extractor.as_ref() }.map_or(0, |extractor| extractor.outputs.len())
}

/// The purpose of the output at `index`, and its values per row.
///
/// Errors: NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_output(
    extractor: *const sleeve_extractor,
    index: usize,
    purpose: *mut sleeve_purpose,
    dim: *mut usize,
) -> sleeve_status {
    call(|| {
        let extractor = not_null!(extractor);
        require_out(purpose, "purpose")?;
        require_out(dim, "dim")?;
        let Some(output) = extractor.outputs.get(index) else {
            let count = extractor.outputs.len();
            return Err(Failure::not_found(format!("output {index} of an extractor with {count}")));
        };
        let is_for = match output.info.purpose {
            Purpose::Other => sleeve_purpose::SLEEVE_PURPOSE_OTHER,
            Purpose::Embeddings => sleeve_purpose::SLEEVE_PURPOSE_EMBEDDINGS,
            Purpose::Predictions => sleeve_purpose::SLEEVE_PURPOSE_PREDICTIONS,
        };
        // SAFETY: the ABI's rules for out-parameters.
        unsafe {
            set(purpose, "purpose", is_for)?;
            set(dim, "dim", output.info.dim)
        }
    })
}

/// The name of the model or head of the output at `index`; NULL beyond the last.
///
/// Valid as long as the extractor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_output_model(
    extractor: *const sleeve_extractor,
    index: usize,
) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    let output = unsafe { extractor.as_ref() }.and_then(|extractor| extractor.outputs.get(index));
    output.map_or(std::ptr::null(), |output| output.model.as_ptr())
}

/// The name of the tensor of the output at `index`; NULL beyond the last.
///
/// Valid as long as the extractor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_output_tensor(
    extractor: *const sleeve_extractor,
    index: usize,
) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    let output = unsafe { extractor.as_ref() }.and_then(|extractor| extractor.outputs.get(index));
    output.map_or(std::ptr::null(), |output| output.tensor.as_ptr())
}

/// What the values of the output at `index` are: `"values"` (not known), `"labels"` (activations of labels that do not
/// depend on each other, 0 to 1), `"classes"` (probabilities of classes of which one applies), `"quantities"` (in the
/// units of the data set), `"tempo classes"`, `"pitch bins"`, `"tempo"` (BPM and its probability) or `"pitch"` (Hz and its
/// confidence). NULL beyond the last.
///
/// Valid as long as the extractor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_output_meaning(
    extractor: *const sleeve_extractor,
    index: usize,
) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    let output = unsafe { extractor.as_ref() }.and_then(|extractor| extractor.outputs.get(index));
    output.map_or(std::ptr::null(), |output| output.meaning.as_ptr())
}

/// The name of a value of the output at `index`, in UTF-8; NULL beyond the last, and if the metadata has no names.
///
/// Valid as long as the extractor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_class_name(
    extractor: *const sleeve_extractor,
    index: usize,
    value: usize,
) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    let output = unsafe { extractor.as_ref() }.and_then(|extractor| extractor.outputs.get(index));
    output.map_or(std::ptr::null(), |output| text_at(&output.classes, value))
}

/// Analyses one audio file of any format, rate and channel count.
///
/// Errors: IO, AUDIO, NON_FINITE, ENGINE; INVALID_ARGUMENT for a head.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_run_file(
    extractor: *const sleeve_extractor,
    file: *const c_char,
    analysis: *mut *mut sleeve_analysis,
) -> sleeve_status {
    call(|| {
        let extractor = not_null!(extractor);
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let file = path(file, "file")?;
            require_out(analysis, "analysis")?;
            let result = extractor.audio()?.extract_file(file)?;
            give(analysis, "analysis", sleeve_analysis::new(result))
        }
    })
}

/// Analyses `frames` audio frames of `channels` interleaved channels at `sample_rate` Hz (full scale is 1). Channels
/// are averaged; rates from 1000 to 768000 Hz are resampled to the model's.
///
/// Errors: INVALID_ARGUMENT; NON_FINITE with the index of the audio frame; ENGINE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_run_samples(
    extractor: *const sleeve_extractor,
    samples: *const f32,
    frames: usize,
    channels: u32,
    sample_rate: u32,
    analysis: *mut *mut sleeve_analysis,
) -> sleeve_status {
    call(|| {
        let extractor = not_null!(extractor);
        require_out(analysis, "analysis")?;
        if samples.is_null() {
            return Err(Failure::null("samples"));
        }
        let narrow = u16::try_from(channels)
            .map_err(|_| Failure::invalid(format!("{channels} channels; at most {}", u16::MAX)))?;
        let count = product(&[frames, usize::from(narrow)], "samples")?;
        // SAFETY: the ABI's rules for arrays and out-parameters.
        unsafe {
            let samples = slice(samples, count, "samples")?;
            let result = extractor.audio()?.extract_interleaved(samples, narrow, sample_rate)?;
            give(analysis, "analysis", sleeve_analysis::new(result))
        }
    })
}

/// Runs the model on `patches` mel patches, `[patches, frames, bands]`, cut from the mel frames of
/// `sleeve_mel_compute`. `frames` and `bands` must be those of `sleeve_model_input`. The times are those of consecutive
/// patches.
///
/// Errors: INVALID_ARGUMENT if the shape is not the model's; ENGINE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_run_patches(
    extractor: *const sleeve_extractor,
    values: *const f32,
    patches: usize,
    frames: usize,
    bands: usize,
    analysis: *mut *mut sleeve_analysis,
) -> sleeve_status {
    call(|| {
        let extractor = not_null!(extractor);
        require_out(analysis, "analysis")?;
        if values.is_null() {
            return Err(Failure::null("values"));
        }
        let count = product(&[patches, frames, bands], "values")?;
        // SAFETY: the ABI's rules for arrays and out-parameters.
        unsafe {
            let values = slice(values, count, "values")?;
            let shaped = ArrayView3::from_shape((patches, frames, bands), values)
                .map_err(|error| Failure::invalid(format!("`values`: {error}")))?;
            let result = extractor.audio()?.extract_patches(shaped)?;
            give(analysis, "analysis", sleeve_analysis::new(result))
        }
    })
}

/// Runs a head on `rows` embeddings, `[rows, dim]`; `dim` must be the `bands` of `sleeve_model_input`.
///
/// Errors: INVALID_ARGUMENT if the extractor is not of a head or `dim` is not the head's; ENGINE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_run_embeddings(
    extractor: *const sleeve_extractor,
    values: *const f32,
    rows: usize,
    dim: usize,
    analysis: *mut *mut sleeve_analysis,
) -> sleeve_status {
    call(|| {
        let extractor = not_null!(extractor);
        require_out(analysis, "analysis")?;
        if values.is_null() {
            return Err(Failure::null("values"));
        }
        let Kind::Head(predictor) = &extractor.kind else {
            return Err(Failure::invalid("the extractor's model takes audio or mel patches, not embeddings"));
        };
        let count = product(&[rows, dim], "values")?;
        // SAFETY: the ABI's rules for arrays and out-parameters.
        unsafe {
            let values = slice(values, count, "values")?;
            let shaped = ArrayView2::from_shape((rows, dim), values)
                .map_err(|error| Failure::invalid(format!("`values`: {error}")))?;
            give(analysis, "analysis", sleeve_analysis::new(predictor.predict(shaped)?))
        }
    })
}

/// Frees an extractor. Its streams and analyses stay valid. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extractor_free(extractor: *mut sleeve_extractor) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(extractor) };
}
