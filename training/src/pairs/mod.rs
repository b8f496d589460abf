//! Draws the pairs of tracks that belong together (section 3 of the paper).
//!
//! All tracks start in a pool. Each in turn, in random order, draws one partner among the remaining ones that meet the
//! condition of the association, and both leave the pool; a track has one attempt. Training, validation and test draw
//! separately.

mod generate;
mod pool;
pub mod tables;

pub use generate::{Order, generate};
pub use pool::{Condition, ExcludedPairs, Pool};

use crate::links::Links;

/// What anchor and positive have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, clap::ValueEnum, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Association {
    /// They are the same track.
    Track,
    /// At least one release.
    Release,
    /// At least one artist, and no release.
    Artist,
    /// At least one label, and no artist.
    Label,
}

impl Association {
    /// All four.
    pub const ALL: [Association; 4] =
        [Association::Track, Association::Release, Association::Artist, Association::Label];

    /// Its name in files and tables.
    pub fn name(self) -> &'static str {
        match self {
            Association::Track => "track",
            Association::Release => "release",
            Association::Artist => "artist",
            Association::Label => "label",
        }
    }

    /// The condition on two tracks; `None` for [`Association::Track`].
    pub fn condition<'a>(
        self,
        metadata: &'a TrackMetadata,
        excluded: &'a ExcludedPairs,
    ) -> Option<Condition<'a>> {
        let (same, different) = match self {
            Association::Track => return None,
            Association::Release => (&metadata.releases, None),
            Association::Artist => (&metadata.artists, Some(&metadata.releases)),
            Association::Label => (&metadata.labels, Some(&metadata.artists)),
        };
        Some(Condition { same, different, excluded })
    }

    /// Whether a track can be in a pair at all. Artist pairs also need known releases, and label pairs known artists,
    /// because only these show that two tracks have none in common.
    pub fn eligible(self, metadata: &TrackMetadata, track: u32) -> bool {
        match self {
            Association::Track => true,
            Association::Release => !metadata.releases.of(track).is_empty(),
            Association::Artist => {
                !metadata.artists.of(track).is_empty() && !metadata.releases.of(track).is_empty()
            }
            Association::Label => {
                !metadata.artists.of(track).is_empty() && !metadata.labels.of(track).is_empty()
            }
        }
    }
}

/// The editorial metadata of every track.
#[derive(Clone, Debug)]
pub struct TrackMetadata {
    /// Releases, versions of their masters included.
    pub releases: Links,
    /// Artists.
    pub artists: Links,
    /// Labels.
    pub labels: Links,
}

impl TrackMetadata {
    /// Number of tracks.
    pub fn tracks(&self) -> usize {
        self.releases.tracks()
    }

    /// The metadata of some tracks only, renumbered in the given order.
    pub fn select(&self, tracks: &[u32]) -> Self {
        TrackMetadata {
            releases: self.releases.select(tracks),
            artists: self.artists.select(tracks),
            labels: self.labels.select(tracks),
        }
    }
}

#[cfg(test)]
mod tests;
