//! Matches a collection to a dump, and pools the editorial metadata of every track.
//!
//! A track is looked up by the Discogs id in its tags, or else by artist, title and duration. The metadata of its
//! releases, and of the other versions of their masters, are pooled (section 2.1 of the paper). The dump is read as a
//! stream; only what matches the collection is kept.

mod dump;
mod hits;
mod listed;
pub mod names;
pub mod tables;
mod wanted;

use std::collections::BTreeSet;
use std::path::Path;

use arrow_array::Array;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::discogs::tables::{RELEASE_ARTISTS, RELEASE_GENRES, RELEASE_LABELS, RELEASE_STYLES, RELEASES};
use crate::discogs::{is_no_label, is_nobody};
use crate::error::Result;
use crate::table::{Builder, Cell, TableReader, TableWriter};
use hits::{Found, Hit, Miss};
pub use listed::{Entry, Listed};
use tables::{LINKED_STYLES, MATCHED, UNMATCHED};
use wanted::Index;

/// The outcome of matching.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Tracks of the collection.
    pub tracks: u64,
    /// Matched by an id.
    pub by_id: u64,
    /// Matched by artist and title.
    pub by_text: u64,
    /// Tracks on more than one release.
    pub on_several: u64,
    /// Number of releases summed over all matched tracks, for the mean.
    pub releases: u64,
    /// Tracks that were not matched, by reason.
    pub missed: Vec<(&'static str, u64)>,
}

/// Matches the table `collection`, with the entries of the list `ids` ([`Listed`]), to the tables of a dump in
/// `discogs`, and writes the tables `matched`, `linked_styles` and `unmatched` into the folder `out`. `progress` is
/// called with the number of releases done and the total.
///
/// # Errors
/// If a table cannot be read or written, or the dump's tables do not match each other.
pub fn match_collection(
    collection: &Path,
    ids: Option<&Path>,
    discogs: &Path,
    out: &Path,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report> {
    let listed = ids.map(Listed::read).transpose()?.unwrap_or_default();
    let index = Index::read(collection, &listed)?;
    let mut found = vec![Found::default(); index.tracks.len()];
    let mut done = 0;
    dump::for_each_release(discogs, |release, count| {
        hits::note(&index, release, &mut found);
        done += 1;
        if done % 4096 == 0 || done == count {
            progress(done, count);
        }
        Ok(())
    })?;
    let resolved: Vec<_> =
        index.tracks.iter().zip(found).map(|(wanted, found)| hits::resolve(wanted, found)).collect();
    let linked = Linked::read(discogs, resolved.iter().flatten().flat_map(|(_, hits)| hits))?;
    write(&index, &resolved, &linked, out)
}

/// The metadata of the releases that tracks were found on, and of their versions.
#[derive(Default)]
struct Linked {
    releases: FxHashMap<i64, Sleeve>,
    /// Master -> its versions.
    versions: FxHashMap<i64, Vec<i64>>,
    words: Words,
}

/// The metadata of one release.
#[derive(Default)]
struct Sleeve {
    year: Option<i32>,
    artists: Vec<i64>,
    labels: Vec<i64>,
    styles: Vec<u32>,
    genres: Vec<u32>,
}

impl Linked {
    fn read<'a>(discogs: &Path, hits: impl Iterator<Item = &'a Hit>) -> Result<Self> {
        let mut linked = Linked::default();
        let mut masters = FxHashSet::default();
        for hit in hits {
            linked.releases.entry(hit.release).or_default();
            masters.extend(hit.master);
        }
        for rows in
            TableReader::open(&RELEASES.path(discogs), &RELEASES, &["release_id", "year", "master_id"])?
        {
            let rows = rows?;
            let (ids, years, of) = (rows.ids("release_id"), rows.ints("year"), rows.ids("master_id"));
            for row in 0..rows.len() {
                let release = ids.value(row);
                if of.is_valid(row) && masters.contains(&of.value(row)) {
                    linked.versions.entry(of.value(row)).or_default().push(release);
                    linked.releases.entry(release).or_default();
                }
                if let Some(sleeve) = linked.releases.get_mut(&release) {
                    sleeve.year = years.is_valid(row).then(|| years.value(row));
                }
            }
        }
        let releases = &mut linked.releases;
        for rows in
            TableReader::open(&RELEASE_ARTISTS.path(discogs), &RELEASE_ARTISTS, &["release_id", "artist_id"])?
        {
            let rows = rows?;
            for (&release, &artist) in
                rows.ids("release_id").values().iter().zip(rows.ids("artist_id").values())
            {
                if let Some(sleeve) = releases.get_mut(&release)
                    && !is_nobody(artist)
                {
                    sleeve.artists.push(artist);
                }
            }
        }
        for rows in TableReader::open(
            &RELEASE_LABELS.path(discogs),
            &RELEASE_LABELS,
            &["release_id", "label_id", "name"],
        )? {
            let rows = rows?;
            let (ids, labels, names) = (rows.ids("release_id"), rows.ids("label_id"), rows.texts("name"));
            for row in 0..rows.len() {
                if let Some(sleeve) = releases.get_mut(&ids.value(row))
                    && !is_no_label(labels.value(row), names.value(row))
                {
                    sleeve.labels.push(labels.value(row));
                }
            }
        }
        for (table, column) in [(&RELEASE_STYLES, "style"), (&RELEASE_GENRES, "genre")] {
            for rows in TableReader::open(&table.path(discogs), table, &["release_id", column])? {
                let rows = rows?;
                let (ids, texts) = (rows.ids("release_id"), rows.texts(column));
                for row in 0..rows.len() {
                    if let Some(sleeve) = releases.get_mut(&ids.value(row)) {
                        let word = linked.words.number(texts.value(row));
                        let list = if column == "style" { &mut sleeve.styles } else { &mut sleeve.genres };
                        list.push(word);
                    }
                }
            }
        }
        Ok(linked)
    }
}

