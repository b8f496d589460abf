//! The library as a WebAssembly module. `package/` has the JavaScript that calls it, and its types.
//!
//! There is no generated glue. What crosses is numbers, and bytes in the module's memory:
//! - an argument in bytes is written into memory from [`sleeve_allocate`], which the call takes over;
//! - a call returns a handle, a number, or -1 for an error. Its text (JSON, or the error's message) and its arrays of
//!   floats are read afterwards, until the next call;
//! - objects have handles (`objects.rs`), so that a stale one is an error and not a stray pointer.
//!
//! The module has one thread and nothing unwinds: a panic ends the instance, and its message is the text.

mod describe;
mod objects;
mod outcome;

use std::alloc::{Layout, alloc, dealloc};

use serde_json::json;
use sleeve::audio::AudioReader;
use sleeve::engine::Device;
use sleeve::extractor::{Analysis, Extractor};
use sleeve::front_end::FrontEnd;
use sleeve::model::Model;
use sleeve::stream::{Stream, StreamOptions};
use sleeve::{Error, Result};

use objects::{Mel, Object};
use outcome::{answer, put_array, put_text, result};

/// The model inside the module.
const BUNDLED: (&str, &[u8], &str) = (
    "msd-musicnn-1",
    include_bytes!("../../../models/msd-musicnn-1.onnx"),
    include_str!("../../../models/msd-musicnn-1.json"),
);

/// Alignment of arguments: floats are among them.
const ALIGNMENT: usize = 16;

fn layout(bytes: usize) -> Option<Layout> {
    Layout::from_size_align(bytes.max(1), ALIGNMENT).ok()
}

/// Memory for an argument; 0 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_allocate(bytes: usize) -> *mut u8 {
    outcome::catch_panics();
    // SAFETY: the size is at least 1.
    layout(bytes).map_or(std::ptr::null_mut(), |layout| unsafe { alloc(layout) })
}

/// An argument that came in the module's memory, released at the end of the call.
struct Argument {
    start: *mut u8,
    bytes: usize,
}

impl Argument {
    /// # Safety
    /// `start` is from [`sleeve_allocate`] with this size, all of it has been written, and nobody else releases it.
    unsafe fn new(start: *mut u8, bytes: usize) -> Self {
        Self { start, bytes }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: the promise of `new`.
        unsafe { std::slice::from_raw_parts(self.start, self.bytes) }
    }

    fn text(&self) -> Result<&str> {
        std::str::from_utf8(self.bytes()).map_err(|_| Error::InvalidArgument("a text is not UTF-8".into()))
    }

    fn floats(&self) -> &[f32] {
        // SAFETY: the promise of `new`; the memory is aligned for floats, and any bits are one.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.bytes / size_of::<f32>()) }
    }
}

impl Drop for Argument {
    fn drop(&mut self) {
        if let Some(layout) = layout(self.bytes) {
            // SAFETY: the promise of `new`.
            unsafe { dealloc(self.start, layout) }
        }
    }
}

/// Releases an object. A handle that is none is ignored.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_free(handle: i32) {
    objects::free(handle);
}

/// What this module is, as JSON: version, vectors, bundled models, front ends.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_describe() -> i32 {
    answer(|| {
        put_text(describe::module(BUNDLED.0));
        Ok(0)
    })
}

/// The bundled model. Text: what it is.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_bundled_model() -> i32 {
    answer(|| add_model(Model::from_bytes(BUNDLED.0, BUNDLED.1, Some(BUNDLED.2))?))
}

/// A model from an ONNX file and its metadata (no bytes: none). Text: what it is.
///
/// # Safety
/// The arguments are from [`sleeve_allocate`], written, and not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_model(
    name: *mut u8,
    name_bytes: usize,
    onnx: *mut u8,
    onnx_bytes: usize,
    json: *mut u8,
    json_bytes: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let (name, onnx, json) = unsafe {
        (Argument::new(name, name_bytes), Argument::new(onnx, onnx_bytes), Argument::new(json, json_bytes))
    };
    answer(|| {
        let file = onnx.bytes().to_vec();
        drop(onnx);
        let json = Some(json.text()?).filter(|text| !text.is_empty());
        add_model(Model::from_bytes(name.text()?, file, json)?)
    })
}

fn add_model(model: Model) -> Result<i32> {
    put_text(describe::model(&model));
    Ok(objects::add(Object::Model(model)))
}

/// An extractor of a model. `patch_hop` is in mel frames; 0 for the model's own. Text: its outputs.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_extractor(model: i32, patch_hop: usize) -> i32 {
    answer(|| {
        let model = objects::model(model)?;
        let mut builder = Extractor::builder(model).device(Device::Cpu).threads(1);
        if patch_hop > 0 {
            builder = builder.patch_hop(patch_hop);
        }
        let extractor = builder.build()?;
        put_text(describe::extractor(&extractor));
        Ok(objects::add(Object::Extractor(Box::new(extractor))))
    })
}

/// A recording of interleaved samples. Text: times and outputs; one array for each output.
///
/// # Safety
/// As for [`sleeve_model`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extract(
    extractor: i32,
    samples: *mut u8,
    bytes: usize,
    channels: u32,
    sample_rate: u32,
) -> i32 {
    // SAFETY: the caller's promise.
    let samples = unsafe { Argument::new(samples, bytes) };
    answer(|| {
        let extractor = objects::extractor(extractor)?;
        put_analysis(&extractor.extract_interleaved(samples.floats(), count(channels)?, sample_rate)?);
        Ok(0)
    })
}

