//! The input of training: the split data set, its pairs, and its features.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::crop::{Crop, read_patch};
use crate::corpus::fresh;
use crate::error::{Error, Result};
use crate::features::{Content, Recording, Store};
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
    /// Whether the track has features; `None` if the features table does not list it.
    has_features: Vec<Option<bool>>,
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
        let (mut contents, mut has_features) = (Vec::new(), Vec::new());
        for rows in TableReader::open(&table, &SPLIT, &["sha256"])? {
            let rows = rows?;
            for text in rows.texts("sha256").iter().map(Option::unwrap_or_default) {
                let content = Content::from_hex(text)
                    .ok_or_else(|| Error::format(&table, format!("{text:?} is not a SHA-256")))?;
                contents.push(content);
                has_features.push(listed.get(&content).copied());
            }
        }
        if contents.len() != split.metadata.tracks() {
            return Err(Error::format(&table, "it changed while it was being read"));
        }
        Ok(Arc::new(Dataset { folder: folder.to_owned(), store, split, contents, has_features }))
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
    pub(super) fn tracks(&self, part: Part) -> Result<(Vec<u32>, usize)> {
        let mut tracks = self.split.tracks(part);
        self.check_known(&tracks)?;
        let all = tracks.len();
        tracks.retain(|&track| self.has_features[track as usize] == Some(true));
        let without = all - tracks.len();
        Ok((tracks, without))
    }

    /// The pairs that `pairs` has drawn, without those that lack features, and the number of the latter.
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
        let has = |track: u32| self.has_features[track as usize] == Some(true);
        pairs.retain(|&(anchor, positive)| has(anchor) && has(positive));
        let without = all - pairs.len();
        Ok((pairs, without))
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
            tracks.iter().copied().filter(|&track| self.has_features[track as usize].is_none()).collect();
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
    pub(super) fn recording(&self, track: u32) -> Result<Recording> {
        self.store.open(self.contents[track as usize]).map_err(|error| self.blame(track, error))
    }

    /// Reads a crop of a track into `patch`, `[128, 96]`; not the crop at `apart` if there is another position.
    ///
    /// # Errors
    /// If its features cannot be read; the error names track and file.
    pub(super) fn patch(&self, crop: Crop, apart: Option<u64>, patch: &mut [f32]) -> Result<u64> {
        let mut recording = self.recording(crop.track)?;
        let start = match apart {
            None => crop.start(recording.frames()),
            Some(other) => crop.start_apart(other, recording.frames()),
        };
        read_patch(&mut recording, start, patch).map_err(|error| self.blame(crop.track, error))?;
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
