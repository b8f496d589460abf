//! What is done to a command while it works.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::ending::Ending;
use super::random::Random;
use super::scene::{Outputs, Scene, needs_libtorch};
use crate::run::{have, output};

/// A kind of disturbance.
pub struct Torment {
    pub name: &'static str,
    apply: fn(&Scene, &Plan, &mut Random, &mut Tally) -> Result<()>,
}

/// How often, and what an undisturbed run gives.
pub struct Plan {
    pub runs: usize,
    /// The limits of memory, in megabytes.
    pub memory: &'static [u64],
    /// The limits of file descriptors.
    pub files: &'static [u64],
    pub expected: Outputs,
    /// How long an undisturbed run takes.
    pub time: Duration,
    /// The sizes of the files that it writes.
    pub sizes: Vec<usize>,
}

impl Plan {
    /// The outputs of a run that nothing disturbs, and how long it takes. Two such runs must not differ: nothing
    /// could be said otherwise.
    pub fn new(scene: &Scene, runs: usize, is_quick: bool) -> Result<(Plan, Tally)> {
        let mut tally = Tally::default();
        let expected = scene.undisturbed()?;
        scene.clear()?;
        let start = Instant::now();
        tally.note(scene.end(&[])?);
        let time = start.elapsed();
        tally.resume(scene, &expected, "nothing");
        let sizes = sizes(&scene.out())?;
        let (memory, files): (&[u64], &[u64]) = if is_quick {
            (&[64, 1024], &[16, 32])
        } else {
            (&[64, 96, 128, 192, 256, 384, 512, 1024, 2048], &[8, 16, 32])
        };
        Ok((Plan { runs, memory, files, expected, time, sizes }, tally))
    }
}

pub const ALL: &[Torment] = &[
    Torment { name: "killed", apply: killed },
    Torment { name: "full disk", apply: full },
    Torment { name: "file size", apply: file_size },
    Torment { name: "memory", apply: memory },
    Torment { name: "32 files", apply: few_files },
    Torment { name: "two at once", apply: two },
    Torment { name: "clock jumps", apply: clock },
    Torment { name: "output vanishes", apply: vanishing },
    // Last: the recording has another time of its last change afterwards, which is in what some commands write.
    Torment { name: "input changes", apply: changing },
];

impl Torment {
    pub fn apply(&self, scene: &Scene, plan: &Plan, random: &mut Random) -> Result<Tally> {
        let mut tally = Tally::default();
        (self.apply)(scene, plan, random, &mut tally)?;
        Ok(tally)
    }
}

/// What was seen.
#[derive(Default)]
pub struct Tally {
    runs: usize,
    done: usize,
    refused: usize,
    killed: usize,
    no_memory: usize,
    /// Limits of memory below which libtorch cannot be mapped.
    unmapped: usize,
    compared: usize,
    skipped: Option<&'static str>,
    pub faults: Vec<String>,
}

impl Tally {
    pub const HEAD: &str =
        "command   disturbance      runs  done refused killed no memory  outputs compared  faults";

    pub fn row(&self, scene: &str, torment: &str) -> String {
        if let Some(reason) = self.skipped {
            return format!("{scene:<9} {torment:<15} not run: {reason}");
        }
        let mut row = format!(
            "{scene:<9} {torment:<15} {:>5} {:>5} {:>7} {:>6} {:>9} {:>17} {:>7}",
            self.runs,
            self.done,
            self.refused,
            self.killed,
            self.no_memory,
            self.compared,
            self.faults.len()
        );
        if self.unmapped > 0 {
            row += &format!("  and {} limits too small for the loader: needs libtorch", self.unmapped);
        }
        row
    }

    fn note(&mut self, ending: Ending) {
        self.runs += 1;
        match ending {
            Ending::Done => self.done += 1,
            Ending::Refused => self.refused += 1,
            Ending::Killed => self.killed += 1,
            Ending::NoMemory => self.no_memory += 1,
            Ending::Fault(fault) => self.faults.push(fault),
        }
    }

    /// Starts the command again, undisturbed, and compares.
    fn resume(&mut self, scene: &Scene, expected: &Outputs, after: &str) {
        match scene.finish() {
            Ok(found) => self.compare(scene, expected, &found, after),
            Err(error) => self.faults.push(format!("after {after} it did not go on: {error:#}")),
        }
    }

