//! The metadata of releases, their versions and masters, and what of it belongs to a track.

use std::collections::BTreeSet;
use std::path::Path;

use arrow_array::Array;
use rustc_hash::{FxHashMap, FxHashSet};

use super::hits::Hit;
use super::people::{Aliases, Parents};
use crate::discogs::tables::{
    MASTER_ARTISTS, MASTER_GENRES, MASTER_STYLES, MASTERS, RELEASE_ARTISTS, RELEASE_GENRES, RELEASE_LABELS,
    RELEASE_STYLES, RELEASES,
};
use crate::discogs::{is_no_label, is_nobody};
use crate::error::Result;
use crate::table::{Table, TableReader};

/// The metadata of the releases that tracks were found on, of their versions, and of their masters.
#[derive(Default)]
pub(super) struct Linked {
    releases: FxHashMap<i64, Sleeve>,
    /// Master -> its versions.
    versions: FxHashMap<i64, Vec<i64>>,
    /// Masters in the dump of masters, if there is one.
    masters: FxHashMap<i64, Sleeve>,
    words: Words,
}

/// The metadata of one release or master.
#[derive(Default)]
struct Sleeve {
    year: Option<i32>,
    artists: Vec<i64>,
    labels: Vec<i64>,
    styles: Vec<u32>,
    genres: Vec<u32>,
}

impl Linked {
    pub(super) fn read<'a>(discogs: &Path, hits: impl Iterator<Item = &'a Hit>) -> Result<Self> {
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
        linked.read_artists(discogs, &RELEASE_ARTISTS, "release_id")?;
        linked.read_labels(discogs)?;
        linked.read_words(discogs, &RELEASE_STYLES, "release_id", "style")?;
        linked.read_words(discogs, &RELEASE_GENRES, "release_id", "genre")?;
        if MASTERS.path(discogs).exists() {
            linked.read_masters(discogs, &masters)?;
        }
        Ok(linked)
    }

    /// What the dump of masters says about `wanted`.
    fn read_masters(&mut self, discogs: &Path, wanted: &FxHashSet<i64>) -> Result<()> {
        for rows in TableReader::open(&MASTERS.path(discogs), &MASTERS, &["master_id", "year"])? {
            let rows = rows?;
            let (ids, years) = (rows.ids("master_id"), rows.ints("year"));
            for row in (0..rows.len()).filter(|&row| wanted.contains(&ids.value(row))) {
                let year = years.is_valid(row).then(|| years.value(row));
                self.masters.insert(ids.value(row), Sleeve { year, ..Sleeve::default() });
            }
        }
        self.read_artists(discogs, &MASTER_ARTISTS, "master_id")?;
        self.read_words(discogs, &MASTER_STYLES, "master_id", "style")?;
        self.read_words(discogs, &MASTER_GENRES, "master_id", "genre")
    }

    /// The releases or the masters, by the column that a table has of them.
    fn sleeves(&mut self, id: &str) -> &mut FxHashMap<i64, Sleeve> {
        if id == "master_id" { &mut self.masters } else { &mut self.releases }
    }

    fn read_artists(&mut self, discogs: &Path, table: &Table, id: &str) -> Result<()> {
        for rows in TableReader::open(&table.path(discogs), table, &[id, "artist_id"])? {
            let rows = rows?;
            for (of, &artist) in rows.ids(id).values().iter().zip(rows.ids("artist_id").values()) {
                if let Some(sleeve) = self.sleeves(id).get_mut(of)
                    && !is_nobody(artist)
                {
                    sleeve.artists.push(artist);
                }
            }
        }
        Ok(())
    }

    fn read_labels(&mut self, discogs: &Path) -> Result<()> {
        let columns = ["release_id", "label_id", "name"];
        for rows in TableReader::open(&RELEASE_LABELS.path(discogs), &RELEASE_LABELS, &columns)? {
            let rows = rows?;
            let (ids, labels, names) = (rows.ids("release_id"), rows.ids("label_id"), rows.texts("name"));
            for row in 0..rows.len() {
                if let Some(sleeve) = self.releases.get_mut(&ids.value(row))
                    && !is_no_label(labels.value(row), names.value(row))
                {
                    sleeve.labels.push(labels.value(row));
                }
            }
        }
        Ok(())
    }

    fn read_words(&mut self, discogs: &Path, table: &Table, id: &str, column: &str) -> Result<()> {
        for rows in TableReader::open(&table.path(discogs), table, &[id, column])? {
            let rows = rows?;
            let (ids, texts) = (rows.ids(id), rows.texts(column));
            for row in 0..rows.len() {
                if !self.sleeves(id).contains_key(&ids.value(row)) {
                    continue;
                }
                let word = self.words.number(texts.value(row));
                let sleeve = self.sleeves(id).get_mut(&ids.value(row)).expect("just seen");
                let list = if column == "style" { &mut sleeve.styles } else { &mut sleeve.genres };
                list.push(word);
            }
        }
        Ok(())
    }

    /// The styles of every release, in the order of their ids.
    pub(super) fn release_styles(&self) -> impl Iterator<Item = (i64, &str)> {
        let mut releases: Vec<i64> = self.releases.keys().copied().collect();
        releases.sort_unstable();
        releases.into_iter().flat_map(move |release| {
            let styles = self.releases[&release].styles.iter();
            styles.map(move |&style| (release, self.words.words[style as usize].as_str()))
        })
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

/// The metadata pooled over all releases of one track.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pooled<'a> {
    pub releases: Vec<i64>,
    pub versions: Vec<i64>,
    pub masters: Vec<i64>,
    pub artists: Vec<i64>,
    pub labels: Vec<i64>,
    pub styles: Vec<&'a str>,
    pub genres: Vec<&'a str>,
    pub years: Vec<i32>,
    /// Whether the dump of masters has added anything.
    pub by_masters: bool,
    /// Whether aliases have changed the artists.
    pub by_aliases: bool,
    /// Whether parents have been added to the labels.
    pub by_parents: bool,
}

