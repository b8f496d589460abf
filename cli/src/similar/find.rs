//! `similar find`: the nearest tracks, as a list and as a playlist.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use sleeve_files::names::{self, shown};

use super::args;
use super::index::Index;
use super::library::stamp;
use super::nearest::Vector;
use super::playlist::{self, Entry};
use super::update::{same_level, same_model};
use super::vectors::Embedder;
use crate::terminal;

pub fn run(args: &args::Find) -> Result<ExitCode> {
    let index = Index::load(&args.index)?;
    let index = index.with_context(|| {
        format!("{}: no such index; create it with `sleeve similar index`", shown(&args.index))
    })?;
    if args.count == 0 {
        bail!("-n must be at least 1");
    }
    let track = args.track.canonicalize().with_context(|| shown(&args.track))?;
    let number = stamp(&track).ok().and_then(|stamp| index.number(&track, stamp));
    if let Some(model) = &args.model {
        let embedder = Embedder::open(Some(model), index.level, &args.ffmpeg.ffmpeg)?;
        same_model(shown(&args.index), &index.model, &embedder.note())?;
    }
    if let Some(level) = args.level {
        same_level(shown(&args.index), index.level, level)?;
    }
    let (vector, except) = match number {
        Some(number) => {
            let vectors = index.nearest.vectors().context("checked when it was read")?;
            (vectors[number].clone(), Some(number as u32))
        }
        None => (embed(args, &index, &track)?, None),
    };
    let found = index.nearest.find(&vector, args.count, except, args.exact);
    let mut entries = Vec::new();
    for &(number, cosine) in &found {
        let track = index.tracks.get(number as usize).context("checked when it was read")?;
        let path = index.place(number as usize);
        terminal::print(&format!("{cosine:.3}  {:>7}  {}\n", clock(track.seconds), shown(&path)))?;
        entries.push(Entry { path, seconds: track.seconds });
    }
    if let Some(out) = &args.m3u {
        if let Some(number) = number {
            entries.insert(0, Entry { path: index.place(number), seconds: index.tracks[number].seconds });
        }
        playlist::write(out, &entries, args.relative)?;
        terminal::note(format_args!("{}: {} tracks", shown(out), entries.len()));
    }
    Ok(ExitCode::SUCCESS)
}

/// Computes the vector of a track that is not in the index, or has changed since.
fn embed(args: &args::Find, index: &Index, track: &Path) -> Result<Vector> {
    let place = args.model.clone().unwrap_or_else(|| names::from_bytes(&index.model.place));
    let embedder = Embedder::open(Some(&place), index.level, &args.ffmpeg.ffmpeg)
        .with_context(|| format!("the model that {} was made with", shown(&args.index)))?;
    same_model(shown(&args.index), &index.model, &embedder.note())?;
    let mut indexed = None;
    let stop = Arc::new(AtomicBool::new(false));
    let tracks: Vec<PathBuf> = vec![track.to_owned()];
    embedder.embed(&tracks, args.threads, &stop, |_, outcome| indexed = Some(outcome))?;
    let (_, vector) = indexed.context("it was not processed")?.with_context(|| shown(&args.track))?;
    Ok(vector)
}

/// `3:25`, `1:02:03`.
fn clock(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole / 3600 {
        0 => format!("{}:{:02}", whole / 60, whole % 60),
        hours => format!("{hours}:{:02}:{:02}", whole / 60 % 60, whole % 60),
    }
}
