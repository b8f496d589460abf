//! The input of training: the split data set, its pairs, and its features.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::copies::Copies;
use super::crop::{Crop, read_frames};
use crate::corpus::fresh;
use crate::error::{Error, Result};
use crate::features::{Content, Recording, Store};
use crate::network::architecture::{BANDS, FRAMES};
use crate::pairs::Association;
use crate::pairs::tables::{NEVER, PAIRS, Split, path};
use crate::splits::{Part, SPLIT};
use crate::table::TableReader;

/// A data set with its features. Tracks are row numbers of split.parquet.
pub struct Dataset {
    folder: PathBuf,
    store: Store,
    split: Split,
    contents: Vec<Content>,
    /// Frames of the track's features, if it has any; `None` if the features table does not list it.
    features: Vec<Option<Option<u32>>>,
}

impl Dataset {
    /// Opens the tables of `split` (and `pairs`) in `folder`, and the features in `features`.
    ///
    /// # Errors
    /// If a table is missing or cannot be read, or the fresh test is in the training or validation part.
    pub fn open(folder: &Path, features: &Path) -> Result<Arc<Self>> {
        fresh::check(folder, &[Part::Train, Part::Validation])?;
        let excluded = folder.join(NEVER);
        let split = Split::read(folder, excluded.exists().then_some(excluded.as_path()))?;
        let store = Store::new(features);
        let listed = store.listed()?;
        let table = SPLIT.path(folder);
        let (mut contents, mut known) = (Vec::new(), Vec::new());
        for rows in TableReader::open(&table, &SPLIT, &["sha256"])? {
            let rows = rows?;
            for text in rows.texts("sha256").iter().map(Option::unwrap_or_default) {
                let content = Content::from_hex(text)
                    .ok_or_else(|| Error::format(&table, format!("{text:?} is not a SHA-256")))?;
                contents.push(content);
                known.push(listed.get(&content).copied());
            }
        }
        if contents.len() != split.metadata.tracks() {
            return Err(Error::format(&table, "it changed while it was being read"));
        }
        Ok(Arc::new(Dataset { folder: folder.to_owned(), store, split, contents, features: known }))
    }

    /// The folder of the data set.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The editorial metadata, the parts, and which recordings are the same.
    pub fn split(&self) -> &Split {
        &self.split
    }

    /// The paths of tracks in the collection, for messages. This reads the table.
    ///
    /// # Errors
    /// If the table cannot be read.
    pub fn names(&self, tracks: &[u32]) -> Result<Vec<String>> {
        let mut wanted: Vec<(u32, usize)> = tracks.iter().copied().zip(0..).collect();
        wanted.sort_unstable();
        let mut wanted = wanted.into_iter().peekable();
        let mut names = vec![String::new(); tracks.len()];
        let mut first = 0;
        for rows in TableReader::open(&SPLIT.path(&self.folder), &SPLIT, &["path"])? {
            let rows = rows?;
            let end = first + rows.len();
            while let Some((track, place)) = wanted.next_if(|&(track, _)| (track as usize) < end) {
                names[place] = rows.texts("path").value(track as usize - first).to_owned();
            }
            first = end;
        }
        match wanted.next() {
            None => Ok(names),
            Some((track, _)) => Err(Error::InvalidArgument(format!("there is no track {track}"))),
        }
    }

    /// The tracks of a part that have features, and how many have none because their recordings could not be read.
    ///
    /// # Errors
    /// If the features table does not list some of them.
    pub(crate) fn tracks(&self, part: Part) -> Result<(Vec<u32>, usize)> {
        let mut tracks = self.split.tracks(part);
        self.check_known(&tracks)?;
        let all = tracks.len();
        tracks.retain(|&track| self.has_features(track));
        let without = all - tracks.len();
        Ok((tracks, without))
    }

    /// The pairs that `pairs` has drawn, without those that lack features, whose number is returned, and those of one
    /// patch with itself.
    ///
    /// # Errors
    /// If the table is missing, it belongs to another data set, or the features table does not list some tracks.
    pub(super) fn pairs(&self, association: Association, part: Part) -> Result<(Vec<(u32, u32)>, usize)> {
        let file = path(&self.folder, association, part);
        let mut pairs = Vec::new();
        for rows in TableReader::open(&file, &PAIRS, &["anchor", "positive"])? {
            let rows = rows?;
            for (&anchor, &positive) in rows.ids("anchor").values().iter().zip(rows.ids("positive").values())
            {
                pairs.push((self.number(&file, anchor, part)?, self.number(&file, positive, part)?));
            }
        }
        let tracks: Vec<u32> = pairs.iter().flat_map(|&(anchor, positive)| [anchor, positive]).collect();
        self.check_known(&tracks)?;
        let all = pairs.len();
        pairs.retain(|&(anchor, positive)| self.has_features(anchor) && self.has_features(positive));
        let without = all - pairs.len();
        pairs.retain(|&pair| self.differs(pair));
        Ok((pairs, without))
    }

