//! Reading a model's files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{Error, Result};

/// Reads a file of at most `limit` bytes.
pub fn read_capped(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let io = |source| Error::io(path, source);
    // Checked before opening: opening a pipe would wait for its other end.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(Error::model(path.display().to_string(), "a folder or a device, not a file"));
    }
    let mut bytes = Vec::new();
    // The file's size may change, so the limit applies to reading too.
    File::open(path).map_err(io)?.take(limit + 1).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > limit {
        return Err(Error::model(path.display().to_string(), format!("larger than {} MiB", limit >> 20)));
    }
    Ok(bytes)
}
