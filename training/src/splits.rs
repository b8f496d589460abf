//! Matched tracks -> training, validation and test parts without an artist in common (section 2.1 of
//! the paper).
//!
//! Artists who record together belong together: they are joined to units as long as a unit stays small
//! beside a pool. Units are drawn into validation and test, first those that styles lack, then at random
//! until the pools are full; the rest is training. Only a track whose artists ended in different parts
//! has to be dropped.

use std::path::Path;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::{Error, Result};
use crate::matching::tables::{LINKED_STYLES, MATCHED};
use crate::table::Type::{Float, Id, Ids, Int, Ints, Text, Word, Words};
use crate::table::{Builder, Cell, Table, TableReader, TableWriter, column, optional, write_table};

/// One part of the data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// What models learn from.
    Train,
    /// What decides when they have learnt enough.
    Validation,
    /// What they are judged by.
    Test,
}

impl Part {
    /// All three.
    pub const ALL: [Part; 3] = [Part::Train, Part::Validation, Part::Test];

    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Part::Train => "train",
            Part::Validation => "validation",
            Part::Test => "test",
        }
    }

    /// The part of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Part::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// One row a track of the data set.
pub static SPLIT: Table = Table {
    name: "split",
    row: "a track of the data set, in the order of paths",
    columns: &[
        column("track", Id, "number of the row, from 0: what tables of pairs refer to"),
        column("path", Text, "path inside the collection"),
        column("sha256", Text, "SHA-256 of the file"),
        optional("duration_s", Float, "duration of the file in seconds"),
        column("part", Word, "`train`, `validation` or `test`"),
        column("releases", Ids, "releases that hold the track"),
        column("versions", Ids, "other versions of those releases' masters"),
        column("artists", Ids, "artists over all those releases"),
        column("labels", Ids, "labels over all those releases and versions"),
        column("styles", Words, "styles over all those releases and versions, among the chosen ones"),
        column("genres", Words, "genres over all those releases and versions"),
        column("years", Ints, "years over all those releases and versions"),
    ],
};

/// One row a chosen style.
pub static STYLES: Table = Table {
    name: "styles",
    row: "a chosen style, the most frequent first",
    columns: &[
        column("style", Text, "the style"),
        column("tracks", Id, "tracks with it, before anything was dropped"),
        column("train_releases", Int, "its releases in training"),
        column("validation_releases", Int, "its releases in validation"),
        column("test_releases", Int, "its releases in test"),
    ],
};

/// How a data set is split.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many styles are chosen, by their number of tracks; with 0, every track is kept, whatever its
    /// styles.
    pub styles: usize,
    /// Tracks for validation.
    pub validation: usize,
    /// Tracks for test.
    pub test: usize,
    /// Releases that every chosen style has in validation and in test, where the data allow.
    pub releases: usize,
    /// Seed of the random choice.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Self {
        Options { styles: 400, validation: 50_000, test: 50_000, releases: 50, seed: 0 }
    }
}

/// What splitting came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Styles that were chosen.
    pub styles: usize,
    /// Tracks with none of them, dropped.
    pub without_style: u64,
    /// Tracks whose artists are in different parts, dropped.
    pub torn: u64,
    /// Tracks of the last artists taken into validation and test beyond the size wanted, dropped.
    pub surplus: u64,
    /// Tracks of each part.
    pub tracks: [u64; 3],
    /// Styles with fewer releases in validation than wanted.
    pub poor_in_validation: usize,
    /// Styles with fewer releases in test than wanted.
    pub poor_in_test: usize,
}

const COLUMNS: [&str; 10] = [
    "path",
    "sha256",
    "duration_s",
    "releases",
    "versions",
    "artists",
    "labels",
    "styles",
    "genres",
    "years",
];

