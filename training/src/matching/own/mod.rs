//! Editorial metadata without a dump: from the files' own tags, or from anybody's table.
//!
//! Both give the same tables as matching to a dump, so everything behind works as with one. Names have no ids there, so
//! artists, releases and labels get numbers that are hashes of their normalised names (or of MusicBrainz' ids): the same
//! name has the same number in every collection.

mod table;
mod tags;

use std::collections::BTreeSet;
use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};
use sha2::{Digest, Sha256};

pub use table::from_table;
pub use tags::from_tags;

use super::names::{artist_key, without_homonym};
use super::output::{Output, Row};
use super::wanted::Wanted;
use super::words::words;
use crate::error::Result;

/// The outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tracks of the collection.
    pub tracks: u64,
    /// Tracks with an artist or a release.
    pub matched: u64,
    /// Tracks on more than one release, versions included.
    pub on_several: u64,
    /// Number of releases, versions included, summed over all matched tracks.
    pub releases: u64,
    /// Distinct artists.
    pub artists: u64,
    /// Tracks left out, by reason.
    pub missed: Vec<(&'static str, u64)>,
    /// Rows of the user's table whose paths are not in the collection.
    pub strangers: u64,
}

/// The metadata of one track.
#[derive(Clone, Debug, Default)]
struct Track {
    artists: BTreeSet<i64>,
    releases: BTreeSet<i64>,
    masters: BTreeSet<i64>,
    labels: BTreeSet<i64>,
    styles: BTreeSet<u32>,
    years: BTreeSet<i32>,
}

impl Track {
    fn is_empty(&self) -> bool {
        self.artists.is_empty() && self.releases.is_empty()
    }

    /// Adds the metadata of a copy of the same recording.
    fn pool(&mut self, other: &Track) {
        self.artists.extend(&other.artists);
        self.releases.extend(&other.releases);
        self.masters.extend(&other.masters);
        self.labels.extend(&other.labels);
        self.styles.extend(&other.styles);
        self.years.extend(&other.years);
    }
}

/// The number of a name or id of some kind: 62 bits of a hash, never 0.
fn number(kind: &str, key: &str) -> i64 {
    let hash = Sha256::new().chain_update(kind).chain_update([0]).chain_update(key).finalize();
    let bytes = hash.first_chunk::<8>().expect("32 bytes");
    (i64::from_be_bytes(*bytes) & (i64::MAX >> 1)).max(1)
}

/// The key of an artist or label. A homonym's number stays: without ids, it is all that tells two of them apart.
fn name_key(name: &str) -> String {
    let base = without_homonym(name);
    let key = artist_key(base);
    if base.len() == name.trim().len() { key } else { format!("{key} {}", &name.trim()[base.len()..]) }
}

/// Spellings of styles: those that differ only in case, spaces and punctuation are one.
#[derive(Default)]
struct Styles {
    numbers: FxHashMap<String, u32>,
    /// How often each spelling occurs.
    spellings: Vec<FxHashMap<String, u64>>,
}

impl Styles {
    fn number(&mut self, style: &str) -> Option<u32> {
        let style = style.trim();
        let key = words(style).concat();
        if key.is_empty() {
            return None;
        }
        let next = self.spellings.len() as u32;
        let number = *self.numbers.entry(key).or_insert(next);
        if number == next {
            self.spellings.push(FxHashMap::default());
        }
        *self.spellings[number as usize].entry(style.to_owned()).or_default() += 1;
        Some(number)
    }

    /// The most frequent spelling of each, the first in the alphabet among equals.
    fn names(&self) -> Vec<String> {
        let best = |spellings: &FxHashMap<String, u64>| {
            let best = spellings.iter().max_by(|a, b| a.1.cmp(b.1).then_with(|| b.0.cmp(a.0)));
            best.map(|(spelling, _)| spelling.clone()).unwrap_or_default()
        };
        self.spellings.iter().map(best).collect()
    }
}

