//! The tracks that are searched, and their editorial metadata.

use std::path::Path;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::error::{Error, Result};
use crate::features::Content;
use crate::links::Links;
use crate::pairs::tables::{NEVER, Split};
use crate::pairs::{Association, Condition, ExcludedPairs, TrackMetadata};
use crate::splits::{Part, SPLIT};
use crate::table::TableReader;

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// Its path in the collection.
    pub path: String,
    /// The SHA-256 of its file.
    pub content: Content,
}

/// The collection that is searched: the tracks of some parts of a data set, numbered from 0 in the order of their
/// paths.
#[derive(Clone, Debug)]
pub struct Collection {
    /// The recordings.
    pub tracks: Vec<Track>,
    metadata: TrackMetadata,
    excluded: ExcludedPairs,
    /// The groups of the bootstrap: see [`Collection::group`].
    groups: Vec<u32>,
    /// The separation from the other parts.
    pub held: Held,
}

/// How well the collection is separated from the other parts of its data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Tracks left out because another part has a near-duplicate.
    pub near_duplicates: usize,
    /// Artists with tracks in another part too; after `split` there are none.
    pub artists_elsewhere: usize,
    /// Tracks whose release also has tracks by other artists in another part.
    pub releases_elsewhere: usize,
}

/// The relation of another track to a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It should be found.
    Relevant,
    /// It should not be found.
    Other,
    /// It is not ranked: the query itself, a near-duplicate, or excluded by the association.
    Dropped,
}

impl Collection {
    /// Reads the tracks of `parts` from `split.parquet` in `folder`, and the near-duplicates from `never.tsv` beside
    /// it, if it exists. Tracks with a near-duplicate in another part are left out.
    ///
    /// # Errors
    /// If a table cannot be read, or there are no tracks in those parts.
    pub fn read(folder: &Path, parts: &[Part]) -> Result<Self> {
        let excluded = folder.join(NEVER);
        let split = Split::read(folder, excluded.exists().then_some(excluded.as_path()))?;
        let inside = |track: u32| parts.contains(&split.parts[track as usize]);
        let doubles = split.excluded.across(inside);
        let chosen: Vec<u32> = (0..split.parts.len() as u32)
            .filter(|&track| inside(track) && !doubles.contains(&track))
            .collect();
        let table = SPLIT.path(folder);
        if chosen.is_empty() {
            let names: Vec<&str> = parts.iter().map(|part| part.name()).collect();
            let reason = format!("no track is in the part {}; run `sleeve-train split`", names.join(" or "));
            return Err(Error::Nothing { path: table, reason });
        }
        let outside: Vec<u32> = (0..split.parts.len() as u32).filter(|&track| !inside(track)).collect();
        let held = Held {
            near_duplicates: doubles.len(),
            artists_elsewhere: common(&split.metadata.artists, &chosen, &outside).len(),
            releases_elsewhere: {
                let releases = common(&split.metadata.releases, &chosen, &outside);
                let shared =
                    |&&track: &&u32| split.metadata.releases.of(track).iter().any(|id| releases.contains(id));
                chosen.iter().filter(shared).count()
            },
        };
        let mut tracks = Vec::with_capacity(chosen.len());
        let mut wanted = chosen.iter().copied().peekable();
        let mut first = 0u32;
        for rows in TableReader::open(&table, &SPLIT, &["path", "sha256"])? {
            let rows = rows?;
            let end = first + rows.len() as u32;
            while let Some(track) = wanted.next_if(|&track| track < end) {
                let row = (track - first) as usize;
                let text = rows.texts("sha256").value(row);
                let content = Content::from_hex(text)
                    .ok_or_else(|| Error::format(&table, format!("{text:?} is not a SHA-256")))?;
                tracks.push(Track { path: rows.texts("path").value(row).to_owned(), content });
            }
            first = end;
        }
        if tracks.len() != chosen.len() {
            return Err(Error::format(&table, "it changed while it was being read"));
        }
        Ok(Collection::new(tracks, split.metadata.select(&chosen), split.excluded.select(&chosen), held))
    }

    /// A collection of tracks with their metadata.
    ///
    /// # Panics
    /// If the metadata have another number of tracks.
    pub fn new(tracks: Vec<Track>, metadata: TrackMetadata, excluded: ExcludedPairs, held: Held) -> Self {
        assert_eq!(tracks.len(), metadata.tracks());
        let groups = groups(&metadata);
        Collection { tracks, metadata, excluded, groups, held }
    }

    /// Number of tracks.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Some of the tracks only, renumbered in the given order.
    pub fn select(&self, tracks: &[u32]) -> Self {
        Collection::new(
            tracks.iter().map(|&track| self.tracks[track as usize].clone()).collect(),
            self.metadata.select(tracks),
            self.excluded.select(tracks),
            self.held,
        )
    }

