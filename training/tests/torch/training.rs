//! `sleeve-train train` from the user's view: runs that end early and are resumed, one process or several, and errors
//! for bad input. The data set is small and has nothing to learn.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use safetensors::SafeTensors;
use sleeve_files::npy::{Dtype, NpyWriter};
use sleeve_tests::skip;
use sleeve_training::checkpoint::Checkpoint;
use sleeve_training::features::Store;
use sleeve_training::train::run::read_state;

use crate::support::dataset;

/// Tracks from this number have no features, so that epochs are short.
const UNREAD: u32 = 48;

/// A data set, and folders for runs of it.
struct Place(tempfile::TempDir);

impl Place {
    fn new(unread: &[u32]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        dataset::write(folder.path(), unread);
        Place(folder)
    }

    fn small() -> Self {
        Place::new(&(UNREAD..dataset::TRACKS).collect::<Vec<_>>())
    }

    fn run(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The command that trains `model` in the run of this name.
    fn train(&self, model: &str, run: &str, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve-train"));
        let config = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("configs/{model}.toml"));
        command.arg("train").arg(config).arg("--data").arg(self.0.path());
        command.arg("--features").arg(self.0.path().join("features")).arg("--out").arg(self.run(run));
        for change in ["run.device=cpu", "run.epochs=3", "swa.epochs=2", "data.loader_threads=1"] {
            command.args(["--set", change]);
        }
        // Bits depend on the number of threads.
        command.args(more).env("OMP_NUM_THREADS", "1").stdin(Stdio::null());
        for name in ["RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"] {
            command.env_remove(name);
        }
        command
    }

