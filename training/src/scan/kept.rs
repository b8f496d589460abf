//! What earlier scans have read: the rows of the table, and those of a scan that was killed.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rustc_hash::FxHashMap;

use super::rows::Row;
use super::{COLLECTION, Found, beside};
use crate::error::{Error, Result};
use crate::table::TableReader;

/// The rows of the previous scan. They are in the order of paths, as the files are now, so both are read in parallel.
pub(super) struct OldRows {
    reader: Option<TableReader>,
    rows: VecDeque<Row>,
}

impl OldRows {
    /// If the table cannot be read or is of another kind, it counts as empty: all files are read again.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let columns: Vec<&str> = COLLECTION.columns.iter().map(|column| column.name).collect();
        let reader = path.exists().then(|| TableReader::open(path, &COLLECTION, &columns).ok()).flatten();
        Ok(OldRows { reader, rows: VecDeque::new() })
    }

    /// The old row of `file`, if it has not changed. Must be called in the order of paths.
    pub(super) fn take(&mut self, file: &Found) -> Result<Option<Row>> {
        loop {
            while let Some(row) = self.rows.front() {
                if row.path > file.path {
                    return Ok(None);
                }
                let row = self.rows.pop_front().expect("there is one");
                if row.path == file.path {
                    return Ok(row.is_of(file).then_some(row));
                }
            }
            match self.reader.as_mut().and_then(Iterator::next) {
                Some(batch) => {
                    let batch = batch?;
                    self.rows.extend((0..batch.len()).map(|row| Row::at(&batch, row)));
                }
                None => return Ok(None),
            }
        }
    }
}

/// The rows of files read so far, one JSON object a line, beside the table. A scan that is killed leaves it, and the
/// next one goes on from there; a scan that ends removes it.
pub(super) struct Journal {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl Journal {
    /// The rows that an earlier scan has left, by their paths, and the journal to go on with. A last line that is cut is
    /// passed over.
    pub(super) fn open(out: &Path) -> Result<(FxHashMap<String, Row>, Self)> {
        let path = beside(out, "scanning.jsonl");
        let mut rows = FxHashMap::default();
        if let Ok(file) = File::open(&path) {
            for line in BufReader::new(file).split(b'\n') {
                let line = line.map_err(|error| Error::io(&path, error))?;
                if let Ok(row) = serde_json::from_slice::<Row>(&line) {
                    rows.insert(row.path.clone(), row);
                }
            }
        }
        Ok((rows, Journal { path, file: Mutex::new(None) }))
    }

    /// Adds a row. The journal is a help: if it cannot be written, the scan goes on without.
    pub(super) fn add(&self, row: &Row) {
        let Ok(mut line) = serde_json::to_vec(row) else { return };
        line.push(b'\n');
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            *file = OpenOptions::new().create(true).append(true).open(&self.path).ok();
            // A line that an earlier scan has left unfinished ends here.
            line.insert(0, b'\n');
        }
        if let Some(file) = file.as_mut() {
            let _ = file.write_all(&line);
        }
    }

    /// Removes it: the table has everything.
    pub(super) fn remove(self) -> Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&self.path, error)),
            _ => Ok(()),
        }
    }
}