/// Numbers for words: there are a few hundred, on millions of releases.
#[derive(Default)]
struct Words {
    numbers: FxHashMap<String, u32>,
    words: Vec<String>,
}

impl Words {
    fn number(&mut self, word: &str) -> u32 {
        if let Some(&number) = self.numbers.get(word) {
            return number;
        }
        let number = self.words.len() as u32;
        self.numbers.insert(word.to_owned(), number);
        self.words.push(word.to_owned());
        number
    }
}

type Resolved = Result<(&'static str, Vec<Hit>), Miss>;

fn write(index: &Index, resolved: &[Resolved], linked: &Linked, out: &Path) -> Result<Report> {
    let mut report = Report { tracks: index.tracks.len() as u64, ..Report::default() };
    let mut matched = (TableWriter::create(&MATCHED.path(out), &MATCHED)?, Builder::new(&MATCHED));
    let mut unmatched = (TableWriter::create(&UNMATCHED.path(out), &UNMATCHED)?, Builder::new(&UNMATCHED));
    let mut missed =
        [Miss::NoTags, Miss::NotFound, Miss::OtherDuration, Miss::Ambiguous].map(|miss| (miss, 0));
    for (wanted, outcome) in index.tracks.iter().zip(resolved) {
        let (how, hits) = match outcome {
            Ok((how, hits)) => (*how, hits),
            Err(miss) => {
                unmatched.1.push([
                    Cell::Text(&wanted.path),
                    Cell::Text(miss.words()),
                    Cell::Int(wanted.track_number),
                ]);
                missed.iter_mut().filter(|(of, _)| of == miss).for_each(|(_, count)| *count += 1);
                continue;
            }
        };
        let pooled = Pooled::of(hits, linked);
        report.by_id += u64::from(how == "id");
        report.by_text += u64::from(how == "text");
        report.on_several += u64::from(pooled.releases.len() > 1);
        report.releases += pooled.releases.len() as u64;
        matched.1.push([
            Cell::Text(&wanted.path),
            Cell::Text(&wanted.sha256),
            Cell::Id(wanted.stamp.size),
            Cell::Id(wanted.stamp.modified_ns),
            Cell::Float(wanted.duration),
            Cell::Text(how),
            Cell::Ids(&pooled.releases),
            Cell::Ids(&pooled.versions),
            Cell::Ids(&pooled.masters),
            Cell::Ids(&pooled.artists),
            Cell::Ids(&pooled.labels),
            Cell::Words(&pooled.styles),
            Cell::Words(&pooled.genres),
            Cell::Ints(&pooled.years),
        ]);
        if matched.1.len() >= 8192 {
            matched.0.write(&matched.1.finish())?;
        }
    }
    report.missed = missed
        .into_iter()
        .filter(|&(_, count)| count > 0)
        .map(|(miss, count)| (miss.words(), count))
        .collect();
    matched.0.write(&matched.1.finish())?;
    unmatched.0.write(&unmatched.1.finish())?;
    let linked_styles = write_linked_styles(linked, out)?;
    for table in [matched.0.finish()?, unmatched.0.finish()?, linked_styles.finish()?] {
        table.persist()?;
    }
    Ok(report)
}

fn write_linked_styles(linked: &Linked, out: &Path) -> Result<TableWriter> {
    let mut writer = TableWriter::create(&LINKED_STYLES.path(out), &LINKED_STYLES)?;
    let mut builder = Builder::new(&LINKED_STYLES);
    let mut releases: Vec<i64> = linked.releases.keys().copied().collect();
    releases.sort_unstable();
    for release in releases {
        for &style in &linked.releases[&release].styles {
            builder.push([Cell::Id(release), Cell::Text(&linked.words.words[style as usize])]);
        }
        if builder.len() >= 8192 {
            writer.write(&builder.finish())?;
        }
    }
    writer.write(&builder.finish())?;
    Ok(writer)
}

/// The pooled metadata of one track.
#[derive(Default)]
struct Pooled<'a> {
    releases: Vec<i64>,
    versions: Vec<i64>,
    masters: Vec<i64>,
    artists: Vec<i64>,
    labels: Vec<i64>,
    styles: Vec<&'a str>,
    genres: Vec<&'a str>,
    years: Vec<i32>,
}

