//! The boundary between C and Rust: panics, NULL, lengths and strings.
//!
//! Every function that can fail is `call(|| { ... })` around its body, and takes its pointers through
//! [`not_null!`], [`slice`], [`text`] or [`path`].

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;

use sleeve::Error;
use sleeve::internal::{PlainFloats, panic_message, silence_contained_panics};
use sleeve::stream::WriteError;

use super::status::sleeve_status;

/// Why a call fails: the status that it returns and the message for `sleeve_last_error`.
pub(super) struct Failure {
    pub status: sleeve_status,
    pub message: String,
}

impl Failure {
    pub fn new(status: sleeve_status, message: impl Into<String>) -> Self {
        Self { status, message: message.into() }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(sleeve_status::SLEEVE_STATUS_INVALID_ARGUMENT, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(sleeve_status::SLEEVE_STATUS_NOT_FOUND, message)
    }

    pub fn null(name: &str) -> Self {
        Self::new(sleeve_status::SLEEVE_STATUS_NULL_POINTER, format!("`{name}` is NULL"))
    }
}

/// The status of an error of the library.
pub(super) fn status_of(error: &Error) -> sleeve_status {
    match error {
        Error::Io { .. } => sleeve_status::SLEEVE_STATUS_IO,
        Error::Audio { .. } => sleeve_status::SLEEVE_STATUS_AUDIO,
        Error::NonFinite { .. } => sleeve_status::SLEEVE_STATUS_NON_FINITE,
        Error::Model { .. } => sleeve_status::SLEEVE_STATUS_MODEL,
        Error::Library { .. } => sleeve_status::SLEEVE_STATUS_LIBRARY,
        Error::InvalidArgument(_) => sleeve_status::SLEEVE_STATUS_INVALID_ARGUMENT,
        Error::Unavailable(_) => sleeve_status::SLEEVE_STATUS_UNAVAILABLE,
        Error::Engine { .. } => sleeve_status::SLEEVE_STATUS_ENGINE,
        Error::Stream(WriteError::Closed) => sleeve_status::SLEEVE_STATUS_CLOSED,
        Error::Stream(WriteError::Busy) => sleeve_status::SLEEVE_STATUS_WOULD_BLOCK,
        Error::Stream(_) => sleeve_status::SLEEVE_STATUS_INVALID_ARGUMENT,
        Error::Cancelled => sleeve_status::SLEEVE_STATUS_CANCELLED,
        // Variants that the library adds later, and panics that it caught.
        _ => sleeve_status::SLEEVE_STATUS_PANIC,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::new(status_of(&error), error.to_string())
    }
}

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// The message of this thread's last error.
pub(super) fn last_error() -> String {
    // In a thread that is ending, it may be destroyed already.
    let message = LAST_ERROR.try_with(|message| message.try_borrow().map(|message| message.clone()));
    message.ok().and_then(Result::ok).unwrap_or_default()
}

fn remember(message: String) {
    let _ = LAST_ERROR.try_with(|last| last.try_borrow_mut().map(|mut last| *last = message));
}

/// Runs the body of a function. A failure is stored as the last error and returned as a status; so is a panic.
pub(super) fn call(body: impl FnOnce() -> Result<(), Failure>) -> sleeve_status {
    call_for_status(|| body().map(|()| sleeve_status::SLEEVE_STATUS_OK))
}

/// [`call`] for bodies with more statuses than OK.
pub(super) fn call_for_status(body: impl FnOnce() -> Result<sleeve_status, Failure>) -> sleeve_status {
    silence_contained_panics();
    // A host may round otherwise, flush denormals, or trap what is inexact.
    let _floats = PlainFloats::new();
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(failure)) => {
            remember(failure.message);
            failure.status
        }
        Err(panic) => {
            remember(format!("internal error: {}", panic_message(&*panic)));
            // The panic's payload may itself panic when dropped.
            std::mem::forget(panic);
            sleeve_status::SLEEVE_STATUS_PANIC
        }
    }
}

/// Runs the body of a function without a status; a panic gives `fallback`.
pub(super) fn get<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(value) => value,
        Err(panic) => {
            std::mem::forget(panic);
            fallback
        }
    }
}

/// A reference from a pointer: `not_null!(model)`, `not_null!(mut stream)`. Returns an error for NULL; otherwise the
/// pointer is trusted, as the header's preamble says.
macro_rules! not_null {
    (mut $pointer:ident) => {
        // SAFETY: not NULL, and by the ABI's rules then valid and not in use elsewhere.
        match unsafe { $pointer.as_mut() } {
            Some(reference) => reference,
            None => return Err(super::boundary::Failure::null(stringify!($pointer))),
        }
    };
    ($pointer:ident) => {
        // SAFETY: not NULL, and by the ABI's rules then valid.
        match unsafe { $pointer.as_ref() } {
            Some(reference) => reference,
            None => return Err(super::boundary::Failure::null(stringify!($pointer))),
        }
    };
}

