//! How many times faster than real time each stage is, on one thread: decode, resample, mel, model, and all together.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use sleeve::audio::{AudioReader, MonoStream, Resampler};
use sleeve::extractor::{Extractor, Rows};
use sleeve::front_end::musicnn;
use sleeve::front_end::{FrontEnd, SpectrogramStream};
use sleeve::model::Model;
use sleeve::patches::Patcher;
use sleeve_benches::{median, recording};

const REPETITIONS: usize = 7;

fn main() -> Result<()> {
    let models: Vec<String> = std::env::args().skip(1).collect();
    if models.iter().any(|argument| argument.starts_with('-')) {
        println!("stages [MODEL...]   models to run instead of the bundled ones");
        return Ok(());
    }
    let models = if models.is_empty() { Model::bundled_names().map(str::to_owned).collect() } else { models };
    println!("times real time, one thread, median of {REPETITIONS}");
    for name in ["ground.ogg", "idle_tune.mp3"] {
        front_end(&recording(name))?;
        for model in &models {
            whole(&recording(name), model)?;
        }
    }
    Ok(())
}

/// Decode, resample and mel, each by itself.
fn front_end(path: &Path) -> Result<()> {
    let mut interleaved = Vec::new();
    let mut reader = AudioReader::open(path)?;
    while reader.read(&mut interleaved)? > 0 {}
    let (rate, channels) = (reader.info().sample_rate, reader.info().channels);
    let seconds = interleaved.len() as f64 / f64::from(channels) / f64::from(rate);
    println!("{} ({seconds:.1} s, {}, {rate} Hz, {channels} channels)", path.display(), reader.info().format);

    report("decode", seconds, || {
        let mut samples = Vec::new();
        let mut reader = AudioReader::open(path)?;
        while reader.read(&mut samples)? > 0 {
            samples.clear();
        }
        Ok(())
    })?;
    for resampler in [Resampler::Linear, Resampler::Sinc] {
        report(&format!("downmix + resample, {resampler}"), seconds, || {
            resample(&interleaved, rate, channels, resampler).map(|_| ())
        })?;
    }
    let mono = resample(&interleaved, rate, channels, Resampler::Linear)?;
    report("mel", seconds, || {
        let (mut stream, mut frames) = (SpectrogramStream::new(FrontEnd::MusiCnn), Vec::new());
        for chunk in mono.chunks(musicnn::SAMPLE_RATE as usize) {
            frames.clear();
            stream.push(chunk, &mut frames);
        }
        stream.finish(&mut frames);
        Ok(())
    })
}

fn resample(interleaved: &[f32], rate: u32, channels: u16, resampler: Resampler) -> Result<Vec<f32>> {
    let mut converter = MonoStream::new(rate, channels, musicnn::SAMPLE_RATE, resampler)?;
    let mut mono = Vec::new();
    for chunk in interleaved.chunks(4096 * usize::from(channels)) {
        converter.push(chunk, &mut mono)?;
    }
    converter.finish(&mut mono)?;
    Ok(mono)
}

/// The network by itself, then all stages from the file.
fn whole(path: &Path, name: &str) -> Result<()> {
    let extractor = Extractor::builder(Model::open(name)?).threads(1).build()?;
    let mut samples = Vec::new();
    let mut reader = AudioReader::open(path)?;
    while reader.read(&mut samples)? > 0 {}
    let (rate, channels) = (reader.info().sample_rate, reader.info().channels);
    let seconds = samples.len() as f64 / f64::from(channels) / f64::from(rate);

    let mono = resample(&samples, rate, channels, Resampler::Linear)?;
    let (mut stream, mut frames) = (SpectrogramStream::new(FrontEnd::MusiCnn), Vec::new());
    stream.push(&mono, &mut frames);
    stream.finish(&mut frames);
    let batch = extractor.engine().batch_size();
    let dims: Vec<usize> = extractor.engine().outputs().iter().map(|output| output.dim).collect();
    report(&format!("{name}, network"), seconds, || {
        let mut patcher = Patcher::new(extractor.patching(), musicnn::BANDS);
        let (mut input, mut rest) = (Vec::new(), frames.as_slice());
        let mut values: Vec<Vec<f32>> = dims.iter().map(|dim| vec![0.0; dim * batch]).collect();
        loop {
            let patch = patcher.next(&mut rest);
            let ended = patch.is_none();
            input.extend_from_slice(patch.unwrap_or_default());
            let rows = input.len() / extractor.engine().input().len();
            if rows == batch || (ended && rows > 0) {
                let buffers = values.iter_mut().zip(&dims).map(|(buffer, dim)| &mut buffer[..rows * dim]);
                let mut wanted: Vec<(usize, &mut [f32])> = buffers.enumerate().collect();
                extractor.engine().run(&input, rows, &mut wanted)?;
                input.clear();
            }
            if ended {
                return Ok(());
            }
        }
    })?;
    report(&format!("{name}, whole"), seconds, || {
        extractor.run_file(path, &mut |_: &Rows<'_>| Ok(()))?;
        Ok(())
    })
}

fn report(stage: &str, seconds: f64, mut work: impl FnMut() -> Result<()>) -> Result<()> {
    work()?;
    let mut factors = Vec::new();
    for _ in 0..REPETITIONS {
        let started = Instant::now();
        work()?;
        factors.push(seconds / started.elapsed().as_secs_f64());
    }
    println!("  {stage:32} {:8.0} x", median(&factors));
    Ok(())
}
