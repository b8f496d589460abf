//! Models: networks with their metadata.

use std::ffi::{CString, c_char};

use super::boundary::{Failure, c_string, call, free, get, give, path, slice, text};
use super::status::sleeve_status;
use sleeve::engine::InputSpec;
use sleeve::model::{Model, ModelOptions};

/// A network with its metadata: an embedding model, which takes audio, or a head, which takes embeddings. Immutable:
/// threads may share it, and extractors of one model share its weights.
pub struct sleeve_model {
    pub(super) model: Model,
    name: CString,
    sha256: CString,
    json: CString,
    front_end: Option<CString>,
}

impl sleeve_model {
    fn new(model: Model) -> Result<Self, Failure> {
        let json = model.metadata().to_json();
        Ok(Self {
            name: c_string(model.name()),
            sha256: c_string(model.sha256()),
            json: c_string(&json),
            front_end: model.front_end().map(|front_end| c_string(front_end.name())),
            model,
        })
    }
}

/// Opens a model: an `.onnx` file, the `.json` beside it, their common stem, or the name of a bundled model (files take
/// precedence).
///
/// Errors: IO, MODEL, UNAVAILABLE; the message names the file and the reason.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_open(
    file: *const c_char,
    model: *mut *mut sleeve_model,
) -> sleeve_status {
    call(|| {
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let file = path(file, "file")?;
            require_out(model, "model")?;
            give(model, "model", sleeve_model::new(Model::open(file)?)?)
        }
    })
}

/// Opens a model as `sleeve_model_open` does, and says which input it was trained on, in place of its metadata:
/// `"musicnn"`, `"effnet-discogs"`, `"maest"`, `"vggish"`, `"vggish-original"`, `"tempocnn"`, `"fsd-sinet"`, `"openl3"`,
/// `"crepe"`, or `"musicnn-mel"` (MusiCNN's frames in patches of any length). Its values are wrong if that is not true.
///
/// Errors: IO, MODEL, UNAVAILABLE; INVALID_ARGUMENT for another front end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_open_as(
    file: *const c_char,
    front_end: *const c_char,
    model: *mut *mut sleeve_model,
) -> sleeve_status {
    call(|| {
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let file = path(file, "file")?;
            let options = ModelOptions::new().front_end(text(front_end, "front_end")?.parse()?);
            require_out(model, "model")?;
            give(model, "model", sleeve_model::new(Model::open_with(file, &options)?)?)
        }
    })
}

/// Opens a bundled model by name; NULL is the default one.
///
/// Errors: MODEL; the message lists the bundled names.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_bundled(
    name: *const c_char,
    model: *mut *mut sleeve_model,
) -> sleeve_status {
    call(|| {
        let default = || {
            let none =
                || Failure::new(sleeve_status::SLEEVE_STATUS_MODEL, "this build has no bundled models");
            Model::bundled_names().next().ok_or_else(none)
        };
        // SAFETY: the ABI's rules for strings and out-parameters.
        unsafe {
            let name = if name.is_null() { default()? } else { text(name, "name")? };
            require_out(model, "model")?;
            give(model, "model", sleeve_model::new(Model::bundled(name)?)?)
        }
    })
}

/// Opens a model in memory: `onnx_size` bytes of an `.onnx` file, and `json_size` bytes of its metadata in UTF-8 (NULL
/// and 0 for none). Both are copied.
///
/// Errors: MODEL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_from_memory(
    onnx: *const u8,
    onnx_size: usize,
    json: *const c_char,
    json_size: usize,
    model: *mut *mut sleeve_model,
) -> sleeve_status {
    call(|| {
        if onnx.is_null() {
            return Err(Failure::null("onnx"));
        }
        // SAFETY: the ABI's rules for arrays and out-parameters.
        unsafe {
            let onnx = slice(onnx, onnx_size, "onnx")?;
            let json = slice(json.cast::<u8>(), json_size, "json")?;
            let json = std::str::from_utf8(json).map_err(|_| Failure::invalid("`json` is not UTF-8"))?;
            let json = (!json.is_empty()).then_some(json);
            require_out(model, "model")?;
            give(model, "model", sleeve_model::new(Model::from_bytes("<memory>", onnx, json)?)?)
        }
    })
}

