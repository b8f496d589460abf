//! Files that outlast a power cut.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use crate::{Error, Result};

/// Waits until the content and the names of files are on the disk: with one call for the whole file system of `folder`
/// on Linux, which takes about as long for thousands of small files as for one; file by file elsewhere, and for files
/// on other file systems.
///
/// # Errors
/// `Io` if a file is missing, or the disk reports that something could not be written.
pub fn files<'a>(folder: &Path, files: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let mut here = OneFileSystem::of(folder)?;
    let mut folders = HashSet::new();
    for file in files {
        let parent = file.parent().unwrap_or(folder);
        if here.contains(parent) {
            continue;
        }
        sync_file(file)?;
        folders.insert(parent);
    }
    folders.into_iter().try_for_each(self::folder)?;
    here.sync()
}

/// Waits until the names in a folder are on the disk.
///
/// # Errors
/// `Io` if the folder cannot be opened or synced.
pub fn folder(folder: &Path) -> Result<()> {
    // Windows has no such call.
    if cfg!(unix) { sync_file(folder) } else { Ok(()) }
}

fn sync_file(path: &Path) -> Result<()> {
    let file = if cfg!(windows) { File::options().write(true).open(path) } else { File::open(path) };
    file.and_then(|file| file.sync_all()).map_err(|error| Error::io(path, error))
}

/// The file system of a folder, if it can be synced by one call.
#[cfg(target_os = "linux")]
struct OneFileSystem<'a> {
    folder: &'a Path,
    file: File,
    device: u64,
    /// Folders that are known to be on it.
    known: HashSet<std::path::PathBuf>,
}

#[cfg(target_os = "linux")]
impl<'a> OneFileSystem<'a> {
    fn of(folder: &'a Path) -> Result<Self> {
        use std::os::unix::fs::MetadataExt;
        let cannot = |error| Error::io(folder, error);
        let file = File::open(folder).map_err(cannot)?;
        let device = file.metadata().map_err(cannot)?.dev();
        Ok(OneFileSystem { folder, file, device, known: HashSet::new() })
    }

    fn contains(&mut self, other: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        if self.known.contains(other) {
            return true;
        }
        let same = std::fs::metadata(other).is_ok_and(|metadata| metadata.dev() == self.device);
        if same {
            self.known.insert(other.to_owned());
        }
        same
    }

    fn sync(self) -> Result<()> {
        rustix::fs::syncfs(&self.file).map_err(|error| Error::io(self.folder, error.into()))
    }
}

#[cfg(not(target_os = "linux"))]
struct OneFileSystem;

#[cfg(not(target_os = "linux"))]
impl OneFileSystem {
    fn of(_folder: &Path) -> Result<Self> {
        Ok(OneFileSystem)
    }

    fn contains(&mut self, _other: &Path) -> bool {
        false
    }

    fn sync(self) -> Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_synced_and_missing_folders_named() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("deeper")).unwrap();
        let paths = [root.path().join("a.npy"), root.path().join("deeper/b.npy")];
        paths.iter().for_each(|path| std::fs::write(path, "x").unwrap());
        files(root.path(), paths.iter().map(|path| path.as_path())).unwrap();
        folder(root.path()).unwrap();
        // On another file system, where there is one: by itself.
        let shared = Path::new("/dev/shm");
        if shared.is_dir() {
            let other = tempfile::NamedTempFile::new_in(shared).unwrap();
            files(root.path(), [other.path()]).unwrap();
        }
        let missing = root.path().join("none/c.npy");
        assert!(files(root.path(), [missing.as_path()]).unwrap_err().to_string().contains("c.npy"));
        assert!(files(&root.path().join("none"), []).unwrap_err().to_string().contains("none"));
    }
}
