//! Gives every track of a collection its editorial metadata: releases, artists, labels and styles, pooled over all
//! releases that it is on (section 4.1 of the paper).
//!
//! [`match_collection`] takes them from the tables of a Discogs dump: a track is looked up by the Discogs id in its tags,
//! or else by artist, title and duration. The metadata of its releases, of the other versions of their masters, and of
//! the masters themselves are pooled. The dump is read as a stream; only what matches the collection is kept. [`own`]
//! takes them from the files' own tags, or from anybody's table.

mod choice;
mod common;
mod dump;
mod hits;
mod listed;
pub mod names;
mod output;
pub mod own;
mod people;
mod pool;
pub mod tables;
mod wanted;
mod words;

use std::path::{Path, PathBuf};

use crate::error::Result;
use choice::{Match, Miss};
use hits::{By, Found};
pub use listed::{Entry, Listed};
use output::{Output, Row};
use people::{Aliases, OtherNames, Parents};
use pool::{Linked, Pooled};
use wanted::{Index, Names, Wanted};

/// How to match.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A list of ids ([`Listed`]), which has priority over tags.
    pub ids: Option<PathBuf>,
    /// Artists are also found by their name variations, of the dump of artists.
    pub variations: bool,
    /// Aliases of an artist count as one artist, which is also found by their names.
    pub aliases: bool,
    /// The parents of labels are added to the labels of a track.
    pub parents: bool,
}

/// The outcome of matching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tracks of the collection.
    pub tracks: u64,
    /// Matched by an id.
    pub by_id: u64,
    /// Matched by artist and title.
    pub by_text: u64,
    /// Tracks whose tags contradict the id in them; they were looked up by artist and title.
    pub contradicted: u64,
    /// Tracks found only by another name of their artist, in the dump of artists.
    pub by_other_name: u64,
    /// Tracks to which the dump of masters has added something.
    pub by_masters: u64,
    /// Tracks whose artists aliases have changed.
    pub by_aliases: u64,
    /// Tracks that have got the parent of a label.
    pub by_parents: u64,
    /// Tracks on more than one release, versions included.
    pub on_several: u64,
    /// Number of releases, versions included, summed over all matched tracks, for the mean.
    pub releases: u64,
    /// Tracks that were not matched, by reason.
    pub missed: Vec<(&'static str, u64)>,
}

