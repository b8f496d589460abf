//! Errors of the library as Python's exceptions.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use sleeve::Error;

/// Runs work without the GIL. Errors and panics become exceptions.
pub fn detached<T: Send>(py: Python<'_>, work: impl FnOnce() -> sleeve::Result<T> + Send) -> PyResult<T> {
    let caught = py.detach(|| catch_unwind(AssertUnwindSafe(work)));
    let outcome = caught
        .unwrap_or_else(|panic| Err(Error::Panicked(sleeve::internal::panic_message(&*panic).to_string())));
    outcome.map_err(|error| exception(py, &error))
}

/// The exception for an error: an `OSError` of the system's kind, `ValueError` for arguments, else `sleeve.Error`.
pub fn exception(py: Python<'_>, error: &Error) -> PyErr {
    match error {
        Error::Io { path, reason } => match reason.raw_os_error() {
            // Python chooses the class by the number: FileNotFoundError, PermissionError, ...
            Some(number) => {
                let text = reason.to_string();
                let words = text.split(" (os error").next().unwrap_or(&text).to_owned();
                PyOSError::new_err((number, words, path.clone().into_os_string()))
            }
            None => own(py, &error.to_string(), "io"),
        },
        Error::InvalidArgument(words) => PyValueError::new_err(words.clone()),
        error => own(py, &error.to_string(), kind(error)),
    }
}

/// `sleeve.Error` with its kind.
pub fn own(py: Python<'_>, message: &str, kind: &str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match CLASS.import(py, "sleeve._errors", "Error") {
        Ok(class) => PyErr::from_type(class.clone(), (message.to_owned(), kind.to_owned())),
        Err(error) => error,
    }
}

/// The kinds that `sleeve._errors` documents.
fn kind(error: &Error) -> &'static str {
    match error {
        Error::Io { .. } => "io",
        Error::Audio { .. } => "audio",
        Error::NonFinite { .. } => "non_finite",
        Error::Model { .. } => "model",
        Error::InvalidArgument(_) => "argument",
        Error::Unavailable(_) => "unavailable",
        Error::Cancelled => "cancelled",
        Error::Engine { .. } => "engine",
        Error::Library { .. } => "library",
        Error::Panicked(_) => "panicked",
        Error::Stream(_) => "stream",
        _ => "other",
    }
}
