//! The commands, what they read, and what of their outputs is compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::ending::Ending;
use super::inputs;
use crate::run::{output, repository};

pub const NAMES: [&str; 6] = ["extract", "similar", "discogs", "features", "adapt", "train"];

/// The network is trained with libtorch alone.
pub const WITHOUT_LIBTORCH: &str =
    "this sleeve-train was built without libtorch (cargo xtask libtorch, --features sleeve-training/torch)";

/// The package of the program that has this command.
pub fn package(name: &str) -> &'static str {
    if matches!(name, "extract" | "similar") { "sleeve-cli" } else { "sleeve-training" }
}

fn program(name: &str, programs: &Path) -> PathBuf {
    programs.join(if package(name) == "sleeve-cli" { "sleeve" } else { "sleeve-train" })
}

/// Whether the program's loader has to map libtorch.
pub fn needs_libtorch(program: &Path) -> Result<bool> {
    Ok(output(Command::new("ldd").arg(program))?.contains("libtorch"))
}

/// Whether the programs in this folder have the command.
pub fn has(name: &str, programs: &Path) -> Result<bool> {
    Ok(name != "train" || needs_libtorch(&program(name, programs))?)
}

/// How much a command has to do.
#[derive(Clone, Copy)]
pub struct Work {
    /// Recordings, enough that a run is interrupted between any two.
    pub recordings: usize,
    pub seconds: usize,
}

impl Work {
    pub const WHOLE: Work = Work { recordings: 16, seconds: 8 };
    pub const QUICK: Work = Work { recordings: 5, seconds: 4 };
}

/// A command in a folder of its own. It reads `music` or `dump.xml` and writes `out`.
pub struct Scene {
    name: String,
    program: PathBuf,
    folder: PathBuf,
    work: Work,
}

/// The bytes of all files, by their paths.
pub type Outputs = BTreeMap<PathBuf, Vec<u8>>;

impl Scene {
    pub fn prepare(name: &str, programs: &Path, folder: &Path, work: Work) -> Result<Self> {
        let program = program(name, programs);
        let scene = Scene { name: name.to_owned(), program, folder: folder.to_owned(), work };
        fs::create_dir_all(folder)?;
        if name == "discogs" {
            inputs::dump(&scene.input())?;
        } else {
            inputs::music(&folder.join("music"), work)?;
        }
        let before: &[&str] = match name {
            "features" => &["scan music --out collection.parquet"],
            "train" => &[
                "scan music --out collection.parquet",
                "match collection.parquet --source tags --out set",
                "split set --styles 0 --validation 4 --test 0 --releases 1",
                "pairs set --association artist",
                "features music --collection collection.parquet --out features",
            ],
            _ => &[],
        };
        for command in before {
            let mut program = Command::new(&scene.program);
            output(program.current_dir(folder).args(command.split(' ')))?;
        }
        Ok(scene)
    }

    /// What it reads.
    pub fn input(&self) -> PathBuf {
        self.folder.join(match self.name.as_str() {
            "discogs" => "dump.xml",
            "train" => "features",
            _ => "music",
        })
    }

    /// The file that is changed.
    pub fn last_input(&self) -> Result<PathBuf> {
        let input = self.input();
        if !input.is_dir() {
            return Ok(input);
        }
        let mut files = Outputs::new();
        read(&input, &input, &mut files)?;
        let is_read = |path: &&PathBuf| path.extension().is_some_and(|it| it == "wav" || it == "npy");
        Ok(input.join(files.keys().rfind(is_read).context("there is no recording")?))
    }

    /// Whether the program comes as far as its own code behind a wrapper.
    pub fn starts(&self, wrapper: &[String]) -> bool {
        let (first, options) = wrapper.split_first().expect("a program");
        let mut version = Command::new(first);
        version.args(options).arg(&self.program).arg("--version");
        output(&mut version).is_ok()
    }

    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Where it writes.
    pub fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    /// An empty folder to write to.
    pub fn clear(&self) -> Result<()> {
        if self.out().exists() {
            fs::remove_dir_all(self.out())?;
        }
        Ok(fs::create_dir(self.out())?)
    }

