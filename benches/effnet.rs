//! The fused EfficientNet-B0 engine compared with onnxruntime, OpenVINO and rten, in one interleaved run.
//!
//! The engines of a case take turns with one batch each, round after round, so that other load on the machine affects
//! all of them equally. The medians of the rounds are compared. With batches of one patch, a turn is ten runs, of which
//! the last five count: in the first ones the caches are full of the others' weights, and the system has not yet spread
//! the threads over the cores. Options:
//!
//! - `--rounds N`: rounds of each case (default 15)
//! - `--cpu`: compare CPU time instead of wall clock (for a machine with other load; one thread only)
//! - `--stages`: the time of each stage of each block
//! - `--instructions`: instructions of one patch under callgrind, AVX2 and portable kernels (valgrind hides
//!   AVX-512)
//! - `--case TEXT`: only cases whose name contains the text

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sleeve::engine::effnet::{EffnetEngine, KernelSet, Network, Stage};
use sleeve::engine::{Engine, EngineChoice, EngineOptions, Precision};
use sleeve::model::Model;
use sleeve_benches::peak::peak_gflops;
use sleeve_benches::{median, repository};

const PATCH: usize = 128 * 96;
/// Multiply-adds of one patch, twice.
const FLOPS: f64 = 2.0 * 92.9e6;
/// In a turn with batches of one patch: runs that are not counted, and runs that are.
const WARM_UP: usize = 5;
const COUNTED: usize = 5;
/// The index of the embeddings among the graph's outputs.
const EMBEDDINGS: usize = 1;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |name: &str| arguments.iter().any(|argument| argument == name);
    let value = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    if let Some(set) = value("--patches-under-valgrind") {
        return run_patches(&set, value("--count").context("--count")?.parse()?);
    }
    let rounds = value("--rounds").map_or(Ok(15), |text| text.parse())?;
    let bench = Bench::prepare(rounds, has("--cpu"))?;
    let peak = peak_gflops();
    println!("f32 multiply-add peak of one core: {peak:.0} GFLOP/s");
    for case in cases() {
        if value("--case").is_none_or(|text| case.name.contains(&text)) {
            bench.run(&case, peak)?;
        }
    }
    if has("--stages") {
        for set in KernelSet::ALL.into_iter().filter(|set| set.is_available()) {
            bench.stages(set)?;
        }
    }
    if has("--instructions") {
        bench.instructions()?;
    }
    Ok(())
}

/// Engines that are measured together.
struct Case {
    name: &'static str,
    threads: usize,
    batch: usize,
    contenders: Vec<Who>,
    /// An engine, another engine, and the largest ratio of their times that meets the goal.
    goals: Vec<(usize, usize, f64)>,
}