/// Splits the matched tracks in `folder` and writes the tables `split` and `styles` beside them.
///
/// # Errors
/// If there is nothing to split, or a table cannot be read or written.
pub fn split(folder: &Path, options: &Options) -> Result<Report> {
    let data = Data::read(folder, options)?;
    let mut report = Report {
        styles: data.styles.len(),
        without_style: data.tracks.iter().filter(|track| track.is_none()).count() as u64,
        ..Report::default()
    };
    let (parts, surplus) = Division::new(&data, options).divide(options);
    report.surplus = surplus as u64;
    let dropped = |(part, track): &(&Option<Part>, &Option<Track>)| part.is_none() && track.is_some();
    report.torn = parts.iter().zip(&data.tracks).filter(dropped).count() as u64 - report.surplus;
    for part in parts.iter().flatten() {
        report.tracks[*part as usize] += 1;
    }
    let counts = data.count_releases(&parts);
    let poor =
        |part: Part| counts[part as usize].iter().filter(|&&count| count < options.releases as u32).count();
    (report.poor_in_validation, report.poor_in_test) = (poor(Part::Validation), poor(Part::Test));
    let styles = style_rows(&data, &counts);
    write_split(folder, &data, &parts)?.finish()?.persist()?;
    write_table(&STYLES.path(folder), &STYLES, &styles)?;
    Ok(report)
}

/// What splitting looks at. Tracks without a chosen style are `None`.
struct Data {
    tracks: Vec<Option<Track>>,
    styles: Vec<(String, u64)>,
    /// Release -> its chosen styles.
    release_styles: FxHashMap<i64, Vec<u16>>,
}

struct Track {
    releases: Vec<i64>,
    artists: Vec<i64>,
}

impl Data {
    fn read(folder: &Path, options: &Options) -> Result<Self> {
        let path = MATCHED.path(folder);
        let mut counts: FxHashMap<String, u64> = FxHashMap::default();
        for rows in TableReader::open(&path, &MATCHED, &["styles"])? {
            let rows = rows?;
            for row in 0..rows.len() {
                for style in rows.word_list("styles", row) {
                    match counts.get_mut(style) {
                        Some(count) => *count += 1,
                        None => drop(counts.insert(style.to_owned(), 1)),
                    }
                }
            }
        }
        let mut styles: Vec<(String, u64)> = counts.into_iter().collect();
        styles.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let keep_all = options.styles == 0;
        styles.truncate(if keep_all {
            usize::from(u16::MAX)
        } else {
            options.styles.min(usize::from(u16::MAX))
        });
        if styles.is_empty() && !keep_all {
            return Err(Error::format(&path, "no matched track has a style"));
        }
        let numbers: FxHashMap<&str, u16> =
            styles.iter().zip(0..).map(|(style, at)| (style.0.as_str(), at)).collect();
        let mut release_styles: FxHashMap<i64, Vec<u16>> = FxHashMap::default();
        let linked = LINKED_STYLES.path(folder);
        for rows in TableReader::open(&linked, &LINKED_STYLES, &["release_id", "style"])? {
            let rows = rows?;
            for row in 0..rows.len() {
                if let Some(&style) = numbers.get(rows.texts("style").value(row)) {
                    release_styles.entry(rows.ids("release_id").value(row)).or_default().push(style);
                }
            }
        }
        let mut tracks = Vec::new();
        for rows in TableReader::open(&path, &MATCHED, &["releases", "versions", "artists", "styles"])? {
            let rows = rows?;
            for row in 0..rows.len() {
                let chosen =
                    keep_all || rows.word_list("styles", row).any(|style| numbers.contains_key(style));
                tracks.push(chosen.then(|| Track {
                    releases: [rows.id_list("releases", row), rows.id_list("versions", row)].concat(),
                    artists: rows.id_list("artists", row).to_vec(),
                }));
            }
        }
        Ok(Data { tracks, styles, release_styles })
    }

    /// Distinct pairs of a style and a release of a track.
    fn styled(&self, track: usize) -> impl Iterator<Item = (u16, i64)> {
        let releases = self.tracks[track].iter().flat_map(|track| &track.releases);
        releases.flat_map(|release| {
            self.release_styles.get(release).into_iter().flatten().map(|&style| (style, *release))
        })
    }

    /// Releases of every style in every part.
    fn count_releases(&self, parts: &[Option<Part>]) -> [Vec<u32>; 3] {
        let mut seen = FxHashSet::default();
        let mut counts = [(); 3].map(|()| vec![0; self.styles.len()]);
        for (track, part) in parts.iter().enumerate() {
            let Some(part) = *part else { continue };
            for (style, release) in self.styled(track) {
                if seen.insert((part as u8, style, release)) {
                    counts[part as usize][usize::from(style)] += 1;
                }
            }
        }
        counts
    }
}

/// The work of dividing units among the parts.
struct Division<'a> {
    data: &'a Data,
    /// Track -> its units.
    units_of: Vec<Vec<u32>>,
    /// Unit -> its tracks.
    tracks_of: Vec<Vec<u32>>,
    part_of: Vec<Option<Part>>,
    random: Xoshiro256PlusPlus,
}

