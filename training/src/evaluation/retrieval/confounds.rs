//! Tests whether codec and loudness affect neighbours: queries are altered, the collection is not.
//!
//! If a model is robust, a copy that is quieter or was compressed by a lossy codec has nearly the same vector as the
//! original: their cosine is near 1, the copy's nearest neighbour is its original, and the copy finds the same tracks
//! by the same artist.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use ndarray::Array2;
use rayon::prelude::*;

use super::alteration::Alteration;
use super::bootstrap::Bootstrap;
use super::collection::{Collection, Verdict};
use super::ranking::rank;
use super::vectors::{Heard, Listening, blank, hear, takes_whole};
use crate::error::{Error, Result};
use crate::evaluation::cache::Patches;
use crate::evaluation::encoders::Encoder;
use crate::evaluation::recordings::{Recording, Sources};
use crate::evaluation::results::Figure;
use crate::features::Content;
use crate::pairs::Association;

/// Altered files on disk at once, for each thread.
const FILES: usize = 4;

/// Embeds altered copies of recordings, which must have audio. Copies are made in a temporary folder, a few at a time,
/// and only if their embeddings are not in the cache.
///
/// # Errors
/// `Interrupted` once `stop` is set; if an encoder fails or a file cannot be written.
pub fn hear_altered(
    encoders: &mut Vec<Box<dyn Encoder>>,
    recordings: &[Recording],
    alteration: &Alteration,
    listening: &Listening,
) -> Result<Heard> {
    if let Some(stored) = encoders.iter().find(|encoder| encoder.is_stored()) {
        let reason =
            format!("{} has stored embeddings, and none of altered copies (--confounds)", stored.name());
        return Err(Error::InvalidArgument(reason));
    }
    let whole = encoders.iter_mut().any(|encoder| takes_whole(encoder.as_mut()));
    let mut all = Heard { vectors: blank(encoders, recordings.len()), failures: Vec::new() };
    // Stored features are those of the originals and cannot be used here.
    let sources = Sources::default();
    let listening = &Listening { sources: &sources, ..*listening };
    for some in recordings.chunks((FILES * listening.threads).max(1)) {
        let folder = tempfile::tempdir().map_err(|error| Error::io(std::env::temp_dir(), error))?;
        let first = all.failures.len();
        let contents: Vec<Content> = some.iter().map(|one| alteration.content(one.content)).collect();
        let cached: Vec<bool> = contents
            .iter()
            .map(|&content| {
                let cache = listening.cache;
                let mut all = encoders.iter();
                !whole && all.all(|one| cache.open(one.as_ref(), content, Patches::Overlapped).is_ok())
            })
            .collect();
        let copies: Vec<(Recording, Option<String>)> = (0..some.len())
            .into_par_iter()
            .map(|at| {
                let mut copy = Recording { name: some[at].name.clone(), content: contents[at], audio: None };
                if cached[at] || listening.stop.load(Ordering::Relaxed) {
                    return (copy, None);
                }
                let Some(audio) = &some[at].audio else {
                    return (copy, Some("it has no audio to alter".into()));
                };
                match alteration.make(audio, folder.path(), &at.to_string()) {
                    Ok(file) => copy.audio = Some(file),
                    Err(error) => return (copy, Some(error.to_string())),
                }
                (copy, None)
            })
            .collect();
        let (copies, failures): (Vec<Recording>, Vec<Option<String>>) = copies.into_iter().unzip();
        let heard = hear(encoders, &copies, listening)?;
        for (all, some) in all.vectors.iter_mut().zip(&heard.vectors) {
            all.slice_mut(ndarray::s![first..first + copies.len(), ..]).assign(some);
        }
        all.failures.extend(heard.failures.into_iter().zip(failures).map(|(heard, made)| made.or(heard)));
    }
    Ok(all)
}

/// The vectors of one encoder for altered copies of a collection's tracks and for the tracks themselves.
pub struct Altered {
    /// The tracks.
    pub collection: Collection,
    /// The copies' vectors.
    pub copies: Array2<f32>,
    /// The vectors of the tracks.
    pub originals: Array2<f32>,
}

/// The figures of altered queries over all folds: `altered_NAME_cosine`, the mean cosine between a copy and its
/// original; `altered_NAME_found`, the share of copies whose nearest neighbour is their original (near-duplicates of it
/// are ignored); and `altered_NAME_same_artist_map`, if there are queries.
///
/// # Panics
/// If the numbers of vectors and tracks differ, or there is no track.
pub fn figures(folds: &[Altered], name: &str, bootstrap: &Bootstrap) -> BTreeMap<String, Figure> {
    let (mut cosines, mut found, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    let (mut precisions, mut groups_of_queries) = (Vec::new(), Vec::new());
    let mut before = 0;
    for Altered { collection, copies, originals } in folds {
        let count = collection.len();
        let condition = collection.condition(Association::Release);
        for track in 0..count as u32 {
            let row = originals.dot(&copies.row(track as usize));
            let own = row[track as usize];
            cosines.push(f64::from(own));
            let rivals = || {
                let other = |&other: &u32| {
                    other == track || Verdict::of(&condition, track, other) != Verdict::Dropped
                };
                (0..count as u32).filter(other).map(|other| row[other as usize])
            };
            // Ties: each is equally likely to be first.
            let equal = rivals().filter(|&cosine| cosine == own).count();
            found.push(if rivals().any(|cosine| cosine > own) { 0.0 } else { 1.0 / equal as f64 });
            groups.push(before + collection.group(track));
        }
        for one in rank(collection, Association::Artist, copies.view(), originals.view()) {
            precisions.push(one.figures.values[0]);
            groups_of_queries.push(before + collection.group(one.track));
        }
        before += count as u32;
    }
    let means = bootstrap.means(&groups, &[cosines, found]);
    let mut figures: BTreeMap<String, Figure> = ["cosine", "found"]
        .into_iter()
        .zip(means)
        .map(|(what, figure)| (format!("altered_{name}_{what}"), figure))
        .collect();
    if !precisions.is_empty() {
        let figure = bootstrap.means(&groups_of_queries, &[precisions]).remove(0);
        figures.insert(format!("altered_{name}_same_artist_map"), figure);
    }
    figures
}
