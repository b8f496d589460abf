//! Sequences of calls of the C ABI with hostile numbers and pointers that are NULL or valid: no call may crash, and a
//! failed call must not write its out-parameter. Most sequences have a model of a few weights, with which a thousand of
//! them run in the time in which a bundled one is read.
#![no_main]

use std::ffi::{CString, c_char, c_void};
use std::path::PathBuf;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use libfuzzer_sys::{arbitrary, fuzz_target};

// The C functions are compiled here, instrumented: their package has no Rust library that could be linked.
#[path = "../../../bindings/c/src/lib.rs"]
mod capi;

#[path = "shared/panics.rs"]
mod panics;
#[path = "shared/place.rs"]
mod place;
#[path = "../../support/small_model.rs"]
#[allow(dead_code)]
mod small_model;

type Handle = *mut c_void;

unsafe extern "C" {
    fn sleeve_model_bundled(name: *const c_char, model: *mut Handle) -> i32;
    fn sleeve_model_from_memory(
        onnx: *const u8,
        size: usize,
        json: *const c_char,
        json_size: usize,
        model: *mut Handle,
    ) -> i32;
    fn sleeve_model_free(model: Handle);
    fn sleeve_options_new(options: *mut Handle) -> i32;
    fn sleeve_options_set_device(options: Handle, device: *const c_char) -> i32;
    fn sleeve_options_set_resampler(options: Handle, resampler: *const c_char) -> i32;
    fn sleeve_options_set_level(options: Handle, level: *const c_char) -> i32;
    fn sleeve_options_set_last_patch(options: Handle, last_patch: *const c_char) -> i32;
    fn sleeve_options_set_threads(options: Handle, threads: usize) -> i32;
    fn sleeve_options_set_batch_size(options: Handle, patches: usize) -> i32;
    fn sleeve_options_set_patch_hop(options: Handle, frames: usize) -> i32;
    fn sleeve_options_add_output(options: Handle, output: *const c_char) -> i32;
    fn sleeve_options_free(options: Handle);
    fn sleeve_extractor_new(model: Handle, options: Handle, extractor: *mut Handle) -> i32;
    fn sleeve_extractor_run_samples(
        extractor: Handle,
        samples: *const f32,
        frames: usize,
        channels: u32,
        rate: u32,
        analysis: *mut Handle,
    ) -> i32;
    fn sleeve_extractor_free(extractor: Handle);
    fn sleeve_analysis_output(
        analysis: Handle,
        index: usize,
        values: *mut *const f32,
        dim: *mut usize,
    ) -> i32;
    fn sleeve_analysis_patch_count(analysis: Handle) -> usize;
    fn sleeve_analysis_mean(analysis: Handle, index: usize, mean: *mut f32, dim: usize) -> i32;
    fn sleeve_analysis_free(analysis: Handle);
    fn sleeve_batch_run(
        extractor: Handle,
        paths: *const *const c_char,
        count: usize,
        workers: usize,
        result: Option<extern "C" fn(*mut c_void, usize, i32, *const c_char, Handle)>,
        progress: Option<extern "C" fn(*mut c_void, usize, usize, f64) -> bool>,
        user_data: *mut c_void,
        done: *mut usize,
    ) -> i32;
    fn sleeve_stream_new(
        extractor: Handle,
        rate: u32,
        channels: u32,
        capacity: usize,
        writer: *mut Handle,
        reader: *mut Handle,
    ) -> i32;
    fn sleeve_stream_writer_write(
        writer: Handle,
        samples: *const f32,
        frames: usize,
        taken: *mut usize,
    ) -> i32;
    fn sleeve_stream_writer_finish(writer: Handle) -> i32;
    fn sleeve_stream_writer_reset(writer: Handle) -> i32;
    fn sleeve_stream_writer_free(writer: Handle);
    fn sleeve_stream_reader_next(reader: Handle) -> i32;
    fn sleeve_stream_reader_output(
        reader: Handle,
        index: usize,
        values: *mut *const f32,
        dim: *mut usize,
    ) -> i32;
    fn sleeve_stream_reader_free(reader: Handle);
    fn sleeve_last_error(buffer: *mut c_char, size: usize) -> usize;
}