    /// The command, which goes on if it finds the beginnings of its work. A wrapper, such as `prlimit`, stands before it.
    pub fn command(&self, wrapper: &[String]) -> Command {
        let config = repository().join("training/configs/artist.toml").to_string_lossy().into_owned();
        let arguments = match self.name.as_str() {
            "extract" => "extract music -o out --resume --threads 2 --quiet",
            "similar" => "similar index out/of.library music --threads 2 --quiet",
            "discogs" => "discogs dump.xml --out out --threads 2",
            "features" => "features music --collection collection.parquet --out out --threads 2",
            "train" => {
                "train - --data set --features features --out out --resume --set run.device=cpu --set run.epochs=3 \
                 --set swa.epochs=2 --set run.groups=1 --set objective.associations.artist.pairs=2 \
                 --set data.loader_threads=1 --keep 2"
            }
            _ => "adapt music --out out --name it --replace --threads 2",
        };
        let mut command = match wrapper.split_first() {
            Some((program, options)) => {
                let mut command = Command::new(program);
                command.args(options).arg(&self.program);
                command
            }
            None => Command::new(&self.program),
        };
        // libtorch's bits depend on the number of threads.
        command.env("OMP_NUM_THREADS", "1");
        let arguments =
            arguments.split_whitespace().map(|one| if one == "-" { config.as_str() } else { one });
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs the command to its end.
    pub fn end(&self, wrapper: &[String]) -> Result<Ending> {
        let ended = self.command(wrapper).output().context("cannot start the program")?;
        Ok(Ending::new(ended.status, &String::from_utf8_lossy(&ended.stderr)))
    }

    /// Runs it undisturbed into a new folder, and returns what it wrote.
    pub fn undisturbed(&self) -> Result<Outputs> {
        self.clear()?;
        self.finish()
    }

    /// Runs it undisturbed on what is there, and returns what it wrote.
    pub fn finish(&self) -> Result<Outputs> {
        let ended = self.command(&[]).output()?;
        if !ended.status.success() {
            bail!("{} ended with {}: {}", self.name, ended.status, String::from_utf8_lossy(&ended.stderr));
        }
        let mut outputs = Outputs::new();
        if self.name == "similar" {
            return self.answers();
        }
        read(&self.out(), &self.out(), &mut outputs)?;
        if self.name == "adapt" {
            // What it keeps for the next time is named by content, and checked when it is read.
            outputs.retain(|path, _| !path.starts_with("it.work"));
        }
        if self.name == "train" {
            // TensorBoard's files are named by the time at which they were begun.
            outputs.retain(|path, _| !path.starts_with("tensorboard"));
            let log = outputs.get_mut(Path::new("log.jsonl")).context("the run has no log.jsonl")?;
            *log = without_times(log)?;
        }
        Ok(outputs)
    }

    /// A library file holds its tracks in the order in which they were found, so its answers are compared: all
    /// tracks by their likeness to each.
    fn answers(&self) -> Result<Outputs> {
        let mut outputs = Outputs::new();
        for track in 0..self.work.recordings {
            let track = PathBuf::from(format!("music/{track:02}.wav"));
            let mut find = Command::new(&self.program);
            find.current_dir(&self.folder).args(["similar", "find", "out/of.library", "--json", "-n", "99"]);
            outputs.insert(track.clone(), output(find.arg(&track))?.into_bytes());
        }
        Ok(outputs)
    }

    /// Keeps outputs beside the scene, to be looked at after a fault.
    pub fn keep(&self, outputs: &Outputs, folder: &str) -> Result<()> {
        for (path, bytes) in outputs {
            let path = self.folder.join(folder).join(path);
            fs::create_dir_all(path.parent().expect("a file has a folder"))?;
            fs::write(path, bytes)?;
        }
        Ok(())
    }

    /// Which outputs are missing, surplus or different.
    pub fn differences(expected: &Outputs, found: &Outputs) -> Vec<String> {
        let mut names: Vec<&PathBuf> = expected.keys().chain(found.keys()).collect();
        names.sort();
        names.dedup();
        let differs = |name: &&&PathBuf| expected.get(**name) != found.get(**name);
        let state = |name: &PathBuf| match (expected.get(name), found.get(name)) {
            (Some(_), None) => "missing",
            (None, _) => "left over",
            _ => "different",
        };
        names.iter().filter(differs).map(|name| format!("{} is {}", name.display(), state(name))).collect()
    }
}

/// A log of training without what is another each time: when, and how fast.
fn without_times(log: &[u8]) -> Result<Vec<u8>> {
    let mut all = String::new();
    for line in std::str::from_utf8(log)?.lines() {
        let mut entry: serde_json::Map<String, serde_json::Value> = serde_json::from_str(line)?;
        for name in ["time", "seconds", "patches_per_second", "waiting_share"] {
            entry.remove(name);
        }
        all += &format!("{}\n", serde_json::to_string(&entry)?);
    }
    Ok(all.into_bytes())
}

fn read(root: &Path, folder: &Path, outputs: &mut Outputs) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(root, &path, outputs)?;
        } else {
            outputs.insert(path.strip_prefix(root)?.to_owned(), fs::read(&path)?);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_compared_without_its_times() {
        let line = |time: f64, loss: f64| {
            format!("{{\"time\":{time},\"epoch\":1,\"seconds\":{time},\"train/artist/loss\":{loss}}}\n")
        };
        let plain = |text: &str| without_times(text.as_bytes()).unwrap();
        assert_eq!(plain(&line(1.0, 0.5)), plain(&line(2.5, 0.5)));
        assert_ne!(plain(&line(1.0, 0.5)), plain(&line(1.0, 0.25)));
        assert!(without_times(&line(1.0, 0.5).as_bytes()[..9]).is_err());
    }

    #[test]
    fn what_is_lost_is_named() {
        let outputs = |names: &[(&str, u8)]| -> Outputs {
            names.iter().map(|(name, byte)| (PathBuf::from(name), vec![*byte])).collect()
        };
        let expected = outputs(&[("a", 1), ("b", 1), ("c", 1)]);
        assert!(Scene::differences(&expected, &expected).is_empty());
        let found = Scene::differences(&expected, &outputs(&[("a", 1), ("b", 2), ("d", 1)]));
        assert_eq!(found, ["b is different", "c is missing", "d is left over"]);
    }
}
