//! The WebAssembly module and its npm package, in Node and in Chromium, beside the native library.

mod browser;
mod node;
mod release;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sleeve::extractor::Analysis;
use sleeve_tests::audio::{bytes_of, samples_of};
use sleeve_tests::{output_of, repository};

/// A folder under `target/wasm`, if `cargo xtask test` has made it.
fn made(name: &str) -> Option<PathBuf> {
    let folder = repository().join("target/wasm").join(name);
    folder.exists().then_some(folder)
}

/// What a command of `node.mjs` reports.
fn node(package: &Path, arguments: &[&str]) -> Value {
    let mut command = Command::new("node");
    // Node 20 has relaxed vectors behind this flag, newer ones without.
    if package.ends_with("package") {
        command.arg("--experimental-wasm-relaxed-simd").env("SLEEVE_RELAXED", "1");
    }
    command.arg(repository().join("tests/wasm/node.mjs")).arg(package).args(arguments);
    serde_json::from_slice(&output_of(&mut command)).unwrap()
}

fn floats(folder: &Path, name: &str) -> Vec<f32> {
    samples_of(&fs::read(folder.join(format!("{name}.f32"))).unwrap())
}

fn write_samples(folder: &Path, samples: &[f32]) -> PathBuf {
    let path = folder.join("samples");
    fs::write(&path, bytes_of(samples)).unwrap();
    path
}

/// The largest difference of values that are as many.
#[track_caller]
fn difference(found: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(found.len(), expected.len());
    let differences = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
    // A NaN is not hidden by the maximum.
    differences.fold(0.0, |most, each| if each > most || each.is_nan() { each } else { most })
}

/// Compares rows in a folder with the library's: tags, if there are some, and embeddings relative to their size.
#[track_caller]
fn assert_rows(what: &str, folder: &Path, expected: &Analysis) {
    let flat = |values: ndarray::ArrayView2<f32>| values.iter().copied().collect::<Vec<f32>>();
    if let Some(tags) = expected.predictions() {
        let error = difference(&floats(folder, "predictions"), &flat(tags));
        println!("{what}: tags within {error:.1e}");
        assert!(error < 1e-4, "{what}: a tag is off by {error:e}");
    }
    let embeddings = flat(expected.embeddings().unwrap());
    let most = embeddings.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let relative = difference(&floats(folder, "embeddings"), &embeddings) / most;
    assert!(relative < 1e-4, "{what}: an embedding is off by {relative:e} of {most}");
    println!("{what}: embeddings within {relative:.1e}");
}

fn times(report: &Value) -> Vec<f64> {
    report["times"].as_array().unwrap().iter().map(|time| time.as_f64().unwrap()).collect()
}
