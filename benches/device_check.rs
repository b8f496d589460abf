//! Whether networks on CUDA give what they give on the CPU: every family of published networks as TorchScript, with
//! random weights (`tests/peers/make_zoo.py`), in every precision, with several batches in flight, on all devices; what
//! happens when memory runs out; and patches per second. Fails if anything is wrong. `cargo xtask device-check` runs it.
//!
//! - `--seconds S`: how long each rate is measured (default 1)
//! - `--required`: no device that can be used is a failure, too

use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use ndarray::Array2;
use sleeve::engine::plugin::Library;
use sleeve::engine::{Device, Engine, EngineChoice, EngineOptions, Precision};
use sleeve::model::Model;
use sleeve_benches::repository;

/// One network of each kind in its published size, and the batch size for its rate.
const NETWORKS: [(&str, usize); 12] = [
    ("discogs-effnet-bsdynamic-1", 256),
    ("discogs-maest-5s-pw-2", 64),
    ("msd-musicnn-1", 256),
    ("audioset-vggish-3", 256),
    ("audioset-yamnet-1", 256),
    ("openl3-music-mel128-emb512-3", 64),
    ("deepsquare-k16-3", 256),
    ("deeptemp-k16-3", 256),
    ("crepe-full-1", 1024),
    ("fsd-sinet-vgg42-tlpf-1", 64),
    ("fsd-sinet-vgg42-aps-1", 64),
    ("discogs_track_embeddings-effnet-bs64-1", 256),
];

/// The largest error relative to all values, and the lowest cosine of a row, beside onnxruntime on the CPU.
const PRECISIONS: [(Precision, f64, f64); 3] =
    [(Precision::F32, 1e-4, 0.999_999), (Precision::Bf16, 0.25, 0.97), (Precision::Fp16, 0.05, 0.998)];

/// Rows in a batch where batches are compared.
const BATCH: usize = 8;

fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let seconds: f64 = match arguments.iter().position(|argument| argument == "--seconds") {
        Some(at) => arguments.get(at + 1).context("--seconds needs a number")?.parse()?,
        None => 1.0,
    };
    let library = Library::torch()?;
    let devices = match library.cuda_devices() {
        Ok(devices) => devices,
        Err(reason) if arguments.iter().any(|argument| argument == "--required") => {
            bail!("there is an NVIDIA driver, but no device that can be used: {reason}");
        }
        Err(reason) => {
            println!("skipped: no CUDA device");
            println!("{reason}");
            return Ok(ExitCode::SUCCESS);
        }
    };
    println!("{}; {}", library.describe(), devices.join(", "));
    let folder = tempfile::tempdir()?;
    make(folder.path())?;
    let mut table = Table::default();
    for (stem, batch) in NETWORKS {
        let path = folder.path().join(format!("{stem}.onnx"));
        let model = match Model::open(&path) {
            Ok(model) => model,
            Err(error) => {
                table.line(stem, "", &format!("not opened: {error}"), false);
                continue;
            }
        };
        for (precision, most, least) in PRECISIONS {
            if let Err(error) =
                check(&mut table, folder.path(), stem, &model, devices.len(), (precision, most, least))
            {
                table.line(stem, &precision.to_string(), &format!("{error:#}"), false);
            }
            match rate(&model, precision, batch, seconds) {
                Ok(rate) => table.line(
                    stem,
                    &precision.to_string(),
                    &format!("{rate:.0} rows/s, batch {batch}"),
                    true,
                ),
                Err(error) => table.line(stem, &precision.to_string(), &format!("no rate: {error:#}"), false),
            }
        }
        if stem.starts_with("openl3") {
            little_memory(&mut table, stem, &model);
        }
    }
    println!("{} checks, {} failed", table.count, table.failed);
    Ok(if table.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What is printed: a line for each check.
#[derive(Default)]
struct Table {
    count: usize,
    failed: usize,
}

impl Table {
    fn line(&mut self, stem: &str, what: &str, text: &str, is_right: bool) {
        self.count += 1;
        self.failed += usize::from(!is_right);
        println!("{:6} {stem:40} {what:14} {text}", if is_right { "ok" } else { "FAILED" });
    }
}

/// Writes the networks, inputs for them, and onnxruntime's outputs.
fn make(folder: &Path) -> Result<()> {
    let python = repository().join("target/peers/bin/python");
    let script = repository().join("tests/peers/make_zoo.py");
    let mut command = Command::new(python);
    command.arg(script).arg(folder).args(["--full", "--examples"]).args(NETWORKS.map(|(stem, _)| stem));
    let output = command.output().context("make_zoo.py cannot be run")?;
    if !output.status.success() {
        bail!("make_zoo.py ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn on_cuda(devices: Vec<u32>, precision: Precision, batch: usize) -> EngineOptions {
    EngineOptions::default()
        .engine(EngineChoice::Torch)
        .device(Device::Cuda(devices))
        .precision(precision)
        .batch_size(Some(batch))
}

fn outputs(engine: &dyn Engine, input: &[f32], rows: usize) -> Result<Vec<Vec<f32>>> {
    let mut values: Vec<Vec<f32>> =
        engine.outputs().iter().map(|output| vec![0.0; rows * output.dim]).collect();
    let mut wanted: Vec<(usize, &mut [f32])> = values.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
    engine.run(input, rows, &mut wanted)?;
    Ok(values)
}

/// Compares one precision, on the first device and on all.
fn check(
    table: &mut Table,
    folder: &Path,
    stem: &str,
    model: &Model,
    devices: usize,
    (precision, most, least): (Precision, f64, f64),
) -> Result<()> {
    let read = |name: &str| -> Result<Array2<f32>> {
        Ok(ndarray_npy::read_npy(folder.join(format!("{stem}.{name}.npy")))?)
    };
    let input = read("input")?;
    let distinct = input.nrows();
    // Each input several times, at other places of other batches, the last batch partial: more than two in flight.
    let rows = 4 * BATCH + distinct.min(3);
    let repeated: Vec<f32> = (0..rows).flat_map(|row| input.row(row % distinct).to_vec()).collect();
    let all = if devices > 1 { vec![vec![0], (0..devices as u32).collect()] } else { vec![vec![0]] };
    for on in all {
        let what = if on.len() == 1 { precision.to_string() } else { format!("{precision} x{}", on.len()) };
        let engine = model.engine(&on_cuda(on, precision, BATCH))?;
        let values = outputs(&*engine, &repeated, rows)?;
        let (mut worst_error, mut worst_cosine, mut is_same) = (0f64, 1f64, true);
        for (index, found) in values.iter().enumerate() {
            let expected = read(&index.to_string())?;
            let dim = expected.ncols();
            if found.len() != rows * dim {
                bail!("output {index} has {} values a row, onnxruntime gives {dim}", found.len() / rows);
            }
            for (row, found) in found.chunks_exact(dim).enumerate() {
                let expected = expected.row(row % distinct);
                let (error, cosine) = compare(found, expected.as_slice().context("rows lie in a row")?);
                worst_error = worst_error.max(error);
                worst_cosine = worst_cosine.min(cosine);
                let first = &values[index][row % distinct * dim..][..dim];
                is_same &= found.iter().zip(first).all(|(a, b)| a.to_bits() == b.to_bits());
            }
        }
        let text = format!(
            "error {worst_error:.1e}, cosine {worst_cosine:.6}, {}",
            if is_same { "same bits in any batch" } else { "OTHER BITS IN OTHER BATCHES" }
        );
        // NaN fails both.
        table.line(stem, &what, &text, worst_error <= most && worst_cosine >= least && is_same);
    }
    Ok(())
}

/// The relative error of a row, and the cosine.
fn compare(found: &[f32], expected: &[f32]) -> (f64, f64) {
    let sum = |of: &dyn Fn(f64, f64) -> f64| -> f64 {
        found.iter().zip(expected).map(|(&a, &b)| of(f64::from(a), f64::from(b))).sum()
    };
    let (a, b) = (sum(&|a, _| a * a), sum(&|_, b| b * b));
    let error = (sum(&|a, b| (a - b) * (a - b)) / b).sqrt();
    let cosine = sum(&|a, b| a * b) / (a * b).sqrt();
    // `max` and `min` would pass over NaN.
    if error.is_nan() || cosine.is_nan() { (f64::INFINITY, -1.0) } else { (error, cosine) }
}

/// A batch that no device has memory for is an error that says so, and the device is usable after it.
fn little_memory(table: &mut Table, stem: &str, model: &Model) {
    let values = vec![0.5; model.input().len()];
    let huge = model
        .engine(&on_cuda(vec![0], Precision::F32, 1 << 17))
        .map_err(anyhow::Error::from)
        .and_then(|engine| outputs(&*engine, &values, 1));
    let (text, is_right) = match huge {
        Ok(_) => ("a batch of 131,072 ran, so this shows nothing".into(), true),
        Err(error) => {
            let text = format!("{error:#}");
            let says = text.to_lowercase().contains("memory");
            (text, says)
        }
    };
    table.line(stem, "memory", &text, is_right);
    let small = model
        .engine(&on_cuda(vec![0], Precision::F32, 1))
        .map_err(anyhow::Error::from)
        .and_then(|engine| outputs(&*engine, &values, 1));
    match small {
        Ok(_) => table.line(stem, "after it", "a small batch runs", true),
        Err(error) => table.line(stem, "after it", &format!("{error:#}"), false),
    }
}

/// Rows per second: batches of host memory in, outputs in host memory out.
fn rate(model: &Model, precision: Precision, batch: usize, seconds: f64) -> Result<f64> {
    let engine = model.engine(&on_cuda(vec![0], precision, batch))?;
    // Enough batches per call that two can run at once.
    let rows = 4 * batch;
    let input: Vec<f32> = (0..rows * engine.input().len()).map(|i| (i * 31 % 1013) as f32 / 1013.0).collect();
    outputs(&*engine, &input, rows)?;
    let (start, mut count) = (Instant::now(), 0);
    while start.elapsed().as_secs_f64() < seconds {
        outputs(&*engine, &input, rows)?;
        count += rows;
    }
    Ok(count as f64 / start.elapsed().as_secs_f64())
}
