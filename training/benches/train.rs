//! `cargo xtask bench train`: training patches per second (forward and backward passes and the optimizer's step),
//! compared with PyTorch in the same run with the same settings; the share of time in which a run waits for its data;
//! and a run by `torchrun` with a process for each CUDA device (two on a CPU), compared with one process that computes
//! as many groups.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use clap::Parser;
use sleeve_training::checkpoint::Checkpoint;
use sleeve_training::config::Config;
use sleeve_training::network::masks::Masks;
use sleeve_training::network::model::Factors;
use sleeve_training::splits::Part as Portion;
use sleeve_training::train::device;
use sleeve_training::train::flat::Layout;
use sleeve_training::train::learner::{Computation, Learner};
use sleeve_training::train::objective::{Batch, Learnt, Part, plan};
use sleeve_training::train::processes::Processes;
use sleeve_training::train::sources::{Data, Source};
use sleeve_training::train::stage::Stage;
use support::dataset;
use tch::{Device, Kind, Tensor};

/// Each figure is the best of this many rounds.
const ROUNDS: usize = 3;

#[derive(Parser)]
struct Arguments {
    /// auto, cpu, cuda or cuda:N.
    #[arg(long, default_value = "auto")]
    device: String,
    /// auto, f32 or bf16.
    #[arg(long, default_value = "auto")]
    precision: String,
    /// Patches per batch; by default 400 on CUDA and 32 on the CPU.
    #[arg(long)]
    patches: Option<usize>,
    /// Steps per round; by default 20 on CUDA and 2 on the CPU.
    #[arg(long)]
    steps: Option<usize>,
    /// Added by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let arguments = Arguments::parse();
    let changes =
        [format!("run.device={}", arguments.device), format!("run.precision={}", arguments.precision)];
    let changes: Vec<&str> = changes.iter().map(String::as_str).collect();
    let config = dataset::config("track", &changes);
    let computation = device::choose(&config.run, None).unwrap_or_else(|error| panic!("{error}"));
    let on_cuda = computation.device.is_cuda();
    let patches = arguments.patches.unwrap_or(if on_cuda { 400 } else { 32 }) / 2 * 2;
    let steps = arguments.steps.unwrap_or(if on_cuda { 20 } else { 2 });
    println!(
        "{}: {patches} patches per batch, one batch per step, best of {ROUNDS} rounds of {steps} steps",
        device::describe(&computation)
    );

    let mut ours = Vec::new();
    for (name, layout) in [("channels last", Layout::ChannelsLast), ("channels first", Layout::ChannelsFirst)]
    {
        let pace = pace(&config, Computation { layout, ..computation }, patches, steps);
        println!("  sleeve-train, {name:<14} {pace:>10.1} patches/s");
        ours.push((layout, pace));
    }
    let own = ours.iter().find(|(layout, _)| *layout == computation.layout).expect("it is one of the two").1;
    peers(&computation, patches, steps, own);
    waiting(&config, computation);
    torchrun(&arguments, &computation);
}

fn learner(config: &Config, computation: Computation) -> Learner {
    let (description, terms) = plan(&config.objective, &Learnt::default()).expect("sound");
    let checkpoint = Checkpoint::untrained(description, 1).expect("sound");
    Learner::new(&checkpoint, &terms, &config.optimizer, computation).expect("a device")
}

fn pace(config: &Config, computation: Computation, patches: usize, steps: usize) -> f64 {
    let mut learner = learner(config, computation);
    let device = computation.device;
    let values = Tensor::rand([patches as i64, 128, 96], (Kind::Float, device)) * 4.0;
    let processes = Processes::alone();
    let mut step = |number: usize| {
        let masks = Masks::draw(patches, 1, number as u64, 0);
        let factors = Factors::split(&masks, &Factors::gather(&masks).to_device(device));
        let parts = vec![Part::Pairs { count: patches / 2, allowed: None }];
        let batch = Batch { patches: values.shallow_clone(), parts };
        learner.step([Ok((batch, factors))].into_iter(), 1, 1e-3, &processes).expect("a step")
    };
    (0..2).for_each(|number| drop(step(number).read()));
    let round = |_| {
        let start = Instant::now();
        let last = (0..steps).map(&mut step).last().expect("at least one step");
        let _ = last.read();
        (patches * steps) as f64 / start.elapsed().as_secs_f64()
    };
    (0..ROUNDS).map(round).fold(0.0, f64::max)
}

/// The Python with PyTorch that `cargo xtask bench train` has installed.
fn python() -> PathBuf {
    match std::env::var_os("SLEEVE_BENCH_PYTHON") {
        Some(python) => python.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/bench-torch/bin/python"),
    }
}

/// PyTorch with the same settings.
fn peers(computation: &Computation, patches: usize, steps: usize, own: f64) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = python();
    let (name, threads) = match computation.device {
        Device::Cuda(index) => (format!("cuda:{index}"), 0),
        _ => ("cpu".into(), tch::get_num_threads()),
    };
    let precision = if computation.bfloat16 { "bf16" } else { "f32" };
    let mut ways = vec![("PyTorch eager", vec![])];
    if computation.device.is_cuda() {
        ways.push(("torch.compile", vec!["compile"]));
    }
    for (what, more) in ways {
        let mut command = Command::new(&python);
        command.arg(here.join("benches/peers/train_eager.py")).arg(&name);
        command.args([patches.to_string(), steps.to_string(), precision.into()]).args(more);
        if threads > 0 {
            command.env("OMP_NUM_THREADS", threads.to_string());
        }
        match command.output() {
            Err(error) => println!("  {what}: {}: {error}", python.display()),
            Ok(output) => match String::from_utf8_lossy(&output.stdout).trim().parse::<f64>() {
                Ok(pace) => {
                    println!("  {what:<28} {pace:>10.1} patches/s; ours is {:.2} times as fast", own / pace)
                }
                Err(_) => println!("  {what}: {}", String::from_utf8_lossy(&output.stderr).trim()),
            },
        }
    }
}

