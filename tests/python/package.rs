//! The package alone.

use sleeve_tests::skip;

use super::{environment, install, pytest};

/// Runs these files in the environment `target/python`, with the wheel. `false` without the environment.
fn passes(files: &[&str]) -> bool {
    let Some(python) = environment("python") else { return false };
    install("python", &python, &python);
    pytest(&python, files);
    true
}

#[test]
fn arrays_of_every_kind() {
    if !passes(&["test_arrays.py"]) {
        skip!("no Python environment");
    }
}

#[test]
fn one_recording() {
    if !passes(&["test_extract.py"]) {
        skip!("no Python environment");
    }
}

#[test]
fn many_recordings() {
    if !passes(&["test_many.py"]) {
        skip!("no Python environment");
    }
}

#[test]
fn processes() {
    if !passes(&["test_processes.py"]) {
        skip!("no Python environment");
    }
}

#[test]
fn memory() {
    if !passes(&["test_memory.py"]) {
        skip!("no Python environment");
    }
}

#[test]
fn tables_and_types() {
    if !passes(&["test_tables.py", "test_readme.py"]) {
        skip!("no Python environment");
    }
}