impl<'a> Division<'a> {
    fn new(data: &'a Data, options: &Options) -> Self {
        // A unit as large as a tenth of the smaller pool would crowd it with one circle of friends.
        let largest = (options.validation.min(options.test) / 10).max(1);
        let units_of = units(data, largest);
        let count = units_of.iter().flatten().max().map_or(0, |&unit| unit as usize + 1);
        let mut tracks_of = vec![Vec::new(); count];
        for (track, units) in units_of.iter().enumerate() {
            units.iter().for_each(|&unit| tracks_of[unit as usize].push(track as u32));
        }
        let random = Xoshiro256PlusPlus::seed_from_u64(options.seed);
        Division { data, units_of, tracks_of, part_of: vec![None; count], random }
    }

    /// The part of every track, `None` for what is dropped, and how many were dropped to keep to the sizes.
    fn divide(mut self, options: &Options) -> (Vec<Option<Part>>, usize) {
        let mut pools = [
            Filling::new(Part::Validation, options.validation, self.data.styles.len()),
            Filling::new(Part::Test, options.test, self.data.styles.len()),
        ];
        self.fill_styles(&mut pools, options.releases);
        let mut rest: Vec<u32> = self.unassigned();
        rest.shuffle(&mut self.random);
        for unit in rest {
            // To whichever lacks more, so that neither takes all the small units.
            let at = usize::from(pools[1].missing() > pools[0].missing());
            if self.fits(unit, &pools[at]) {
                self.assign(unit, &mut pools[at]);
            }
        }
        let surplus = self.top_up(&mut pools);
        self.part_of.iter_mut().filter(|part| part.is_none()).for_each(|part| *part = Some(Part::Train));
        let part = |units: &Vec<u32>| {
            let first = self.part_of[*units.first()? as usize];
            units.iter().all(|&unit| self.part_of[unit as usize] == first).then_some(first).flatten()
        };
        let mut parts: Vec<Option<Part>> = self.units_of.iter().map(part).collect();
        surplus.iter().for_each(|&track| parts[track as usize] = None);
        (parts, surplus.len())
    }

    /// Fills what no whole unit fits into: takes the smallest that is too large, and returns its tracks
    /// that are too many.
    fn top_up(&mut self, pools: &mut [Filling; 2]) -> Vec<u32> {
        let mut surplus = Vec::new();
        for pool in pools {
            let missing = pool.missing();
            let left = self.unassigned().into_iter().map(|unit| (self.gained(unit, pool.part).count(), unit));
            // One that would lose more than it gives stays in training.
            let smallest = left.filter(|&(gained, _)| gained > missing && gained <= missing * 20).min();
            if let (1.., Some((_, unit))) = (missing, smallest) {
                surplus.extend(self.gained(unit, pool.part).skip(missing));
                self.assign(unit, pool);
            }
        }
        surplus
    }

    fn unassigned(&self) -> Vec<u32> {
        (0..self.part_of.len() as u32).filter(|&unit| self.part_of[unit as usize].is_none()).collect()
    }

    /// Gives every style the releases it must have in both pools, the rarest style first. A style with too
    /// few releases for all three parts is shared out evenly.
    fn fill_styles(&mut self, pools: &mut [Filling; 2], wanted: usize) {
        let mut units_with: Vec<Vec<u32>> = vec![Vec::new(); self.data.styles.len()];
        let mut totals = vec![FxHashSet::default(); self.data.styles.len()];
        for unit in 0..self.tracks_of.len() {
            let mut styles = FxHashSet::default();
            for &track in &self.tracks_of[unit] {
                for (style, release) in self.data.styled(track as usize) {
                    styles.insert(style);
                    totals[usize::from(style)].insert(release);
                }
            }
            styles.into_iter().for_each(|style| units_with[usize::from(style)].push(unit as u32));
        }
        let mut order: Vec<usize> = (0..totals.len()).collect();
        order.sort_by_key(|&style| (totals[style].len(), style));
        for style in order {
            let need = wanted.min(totals[style].len() / 3);
            let mut candidates = std::mem::take(&mut units_with[style]);
            candidates.shuffle(&mut self.random);
            // The smallest first: they cost a pool the least for a release.
            candidates.sort_by_key(|&unit| self.tracks_of[unit as usize].len());
            for unit in candidates {
                let lacking = (0..2).filter(|&at| pools[at].have[style] < need);
                let Some(at) = lacking.min_by_key(|&at| pools[at].have[style]) else { break };
                if self.part_of[unit as usize].is_none() && self.fits(unit, &pools[at]) {
                    self.assign(unit, &mut pools[at]);
                }
            }
        }
    }

