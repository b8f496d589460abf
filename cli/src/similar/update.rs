//! What has changed in a music library since it was indexed, and the update of its library file.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::ProgressBar;
use serde::Serialize;
use sleeve::audio::content_hash;
use sleeve::similarity::{Embedding, Library, LibraryWriter, Track};
use sleeve_files::Stamp;
use sleeve_files::names::shown;

use super::embedder::{Embedder, Options};
use super::tags;
use super::walk::Walk;
use crate::terminal::note;

/// What is finished is written to the library file this often.
const FLUSH: Duration = Duration::from_secs(5);

/// What an update did, as it is printed with --json.
#[derive(Debug, Default, Serialize)]
pub struct Counts {
    /// Tracks in the library.
    pub tracks: usize,
    /// Tracks that were decoded.
    pub processed: usize,
    pub unchanged: usize,
    /// Tracks that were known by their audio, at another path.
    pub moved: usize,
    /// Files that have changed, but not their audio.
    pub retagged: usize,
    pub removed: usize,
    pub failed: usize,
    /// Seconds of audio that were decoded.
    pub audio_seconds: f64,
    /// Seconds that it took.
    pub seconds: f64,
    pub interrupted: bool,
}

/// What is to be done.
struct Plan {
    /// Tracks that keep their vectors, with what is known of them now.
    replaced: Vec<(usize, Track)>,
    removed: Vec<usize>,
    /// Files to decode, with the track of the library that each takes the place of.
    todo: Vec<(PathBuf, Stamp, Option<usize>)>,
    /// Hashes that were needed to find moved files.
    hashes: HashMap<PathBuf, [u8; 32]>,
    counts: Counts,
}

impl Plan {
    fn new(library: &Library, walk: &Walk) -> Self {
        let mut plan = Plan {
            replaced: Vec::new(),
            removed: Vec::new(),
            todo: Vec::new(),
            hashes: HashMap::new(),
            counts: Counts::default(),
        };
        let here: HashSet<&Path> = walk.tracks.iter().map(|(path, _)| path.as_path()).collect();
        // By their audio, the tracks that are not where they were.
        let mut gone: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
        for track in 0..library.len() {
            let known = library.track(track);
            if !here.contains(known.path().as_path()) {
                gone.entry(*known.sha256).or_default().push(track);
            }
        }
        for (path, stamp) in &walk.tracks {
            let file = walk.root.join(path);
            match library.find_path(path) {
                Some(track) if is_same(library, track, *stamp) => plan.counts.unchanged += 1,
                Some(track) => {
                    let known = library.track(track);
                    let is_same = content_hash(&file).is_ok_and(|hash| hash == *known.sha256);
                    let now = is_same.then(|| described(path, &file, *stamp, *known.sha256, known.seconds));
                    match now {
                        Some(Ok(now)) => {
                            plan.counts.retagged += 1;
                            plan.replaced.push((track, now));
                        }
                        // What cannot be read now is an error when it is decoded.
                        _ => plan.todo.push((path.clone(), *stamp, Some(track))),
                    }
                }
                None if gone.is_empty() => plan.todo.push((path.clone(), *stamp, None)),
                None => {
                    let hash = content_hash(&file).ok();
                    let was = hash.and_then(|hash| gone.get(&hash)?.last().copied());
                    let now = was.map(|track| {
                        let known = library.track(track);
                        described(path, &file, *stamp, *known.sha256, known.seconds)
                    });
                    match (hash, was, now) {
                        (Some(hash), Some(track), Some(Ok(now))) => {
                            gone.entry(hash).and_modify(|tracks| _ = tracks.pop());
                            plan.counts.moved += 1;
                            plan.replaced.push((track, now));
                        }
                        _ => {
                            plan.hashes.extend(hash.map(|hash| (path.clone(), hash)));
                            plan.todo.push((path.clone(), *stamp, None));
                        }
                    }
                }
            }
        }
        plan.removed = gone.into_values().flatten().collect();
        plan.removed.sort_unstable();
        plan.counts.removed = plan.removed.len();
        plan
    }
}