impl<'a> Pooled<'a> {
    pub(super) fn of(
        hits: &[Hit],
        linked: &'a Linked,
        aliases: Option<&Aliases>,
        parents: Option<&Parents>,
    ) -> Self {
        let releases: BTreeSet<i64> = hits.iter().map(|hit| hit.release).collect();
        let masters: BTreeSet<i64> = hits.iter().filter_map(|hit| hit.master).collect();
        let mut artists: BTreeSet<i64> = hits.iter().flat_map(|hit| hit.artists.iter().copied()).collect();
        let mut versions = BTreeSet::new();
        for master in &masters {
            versions.extend(linked.versions.get(master).into_iter().flatten().copied());
        }
        versions.retain(|version| !releases.contains(version));
        // If the track's artist is the release's, it is the artist of every version and of the master. If a track has its
        // own artists there, the artists of other versions would be wrong.
        let is_shared = |master: &i64| hits.iter().all(|hit| hit.master != Some(*master) || !hit.own);
        for master in masters.iter().filter(|master| is_shared(master)) {
            let others = linked.versions.get(master).into_iter().flatten();
            artists.extend(others.flat_map(|version| &linked.releases[version].artists));
        }
        let (mut labels, mut years) = (BTreeSet::new(), BTreeSet::new());
        let (mut styles, mut genres) = (BTreeSet::new(), BTreeSet::new());
        let word = |&word: &u32| linked.words.words[word as usize].as_str();
        let mut add = |sleeve: &'a Sleeve| {
            years.extend(sleeve.year);
            styles.extend(sleeve.styles.iter().map(word));
            genres.extend(sleeve.genres.iter().map(word));
            labels.extend(sleeve.labels.iter().copied());
            years.len() + styles.len() + genres.len()
        };
        let mut before = 0;
        for release in releases.iter().chain(&versions) {
            before = add(&linked.releases[release]);
        }
        let (mut after, credited) = (before, artists.len());
        for (master, sleeve) in
            masters.iter().filter_map(|master| Some((master, linked.masters.get(master)?)))
        {
            after = add(sleeve);
            if is_shared(master) {
                artists.extend(&sleeve.artists);
            }
        }
        let by_masters = after > before || artists.len() > credited;
        let mut by_aliases = false;
        if let Some(aliases) = aliases {
            let one: BTreeSet<i64> = artists.iter().map(|&artist| aliases.one_of(artist)).collect();
            by_aliases = one != artists;
            artists = one;
        }
        let printed = labels.len();
        if let Some(parents) = parents {
            let more: Vec<i64> = labels.iter().filter_map(|&label| parents.of(label)).collect();
            labels.extend(more);
        }
        Pooled {
            by_parents: labels.len() > printed,
            by_masters,
            by_aliases,
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
