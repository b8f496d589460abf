//! Which tracks are learnt together (section 2.2 of the paper).
//!
//! All tracks start in a pool. Each in turn, in random order, draws one partner among those left that
//! meet the condition of the association, and both leave; a track has one attempt. Training, validation
//! and test draw separately.

mod generate;
mod pool;
pub mod tables;

pub use generate::{Order, generate};
pub use pool::{Condition, Never, Pool};

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

    /// The condition on two tracks; none for [`Association::Track`].
    pub fn condition<'a>(self, sleeves: &'a Sleeves, never: &'a Never) -> Option<Condition<'a>> {
        let (same, different) = match self {
            Association::Track => return None,
            Association::Release => (&sleeves.releases, None),
            Association::Artist => (&sleeves.artists, Some(&sleeves.releases)),
            Association::Label => (&sleeves.labels, Some(&sleeves.artists)),
        };
        Some(Condition { same, different, never })
    }

    /// Whether a track can be in a pair at all. Without a known artist nobody can tell that two tracks
    /// have none in common, so that label pairs need one too.
    pub fn eligible(self, sleeves: &Sleeves, track: u32) -> bool {
        match self {
            Association::Track => true,
            Association::Release => !sleeves.releases.of(track).is_empty(),
            Association::Artist => !sleeves.artists.of(track).is_empty(),
            Association::Label => {
                !sleeves.artists.of(track).is_empty() && !sleeves.labels.of(track).is_empty()
            }
        }
    }
}

/// What is printed on the sleeves of every track.
#[derive(Clone, Debug)]
pub struct Sleeves {
    /// Releases, versions of their masters included.
    pub releases: Links,
    /// Artists.
    pub artists: Links,
    /// Labels.
    pub labels: Links,
}

impl Sleeves {
    /// Number of tracks.
    pub fn tracks(&self) -> usize {
        self.releases.tracks()
    }

    /// Those of some tracks alone, numbered anew in the given order.
    pub fn select(&self, tracks: &[u32]) -> Self {
        Sleeves {
            releases: self.releases.select(tracks),
            artists: self.artists.select(tracks),
            labels: self.labels.select(tracks),
        }
    }
}

#[cfg(test)]
mod tests;
