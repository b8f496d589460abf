//! The tracks that are in the folders of a library now.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use sleeve::audio::Ffmpeg;
use sleeve_files::Stamp;
use sleeve_files::names::shown;

use crate::inputs::{self, InputArgs};

/// A library as it is now.
pub struct Walk {
    /// Its folder, absolute, or an empty path if it is not one folder.
    pub root: PathBuf,
    /// The paths of its tracks below that folder, sorted.
    pub tracks: Vec<(PathBuf, Stamp)>,
    /// Folders and files that cannot be read.
    pub complaints: Vec<String>,
    /// What its folders have besides, in words.
    pub passed_over: Option<String>,
}

/// Searches a library. An argument that is missing or without tracks is an error: most likely a disk is not mounted, and
/// its tracks would be dropped from the library.
pub fn walk(args: &InputArgs, ffmpeg: &Ffmpeg) -> Result<Walk> {
    if args.paths.iter().any(|path| path.as_os_str() == "-") {
        bail!(
            "-: a track of a library must be a file; only `sleeve extract` reads audio from standard input"
        );
    }
    for path in args.paths.iter().chain(args.from_file.iter().filter(|path| path.as_os_str() != "-")) {
        path.metadata().with_context(|| shown(path))?;
    }
    let root = match (args.paths.as_slice(), args.from_file.as_slice()) {
        ([folder], []) if folder.is_dir() => dunce::canonicalize(folder).with_context(|| shown(folder))?,
        _ => PathBuf::new(),
    };
    let found = inputs::find(args, ffmpeg)?;
    let (passed_over, everything) = (found.passed_over_line(), found.everything_passed_over());
    let mut library = Walk { root, tracks: Vec::new(), complaints: found.complaints, passed_over };
    for path in args.paths.iter().filter(|path| path.is_dir()) {
        let folder = dunce::canonicalize(path).with_context(|| shown(path))?;
        if found.inputs.iter().any(|input| input.source.starts_with(&folder)) {
            continue;
        }
        let why = library.complaints.first().or(everything.as_ref());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        bail!("{}: no audio files in it{why}", shown(path));
    }
    for input in found.inputs {
        match Stamp::read(&input.source) {
            Ok(stamp) => {
                let name = input.source.strip_prefix(&library.root).unwrap_or(&input.source).to_owned();
                library.tracks.push((name, stamp));
            }
            Err(error) => library.complaints.push(format!("{}: {error}", input.shown())),
        }
    }
    if library.tracks.is_empty() {
        let why = library.complaints.first().map(|why| format!(": {why}")).unwrap_or_default();
        bail!("no audio files found{why}");
    }
    library.tracks.sort_by(|one, other| one.0.cmp(&other.0));
    Ok(library)
}
