//! TorchScript models on CPU and CUDA, through libtorch: an engine plugin of sleeve.
//!
//! The interface is the crate `sleeve-plugin-abi`. `engine` distributes batches among devices, `network` is one file on
//! one device, `slot` a running batch on CUDA, `cuda` loads libtorch's CUDA library, `shim` has functions that tch
//! lacks.
//!
//! State of libtorch that is global to the process: the number of CPU threads that new threads start with, its memory
//! caches, TorchScript's fuser, which this switches off, and TensorFloat-32, which is switched off once an engine runs
//! in f32 on CUDA.

pub mod cuda;
mod engine;
mod failure;
mod host;
mod network;
mod shim;
mod slot;

use std::ffi::{c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use shim::exact_f32;

use engine::{Engine, Place};
use failure::{Failure, Outcome};
use sleeve_plugin_abi::{self as abi, Handle, Host, Message, Output, Plugin, Request, Status, Wanted};

/// The version of libtorch that tch requires.
const VERSION: &str = "2.11.0";

static PLUGIN: Plugin = Plugin {
    size: size_of::<Plugin>() as u32,
    version: abi::VERSION,
    describe,
    device_count,
    device_name,
    open,
    close,
    output_count,
    output,
    batch_size,
    describe_engine,
    run,
};

/// The function that the library calls.
///
/// # Safety
/// `host` is NULL, or a host that lives as long as the process.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_engine_plugin(host: *const Host) -> *const Plugin {
    // SAFETY: as the caller promises.
    unsafe { host::set(host) };
    &PLUGIN
}

/// Runs a function and turns failures and panics into a status and a message.
fn guarded(message: *mut Message, function: impl FnOnce() -> Outcome<()>) -> Status {
    let outcome = catch_unwind(AssertUnwindSafe(function)).unwrap_or_else(|panic| {
        Err(Failure::running(format!("internal error: {}", failure::brief(abi::panic_message(&*panic)))))
    });
    match outcome {
        Ok(()) => abi::OK,
        Err(failure) => {
            // SAFETY: the caller's message is valid for the call.
            unsafe { write(message, &failure.reason) };
            failure.status
        }
    }
}

/// Writes as much of a text as fits, whole characters only.
///
/// # Safety
/// `message` is NULL or valid, and its capacity is correct.
unsafe fn write(message: *mut Message, text: &str) {
    // SAFETY: as the caller promises.
    let Some(message) = (unsafe { message.as_mut() }) else { return };
    let length = text.floor_char_boundary(message.capacity);
    if !message.data.is_null() {
        // SAFETY: the buffer has `capacity` bytes, and `length` is at most that.
        unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), message.data.cast::<u8>(), length) };
        message.length = length;
    }
}

/// A slice from a caller; empty for a length of 0, whatever the pointer.
///
/// # Safety
/// Unless `length` is 0, `data` points to `length` values, which live as long as the slice is used.
unsafe fn slice<'a, T>(data: *const T, length: usize) -> Outcome<&'a [T]> {
    if length == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Failure::argument("a NULL pointer with a length"));
    }
    // SAFETY: as the caller promises.
    Ok(unsafe { std::slice::from_raw_parts(data, length) })
}

/// # Safety
/// `handle` is an engine that `open` returned and that is not closed.
unsafe fn engine<'a>(handle: Handle) -> Outcome<&'a Engine> {
    // SAFETY: as the caller promises.
    unsafe { handle.cast::<Engine>().as_ref() }.ok_or_else(|| Failure::argument("the engine is NULL"))
}

unsafe extern "C" fn describe(message: *mut Message) {
    let text = format!("sleeve-torch {}, libtorch {VERSION}", env!("CARGO_PKG_VERSION"));
    // SAFETY: the caller's message is valid for the call.
    unsafe { write(message, &text) }
}

unsafe extern "C" fn device_count(count: *mut usize, message: *mut Message) -> Status {
    guarded(message, || {
        let found = cuda::device_count().map_err(Failure::unavailable)?;
        // SAFETY: the caller's pointer is NULL or valid for the call.
        let count = unsafe { count.as_mut() }
            .ok_or_else(|| Failure::argument("the pointer for the count is NULL"))?;
        *count = found;
        Ok(())
    })
}