    /// Tracks that a part gains with a unit: those whose other units, if any, are in it already.
    fn gained(&self, unit: u32, part: Part) -> impl Iterator<Item = u32> {
        self.tracks_of[unit as usize].iter().copied().filter(move |&track| {
            let others = self.units_of[track as usize].iter().filter(move |&&other| other != unit);
            others.into_iter().all(|&other| self.part_of[other as usize] == Some(part))
        })
    }

    fn fits(&self, unit: u32, pool: &Filling) -> bool {
        let gained = self.gained(unit, pool.part).count();
        gained > 0 && gained <= pool.missing()
    }

    fn assign(&mut self, unit: u32, pool: &mut Filling) {
        for track in self.gained(unit, pool.part) {
            pool.tracks += 1;
            for (style, release) in self.data.styled(track as usize) {
                if pool.seen.insert((style, release)) {
                    pool.have[usize::from(style)] += 1;
                }
            }
        }
        self.part_of[unit as usize] = Some(pool.part);
    }
}

/// A pool being filled.
struct Filling {
    part: Part,
    size: usize,
    tracks: usize,
    /// Releases of every style.
    have: Vec<usize>,
    seen: FxHashSet<(u16, i64)>,
}

impl Filling {
    fn new(part: Part, size: usize, styles: usize) -> Self {
        Filling { part, size, tracks: 0, have: vec![0; styles], seen: FxHashSet::default() }
    }

    fn missing(&self) -> usize {
        self.size.saturating_sub(self.tracks)
    }
}

/// Joins artists who share tracks, as long as a unit has at most `largest` tracks. Tracks of nobody form
/// units by release, so that the unknown artist of an album is not in two parts either.
fn units(data: &Data, largest: usize) -> Vec<Vec<u32>> {
    let mut numbers: FxHashMap<i64, u32> = FxHashMap::default();
    let mut named: Vec<Vec<u32>> = Vec::with_capacity(data.tracks.len());
    for track in &data.tracks {
        let mut own = Vec::new();
        if let Some(track) = track {
            // Ids of releases are told from those of artists by their sign.
            let nobodys: Vec<i64> = track.releases.first().map(|release| -release).into_iter().collect();
            let ids = if track.artists.is_empty() { &nobodys } else { &track.artists };
            for &id in ids {
                let next = numbers.len() as u32;
                own.push(*numbers.entry(id).or_insert(next));
            }
        }
        named.push(own);
    }
    let mut parents: Vec<u32> = (0..numbers.len() as u32).collect();
    let mut sizes = vec![0usize; numbers.len()];
    // A track counts once, at its first artist.
    named.iter().filter_map(|own| own.first()).for_each(|&artist| sizes[artist as usize] += 1);
    for own in &named {
        for pair in own.windows(2) {
            let (a, b) = (root(&mut parents, pair[0]), root(&mut parents, pair[1]));
            if a != b && sizes[a as usize] + sizes[b as usize] <= largest {
                parents[b as usize] = a;
                sizes[a as usize] += sizes[b as usize];
            }
        }
    }
    for own in &mut named {
        own.iter_mut().for_each(|artist| *artist = root(&mut parents, *artist));
        own.sort_unstable();
        own.dedup();
    }
    named
}

fn root(parents: &mut [u32], mut at: u32) -> u32 {
    while parents[at as usize] != at {
        let above = parents[at as usize];
        parents[at as usize] = parents[above as usize];
        at = above;
    }
    at
}

fn style_rows(data: &Data, counts: &[Vec<u32>; 3]) -> arrow_array::RecordBatch {
    let mut builder = Builder::new(&STYLES);
    for (at, (style, tracks)) in data.styles.iter().enumerate() {
        let count = |part: Part| Cell::Int(i32::try_from(counts[part as usize][at]).ok());
        builder.push([
            Cell::Text(style),
            Cell::Id(*tracks as i64),
            count(Part::Train),
            count(Part::Validation),
            count(Part::Test),
        ]);
    }
    builder.finish()
}