/// Writes the tables of a data set. `tracks` are those of `wanted` with what is known of them, or why nothing is; `own` is
/// what each file says itself, before copies of its recording were pooled: only that is of all its releases.
fn write(
    wanted: &[Wanted],
    tracks: &[Result<Track, &'static str>],
    own: &[Track],
    styles: &Styles,
    how: &'static str,
    out: &Path,
) -> Result<Report> {
    let mut report = Report { tracks: wanted.len() as u64, ..Report::default() };
    let names = styles.names();
    // Versions of a master are its releases in the collection; labels and years are those of whole releases.
    let mut versions: FxHashMap<i64, BTreeSet<i64>> = FxHashMap::default();
    let mut of_release: FxHashMap<i64, Track> = FxHashMap::default();
    for track in own {
        for &master in &track.masters {
            versions.entry(master).or_default().extend(&track.releases);
        }
        for &release in &track.releases {
            let all = of_release.entry(release).or_default();
            all.labels.extend(&track.labels);
            all.years.extend(&track.years);
            all.styles.extend(&track.styles);
        }
    }
    let mut output = Output::create(out)?;
    let mut missed: Vec<(&'static str, u64)> = Vec::new();
    let mut artists: FxHashSet<i64> = FxHashSet::default();
    for (wanted, track) in wanted.iter().zip(tracks) {
        let track = match track {
            Ok(track) => track,
            Err(reason) => {
                output.unmatched(wanted, reason)?;
                match missed.iter_mut().find(|(of, _)| of == reason) {
                    Some((_, count)) => *count += 1,
                    None => missed.push((reason, 1)),
                }
                continue;
            }
        };
        let others = track.masters.iter().filter_map(|master| versions.get(master)).flatten();
        let others: BTreeSet<i64> =
            others.copied().filter(|release| !track.releases.contains(release)).collect();
        let (mut labels, mut years) = (track.labels.clone(), track.years.clone());
        for release in track.releases.iter().chain(&others) {
            let all = &of_release[release];
            labels.extend(&all.labels);
            years.extend(&all.years);
        }
        let list = |ids: &BTreeSet<i64>| ids.iter().copied().collect::<Vec<_>>();
        let mut words: Vec<&str> = track.styles.iter().map(|&style| names[style as usize].as_str()).collect();
        words.sort_unstable();
        let row = Row {
            how,
            releases: &list(&track.releases),
            versions: &list(&others),
            masters: &list(&track.masters),
            artists: &list(&track.artists),
            labels: &list(&labels),
            styles: &words,
            genres: &words,
            years: &years.into_iter().collect::<Vec<_>>(),
        };
        report.matched += 1;
        report.on_several += u64::from(row.linked() > 1);
        report.releases += row.linked() as u64;
        artists.extend(&track.artists);
        output.matched(wanted, &row)?;
    }
    let mut releases: Vec<i64> = of_release.keys().copied().collect();
    releases.sort_unstable();
    for release in releases {
        for &style in &of_release[&release].styles {
            output.style(release, &names[style as usize])?;
        }
    }
    output.finish()?;
    report.artists = artists.len() as u64;
    missed.sort_unstable();
    report.missed = missed;
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_one_number_everywhere() {
        assert_eq!(
            number("artist", &name_key("The Persuader")),
            number("artist", &name_key("Persuader, The"))
        );
        assert_ne!(number("artist", "a"), number("label", "a"));
        assert_ne!(name_key("Nirvana"), name_key("Nirvana (2)"));
        assert!((0..1000).all(|at| number("artist", &at.to_string()) > 0));
    }

    #[test]
    fn styles_have_their_usual_spelling() {
        let mut styles = Styles::default();
        let numbers: Vec<_> = ["Hip-Hop", "hip hop", "Hip Hop", "Hip Hop", "Rock", " "]
            .map(|style| styles.number(style))
            .to_vec();
        assert_eq!(numbers, [Some(0), Some(0), Some(0), Some(0), Some(1), None]);
        assert_eq!(styles.names(), ["Hip Hop", "Rock"]);
    }
}
