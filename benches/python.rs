//! The Python package compared with the library, the program, and other packages: `cargo xtask bench python`.
//!
//! - what a call from Python costs beyond the library's own time
//! - `extract_many` over clips beside the program, whole processes that write the same arrays, on two threads
//! - the import, beyond NumPy's
//! - from file to mean embedding beside `musicnn`'s package (the same network) and `essentia-tensorflow` (the same
//!   architecture, random weights): time, peak memory, start, size on the disk. Ours has one thread, theirs what they take
//!
//! Sides take turns, and medians are compared. Options: `--rounds N` (default 5), `--clips N` (default 200).

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use sleeve::audio::Resampler;
use sleeve::extractor::{Extractor, each_frame_of_samples};
use sleeve::front_end::FrontEnd;
use sleeve::model::Model;
use sleeve::stream::{Stream, StreamOptions};
use sleeve_benches::clips::clips;
use sleeve_benches::{Peer, median, program, recording, repository};

const SCRIPT: &str = "python_package.py";
/// The environment of our package, which `cargo xtask bench` prepares.
const OURS: &str = "python-bench";
const CALLS: usize = 2_000;
const THREADS: &str = "2";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |name: &str, default: usize| -> Result<usize> {
        let Some(at) = arguments.iter().position(|argument| argument == name) else { return Ok(default) };
        let text = arguments.get(at + 1).with_context(|| format!("{name} N"))?;
        text.parse().with_context(|| format!("{name} {text}"))
    };
    let (rounds, count) = (value("--rounds", 5)?.max(1), value("--clips", 200)?.max(1));
    let folder = tempfile::tempdir()?;
    calls(folder.path(), rounds)?;
    import(rounds)?;
    many(folder.path(), rounds, count)?;
    packages(rounds)
}

/// Seconds of one call, in the middle of many.
fn timed(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let started = Instant::now();
        work()?;
        times.push(started.elapsed().as_secs_f64());
    }
    Ok(median(&times))
}

