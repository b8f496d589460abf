//! Assigns tracks to parts.
//!
//! Artists who record together are joined to units, as long as a unit stays small compared with a pool. Units are drawn
//! into validation and test, first those that styles lack, then at random until the pools are full; the rest is
//! training. Only tracks whose artists end up in different parts are dropped.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Apart, Fold, Options, Part};

/// The input of splitting. Tracks without a chosen style are `None`.
pub(super) struct Data {
    pub tracks: Vec<Option<Track>>,
    /// The chosen styles, the most frequent first, with their tracks.
    pub styles: Vec<(String, u64)>,
    /// The chosen styles of each release.
    pub release_styles: FxHashMap<i64, Vec<u16>>,
}

/// A track for splitting.
pub(super) struct Track {
    pub releases: Vec<i64>,
    pub artists: Vec<i64>,
    /// The number of the group of files with the same audio, if there are others.
    pub copies: Option<u32>,
}

impl Data {
    /// Distinct pairs of a style and a release of a track.
    fn styled(&self, track: usize) -> impl Iterator<Item = (u16, i64)> {
        let releases = self.tracks[track].iter().flat_map(|track| &track.releases);
        releases.flat_map(|release| {
            self.release_styles.get(release).into_iter().flatten().map(|&style| (style, *release))
        })
    }

    /// The number of releases of every style in every part.
    pub fn count_releases(&self, parts: &[Option<Part>]) -> [Vec<u32>; 3] {
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

/// The state while units are assigned to parts.
pub(super) struct Division<'a> {
    data: &'a Data,
    /// The units of each track.
    units_of: Vec<Vec<u32>>,
    /// The tracks of each unit.
    tracks_of: Vec<Vec<u32>>,
    part_of: Vec<Option<Part>>,
    random: Xoshiro256PlusPlus,
}

impl<'a> Division<'a> {
    pub fn new(data: &'a Data, options: &Options) -> Self {
        let tracks = data.tracks.iter().flatten().count();
        let largest = match (options.fold, options.apart) {
            (Some(fold), _) => tracks / fold.count,
            // If releases are kept together, the collection is small, and its units are large.
            (None, Apart::Releases) => options.test,
            // A unit of more than a tenth of the smaller pool would fill it with artists who all know each other.
            (None, Apart::Artists) => options.validation.min(options.test) / 10,
        };
        let units_of = units(data, options.apart, largest.max(1));
        let count = units_of.iter().flatten().max().map_or(0, |&unit| unit as usize + 1);
        let mut tracks_of = vec![Vec::new(); count];
        for (track, units) in units_of.iter().enumerate() {
            units.iter().for_each(|&unit| tracks_of[unit as usize].push(track as u32));
        }
        let random = Xoshiro256PlusPlus::seed_from_u64(options.seed);
        Division { data, units_of, tracks_of, part_of: vec![None; count], random }
    }