#[derive(Clone, Copy)]
enum Who {
    Ours(KernelSet),
    /// An engine of `effnet_peer.py`.
    Peer(&'static str),
    Rten,
}

fn cases() -> Vec<Case> {
    use Who::{Ours, Peer, Rten};
    let f32 = KernelSet::best(Precision::F32).unwrap_or(KernelSet::Portable);
    let mut all = Vec::new();
    let mut ours = vec![Ours(f32), Peer("onnxruntime"), Peer("openvino-f32")];
    let mut one = ours.clone();
    let mut goals = vec![(0, 1, 0.50)];
    if KernelSet::Avx2.is_available() && f32 != KernelSet::Avx2 {
        one.push(Ours(KernelSet::Avx2));
        goals.push((one.len() - 1, 0, 1.25));
    }
    one.extend([Ours(KernelSet::Portable), Rten]);
    all.push(Case { name: "f32, 1 thread, batch 64", threads: 1, batch: 64, contenders: one, goals });
    ours.push(Rten);
    let same = |name, threads, batch, most| Case {
        name,
        threads,
        batch,
        contenders: ours.clone(),
        goals: vec![(0, 1, most)],
    };
    all.push(same("f32, 2 threads, batch 64", 2, 64, 0.52));
    all.push(same("f32, 1 thread, batch 1", 1, 1, 0.70));
    all.push(same("f32, 2 threads, batch 1", 2, 1, 0.65));
    if let Some(bf16) = KernelSet::best(Precision::Bf16) {
        let contenders = vec![Ours(bf16), Peer("openvino-bf16"), Peer("onnxruntime-int8")];
        let goals = vec![(0, 1, 0.62), (0, 2, 1.0)];
        let mut case = Case { name: "bf16, 1 thread, batch 64", threads: 1, batch: 64, contenders, goals };
        if bf16 != KernelSet::Avx512Bf16 {
            case.contenders.push(Ours(KernelSet::Avx512Bf16));
        }
        all.push(case);
    }
    all
}

struct Bench {
    python: PathBuf,
    model: PathBuf,
    patches_file: PathBuf,
    patches: Vec<f32>,
    network: Arc<Network>,
    rounds: usize,
    uses_cpu_time: bool,
}

/// An engine, ready to run.
enum Contender {
    Ours(Box<dyn Engine>),
    Shared(Arc<dyn Engine>),
    Peer(Server),
}

impl Bench {
    fn prepare(rounds: usize, uses_cpu_time: bool) -> Result<Self> {
        let python = repository().join("target/bench-peers/bin/python");
        ensure!(
            python.exists(),
            "no {}: run `cargo xtask bench effnet`, which creates that environment",
            python.display()
        );
        let folder = folder();
        std::fs::create_dir_all(&folder)?;
        let patches = patches();
        let patches_file = folder.join("patches.npy");
        write_npy(&patches_file, &patches)?;
        let model = folder.join("folded.onnx");
        if !model.exists() {
            let script = repository().join("tests/peers/make_effnet.py");
            let mut command = Command::new(&python);
            command.arg(script).arg(&model).args(["--style", "folded"]).arg("--patches").arg(&patches_file);
            ensure!(command.status()?.success(), "make_effnet.py failed");
        }
        let bytes = std::fs::read(&model)?;
        let start = Instant::now();
        let network = Network::recognise(bytes)?;
        let network = Arc::new(network);
        EffnetEngine::new(network.clone(), &options(1))?;
        println!("opened in {:.0} ms", start.elapsed().as_secs_f64() * 1e3);
        Ok(Self { python, model, patches_file, patches, network, rounds, uses_cpu_time })
    }

    fn start(&self, who: Who, case: &Case) -> Result<Contender> {
        Ok(match who {
            Who::Ours(set) => {
                let engine = EffnetEngine::with_kernels(self.network.clone(), &options(case.threads), set)?;
                Contender::Ours(Box::new(engine))
            }
            Who::Rten => {
                let model = Model::from_bytes("bench", std::fs::read(&self.model)?, None)?;
                let batch_size = Some(case.batch);
                let options = options(case.threads).engine(EngineChoice::Onnx).batch_size(batch_size);
                Contender::Shared(model.engine(&options)?)
            }
            Who::Peer(engine) => {
                let script = repository().join("benches/peers/effnet_peer.py");
                let mut command = Command::new(&self.python);
                command.arg(script).arg(engine).arg(&self.model).arg(&self.patches_file);
                command.arg(case.threads.to_string()).arg(case.batch.to_string());
                Contender::Peer(Server::start(&mut command).with_context(|| engine.to_owned())?)
            }
        })
    }

