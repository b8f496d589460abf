//! Removes tables of later steps when an earlier step is done again: their numbers refer to rows that are no more.

use std::path::Path;

use crate::error::{Error, Result};

/// What `pairs` writes beside its tables.
const OF_PAIRS: [&str; 2] = ["never.tsv", "pairs.json"];
/// What `split` writes.
const OF_SPLIT: [&str; 2] = ["split.parquet", "styles.parquet"];

/// Removes what `pairs` has written into `folder`: it belongs to another split.
///
/// # Errors
/// If a file cannot be removed.
pub fn remove_pairs(folder: &Path) -> Result<()> {
    remove(folder, |name| {
        OF_PAIRS.contains(&name) || (name.starts_with("pairs_") && name.ends_with(".parquet"))
    })
}

/// Removes what `split` and `pairs` have written into `folder`: it belongs to other matches.
///
/// # Errors
/// If a file cannot be removed.
pub fn remove_split(folder: &Path) -> Result<()> {
    remove_pairs(folder)?;
    remove(folder, |name| OF_SPLIT.contains(&name))
}

/// Removes the files in `folder` whose names are `stale`.
///
/// # Errors
/// If a file cannot be removed.
pub fn remove(folder: &Path, stale: impl Fn(&str) -> bool) -> Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(Error::io(folder, error)),
    };
    for entry in entries {
        let path = entry.map_err(|error| Error::io(folder, error))?.path();
        if path.file_name().and_then(|name| name.to_str()).is_some_and(&stale) && path.is_file() {
            std::fs::remove_file(&path).map_err(|error| Error::io(&path, error))?;
        }
    }
    Ok(())
}
