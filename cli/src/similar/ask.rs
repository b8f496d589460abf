//! The commands that ask a library something.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use sleeve::similarity::{
    DuplicateRule, Duplicates, Filter, Library, Match, PathOptions, PlaylistOptions, Query, SampleOptions,
};
use sleeve_files::names::shown;

use super::embedder::Embedder;
use super::{args, open, show};

pub fn find(args: &args::Find) -> Result<ExitCode> {
    let library = open(&args.library)?;
    if args.count == 0 {
        bail!("-n must be at least 1");
    }
    let query = query(&library, &args.seeds, &args.search, args.count)?.duplicates(match args.duplicates {
        args::Duplicates::Keep => Duplicates::Keep,
        args::Duplicates::Skip => Duplicates::LeaveOut,
        args::Duplicates::List => Duplicates::List,
    });
    let found = library.find(&query)?;
    // A playlist begins with the tracks that it is like.
    let seeds = args.seeds.tracks.iter().filter_map(|track| known(&library, track));
    show::tracks(&library, &found, seeds, &args.list)
}

pub fn playlist(args: &args::Playlist) -> Result<ExitCode> {
    let library = open(&args.library)?;
    if args.count == 0 {
        bail!("-n must be at least 1");
    }
    let query = query(&library, &args.seeds, &args.search, args.count)?.duplicates(Duplicates::LeaveOut);
    let options = PlaylistOptions {
        drift: args.drift,
        variety: args.variety,
        seed: args.seed,
        artist_gap: args.artist_gap,
        ..PlaylistOptions::default()
    };
    let list = library.playlist(&query, &options)?;
    show::tracks(&library, &list, [], &args.list)
}

pub fn path(args: &args::Path) -> Result<ExitCode> {
    let library = open(&args.library)?;
    let end = |track: &Path| {
        known(&library, track)
            .with_context(|| format!("{}: not a track of {}", shown(track), shown(&args.library)))
    };
    let options = PathOptions {
        filter: filter(&args.filter)?,
        rule: Some(rule(&library, &args.rule)?),
        threads: args.threads,
        ..PathOptions::default()
    };
    let path = library.path_between(end(&args.from)?, end(&args.to)?, args.count, &options)?;
    show::tracks(&library, &path, [], &args.list)
}

pub fn sample(args: &args::Sample) -> Result<ExitCode> {
    let library = open(&args.library)?;
    let options = SampleOptions { filter: filter(&args.filter)?, seed: args.seed, threads: args.threads };
    let sample: Vec<Match> = library.sample(args.count, &options)?;
    show::tracks(&library, &sample, [], &args.list)
}

pub fn duplicates(args: &args::DuplicateGroups) -> Result<ExitCode> {
    let library = open(&args.library)?;
    let groups = library.duplicates(&rule(&library, &args.rule)?, args.threads);
    show::groups(&library, &groups, args.json)
}

/// The track of the library that a path names, if it is one and its file was not changed since.
fn known(library: &Library, path: &Path) -> Option<usize> {
    // As it was given, for libraries whose files are elsewhere now; and as it exists.
    let real = dunce::canonicalize(path).ok();
    let track =
        real.as_deref().and_then(|path| library.find_path(path)).or_else(|| library.find_path(path))?;
    let stamp = real.and_then(|path| sleeve_files::Stamp::read(path).ok());
    let is_same = |stamp: sleeve_files::Stamp| {
        let known = library.track(track);
        (known.bytes, known.modified) == (stamp.bytes, stamp.modified)
    };
    stamp.is_none_or(is_same).then_some(track)
}