#[derive(arbitrary::Arbitrary, Debug)]
enum Call {
    Model(u8),
    FromMemory(Vec<u8>, Option<Vec<u8>>),
    Options,
    Text(u8, Vec<u8>),
    Number(u8, usize),
    Extractor { options: bool },
    Samples { values: Vec<f32>, times: u8, claimed: usize, truthful: bool, channels: u32, rate: u32 },
    Batch { files: Vec<u8>, damaged: Vec<u8>, workers: u8, cancelled: bool },
    Look(usize),
    Stream { rate: u32, channels: u32, capacity: usize },
    Push { values: Vec<f32>, times: u8, claimed: usize, truthful: bool },
    Finish,
    Reset,
    Next,
    Error(u8),
    Free(u8),
}

#[derive(Default)]
struct World {
    model: Option<Handle>,
    options: Option<Handle>,
    extractor: Option<Handle>,
    analysis: Option<Handle>,
    writer: Option<(Handle, usize)>,
    reader: Option<Handle>,
}

fn or_null(handle: Option<Handle>) -> Handle {
    handle.unwrap_or(null_mut())
}

/// Frees the handle in a slot and stores another one.
fn replace(slot: &mut Option<Handle>, new: Option<Handle>, free: unsafe extern "C" fn(Handle)) {
    if let Some(old) = std::mem::replace(slot, new) {
        // SAFETY: the library returned it, and it is used nowhere else.
        unsafe { free(old) };
    }
}

/// The out-parameter of a call, which must not be written unless the call succeeds.
fn made(call: impl FnOnce(*mut Handle) -> i32) -> Option<Handle> {
    let untouched = 16 as Handle;
    let mut handle = untouched;
    match call(&mut handle) {
        0 => {
            assert!(handle != untouched && !handle.is_null());
            Some(handle)
        }
        status => {
            assert!((1..=14).contains(&status) && handle == untouched);
            assert!(status != 1, "a panic");
            None
        }
    }
}

/// A correct length, or an impossible one.
fn length(values: &[f32], channels: usize, claimed: usize, truthful: bool) -> usize {
    if truthful { values.len() / channels.max(1) } else { claimed | 1 << 62 }
}

/// How often samples are repeated, for an input has few and a patch takes some thousand.
const MOST_TIMES: u8 = 16;
/// Files in a batch.
const MOST_FILES: usize = 6;

/// What a batch's callbacks are given.
struct Results {
    called: Vec<usize>,
    cancelled: bool,
}

extern "C" fn result(user: *mut c_void, index: usize, status: i32, message: *const c_char, analysis: Handle) {
    assert!(status != 1 && !message.is_null() && analysis.is_null() == (status != 0));
    // SAFETY: it is the `Results` of the call that calls back, on the same thread; the analysis is ours to free.
    unsafe {
        (*user.cast::<Results>()).called.push(index);
        sleeve_analysis_free(analysis);
    }
}

extern "C" fn progress(user: *mut c_void, done: usize, failed: usize, seconds: f64) -> bool {
    assert!(done + failed <= MOST_FILES && seconds >= 0.0);
    // SAFETY: as above.
    unsafe { !(*user.cast::<Results>()).cancelled }
}

/// Half a second of a sawtooth in 8 bits.
fn wav() -> Vec<u8> {
    let samples: Vec<u8> = (0..8000).map(|at| (at % 251) as u8).collect();
    let rate = 16_000_u32.to_le_bytes();
    let size = |bytes: usize| (bytes as u32).to_le_bytes();
    let format = [&b"WAVEfmt "[..], &size(16), &[1, 0, 1, 0], &rate, &rate, &[1, 0, 8, 0]].concat();
    [b"RIFF", &size(format.len() + 8 + samples.len())[..], &format, b"data", &size(samples.len()), &samples]
        .concat()
}