fn is_same(library: &Library, track: usize, stamp: Stamp) -> bool {
    let known = library.track(track);
    (known.bytes, known.modified) == (stamp.bytes, stamp.modified)
}

/// A track with its tags as they are now.
///
/// # Errors
/// If its file cannot be read, or is not as it was when it was found: what was read before may be of another recording.
fn described(path: &Path, file: &Path, stamp: Stamp, sha256: [u8; 32], seconds: f64) -> Result<Track> {
    let tags = tags::read(file)?;
    if Stamp::read(file)? != stamp {
        bail!("it has changed while it was read");
    }
    let (bytes, modified) = (stamp.bytes, stamp.modified);
    Ok(Track { path: path.to_owned(), seconds, sha256, bytes, modified, tags })
}

/// Brings a library file up to date. What fails is printed and left out.
pub fn update(
    mut writer: LibraryWriter,
    walk: &Walk,
    embedder: &Embedder,
    options: Options,
    stop: &Arc<AtomicBool>,
    bar: impl FnOnce(usize) -> ProgressBar,
) -> Result<Counts> {
    let start = Instant::now();
    let before = writer.library().len();
    let Plan { replaced, removed, todo, mut hashes, mut counts } = Plan::new(writer.library(), walk);
    for (track, by) in &replaced {
        writer.replace(*track, by)?;
    }
    for track in removed {
        writer.remove(track)?;
    }
    let files: Vec<PathBuf> = todo.iter().map(|(path, _, _)| walk.root.join(path)).collect();
    let bar = bar(files.len());
    let (mut broken, mut flushed, mut dropped) = (None, Instant::now(), 0);
    let mut done = |at: usize, outcome: Result<(f64, Embedding)>| -> Result<()> {
        let (path, stamp, old) = &todo[at];
        if let Some(old) = old {
            writer.remove(*old)?;
            dropped += 1;
        }
        let added = outcome.and_then(|(seconds, embedding)| {
            let hash = hashes.remove(path).map_or_else(|| content_hash(&files[at]), Ok)?;
            writer.add(&described(path, &files[at], *stamp, hash, seconds)?, &embedding)?;
            Ok(seconds)
        });
        match added {
            Ok(seconds) => {
                counts.processed += 1;
                counts.audio_seconds += seconds;
            }
            Err(error) => {
                counts.failed += 1;
                let (text, file) = (format!("{error:#}"), &files[at]);
                // The library's own errors name the file.
                let named = text.contains(&file.display().to_string());
                let text = if named { text } else { format!("{}: {text}", shown(file)) };
                bar.suspend(|| note(format_args!("error: {text}")));
            }
        }
        if flushed.elapsed() > FLUSH {
            writer.flush()?;
            flushed = Instant::now();
        }
        Ok(())
    };
    if !files.is_empty() {
        embedder.embed(&files, options, stop, |at, outcome| {
            bar.inc(1);
            // Stops if the library cannot be written.
            if let Err(error) = done(at, outcome) {
                broken.get_or_insert(error);
                stop.store(true, Ordering::Release);
            }
        })?;
    }
    bar.finish_and_clear();
    if let Some(error) = broken {
        return Err(error);
    }
    counts.interrupted = counts.processed + counts.failed < files.len();
    counts.tracks = before - counts.removed - dropped + counts.processed;
    writer.finish()?;
    counts.seconds = start.elapsed().as_secs_f64();
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_changed_since_it_was_found_is_not_described() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.wav");
        std::fs::write(&file, b"one recording").unwrap();
        let stamp = Stamp::read(&file).unwrap();
        let described = || described(Path::new("a.wav"), &file, stamp, [0; 32], 1.0);
        assert_eq!(described().unwrap().bytes, 13);
        std::fs::write(&file, b"another recording").unwrap();
        assert!(described().unwrap_err().to_string().contains("changed"));
        // Its tags cannot be read, which is not the same as that there are none.
        std::fs::remove_file(&file).unwrap();
        assert!(described().is_err());
    }
}