/// Matches the table `collection` to the tables of a dump in `discogs`, and writes the tables `matched`, `linked_styles`
/// and `unmatched` into the folder `out`. `progress` is called with the number of releases done and the total.
///
/// # Errors
/// If a table cannot be read or written, the dump's tables do not match each other, or an option needs a table that is
/// missing.
pub fn match_collection(
    collection: &Path,
    discogs: &Path,
    out: &Path,
    options: &Options,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report> {
    let listed = options.ids.as_deref().map(Listed::read).transpose()?.unwrap_or_default();
    let index = Index::read(collection, &listed)?;
    let others = if options.variations || options.aliases {
        OtherNames::read(discogs, &index, options.variations, options.aliases)?
    } else {
        OtherNames::default()
    };
    let aliases = options.aliases.then(|| Aliases::read(discogs)).transpose()?;
    let parents = options.parents.then(|| Parents::read(discogs)).transpose()?;

    let mut found = vec![Found::default(); index.tracks.len()];
    dump::for_each_release(discogs, &mut progress, |release| {
        hits::note_ids(&index, release, &mut found);
        hits::note_texts(&index, &others, release, &mut found);
    })?;
    look_up_printed(&index, &others, discogs, &mut found, &mut progress)?;

    let mut report = Report { tracks: index.tracks.len() as u64, ..Report::default() };
    report.contradicted =
        found.iter().filter(|one| one.by_id.is_empty() && one.contradicted > 0).count() as u64;
    let resolved: Vec<Result<Match, Miss>> =
        index.tracks.iter().zip(found).map(|(wanted, found)| choice::resolve(wanted, found)).collect();
    let linked = Linked::read(discogs, resolved.iter().flatten().flat_map(|found| &found.hits))?;

    let mut output = Output::create(out)?;
    let mut missed = Miss::ALL.map(|miss| (miss, 0));
    for (wanted, outcome) in index.tracks.iter().zip(&resolved) {
        let Match { how, hits } = match outcome {
            Ok(found) => found,
            Err(miss) => {
                output.unmatched(wanted, miss.words())?;
                missed.iter_mut().filter(|(of, _)| of == miss).for_each(|(_, count)| *count += 1);
                continue;
            }
        };
        let pooled = Pooled::of(hits, &linked, aliases.as_ref(), parents.as_ref());
        let row = Row {
            how,
            releases: &pooled.releases,
            versions: &pooled.versions,
            masters: &pooled.masters,
            artists: &pooled.artists,
            labels: &pooled.labels,
            styles: &pooled.styles,
            genres: &pooled.genres,
            years: &pooled.years,
        };
        report.by_id += u64::from(*how == "id");
        report.by_text += u64::from(*how == "text");
        report.by_other_name += u64::from(*how == "text" && hits.iter().all(|hit| hit.by == By::OtherName));
        report.by_masters += u64::from(pooled.by_masters);
        report.by_aliases += u64::from(pooled.by_aliases);
        report.by_parents += u64::from(pooled.by_parents);
        report.on_several += u64::from(row.linked() > 1);
        report.releases += row.linked() as u64;
        output.matched(wanted, &row)?;
    }
    report.missed = missed
        .into_iter()
        .filter(|&(_, count)| count > 0)
        .map(|(miss, count)| (miss.words(), count))
        .collect();
    linked.release_styles().try_for_each(|(release, style)| output.style(release, style))?;
    output.finish()?;
    Ok(report)
}

/// A track with an id may have other names in its tags than the dump prints, or none. It is looked up a second time by
/// what is printed on the release with its id, so that it gets all its releases like a track found by text.
fn look_up_printed(
    index: &Index,
    others: &OtherNames,
    discogs: &Path,
    found: &mut [Found],
    progress: &mut impl FnMut(u64, u64),
) -> Result<()> {
    let (mut again, mut numbers) = (Index::default(), Vec::new());
    for (number, (wanted, found)) in index.tracks.iter().zip(&*found).enumerate() {
        let Some(printed) = &found.printed else { continue };
        let title = names::title_key(&printed.title);
        let artists: Vec<&str> = printed.artists.iter().map(String::as_str).collect();
        let keys = Names::of(&artists, None);
        let is_the_same = title == wanted.title
            && keys.whole.iter().any(|key| {
                let claims = index.by_text(key, &title);
                claims.iter().any(|claim| claim.whole && claim.number as usize == number)
            });
        if keys.whole.is_empty() || title.is_empty() || is_the_same {
            continue;
        }
        let track = Wanted {
            common: common::is_common_title(&title),
            title,
            album: wanted.album.clone(),
            duration: printed.duration.map(|seconds| seconds as f32).or(wanted.duration),
            ..Wanted::default()
        };
        again.insert(track, &keys, &[], &[]);
        numbers.push(number);
    }
    if numbers.is_empty() {
        return Ok(());
    }
    let mut more = vec![Found::default(); numbers.len()];
    dump::for_each_release(discogs, progress, |release| {
        hits::note_texts(&again, others, release, &mut more);
    })?;
    for ((number, mut more), track) in numbers.into_iter().zip(more).zip(&again.tracks) {
        let found = &mut found[number];
        if track.common {
            more.by_text.retain(|hit| hit.album);
        }
        more.by_text.retain(|hit| found.by_text.iter().all(|other| other.release != hit.release));
        found.by_text.append(&mut more.by_text);
    }
    Ok(())
}
