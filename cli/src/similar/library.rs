//! The tracks of a library.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use walkdir::WalkDir;

use super::index::Stamp;

/// Extensions of audio files.
const AUDIO: &[&str] = &[
    "aac", "aif", "aifc", "aiff", "alac", "caf", "fla", "flac", "m4a", "m4b", "mka", "mp1", "mp2", "mp3",
    "mp4", "oga", "ogg", "opus", "rf64", "wav", "wave", "weba", "webm",
];

/// A library as it is now.
pub struct Library {
    /// Its folder, absolute.
    pub root: PathBuf,
    /// The paths of its tracks below that folder, sorted.
    pub tracks: Vec<(PathBuf, Stamp)>,
    /// Folders and files that cannot be read.
    pub complaints: Vec<String>,
}

/// Searches a library. A library without tracks is an error: most likely a disk is not mounted.
pub fn walk(folder: &Path) -> Result<Library> {
    let root = folder.canonicalize().with_context(|| folder.display().to_string())?;
    if !root.is_dir() {
        bail!("{}: not a folder", folder.display());
    }
    let visible = |entry: &walkdir::DirEntry| {
        entry.depth() == 0 || !entry.file_name().to_string_lossy().starts_with('.')
    };
    let mut library = Library { root, tracks: Vec::new(), complaints: Vec::new() };
    for entry in WalkDir::new(&library.root).follow_links(true).into_iter().filter_entry(visible) {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                library.complaints.push(error.to_string());
                continue;
            }
        };
        if !entry.file_type().is_file() || !is_audio(entry.path()) {
            continue;
        }
        let name = entry.path().strip_prefix(&library.root).unwrap_or(entry.path()).to_owned();
        match stamp(entry.path()) {
            Some(stamp) => library.tracks.push((name, stamp)),
            None => library.complaints.push(format!("{}: cannot be read", entry.path().display())),
        }
    }
    library.tracks.sort();
    if library.tracks.is_empty() {
        let complaint = library.complaints.first().map(|complaint| format!(": {complaint}"));
        bail!("{}: no audio files in it{}", folder.display(), complaint.unwrap_or_default());
    }
    Ok(library)
}

fn is_audio(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| AUDIO.contains(&extension.as_str()))
}

/// Size and modification time, if the file exists.
pub fn stamp(path: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(path).ok()?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), modified.as_millis().try_into().ok()?))
}
