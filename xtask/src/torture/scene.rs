//! The commands, what they read, and what of their outputs is compared.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::ending::Ending;
use crate::run::{output, repository};

pub const NAMES: [&str; 5] = ["extract", "similar", "discogs", "features", "adapt"];

/// The package of the program that has this command.
pub fn package(name: &str) -> &'static str {
    if matches!(name, "extract" | "similar") { "sleeve-cli" } else { "sleeve-training" }
}

const RATE: usize = 16_000;

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
        let program =
            programs.join(if matches!(name, "extract" | "similar") { "sleeve" } else { "sleeve-train" });
        let scene = Scene { name: name.to_owned(), program, folder: folder.to_owned(), work };
        fs::create_dir_all(folder)?;
        if name == "discogs" {
            dump(&scene.input())?;
        } else {
            music(&scene.input(), work)?;
        }
        if name == "features" {
            let mut scan = Command::new(&scene.program);
            output(scan.current_dir(folder).args(["scan", "music", "--out", "collection.parquet"]))?;
        }
        Ok(scene)
    }

    /// What it reads.
    pub fn input(&self) -> PathBuf {
        self.folder.join(if self.name == "discogs" { "dump.xml" } else { "music" })
    }

    /// The recording that is changed, or what there is instead.
    pub fn last_input(&self) -> PathBuf {
        match self.input() {
            folder if folder.is_dir() => folder.join(format!("{:02}.wav", self.work.recordings - 1)),
            file => file,
        }
    }

    /// Whether the program comes as far as its own code behind a wrapper.
    pub fn starts(&self, wrapper: &[String]) -> bool {
        let (first, options) = wrapper.split_first().expect("a program");
        let mut version = Command::new(first);
        version.args(options).arg(&self.program).arg("--version");
        output(&mut version).is_ok()
    }

    /// Whether the loader has to map libtorch.
    pub fn needs_libtorch(&self) -> Result<bool> {
        Ok(output(Command::new("ldd").arg(&self.program))?.contains("libtorch"))
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
        let arguments = match self.name.as_str() {
            "extract" => "extract music -o out --resume --threads 2 --quiet",
            "similar" => "similar index out/of.library music --threads 2 --quiet",
            "discogs" => "discogs dump.xml --out out --threads 2",
            "features" => "features music --collection collection.parquet --out out --threads 2",
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
        command.args(arguments.split(' ')).current_dir(&self.folder).stdin(Stdio::null());
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

/// Recordings that differ, of four artists with two releases each.
pub fn music(folder: &Path, work: Work) -> Result<()> {
    fs::create_dir_all(folder)?;
    for at in 0..work.recordings {
        fs::write(folder.join(format!("{at:02}.wav")), wav(at, work.seconds))?;
    }
    Ok(())
}

fn wav(at: usize, seconds: usize) -> Vec<u8> {
    let mut noise = at as u32 + 1;
    let samples = (0..seconds * RATE).flat_map(|time| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let seconds = time as f64 / RATE as f64;
        let tone = (seconds * 110.0 * (at + 1) as f64 * std::f64::consts::TAU).sin();
        let beat = (seconds * (1.0 + at as f64 / 4.0)).fract();
        let value = (tone * 0.4 + f64::from(noise >> 16) / 65_536.0 * 0.3) * (1.0 - beat);
        ((value * 32_000.0) as i16).to_le_bytes()
    });
    let samples: Vec<u8> = samples.collect();
    let chunk = |name: &[u8; 4], bytes: &[u8]| {
        let mut chunk = name.to_vec();
        chunk.extend((bytes.len() as u32).to_le_bytes());
        chunk.extend(bytes);
        chunk.extend(&[0][..bytes.len() % 2]);
        chunk
    };
    let mut format = vec![1, 0, 1, 0];
    format.extend((RATE as u32).to_le_bytes());
    format.extend((2 * RATE as u32).to_le_bytes());
    format.extend([2, 0, 16, 0]);
    let mut tags = b"INFO".to_vec();
    tags.extend(chunk(b"IART", format!("Artist {}", at / 4).as_bytes()));
    tags.extend(chunk(b"IPRD", format!("Release {}", at / 2).as_bytes()));
    tags.extend(chunk(b"INAM", format!("Track {at}").as_bytes()));
    let mut whole = b"WAVE".to_vec();
    whole.extend(chunk(b"fmt ", &format));
    whole.extend(chunk(b"LIST", &tags));
    whole.extend(chunk(b"data", &samples));
    chunk(b"RIFF", &whole)
}

/// A dump of the releases that the tests have, many times over.
fn dump(path: &Path) -> Result<()> {
    let folder = repository().join("training/tests/data/discogs");
    let releases =
        output(Command::new("gzip").arg("-dc").arg(folder.join("discogs_20200806_releases.xml.gz")))?;
    let first = releases.find("<release ").context("the dump has releases")?;
    let end = releases.rfind("</releases>").context("the dump has an end")?;
    let text = format!("{}{}{}", &releases[..first], releases[first..end].repeat(4), &releases[end..]);
    Ok(fs::write(path, text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

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
