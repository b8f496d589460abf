//! MusiCNN in the ONNX engine compared with onnxruntime, in one run: `cargo xtask bench onnx`.
//!
//! Milliseconds per patch for both outputs, on one and two threads. The sides take turns; medians are compared.
//! onnxruntime runs with one patch at a time and with sixteen; the better figure counts. The arguments are other models
//! to run: anything that `Model::open` accepts.
//!
//! Measured on two cores of a busy Sapphire Rapids server (so only ratios are meaningful, and those on two threads less
//! than those on one):
//!
//! | | threads | opening | sleeve (rten 0.27) | onnxruntime 1.32, patches of 1 | of 16 |
//! |---|---|---|---|---|---|
//! | msd-musicnn-1 | 1 | 1.6 ms | 11.5 ms | 4.6 ms | 6.2 ms |
//! | msd-musicnn-1 | 2 | 1.5 ms | 13.1 ms | 10.4 ms | 11.2 ms |
//! | mtt-musicnn-1 | 1 | 6.1 ms | 41.1 ms | 19.5 ms | 22.7 ms |
//! | mtt-musicnn-1 | 2 | 2.2 ms | 48.0 ms | 40.2 ms | 38.7 ms |
//! | a head, 1280 to 512 to 400 | 1 | 6.9 ms | 0.03 ms | 0.20 ms | 0.03 ms |
//!
//! On an idle machine, rten needs 8 ms for one patch of msd-musicnn-1, nearly all of it to pack the windows of the five
//! wide convolutions with few filters.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use sleeve::engine::{Engine, EngineChoice, EngineOptions};
use sleeve::model::Model;
use sleeve_benches::median;

const PATCHES: usize = 16;

fn main() -> Result<()> {
    let repetitions: usize = std::env::var("SLEEVE_BENCH_REPETITIONS").map_or(Ok(9), |text| text.parse())?;
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let named: Vec<PathBuf> =
        std::env::args_os().skip(1).filter(|name| name != "--bench").map(PathBuf::from).collect();
    let shipped = ["msd-musicnn-1.onnx", "mtt-musicnn-1.onnx"].map(|name| root.join("models").join(name));
    let models = if named.is_empty() { shipped.to_vec() } else { named };

    println!("ms per patch, median of {repetitions} x {PATCHES} patches\n");
    println!(
        "{:<18}{:>8}{:>9}{:>9}{:>14}{:>15}{:>8}",
        "", "threads", "open", "sleeve", "onnxruntime 1", "onnxruntime 16", "ratio"
    );
    for path in &models {
        for threads in [1, 2] {
            let mut opened = Vec::new();
            for _ in 0..repetitions {
                let started = Instant::now();
                engine(path, threads)?;
                opened.push(started.elapsed().as_secs_f64());
            }
            let ours = engine(path, threads)?;
            let mut peers = [1, PATCHES].map(|batch| Peer::start(&root, path, threads, batch));
            let mut times = [const { Vec::new() }; 3];
            run(&*ours)?;
            for _ in 0..repetitions {
                times[0].push(run(&*ours)?);
                for (peer, times) in peers.iter_mut().zip(&mut times[1..]) {
                    if let Some(peer) = peer {
                        times.push(peer.run()?);
                    }
                }
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let per_patch = |times: &[f64]| 1e3 * median(times) / PATCHES as f64;
            print!("{name:<18}{threads:>8}{:>9.1}{:>9.2}", 1e3 * median(&opened), per_patch(&times[0]));
            if times[1].is_empty() {
                println!("   no onnxruntime in target/peers (cargo xtask peers)");
            } else {
                let theirs = [per_patch(&times[1]), per_patch(&times[2])];
                let ratio = theirs[0].min(theirs[1]) / per_patch(&times[0]);
                println!("{:>14.2}{:>15.2}{ratio:>8.2}", theirs[0], theirs[1]);
            }
        }
    }
    Ok(())
}

/// Opens a model, ready to run.
fn engine(path: &Path, threads: usize) -> Result<std::sync::Arc<dyn Engine>> {
    let options = EngineOptions::default().engine(EngineChoice::Onnx).threads(threads);
    Ok(Model::open(path)?.engine(&options)?)
}

/// Seconds for all patches.
fn run(engine: &dyn Engine) -> Result<f64> {
    let input: Vec<f32> =
        (0..PATCHES * engine.input().len()).map(|index| (index % 997) as f32 / 250.0).collect();
    let mut buffers: Vec<Vec<f32>> =
        engine.outputs().iter().take(2).map(|output| vec![0.0; PATCHES * output.dim]).collect();
    let mut wanted: Vec<(usize, &mut [f32])> =
        buffers.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
    let started = Instant::now();
    engine.run(&input, PATCHES, &mut wanted)?;
    Ok(started.elapsed().as_secs_f64())
}

/// onnxruntime in its own process.
struct Peer {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Peer {
    fn start(root: &Path, model: &Path, threads: usize, batch: usize) -> Option<Peer> {
        let mut child = Command::new(root.join("target/peers/bin/python"))
            .arg(root.join("benches/peers/onnxruntime_patches.py"))
            .arg(model)
            .args([threads.to_string(), batch.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .ok()?;
        let requests = child.stdin.take()?;
        let answers = BufReader::new(child.stdout.take()?);
        let mut peer = Peer { child, requests, answers };
        (peer.answer().ok()? == "ready").then_some(peer)
    }

    fn answer(&mut self) -> Result<String> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    fn run(&mut self) -> Result<f64> {
        writeln!(self.requests, "{PATCHES}")?;
        self.answer()?.parse().context("onnxruntime answers with seconds")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
