//! The command line: the same code as the program `sleeve`.

use std::ffi::OsString;
use std::process::ExitCode;

use pyo3::prelude::*;

use crate::errors::detached;

/// Runs the program with these arguments, the first its name, and returns its exit code. It installs its own logger and
/// handler of Ctrl-C: for once in a process that does nothing else.
#[pyfunction]
pub fn run_program(py: Python<'_>, arguments: Vec<OsString>) -> PyResult<u8> {
    let code = detached(py, || Ok(sleeve_cli::run(arguments)))?;
    // An exit code cannot be read, but compared.
    Ok((0..=u8::MAX).find(|&number| ExitCode::from(number) == code).unwrap_or(1))
}
