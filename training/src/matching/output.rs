//! Writes the tables of matching: of a dump, of tags, or of anybody's table.

use std::path::{Path, PathBuf};

use super::tables::{LINKED_STYLES, MATCHED, UNMATCHED};
use super::wanted::Wanted;
use crate::error::Result;
use crate::stale;
use crate::table::{Builder, Cell, TableWriter};

/// The three tables of a data set, which appear together.
pub(super) struct Output {
    matched: (TableWriter, Builder),
    unmatched: (TableWriter, Builder),
    styles: (TableWriter, Builder),
    folder: PathBuf,
}

/// A row of `matched`.
pub(super) struct Row<'a> {
    pub how: &'static str,
    pub releases: &'a [i64],
    pub versions: &'a [i64],
    pub masters: &'a [i64],
    pub artists: &'a [i64],
    pub labels: &'a [i64],
    pub styles: &'a [&'a str],
    pub genres: &'a [&'a str],
    pub years: &'a [i32],
}

impl Row<'_> {
    /// The releases that the track is linked to: what pairs are drawn by, and what the paper counts.
    pub(super) fn linked(&self) -> usize {
        self.releases.len() + self.versions.len()
    }
}

impl Output {
    /// Tables in the folder `out`.
    pub(super) fn create(out: &Path) -> Result<Self> {
        Ok(Output {
            folder: out.to_owned(),
            matched: (TableWriter::create(&MATCHED.path(out), &MATCHED)?, Builder::new(&MATCHED)),
            unmatched: (TableWriter::create(&UNMATCHED.path(out), &UNMATCHED)?, Builder::new(&UNMATCHED)),
            styles: (
                TableWriter::create(&LINKED_STYLES.path(out), &LINKED_STYLES)?,
                Builder::new(&LINKED_STYLES),
            ),
        })
    }

    /// A track that was found.
    pub(super) fn matched(&mut self, wanted: &Wanted, row: &Row) -> Result<()> {
        self.matched.1.push([
            Cell::Text(&wanted.path),
            Cell::Text(&wanted.sha256),
            Cell::Id(wanted.stamp.size),
            Cell::Id(wanted.stamp.modified_ns),
            Cell::Float(wanted.duration),
            Cell::Text(row.how),
            Cell::Ids(row.releases),
            Cell::Ids(row.versions),
            Cell::Ids(row.masters),
            Cell::Ids(row.artists),
            Cell::Ids(row.labels),
            Cell::Words(row.styles),
            Cell::Words(row.genres),
            Cell::Ints(row.years),
        ]);
        flush(&mut self.matched, 8192)
    }

    /// A track that was not found.
    pub(super) fn unmatched(&mut self, wanted: &Wanted, reason: &str) -> Result<()> {
        self.unmatched.1.push([Cell::Text(&wanted.path), Cell::Text(reason), Cell::Int(wanted.track_number)]);
        flush(&mut self.unmatched, 8192)
    }

    /// A style of a linked release.
    pub(super) fn style(&mut self, release: i64, style: &str) -> Result<()> {
        self.styles.1.push([Cell::Id(release), Cell::Text(style)]);
        flush(&mut self.styles, 8192)
    }

    /// Completes the tables. What `split` and `pairs` have made of earlier ones is removed.
    pub(super) fn finish(self) -> Result<()> {
        let mut finished = Vec::new();
        for mut table in [self.matched, self.unmatched, self.styles] {
            flush(&mut table, 0)?;
            finished.push(table.0.finish()?);
        }
        stale::remove_split(&self.folder)?;
        finished.into_iter().try_for_each(crate::table::Finished::persist)
    }
}

fn flush((writer, builder): &mut (TableWriter, Builder), from: usize) -> Result<()> {
    if builder.len() >= from { writer.write(&builder.finish()) } else { Ok(()) }
}
