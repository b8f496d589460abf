//! The status of a call.

use std::ffi::{CStr, c_char};

/// The status of a call. Numbers are never changed or reused. Later versions may add some: treat an unknown one as an
/// error.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum sleeve_status {
    /// Success; every out-parameter is set.
    SLEEVE_STATUS_OK = 0,
    /// An internal error of the library. Free the object and do not use it again.
    SLEEVE_STATUS_PANIC = 1,
    /// A pointer is NULL that must not be.
    SLEEVE_STATUS_NULL_POINTER = 2,
    /// An argument is outside its documented range.
    SLEEVE_STATUS_INVALID_ARGUMENT = 3,
    /// Reading or writing a file failed.
    SLEEVE_STATUS_IO = 4,
    /// The input cannot be decoded as audio.
    SLEEVE_STATUS_AUDIO = 5,
    /// A sample is NaN or infinite.
    SLEEVE_STATUS_NON_FINITE = 6,
    /// A model's graph or metadata cannot be used.
    SLEEVE_STATUS_MODEL = 7,
    /// A device, precision, engine or format that this build or machine does not have.
    SLEEVE_STATUS_UNAVAILABLE = 8,
    /// The network failed while running.
    SLEEVE_STATUS_ENGINE = 9,
    /// No such index, output or name.
    SLEEVE_STATUS_NOT_FOUND = 10,
    /// Streams: not everything was written, or no row is ready. Not an error: try again later.
    SLEEVE_STATUS_WOULD_BLOCK = 11,
    /// Streams: the recording has ended, and all its rows were read. Not an error.
    SLEEVE_STATUS_FINISHED = 12,
    /// Streams: the other handle was freed.
    SLEEVE_STATUS_CLOSED = 13,
    /// The caller cancelled the work.
    SLEEVE_STATUS_CANCELLED = 14,
    /// A library file is not one, has another version, is damaged, in use or of another model.
    SLEEVE_STATUS_LIBRARY = 15,
}

/// Every status and its name, in the order of their numbers.
pub(super) const STATUSES: [(sleeve_status, &CStr); 16] = {
    use sleeve_status::*;
    [
        (SLEEVE_STATUS_OK, c"ok"),
        (SLEEVE_STATUS_PANIC, c"panic"),
        (SLEEVE_STATUS_NULL_POINTER, c"null pointer"),
        (SLEEVE_STATUS_INVALID_ARGUMENT, c"invalid argument"),
        (SLEEVE_STATUS_IO, c"i/o error"),
        (SLEEVE_STATUS_AUDIO, c"not decodable audio"),
        (SLEEVE_STATUS_NON_FINITE, c"non-finite sample"),
        (SLEEVE_STATUS_MODEL, c"unusable model"),
        (SLEEVE_STATUS_UNAVAILABLE, c"unavailable"),
        (SLEEVE_STATUS_ENGINE, c"engine failure"),
        (SLEEVE_STATUS_NOT_FOUND, c"not found"),
        (SLEEVE_STATUS_WOULD_BLOCK, c"would block"),
        (SLEEVE_STATUS_FINISHED, c"finished"),
        (SLEEVE_STATUS_CLOSED, c"closed"),
        (SLEEVE_STATUS_CANCELLED, c"cancelled"),
        (SLEEVE_STATUS_LIBRARY, c"unusable library"),
    ]
};

/// A status in words: `"not decodable audio"`; `"unknown status"` for a number that this version does not have.
///
/// Never NULL; valid for the life of the process.
#[unsafe(no_mangle)]
pub extern "C" fn sleeve_status_name(status: i32) -> *const c_char {
    let known = STATUSES.iter().find(|(known, _)| *known as i32 == status);
    known.map_or(c"unknown status", |(_, name)| name).as_ptr()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_explicit_and_distinct() {
        for (index, (status, _)) in STATUSES.iter().enumerate() {
            assert_eq!(*status as usize, index);
        }
    }
}
