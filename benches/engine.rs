//! The fused engine compared with onnxruntime, OpenVINO and rten on every convolutional network, in one interleaved run:
//! `cargo xtask bench engine`.
//!
//! The engines of a case take turns with one batch each, round after round, so that other load on the machine affects
//! all of them equally. The medians of the rounds are compared. Options:
//!
//! - `--rounds N`: rounds of each case (default 15)
//! - `--cpu`: compare CPU time instead of wall clock (for a machine with other load)
//! - `--network TEXT`: only networks whose name contains the text; `--case TEXT` likewise (`1x16` is 1 thread, batch 16)
//! - `--no-rten`, `--no-openvino`: without these peers
//! - `--operations`: the time of each operation of the network, at batch 16 on one thread
//! - `--instructions`: instructions of one patch under callgrind, AVX2 and portable kernels

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sleeve::engine::effnet::KernelSet;
use sleeve::engine::fused::{FusedEngine, Network};
use sleeve::engine::{Engine, EngineChoice, EngineOptions, InputSpec, OutputSpec, Precision, Purpose};
use sleeve::model::Model;
use sleeve_benches::peak::peak_gflops;
use sleeve_benches::{Peer, cpu, median, repository};

/// Networks: the file (those of the repository's `models/`, or made with random weights), and the largest ratio of our
/// time to onnxruntime's for 1 thread and batch 16, 1 thread and batch 1, 2 threads and batch 16.
const NETWORKS: [(&str, [f64; 3]); 14] = [
    ("msd-musicnn-1", [0.70, 0.80, 0.72]),
    ("mtt-musicnn-1", [0.60, 0.70, 0.65]),
    ("zoo/msd-musicnn-1", [0.60, 0.70, 0.65]),
    ("zoo/audioset-vggish-3", [0.90, 1.00, 0.90]),
    ("msd-vgg-1", [0.90, 1.00, 0.90]),
    ("zoo/openl3-music-mel128-emb512-3", [0.90, 1.00, 0.90]),
    ("zoo/audioset-yamnet-1", [0.60, 0.75, 0.65]),
    ("zoo/deepsquare-k16-3", [0.80, 0.90, 0.85]),
    ("zoo/deeptemp-k16-3", [0.80, 0.90, 0.85]),
    ("zoo/deeptemp-k4-3", [0.80, 0.90, 0.85]),
    ("zoo/fsd-sinet-vgg41-tlpf-1", [0.80, 0.90, 0.85]),
    ("zoo/fsd-sinet-vgg42-tlpf-1", [0.80, 0.90, 0.85]),
    ("zoo/genre_discogs400-discogs-effnet-1", [1.00, 1.00, 1.00]),
    ("zoo/mood_happy-msd-musicnn-1", [1.00, 1.00, 1.00]),
];

/// Threads and batch.
const CASES: [(usize, usize); 3] = [(1, 16), (1, 1), (2, 16)];

struct Options {
    rounds: usize,
    cpu: bool,
    rten: bool,
    openvino: bool,
    case: Option<String>,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    if let Some(set) = value("--under-valgrind") {
        let count = value("--count").context("--count")?.parse()?;
        return run_patches(&PathBuf::from(value("--file").context("--file")?), &set, count);
    }
    let options = Options {
        rounds: value("--rounds").map_or(Ok(15), |text| text.parse())?,
        cpu: has("--cpu"),
        rten: !has("--no-rten"),
        openvino: !has("--no-openvino"),
        case: value("--case"),
    };
    let peak = peak_gflops();
    println!("f32 multiply-add peak of one core: {peak:.0} GFLOP/s");
    for (name, goals) in NETWORKS {
        if value("--network").is_some_and(|text| !name.contains(&text)) {
            continue;
        }
        let path = file(name)?;
        let bench = Bench::open(name, &path)?;
        for ((threads, batch), goal) in CASES.into_iter().zip(goals) {
            let case = format!("{threads}x{batch}");
            if options.case.as_ref().is_none_or(|text| case.contains(text)) {
                bench.run(threads, batch, goal, peak, &options)?;
            }
        }
        if has("--operations") {
            bench.operations(options.rounds, peak)?;
        }
        if has("--instructions") {
            bench.instructions()?;
        }
    }
    Ok(())
}

/// The file of a network, made if it is not there yet.
fn file(name: &str) -> Result<PathBuf> {
    let Some(stem) = name.strip_prefix("zoo/") else {
        return Ok(repository().join("models").join(format!("{name}.onnx")));
    };
    let folder = repository().join("target/bench-engine");
    let path = folder.join(format!("{stem}.onnx"));
    if !path.exists() {
        let python = repository().join("target/bench-peers/bin/python");
        let mut command = Command::new(python);
        command.arg(repository().join("tests/peers/make_zoo.py")).arg(&folder).arg(stem).arg("--full");
        ensure!(command.status()?.success(), "make_zoo.py failed");
    }
    Ok(path)
}