    fn compare(&mut self, scene: &Scene, expected: &Outputs, found: &Outputs, after: &str) {
        self.compared += expected.len();
        let differences = Scene::differences(expected, found);
        if differences.is_empty() {
            return;
        }
        self.faults.push(format!("after {after}: {}", differences.join(", ")));
        let number = self.faults.len();
        let kept = scene.keep(expected, &format!("expected-{number}"));
        if let Err(error) = kept.and_then(|()| scene.keep(found, &format!("found-{number}"))) {
            self.faults.push(format!("the outputs cannot be kept: {error:#}"));
        }
    }
}

/// Waits for a program, reading what it says.
fn wait(mut child: Child) -> Result<Ending> {
    let mut said = Vec::new();
    child.stderr.take().expect("it is piped").read_to_end(&mut said)?;
    Ok(Ending::new(child.wait()?, &String::from_utf8_lossy(&said)))
}

fn kill_after(scene: &Scene, moment: Duration) -> Result<Ending> {
    let mut child = scene.command(&[]).spawn()?;
    std::thread::sleep(moment);
    child.kill()?;
    wait(child)
}

fn killed(scene: &Scene, plan: &Plan, random: &mut Random, tally: &mut Tally) -> Result<()> {
    for run in 0..plan.runs {
        scene.clear()?;
        let mut after = String::from("SIGKILL");
        // Every third is killed again when it has gone on.
        for _ in 0..if run % 3 == 2 { 2 } else { 1 } {
            let moment = plan.time.mul_f64(random.share());
            tally.note(kill_after(scene, moment)?);
            after += &format!(" at {} ms", moment.as_millis());
        }
        tally.resume(scene, &plan.expected, &after);
    }
    Ok(())
}

/// A disk that fills at a random moment, and has room again later.
fn full(scene: &Scene, plan: &Plan, random: &mut Random, tally: &mut Tally) -> Result<()> {
    let mount = |options: &str| {
        let mut mount = Command::new("mount");
        output(mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(scene.out())).is_ok()
    };
    for _ in 0..plan.runs.div_ceil(4) {
        scene.clear()?;
        // In pages: a smaller size would mean no limit.
        let room =
            ((plan.sizes.iter().sum::<usize>() as f64 * random.share()) as usize).div_ceil(4096).max(1)
                * 4096;
        if !mount(&format!("size={room}")) {
            tally.skipped = Some("a tmpfs cannot be mounted here");
            return Ok(());
        }
        tally.note(scene.end(&[])?);
        if mount("remount,size=1g") {
            tally.resume(scene, &plan.expected, &format!("a disk of {room} bytes"));
        } else {
            tally.faults.push("the tmpfs cannot be made larger".into());
        }
        output(Command::new("umount").arg(scene.out()))?;
    }
    Ok(())
}

fn sizes(folder: &Path) -> Result<Vec<usize>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        if metadata.is_dir() {
            found.extend(sizes(&entry.path())?);
        } else {
            found.push(metadata.len() as usize);
        }
    }
    Ok(found)
}

fn words(text: &str) -> Vec<String> {
    text.split(' ').map(str::to_owned).collect()
}

/// Writes that fail at a size: without SIGXFSZ they end with an error, as on a full disk.
fn file_size(scene: &Scene, plan: &Plan, random: &mut Random, tally: &mut Tally) -> Result<()> {
    let largest = plan.sizes.iter().copied().max().unwrap_or(0) as f64;
    for _ in 0..plan.runs.div_ceil(4) {
        scene.clear()?;
        let limit = (largest * random.share()) as usize;
        let mut wrapper = words("sh -c");
        wrapper.push(format!("trap '' XFSZ; exec prlimit --fsize={limit} -- \"$0\" \"$@\""));
        tally.note(scene.end(&wrapper)?);
        tally.resume(scene, &plan.expected, &format!("files of at most {limit} bytes"));
    }
    Ok(())
}

fn memory(scene: &Scene, plan: &Plan, _: &mut Random, tally: &mut Tally) -> Result<()> {
    for megabytes in plan.memory {
        scene.clear()?;
        let wrapper = words(&format!("prlimit --as={} --", megabytes << 20));
        // What the loader cannot map ends before any code of ours, without words.
        if !scene.starts(&wrapper) && needs_libtorch(scene.program())? {
            tally.unmapped += 1;
            continue;
        }
        tally.note(scene.end(&wrapper)?);
        tally.resume(scene, &plan.expected, &format!("{megabytes} MB of memory"));
    }
    Ok(())
}

