//! Writes tables of pairs for a split data set.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

use super::{Association, ExcludedPairs, Order, TrackMetadata, generate};
use crate::error::{Error, Result};
use crate::links::Numbering;
use crate::splits::{Part, SPLIT, half_of_hash};
use crate::stale;
use crate::table::Type::Id;
use crate::table::{Builder, Cell, Table, TableReader, TableWriter, column};

/// One row per pair.
pub static PAIRS: Table = Table {
    name: "pairs_<association>_<part>",
    row: "a pair of tracks, in the order in which they were drawn",
    columns: &[
        column("anchor", Id, "`track` of the anchor in split.parquet"),
        column("positive", Id, "`track` of the positive; the anchor itself for the association `track`"),
    ],
};

/// The file, beside the pairs, that lists recordings that must not be paired.
pub const NEVER: &str = "never.tsv";

/// The path of the table of an association in one part.
pub fn path(folder: &Path, association: Association, part: Part) -> PathBuf {
    folder.join(format!("pairs_{}_{}.parquet", association.name(), part.name()))
}

/// A split data set in memory.
pub struct Split {
    /// Its editorial metadata.
    pub metadata: TrackMetadata,
    /// The part of every track.
    pub parts: Vec<Part>,
    /// Copies and near-duplicates.
    pub excluded: ExcludedPairs,
}

impl Split {
    /// Reads `split.parquet` in `folder`, and `excluded`, a tab-separated table with two paths on each line that must
    /// not be paired. Files with the same content are always excluded.
    ///
    /// # Errors
    /// If a table cannot be read. Paths in `excluded` that are not in the data set are ignored.
    pub fn read(folder: &Path, excluded: Option<&Path>) -> Result<Self> {
        let path = SPLIT.path(folder);
        let columns = ["path", "sha256", "part", "releases", "versions", "artists", "labels"];
        let named = excluded.map(read_named).transpose()?.unwrap_or_default();
        let mut numbers: FxHashMap<&str, u32> = FxHashMap::default();
        let wanted: FxHashMap<&str, ()> =
            named.iter().flat_map(|(a, b)| [(a.as_str(), ()), (b.as_str(), ())]).collect();
        let (mut releases, mut artists, mut labels) =
            (Numbering::default(), Numbering::default(), Numbering::default());
        let mut parts = Vec::new();
        let mut contents: Vec<(u128, u32)> = Vec::new();
        for rows in TableReader::open(&path, &SPLIT, &columns)? {
            let rows = rows?;
            let (paths, hashes, words) = (rows.texts("path"), rows.texts("sha256"), rows.texts("part"));
            for row in 0..rows.len() {
                let track = parts.len() as u32;
                let part = Part::from_name(words.value(row)).ok_or_else(|| {
                    Error::format(&path, format!("{:?} is not a part of a data set", words.value(row)))
                })?;
                parts.push(part);
                releases.push(&[rows.id_list("releases", row), rows.id_list("versions", row)]);
                artists.push(&[rows.id_list("artists", row)]);
                labels.push(&[rows.id_list("labels", row)]);
                contents.extend(half_of_hash(hashes.value(row)).map(|half| (half, track)));
                if let Some((&name, ())) = wanted.get_key_value(paths.value(row)) {
                    numbers.insert(name, track);
                }
            }
        }
        let mut excluded = ExcludedPairs::default();
        contents.sort_unstable();
        for copies in contents.chunk_by(|a, b| a.0 == b.0).filter(|copies| copies.len() > 1) {
            excluded.add_copies(&copies.iter().map(|&(_, track)| track).collect::<Vec<_>>());
        }
        for (a, b) in &named {
            if let (Some(&a), Some(&b)) = (numbers.get(a.as_str()), numbers.get(b.as_str())) {
                excluded.add_pair(a, b);
            }
        }
        let metadata =
            TrackMetadata { releases: releases.finish(), artists: artists.finish(), labels: labels.finish() };
        Ok(Split { metadata, parts, excluded })
    }

    /// Tracks of one part.
    pub fn tracks(&self, part: Part) -> Vec<u32> {
        (0..).zip(&self.parts).filter(|&(_, of)| *of == part).map(|(track, _)| track).collect()
    }
}

/// The first two columns of a tab-separated file without its header.
fn read_named(path: &Path) -> Result<Vec<(String, String)>> {
    let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
    let mut named = Vec::new();
    for (number, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.is_empty()) {
        let mut cells = line.split('\t');
        match (cells.next(), cells.next()) {
            (Some(a), Some(b)) if !a.is_empty() && !b.is_empty() => named.push((a.to_owned(), b.to_owned())),
            _ => return Err(Error::format(path, format!("line {} does not have two paths", number + 1))),
        }
    }
    Ok(named)
}