/// The name of the bundled model at `index` (0 is the default model); NULL beyond the last.
///
/// Valid for the life of the process.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_bundled_name(index: usize) -> *const c_char {
    use std::sync::OnceLock;
    static NAMES: OnceLock<Vec<CString>> = OnceLock::new();
    get(std::ptr::null(), || {
        let names = NAMES.get_or_init(|| Model::bundled_names().map(c_string).collect());
        super::boundary::text_at(names, index)
    })
}

/// The model's name: the stem of its file, or the name it was opened by. NULL for NULL.
///
/// Valid as long as the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_name(model: *const sleeve_model) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { model.as_ref() }.map_or(std::ptr::null(), |model| model.name.as_ptr())
}

/// The SHA-256 of the graph with its weights, in hexadecimal. NULL for NULL.
///
/// Valid as long as the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_sha256(model: *const sleeve_model) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { model.as_ref() }.map_or(std::ptr::null(), |model| model.sha256.as_ptr())
}

/// The model's metadata as JSON in Essentia's schema, in UTF-8; `"{}"` without metadata. NULL for NULL.
///
/// Valid as long as the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_json(model: *const sleeve_model) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    unsafe { model.as_ref() }.map_or(std::ptr::null(), |model| model.json.as_ptr())
}

/// The sample rate that the model takes, in Hz (other audio is resampled). 0 for NULL, for a head, and if nothing says
/// what the model takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_sample_rate(model: *const sleeve_model) -> u32 {
    // SAFETY: the ABI's rules for handles.
    unsafe { model.as_ref() }.map_or(0, |model| model.model.sample_rate())
}

/// The front end whose frames the model takes: `"musicnn"`, `"vggish"`, `"vggish-original"`, `"tempocnn"`, `"fsd-sinet"`,
/// `"openl3-mel128"`, `"openl3-mel256"` or `"crepe"`. NULL for NULL, for a head, and if nothing says what the model takes: then
/// `sleeve_extractor_new` gives the reason.
///
/// Valid as long as the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_front_end(model: *const sleeve_model) -> *const c_char {
    // SAFETY: the ABI's rules for handles.
    let front_end = unsafe { model.as_ref() }.and_then(|model| model.front_end.as_ref());
    front_end.map_or(std::ptr::null(), |front_end| front_end.as_ptr())
}

/// Frames of the front end from one patch to the next. 0 for NULL, for a head, and if nothing says what the model takes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_patch_hop(model: *const sleeve_model) -> usize {
    // SAFETY: the ABI's rules for handles.
    let patching = unsafe { model.as_ref() }.and_then(|model| model.model.patching());
    patching.map_or(0, |patching| patching.hop())
}

/// Whether the model is a head, which takes embeddings in place of audio. False for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_is_head(model: *const sleeve_model) -> bool {
    // SAFETY: the ABI's rules for handles.
    unsafe { model.as_ref() }.is_some_and(|model| model.model.is_head())
}

/// The shape of the model's input for one patch: `frames` frames of `bands` values. For a head: 1, and the length of
/// its input vector.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_input(
    model: *const sleeve_model,
    frames: *mut usize,
    bands: *mut usize,
) -> sleeve_status {
    call(|| {
        let model = not_null!(model);
        require_out(frames, "frames")?;
        require_out(bands, "bands")?;
        let (rows, columns) = match model.model.input() {
            InputSpec::Patch { frames, bands } => (frames, bands),
            InputSpec::Vector { dim } => (1, dim),
        };
        // SAFETY: the ABI's rules for out-parameters.
        unsafe {
            frames.write(rows);
            bands.write(columns);
        }
        Ok(())
    })
}

/// Frees a model. Its extractors stay valid. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model_free(model: *mut sleeve_model) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(model) };
}

/// Checks an out-parameter for NULL, before any work is done.
pub(super) fn require_out<T>(out: *mut T, name: &str) -> Result<(), Failure> {
    if out.is_null() { Err(Failure::null(name)) } else { Ok(()) }
}