    /// The artists of a track.
    pub fn artists(&self, track: u32) -> &[u32] {
        self.metadata.artists.of(track)
    }

    /// The group of a track in the bootstrap: all tracks of its artists, and of those who recorded with them. Tracks
    /// without an artist are grouped by release.
    pub fn group(&self, track: u32) -> u32 {
        self.groups[track as usize]
    }

    /// What relevant tracks must have in common, and what they must not.
    ///
    /// # Panics
    /// For [`Association::Track`]: a track is not its own neighbour.
    pub fn condition(&self, association: Association) -> Condition<'_> {
        association.condition(&self.metadata, &self.excluded).expect("an association of different tracks")
    }
}

impl Verdict {
    /// The verdict of `query` on `other`.
    pub fn of(condition: &Condition, query: u32, other: u32) -> Self {
        if query == other || !condition.allows(query, other) {
            Verdict::Dropped
        } else if condition.shares(query, other) {
            Verdict::Relevant
        } else {
            Verdict::Other
        }
    }
}

/// Values that occur in both sets of tracks.
fn common(links: &Links, some: &[u32], others: &[u32]) -> FxHashSet<u32> {
    let of = |tracks: &[u32]| -> FxHashSet<u32> {
        tracks.iter().flat_map(|&track| links.of(track)).copied().collect()
    };
    let others = of(others);
    of(some).into_iter().filter(|value| others.contains(value)).collect()
}

/// Joins tracks that share an artist, directly or through other tracks; tracks without an artist by their releases.
fn groups(metadata: &TrackMetadata) -> Vec<u32> {
    let mut parents: Vec<u32> = (0..metadata.tracks() as u32).collect();
    let mut first: FxHashMap<(bool, u32), u32> = FxHashMap::default();
    for track in 0..metadata.tracks() as u32 {
        let artists = metadata.artists.of(track);
        let nobody = artists.is_empty();
        for &value in if nobody { metadata.releases.of(track) } else { artists } {
            let other = *first.entry((nobody, value)).or_insert(track);
            let (a, b) = (root(&mut parents, track), root(&mut parents, other));
            parents[a.max(b) as usize] = a.min(b);
        }
    }
    (0..metadata.tracks() as u32).map(|track| root(&mut parents, track)).collect()
}

fn root(parents: &mut [u32], mut track: u32) -> u32 {
    while parents[track as usize] != track {
        parents[track as usize] = parents[parents[track as usize] as usize];
        track = parents[track as usize];
    }
    track
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(artists: &[&[u32]], releases: &[&[u32]]) -> TrackMetadata {
        TrackMetadata {
            releases: Links::from_lists(releases, 10),
            artists: Links::from_lists(artists, 10),
            labels: Links::from_lists(artists.iter().map(|_| [0]), 1),
        }
    }

    #[test]
    fn artists_who_record_together_are_one_group() {
        // 0 and 2 by the same artist; 2 and 4 by a duo; 1 and 3 without an artist on one release, which 5 is on too.
        let metadata =
            metadata(&[&[7], &[], &[7, 8], &[], &[8], &[9]], &[&[0], &[1], &[2], &[1], &[3], &[1]]);
        assert_eq!(groups(&metadata), [0, 1, 0, 1, 0, 5]);
    }

    #[test]
    fn verdicts_follow_the_association() {
        let metadata = metadata(&[&[1], &[1], &[1, 2], &[3], &[1]], &[&[0], &[0], &[1], &[1], &[2]]);
        let mut excluded = ExcludedPairs::default();
        excluded.add_pair(0, 4);
        let track = |at: u8| Track {
            path: at.to_string(),
            content: Content::from_hex(&format!("{at:064x}")).expect("64 digits"),
        };
        let collection = Collection::new((0..5).map(track).collect(), metadata, excluded, Held::default());
        use Verdict::{Dropped, Other, Relevant};
        let of = |association: Association, query: u32| {
            let condition = collection.condition(association);
            (0..5).map(|other| Verdict::of(&condition, query, other)).collect::<Vec<_>>()
        };
        assert_eq!(of(Association::Artist, 0), [Dropped, Dropped, Relevant, Other, Dropped]);
        assert_eq!(of(Association::Artist, 2), [Relevant, Relevant, Dropped, Dropped, Relevant]);
        assert_eq!(of(Association::Release, 0), [Dropped, Relevant, Other, Other, Dropped]);
        assert_eq!(of(Association::Label, 0), [Dropped, Dropped, Dropped, Relevant, Dropped]);
        // A selection keeps all metadata.
        let selected = collection.select(&[4, 0, 2]);
        let condition = selected.condition(Association::Artist);
        assert_eq!(Verdict::of(&condition, 0, 1), Dropped);
        assert_eq!(Verdict::of(&condition, 0, 2), Relevant);
        assert_eq!(selected.tracks[0].path, "4");
    }
}
