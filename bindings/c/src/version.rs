//! Versions.

use std::ffi::c_char;

/// The version of this ABI: the number in the name of the shared library (`libsleeve.so.1`). It increases when a
/// program built against an older header would no longer run; additions do not change it.
pub const SLEEVE_ABI_VERSION: u32 = 1;

const VERSION: &std::ffi::CStr =
    match std::ffi::CStr::from_bytes_with_nul(concat!(env!("CARGO_PKG_VERSION"), "\0").as_bytes()) {
        Ok(version) => version,
        Err(_) => panic!("the version holds no NUL"),
    };

/// The library's version, as `"0.2.0"`. Compare it with `SLEEVE_VERSION`, the version of the header.
///
/// Never NULL; valid for the life of the process.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_version() -> *const c_char {
    VERSION.as_ptr()
}

/// The ABI version of the loaded library. Compare it with `SLEEVE_ABI_VERSION`, the version of the header.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_abi_version() -> u32 {
    SLEEVE_ABI_VERSION
}
