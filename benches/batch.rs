//! Batch extraction of many clips compared with one file at a time, both on two threads: `cargo xtask bench batch`.
//!
//! 200 clips of 10 to 40 s, cut from the recordings of `examples/audio/` into MP3, Vorbis, FLAC and WAV. One file at a
//! time is `Extractor::run_file` with two threads; the batch extractor has two workers. Both sides take turns, and the
//! medians of the rounds are compared. The models are the default one and an EfficientNet-B0 with random weights from
//! `tests/peers/make_effnet.py`.
//!
//! - `--rounds N`: turns of each side (default 5)
//! - `--clips N`: clips (default 200)
//! - `--workers N`: threads of both sides (default 2)

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use sleeve::batch::{BatchExtractor, BatchOptions, BatchSink, Input};
use sleeve::extractor::{Extractor, Rows, Summary};
use sleeve::model::Model;
use sleeve_benches::clips::clips;
use sleeve_benches::{cpu, median, repository};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str, default: usize| -> Result<usize> {
        let Some(at) = arguments.iter().position(|argument| argument == name) else { return Ok(default) };
        let text = arguments.get(at + 1).with_context(|| format!("{name} N"))?;
        text.parse().with_context(|| format!("{name} {text}"))
    };
    let (rounds, count, threads) = (value("--rounds", 5)?, value("--clips", 200)?, value("--workers", 2)?);
    let folder = tempfile::tempdir()?;
    let clips = clips(folder.path(), count)?;
    println!("{count} clips, {threads} threads on both sides, median of {rounds} turns\n");
    println!("{:<16}{:>14}{:>14}{:>8}{:>18}", "", "file by file", "batch", "ratio", "CPU time, ratio");
    for model in [Model::bundled("msd-musicnn-1")?, effnet()?] {
        race(&model, &clips, rounds, threads)?;
    }
    Ok(())
}

fn race(model: &Model, clips: &[PathBuf], rounds: usize, threads: usize) -> Result<()> {
    let extractor = Extractor::builder(model.clone()).threads(threads).build()?;
    let batch = BatchExtractor::new(&extractor, &BatchOptions::default().workers(threads))?;
    let (mut walls, mut cpus) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
    let mut seconds = 0.0;
    for _ in 0..rounds {
        let mut sums = [0.0; 2];
        for side in 0..2 {
            let (started, before) = (Instant::now(), cpu::process_seconds());
            (seconds, sums[side]) =
                if side == 0 { one_by_one(&extractor, clips)? } else { together(&batch, clips)? };
            walls[side].push(started.elapsed().as_secs_f64());
            cpus[side].push(cpu::process_seconds() - before);
        }
        ensure!(sums[0] == sums[1], "the two sides disagree: {sums:?}");
    }
    let [alone, batched] = walls.each_ref().map(|walls| median(walls));
    let speed = |wall: f64| format!("{:.0} x", seconds / wall);
    println!(
        "{:<16}{:>14}{:>14}{:>8.2}{:>18.2}",
        model.name(),
        speed(alone),
        speed(batched),
        alone / batched,
        median(&cpus[0]) / median(&cpus[1])
    );
    Ok(())
}

/// Seconds of audio, and a sum over all values to check that both sides did the same.
fn one_by_one(extractor: &Extractor, clips: &[PathBuf]) -> Result<(f64, f64)> {
    let (mut seconds, mut sum) = (0.0, Sum::default());
    for (recording, clip) in clips.iter().enumerate() {
        seconds += extractor.run_file(clip, &mut |rows: &Rows<'_>| sum.add(recording, rows))?.seconds;
    }
    Ok((seconds, sum.total()))
}

fn together(batch: &BatchExtractor, clips: &[PathBuf]) -> Result<(f64, f64)> {
    let mut sum = Sum::default();
    let totals = batch.run(clips.iter().map(Input::file), &mut sum)?;
    ensure!(totals.done == clips.len(), "{} clips failed", totals.failed);
    Ok((totals.seconds, sum.total()))
}

/// The sum of each recording, in the order of its rows, and the sum of all.
#[derive(Default)]
struct Sum(Vec<f64>);

impl Sum {
    fn add(&mut self, recording: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
        self.0.resize(self.0.len().max(recording + 1), 0.0);
        for (patch, values) in rows.outputs.iter().flat_map(|values| values.rows().into_iter().enumerate()) {
            let weight = (rows.first + patch as u64 + 1) as f64;
            self.0[recording] += weight * values.iter().map(|&value| f64::from(value)).sum::<f64>();
        }
        Ok(())
    }

    /// Rounded, because a recording's rows may be added in different groups.
    fn total(&self) -> f64 {
        (self.0.iter().sum::<f64>() * 1e3).round()
    }
}

impl BatchSink for Sum {
    fn rows(&mut self, recording: usize, _: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
        self.add(recording, rows)
    }

    fn done(&mut self, recording: usize, outcome: sleeve::Result<Summary>) {
        if let Err(error) = outcome {
            eprintln!("clip {recording}: {error}");
        }
    }
}

/// An EfficientNet-B0 with random weights, as in the tests and the other benchmarks.
fn effnet() -> Result<Model> {
    let folder = repository().join("target/effnet-bench");
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("effnet-b0.onnx");
    if !path.exists() {
        let status = Command::new(repository().join("target/peers/bin/python"))
            .arg(repository().join("tests/peers/make_effnet.py"))
            .arg(&path)
            .args(["--style", "torch", "--seed", "8"])
            .status()
            .context("no Python in target/peers: cargo xtask peers")?;
        ensure!(status.success(), "make_effnet.py failed");
    }
    Ok(Model::open(path.to_str().context("a path in UTF-8")?)?)
}