fn write_split(folder: &Path, data: &Data, parts: &[Option<Part>]) -> Result<TableWriter> {
    use arrow_array::Array;
    let chosen: FxHashSet<&str> = data.styles.iter().map(|(style, _)| style.as_str()).collect();
    let mut writer = TableWriter::create(&SPLIT.path(folder), &SPLIT)?;
    let mut builder = Builder::new(&SPLIT);
    let (mut at, mut number) = (0, 0);
    for rows in TableReader::open(&MATCHED.path(folder), &MATCHED, &COLUMNS)? {
        let rows = rows?;
        for row in 0..rows.len() {
            at += 1;
            let Some(part) = parts[at - 1] else { continue };
            let styles: Vec<&str> =
                rows.word_list("styles", row).filter(|style| chosen.contains(style)).collect();
            let genres: Vec<&str> = rows.word_list("genres", row).collect();
            let durations = rows.floats("duration_s");
            builder.push([
                Cell::Id(number),
                Cell::Text(rows.texts("path").value(row)),
                Cell::Text(rows.texts("sha256").value(row)),
                Cell::Float(durations.is_valid(row).then(|| durations.value(row))),
                Cell::Text(part.name()),
                Cell::Ids(rows.id_list("releases", row)),
                Cell::Ids(rows.id_list("versions", row)),
                Cell::Ids(rows.id_list("artists", row)),
                Cell::Ids(rows.id_list("labels", row)),
                Cell::Words(&styles),
                Cell::Words(&genres),
                Cell::Ints(rows.int_list("years", row)),
            ]);
            number += 1;
        }
        writer.write(&builder.finish())?;
    }
    Ok(writer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tracks of one release each, with the given artists; style of a track: its release modulo `styles`.
    fn data(artists: &[Vec<i64>], styles: i64) -> Data {
        let track = |(at, artists): (usize, &Vec<i64>)| {
            let mut artists = artists.clone();
            artists.sort_unstable();
            artists.dedup();
            Some(Track { releases: vec![at as i64 + 1], artists })
        };
        Data {
            tracks: artists.iter().enumerate().map(track).collect(),
            styles: (0..styles).map(|style| (format!("{style:03}"), 1)).collect(),
            release_styles: (1..=artists.len() as i64).map(|id| (id, vec![(id % styles) as u16])).collect(),
        }
    }

    #[test]
    fn pools_are_filled_and_styles_served() {
        // 6,000 tracks of 2,000 artists; every tenth track is a duet with the next artist.
        let artists: Vec<Vec<i64>> =
            (0..6000).map(|at| if at % 10 == 0 { vec![at / 3, at / 3 + 1] } else { vec![at / 3] }).collect();
        let data = data(&artists, 20);
        let options = Options { styles: 20, validation: 500, test: 700, releases: 20, seed: 1 };
        let (parts, surplus) = Division::new(&data, &options).divide(&options);
        let count = |part| parts.iter().filter(|of| **of == Some(part)).count();
        assert_eq!((count(Part::Validation), count(Part::Test)), (500, 700));
        assert!(parts.iter().filter(|part| part.is_none()).count() - surplus < 120, "torn");
        let releases = data.count_releases(&parts);
        assert!(releases[1].iter().chain(&releases[2]).all(|&count| count >= 20), "{releases:?}");
        assert_eq!(parts, Division::new(&data, &options).divide(&options).0, "by seed");
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn no_artist_is_in_two_parts(
            artists in prop::collection::vec(prop::collection::vec(1i64..40, 0..4), 1..200),
            validation in 1usize..40, test in 1usize..40, seed in any::<u64>(),
        ) {
            let data = data(&artists, 5);
            let options = Options { styles: 5, validation, test, releases: 3, seed };
            let (parts, surplus) = Division::new(&data, &options).divide(&options);
            let mut part_of: FxHashMap<i64, Part> = FxHashMap::default();
            let mut torn = 0;
            for (track, part) in data.tracks.iter().flatten().zip(&parts) {
                let Some(part) = part else { torn += 1; continue };
                for artist in &track.artists {
                    prop_assert_eq!(part_of.entry(*artist).or_insert(*part), part);
                }
            }
            let count = |part| parts.iter().filter(|of| **of == Some(part)).count();
            prop_assert!(count(Part::Validation) <= validation && count(Part::Test) <= test);
            // Only tracks of several artists can be torn.
            prop_assert!(torn - surplus <= data.tracks.iter().flatten().filter(|track| track.artists.len() > 1).count());
        }
    }
}
