//! Files that one process at a time may use.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use same_file::Handle;

use crate::{Error, Result};

/// Opens a file for reading and writing, creates it if it is missing, and locks it; `None` if another process has locked
/// it. The lock ends with the returned file, and thus with the process, however that ends. The file may be removed by
/// whoever holds the lock. On file systems that have no locks, nothing is locked.
///
/// # Errors
/// `Io` if the file cannot be opened or created.
pub fn open(path: impl AsRef<Path>) -> Result<Option<File>> {
    let path = path.as_ref();
    let cannot = |error| Error::io(path, error);
    loop {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(false).open(path).map_err(cannot)?;
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Ok(None);
        }
        // Whoever held the lock may have removed the file after it was opened here: then the lock protects nothing.
        let ours = Handle::from_file(file.try_clone().map_err(cannot)?).map_err(cannot)?;
        if Handle::from_path(path).is_ok_and(|there| there == ours) {
            return Ok(Some(file));
        }
    }
}

/// Whether another process has locked the file. A file that is missing or cannot be opened is not locked.
pub fn is_locked(path: impl AsRef<Path>) -> bool {
    let file = OpenOptions::new().read(true).write(true).open(path);
    file.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_lock_holds_until_its_file_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        assert!(!is_locked(&path) && !path.exists());
        let first = open(&path).unwrap().unwrap();
        assert!(open(&path).unwrap().is_none() && is_locked(&path));
        drop(first);
        assert!(!is_locked(&path));
        assert!(open(&path).unwrap().is_some());
        assert!(open(folder.path().join("no/such")).is_err());
    }

    #[test]
    fn a_file_that_its_holder_removed_is_not_taken_for_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        let inside = std::sync::atomic::AtomicU32::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let Some(file) = open(&path).unwrap() else { continue };
                        use std::sync::atomic::Ordering::SeqCst;
                        assert_eq!(inside.fetch_add(1, SeqCst), 0, "two have the lock");
                        inside.fetch_sub(1, SeqCst);
                        fs::remove_file(&path).unwrap();
                        drop(file);
                    }
                });
            }
        });
    }
}
