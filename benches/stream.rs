//! How long a write takes while the model runs, and the latency from a patch's last sample to its rows.
//!
//! One thread writes 48 kHz stereo in blocks of 64 audio frames at the rate of a sound card, another reads and runs the
//! model. Both have normal priority. Options:
//!
//! - `--seconds N`: audio for each model (default 30)
//! - `--poll MS`: how long the reader sleeps if there is nothing to read, in milliseconds (default 1)
//! - `--threads N`: threads of the networks (default 0, every core)
//! - `MODEL...`: models to run instead of the bundled MusiCNN and a random EfficientNet-B0

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sleeve::audio::{MonoStream, Resampler};
use sleeve::extractor::{Extractor, Rows};
use sleeve::front_end::musicnn;
use sleeve::model::Model;
use sleeve::patches::Patching;
use sleeve::stream::{State, Stream, StreamOptions};
use sleeve_benches::repository;

const RATE: u32 = 48_000;
const CHANNELS: usize = 2;
/// Audio frames per write.
const BLOCK: usize = 64;
/// Time that 999 of 1,000 writes should not exceed.
const GOAL: Duration = Duration::from_micros(200);

struct Options {
    seconds: f64,
    poll: Duration,
    threads: usize,
    models: Vec<String>,
}

fn main() -> Result<()> {
    let mut options =
        Options { seconds: 30.0, poll: Duration::from_millis(1), threads: 0, models: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().with_context(|| format!("{argument} needs a value"));
        match argument.as_str() {
            "--seconds" => options.seconds = value()?.parse()?,
            "--poll" => options.poll = Duration::from_secs_f64(value()?.parse::<f64>()? / 1e3),
            "--threads" => options.threads = value()?.parse()?,
            flag if flag.starts_with('-') => {
                println!("stream [--seconds N] [--poll MS] [--threads N] [MODEL...]");
                return Ok(());
            }
            model => options.models.push(model.to_owned()),
        }
    }
    if options.models.is_empty() {
        options.models.push("msd-musicnn-1".into());
        options.models.push(effnet()?.display().to_string());
    }
    println!(
        "{RATE} Hz, {CHANNELS} channels, blocks of {BLOCK} frames ({:.2} ms) for {:.0} s; polled every {:.1} ms",
        1e3 * BLOCK as f64 / f64::from(RATE),
        options.seconds,
        options.poll.as_secs_f64() * 1e3
    );
    options.models.iter().try_for_each(|model| run(model, &options))
}