    fn run(&self, case: &Case, peak: f64) -> Result<()> {
        let mut contenders =
            case.contenders.iter().map(|&who| self.start(who, case)).collect::<Result<Vec<_>>>()?;
        let rounds = if case.batch == 1 { 8 * self.rounds } else { self.rounds };
        let mut times = vec![Vec::with_capacity(rounds); contenders.len()];
        for round in 0..rounds {
            for (index, contender) in contenders.iter_mut().enumerate() {
                // The slow ones would take most of the time; a few rounds are enough for them.
                let slow = matches!(case.contenders[index], Who::Rten | Who::Ours(KernelSet::Portable));
                if slow && round >= 3 {
                    continue;
                }
                // The previous engine may have threads that spin for a while after a run.
                std::thread::sleep(Duration::from_millis(20));
                let (warm_up, counted) = if case.batch == 1 { (WARM_UP, COUNTED) } else { (0, 1) };
                for run in 0..warm_up + counted {
                    let time = contender.time(&self.patches, case.batch, self.uses_cpu_time)?;
                    if run >= warm_up {
                        times[index].push(time);
                    }
                }
            }
        }
        let medians: Vec<f64> = times.iter().map(|times| median(times) * 1e3 / case.batch as f64).collect();
        println!("\n{} ({rounds} rounds)", case.name);
        for (who, ms) in case.contenders.iter().zip(&medians) {
            let gflops = FLOPS / (ms * 1e-3) / 1e9;
            let share = 100.0 * gflops / (peak * case.threads as f64);
            let times_ours = ms / medians[0];
            println!(
                "  {:22} {ms:7.3} ms/patch  {gflops:6.1} GFLOP/s  {share:4.0} % of peak  {times_ours:5.2} x",
                name(*who)
            );
        }
        for &(ours, theirs, most) in &case.goals {
            let ratio = medians[ours] / medians[theirs];
            let verdict = if ratio <= most { "ok" } else { "MISSED" };
            let (a, b) = (name(case.contenders[ours]), name(case.contenders[theirs]));
            println!("  {a} / {b}: {ratio:.2} (at most {most:.2}) {verdict}");
        }
        Ok(())
    }

    fn stages(&self, set: KernelSet) -> Result<()> {
        let engine = EffnetEngine::with_kernels(self.network.clone(), &options(1), set)?;
        let mut out = vec![0.0; 64 * 1280];
        let mut best: Vec<[u64; 4]> = Vec::new();
        for _ in 0..self.rounds {
            let wanted = &mut [(EMBEDDINGS, out.as_mut_slice())];
            let times = engine.run_timed(&self.patches[..64 * PATCH], 64, wanted)?;
            best.resize(times.len(), [u64::MAX; 4]);
            for (best, times) in best.iter_mut().zip(&times) {
                for (best, time) in best.iter_mut().zip(times) {
                    *best = (*best).min(*time);
                }
            }
        }
        println!("\n{set}: microseconds per patch at batch 64, by block (minimum of {} rounds)", self.rounds);
        println!("  block {}", Stage::ALL.map(|stage| format!("{stage:>10?}")).join(" "));
        for (row, times) in best.iter().enumerate() {
            let label = if row + 1 == best.len() { "head".to_owned() } else { (row + 1).to_string() };
            let cells = times.map(|time| format!("{:10.1}", time as f64 / 64e3)).join(" ");
            println!("  {label:>5} {cells}");
        }
        let sum: u64 = best.iter().flatten().sum();
        println!("    all {:10.1}", sum as f64 / 64e3);
        Ok(())
    }

    fn instructions(&self) -> Result<()> {
        println!();
        for set in [KernelSet::Avx2, KernelSet::Portable] {
            let counts = [2, 3].map(|count| self.count(set, count));
            let [fewer, more] = counts;
            println!("{set}: {:.1} million instructions per patch", (more? - fewer?) / 1e6);
        }
        Ok(())
    }

