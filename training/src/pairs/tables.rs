//! Writes tables of pairs for a split data set.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::{Association, ExcludedPairs, Order, TrackMetadata, generate};
use crate::error::{Error, Result};
use crate::links::Numbering;
use crate::splits::{Part, SPLIT};
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
                // Half of a SHA-256 identifies a file well enough.
                if let Some(Ok(half)) = hashes.value(row).get(..32).map(|text| u128::from_str_radix(text, 16))
                {
                    contents.push((half, track));
                }
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

/// Stores a copy of `excluded` in `folder`, for drawing pairs again.
///
/// # Errors
/// If it cannot be read or written.
pub fn keep_never(excluded: &Path, folder: &Path) -> Result<()> {
    let text = std::fs::read(excluded).map_err(|error| Error::io(excluded, error))?;
    crate::atomic::write(folder.join(NEVER), &text)
}

/// Draws the pairs of `associations` separately in each part of the data set, and writes them into `folder`. Returns
/// their numbers.
///
/// # Errors
/// If a table cannot be written; tables are atomic.
/// If a table cannot be written; tables appear whole or not at all.
pub fn write_pairs(
    split: &Split,
    associations: &[Association],
    order: Order,
    seed: u64,
    folder: &Path,
) -> Result<Vec<(Association, Part, u64)>> {
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