fn run(name: &str, options: &Options) -> Result<()> {
    let extractor = Extractor::builder(Model::open(name)?).threads(options.threads).build()?;
    println!("\n{} ({})", extractor.model().name(), extractor.engine().describe());
    let samples = noise((options.seconds * f64::from(RATE)) as usize);
    let completing = completing_blocks(&samples, extractor.patching())?;
    ensure!(!completing.is_empty(), "{} s are too short for a patch of this model", options.seconds);

    let (mut writer, mut reader) = Stream::open(&extractor, &StreamOptions::new(RATE, CHANNELS as u16))?;
    // The first run of a network is slower: memory, threads.
    let mut nothing = |_: &Rows<'_>| Ok(());
    writer.write(&samples[..CHANNELS * (5 * RATE as usize).min(samples.len() / CHANNELS)])?;
    while reader.read(&mut nothing)?.state == State::More {}
    writer.reset()?;
    reader.read(&mut nothing)?;

    let (pushes, rows) = std::thread::scope(|scope| {
        let samples = &samples;
        let audio = scope.spawn(move || {
            let blocks = samples.len() / (BLOCK * CHANNELS);
            // For each block, how long the write took and when it ended.
            let mut pushes = Vec::with_capacity(blocks);
            let started = Instant::now();
            for (index, block) in samples.chunks_exact(BLOCK * CHANNELS).enumerate() {
                let due = Duration::from_secs_f64((index * BLOCK) as f64 / f64::from(RATE));
                std::thread::sleep(due.saturating_sub(started.elapsed()));
                let before = Instant::now();
                let taken = writer.write(block);
                let after = Instant::now();
                assert_eq!(taken, Ok(BLOCK), "the queue never fills up");
                pushes.push((after - before, after));
            }
            writer.finish();
            pushes
        });
        // When each patch's rows were read.
        let mut rows = Vec::new();
        let mut sink = |batch: &Rows<'_>| {
            rows.extend(batch.times.iter().map(|_| Instant::now()));
            Ok(())
        };
        loop {
            match reader.read(&mut sink)?.state {
                State::More => {}
                State::Waiting => std::thread::sleep(options.poll),
                State::Finished | State::Abandoned => break,
            }
        }
        anyhow::Ok((audio.join().expect("the audio thread does not panic"), rows))
    })?;

    let mut times: Vec<Duration> = pushes.iter().map(|(time, _)| *time).collect();
    times.sort();
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let verdict = if percentile(&times, 99.9) < GOAL { "goal met" } else { "goal missed" };
    println!(
        "  push      median {:.2} us, 99 % {:.2} us, 99.9 % {:.2} us, 99.99 % {:.2} us, max {:.2} us, of {}; \
         99.9 % under {:.0} us: {verdict}",
        micros(percentile(&times, 50.0)),
        micros(percentile(&times, 99.0)),
        micros(percentile(&times, 99.9)),
        micros(percentile(&times, 99.99)),
        micros(percentile(&times, 100.0)),
        times.len(),
        micros(GOAL),
    );
    ensure!(rows.len() == completing.len(), "{} rows for {} patches", rows.len(), completing.len());
    let mut waits: Vec<Duration> = rows
        .iter()
        .zip(&completing)
        .map(|(row, &block)| row.saturating_duration_since(pushes[block].1))
        .collect();
    waits.sort();
    let millis = |time: Duration| time.as_secs_f64() * 1e3;
    println!(
        "  latency   median {:.2} ms, 95 % {:.2} ms, max {:.2} ms, from the last sample of a patch to its rows, of {}",
        millis(percentile(&waits, 50.0)),
        millis(percentile(&waits, 95.0)),
        millis(percentile(&waits, 100.0)),
        waits.len()
    );
    Ok(())
}

/// The smallest of the sorted `times` that `percent` of them do not exceed.
fn percentile(times: &[Duration], percent: f64) -> Duration {
    let rank = (percent / 100.0 * times.len() as f64).ceil() as usize;
    times[rank.clamp(1, times.len()) - 1]
}

/// For each patch, the block that completes it.
fn completing_blocks(samples: &[f32], patching: Patching) -> Result<Vec<usize>> {
    let mut mono = MonoStream::new(RATE, CHANNELS as u16, musicnn::SAMPLE_RATE, Resampler::Linear)?;
    let (mut heard, mut blocks) = (Vec::new(), Vec::new());
    for (index, block) in samples.chunks_exact(BLOCK * CHANNELS).enumerate() {
        mono.push(block, &mut heard)?;
        let complete = patching.count((heard.len() / musicnn::HOP) as u64);
        blocks.resize(complete as usize, index);
    }
    Ok(blocks)
}

/// Stereo noise, slightly different in each channel.
fn noise(frames: usize) -> Vec<f32> {
    let mut state = 1_u64;
    let mut sample = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1_u64 << 24) as f32 - 0.5
    };
    (0..frames * CHANNELS).map(|_| sample()).collect()
}

/// A random EfficientNet-B0, created once.
fn effnet() -> Result<PathBuf> {
    let folder = repository().join("target/effnet-bench");
    let model = folder.join("random-effnet-b0.onnx");
    if !model.exists() {
        std::fs::create_dir_all(&folder)?;
        let python = repository().join("target/peers/bin/python");
        ensure!(python.exists(), "no {}: run `cargo xtask peers`", python.display());
        let mut command = Command::new(python);
        command.arg(repository().join("tests/peers/make_effnet.py")).arg(&model).args(["--style", "folded"]);
        ensure!(command.status()?.success(), "make_effnet.py failed");
    }
    Ok(model)
}
