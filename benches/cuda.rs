//! The torch engine on CUDA compared with PyTorch, eager and compiled; and `extract` from files on CUDA and CPU.
//! Options:
//!
//! - `--seconds S`: how long each figure is measured (default 3)
//! - `--clips N`: recordings of ten seconds for `extract` (default 1,000)
//!
//! PyTorch is run by the Python `SLEEVE_BENCH_PYTHON`, by default `python3`.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use sleeve::engine::plugin::Library;
use sleeve::engine::{Device, EngineChoice, EngineOptions, Precision};
use sleeve::model::Model;
use sleeve_benches::{program, repository};

const PATCH: usize = 128 * 96;
const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Fp16];
const BATCHES: [usize; 3] = [64, 256, 1024];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1)
    };
    let seconds: f64 = value("--seconds").map_or(Ok(3.0), |text| text.parse())?;
    let clips: usize = value("--clips").map_or(Ok(1000), |text| text.parse())?;
    let library = Library::torch()?;
    let devices = match library.cuda_devices() {
        Ok(devices) => devices,
        Err(reason) => {
            println!("skipped: no CUDA device");
            println!("{reason}");
            return Ok(());
        }
    };
    println!("{}; {}", library.describe(), devices.join(", "));
    let folder = tempfile::tempdir()?;
    let stem = folder.path().join("network");
    prepare(&stem)?;

    println!("patches per second   batch      ours     eager   compile   ours/eager  ours/compile");
    for precision in PRECISIONS {
        for batch in BATCHES {
            let ours = ours(&stem, precision, batch, seconds)?;
            let (eager, compiled) = pytorch(&stem.with_extension("pt"), precision, batch, seconds)?;
            println!(
                "{:18} {batch:7} {ours:9.0} {eager:9.0} {compiled:9.0} {:12.2} {:13.2}",
                precision.to_string(),
                ours / eager,
                ours / compiled
            );
        }
    }
    whole_way(&stem, folder.path(), clips)
}

/// Writes a network with random weights, as ONNX and as TorchScript.
fn prepare(stem: &Path) -> Result<()> {
    let python = repository().join("target/peers/bin/python");
    let script = repository().join("tests/peers/make_effnet.py");
    let onnx = stem.with_extension("onnx");
    let status =
        Command::new(python).arg(script).arg(&onnx).args(["--style", "half", "--seed", "6"]).status()?;
    if !status.success() {
        bail!("make_effnet.py ended with {status}");
    }
    fs::write(stem.with_extension("pt"), Model::open(&onnx)?.to_torchscript()?)?;
    Ok(())
}

/// Patches per second of the engine: batches of host memory in, embeddings in host memory out.
fn ours(stem: &Path, precision: Precision, batch: usize, seconds: f64) -> Result<f64> {
    let options = EngineOptions::default()
        .engine(EngineChoice::Torch)
        .device(Device::Cuda(vec![0]))
        .precision(precision)
        .batch_size(Some(batch));
    let engine = Model::open(stem)?.engine(&options)?;
    // Enough batches per call that two can run at once.
    let rows = 8 * batch;
    let patches: Vec<f32> = (0..rows * PATCH).map(|i| (i * 31 % 1013) as f32 / 1013.0).collect();
    let dims: Vec<usize> = engine.outputs().iter().map(|output| output.dim).collect();
    let mut outputs: Vec<Vec<f32>> = dims.iter().map(|dim| vec![0.0; rows * dim]).collect();
    let mut run = || {
        let mut wanted: Vec<(usize, &mut [f32])> =
            outputs.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
        engine.run(&patches, rows, &mut wanted)
    };
    run()?;
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < seconds {
        run()?;
        count += rows;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}

/// The same for PyTorch, eager and compiled.
fn pytorch(file: &Path, precision: Precision, batch: usize, seconds: f64) -> Result<(f64, f64)> {
    let python = std::env::var_os("SLEEVE_BENCH_PYTHON").unwrap_or_else(|| "python3".into());
    let script = repository().join("benches/peers/torch_patches.py");
    let mut command = Command::new(python);
    command.arg(script).arg(file).args([precision.to_string(), batch.to_string(), seconds.to_string()]);
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let figure = |name: &str| -> Result<f64> {
        let line = said.lines().find_map(|line| line.strip_prefix(name));
        let line = line.with_context(|| {
            format!("PyTorch printed no figure:\n{}", String::from_utf8_lossy(&output.stderr))
        })?;
        Ok(line.trim().parse()?)
    };
    Ok((figure("eager ")?, figure("compile ")?))
}

/// From files to embeddings in files, on CUDA and on the CPU.
fn whole_way(stem: &Path, folder: &Path, clips: usize) -> Result<()> {
    let audio = folder.join("clips");
    fs::create_dir(&audio)?;
    for clip in 0..clips {
        fs::write(audio.join(format!("{clip:04}.wav")), tone(clip))?;
    }
    println!("{clips} clips of ten seconds, WAV files to .npy files");
    let mut reference = None;
    for (device, precision) in [("cpu", "f32"), ("cuda", "f32"), ("cuda", "fp16")] {
        let target = folder.join(format!("{device}-{precision}"));
        let mut command = Command::new(program());
        command
            .args(["extract", "--quiet", "--device", device, "--precision", precision, "--model"])
            .arg(stem);
        command.arg("--output").arg(&target).arg(&audio);
        let start = Instant::now();
        let status = command.status()?;
        if !status.success() {
            bail!("extract ended with {status}");
        }
        let seconds = start.elapsed().as_secs_f64();
        let ratio = *reference.get_or_insert(seconds) / seconds;
        println!(
            "{device:5} {precision:5} {seconds:8.1} s  {:8.0} x real time  {ratio:5.2} x the CPU",
            clips as f64 * 10.0 / seconds
        );
    }
    Ok(())
}

/// A WAV file of ten seconds at 16 kHz: a few tones that differ from clip to clip.
fn tone(clip: usize) -> Vec<u8> {
    let samples = (0..160_000u32).map(|i| {
        let t = f64::from(i) / 16_000.0;
        let tones = (1..5).map(|n| {
            (t * std::f64::consts::TAU * (110.0 + 7.0 * clip as f64) * f64::from(n)).sin() / f64::from(n)
        });
        (tones.sum::<f64>() * 8000.0) as i16
    });
    let data: Vec<u8> = samples.flat_map(i16::to_le_bytes).collect();
    let mut file = Vec::with_capacity(44 + data.len());
    file.extend(b"RIFF");
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    file.extend(16_000u32.to_le_bytes());
    file.extend(32_000u32.to_le_bytes());
    file.extend(b"\x02\0\x10\0data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}