    fn fails(&self, model: &str, run: &str, more: &[&str]) -> String {
        let output = self.train(model, run, more).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{more:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// Starts a command, and waits until it has printed a line that begins with `line`.
fn until(command: &mut Command, line: &str) -> (Child, BufReader<std::process::ChildStdout>) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.lines().any(|one| one.starts_with(line)) {
        let read = output.read_line(&mut seen).unwrap();
        if read == 0 {
            let mut errors = String::new();
            child.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
            panic!("ended before {line:?}: {seen}{errors}");
        }
    }
    (child, output)
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

fn interrupt(child: &Child) {
    signal(child, "-INT");
}

/// Whether two runs have the same bits in all their files, the state of the optimizer included.
#[track_caller]
fn same_bits(one: &Path, other: &Path) {
    for file in ["last", "best", "swa"] {
        let [a, b] = [one, other].map(|run| std::fs::read(run.join(format!("{file}.safetensors"))).unwrap());
        let [a, b] = [&a, &b].map(|bytes| SafeTensors::deserialize(bytes).unwrap());
        assert_eq!(a.len(), b.len());
        for (name, tensor) in a.iter() {
            assert!(tensor.data() == b.tensor(name).unwrap().data(), "{file}: {name} differs");
        }
    }
    let [a, b] = [one, other].map(|run| read_state(run).unwrap().progress);
    assert_eq!(
        (a.epochs, a.steps, a.plateau, a.best, a.averaged),
        (b.epochs, b.steps, b.plateau, b.best, b.averaged)
    );
}

const ARTIST: [&str; 4] = ["--set", "run.groups=2", "--set", "objective.associations.artist.pairs=3"];

#[test]
fn a_run_that_was_ended_goes_on_bit_for_bit() {
    let place = Place::small();
    let whole = succeeds(&mut place.train("artist", "whole", &ARTIST));
    println!("{whole}");
    assert!(whole.contains("epoch   3/3") && whole.contains("average of 2 epochs"), "{whole}");
    // Killed in the second epoch, interrupted in the third.
    let (mut child, _) = until(&mut place.train("artist", "broken", &ARTIST), "epoch   1/3");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(place.fails("artist", "broken", &ARTIST).contains("continue it with --resume"));
    let mut more = ARTIST.to_vec();
    more.push("--resume");
    let (mut child, _output) = until(&mut place.train("artist", "broken", &more), "epoch   2/3");
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // Device and loader options may change, the objective may not.
    let mut other = more.clone();
    other.extend(["--set", "run.seed=1"]);
    let reason = place.fails("artist", "broken", &other);
    assert!(reason.contains("run.seed is 0 there and 1 here"), "{reason}");
    more.extend(["--set", "data.ahead=1"]);
    let rest = succeeds(&mut place.train("artist", "broken", &more));
    assert!(rest.contains("continuing after epoch 2") && !rest.contains("epoch   2/3"), "{rest}");
    let figures = |text: &str| {
        let line = text.lines().find(|line| line.starts_with("epoch   3/3")).unwrap().to_owned();
        line.split("  rate").next().unwrap().to_owned()
    };
    assert_eq!(figures(&rest), figures(&whole));
    same_bits(&place.run("whole"), &place.run("broken"));
    let tensors = |file: &str| Checkpoint::read(place.run("whole").join(file)).unwrap().tensors;
    assert!(tensors("last.safetensors") != tensors("swa.safetensors"));
    // The log has each epoch once.
    let log = sleeve_training::runlog::read(&place.run("broken")).unwrap();
    let epochs: Vec<u64> = log.iter().map(|entry| entry.epoch).collect();
    assert_eq!(epochs, [1, 2, 3, 3]);
    assert!(
        log[0].values.contains_key("train/artist/accuracy")
            && log[2].values.contains_key("validation/artist/loss")
    );
    // A finished run is left unchanged.
    let files = |run: &str| {
        ["last", "best", "swa"]
            .map(|file| std::fs::read(place.run(run).join(format!("{file}.safetensors"))).unwrap())
    };
    let before = files("broken");
    let again = succeeds(&mut place.train("artist", "broken", &more));
    assert!(!again.contains("epoch   3/3"), "{again}");
    assert!(files("broken") == before, "other bytes");
    let log = sleeve_training::runlog::read(&place.run("broken")).unwrap();
    assert_eq!((log.len(), log[3].step), (4, log[2].step));
    assert!(!place.run("broken").join(".lock").exists());
}

/// Two would write the same files, and the log's lines would be of both.
#[test]
fn one_process_at_a_time_trains_in_a_folder() {
    let place = Place::small();
    let mut more = ARTIST.to_vec();
    more.push("--resume");
    let (mut child, _output) = until(&mut place.train("artist", "shared", &more), "epoch   1/3");
    // It must not end in between.
    signal(&child, "-STOP");
    let reason = place.fails("artist", "shared", &more);
    assert!(reason.contains("shared: another process is training in this folder"), "{reason}");
    child.kill().unwrap();
    child.wait().unwrap();
    // What a killed process leaves locks nothing.
    let rest = succeeds(&mut place.train("artist", "shared", &more));
    assert!(rest.contains("continuing after epoch 1"), "{rest}");
}

#[test]
fn tags_and_several_associations_are_learnt() {
    let place = Place::small();
    let short = |pairs: &[&str]| -> Vec<String> {
        let mut all: Vec<String> = vec!["--keep".into(), "1".into()];
        for change in ["run.epochs=1", "swa.epochs=1", "run.groups=1"].iter().chain(pairs) {
            all.extend(["--set".into(), change.to_string()]);
        }
        all
    };
    let run = |model: &str, name: &str, changes: &[&str]| {
        let more = short(changes);
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        succeeds(&mut place.train(model, name, &more))
    };
    run("artist", "artist", &["objective.associations.artist.pairs=4"]);
    run("tags", "tags", &["objective.patches=8"]);
    let tags = Checkpoint::read(place.run("tags").join("best.safetensors")).unwrap();
    assert_eq!(tags.description.classes, ["House", "Acid"]);
    let encoder = format!("objective.encoder.run={}", place.run("artist").display());
    let pairs =
        ["track", "release", "artist", "label"].map(|name| format!("objective.associations.{name}.pairs=2"));
    let mut changes: Vec<&str> = pairs.iter().map(String::as_str).collect();
    changes.extend([encoder.as_str(), "objective.encoder.epoch=1", "objective.epoch=shortest"]);
    let told = run("multitask", "multitask", &changes);
    println!("{told}");
    let log = sleeve_training::runlog::read(&place.run("multitask")).unwrap();
    for name in ["track", "release", "artist", "label"] {
        assert!(log[0].values.contains_key(&format!("train/{name}/accuracy")), "{name}");
    }
    // An epoch that was not kept.
    changes[5] = "objective.encoder.epoch=2";
    let more = short(&changes);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let reason = place.fails("multitask", "other", &more);
    assert!(reason.contains("epochs/0002.safetensors") && reason.contains("--keep"), "{reason}");
}

/// The processes of a run on this machine, started as by torchrun.
fn launch(place: &Place, count: usize, run: &str, more: &[&str]) -> Vec<Command> {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let process = |rank: usize| {
        let mut command = place.train("track", run, more);
        command.env("RANK", rank.to_string()).env("WORLD_SIZE", count.to_string());
        command.env("LOCAL_RANK", rank.to_string()).env("MASTER_ADDR", "127.0.0.1");
        command.env("MASTER_PORT", port.to_string());
        command
    };
    (0..count).map(process).collect()
}

/// The distance of two networks' weights.
fn apart(a: &Checkpoint, b: &Checkpoint) -> f64 {
    let squares =
        a.tensors.iter().filter(|(name, _)| !name.contains("running")).flat_map(|(name, tensor)| {
            tensor.values.iter().zip(&b.tensors[name].values).map(|(a, b)| f64::from(a - b).powi(2))
        });
    squares.sum::<f64>().sqrt()
}

#[test]
fn two_processes_of_three_groups_are_one_of_six() {
    let place = Place::new(&[]);
    // 64 pairs, 12 per step: 5 steps per epoch, and 4 epochs.
    let mut more = vec!["--set", "run.groups=6", "--set", "objective.associations.track.pairs=2"];
    more.extend(["--set", "run.epochs=4"]);
    // With a low learning rate: such pairs are soon classified with certainty, and then the relative differences of
    // gradients exceed double precision.
    more.extend(["--set", "optimizer.learning_rate=1e-5", "--set", "swa.learning_rate=1e-5"]);
    let whole = succeeds(&mut place.train("track", "whole", &more));
    let state = read_state(&place.run("whole")).unwrap();
    assert!(state.progress.steps >= 20, "{}", state.progress.steps);

    // Killed in the third epoch: the other process ends with a message, and both are resumed.
    let mut processes = launch(&place, 2, "both", &more);
    let mut second = processes.pop().unwrap().stderr(Stdio::null()).spawn().unwrap();
    let (mut first, _output) = until(&mut processes[0], "epoch   2/4");
    second.kill().unwrap();
    second.wait().unwrap();
    let since = Instant::now();
    while first.try_wait().unwrap().is_none() {
        assert!(since.elapsed() < Duration::from_secs(30), "it still waits for the other");
        std::thread::sleep(Duration::from_millis(50));
    }
    let mut reason = String::new();
    first.stderr.take().unwrap().read_to_string(&mut reason).unwrap();
    println!("after {:.1} s: {reason}", since.elapsed().as_secs_f64());
    assert!(reason.contains("process 1 of 2 has ended") && reason.contains("--resume"), "{reason}");

    more.push("--resume");
    let children: Vec<Child> = launch(&place, 2, "both", &more)
        .iter_mut()
        .map(|process| process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let outputs: Vec<Output> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", said(output));
    }
    let told = said(&outputs[0]);
    assert!(told.contains("2 processes over gloo") && told.contains("continuing after epoch 2"), "{told}");
    assert!(outputs[1].stdout.is_empty(), "{}", said(&outputs[1]));
    println!("{whole}{told}");
    let [one, other] =
        ["whole", "both"].map(|run| Checkpoint::read(place.run(run).join("last.safetensors")).unwrap());
    let untrained = Checkpoint::untrained(one.description.clone(), 0).unwrap();
    let (difference, change) = (apart(&one, &other), apart(&one, &untrained));
    println!("difference {difference:.1e}, where training has changed {change:.1e}");
    assert!(change > 1e-2 && difference < 1e-3 * change, "{difference} of {change}");
}

/// The same run on the CPU, on CUDA, and by two processes over NCCL where there are two devices.
#[test]
fn cuda_learns_what_the_cpu_learns() {
    let Ok(devices) = sleeve_torch::cuda::device_count() else { skip!("no CUDA device") };
    let place = Place::new(&[]);
    let mut more = vec!["--set", "run.groups=6", "--set", "objective.associations.track.pairs=2"];
    more.extend(["--set", "run.epochs=2", "--set", "run.precision=f32"]);
    // Low, as for two processes on the CPU.
    more.extend(["--set", "optimizer.learning_rate=1e-5", "--set", "swa.learning_rate=1e-5"]);
    succeeds(&mut place.train("track", "cpu", &more));
    more.extend(["--set", "run.device=cuda"]);
    let told = succeeds(&mut place.train("track", "cuda", &more));
    assert!(told.contains("cuda:0, f32"), "{told}");
    let network = |run: &str| Checkpoint::read(place.run(run).join("last.safetensors")).unwrap();
    let cpu = network("cpu");
    let untrained = Checkpoint::untrained(cpu.description.clone(), 0).unwrap();
    let change = apart(&cpu, &untrained);
    let close = |run: &str| {
        let difference = apart(&cpu, &network(run));
        println!("{run}: difference {difference:.1e}, where training has changed {change:.1e}");
        assert!(change > 1e-2 && difference < 1e-2 * change, "{run}: {difference} of {change}");
    };
    close("cuda");
    if devices < 2 {
        println!("one CUDA device: NCCL needs two");
        return;
    }
    let children: Vec<Child> = launch(&place, 2, "nccl", &more)
        .iter_mut()
        .map(|process| process.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
        .collect();
    let outputs: Vec<Output> = children.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
    for output in &outputs {
        assert!(output.status.success(), "{}", said(output));
    }
    assert!(said(&outputs[0]).contains("2 processes over nccl"), "{}", said(&outputs[0]));
    close("nccl");
}

#[test]
fn bad_input_is_named() {
    let place = Place::small();
    let changed = |change: &str| {
        let mut more = ARTIST.to_vec();
        more.extend(["--set", change]);
        place.fails("artist", "wrong", &more)
    };
    for (change, reason) in
        [("run.epoch=3", "run.epochs"), ("run.device=cuda:200", "cuda"), ("run.groups=40", "too few")]
    {
        let said = changed(change);
        assert!(said.starts_with("error: ") && said.contains(reason), "{change}: {said}");
    }
    assert!(!place.run("wrong").exists());
    // A network of another kind in the run's place.
    std::fs::create_dir_all(place.run("wrong")).unwrap();
    std::fs::write(place.run("wrong").join("last.safetensors"), "nothing").unwrap();
    let mut more = ARTIST.to_vec();
    more.push("--resume");
    let said = place.fails("artist", "wrong", &more);
    assert!(said.contains("last.safetensors") && said.contains("safetensors file"), "{said}");
    // Three processes cannot share two groups.
    let mut command = place.train("artist", "shared", &ARTIST);
    command.envs([("RANK", "0"), ("WORLD_SIZE", "3"), ("MASTER_ADDR", "127.0.0.1"), ("MASTER_PORT", "1")]);
    let output = command.output().unwrap();
    assert!(
        self::said(&output).contains("run.groups is 2, which 3 processes cannot share"),
        "{}",
        self::said(&output)
    );
    // Features with NaN: the error names the batch's tracks, and the run has no state.
    let store = Store::new(place.0.path().join("features"));
    for track in (0..UNREAD).filter(|&track| dataset::part(track) == sleeve_training::splits::Part::Train) {
        let mut writer = NpyWriter::create(dataset::features(&store, track), 96, Dtype::F16).unwrap();
        (0..200).for_each(|_| writer.write_rows(&[f32::NAN; 96]).unwrap());
        writer.finish().unwrap();
    }
    let said = place.fails("artist", "nan", &ARTIST);
    println!("{said}");
    assert!(
        said.contains("epoch 1, step 1: the loss of batch 0 is not finite") && said.contains(".ogg"),
        "{said}"
    );
    let listed = std::fs::read_to_string(place.run("nan").join("broken-batch.txt")).unwrap();
    assert!((4..=6).contains(&listed.lines().count()), "{listed}");
    assert!(!place.run("nan").join("last.safetensors").exists());
}
