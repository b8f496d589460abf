//! Decoding and resampling compared with Essentia's `MonoLoader`, in one run: `cargo xtask bench decode`.
//!
//! Three minutes of real music (the recordings of `examples/audio/`, looped by ffmpeg) as stereo MP3 and as mono and
//! stereo Vorbis. Both sides take turns. The CPU time of the whole process is measured, and medians are compared.
//! `MonoLoader` runs with `resampleQuality=4`, which is the same work: decode, downmix, interpolate to 16 kHz.
//!
//! Then decoding with the mel-spectrogram, at each recording's own level and brought to one loudness: a song, which is
//! decoded once, and ten minutes, which are decoded twice.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, ensure};
use sleeve::audio::{AudioOptions, AudioReader, Level, MonoReader, Resampler};
use sleeve::extractor::each_frame;
use sleeve::front_end::FrontEnd;
use sleeve_benches::{cpu, median};

const RATE: u32 = 16_000;
const SECONDS: u32 = 180;
const LONG: u32 = 600;

fn main() -> Result<()> {
    let repetitions: usize = std::env::var("SLEEVE_BENCH_REPETITIONS").map_or(Ok(7), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let mut peer = Peer::start();
    if peer.is_none() {
        println!("no Essentia in target/peers: only our own figures (cargo xtask peers)");
    }
    println!("{SECONDS} s of music, median of {repetitions}, x real time of one core\n");
    println!("{:<16}{:>10}{:>10}{:>10}{:>12}{:>8}", "", "decode", "linear", "sinc", "MonoLoader", "ratio");
    for (name, path) in fixtures(folder.path(), SECONDS)? {
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..repetitions {
            times[0].push(timed(|| decode(&path))?);
            times[1].push(timed(|| convert(&path, Resampler::Linear))?);
            times[2].push(timed(|| convert(&path, Resampler::Sinc))?);
            // `MonoLoader` does not support Opus, and crashes on it.
            if let Some(peer) = peer.as_mut().filter(|_| !name.starts_with("Opus")) {
                times[3].push(peer.load(&path)?);
            }
        }
        let speed = |times: &[f64]| f64::from(SECONDS) / median(times);
        print!("{name:<16}");
        times[..3].iter().for_each(|times| print!("{:>10.0}", speed(times)));
        match times[3].as_slice() {
            [] => println!(),
            loader => println!("{:>12.0}{:>8.2}", speed(loader), median(loader) / median(&times[1])),
        }
    }
    levels(folder.path(), repetitions)
}

/// What it costs to bring a recording to one loudness.
fn levels(folder: &Path, repetitions: usize) -> Result<()> {
    println!("\nwith the mel-spectrogram, ratio of times\n");
    println!("{:<16}{:>8}{:>10}{:>10}{:>8}", "", "", "as it is", "levelled", "ratio");
    for seconds in [SECONDS, LONG] {
        for (name, path) in fixtures(folder, seconds)? {
            let mut times = [const { Vec::new() }; 2];
            for _ in 0..repetitions {
                for (level, times) in [Level::None, Level::Track].into_iter().zip(&mut times) {
                    times.push(timed(|| mel(&path, level))?);
                }
            }
            let [plain, levelled] = times.map(|times| median(&times));
            let speed = |time: f64| f64::from(seconds) / time;
            let length = format!("{seconds} s");
            println!(
                "{name:<16}{length:>8}{:>10.0}{:>10.0}{:>8.2}",
                speed(plain),
                speed(levelled),
                levelled / plain
            );
        }
    }
    Ok(())
}

/// The recordings in the formats to compare.
fn fixtures(folder: &Path, seconds: u32) -> Result<Vec<(&'static str, PathBuf)>> {
    let audio = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/audio");
    let make = |name: &'static str, source: &str, file: &str, options: &[&str]| {
        let path = folder.join(file);
        let status = Command::new("ffmpeg")
            .args(["-v", "error", "-y", "-stream_loop", "-1", "-i"])
            .arg(audio.join(source))
            .args(["-t", &seconds.to_string(), "-ar", "44100"])
            .args(options)
            .arg(&path)
            .status()
            .context("ffmpeg encodes the recordings")?;
        ensure!(status.success(), "ffmpeg could not encode {file}");
        Ok((name, path))
    };
    Ok(vec![
        make("MP3 stereo", "idle_tune.mp3", "a.mp3", &["-ac", "2", "-c:a", "libmp3lame", "-b:a", "192k"])?,
        make("Vorbis stereo", "idle_tune.mp3", "b.ogg", &["-ac", "2", "-c:a", "libvorbis", "-q:a", "5"])?,
        make("Vorbis mono", "ground.ogg", "c.ogg", &["-ac", "1", "-c:a", "libvorbis", "-q:a", "5"])?,
        make("FLAC stereo", "idle_tune.mp3", "d.flac", &["-ac", "2"])?,
        make("WAV stereo", "idle_tune.mp3", "e.wav", &["-ac", "2"])?,
        make("Opus stereo", "idle_tune.mp3", "f.opus", &["-ac", "2", "-ar", "48000", "-c:a", "libopus"])?,
        make("AAC stereo", "idle_tune.mp3", "g.m4a", &["-ac", "2", "-c:a", "aac", "-b:a", "192k"])?,
    ])
}

fn timed(work: impl FnOnce() -> Result<usize>) -> Result<f64> {
    let start = cpu::process_seconds();
    let samples = work()?;
    ensure!(samples > 0, "nothing was decoded");
    Ok(cpu::process_seconds() - start)
}

/// Only decodes, chunk by chunk.
fn decode(path: &Path) -> Result<usize> {
    let mut reader = AudioReader::open(path)?;
    let (mut chunk, mut total) = (Vec::new(), 0);
    loop {
        chunk.clear();
        match reader.read(&mut chunk)? {
            0 => return Ok(total),
            frames => total += frames,
        }
    }
}

/// The same work as `MonoLoader`, including keeping all samples.
fn convert(path: &Path, resampler: Resampler) -> Result<usize> {
    let mut reader = MonoReader::open(path, RATE, resampler)?;
    let mut samples = Vec::new();
    while reader.read(&mut samples)? > 0 {}
    Ok(samples.len())
}

/// Decodes and computes the mel-spectrogram, which is not kept.
fn mel(path: &Path, level: Level) -> Result<usize> {
    let mut values = 0;
    let summary = each_frame(path, FrontEnd::MusiCnn, AudioOptions::new().level(level), |frames| {
        values += frames.len();
        Ok(())
    })?;
    ensure!(summary.level.is_some() == (level == Level::Track), "it was not levelled");
    Ok(values)
}

/// A process of `tests/peers/mono_loader.py`. It keeps running, so that its imports are not measured.
struct Peer {
    process: Child,
    question: ChildStdin,
    answer: BufReader<ChildStdout>,
}

impl Peer {
    fn start() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut process = Command::new(root.join("target/peers/bin/python"))
            .arg(root.join("tests/peers/mono_loader.py"))
            .args(["time", &RATE.to_string(), "4"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let (question, answer) = (process.stdin.take()?, BufReader::new(process.stdout.take()?));
        Some(Self { process, question, answer })
    }

    /// CPU seconds of one load.
    fn load(&mut self, path: &Path) -> Result<f64> {
        writeln!(self.question, "{}", path.display())?;
        let mut line = String::new();
        self.answer.read_line(&mut line)?;
        let mut fields = line.split_whitespace();
        Ok(fields.next().context("the peer answers")?.parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Our child process; it has nothing to save.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
