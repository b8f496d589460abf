//! `similar index`: updates the index of a library.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sleeve::audio::Level;
use sleeve_files::names::{self, shown};

use super::args;
use super::index::{Index, ModelNote, Stamp, Track};
use super::journal::{Indexed, Journal, Of};
use super::library;
use super::nearest::Nearest;
use super::vectors::Embedder;
use crate::interrupt;
use crate::terminal::{note, print, warn};

pub fn run(args: &args::Index) -> Result<ExitCode> {
    let library = library::walk(&args.library, &args.ffmpeg.ffmpeg)?;
    for complaint in &library.complaints {
        warn(complaint);
    }
    let root = names::to_bytes(&library.root);
    let old = Index::load(&args.index)?;
    if let Some(index) = old.as_ref().filter(|index| index.library != root) {
        bail!(
            "{}: an index of {}, not of {}; use another file with --index",
            shown(&args.index),
            described(&names::from_bytes(&index.library)),
            described(&library.root)
        );
    }
    let place =
        args.model.clone().or_else(|| old.as_ref().map(|index| names::from_bytes(&index.model.place)));
    let level = args.level.or_else(|| old.as_ref().map(|index| index.level)).unwrap_or_default();
    let embedder = Embedder::open(place.as_deref(), level, &args.ffmpeg.ffmpeg)?;
    let model = embedder.note();
    if let Some(index) = &old {
        same_model(shown(&args.index), &index.model, &model)?;
        same_level(shown(&args.index), index.level, level)?;
    }
    let of = Of::new(&model, level, root.clone());
    let (mut journal, indexed) = Journal::open(&args.index, &of)?;

    // Known tracks: those in the index, and those that an interrupted run processed.
    let resumed = indexed.len();
    let mut known: HashMap<Vec<u8>, Indexed> = HashMap::new();
    let mut before = 0;
    if let Some(Index { tracks, nearest, .. }) = old {
        before = tracks.len();
        let vectors = nearest.vectors().context("checked when it was read")?;
        let all = tracks.into_iter().zip(vectors);
        known.extend(
            all.map(|(track, vector)| (track.path.clone(), Indexed { vector: vector.clone(), track })),
        );
    }
    known.extend(indexed.into_iter().map(|indexed| (indexed.track.path.clone(), indexed)));
    let mut kept: Vec<Indexed> = Vec::new();
    let mut todo: Vec<(Vec<u8>, Stamp, PathBuf)> = Vec::new();
    for (name, stamp) in &library.tracks {
        let path = names::to_bytes(name);
        match known.remove(&path) {
            Some(indexed) if indexed.track.stamp == *stamp => kept.push(indexed),
            _ => todo.push((path, *stamp, library.root.join(name))),
        }
    }
    let gone = known.len();

    let files: Vec<PathBuf> = todo.iter().map(|(_, _, file)| file.clone()).collect();
    let bar = progress_bar(args, files.len());
    let stop = interrupt::watch()?;
    let (mut failed, mut broken, mut new) = (0, None, 0);
    let done = |at: usize, outcome: Result<(f64, super::nearest::Vector)>| {
        bar.inc(1);
        match outcome {
            Ok((seconds, vector)) => {
                let (path, stamp, _) = &todo[at];
                let track = Track { path: path.clone(), stamp: *stamp, seconds };
                let indexed = Indexed { track, vector };
                // Stops if the journal cannot be written.
                if let Err(error) = journal.add(&indexed) {
                    broken.get_or_insert(error);
                    stop.store(true, Ordering::Release);
                }
                kept.push(indexed);
                new += 1;
            }
            Err(error) => {
                failed += 1;
                let (text, file) = (format!("{error:#}"), &files[at]);
                // The library's own errors name the file.
                let named = text.contains(&file.display().to_string());
                let text = if named { text } else { format!("{}: {text}", shown(file)) };
                bar.suspend(|| note(format_args!("error: {text}")));
            }
        }
    };
    if !files.is_empty() {
        embedder.embed(&files, args.threads, &stop, done)?;
    }
    bar.finish_and_clear();
    if let Some(error) = broken {
        return Err(error);
    }
    if stop.load(Ordering::Acquire) && new + failed < files.len() {
        note(format_args!(
            "interrupted after {} of {} tracks; the same command continues from there",
            kept.len(),
            library.tracks.len()
        ));
        return Ok(ExitCode::from(interrupt::CODE));
    }
    if kept.is_empty() {
        bail!("{}: none of its {} files could be processed", described(&library.root), files.len());
    }
    let count = kept.len();
    // An unchanged index is not written.
    if new + resumed + gone > 0 || before != count {
        save(args, model, level, root, kept)?;
    }
    journal.finish()?;
    if let Some(passed_over) = library.passed_over.filter(|_| !args.quiet) {
        note(passed_over);
    }
    print(&format!(
        "{}: {count} tracks: {new} processed, {} unchanged, {gone} removed, {failed} failed\n",
        shown(&args.index),
        count - new
    ))?;
    let whole = failed == 0 && library.complaints.is_empty();
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A library, which may have no folder of its own.
fn described(root: &Path) -> String {
    if root.as_os_str().is_empty() { "several folders or files".to_owned() } else { shown(root) }
}

fn save(
    args: &args::Index,
    model: ModelNote,
    level: Level,
    library: Vec<u8>,
    mut indexed: Vec<Indexed>,
) -> Result<()> {
    indexed.sort_by(|a, b| a.track.path.cmp(&b.track.path));
    let (tracks, vectors) = indexed.into_iter().map(|Indexed { track, vector }| (track, vector)).unzip();
    Index { model, library, tracks, nearest: Nearest::new(vectors), level }.save(&args.index)
}

/// Vectors of two models cannot be compared.
pub fn same_model(index: impl std::fmt::Display, its: &ModelNote, other: &ModelNote) -> Result<()> {
    if its.sha256 == other.sha256 {
        return Ok(());
    }
    let short =
        |note: &ModelNote| format!("{} (SHA-256 {}...)", note.name, note.sha256.get(..12).unwrap_or(""));
    bail!(
        "{index}: made with {}, but this is {}: their embeddings cannot be compared; use another index file, or remove \
         this one",
        short(its),
        short(other)
    );
}

/// Nor can vectors of recordings at different levels.
pub fn same_level(index: impl std::fmt::Display, its: Level, other: Level) -> Result<()> {
    if its == other {
        return Ok(());
    }
    bail!(
        "{index}: made with level {its}, not {other}: the embeddings cannot be compared; use another index file, or \
         remove this one"
    );
}

/// A progress bar on a terminal, nothing elsewhere.
fn progress_bar(args: &args::Index, files: usize) -> ProgressBar {
    if args.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::hidden());
    }
    let template = "{bar:32} {pos}/{len} tracks, {elapsed} elapsed, {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    let bar = ProgressBar::new(files as u64).with_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
