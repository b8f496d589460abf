//! Playlists that go on from track to track, and paths from one track to another.

use super::duplicates::DuplicateRule;
use super::find::{Limits, artist_key};
use super::kernels::FloatQuery;
use super::query::{Duplicates, Filter, Match, Query};
use super::random::Random;
use super::search::{How, Scored};
use super::{Library, Precision};
use crate::{Error, Result};

/// How a playlist is made.
#[derive(Clone, Debug, PartialEq)]
pub struct PlaylistOptions {
    /// How far it goes away from the seeds, from 0 (every track is near the seeds) to 1 (every track is near the one
    /// before).
    pub drift: f32,
    /// How much is left to chance, from 0 (nothing) to 1.
    pub variety: f32,
    /// The same seed gives the same playlist. It has no effect without variety.
    pub seed: u64,
    /// The tracks between two tracks of an artist, at least.
    pub artist_gap: usize,
    /// Whether it begins with the query's first track.
    pub begin_with_seed: bool,
}

impl Default for PlaylistOptions {
    fn default() -> Self {
        PlaylistOptions { drift: 0.3, variety: 0.0, seed: 0, artist_gap: 2, begin_with_seed: true }
    }
}

/// The most candidates for the next track that chance chooses among.
const MAX_CHOICES: usize = 32;
/// How much of a cosine full variety outweighs.
const VARIETY: f64 = 0.05;
/// Tracks that are put in order at a time: the work grows with the third power.
const ORDERED: usize = 200;
/// What a violated gap costs, beside squared distances of at most 4.
const GAP_COST: f64 = 16.0;
/// Candidates for each place of a path.
const PATH_CANDIDATES: usize = 12;
/// How much the distance from the straight way counts in a path, beside the distance from track to track.
const STRAIGHT: f64 = 0.25;