unsafe extern "C" fn device_name(index: usize, message: *mut Message) -> Status {
    guarded(message, || {
        let name = cuda::device_name(index);
        let name = name.ok_or_else(|| Failure::unavailable(format!("there is no CUDA device {index}")))?;
        // SAFETY: the caller's message is valid for the call.
        unsafe { write(message, &name) };
        Ok(())
    })
}

unsafe extern "C" fn open(request: *const Request, engine: *mut Handle, message: *mut Message) -> Status {
    guarded(message, || {
        // SAFETY: the caller's pointers are NULL or valid for the call.
        let (request, engine) = unsafe { (request.as_ref(), engine.as_mut()) };
        let (Some(request), Some(engine)) = (request, engine) else {
            return Err(Failure::argument("the request or the pointer for the engine is NULL"));
        };
        if request.size as usize != size_of::<Request>() {
            return Err(Failure::argument(format!("a request of {} bytes", request.size)));
        }
        // SAFETY: the request's pointers are valid for the call.
        let (model, row, devices) = unsafe {
            (
                slice(request.model, request.model_length)?,
                slice(request.row, request.row_rank)?,
                slice(request.devices, request.device_count)?,
            )
        };
        let devices = match (request.device, devices) {
            (abi::CPU, _) => &[],
            (abi::CUDA, []) => return Err(Failure::argument("no CUDA device in the list")),
            (abi::CUDA, devices) => devices,
            (other, _) => return Err(Failure::argument(format!("device number {other} is unknown"))),
        };
        let values = row.iter().try_fold(1usize, |product, &size| product.checked_mul(size));
        if !(1..=2).contains(&row.len()) || !values.is_some_and(|values| (1..1 << 24).contains(&values)) {
            return Err(Failure::argument(format!("rows of shape {row:?}")));
        }
        let opened = Engine::open(&engine::Request {
            model,
            row,
            devices,
            precision: request.precision,
            threads: request.threads.max(1) as usize,
            batch_size: (request.batch_size > 0).then_some(request.batch_size),
            forward_rows: None,
        })?;
        *engine = Box::into_raw(Box::new(opened)).cast::<c_void>();
        Ok(())
    })
}

unsafe extern "C" fn close(handle: Handle) {
    if !handle.is_null() {
        guarded(std::ptr::null_mut(), || {
            // SAFETY: `open` returned it, and it is closed once.
            drop(unsafe { Box::from_raw(handle.cast::<Engine>()) });
            Ok(())
        });
    }
}

unsafe extern "C" fn output_count(handle: Handle) -> usize {
    // SAFETY: the caller's engine is open.
    unsafe { engine(handle) }.map_or(0, |engine| engine.outputs().len())
}

unsafe extern "C" fn output(
    handle: Handle,
    index: usize,
    output: *mut Output,
    message: *mut Message,
) -> Status {
    guarded(message, || {
        // SAFETY: the caller's engine is open, and its pointer NULL or valid for the call.
        let (engine, place) = unsafe { (engine(handle)?, output.as_mut()) };
        let (Some(found), Some(place)) = (engine.outputs().get(index), place) else {
            return Err(Failure::argument(format!(
                "there is no output {index}, or the pointer for it is NULL"
            )));
        };
        *place = Output {
            name: found.name.as_ptr().cast::<c_char>(),
            name_length: found.name.len(),
            dim: found.dim,
        };
        Ok(())
    })
}

unsafe extern "C" fn batch_size(handle: Handle) -> usize {
    // SAFETY: the caller's engine is open.
    unsafe { engine(handle) }.map_or(0, Engine::batch_size)
}

unsafe extern "C" fn describe_engine(handle: Handle, message: *mut Message) {
    guarded(message, || {
        // SAFETY: the caller's engine is open, and its message valid for the call.
        unsafe { write(message, &engine(handle)?.describe()) };
        Ok(())
    });
}

