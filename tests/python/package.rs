//! The package alone.

use sleeve_tests::{repository, skip};

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
    if !passes(&["test_tables.py", "test_library.py", "test_readme.py"]) {
        skip!("no Python environment");
    }
}

/// The packages of both bindings have the workspace's version, and `sleeve-torch` names the libtorch that it is built with.
#[test]
fn versions_agree() {
    let read = |file: &str| std::fs::read_to_string(repository().join(file)).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let libtorch = read("crates/libtorch/src/lib.rs");
    let libtorch = libtorch.split("const VERSION: &str = \"").nth(1).and_then(|rest| rest.split('"').next());
    let libtorch = libtorch.expect("crates/libtorch says which it needs");
    for (file, words) in [
        ("bindings/torch/python/pyproject.toml", format!("version = \"{version}\"")),
        (
            "bindings/torch/python/pyproject.toml",
            format!("dependencies = [\"sleeve=={version}\", \"torch=={libtorch}\"]"),
        ),
        ("bindings/torch/python/sleeve_torch/__init__.py", format!("__version__ = \"{version}\"")),
        ("bindings/torch/python/sleeve_torch/__init__.py", format!("TORCH_VERSION = \"{libtorch}\"")),
        ("bindings/python/tests/cluster/requirements.txt", format!("torch=={libtorch}\n")),
    ] {
        assert!(read(file).contains(&words), "{file} lacks {words}");
    }
}