impl Library {
    /// A playlist of `query.count` tracks: each is near the seeds and near the track before, no recording comes twice,
    /// and the order avoids jumps. It is shorter if there are no more tracks. [`Match::cosine`] is the cosine with the
    /// seeds.
    ///
    /// # Errors
    /// As [`find`](Self::find); `InvalidArgument` if drift or variety is not between 0 and 1.
    pub fn playlist(&self, query: &Query, options: &PlaylistOptions) -> Result<Vec<Match>> {
        for (name, value) in [("drift", options.drift), ("variety", options.variety)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::InvalidArgument(format!("{name} is {value}; it must be between 0 and 1")));
            }
        }
        let direction = query.direction(self)?;
        let filter = query.filter.ready(self)?;
        let seeds: Vec<usize> = query.seed_tracks(false).collect();
        let mut limits = Limits::new(query);
        let mut list: Vec<usize> = Vec::new();
        if options.begin_with_seed {
            list.extend(query.seed_tracks(true).next().filter(|_| query.count > 0));
            list.iter().for_each(|&track| limits.count(&self.track(track)));
        }
        let choices = 1 + (options.variety * (MAX_CHOICES - 1) as f32).round() as usize;
        let mut random = Random::new(options.seed);
        while list.len() < query.count {
            let target = match list.last() {
                Some(&last) => mixed(&direction, &self.unit_vector(last), options.drift),
                None => direction.clone(),
            };
            let recent: Vec<String> = list
                .iter()
                .rev()
                .take(options.artist_gap)
                .map(|&track| artist_key(&self.track(track)))
                .collect();
            let fits = |track: usize| {
                !seeds.contains(&track)
                    && !list.contains(&track)
                    && filter.takes(track)
                    && limits.has_room(&self.track(track))
                    && !self.repeats(track, list.iter().chain(&seeds), query)
            };
            let apart = |track: usize| {
                let artist = artist_key(&self.track(track));
                (artist.is_empty() || !recent.contains(&artist)) && fits(track)
            };
            let mut nearest = self.nearest(&target, choices, query.how(), &apart);
            if nearest.is_empty() {
                // Rather an artist twice than an end.
                nearest = self.nearest(&target, choices, query.how(), &fits);
            }
            let Some(next) = chosen(&nearest, options.variety, &mut random) else { break };
            limits.count(&self.track(next));
            list.push(next);
        }
        for part in list.chunks_mut(ORDERED) {
            self.smooth(part, options.artist_gap);
        }
        let unit = FloatQuery::new(&direction, self.kernels());
        let found = |track| Match::new(track, self.exact(&unit, track));
        Ok(list.into_iter().map(found).collect())
    }

    /// Whether a track is a recording that is there already. Playlists never repeat one, whatever the query's policy.
    fn repeats<'a>(&self, track: usize, mut others: impl Iterator<Item = &'a usize>, query: &Query) -> bool {
        let rule = if query.duplicates == Duplicates::Keep { SAME } else { query.rule(self) };
        others.any(|&other| self.are_duplicates(track, other, &rule))
    }

    /// Puts tracks in an order in which each is near the next: reverses parts as long as that makes the sum of squared
    /// distances smaller. The first track stays.
    fn smooth(&self, list: &mut [usize], gap: usize) {
        let count = list.len();
        if count < 4 {
            return;
        }
        let mut distances = vec![0.0; count * count];
        for one in 0..count {
            for other in 0..one {
                let distance = f64::from(1.0 - self.cosine(list[one], list[other])).powi(2);
                distances[one * count + other] = distance;
                distances[other * count + one] = distance;
            }
        }
        let artists: Vec<String> = list.iter().map(|&track| artist_key(&self.track(track))).collect();
        let close = |one: usize, other: usize| !artists[one].is_empty() && artists[one] == artists[other];
        // The violated gaps from a place on, as far as a change of places `first` to `last` can matter.
        let violations = |order: &[usize], first: usize, last: usize| {
            let places = first.saturating_sub(gap)..(last + gap + 1).min(count);
            let pairs = places.clone().flat_map(|place| {
                (place + 1..(place + gap + 1).min(places.end)).map(move |other| (place, other))
            });
            pairs.filter(|&(one, other)| close(order[one], order[other])).count() as f64
        };
        let mut order: Vec<usize> = (0..count).collect();
        loop {
            let mut better = false;
            for first in 1..count - 1 {
                for last in first + 1..count {
                    let cost = |order: &[usize]| {
                        let mut cost = distances[order[first - 1] * count + order[first]];
                        if last + 1 < count {
                            cost += distances[order[last] * count + order[last + 1]];
                        }
                        cost + if gap > 0 { GAP_COST * violations(order, first, last) } else { 0.0 }
                    };
                    let before = cost(&order);
                    order[first..=last].reverse();
                    if cost(&order) < before - 1e-9 {
                        better = true;
                    } else {
                        order[first..=last].reverse();
                    }
                }
            }
            if !better {
                break;
            }
        }
        let old = list.to_vec();
        list.iter_mut().zip(order).for_each(|(track, place)| *track = old[place]);
    }

    /// A path of `steps` tracks from one track to another, both included, in which neighbours are near each other. No
    /// recording comes twice. [`Match::cosine`] is the cosine with the track before; that of the first is 1.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such track, both are the same, `steps` is less than 2, or the filter leaves too
    /// few tracks.
    pub fn path_between(
        &self,
        from: usize,
        to: usize,
        steps: usize,
        options: &PathOptions,
    ) -> Result<Vec<Match>> {
        let wrong = |why: String| Err(Error::InvalidArgument(why));
        if let Some(track) = [from, to].into_iter().find(|&track| track >= self.len()) {
            return wrong(format!("no track {track}: the library has {}", self.len()));
        }
        if from == to || steps < 2 {
            return wrong("a path needs two different tracks and at least 2 steps".to_owned());
        }
        if steps > self.len() {
            return wrong(format!("a path of {steps} tracks; the library has {}", self.len()));
        }
        let filter = options.filter.ready(self)?;
        let (first, last) = (self.unit_vector(from), self.unit_vector(to));
        let how = How { precision: options.precision, threads: options.threads };
        let rule = options.rule.unwrap_or_else(|| self.duplicate_rule());
        // The candidates of each place are near the point of the straight way that belongs to it, and of no other place.
        // First each place gets one, then each gets more.
        let mut places = vec![Vec::new(); steps - 2];
        let mut taken = vec![from, to];
        for candidates in [1, PATH_CANDIDATES] {
            for (step, place) in places.iter_mut().enumerate() {
                let target = between(&first, &last, (step + 1) as f64 / (steps - 1) as f64);
                let repeats = |track: usize, taken: &[usize]| {
                    taken.iter().any(|&other| self.are_duplicates(track, other, &rule))
                };
                let accept =
                    |track: usize| !taken.contains(&track) && filter.takes(track) && !repeats(track, &taken);
                for Scored { track, cosine } in self.nearest(&target, candidates, how, &accept) {
                    // Those that were found together may be the same recording, too.
                    if !repeats(track, &taken) {
                        place.push((track, STRAIGHT * f64::from(1.0 - cosine).powi(2)));
                        taken.push(track);
                    }
                }
                if place.is_empty() {
                    return wrong(format!("too few different recordings for a path of {steps} tracks"));
                }
            }
        }
        places.insert(0, vec![(from, 0.0)]);
        places.push(vec![(to, 0.0)]);
        let path = self.shortest(&places);
        let step = |at: usize| if at == 0 { 1.0 } else { self.cosine(path[at - 1], path[at]) };
        let found = |(at, &track)| Match::new(track, step(at));
        Ok(path.iter().enumerate().map(found).collect())
    }

    /// The way through one candidate of each place with the least sum of squared distances.
    fn shortest(&self, places: &[Vec<(usize, f64)>]) -> Vec<usize> {
        let mut costs: Vec<f64> = places[0].iter().map(|&(_, cost)| cost).collect();
        let mut backs: Vec<Vec<usize>> = Vec::new();
        for pair in places.windows(2) {
            let reach = |&(track, own): &(usize, f64)| {
                let ways = pair[0].iter().zip(&costs).map(|(&(before, _), cost)| {
                    cost + own + f64::from(1.0 - self.cosine(before, track)).powi(2)
                });
                let best = ways.enumerate().min_by(|one, other| one.1.total_cmp(&other.1));
                best.unwrap_or((0, f64::INFINITY))
            };
            let reached: Vec<(usize, f64)> = pair[1].iter().map(reach).collect();
            costs = reached.iter().map(|&(_, cost)| cost).collect();
            backs.push(reached.into_iter().map(|(back, _)| back).collect());
        }
        let mut at = 0;
        let mut path = vec![places[places.len() - 1][0].0];
        for (place, back) in places[..places.len() - 1].iter().zip(&backs).rev() {
            at = back[at];
            path.push(place[at].0);
        }
        path.reverse();
        path
    }
}