unsafe extern "C" fn run(
    handle: Handle,
    input: *const f32,
    length: usize,
    rows: usize,
    wanted: *const Wanted,
    wanted_count: usize,
    message: *mut Message,
) -> Status {
    guarded(message, || {
        // SAFETY: the caller's engine is open, and its slices are valid for the call.
        let (engine, input, wanted) =
            unsafe { (engine(handle)?, slice(input, length)?, slice(wanted, wanted_count)?) };
        let mut places = Vec::with_capacity(wanted.len());
        for wanted in wanted {
            if wanted.data.is_null() && wanted.length > 0 {
                return Err(Failure::argument("the buffer of a requested output is NULL"));
            }
            // SAFETY: the caller's buffers have these lengths and do not overlap; a length of 0 allows any pointer.
            let data = unsafe {
                if wanted.length == 0 {
                    &mut []
                } else {
                    std::slice::from_raw_parts_mut(wanted.data, wanted.length)
                }
            };
            places.push(Place { output: wanted.output, data });
        }
        engine.run(input, rows, &mut places)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::{null, null_mut};

    #[test]
    fn hostile_arguments_are_statuses() {
        // SAFETY: every function must accept NULL.
        unsafe {
            let plugin = &*sleeve_engine_plugin(null());
            assert_eq!((plugin.version, plugin.size as usize), (abi::VERSION, size_of::<Plugin>()));
            (plugin.describe)(null_mut());
            (plugin.describe_engine)(null_mut(), null_mut());
            (plugin.close)(null_mut());
            assert_eq!((plugin.output_count)(null_mut()), 0);
            assert_eq!((plugin.batch_size)(null_mut()), 0);
            assert_eq!((plugin.open)(null(), null_mut(), null_mut()), abi::INVALID_ARGUMENT);
            let run = (plugin.run)(null_mut(), null(), 5, 1, null(), 3, null_mut());
            assert_eq!(run, abi::INVALID_ARGUMENT);
            let output = (plugin.output)(null_mut(), 0, null_mut(), null_mut());
            assert_eq!(output, abi::INVALID_ARGUMENT);
        }
    }

    #[test]
    fn requests_that_cannot_be_meant_are_refused() {
        let model = b"no model";
        let refused = |change: fn(&mut Request)| {
            let row = [128, 96];
            let mut request = Request {
                size: size_of::<Request>() as u32,
                device: abi::CPU,
                model: model.as_ptr(),
                model_length: model.len(),
                row: row.as_ptr(),
                row_rank: 2,
                devices: null(),
                device_count: 0,
                precision: abi::AUTO,
                threads: 1,
                batch_size: 0,
            };
            change(&mut request);
            let mut room = [0u8; 300];
            let mut message = Message { data: room.as_mut_ptr().cast(), capacity: room.len(), length: 0 };
            let mut engine = null_mut();
            // SAFETY: all are valid for the call, lengths included.
            let status = unsafe { open(&request, &mut engine, &mut message) };
            assert!(engine.is_null());
            (status, String::from_utf8(room[..message.length].to_vec()).unwrap())
        };
        let (status, why) = refused(|_| ());
        assert!(status == abi::BAD_MODEL && why.contains("not a TorchScript file"), "{why}");
        for (change, words) in [
            ((|request| request.size = 8) as fn(&mut Request), "8 bytes"),
            (|request| request.device = 9, "device number 9"),
            (|request| request.device = abi::CUDA, "no CUDA device"),
            (|request| request.row_rank = 0, "rows of shape"),
            (|request| request.precision = 77, "precision number 77"),
            (|request| request.model = null(), "NULL pointer"),
        ] {
            let (status, why) = refused(change);
            assert!(status == abi::INVALID_ARGUMENT && why.contains(words), "{status}: {why}");
        }
        let (status, why) = refused(|request| request.precision = abi::FP16);
        assert!(status == abi::UNAVAILABLE && why.contains("fp16"), "{why}");
    }

    #[test]
    fn a_message_without_room_is_cut_between_characters() {
        let mut room = [0u8; 4];
        let mut message = Message { data: room.as_mut_ptr().cast(), capacity: room.len(), length: 9 };
        // SAFETY: the capacity is correct.
        unsafe { write(&mut message, "abcé") };
        assert_eq!((&room[..message.length], message.length), (&b"abc"[..], 3));
    }
}