struct Bench {
    name: &'static str,
    path: PathBuf,
    row: Vec<usize>,
    network: Arc<Network>,
    products: usize,
}

/// The shape of a row of a network's input.
fn row(path: &Path) -> Result<Vec<usize>> {
    let file = sleeve::internal::onnx::Model::read(std::fs::read(path)?).map_err(anyhow::Error::msg)?;
    let inputs = file.signature().inputs;
    let dims = inputs.first().and_then(|input| input.dims.clone()).context("no input")?;
    dims.into_iter().skip(1).map(|dim| dim.context("an open shape")).collect()
}

fn best() -> KernelSet {
    KernelSet::best(Precision::F32).unwrap_or(KernelSet::Portable)
}

impl Bench {
    fn open(name: &'static str, path: &Path) -> Result<Self> {
        let row = row(path)?;
        let start = Instant::now();
        let network = Network::read(std::fs::read(path)?, &row, best()).map_err(anyhow::Error::msg)?;
        let network = Arc::new(network);
        let engine = engine(&network, &row, 1)?;
        run(&engine, &input(&engine, 1), 1)?;
        let products = network.operations().map(|(_, products)| products).sum::<usize>();
        println!(
            "\n{name}: {:.1} million multiply-adds, {:.1} MB of memory a thread, first patch after {:.0} ms",
            products as f64 / 1e6,
            network.workspace_bytes() as f64 / 1e6,
            start.elapsed().as_secs_f64() * 1e3
        );
        Ok(Self { name, path: path.to_owned(), row, network, products })
    }

    fn run(&self, threads: usize, batch: usize, goal: f64, peak: f64, options: &Options) -> Result<()> {
        let ours = engine(&self.network, &self.row, threads)?;
        let mut names = vec!["sleeve"];
        let mut peers = Vec::new();
        let mut add = |engine: &'static str| -> Result<()> {
            names.push(engine);
            let script = repository().join("benches/peers/engine_peer.py");
            let mut command = Command::new(repository().join("target/bench-peers/bin/python"));
            command.arg(script).arg(engine).arg(&self.path).args([threads.to_string(), batch.to_string()]);
            peers.push(Peer::spawn(&mut command)?);
            Ok(())
        };
        add("onnxruntime")?;
        if options.openvino {
            add("openvino-f32")?;
        }
        let rten = if options.rten { Some(self.rten(threads, batch)?) } else { None };
        names.extend(rten.as_ref().map(|_| "rten"));
        let rows = input(&ours, batch);
        // Short runs are repeated within a turn: in the first, caches hold the others' values.
        let once = {
            run(&ours, &rows, batch)?;
            let start = Instant::now();
            run(&ours, &rows, batch)?;
            start.elapsed().as_secs_f64()
        };
        let repeats = (0.01 / once).clamp(1.0, 20.0) as usize;
        let mut times = vec![Vec::new(); names.len()];
        for round in 0..options.rounds {
            std::thread::sleep(Duration::from_millis(10));
            for repeat in 0..=repeats {
                let time = timed(&ours, &rows, batch, options.cpu)?;
                if repeat > 0 {
                    times[0].push(time);
                }
            }
            for (index, peer) in peers.iter_mut().enumerate() {
                for repeat in 0..=repeats {
                    let answer = peer.ask("")?;
                    if repeat > 0 {
                        times[index + 1].push(answer[usize::from(options.cpu)]);
                    }
                }
            }
            if let Some(rten) = rten.as_ref().filter(|_| round < 3) {
                times[names.len() - 1].push(timed(&**rten, &rows, batch, options.cpu)?);
            }
        }
        println!("  {threads} thread(s), batch {batch}");
        let medians: Vec<f64> = times.iter().map(|times| median(times) * 1e3 / batch as f64).collect();
        for (name, ms) in names.iter().zip(&medians) {
            let gflops = 2.0 * self.products as f64 / (ms * 1e-3) / 1e9;
            println!(
                "    {name:14} {ms:8.3} ms/patch {gflops:7.1} GFLOP/s {:4.0} % of peak {:6.2} x ours",
                100.0 * gflops / (peak * threads as f64),
                ms / medians[0]
            );
        }
        let ratio = medians[0] / medians[1];
        let verdict = if ratio <= goal { "ok" } else { "MISSED" };
        println!(
            "    {} {threads}x{batch} sleeve / onnxruntime: {ratio:.2} (at most {goal:.2}) {verdict}",
            self.name
        );
        Ok(())
    }

    fn rten(&self, threads: usize, batch: usize) -> Result<Arc<dyn Engine>> {
        let options = EngineOptions::default().threads(threads).engine(EngineChoice::Onnx).batch_size(batch);
        Ok(Model::open(&self.path)?.engine(&options)?)
    }

    fn operations(&self, rounds: usize, peak: f64) -> Result<()> {
        let engine = engine(&self.network, &self.row, 1)?;
        let rows = input(&engine, 16);
        let mut best: Vec<u64> = Vec::new();
        for _ in 0..rounds.max(3) {
            let mut out = outputs(&engine, 16);
            let mut wanted: Vec<(usize, &mut [f32])> =
                out.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
            let times = engine.run_timed(&rows, 16, &mut wanted)?;
            best.resize(times.len(), u64::MAX);
            best.iter_mut().zip(times).for_each(|(best, time)| *best = (*best).min(time));
        }
        println!("  microseconds per patch by operation (batch 16, minimum of the rounds)");
        for ((label, products), time) in self.network.operations().zip(&best) {
            let micros = *time as f64 / 16e3;
            let gflops = 2.0 * products as f64 / (micros * 1e-6) / 1e9;
            println!("    {micros:9.1}  {gflops:6.1} GFLOP/s {:4.0} %  {label}", 100.0 * gflops / peak);
        }
        println!("    {:9.1}  all", best.iter().sum::<u64>() as f64 / 16e3);
        Ok(())
    }

    fn instructions(&self) -> Result<()> {
        for set in [KernelSet::Avx2, KernelSet::Portable] {
            let count = |patches: usize| -> Result<f64> {
                let mut command = Command::new("valgrind");
                command
                    .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
                    .arg(std::env::current_exe()?);
                command.arg("--under-valgrind").arg(set.to_string()).arg("--count").arg(patches.to_string());
                let output =
                    command.arg("--file").arg(&self.path).output().context("valgrind is not installed")?;
                let text = String::from_utf8_lossy(&output.stderr).into_owned();
                let line = text.lines().find(|line| line.contains("Collected :"));
                let number = line.and_then(|line| line.rsplit(' ').next());
                Ok(number.with_context(|| text.clone())?.parse()?)
            };
            println!("  {set}: {:.1} million instructions per patch", (count(2)? - count(1)?) / 1e6);
        }
        Ok(())
    }
}

