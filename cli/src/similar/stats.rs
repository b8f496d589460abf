//! `similar stats`: what a library file has.

use std::collections::HashSet;
use std::process::ExitCode;

use anyhow::{Context, Result};
use serde::Serialize;
use sleeve::similarity::Library;
use sleeve_files::names::shown;

use super::{args, open, show};

/// What is printed with --json. Keys are never renamed or removed.
#[derive(Serialize)]
struct Stats<'a> {
    folder: String,
    bytes: u64,
    tracks: usize,
    seconds: f64,
    artists: usize,
    albums: usize,
    first_year: Option<i32>,
    last_year: Option<i32>,
    dim: usize,
    patches: bool,
    model: &'a str,
    model_sha256: &'a str,
    front_end: &'a str,
    hop: usize,
    resampler: &'a str,
    level: &'a str,
    ffmpeg: bool,
    /// The mean of each activation, largest first.
    activations: Vec<Activation<'a>>,
}

#[derive(Serialize)]
struct Activation<'a> {
    tag: &'a str,
    mean: f64,
}

pub fn run(args: &args::Stats) -> Result<ExitCode> {
    let library = open(&args.library)?;
    let bytes = std::fs::metadata(&args.library).with_context(|| shown(&args.library))?.len();
    let stats = Stats::of(&library, bytes);
    if args.json {
        show::json(&args.library, &stats)?;
        return Ok(ExitCode::SUCCESS);
    }
    show::row("folder", if stats.folder.is_empty() { "several" } else { &stats.folder })?;
    show::row("tracks", format_args!("{} ({})", stats.tracks, show::clock(stats.seconds)))?;
    show::row("artists", stats.artists)?;
    show::row("albums", stats.albums)?;
    if let (Some(first), Some(last)) = (stats.first_year, stats.last_year) {
        show::row("years", format_args!("{first} to {last}"))?;
    }
    show::row(
        "model",
        format_args!("{} (SHA-256 {}...)", stats.model, stats.model_sha256.get(..12).unwrap_or("")),
    )?;
    show::row("embeddings", format_args!("{} values, level {}", stats.dim, stats.level))?;
    show::row("patches", if stats.patches { "kept" } else { "not kept" })?;
    show::row("size", format_args!("{:.1} MB", stats.bytes as f64 / 1e6))?;
    let most = stats.activations.iter().take(5).map(|one| format!("{} {:.2}", one.tag, one.mean));
    let most: Vec<String> = most.collect();
    if !most.is_empty() {
        show::row("tags", most.join(", "))?;
    }
    Ok(ExitCode::SUCCESS)
}

impl<'a> Stats<'a> {
    fn of(library: &'a Library, bytes: u64) -> Self {
        let origin = library.origin();
        let (mut artists, mut albums) = (HashSet::new(), HashSet::new());
        let mut years: Option<(i32, i32)> = None;
        let mut seconds = 0.0;
        let mut sums = vec![0.0; library.classes().len()];
        for (number, track) in library.tracks().enumerate() {
            seconds += track.seconds;
            artists.extend(Some(track.main_artist().to_lowercase()).filter(|name| !name.is_empty()));
            if !track.album.is_empty() {
                let artist = if track.album_artist.is_empty() { track.artist } else { track.album_artist };
                albums.insert((artist.to_lowercase(), track.album.to_lowercase()));
            }
            if let Some(year) = track.year {
                let (first, last) = years.unwrap_or((year, year));
                years = Some((first.min(year), last.max(year)));
            }
            let activations = library.activations(number).iter();
            sums.iter_mut()
                .zip(activations)
                .for_each(|(sum, &value): (&mut f64, _)| *sum += f64::from(value));
        }
        let count = library.len().max(1) as f64;
        let means = library.classes().iter().zip(sums);
        let mut activations: Vec<Activation<'_>> =
            means.map(|(tag, sum)| Activation { tag, mean: sum / count }).collect();
        activations.sort_by(|one, other| other.mean.total_cmp(&one.mean));
        Stats {
            folder: library.root().to_string_lossy().into_owned(),
            bytes,
            tracks: library.len(),
            seconds,
            artists: artists.len(),
            albums: albums.len(),
            first_year: years.map(|years| years.0),
            last_year: years.map(|years| years.1),
            dim: origin.dim,
            patches: library.has_patches(),
            model: &origin.model,
            model_sha256: &origin.sha256,
            front_end: &origin.front_end,
            hop: origin.hop,
            resampler: &origin.resampler,
            level: &origin.level,
            ffmpeg: origin.ffmpeg,
            activations,
        }
    }
}