/// What a playlist takes for a repetition although near-duplicates are kept: practically the same sound.
const SAME: DuplicateRule = DuplicateRule { cosine: 0.99999, seconds: 0.5 };

/// How a path is made.
#[derive(Clone, Debug, Default)]
pub struct PathOptions {
    /// Which tracks may be on it.
    pub filter: Filter,
    /// What counts as the same recording, in place of the library's own rule.
    pub rule: Option<DuplicateRule>,
    /// The rows that are searched.
    pub precision: Precision,
    /// The number of threads; 0 means all cores. The path does not depend on it.
    pub threads: usize,
}

/// A part `drift` of one direction and the rest of another, with length 1.
fn mixed(near: &[f32], far: &[f32], drift: f32) -> Vec<f32> {
    let sum: Vec<f32> = near.iter().zip(far).map(|(a, b)| (1.0 - drift) * a + drift * b).collect();
    let length = sum.iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
    // Opposite directions cancel each other; then the seeds decide.
    if length < 1e-6 {
        return near.to_vec();
    }
    sum.into_iter().map(|value| (f64::from(value) / length) as f32).collect()
}

/// The point that divides the arc between two directions.
fn between(from: &[f32], to: &[f32], part: f64) -> Vec<f32> {
    let cosine: f64 = from.iter().zip(to).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    let angle = cosine.clamp(-1.0, 1.0).acos();
    let (a, b) = match angle.sin() {
        // Nearly the same direction, or opposite ones, between which no arc is shortest.
        sine if sine < 1e-6 => (1.0 - part, part),
        sine => (((1.0 - part) * angle).sin() / sine, (part * angle).sin() / sine),
    };
    let (scaled_from, scaled_to) =
        (from.iter().map(|&value| f64::from(value) * a), to.iter().map(|&value| f64::from(value) * b));
    let sum: Vec<f64> = scaled_from.zip(scaled_to).map(|(a, b)| a + b).collect();
    let length = sum.iter().map(|value| value * value).sum::<f64>().sqrt();
    if length < 1e-6 {
        return from.to_vec();
    }
    sum.into_iter().map(|value| (value / length) as f32).collect()
}

/// One of the nearest, chosen by chance: each has its cosine and a random number from a Gumbel distribution.
fn chosen(nearest: &[Scored], variety: f32, random: &mut Random) -> Option<usize> {
    let gumbel = |random: &mut Random| -(-(1.0 - random.unit()).ln()).ln();
    let scored = nearest.iter().map(|scored| {
        let luck = if variety > 0.0 { f64::from(variety) * VARIETY * gumbel(random) } else { 0.0 };
        (scored.track, f64::from(scored.cosine) + luck)
    });
    // The first of equals, which is the better one.
    scored.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(track, _)| track)
}
