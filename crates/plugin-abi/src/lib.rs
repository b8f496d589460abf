//! The interface between Sleeve and an engine in a separate shared library.
//!
//! Plain C types and functions, so that an engine can be written in any language and built with any compiler.
//! A plugin exports one function, [`ENTRY`]:
//!
//! ```c
//! const struct Plugin *sleeve_engine_plugin(const struct Host *host);
//! ```
//!
//! It returns a table of functions that is valid for the life of the process. `Host` and `Plugin` begin with `size` and
//! `version`, whose positions never change. Everything else may change with `version`, and the library refuses a plugin
//! of another version: a plugin returns its table in any case, and the library reads its version first.
//!
//! Rules for every function of the table:
//! - it does not unwind: no panic or C++ exception leaves it;
//! - pointers are valid only during the call, except `Plugin`, `Host`, the handle of `Plugin::open`, and the names of
//!   `Plugin::output`, which live until `Plugin::close`;
//! - text is UTF-8, not terminated by a NUL;
//! - functions that take an engine, except `close`, may be called from several threads at once.
//!
//! This crate has no dependencies, so that a plugin can use it without the library.
#![deny(missing_docs)]

use std::ffi::{CStr, c_char, c_void};

/// The version of this interface.
pub const VERSION: u32 = 1;

/// The name of the function that a plugin exports; its type is [`Entry`].
pub const ENTRY: &CStr = c"sleeve_engine_plugin";

/// The type of the exported function. `host` lives as long as the process.
pub type Entry = unsafe extern "C" fn(host: *const Host) -> *const Plugin;

/// The status of a call; `0` is success, and any number not listed is treated as [`FAILED`].
pub type Status = i32;
/// Success.
pub const OK: Status = 0;
/// An argument does not fit: a length, an index, a batch size.
pub const INVALID_ARGUMENT: Status = 1;
/// The model cannot be used.
pub const BAD_MODEL: Status = 2;
/// A device or precision that is not available.
pub const UNAVAILABLE: Status = 3;
/// The network failed while running.
pub const FAILED: Status = 4;

/// [`Request::device`]: the CPU.
pub const CPU: u32 = 0;
/// [`Request::device`]: CUDA devices.
pub const CUDA: u32 = 1;

/// [`Request::precision`]: the engine's default, without a visible loss of accuracy.
pub const AUTO: u32 = 0;
/// [`Request::precision`]: 32-bit floats.
pub const F32: u32 = 1;
/// [`Request::precision`]: bfloat16.
pub const BF16: u32 = 2;
/// [`Request::precision`]: half precision.
pub const FP16: u32 = 3;

/// Levels of log messages, in the order of the `log` crate.
pub const LOG_ERROR: u32 = 1;
/// See [`LOG_ERROR`].
pub const LOG_WARN: u32 = 2;
/// See [`LOG_ERROR`].
pub const LOG_INFO: u32 = 3;
/// See [`LOG_ERROR`].
pub const LOG_DEBUG: u32 = 4;

/// What the library offers a plugin.
#[repr(C)]
pub struct Host {
    /// `sizeof(struct Host)`.
    pub size: u32,
    /// [`VERSION`] of the library.
    pub version: u32,
    /// Takes a message for the log; from any thread.
    pub log: unsafe extern "C" fn(level: u32, text: *const c_char, length: usize),
}

/// A buffer that a function writes text to: up to `capacity` bytes at `data`; `length` is set to the number of bytes
/// written. Text that does not fit is truncated.
#[repr(C)]
pub struct Message {
    /// A buffer of `capacity` bytes.
    pub data: *mut c_char,
    /// In bytes.
    pub capacity: usize,
    /// Bytes written; 0 before the call.
    pub length: usize,
}

/// The parameters of an engine.
#[repr(C)]
pub struct Request {
    /// `sizeof(struct Request)`.
    pub size: u32,
    /// [`CPU`] or [`CUDA`].
    pub device: u32,
    /// The model file's bytes.
    pub model: *const u8,
    /// How many.
    pub model_length: usize,
    /// The shape of one input row: `[frames, bands]` of a patch, `[dim]` of a vector.
    pub row: *const usize,
    /// 1 or 2.
    pub row_rank: usize,
    /// Indexes of CUDA devices; none for the CPU.
    pub devices: *const u32,
    /// How many.
    pub device_count: usize,
    /// [`AUTO`], [`F32`], [`BF16`] or [`FP16`].
    pub precision: u32,
    /// CPU threads a run may use, at least 1.
    pub threads: u32,
    /// Rows per batch; 0 lets the engine choose.
    pub batch_size: usize,
}

/// One output of a network.
#[repr(C)]
pub struct Output {
    /// Its name; empty if the model has none.
    pub name: *const c_char,
    /// In bytes.
    pub name_length: usize,
    /// Values per row.
    pub dim: usize,
}

/// A requested output, and the buffer for its values.
#[repr(C)]
pub struct Wanted {
    /// Its index.
    pub output: usize,
    /// A buffer of `length` values.
    pub data: *mut f32,
    /// `rows * dim`.
    pub length: usize,
}

/// An engine's own data.
pub type Handle = *mut c_void;

/// A plugin's table of functions. If a `Status` is not [`OK`], the message has the reason.
#[repr(C)]
pub struct Plugin {
    /// `sizeof(struct Plugin)`.
    pub size: u32,
    /// [`VERSION`] that the plugin was written for.
    pub version: u32,
    /// Writes the plugin's name and versions: `sleeve-torch 0.2.0, libtorch 2.11.0`.
    pub describe: unsafe extern "C" fn(message: *mut Message),
    /// The number of CUDA devices that can be used; `UNAVAILABLE` with the reason if there is none.
    pub device_count: unsafe extern "C" fn(count: *mut usize, message: *mut Message) -> Status,
    /// Writes the name of a CUDA device.
    pub device_name: unsafe extern "C" fn(index: usize, message: *mut Message) -> Status,
    /// Opens an engine, ready to run at full speed.
    pub open:
        unsafe extern "C" fn(request: *const Request, engine: *mut Handle, message: *mut Message) -> Status,
    /// Closes an engine; no call on it may be running.
    pub close: unsafe extern "C" fn(engine: Handle),
    /// The number of outputs.
    pub output_count: unsafe extern "C" fn(engine: Handle) -> usize,
    /// Describes one output.
    pub output: unsafe extern "C" fn(
        engine: Handle,
        index: usize,
        output: *mut Output,
        message: *mut Message,
    ) -> Status,
    /// The number of rows per batch at which it is fastest.
    pub batch_size: unsafe extern "C" fn(engine: Handle) -> usize,
    /// Writes a description: `cpu, f32, 2 threads`.
    pub describe_engine: unsafe extern "C" fn(engine: Handle, message: *mut Message),
    /// Runs `rows` rows, `length` values in all, and writes the requested outputs. A row's outputs have the same bits
    /// whatever the rest of the batch is.
    pub run: unsafe extern "C" fn(
        engine: Handle,
        input: *const f32,
        length: usize,
        rows: usize,
        wanted: *const Wanted,
        wanted_count: usize,
        message: *mut Message,
    ) -> Status,
}

/// The message of a caught panic, for plugins in Rust, whose functions turn panics into [`FAILED`].
pub fn panic_message(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