    /// The part of every track, `None` if it is dropped, and the number of tracks dropped to keep to the sizes.
    pub fn divide(mut self, options: &Options) -> (Vec<Option<Part>>, usize) {
        let mut pools = [
            Filling::new(Part::Validation, options.validation, self.data.styles.len()),
            Filling::new(Part::Test, options.test, self.data.styles.len()),
        ];
        match options.fold {
            Some(fold) => self.take_fold(fold, &mut pools[1]),
            None => self.fill_styles(&mut pools, options.releases),
        }
        let mut rest: Vec<u32> = self.unassigned();
        rest.shuffle(&mut self.random);
        for unit in rest {
            // To the pool that lacks more, so that neither takes all the small units.
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

    /// Divides all units among folds of nearly the same size, and assigns one of them to the pool, which is then full.
    fn take_fold(&mut self, fold: Fold, pool: &mut Filling) {
        let mut order = self.unassigned();
        order.shuffle(&mut self.random);
        order.sort_by_key(|&unit| std::cmp::Reverse(self.tracks_of[unit as usize].len()));
        let mut sizes = vec![0; fold.count];
        for unit in order {
            let smallest = (0..fold.count).min_by_key(|&at| sizes[at]).expect("there is a fold");
            sizes[smallest] += self.tracks_of[unit as usize].len();
            if smallest + 1 == fold.index {
                self.assign(unit, pool);
            }
        }
        pool.size = pool.tracks;
    }

    /// Completes pools that no whole unit fits into: takes the smallest unit that is too large, and returns its surplus
    /// tracks.
    fn top_up(&mut self, pools: &mut [Filling; 2]) -> Vec<u32> {
        let mut surplus = Vec::new();
        for pool in pools {
            let missing = pool.missing();
            let left = self.unassigned().into_iter().map(|unit| (self.gained(unit, pool.part).count(), unit));
            // A unit with more than 20 times the missing tracks would lose too many; it stays in training.
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

    /// Gives every style the required releases in both pools, the rarest style first. If a style has too few releases
    /// for all three parts, they are divided evenly.
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
            // The smallest first: they fill the pool least for a release.
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

    /// Tracks that a part gains with a unit: those whose other units, if any, are already in the part.
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
    /// The number of releases of every style.
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

/// Joins artists who share tracks (and, if releases are kept apart, releases that share artists), as long as a unit has
/// at most `largest` tracks. Tracks without an artist form units by release, so that the unknown artist of an album is
/// not in two parts either. Files with the same audio are in a unit too, whatever their tags say: either they are in the
/// same part, or some of them are dropped.
fn units(data: &Data, apart: Apart, largest: usize) -> Vec<Vec<u32>> {
    let mut numbers: FxHashMap<i64, u32> = FxHashMap::default();
    let mut named: Vec<Vec<u32>> = Vec::with_capacity(data.tracks.len());
    for track in &data.tracks {
        let mut own = Vec::new();
        if let Some(track) = track {
            // Negative ids are those of releases, positive ones those of artists, the most negative ones those of copies.
            let releases = track.releases.iter().map(|release| -release);
            let releases = releases.take(match (apart, track.artists.is_empty()) {
                (Apart::Artists, false) => 0,
                (Apart::Artists, true) => 1,
                (Apart::Releases, _) => usize::MAX,
            });
            let copies = track.copies.map(|number| i64::MIN + i64::from(number));
            for id in track.artists.iter().copied().chain(releases).chain(copies) {
                let next = numbers.len() as u32;
                own.push(*numbers.entry(id).or_insert(next));
            }
        }
        named.push(own);
    }
    let mut parents: Vec<u32> = (0..numbers.len() as u32).collect();
    let mut sizes = vec![0usize; numbers.len()];
    // A track counts once, for its first artist.
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Tracks of one release each, with the given artists; a track's style is its release modulo `styles`.
    fn data(artists: &[Vec<i64>], styles: i64) -> Data {
        let track = |(at, artists): (usize, &Vec<i64>)| {
            let mut artists = artists.clone();
            artists.sort_unstable();
            artists.dedup();
            Some(Track { releases: vec![at as i64 + 1], artists, copies: None })
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
        let options =
            Options { styles: 20, validation: 500, test: 700, releases: 20, seed: 1, ..Options::default() };
        let (parts, surplus) = Division::new(&data, &options).divide(&options);
        let count = |part| parts.iter().filter(|of| **of == Some(part)).count();
        assert_eq!((count(Part::Validation), count(Part::Test)), (500, 700));
        assert!(parts.iter().filter(|part| part.is_none()).count() - surplus < 120, "torn");
        let releases = data.count_releases(&parts);
        assert!(releases[1].iter().chain(&releases[2]).all(|&count| count >= 20), "{releases:?}");
        assert_eq!(parts, Division::new(&data, &options).divide(&options).0, "by seed");
    }

    #[test]
    fn folds_are_the_whole_collection_and_have_no_artist_or_release_in_common() {
        // Eighty releases of five tracks; every artist is on two of them, and every fifth track has no artist.
        let artist = |at: i64| if at % 5 == 0 { vec![] } else { vec![at / 10 + 1] };
        let track = |at: i64| Some(Track { releases: vec![at / 5 + 1], artists: artist(at), copies: None });
        let release_styles = FxHashMap::default();
        let data = Data { tracks: (0..400).map(track).collect(), styles: vec![], release_styles };
        let mut tested = vec![0; 400];
        for index in 1..=3 {
            let fold = Some(Fold { index, count: 3 });
            let apart = Apart::Releases;
            let options = Options { apart, fold, styles: 0, validation: 40, seed: 5, ..Options::default() };
            let (parts, surplus) = Division::new(&data, &options).divide(&options);
            let mut part_of: FxHashMap<i64, Part> = FxHashMap::default();
            for (at, (track, part)) in data.tracks.iter().flatten().zip(&parts).enumerate() {
                let Some(part) = part else { continue };
                tested[at] += usize::from(*part == Part::Test);
                for id in track.artists.iter().copied().chain(track.releases.iter().map(|id| -id)) {
                    assert_eq!(part_of.entry(id).or_insert(*part), part);
                }
            }
            let count = |part| parts.iter().filter(|of| **of == Some(part)).count();
            assert!((100..=165).contains(&count(Part::Test)), "{}", count(Part::Test));
            assert_eq!(count(Part::Validation), 40);
            assert_eq!(parts.iter().flatten().count() + surplus, 400, "none is torn");
        }
        assert_eq!(tested, [1; 400]);
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

        #[test]
        fn no_artist_is_in_two_parts(
            artists in prop::collection::vec(prop::collection::vec(1i64..40, 0..4), 1..200),
            validation in 1usize..40, test in 1usize..40, seed in any::<u64>(),
            copies in prop::collection::vec(prop::option::weighted(0.3, 0u32..10), 200),
        ) {
            let mut data = data(&artists, 5);
            for (track, copies) in data.tracks.iter_mut().flatten().zip(&copies) {
                track.copies = *copies;
            }
            let options = Options { styles: 5, validation, test, releases: 3, seed, ..Options::default() };
            let (parts, surplus) = Division::new(&data, &options).divide(&options);
            let mut part_of: FxHashMap<i64, Part> = FxHashMap::default();
            let mut torn = 0;
            for (track, part) in data.tracks.iter().flatten().zip(&parts) {
                let Some(part) = part else { torn += 1; continue };
                for id in track.artists.iter().copied().chain(track.copies.map(|number| -1 - i64::from(number))) {
                    prop_assert_eq!(part_of.entry(id).or_insert(*part), part);
                }
            }
            let count = |part| parts.iter().filter(|of| **of == Some(part)).count();
            prop_assert!(count(Part::Validation) <= validation && count(Part::Test) <= test);
            // Only tracks of several artists, and copies, can have them in different parts.
            let several = |track: &&Track| track.artists.len() > 1 || track.copies.is_some();
            prop_assert!(torn - surplus <= data.tracks.iter().flatten().filter(several).count());
        }
    }
}
