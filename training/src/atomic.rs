//! Atomic files: the library's, and their folders are created if missing. Temporary files of killed runs are removed.

use std::io::Write;
use std::path::Path;

pub use sleeve_files::atomic::AtomicFile;

use crate::error::{Error, Result};

/// Starts a file that will be called `path`. Its folder is created if missing, and its temporary files from killed runs
/// are removed.
pub fn create(path: impl AsRef<Path>) -> Result<AtomicFile> {
    let path = path.as_ref();
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    }
    sleeve_files::atomic::sweep(path);
    Ok(AtomicFile::create(path)?)
}

/// Writes `bytes` to `path` atomically.
pub fn write(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let mut file = create(&path)?;
    file.write_all(bytes).map_err(|error| Error::io(&path, error))?;
    Ok(file.commit()?)
}