/// The file, beside the pairs, that says how they were drawn.
pub const DRAWN: &str = "pairs.json";

/// How the pairs in a folder were drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Drawn {
    /// Whether anchors were balanced by artist.
    balanced_by_artist: bool,
    /// The maximum number of rounds of that.
    rounds: Option<u32>,
}

impl Drawn {
    fn of(order: Order) -> Self {
        match order {
            Order::Uniform => Drawn::default(),
            Order::ByArtist { rounds } => Drawn { balanced_by_artist: true, rounds },
        }
    }
}

/// The order in which the pairs in `folder` were drawn, so that pairs drawn anew have the same. Uniform if nothing was
/// drawn there.
///
/// # Errors
/// If the file that says so cannot be read.
pub fn drawn_order(folder: &Path) -> Result<Order> {
    let path = folder.join(DRAWN);
    let drawn = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| Error::format(&path, error))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Drawn::default(),
        Err(error) => return Err(Error::io(&path, error)),
    };
    let Drawn { balanced_by_artist, rounds } = drawn;
    Ok(if balanced_by_artist { Order::ByArtist { rounds } } else { Order::Uniform })
}

/// Draws pairs as [`write_pairs`] does, with `split` read with `never`, and keeps a copy of `never` beside them for
/// drawing again; without one, that of an earlier run is removed. If another list or another order was used before, so
/// are the tables of other associations: they would not belong together. `progress` is called, by any thread, with the
/// number of tables done and the total.
///
/// # Errors
/// If a file cannot be read, written or removed.
pub fn draw_pairs(
    split: &Split,
    associations: &[Association],
    order: Order,
    seed: u64,
    never: Option<&Path>,
    folder: &Path,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<Vec<(Association, Part, u64)>> {
    let read = |path: &Path| std::fs::read(path).map_err(|error| Error::io(path, error));
    let never = never.map(read).transpose()?;
    let kept = folder.join(NEVER);
    let before = if kept.exists() { Some(read(&kept)?) } else { None };
    if before != never || drawn_order(folder).ok() != Some(order) {
        stale::remove_pairs(folder)?;
    }
    if let Some(text) = never {
        crate::atomic::write(&kept, &text)?;
    }
    write_with_progress(split, associations, order, seed, folder, progress)
}

/// Draws the pairs of `associations` separately in each part of the data set, and writes them into `folder`. Returns
/// their numbers.
///
/// # Errors
/// If a table cannot be written; tables appear whole or not at all.
pub fn write_pairs(
    split: &Split,
    associations: &[Association],
    order: Order,
    seed: u64,
    folder: &Path,
) -> Result<Vec<(Association, Part, u64)>> {
    write_with_progress(split, associations, order, seed, folder, |_, _| ())
}

fn write_with_progress(
    split: &Split,
    associations: &[Association],
    order: Order,
    seed: u64,
    folder: &Path,
    progress: impl Fn(u64, u64) + Sync,
) -> Result<Vec<(Association, Part, u64)>> {
    let drawn = serde_json::to_vec(&Drawn::of(order)).expect("plain values");
    crate::atomic::write(folder.join(DRAWN), &drawn)?;
    let (done, all) = (AtomicU64::new(0), (Part::ALL.len() * associations.len()) as u64);
    let parts: Vec<(Part, Vec<u32>)> = Part::ALL.into_iter().map(|part| (part, split.tracks(part))).collect();
    let mut counts = Vec::new();
    for (part, tracks) in &parts {
        // Tracks are renumbered in each part, so that tracks of other parts cannot be drawn.
        let metadata = split.metadata.select(tracks);
        let excluded = split.excluded.select(tracks);
        let seed = seed.wrapping_add((*part as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let written: Vec<Result<_>> = associations
            .par_iter()
            .map(|&association| {
                let pairs = generate(association, &metadata, &excluded, order, seed);
                write(&path(folder, association, *part), &pairs, tracks)?;
                progress(done.fetch_add(1, Ordering::Relaxed) + 1, all);
                Ok((association, *part, pairs.len() as u64))
            })
            .collect();
        for count in written {
            counts.push(count?);
        }
    }
    Ok(counts)
}

fn write(path: &Path, pairs: &[(u32, u32)], tracks: &[u32]) -> Result<()> {
    let mut writer = TableWriter::create(path, &PAIRS)?;
    let mut builder = Builder::new(&PAIRS);
    let number = |track: u32| Cell::Id(i64::from(tracks[track as usize]));
    for some in pairs.chunks(1 << 16) {
        some.iter().for_each(|&(anchor, positive)| builder.push([number(anchor), number(positive)]));
        writer.write(&builder.finish())?;
    }
    writer.finish()?.persist()
}
