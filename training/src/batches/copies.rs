//! Altered copies of the recordings, such as those of a lossy codec, from whose features training patches are read as
//! often as from the originals' (`augment.copies`).
//!
//! Each copy is a folder of features made by `sleeve-train features` from files with the paths of the originals, but for
//! their extensions. Copies have the originals' length, to a few frames: a codec's delay is removed by the decoder.

use rustc_hash::FxHashMap;

use super::Dataset;
use super::crop::Crop;
use crate::error::{Error, Result};
use crate::features::{Content, Recording, Store};

/// The maximum difference in frames between a recording and its copy: an eighth of a second.
const APART: u64 = 8;

/// The copies of some tracks.
pub(super) struct Copies {
    stores: Vec<(Store, FxHashMap<u32, Content>)>,
}

impl Copies {
    /// The copies of `tracks` in these folders; `None` if there are no folders.
    ///
    /// # Errors
    /// If a folder lacks a track's copy, or the copy has another length; the error names track and folder.
    pub fn open(dataset: &Dataset, folders: &[String], tracks: &[u32]) -> Result<Option<Self>> {
        if folders.is_empty() {
            return Ok(None);
        }
        let names = dataset.names(tracks)?;
        let mut stores = Vec::with_capacity(folders.len());
        for folder in folders {
            let store = Store::new(folder);
            let named: FxHashMap<String, Content> =
                store.named()?.into_iter().map(|(name, content)| (bare(&name).to_owned(), content)).collect();
            let mut contents = FxHashMap::default();
            for (&track, name) in tracks.iter().zip(&names) {
                let wrong =
                    |reason: String| Error::format(folder, format!("{name}: {reason} (augment.copies)"));
                let content = named.get(bare(name)).ok_or_else(|| wrong("it has no copy here".into()))?;
                let (own, copy) = (dataset.recording(track)?.frames(), store.open(*content)?.frames());
                if own.abs_diff(copy) > APART {
                    return Err(wrong(format!("its copy has {copy} frames, and the recording {own}")));
                }
                contents.insert(track, *content);
            }
            stores.push((store, contents));
        }
        Ok(Some(Copies { stores }))
    }

    /// The copy that a crop is read from; `None` for the original.
    pub fn draw(&self, crop: Crop) -> Result<Option<Recording>> {
        let drawn = crop.of("copy", self.stores.len() as u64 + 1) as usize;
        match drawn.checked_sub(1).map(|at| &self.stores[at]) {
            None => Ok(None),
            Some((store, contents)) => {
                contents.get(&crop.track).map(|content| store.open(*content)).transpose()
            }
        }
    }
}

/// A path without its extension.
fn bare(path: &str) -> &str {
    match path.rsplit_once('.') {
        Some((stem, extension)) if !extension.contains('/') => stem,
        _ => path,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_of_the_file_alone() {
        for (path, stem) in [("a/b.mp3", "a/b"), ("a.d/b", "a.d/b"), ("b.tar.ogg", "b.tar"), ("b", "b")] {
            assert_eq!(bare(path), stem);
        }
    }
}