/// A batch of a whole file, a damaged one and one that is missing, in any order, on real threads.
fn batch(extractor: Handle, files: &[u8], damaged: &[u8], workers: usize, cancelled: bool) {
    static GOOD: OnceLock<PathBuf> = OnceLock::new();
    let good = GOOD.get_or_init(|| place::put("good", &wav()));
    let paths = [good.clone(), place::put("damaged", damaged), "/there/is/none".into()];
    let names = paths.map(|path| CString::new(path.into_os_string().into_encoded_bytes()).expect("no NUL"));
    let list: Vec<*const c_char> =
        files.iter().take(MOST_FILES).map(|which| names[usize::from(which % 3)].as_ptr()).collect();
    let mut results = Results { called: Vec::new(), cancelled };
    let mut done = usize::MAX;
    // SAFETY: the list has as many paths as is said, and all of it lives longer than the call.
    let status = unsafe {
        let user = (&raw mut results).cast();
        sleeve_batch_run(
            extractor,
            list.as_ptr(),
            list.len(),
            workers,
            Some(result),
            Some(progress),
            user,
            &mut done,
        )
    };
    assert!(status != 1, "a panic");
    results.called.sort_unstable();
    match status {
        0 => assert!(results.called.iter().copied().eq(0..list.len()) && done <= list.len()),
        14 => assert!(cancelled && results.called.windows(2).all(|pair| pair[0] < pair[1])),
        _ => assert!(results.called.is_empty() && done == usize::MAX),
    }
}

