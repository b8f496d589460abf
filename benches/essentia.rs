//! `SleevePredict` in Essentia's plain Python package compared with `TensorflowPredictEffnetDiscogs` in
//! `essentia-tensorflow`: the same weights (an EfficientNet-B0), the same three minutes of signal at 16 kHz, the same
//! core.
//!
//! Both sides take turns, round after round, so that other load on the machine affects both equally. Options:
//!
//! - `--rounds N`: rounds of each case (default 5)

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use ndarray::Array1;
use ndarray_npy::write_npy;
use sleeve_benches::{Peer, median, recording, repository, wait};

const RATE: usize = 16_000;
const SECONDS: usize = 180;
/// Samples for one patch in Essentia, which omits the last frame.
const PATCH: usize = 33_000;
const SCRIPT: &str = "essentia_peer.py";
/// The virtual environments of both sides: ours, theirs.
const SIDES: [&str; 2] = ["peers", "essentia-tensorflow"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rounds: usize = match arguments.as_slice() {
        [] => 5,
        [flag, rounds] if flag == "--rounds" => rounds.parse().context("--rounds takes a number")?,
        _ => {
            println!("essentia [--rounds N]");
            return Ok(());
        }
    };
    ensure!(rounds > 0, "--rounds takes at least 1");
    let folder = prepare()?;
    println!("{SECONDS} s at 16 kHz, EfficientNet-B0 (f32), one core, medians of {rounds} rounds");
    println!("{:48} {:>10} {:>10} {:>8}  {:>12}", "", "Sleeve", "Essentia", "ratio", "goal");
    speed(&folder, rounds)?;
    starts(&folder, rounds)
}

/// Creates the signal, file and graphs unless they exist. Returns their folder.
fn prepare() -> Result<PathBuf> {
    let folder = repository().join("target/essentia-bench");
    ensure!(folder.join("host/once").is_file(), "run this through `cargo xtask bench essentia`");
    let signal: Vec<f32> = signal(RATE * SECONDS);
    write_npy(folder.join("signal.npy"), &Array1::from(signal.clone()))?;
    write_npy(folder.join("patch.npy"), &Array1::from(signal[..PATCH].to_vec()))?;
    if !folder.join("graphs/head.pb").exists() {
        let mut command = Command::new(repository().join("target/keras/bin/python"));
        command.arg(repository().join("tests/peers/essentia_graphs.py")).arg(folder.join("graphs"));
        ensure!(command.env("TF_CPP_MIN_LOG_LEVEL", "3").status()?.success(), "essentia_graphs.py failed");
    }
    let song = folder.join("song.mp3");
    if !song.exists() {
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(["-v", "error", "-stream_loop", "-1", "-i"]).arg(recording("idle_tune.mp3"));
        ffmpeg.args(["-t", &SECONDS.to_string(), "-c", "copy"]).arg(&song);
        ensure!(ffmpeg.status().context("cannot start ffmpeg")?.success(), "ffmpeg failed");
    }
    Ok(folder)
}

/// Tones of varying level, and some noise.
fn signal(samples: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut noise = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let tone =
        |i: usize| (i as f32 * (0.05 + 0.04 * (i as f32 * 2e-5).sin())).sin() * (i as f32 * 3e-4).sin();
    (0..samples).map(|i| 0.3 * tone(i) + 0.05 * noise()).collect()
}

/// Compares the seconds that a running process needs for the signal and for a file.
fn speed(folder: &Path, rounds: usize) -> Result<()> {
    let mut sides = Vec::new();
    for environment in SIDES {
        let mut peer = Peer::start(environment, SCRIPT, folder)?;
        // The first run of a network is slower.
        peer.ask("signal")?;
        sides.push(peer);
    }
    for (what, request, goal) in
        [("signal", "signal", "at least 6"), ("MP3 file, both with MonoLoader", "file", "")]
    {
        let mut times = vec![[Vec::new(), Vec::new()]; SIDES.len()];
        let mut patches = [0.0; 2];
        for _ in 0..rounds {
            for (side, peer) in sides.iter_mut().enumerate() {
                let answer = peer.ask(request)?;
                ensure!(answer.len() == 3, "the peer answered {answer:?}");
                times[side][0].push(answer[0]);
                times[side][1].push(answer[1]);
                patches[side] = answer[2];
            }
        }
        ensure!((patches[0] - patches[1]).abs() <= 1.0 && patches[0] > 170.0, "{patches:?} patches");
        for (clock, name) in ["wall clock", "CPU time"].into_iter().enumerate() {
            let [ours, theirs] = [&times[0][clock], &times[1][clock]].map(|times| median(times));
            line(
                &format!("{what}, {name}"),
                &format!("{ours:.3} s"),
                &format!("{theirs:.3} s"),
                theirs / ours,
                goal,
            );
        }
    }
    Ok(())
}

/// Compares processes that are started for one signal.
fn starts(folder: &Path, rounds: usize) -> Result<()> {
    let python = |environment: &str| {
        let mut command = Command::new(repository().join("target").join(environment).join("bin/python"));
        command.arg(repository().join("benches/peers").join(SCRIPT)).arg(folder).arg("once");
        command
    };
    let host = || {
        let mut command = Command::new(folder.join("host/once"));
        command.arg(folder);
        command
    };
    // Essentia's Python module is a large part of a small process, so ours is also measured in C++.
    let [mut cpp, mut ours, mut theirs] = [const { Starts::new() }; 3];
    for _ in 0..rounds {
        cpp.add(host())?;
        ours.add(python(SIDES[0]))?;
        theirs.add(python(SIDES[1]))?;
    }
    for (name, ours) in [("C++", cpp), ("Python", ours)] {
        let [first, other] = [&ours.firsts, &theirs.firsts].map(|times| median(times));
        let what = format!("process start to first result, {name}");
        line(&what, &format!("{first:.2} s"), &format!("{other:.2} s"), first / other, "at most 0.2");
        let [peak, other] = [&ours.peaks, &theirs.peaks].map(|peaks| median(peaks));
        let what = format!("peak memory, {name}");
        line(&what, &format!("{peak:.0} MB"), &format!("{other:.0} MB"), peak / other, "at most 0.2");
    }
    Ok(())
}

/// Seconds to the first result and peak memory in megabytes, for one kind of process.
struct Starts {
    firsts: Vec<f64>,
    peaks: Vec<f64>,
}

impl Starts {
    const fn new() -> Self {
        Starts { firsts: Vec::new(), peaks: Vec::new() }
    }

    fn add(&mut self, mut command: Command) -> Result<()> {
        let started = Instant::now();
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut lines = BufReader::new(child.stdout.take().expect("standard output is piped")).lines();
        ensure!(lines.next().context("a process ended early")?? == "first", "a process printed another line");
        self.firsts.push(started.elapsed().as_secs_f64());
        for line in lines {
            line?;
        }
        let (status, peak) = wait(&child)?;
        ensure!(status.success(), "a process failed");
        self.peaks.push(peak as f64 / 1e6);
        Ok(())
    }
}

fn line(what: &str, ours: &str, theirs: &str, ratio: f64, goal: &str) {
    println!("{what:48} {ours:>10} {theirs:>10} {ratio:>8.2}  {goal:>12}");
}