fn query(
    library: &Library,
    seeds: &args::SeedArgs,
    search: &args::SearchArgs,
    count: usize,
) -> Result<Query> {
    if !seeds.weights.is_empty() && seeds.weights.len() != seeds.tracks.len() {
        bail!("{} weights for {} tracks", seeds.weights.len(), seeds.tracks.len());
    }
    let mut embedder = None;
    if let Some(model) = &seeds.model {
        embedder = Some(Embedder::of_library(library, Some(model), &seeds.ffmpeg.ffmpeg)?);
    }
    let mut query = Query::new().count(count).threads(search.threads);
    let weights = seeds.weights.iter().copied().chain(std::iter::repeat(1.0));
    let wanted = seeds.tracks.iter().zip(weights);
    let unwanted = seeds.unlike.iter().map(|track| (track, -seeds.unlike_weight));
    for (track, weight) in wanted.chain(unwanted) {
        if let Some(track) = known(library, track) {
            query = query.weighted_track(track, weight);
            continue;
        }
        track.metadata().with_context(|| shown(track))?;
        if embedder.is_none() {
            embedder = Some(Embedder::of_library(library, None, &seeds.ffmpeg.ffmpeg)?);
        }
        let embedder = embedder.as_ref().context("it was just opened")?;
        query = query.weighted_vector(embedder.embed_file(track, search.threads)?, weight);
    }
    for file in &seeds.vector {
        let rows = sleeve_files::npy::read_npy(file)?;
        let mean = rows.mean_axis(ndarray::Axis(0));
        let mean = mean.with_context(|| format!("{}: has no rows", shown(file)))?;
        query = query.vector(mean.to_vec());
    }
    Ok(query
        .filter(filter(&search.filter)?)
        .duplicate_rule(rule(library, &search.rule)?)
        .max_per_artist(search.per_artist)
        .max_per_album(search.per_album))
}

fn rule(library: &Library, args: &args::DuplicateArgs) -> Result<DuplicateRule> {
    let usual = library.duplicate_rule();
    let rule = DuplicateRule {
        cosine: args.duplicate_cosine.unwrap_or(usual.cosine),
        seconds: args.duplicate_seconds.unwrap_or(usual.seconds),
    };
    if !(-1.0..=1.0).contains(&rule.cosine) || rule.seconds.is_nan() || rule.seconds < 0.0 {
        bail!("near-duplicates: the cosine must be between -1 and 1, and the seconds not negative");
    }
    Ok(rule)
}

fn filter(args: &args::FilterArgs) -> Result<Filter> {
    let mut filter = Filter::new();
    for folder in &args.folder {
        // A folder that exists, or else one below that of the library.
        filter = filter.folder(dunce::canonicalize(folder).unwrap_or_else(|_| folder.clone()));
    }
    filter = args.artist.iter().fold(filter, Filter::artist);
    filter = args.album.iter().fold(filter, Filter::album);
    filter = args.label.iter().fold(filter, Filter::label);
    filter = args.genre.iter().fold(filter, Filter::genre);
    if let Some(text) = &args.years {
        let years =
            years(text).with_context(|| format!("--years {text}: not as 1970-1979, 1970-, -1979 or 1975"))?;
        filter = filter.years(years);
    }
    for text in &args.tag {
        let bound =
            bound(text).with_context(|| format!("--tag {text}: not as 'ambient>0.3' or 'rock<0.1'"))?;
        filter = match bound {
            (tag, true, value) => filter.above(tag, value),
            (tag, false, value) => filter.below(tag, value),
        };
    }
    Ok(filter)
}

fn years(text: &str) -> Option<std::ops::RangeInclusive<i32>> {
    let number = |text: &str, empty| if text.is_empty() { Some(empty) } else { text.trim().parse().ok() };
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (number(from, i32::MIN)?, number(to, i32::MAX)?);
    (from <= to && text != "-" && !text.is_empty()).then_some(from..=to)
}

/// The tag, whether it is to be above, and the value.
fn bound(text: &str) -> Option<(&str, bool, f32)> {
    let at = text.rfind(['>', '<'])?;
    let value: f32 = text[at + 1..].trim().parse().ok()?;
    let tag = text[..at].trim();
    (value.is_finite() && !tag.is_empty()).then(|| (tag, text.as_bytes()[at] == b'>', value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_and_tags_are_read() {
        assert_eq!(years("1970-1979"), Some(1970..=1979));
        assert_eq!(years("1970-"), Some(1970..=i32::MAX));
        assert_eq!(years("-1979"), Some(i32::MIN..=1979));
        assert_eq!(years("1975"), Some(1975..=1975));
        for wrong in ["", "-", "x", "1980-1970", "1-2-3"] {
            assert_eq!(years(wrong), None, "{wrong}");
        }
        assert_eq!(bound("easy listening > 0.3"), Some(("easy listening", true, 0.3)));
        assert_eq!(bound("rock<0.1"), Some(("rock", false, 0.1)));
        for wrong in ["rock", ">1", "rock>", "rock>x", "rock>nan"] {
            assert_eq!(bound(wrong), None, "{wrong}");
        }
    }
}