/// A short epoch from features on disk, which have been read once before.
fn waiting(config: &Config, computation: Computation) {
    let folder = tempfile::tempdir().expect("room");
    dataset::write(folder.path(), &[]);
    let mut config = config.clone();
    config.run.groups = 1;
    config.data.crops = if computation.device.is_cuda() { 40 } else { 1 };
    let data = dataset::open(folder.path());
    let readers = sleeve_training::batches::Readers::new(config.data.loader_threads, config.data.ahead);
    let data = Data { dataset: &data, config: &config, teachers: None, readers: &readers };
    let source = Source::open(&data, Portion::Train).expect("it has pairs");
    let mut learner = learner(&config, computation);
    let (steps, processes) = (source.steps(0, 1).expect("enough"), Processes::alone());
    let mut stage = Stage::start(&source, &config, 0, (0, steps), &[0], computation.device);
    let (start, mut patches, mut last) = (Instant::now(), 0, None);
    for _ in 0..steps {
        let batches = stage.step().map(|staged| {
            let staged = staged?;
            patches += staged.host.tracks.len();
            Ok(staged.on(computation.device))
        });
        last = Some(learner.step(batches, 1, 1e-3, &processes).expect("a step"));
    }
    let _ = last.expect("a step").read();
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "  from features: {:.1} patches/s over {steps} steps of {} patches, waiting {:.2} % of the time",
        patches as f64 / seconds,
        patches / steps,
        100.0 * stage.waited.as_secs_f64() / seconds
    );
}

/// The same run by PyTorch's launcher and by one process, with the same groups: the speed of each, and in double
/// precision whether they give the same losses. (In single precision, the first steps at the paper's learning rate
/// amplify rounding errors.)
fn torchrun(arguments: &Arguments, computation: &Computation) {
    let count = if computation.device.is_cuda() { tch::Cuda::device_count().max(1) as usize } else { 2 };
    let folder = tempfile::tempdir().expect("room");
    dataset::write(folder.path(), &[]);
    let losses = |precision: &str, epochs: usize| -> Option<[f64; 2]> {
        let mut losses = [0.0; 2];
        let runs = [("one process", "one"), (&*format!("torchrun, {count} processes"), "many")];
        for ((what, run), loss) in runs.iter().zip(&mut losses) {
            let out = folder.path().join(format!("{run}-{precision}"));
            let train = train(folder.path(), &out, computation, count, precision, epochs);
            let (pace, last) = trained(&out, what, *run == "many", count, &train)?;
            println!(
                "  {what:<24} {precision:<5} {pace:>8.1} patches/s, {count} groups, loss {last:.6} after {epochs} epochs"
            );
            *loss = last;
        }
        println!("  the losses differ by {:.1e}", (losses[0] - losses[1]).abs());
        Some(losses)
    };
    if losses(&arguments.precision, 3).is_some()
        && let Some([one, many]) = losses("f64", 1)
    {
        assert!((one - many).abs() <= 1e-6 * one.abs(), "not one run: {one} and {many}");
    }
}

/// The program and its arguments for training on a data set.
fn train(
    folder: &Path,
    out: &Path,
    computation: &Computation,
    groups: usize,
    precision: &str,
    epochs: usize,
) -> Vec<String> {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/track.toml");
    let mut list: Vec<String> =
        vec![env!("CARGO_BIN_EXE_sleeve-train").into(), "train".into(), config.display().to_string()];
    let (data, features) = (folder.to_owned(), folder.join("features"));
    for (option, place) in [("--data", &*data), ("--features", &features), ("--out", out)] {
        list.extend([option.to_owned(), place.display().to_string()]);
    }
    let device = if computation.device.is_cuda() { "cuda" } else { "cpu" };
    for change in [
        format!("run.device={device}"),
        format!("run.precision={precision}"),
        format!("run.groups={groups}"),
        format!("objective.associations.track.pairs={}", (64 / groups).clamp(2, 8)),
        "data.crops=8".into(),
        format!("run.epochs={epochs}"),
        "swa.epochs=0".into(),
    ] {
        list.extend(["--set".to_owned(), change]);
    }
    list
}

/// Runs it, alone or by `torchrun`: the best pace of its epochs and the loss of the last, or a message why there is
/// none.
fn trained(out: &Path, what: &str, by_torchrun: bool, count: usize, train: &[String]) -> Option<(f64, f64)> {
    let launcher = python().with_file_name("torchrun");
    let mut command = Command::new(if by_torchrun { launcher.as_path() } else { Path::new(&train[0]) });
    if by_torchrun {
        command.args(["--standalone", "--no-python", "--nproc-per-node", &count.to_string(), &train[0]]);
    }
    match command.args(&train[1..]).output() {
        Err(error) => {
            println!("  {what}: {}: {error}", launcher.display());
            return None;
        }
        Ok(output) if !output.status.success() => {
            println!("  {what}: {}", String::from_utf8_lossy(&output.stderr).trim());
            return None;
        }
        Ok(_) => {}
    }
    let log = sleeve_training::runlog::read(out).expect("a log");
    let paces = log.iter().filter_map(|entry| entry.values.get("patches_per_second"));
    let pace = paces.copied().fold(0.0, f64::max);
    let last = log.iter().rev().find_map(|entry| entry.values.get("train/track/loss")).expect("a loss");
    Some((pace, *last))
}