fn few_files(scene: &Scene, plan: &Plan, _: &mut Random, tally: &mut Tally) -> Result<()> {
    for &count in plan.files {
        scene.clear()?;
        let ending = scene.end(&words(&format!("prlimit --nofile={count} --")))?;
        if count == 32 && ending != Ending::Done {
            tally.faults.push(format!("32 files do not suffice: {ending:?}"));
        }
        tally.note(ending);
        tally.resume(scene, &plan.expected, &format!("{count} files"));
    }
    Ok(())
}

fn two(scene: &Scene, plan: &Plan, _: &mut Random, tally: &mut Tally) -> Result<()> {
    for _ in 0..plan.runs.div_ceil(4) {
        scene.clear()?;
        let both = [scene.command(&[]).spawn()?, scene.command(&[]).spawn()?];
        let endings = both.map(wait);
        let mut has_done = false;
        for ending in endings {
            let ending = ending?;
            has_done |= ending == Ending::Done;
            tally.note(ending);
        }
        if !has_done {
            tally.faults.push("neither of two did the work".into());
        }
        tally.resume(scene, &plan.expected, "two at once");
    }
    Ok(())
}

/// Ten years ahead, then back, and days that pass in seconds.
fn clock(scene: &Scene, plan: &Plan, _: &mut Random, tally: &mut Tally) -> Result<()> {
    if !have("faketime") {
        tally.skipped = Some("no faketime (apt-get install faketime)");
        return Ok(());
    }
    for jump in ["+3650d", "-3650d", "+0d x5000"] {
        scene.clear()?;
        let wrapper = ["faketime", "-f", jump].map(str::to_owned);
        let mut child = scene.command(&wrapper).spawn()?;
        std::thread::sleep(plan.time / 2);
        child.kill()?;
        tally.note(wait(child)?);
        tally.resume(scene, &plan.expected, &format!("a clock at {jump}"));
    }
    Ok(())
}

/// Inputs that grow, shrink, are replaced and are taken away while they are read; then they are as they were.
fn changing(scene: &Scene, plan: &Plan, random: &mut Random, tally: &mut Tally) -> Result<()> {
    let input = scene.input();
    let file = scene.last_input()?;
    let original = fs::read(&file)?;
    let away = input.with_extension("away");
    let changes: [(&str, &dyn Fn() -> std::io::Result<()>); 4] = [
        ("grows", &|| fs::OpenOptions::new().append(true).open(&file)?.write_all(&[7; 100_001])),
        ("shrinks", &|| fs::OpenOptions::new().write(true).open(&file)?.set_len(original.len() as u64 / 3)),
        ("is replaced", &|| {
            fs::write(away.with_extension("new"), b"nothing of the kind")?;
            fs::rename(away.with_extension("new"), &file)
        }),
        ("vanishes", &|| fs::rename(&input, &away)),
    ];
    for (what, change) in changes {
        scene.clear()?;
        let child = scene.command(&[]).spawn()?;
        std::thread::sleep(plan.time.mul_f64(random.share()));
        change()?;
        tally.note(wait(child)?);
        if away.exists() {
            fs::rename(&away, &input)?;
        }
        fs::write(&file, &original)?;
        match scene.finish() {
            Ok(found) => {
                let expected = scene.undisturbed()?;
                tally.compare(scene, &expected, &found, &format!("an input {what}"));
            }
            Err(error) => tally.faults.push(format!("after an input {what} it did not go on: {error:#}")),
        }
    }
    Ok(())
}

fn vanishing(scene: &Scene, plan: &Plan, random: &mut Random, tally: &mut Tally) -> Result<()> {
    for _ in 0..plan.runs.div_ceil(4) {
        scene.clear()?;
        let child = scene.command(&[]).spawn()?;
        std::thread::sleep(plan.time.mul_f64(random.share()));
        let away = scene.out().with_extension("away");
        fs::rename(scene.out(), &away)?;
        tally.note(wait(child)?);
        fs::remove_dir_all(&away)?;
        if !scene.out().exists() {
            fs::create_dir(scene.out())?;
        }
        tally.resume(scene, &plan.expected, "a folder that vanished");
    }
    Ok(())
}