    /// Instructions of a whole run with `count` patches, including loading.
    fn count(&self, set: KernelSet, count: usize) -> Result<f64> {
        let mut command = Command::new("valgrind");
        command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
        command.arg("--patches-under-valgrind").arg(set.to_string()).arg("--count").arg(count.to_string());
        let output = command.output().context("valgrind is not installed")?;
        let text = String::from_utf8_lossy(&output.stderr);
        let line = text.lines().find(|line| line.contains("Collected :"));
        let number =
            line.and_then(|line| line.rsplit(' ').next()).with_context(|| text.clone().into_owned())?;
        Ok(number.parse()?)
    }
}

/// The program that runs under valgrind: patches one after the other on one thread.
fn run_patches(set: &str, count: usize) -> Result<()> {
    let Some(set) = KernelSet::ALL.into_iter().find(|candidate| candidate.to_string() == set) else {
        bail!("no kernel set {set}");
    };
    let bytes = std::fs::read(folder().join("folded.onnx"))?;
    let network = Network::recognise(bytes)?;
    let engine = EffnetEngine::with_kernels(Arc::new(network), &options(1), set)?;
    let patch = vec![0.5; PATCH];
    let mut out = vec![0.0; 1280];
    for _ in 0..count {
        engine.run(&patch, 1, &mut [(EMBEDDINGS, &mut out)])?;
    }
    Ok(())
}

impl Contender {
    /// Seconds of one batch.
    fn time(&mut self, patches: &[f32], batch: usize, uses_cpu_time: bool) -> Result<f64> {
        let engine: &dyn Engine = match self {
            Contender::Peer(server) => return server.time(uses_cpu_time),
            Contender::Ours(engine) => &**engine,
            Contender::Shared(engine) => &**engine,
        };
        let mut out = vec![0.0; batch * 1280];
        let start = Instant::now();
        let cpu = sleeve_benches::cpu::process_seconds();
        engine.run(&patches[..batch * PATCH], batch, &mut [(EMBEDDINGS, &mut out)])?;
        let cpu = sleeve_benches::cpu::process_seconds() - cpu;
        Ok(if uses_cpu_time { cpu } else { start.elapsed().as_secs_f64() })
    }
}

/// A peer's process: it reads a line, runs, and prints a line with its time.
struct Server {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Server {
    fn start(command: &mut Command) -> Result<Self> {
        let mut process =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let input = process.stdin.take().context("no standard input")?;
        let output = BufReader::new(process.stdout.take().context("no standard output")?);
        let mut server = Self { process, input, output };
        // Libraries may print to standard output first.
        while server.line()?.trim() != "ready" {}
        Ok(server)
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.output.read_line(&mut line)? > 0, "the peer ended: {}", self.process.wait()?);
        Ok(line)
    }

    fn time(&mut self, uses_cpu_time: bool) -> Result<f64> {
        self.input.write_all(b"\n")?;
        self.input.flush()?;
        let line = self.line()?;
        let mut numbers = line.split_whitespace().map(str::parse::<f64>);
        let (wall, cpu) = (numbers.next().context("no time")??, numbers.next().context("no time")??);
        Ok(if uses_cpu_time { cpu } else { wall })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn name(who: Who) -> String {
    match who {
        Who::Ours(set) => format!("sleeve ({set})"),
        Who::Peer(engine) => engine.to_owned(),
        Who::Rten => "rten".to_owned(),
    }
}

fn options(threads: usize) -> EngineOptions {
    EngineOptions::default().threads(threads)
}

fn folder() -> PathBuf {
    repository().join("target/effnet-bench")
}

/// 64 patches of mel-like values: neither silent nor saturated, the same in every run.
fn patches() -> Vec<f32> {
    let mut state = 1u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1u64 << 24) as f32
    };
    (0..64 * PATCH)
        .map(|i| {
            let (patch, band) = (i / PATCH, i % 96);
            let slope = 2.0 - 1.5 * band as f32 / 96.0;
            (slope * (0.5 + 0.5 * (patch as f32 * 0.7).sin()) + uniform()).max(0.0)
        })
        .collect()
}

/// `[64, 128, 96]` float32, as `.npy`.
fn write_npy(path: &Path, values: &[f32]) -> Result<()> {
    let array = ndarray::ArrayView3::from_shape((values.len() / PATCH, 128, 96), values)?;
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {:?}, }}", array.dim());
    let padded = format!("{header:<117}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.as_bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    Ok(std::fs::write(path, bytes)?)
}
