//! The npm package in Chromium beside onnxruntime-web, one thread each, in the same page.
//!
//! `cargo xtask bench wasm [SECONDS [ROUNDS]]`

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// A MusiCNN, and an EfficientNet-B0.
const MODELS: [&str; 2] = ["msd-musicnn-1", "debian-multitask-1"];

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().unwrap_or_else(|| "60".into());
    let rounds = arguments.next().unwrap_or_else(|| "7".into());
    let length: f64 = seconds.parse().context("SECONDS is a number")?;
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a folder above")?;
    let wasm = repository.join("target/wasm");
    let mut command = Command::new(repository.join("target/browser/bin/python"));
    command.arg(repository.join("benches/peers/web_bench.py")).arg(wasm.join("package"));
    command
        .arg(wasm.join("npm-onnxruntime/node_modules/onnxruntime-web/dist"))
        .arg(repository.join("models"));
    let output = command.args([&seconds, &rounds]).args(MODELS).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout)?;
    println!("Chromium {}, one thread, {seconds} s of audio, {rounds} rounds in turn", report["chromium"]);
    for result in report["results"].as_array().context("results")? {
        let (stem, vectors) = (&result["stem"], &result["vectors"]);
        println!("\n{stem}: {} patches, {vectors}", result["patches"]);
        let ours = median(&result["times"]["sleeve"])?;
        for (name, times) in result["times"].as_object().context("times")? {
            let time = median(times)?;
            println!(
                "  {name:26} {:7.1} ms  {:6.0} x real time  ratio {:.2}",
                1e3 * time,
                length / time,
                ours / time
            );
        }
        println!("  mel-spectrogram of both    {:7.1} ms", 1e3 * median(&result["mel"])?);
        println!("  largest difference {:.1e}", result["difference"].as_f64().unwrap_or(f64::NAN));
    }
    Ok(())
}

fn median(times: &Value) -> Result<f64> {
    let mut times: Vec<f64> = times.as_array().context("times")?.iter().filter_map(Value::as_f64).collect();
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().context("no round")
}
