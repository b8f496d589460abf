//! `similar index`: brings an index up to date with its library.

use std::collections::HashMap;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::args;
use super::index::{Index, ModelNote, Stamp, Track};
use super::journal::{Heard, Journal, Of};
use super::library;
use super::nearest::Nearest;
use super::paths;
use super::vectors::Listener;
use crate::interrupt;

pub fn run(args: &args::Index) -> Result<ExitCode> {
    let library = library::walk(&args.library)?;
    for complaint in &library.complaints {
        eprintln!("warning: {complaint}");
    }
    let root = paths::to_bytes(&library.root);
    let old = Index::load(&args.index)?;
    if let Some(index) = old.as_ref().filter(|index| index.library != root) {
        bail!(
            "{}: an index of {}, not of {}; name another file with --index",
            args.index.display(),
            paths::from_bytes(&index.library).display(),
            library.root.display()
        );
    }
    let place =
        args.model.clone().or_else(|| old.as_ref().map(|index| paths::from_bytes(&index.model.place)));
    let listener = Listener::open(place.as_deref())?;
    let model = listener.note();
    if let Some(index) = &old {
        same_model(args.index.display(), &index.model, &model)?;
    }
    let of = Of { sha256: model.sha256.clone(), library: root.clone() };
    let (mut journal, heard) = Journal::open(&args.index, &of)?;

    // What is known: the index, and what a run after it has heard.
    let resumed = heard.len();
    let mut known: HashMap<Vec<u8>, Heard> = HashMap::new();
    let mut before = 0;
    if let Some(Index { tracks, nearest, .. }) = old {
        before = tracks.len();
        let vectors = nearest.vectors().context("checked when it was read")?;
        let all = tracks.into_iter().zip(vectors);
        known
            .extend(all.map(|(track, vector)| (track.path.clone(), Heard { vector: vector.clone(), track })));
    }
    known.extend(heard.into_iter().map(|heard| (heard.track.path.clone(), heard)));
    let mut kept: Vec<Heard> = Vec::new();
    let mut todo: Vec<(Vec<u8>, Stamp, PathBuf)> = Vec::new();
    for (name, stamp) in &library.tracks {
        let path = paths::to_bytes(name);
        match known.remove(&path) {
            Some(heard) if heard.track.stamp == *stamp => kept.push(heard),
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
                let heard = Heard { track, vector };
                // Without a journal there is no sense in going on.
                if let Err(error) = journal.add(&heard) {
                    broken.get_or_insert(error);
                    stop.store(true, Ordering::Release);
                }
                kept.push(heard);
                new += 1;
            }
            Err(error) => {
                failed += 1;
                let (text, file) = (format!("{error:#}"), files[at].display().to_string());
                // The library's own errors name the file.
                let text = if text.contains(&file) { text } else { format!("{file}: {text}") };
                bar.suspend(|| eprintln!("error: {text}"));
            }
        }
    };
    if !files.is_empty() {
        listener.listen(&files, args.threads, &stop, done)?;
    }
    bar.finish_and_clear();
    if let Some(error) = broken {
        return Err(error);
    }
    if stop.load(Ordering::Acquire) && new + failed < files.len() {
        eprintln!(
            "stopped after {} of {} tracks; the same command goes on from there",
            kept.len(),
            library.tracks.len()
        );
        return Ok(ExitCode::from(interrupt::CODE));
    }
    if kept.is_empty() {
        bail!("{}: none of its {} files could be heard", args.library.display(), files.len());
    }
    let count = kept.len();
    // An index that would be the same is left alone.
    if new + resumed + gone > 0 || before != count {
        save(args, model, root, kept)?;
    }
    journal.finish()?;
    println!(
        "{}: {count} tracks: {new} heard, {} known, {gone} gone, {failed} failed",
        args.index.display(),
        count - new
    );
    Ok(if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn save(args: &args::Index, model: ModelNote, library: Vec<u8>, mut heard: Vec<Heard>) -> Result<()> {
    heard.sort_by(|a, b| a.track.path.cmp(&b.track.path));
    let (tracks, vectors) = heard.into_iter().map(|Heard { track, vector }| (track, vector)).unzip();
    Index { model, library, tracks, nearest: Nearest::new(vectors) }.save(&args.index)
}

/// Vectors of two models have nothing to do with each other.
pub fn same_model(index: impl std::fmt::Display, its: &ModelNote, other: &ModelNote) -> Result<()> {
    if its.sha256 == other.sha256 {
        return Ok(());
    }
    let short =
        |note: &ModelNote| format!("{} (SHA-256 {}...)", note.name, note.sha256.get(..12).unwrap_or(""));
    bail!(
        "{index}: made with {}, and this is {}: what they hear cannot be compared; index the library into another file, \
         or remove this one",
        short(its),
        short(other)
    );
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(args: &args::Index, files: usize) -> ProgressBar {
    if args.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::hidden());
    }
    let template = "{bar:32} {pos}/{len} tracks, {elapsed} gone, {eta} to go";
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    let bar = ProgressBar::new(files as u64).with_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