fn calls(folder: &Path, rounds: usize) -> Result<()> {
    let extractor = Extractor::builder(Model::bundled("msd-musicnn-1")?).threads(1).build()?;
    let samples = vec![0.1_f32; 600];
    let mut stream = Stream::new(&extractor, &StreamOptions::new(16_000, 1))?;
    let mut python = Peer::start(OURS, SCRIPT, folder)?;
    python.ask("load")?;
    println!("a call, medians of {rounds} x {CALLS}, in us   library    Python  difference (goal: under 20)");
    for (case, words) in [
        ("extract", "extract of 600 samples"),
        ("mel", "mel of 600 samples"),
        ("push", "stream, a push of 256 samples"),
    ] {
        let (mut own, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            own.push(match case {
                "extract" => timed(|| {
                    extractor.extract_samples(&samples, 16_000)?;
                    Ok(())
                })?,
                "mel" => timed(|| {
                    let mut frames = Vec::new();
                    each_frame_of_samples(
                        &samples,
                        1,
                        16_000,
                        FrontEnd::MusiCnn,
                        Resampler::Linear,
                        |more| {
                            frames.extend_from_slice(more);
                            Ok(())
                        },
                    )?;
                    Ok(())
                })?,
                _ => {
                    timed(
                        || Ok(stream.push(&samples[..256], &mut |_: &sleeve::extractor::Rows<'_>| Ok(()))?),
                    )?
                }
            });
            theirs.push(python.ask(&format!("call {case} {CALLS}"))?[0]);
        }
        let [own, theirs] = [own, theirs].map(|times| 1e6 * median(&times));
        println!("  {words:38} {own:10.1} {theirs:9.1} {:11.1}", theirs - own);
    }
    Ok(())
}

/// The wall time of a process that must succeed.
fn process(command: &mut Command) -> Result<f64> {
    let started = Instant::now();
    let status = command.stdout(Stdio::null()).status()?;
    ensure!(status.success(), "{command:?} failed");
    Ok(started.elapsed().as_secs_f64())
}

fn python() -> PathBuf {
    repository().join("target").join(OURS).join("bin/python")
}

fn import(rounds: usize) -> Result<()> {
    let mut walls = [Vec::new(), Vec::new()];
    for _ in 0..3 * rounds {
        for (wall, code) in walls.iter_mut().zip(["import numpy", "import numpy, sleeve"]) {
            wall.push(process(Command::new(python()).args(["-c", code]))?);
        }
    }
    let [numpy, both] = walls.map(|walls| 1e3 * median(&walls));
    println!("import: {:.0} ms beyond NumPy's {numpy:.0} ms (whole processes; goal: under 30)", both - numpy);
    Ok(())
}

fn many(folder: &Path, rounds: usize, count: usize) -> Result<()> {
    let music = folder.join("music");
    std::fs::create_dir(&music)?;
    clips(&music, count)?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let out = folder.join(format!("program-{round}"));
        let mut rust = Command::new(program());
        rust.arg("extract").arg(&music).arg("--output").arg(&out).args([
            "--model",
            "msd-musicnn-1",
            "--quiet",
        ]);
        theirs.push(process(rust.args(["--threads", THREADS]))?);
        let out = folder.join(format!("python-{round}"));
        std::fs::create_dir(&out)?;
        let mut python = Command::new(python());
        python.arg(repository().join("benches/peers").join(SCRIPT)).arg("many").arg(&music).arg(&out);
        ours.push(process(python.arg(THREADS))?);
    }
    let [ours, theirs] = [ours, theirs].map(|walls| median(&walls));
    println!(
        "extract_many, {count} clips, {THREADS} threads: {ours:.2} s, the program {theirs:.2} s, ratio {:.3} (goal: 1.03)",
        ours / theirs
    );
    Ok(())
}

fn packages(rounds: usize) -> Result<()> {
    let folder = repository().join("target/python-bench-files");
    std::fs::create_dir_all(&folder)?;
    let mut seconds = 0.0;
    let extractor = Extractor::builder(Model::bundled("msd-musicnn-1")?).threads(1).build()?;
    for name in ["ground.ogg", "idle_tune.mp3", "sky.ogg"] {
        std::fs::copy(recording(name), folder.join(name))?;
        seconds +=
            extractor.run_file(folder.join(name), &mut |_: &sleeve::extractor::Rows<'_>| Ok(()))?.seconds;
    }
    let sides =
        [(OURS, "sleeve"), ("python-musicnn", "musicnn"), ("essentia-tensorflow", "essentia-tensorflow")];
    let mut started = Vec::new();
    for (environment, name) in sides {
        if !repository().join("target").join(environment).join("bin/python").exists() {
            println!("{name}: left out, it is not installed in target/{environment}");
            continue;
        }
        if name == "essentia-tensorflow" && !folder.join("musicnn.pb").exists() {
            println!("{name}: left out, target/python-bench-files has no musicnn.pb");
            continue;
        }
        let mut side = Peer::start(environment, SCRIPT, &folder)?;
        let load = side.ask("load")?[0];
        side.ask("run")?;
        started.push((name, side, load, Vec::new()));
    }
    for _ in 0..rounds {
        for (_, side, _, walls) in &mut started {
            walls.push(side.ask("run")?[0]);
        }
    }
    println!(
        "{:22} {:>14} {:>14} {:>12} {:>12}",
        "from file to mean", "x real time", "peak memory", "start", "on disk"
    );
    let mut own = None;
    for (name, side, load, walls) in &mut started {
        let wall = median(walls);
        let (memory, size) = (side.ask("memory")?[0], side.ask("size")?[0]);
        let own = *own.get_or_insert(wall);
        println!(
            "{name:22} {:12.0} x {:11.0} MB {load:10.2} s {:9.0} MB   time {:.1} of ours",
            seconds / wall,
            memory / 1e6,
            size / 1e6,
            wall / own
        );
    }
    Ok(())
}
