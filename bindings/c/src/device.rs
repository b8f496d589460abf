//! The devices of this machine.

use std::ffi::c_char;

use super::boundary::get;
use super::error::copy_text;
use sleeve::engine::devices;

/// The number of devices of this machine that models can run on: the CPU, and each available CUDA device. If the torch
/// plugin is installed, it is loaded to list CUDA devices.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_device_count() -> usize {
    get(1, || devices().len())
}

/// Copies the name of a device (`"cpu"` is index 0; for `sleeve_options_set_device`), NUL-terminated and truncated to
/// `size` bytes. Returns the length of the whole name without its NUL; 0 beyond the last device.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_device_name(index: usize, buffer: *mut c_char, size: usize) -> usize {
    get(0, || {
        let devices = devices();
        let name = devices.get(index).map_or("", |device| device.name.as_str());
        // SAFETY: `size` bytes of the buffer are the caller's promise.
        unsafe { copy_text(name, buffer, size) }
    })
}

/// Copies the description of a device (`"CPU, AVX-512"`), like `sleeve_device_name`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_device_description(index: usize, buffer: *mut c_char, size: usize) -> usize {
    get(0, || {
        let devices = devices();
        let text = devices.get(index).map_or("", |device| device.description.as_str());
        // SAFETY: as above.
        unsafe { copy_text(text, buffer, size) }
    })
}