    /// Whether the two patches of a pair can differ. A track with only one place for a patch, because it is no longer than
    /// one, has no pair with itself: both patches would be the same.
    pub(super) fn differs(&self, (anchor, positive): (u32, u32)) -> bool {
        let frames = self.features[anchor as usize].flatten().unwrap_or(0);
        anchor != positive || frames as usize > FRAMES
    }

    fn has_features(&self, track: u32) -> bool {
        self.features[track as usize].flatten().is_some()
    }

    fn number(&self, file: &Path, track: i64, part: Part) -> Result<u32> {
        let number = u32::try_from(track).ok();
        match number.and_then(|number| Some((number, *self.split.parts.get(number as usize)?))) {
            Some((number, of)) if of == part => Ok(number),
            _ => {
                let reason = format!(
                    "track {track} is not in the part {} of split.parquet; draw the pairs again",
                    part.name()
                );
                Err(Error::format(file, reason))
            }
        }
    }

    /// Returns an error if the features table does not list some tracks.
    fn check_known(&self, tracks: &[u32]) -> Result<()> {
        let mut unknown: Vec<u32> =
            tracks.iter().copied().filter(|&track| self.features[track as usize].is_none()).collect();
        unknown.sort_unstable();
        unknown.dedup();
        let Some(&first) = unknown.first() else { return Ok(()) };
        let name = self.names(&[first])?.remove(0);
        let reason = format!(
            "{} tracks of {} have no features here, among them {name}; run `sleeve-train features` again",
            unknown.len(),
            self.folder.display()
        );
        Err(Error::format(self.store.folder(), reason))
    }

    /// Opens the features of a track.
    ///
    /// # Errors
    /// If the file is missing or not such an array; the error names track and file.
    pub(crate) fn recording(&self, track: u32) -> Result<Recording> {
        self.store.open(self.contents[track as usize]).map_err(|error| self.blame(track, error))
    }

    /// The SHA-256 of a track's file.
    pub(crate) fn content(&self, track: u32) -> Content {
        self.contents[track as usize]
    }

    /// Reads frames of a recording of a track, beginning with frame `start`. One that is shorter is repeated.
    ///
    /// # Errors
    /// If they cannot be read; the error names track and file.
    pub(super) fn frames(
        &self,
        track: u32,
        recording: &mut Recording,
        start: u64,
        values: &mut [f32],
    ) -> Result<()> {
        // A copy may be a few frames shorter than the recording that the place was drawn in.
        let length = (values.len() / BANDS) as u64;
        let start = start.min(recording.frames().saturating_sub(length));
        read_frames(recording, start, values).map_err(|error| self.blame(track, error))
    }

    /// Reads a crop of a track into `patch`, `[128, 96]`; not the crop at `apart` if there is another position. Of a
    /// copy, it is the crop at the same place.
    ///
    /// # Errors
    /// If its features cannot be read; the error names track and file.
    pub(super) fn patch(
        &self,
        crop: Crop,
        apart: Option<u64>,
        copies: Option<&Copies>,
        patch: &mut [f32],
    ) -> Result<u64> {
        let mut recording = self.recording(crop.track)?;
        let start = match apart {
            None => crop.start(recording.frames()),
            Some(other) => crop.start_apart(other, recording.frames()),
        };
        if let Some(copy) = copies.map(|copies| copies.draw(crop)).transpose()?.flatten() {
            recording = copy;
        }
        self.frames(crop.track, &mut recording, start, patch)?;
        Ok(start)
    }

    fn blame(&self, track: u32, error: Error) -> Error {
        let file = self.store.path(self.contents[track as usize]);
        let said = error.to_string();
        let reason = said.strip_prefix(&format!("{}: ", file.display())).unwrap_or(&said);
        let name =
            self.names(&[track]).map(|mut names| names.remove(0)).unwrap_or_else(|_| track.to_string());
        Error::format(&file, format!("{reason} (the features of {name})"))
    }
}
