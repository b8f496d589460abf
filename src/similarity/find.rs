//! The tracks that are most similar to a query.

use std::collections::HashMap;

use super::query::{Duplicates, Match, Query};
use super::{Library, TrackRef};
use crate::Result;

impl Library {
    /// The tracks that are most similar to a query, best first; among equal cosines, the lower index.
    ///
    /// # Errors
    /// `InvalidArgument` if the query has no seed, a seed has another size, is no track of the library or has a weight
    /// of 0, the seeds cancel each other, or the filter names an activation that the library does not have.
    pub fn find(&self, query: &Query) -> Result<Vec<Match>> {
        let direction = query.direction(self)?;
        let filter = query.filter.ready(self)?;
        let seeds: Vec<usize> = query.seed_tracks(false).collect();
        let accept = |track: usize| !seeds.contains(&track) && filter.takes(track);
        let plain = query.duplicates == Duplicates::Keep
            && query.max_per_artist.is_none()
            && query.max_per_album.is_none();
        let mut candidates =
            if plain { query.count } else { query.count.saturating_mul(4).saturating_add(64) };
        loop {
            let nearest = self.nearest(&direction, candidates, query.how(), &accept);
            let all = nearest.len() < candidates;
            let mut chosen = Chosen::new(self, query);
            for scored in nearest {
                if chosen.is_full() {
                    break;
                }
                chosen.offer(scored.track, scored.cosine);
            }
            if plain || all || chosen.is_full() {
                return Ok(chosen.matches);
            }
            candidates = candidates.saturating_mul(4);
        }
    }
}

/// Matches within a query's limits.
struct Chosen<'a> {
    library: &'a Library,
    query: &'a Query,
    limits: Limits,
    matches: Vec<Match>,
    /// Matches that are no near-duplicates.
    count: usize,
}

impl<'a> Chosen<'a> {
    fn new(library: &'a Library, query: &'a Query) -> Self {
        Chosen { library, query, limits: Limits::new(query), matches: Vec::new(), count: 0 }
    }

    fn is_full(&self) -> bool {
        self.count >= self.query.count
    }

    fn offer(&mut self, track: usize, cosine: f32) {
        let (library, query) = (self.library, self.query);
        let duplicate_of = match query.duplicates {
            Duplicates::Keep => None,
            _ => query
                .seed_tracks(true)
                .chain(self.matches.iter().map(|found| found.track))
                .find(|&other| library.are_duplicates(track, other, &query.rule(library))),
        };
        match duplicate_of {
            Some(_) if query.duplicates == Duplicates::LeaveOut => return,
            Some(_) => {}
            None if !self.limits.allow(&library.track(track)) => return,
            None => self.count += 1,
        }
        self.matches.push(Match { track, cosine, duplicate_of });
    }
}

/// How many tracks of each artist and album there are.
pub(super) struct Limits {
    per_artist: Option<usize>,
    per_album: Option<usize>,
    artists: HashMap<String, usize>,
    albums: HashMap<(String, String), usize>,
}

impl Limits {
    pub fn new(query: &Query) -> Self {
        Limits {
            per_artist: query.max_per_artist,
            per_album: query.max_per_album,
            artists: HashMap::new(),
            albums: HashMap::new(),
        }
    }

    /// Whether one more is allowed.
    pub fn has_room(&self, track: &TrackRef<'_>) -> bool {
        let below = |limit: Option<usize>, count: Option<&usize>| {
            limit.is_none_or(|limit| count.copied().unwrap_or_default() < limit)
        };
        (self.per_artist.is_none() || below(self.per_artist, self.artists.get(&artist_key(track))))
            && (self.per_album.is_none() || below(self.per_album, self.albums.get(&album_key(track))))
    }

    /// Counts a track. One without an artist or an album does not count there.
    pub fn count(&mut self, track: &TrackRef<'_>) {
        if self.per_artist.is_some() && !track.main_artist().is_empty() {
            *self.artists.entry(artist_key(track)).or_default() += 1;
        }
        if self.per_album.is_some() && !track.album.is_empty() {
            *self.albums.entry(album_key(track)).or_default() += 1;
        }
    }

    /// Counts a track if it is allowed.
    fn allow(&mut self, track: &TrackRef<'_>) -> bool {
        let allowed = self.has_room(track);
        if allowed {
            self.count(track);
        }
        allowed
    }
}

/// What tells artists apart.
pub(super) fn artist_key(track: &TrackRef<'_>) -> String {
    track.main_artist().to_lowercase()
}

/// What tells albums apart: the artist of the album and its title.
fn album_key(track: &TrackRef<'_>) -> (String, String) {
    let artist = if track.album_artist.is_empty() { track.artist } else { track.album_artist };
    (artist.to_lowercase(), track.album.to_lowercase())
}