/// Frees a handle; NULL is allowed.
///
/// # Safety
/// The handle came from [`give`] and is freed once.
pub(super) unsafe fn free<T>(handle: *mut T) {
    get((), || {
        if !handle.is_null() {
            // SAFETY: the caller's promise.
            drop(unsafe { Box::from_raw(handle) });
        }
    });
}

/// Passes an object to the caller, who frees it.
///
/// # Safety
/// `out` is NULL or may be written to.
pub(super) unsafe fn give<T>(out: *mut *mut T, name: &str, object: T) -> Result<(), Failure> {
    if out.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: not NULL, and by the caller's promise writable.
    unsafe { out.write(Box::into_raw(Box::new(object))) };
    Ok(())
}

/// Sets an out-parameter.
///
/// # Safety
/// `out` is NULL or may be written to.
pub(super) unsafe fn set<T>(out: *mut T, name: &str, value: T) -> Result<(), Failure> {
    if out.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: not NULL, and by the caller's promise writable.
    unsafe { out.write(value) };
    Ok(())
}

/// An array from C. No element is read.
///
/// # Safety
/// Unless `count` is 0 or the checks fail, `count` elements can be read for as long as `'a` lasts.
pub(super) unsafe fn slice<'a, T>(pointer: *const T, count: usize, name: &str) -> Result<&'a [T], Failure> {
    check(pointer, count, name)?;
    if count == 0 {
        return Ok(&[]);
    }
    // SAFETY: not NULL, aligned and of a length that can exist; the rest is the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(pointer, count) })
}

/// An array from C to write to.
///
/// # Safety
/// As [`slice`], and there is no other access to it.
pub(super) unsafe fn slice_mut<'a, T>(
    pointer: *mut T,
    count: usize,
    name: &str,
) -> Result<&'a mut [T], Failure> {
    check(pointer, count, name)?;
    if count == 0 {
        return Ok(&mut []);
    }
    // SAFETY: as in `slice`.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, count) })
}

fn check<T>(pointer: *const T, count: usize, name: &str) -> Result<(), Failure> {
    if count == 0 {
        return Ok(());
    }
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    if !pointer.is_aligned() {
        return Err(Failure::invalid(format!("`{name}` is not aligned for its elements")));
    }
    match count.checked_mul(size_of::<T>()) {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(()),
        _ => Err(Failure::invalid(format!("`{name}`: {count} elements are more than memory can hold"))),
    }
}

/// The product of lengths, which must not overflow.
pub(super) fn product(lengths: &[usize], name: &str) -> Result<usize, Failure> {
    lengths.iter().try_fold(1_usize, |product, &length| product.checked_mul(length)).ok_or_else(|| {
        Failure::invalid(format!("`{name}`: {lengths:?} elements are more than memory can hold"))
    })
}

/// UTF-8 text from C.
///
/// # Safety
/// `pointer` is NULL or a NUL-terminated string that stays as it is for as long as `'a` lasts.
pub(super) unsafe fn text<'a>(pointer: *const c_char, name: &str) -> Result<&'a str, Failure> {
    if pointer.is_null() {
        return Err(Failure::null(name));
    }
    // SAFETY: not NULL; the rest is the caller's promise.
    let bytes = unsafe { CStr::from_ptr(pointer) };
    bytes.to_str().map_err(|_| Failure::invalid(format!("`{name}` is not UTF-8")))
}

/// A path from C: on Unix any bytes, elsewhere UTF-8.
///
/// # Safety
/// As [`text`].
pub(super) unsafe fn path(pointer: *const c_char, name: &str) -> Result<PathBuf, Failure> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        if pointer.is_null() {
            return Err(Failure::null(name));
        }
        // SAFETY: not NULL; the rest is the caller's promise.
        let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
        Ok(std::ffi::OsStr::from_bytes(bytes).into())
    }
    #[cfg(not(unix))]
    {
        // SAFETY: the caller's promise.
        unsafe { text(pointer, name) }.map(PathBuf::from)
    }
}

/// Text for C, cut at the first NUL that it may hold.
pub(super) fn c_string(text: &str) -> CString {
    let end = text.find('\0').unwrap_or(text.len());
    CString::new(&text[..end]).unwrap_or_default()
}

/// The pointer to the text at `index`, or NULL.
pub(super) fn text_at(texts: &[CString], index: usize) -> *const c_char {
    texts.get(index).map_or(std::ptr::null(), |text| text.as_ptr())
}
