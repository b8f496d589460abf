//! The input files, and the names of their outputs.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use walkdir::WalkDir;

use super::args::Shard;

/// Extensions of the files that are read from a directory. Files named on the command line are read whatever their
/// extension.
const AUDIO: &[&str] = &[
    "aac", "aif", "aifc", "aiff", "alac", "caf", "fla", "flac", "m4a", "m4b", "mka", "mp1", "mp2", "mp3",
    "mp4", "oga", "ogg", "opus", "rf64", "wav", "wave", "weba", "webm",
];

/// One recording to analyse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its path.
    pub path: PathBuf,
    /// The name of its outputs: its path below the directory given, or its file name.
    pub name: PathBuf,
}

/// All inputs in a fixed order, and warnings about folders that cannot be read.
pub fn find(paths: &[PathBuf], shard: Option<Shard>) -> Result<(Vec<Input>, Vec<String>)> {
    let mut inputs = Vec::new();
    let mut complaints = Vec::new();
    for path in paths {
        if path.is_dir() {
            walk(path, &mut inputs, &mut complaints);
        } else {
            // A file that does not exist fails later, and the others continue.
            let name = path.file_name().unwrap_or(OsStr::new("input")).into();
            inputs.push(Input { path: path.clone(), name });
        }
    }
    inputs.sort_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    inputs.dedup_by(|a, b| a.path == b.path && a.name == b.name);
    refuse_clashes(&inputs)?;
    if let Some(Shard { index, count }) = shard {
        inputs = inputs.into_iter().skip(index - 1).step_by(count).collect();
    }
    Ok((inputs, complaints))
}

fn walk(root: &Path, inputs: &mut Vec<Input>, complaints: &mut Vec<String>) {
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.')
    };
    for entry in WalkDir::new(root).follow_links(true).into_iter().filter_entry(visible) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_audio(entry.path()) => {
                let name = entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned();
                inputs.push(Input { path: entry.into_path(), name });
            }
            Ok(_) => {}
            Err(error) => complaints.push(error.to_string()),
        }
    }
}

fn is_audio(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| AUDIO.contains(&extension.as_str()))
}

/// Two inputs with the same output name are an error, before any file is read.
fn refuse_clashes(inputs: &[Input]) -> Result<()> {
    let mut seen: HashMap<&Path, &Path> = HashMap::new();
    for input in inputs {
        if let Some(other) = seen.insert(&input.name, &input.path) {
            bail!(
                "{} and {} would both write {}.*; run them into different directories, or name the directory \
                 above them both",
                other.display(),
                input.path.display(),
                input.name.display()
            );
        }
    }
    Ok(())
}
