//! Table 1 of the paper, for any data set.

use std::fmt;
use std::path::Path;

use crate::error::Result;
use crate::links::Links;
use crate::pairs::Association;
use crate::pairs::tables::{PAIRS, Split, path};
use crate::splits::Part;
use crate::table::TableReader;

/// The paper's numbers for an association: pairs, and distinct tracks, releases, artists or labels.
fn paper(association: Association) -> (&'static str, &'static str) {
    match association {
        Association::Track => ("3.3 M", "3.3 M"),
        Association::Release => ("846 K", "2.0 M"),
        Association::Artist => ("1.2 M", "257 K"),
        Association::Label => ("1.1 M", "142 K"),
    }
}

/// A data set in numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// Tracks of training, validation and test.
    pub tracks: [u64; 3],
    /// Distinct releases, artists and labels.
    pub distinct: [u64; 3],
    /// Mean number of releases per track, versions of their masters included, as `match` counts them.
    pub releases_per_track: f64,
    /// Share of the tracks that are on more than one release.
    pub on_several: f64,
    /// Tracks without a known artist, which cannot be in an artist or label pair.
    pub without_artist: u64,
    /// Tracks without a label, which cannot be in a label pair.
    pub without_label: u64,
    /// The rows of Table 1.
    pub rows: Vec<Row>,
}

/// One association in numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The association.
    pub association: Association,
    /// Tracks that can be in a pair.
    pub eligible: u64,
    /// Pairs in training, validation and test; `None` if they have not been drawn.
    pub pairs: [Option<u64>; 3],
    /// Distinct tracks, releases, artists or labels in those pairs, over all parts.
    pub diversity: u64,
}

/// Counts the data set in `folder`: the table of `split` and the tables of pairs that exist.
///
/// # Errors
/// If a table cannot be read.
pub fn stats(folder: &Path) -> Result<Stats> {
    let split = Split::read(folder, None)?;
    let metadata = &split.metadata;
    let count = metadata.tracks();
    let empty = |links: &Links| (0..count as u32).filter(|&track| links.of(track).is_empty()).count() as u64;
    let mut stats = Stats {
        distinct: [&metadata.releases, &metadata.artists, &metadata.labels]
            .map(|links| links.distinct() as u64),
        releases_per_track: metadata.releases.values().len() as f64 / count.max(1) as f64,
        on_several: (0..count as u32).filter(|&track| metadata.releases.of(track).len() > 1).count() as f64
            / count.max(1) as f64,
        without_artist: empty(&metadata.artists),
        without_label: empty(&metadata.labels),
        ..Stats::default()
    };
    split.parts.iter().for_each(|&part| stats.tracks[part as usize] += 1);
    for association in Association::ALL {
        let links = match association {
            Association::Track => None,
            Association::Release => Some(&metadata.releases),
            Association::Artist => Some(&metadata.artists),
            Association::Label => Some(&metadata.labels),
        };
        let mut seen = vec![false; links.map_or(count, Links::distinct)];
        let mut pairs = [None; 3];
        for part in Part::ALL {
            let file = path(folder, association, part);
            if !file.exists() {
                continue;
            }
            let mut number = 0;
            for rows in TableReader::open(&file, &PAIRS, &["anchor", "positive"])? {
                let rows = rows?;
                number += rows.len() as u64;
                for &track in rows.ids("anchor").values().iter().chain(rows.ids("positive").values()) {
                    let Some(track) = u32::try_from(track).ok().filter(|&track| (track as usize) < count)
                    else {
                        let reason = format!("track {track} is not in split.parquet; draw the pairs again");
                        return Err(crate::Error::format(&file, reason));
                    };
                    match links {
                        None => seen[track as usize] = true,
                        Some(links) => links.of(track).iter().for_each(|&value| seen[value as usize] = true),
                    }
                }
            }
            pairs[part as usize] = Some(number);
        }
        let eligible =
            (0..count as u32).filter(|&track| association.eligible(metadata, track)).count() as u64;
        let diversity = seen.into_iter().filter(|&seen| seen).count() as u64;
        stats.rows.push(Row { association, eligible, pairs, diversity });
    }
    Ok(stats)
}

impl fmt::Display for Stats {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let [train, validation, test] = self.tracks;
        let [releases, artists, labels] = self.distinct;
        writeln!(
            out,
            "tracks      {train} training, {validation} validation, {test} test (paper: 3.3 M in all, 50,000, 50,000)"
        )?;
        writeln!(out, "distinct    {releases} releases, {artists} artists, {labels} labels")?;
        writeln!(
            out,
            "releases    {:.2} a track, versions included (paper: about 5), {:.1} % of the tracks on more than one (paper: 58.2 %)",
            self.releases_per_track,
            100.0 * self.on_several
        )?;
        writeln!(
            out,
            "ineligible  {} tracks without a known artist (no artist or label pairs), {} without a label (no label pairs)\n",
            self.without_artist, self.without_label
        )?;
        writeln!(
            out,
            "{:<12} {:>10} {:>10} {:>10} {:>10} {:>10}  {:>11} {:>15}",
            "association",
            "eligible",
            "train",
            "validation",
            "test",
            "diversity",
            "paper pairs",
            "paper diversity"
        )?;
        for row in &self.rows {
            let pairs =
                row.pairs.map(|pairs| pairs.map_or_else(|| "-".to_owned(), |pairs| pairs.to_string()));
            let (paper_pairs, paper_diversity) = paper(row.association);
            writeln!(
                out,
                "{:<12} {:>10} {:>10} {:>10} {:>10} {:>10}  {paper_pairs:>11} {paper_diversity:>15}",
                row.association.name(),
                row.eligible,
                pairs[0],
                pairs[1],
                pairs[2],
                row.diversity
            )?;
        }
        write!(out, "diversity: distinct tracks, releases, artists and labels in the pairs, row by row")
    }
}