/// The program that runs under valgrind: patches one after the other on one thread.
fn run_patches(path: &Path, set: &str, count: usize) -> Result<()> {
    let Some(set) = KernelSet::ALL.into_iter().find(|candidate| candidate.to_string() == set) else {
        bail!("no kernel set {set}");
    };
    let row = row(path)?;
    let network = Network::read(std::fs::read(path)?, &row, set).map_err(anyhow::Error::msg)?;
    let engine = engine(&Arc::new(network), &row, 1)?;
    let patch = input(&engine, 1);
    for _ in 0..count {
        run(&engine, &patch, 1)?;
    }
    Ok(())
}

fn engine(network: &Arc<Network>, row: &[usize], threads: usize) -> Result<FusedEngine> {
    let outputs =
        network.outputs().iter().map(|(name, dim)| OutputSpec::new(name, Purpose::Other, *dim)).collect();
    let input = InputSpec::Vector { dim: row.iter().product() };
    Ok(FusedEngine::new(Arc::clone(network), input, outputs, &EngineOptions::default().threads(threads))?)
}

/// Values like those of mel bands, the same in every run.
fn input(engine: &dyn Engine, rows: usize) -> Vec<f32> {
    (0..rows * engine.input().len()).map(|index| (index * 7919 % 997) as f32 / 250.0).collect()
}

fn outputs(engine: &dyn Engine, rows: usize) -> Vec<Vec<f32>> {
    engine.outputs().iter().map(|output| vec![0.0; rows * output.dim]).collect()
}

fn run(engine: &dyn Engine, input: &[f32], rows: usize) -> Result<()> {
    timed(engine, input, rows, false).map(drop)
}

/// Seconds of one batch, all outputs.
fn timed(engine: &dyn Engine, input: &[f32], rows: usize, cpu_time: bool) -> Result<f64> {
    let mut out = outputs(engine, rows);
    let mut wanted: Vec<(usize, &mut [f32])> = out.iter_mut().map(Vec::as_mut_slice).enumerate().collect();
    let (start, used) = (Instant::now(), cpu::process_seconds());
    engine.run(input, rows, &mut wanted)?;
    let used = cpu::process_seconds() - used;
    Ok(if cpu_time { used } else { start.elapsed().as_secs_f64() })
}