/// A recording in a file's bytes, decoded here. Text and arrays as for [`sleeve_extract`].
///
/// # Safety
/// As for [`sleeve_model`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_extract_file(
    extractor: i32,
    name: *mut u8,
    name_bytes: usize,
    file: *mut u8,
    file_bytes: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let (name, file) = unsafe { (Argument::new(name, name_bytes), Argument::new(file, file_bytes)) };
    answer(|| {
        let extractor = objects::extractor(extractor)?;
        put_analysis(&extractor.extract_bytes(name.text()?, file.bytes())?);
        Ok(0)
    })
}

fn put_analysis(analysis: &Analysis) {
    put_text(describe::analysis(analysis));
    for output in analysis.outputs() {
        put_array(output.values.iter().copied().collect());
    }
}

/// A file's bytes to samples. Text: format, rate, channels, warnings; one array of interleaved samples.
///
/// # Safety
/// As for [`sleeve_model`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_decode(
    name: *mut u8,
    name_bytes: usize,
    file: *mut u8,
    file_bytes: usize,
) -> i32 {
    // SAFETY: the caller's promise.
    let (name, file) = unsafe { (Argument::new(name, name_bytes), Argument::new(file, file_bytes)) };
    answer(|| {
        let mut reader = AudioReader::from_bytes(name.text()?, file.bytes())?;
        let mut samples = Vec::new();
        while reader.read(&mut samples)? > 0 {}
        let info = reader.info();
        put_text(json!({
            "format": info.format,
            "sampleRate": info.sample_rate,
            "channels": info.channels,
            "warnings": reader.warnings(),
        }));
        put_array(samples);
        Ok(0)
    })
}

/// A stream of interleaved samples through an extractor.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_stream(extractor: i32, channels: u32, sample_rate: u32) -> i32 {
    answer(|| {
        let extractor = objects::extractor(extractor)?;
        let stream = Stream::new(&extractor, &StreamOptions::new(sample_rate, count(channels)?))?;
        Ok(objects::add(Object::Stream(Box::new(stream))))
    })
}

/// More samples of a stream. Text and arrays: the rows that they complete.
///
/// # Safety
/// As for [`sleeve_model`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_push(stream: i32, samples: *mut u8, bytes: usize) -> i32 {
    // SAFETY: the caller's promise.
    let samples = unsafe { Argument::new(samples, bytes) };
    rows_of(stream, |stream, rows| stream.push(samples.floats(), rows))
}

/// The end of a stream's recording. Text and arrays: its last rows.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_stream_finish(stream: i32) -> i32 {
    rows_of(stream, |stream, rows| stream.finish(rows))
}

/// The beginning of the next recording; what was pushed of one that is not finished is forgotten.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_stream_reset(stream: i32) -> i32 {
    answer(|| {
        objects::with_stream(stream, |stream| {
            stream.reset();
            Ok(0)
        })
    })
}

fn rows_of(stream: i32, work: impl FnOnce(&mut Stream, &mut Analysis) -> Result<()>) -> i32 {
    answer(|| {
        objects::with_stream(stream, |stream| {
            let mut rows = Analysis::collect(stream.extractor());
            work(stream, &mut rows)?;
            put_analysis(&rows.finish(None, Vec::new()));
            Ok(0)
        })
    })
}

/// A stream of interleaved samples to mel frames, for the front end of this number in the module's description.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_mel(front_end: usize, channels: u32, sample_rate: u32) -> i32 {
    answer(|| {
        let front_end = *FrontEnd::ALL
            .get(front_end)
            .ok_or_else(|| Error::InvalidArgument("a front end that is not".into()))?;
        let mel = Mel::new(front_end, count(channels)?, sample_rate)?;
        Ok(objects::add(Object::Mel(Box::new(mel))))
    })
}

/// More samples; one array, the frames that they complete.
///
/// # Safety
/// As for [`sleeve_model`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_mel_push(mel: i32, samples: *mut u8, bytes: usize) -> i32 {
    // SAFETY: the caller's promise.
    let samples = unsafe { Argument::new(samples, bytes) };
    answer(|| {
        objects::with_mel(mel, |mel| {
            put_array(mel.push(samples.floats())?);
            Ok(0)
        })
    })
}

/// The end of the signal; one array, the last frames. The next samples are another signal.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_mel_finish(mel: i32) -> i32 {
    answer(|| {
        objects::with_mel(mel, |mel| {
            put_array(mel.finish()?);
            Ok(0)
        })
    })
}

fn count(channels: u32) -> Result<u16> {
    u16::try_from(channels).map_err(|_| Error::InvalidArgument(format!("{channels} channels")))
}

/// Where the last call's text is.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_text() -> *const u8 {
    result(|result| result.text.as_ptr())
}

/// The text's bytes.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_text_bytes() -> usize {
    result(|result| result.text.len())
}

/// The number of the last call's arrays.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_arrays() -> usize {
    result(|result| result.arrays.len())
}

/// Where an array is.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_array(index: usize) -> *const f32 {
    result(|result| result.arrays.get(index).map_or(std::ptr::null(), |array| array.as_ptr()))
}

/// The values of an array.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_array_values(index: usize) -> usize {
    result(|result| result.arrays.get(index).map_or(0, Vec::len))
}

/// Forgets the last call's text and arrays.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_forget() {
    outcome::forget();
}