fn run(world: &mut World, call: Call) {
    let fine = |status: i32| assert!(status != 1, "a panic");
    // SAFETY: pointers are NULL or valid, lengths correct or impossible, as the header requires.
    unsafe {
        match call {
            Call::Model(which) => {
                static SMALL: OnceLock<Vec<u8>> = OnceLock::new();
                let small = SMALL.get_or_init(small_model::onnx);
                let name = c"mtt-musicnn-1";
                let new = made(|out| match which {
                    0 => sleeve_model_bundled(null(), out),
                    1 => sleeve_model_bundled(name.as_ptr(), out),
                    _ => sleeve_model_from_memory(small.as_ptr(), small.len(), null(), 0, out),
                });
                replace(&mut world.model, new, sleeve_model_free);
            }
            Call::FromMemory(onnx, json) => {
                let (json, size) =
                    json.as_ref().map_or((null(), 0), |json| (json.as_ptr().cast(), json.len()));
                let new = made(|out| sleeve_model_from_memory(onnx.as_ptr(), onnx.len(), json, size, out));
                replace(&mut world.model, new, sleeve_model_free);
            }
            Call::Options => {
                replace(&mut world.options, made(|out| sleeve_options_new(out)), sleeve_options_free)
            }
            Call::Text(which, text) => {
                let Ok(text) = CString::new(text) else { return };
                let set = [
                    sleeve_options_set_device,
                    sleeve_options_set_resampler,
                    sleeve_options_set_level,
                    sleeve_options_set_last_patch,
                    sleeve_options_add_output,
                ][usize::from(which % 5)];
                fine(set(or_null(world.options), text.as_ptr()));
            }
            Call::Number(which, number) => {
                let set =
                    [sleeve_options_set_batch_size, sleeve_options_set_patch_hop][usize::from(which % 2)];
                // These are real threads, so only one.
                fine(sleeve_options_set_threads(or_null(world.options), 1));
                fine(set(or_null(world.options), number));
            }
            Call::Extractor { options } => {
                let options = if options { or_null(world.options) } else { null_mut() };
                let new = made(|out| sleeve_extractor_new(or_null(world.model), options, out));
                replace(&mut world.extractor, new, sleeve_extractor_free);
            }
            Call::Samples { values, times, claimed, truthful, channels, rate } => {
                let values = values.repeat(usize::from(times % MOST_TIMES) + 1);
                let frames = length(&values, channels as usize, claimed, truthful);
                let new = made(|out| {
                    let extractor = or_null(world.extractor);
                    sleeve_extractor_run_samples(extractor, values.as_ptr(), frames, channels, rate, out)
                });
                replace(&mut world.analysis, new, sleeve_analysis_free);
            }
            Call::Look(index) => {
                let (mut values, mut dim) = (null(), 0);
                let analysis = or_null(world.analysis);
                if sleeve_analysis_output(analysis, index, &mut values, &mut dim) == 0 {
                    let count = sleeve_analysis_patch_count(analysis) * dim;
                    std::hint::black_box(std::slice::from_raw_parts(values, count).iter().sum::<f32>());
                    let mut mean = vec![0.0; dim];
                    fine(sleeve_analysis_mean(analysis, index, mean.as_mut_ptr(), dim));
                }
            }
            Call::Stream { rate, channels, capacity } => {
                let mut other = 16 as Handle;
                let capacity = if capacity % 2 == 0 { capacity } else { capacity % 100_000 };
                let new = made(|out| {
                    sleeve_stream_new(or_null(world.extractor), rate, channels, capacity, out, &mut other)
                });
                if let Some((old, _)) = world.writer.take() {
                    sleeve_stream_writer_free(old);
                }
                replace(&mut world.reader, new.map(|_| other), sleeve_stream_reader_free);
                world.writer = new.map(|writer| (writer, channels as usize));
            }
            Call::Batch { files, damaged, workers, cancelled } => {
                batch(or_null(world.extractor), &files, &damaged, usize::from(workers % 4), cancelled);
            }
            Call::Push { values, times, claimed, truthful } => {
                let values = values.repeat(usize::from(times % MOST_TIMES) + 1);
                let (writer, channels) = world.writer.unwrap_or((null_mut(), 1));
                let frames = length(&values, channels, claimed, truthful);
                let mut taken = 0;
                fine(sleeve_stream_writer_write(writer, values.as_ptr(), frames, &mut taken));
                assert!(taken <= frames);
            }
            Call::Finish => {
                fine(sleeve_stream_writer_finish(world.writer.map_or(null_mut(), |(writer, _)| writer)))
            }
            Call::Reset => {
                fine(sleeve_stream_writer_reset(world.writer.map_or(null_mut(), |(writer, _)| writer)))
            }
            Call::Next => {
                let reader = or_null(world.reader);
                fine(sleeve_stream_reader_next(reader));
                let (mut values, mut dim) = (null(), 0);
                if sleeve_stream_reader_output(reader, 0, &mut values, &mut dim) == 0 {
                    std::hint::black_box(std::slice::from_raw_parts(values, dim).iter().sum::<f32>());
                }
            }
            Call::Error(size) => {
                let mut buffer = vec![1; usize::from(size)];
                sleeve_last_error(buffer.as_mut_ptr(), buffer.len());
                assert!(size == 0 || buffer.contains(&0));
            }
            Call::Free(which) => match which % 6 {
                0 => replace(&mut world.model, None, sleeve_model_free),
                1 => replace(&mut world.options, None, sleeve_options_free),
                2 => replace(&mut world.extractor, None, sleeve_extractor_free),
                3 => replace(&mut world.analysis, None, sleeve_analysis_free),
                4 => replace(&mut world.reader, None, sleeve_stream_reader_free),
                _ => {
                    if let Some((writer, _)) = world.writer.take() {
                        sleeve_stream_writer_free(writer);
                    }
                }
            },
        }
    }
}

fuzz_target!(init: panics::note_contained(), |calls: Vec<Call>| {
    let mut world = World::default();
    for call in calls {
        run(&mut world, call);
    }
    for which in 0..6 {
        run(&mut world, Call::Free(which));
    }
});