impl<'a> Pooled<'a> {
    fn of(hits: &[Hit], linked: &'a Linked) -> Self {
        let releases: BTreeSet<i64> = hits.iter().map(|hit| hit.release).collect();
        let masters: BTreeSet<i64> = hits.iter().filter_map(|hit| hit.master).collect();
        let mut artists: BTreeSet<i64> = hits.iter().flat_map(|hit| hit.artists.iter().copied()).collect();
        let mut versions = BTreeSet::new();
        for master in &masters {
            versions.extend(linked.versions.get(master).into_iter().flatten().copied());
        }
        versions.retain(|version| !releases.contains(version));
        if hits.iter().all(|hit| !hit.own) {
            // The track's artist is the release's, so it is the artist of every version. If a track has its own
            // artists, the artists of other versions would be wrong.
            artists.extend(versions.iter().flat_map(|version| &linked.releases[version].artists));
        }
        let (mut labels, mut years) = (BTreeSet::new(), BTreeSet::new());
        let (mut styles, mut genres) = (BTreeSet::new(), BTreeSet::new());
        for release in releases.iter().chain(&versions) {
            let sleeve = &linked.releases[release];
            labels.extend(sleeve.labels.iter().copied());
            years.extend(sleeve.year);
            styles.extend(sleeve.styles.iter().map(|&word| linked.words.words[word as usize].as_str()));
            genres.extend(sleeve.genres.iter().map(|&word| linked.words.words[word as usize].as_str()));
        }
        Pooled {
            releases: releases.into_iter().collect(),
            versions: versions.into_iter().collect(),
            masters: masters.into_iter().collect(),
            artists: artists.into_iter().collect(),
            labels: labels.into_iter().collect(),
            styles: styles.into_iter().collect(),
            genres: genres.into_iter().collect(),
            years: years.into_iter().collect(),
        }
    }
}
