//! Runs the program `sleeve` as a user would.

mod extract;
mod ffmpeg;
mod inputs;
mod names;
mod runs;
#[cfg(unix)]
mod signals;
mod similar;
mod similar_map;
mod stream;
mod terminal;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use sleeve_tests::audio::music;

/// The program with a subcommand.
fn sleeve(subcommand: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve"));
    command.arg(subcommand);
    command
}

/// A folder with music and outputs, and the program that runs in it.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Place(tempfile::tempdir().unwrap())
    }

    /// The folder, without links.
    fn path(&self) -> PathBuf {
        self.0.path().canonicalize().unwrap()
    }

    fn at(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path().join(name)
    }

    fn put(&self, name: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.at(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// A recording of one patch.
    fn song(&self, name: impl AsRef<Path>) -> PathBuf {
        self.put(name, &wav(3.2))
    }

    /// `sleeve extract`, with one model.
    fn extract<A: AsRef<std::ffi::OsStr>>(&self, arguments: &[A]) -> Command {
        let mut command = sleeve("extract");
        command.args(["--model", "msd-musicnn-1"]).args(arguments).current_dir(self.path());
        command
    }

    /// The sources and outputs in an index.
    fn index(&self, name: &str) -> serde_json::Value {
        serde_json::from_slice(&fs::read(self.at(name)).unwrap()).unwrap()
    }

    /// All files below a folder, sorted.
    fn files(&self, name: &str) -> Vec<PathBuf> {
        let root = self.at(name);
        let (mut folders, mut files) = (vec![root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.push(path.strip_prefix(&root).unwrap().to_owned());
                }
            }
        }
        files.sort();
        files
    }
}

/// A WAV file of 16 kHz.
fn wav(seconds: f64) -> Vec<u8> {
    let data: Vec<u8> = music(16_000, 1, seconds)
        .into_iter()
        .flat_map(|sample| ((sample * 32_767.0) as i16).to_le_bytes())
        .collect();
    let mut file = b"RIFF".to_vec();
    file.extend((36 + data.len() as u32).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    file.extend([1_u16, 1].into_iter().flat_map(u16::to_le_bytes));
    file.extend([16_000_u32, 32_000].into_iter().flat_map(u32::to_le_bytes));
    file.extend([2_u16, 16].into_iter().flat_map(u16::to_le_bytes));
    file.extend(b"data");
    file.extend((data.len() as u32).to_le_bytes());
    file.extend(data);
    file
}

/// Standard error of a run that succeeds.
#[track_caller]
fn succeeds(command: &mut Command) -> String {
    let output = command.output().expect("sleeve starts");
    assert!(output.status.success(), "{}", stderr(&output));
    stderr(&output)
}

/// Standard error of a run that fails, without a panic.
#[track_caller]
fn fails(command: &mut Command) -> String {
    let output = command.output().expect("sleeve starts");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
