//! Files that are written atomically.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Error, Result, names};

/// The extension of temporary names, which are `.STEM.PROCESS-NUMBER.tmp`.
const ENDING: &str = ".tmp";
/// The longest that is added to a stem: two dots, two numbers with a hyphen, and the extension.
const ADDED: usize = 2 + 10 + 1 + 10 + ENDING.len();

/// What the temporary names of the file `name` have in common: the name, or the beginning of a long one with a hash, so
/// that the temporary name is a possible one.
pub fn temporary_stem(name: &OsStr) -> OsString {
    names::shortened(name, names::MAX_NAME - ADDED)
}

/// The [`temporary_stem`] in the temporary name of an [`AtomicFile`]; `None` for other names. A killed process leaves such
/// files behind; the name does not show whether another process is still writing the file.
pub fn stem_of_temporary(temporary: &OsStr) -> Option<OsString> {
    let bytes = names::to_bytes(Path::new(temporary));
    let rest = bytes.strip_prefix(b".")?.strip_suffix(ENDING.as_bytes())?;
    let dot = rest.iter().rposition(|&byte| byte == b'.')?;
    let (process, number) = std::str::from_utf8(&rest[dot + 1..]).ok()?.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (dot > 0 && digits(process) && digits(number)).then(|| names::from_bytes(&rest[..dot]).into_os_string())
}

/// A file that is written under a temporary name in the same folder, and renamed by [`commit`](Self::commit). If it is
/// dropped before that, the temporary file is removed, and an existing file of the final name is unchanged.
///
/// Other processes, and programs that start after this one was killed, never see an incomplete file. After a power
/// failure the file may be incomplete, unless it was written by [`commit_synced`](Self::commit_synced) or passed to
/// [`sync::files`](crate::sync::files).
#[derive(Debug)]
pub struct AtomicFile {
    /// `None` once committed or being dropped.
    writer: Option<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
}

impl AtomicFile {
    /// Creates the temporary file of `path`. The folder must exist.
    ///
    /// # Errors
    /// `Io` if the temporary file cannot be created, or `path` is a device, a pipe or a socket, which a rename would
    /// replace.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.file_name().ok_or_else(|| {
            Error::io(path, io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))
        })?;
        if fs::metadata(path).is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            let reason = "a device or a pipe, not a file that can be replaced";
            return Err(Error::io(path, io::Error::new(io::ErrorKind::InvalidInput, reason)));
        }
        // Several writers of one file, in this process and others, must not share a temporary name.
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let stem = temporary_stem(name);
        let (file, temporary) = loop {
            let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
            let mut hidden = prefix(&stem);
            hidden.push(format!("{}-{unique}{ENDING}", std::process::id()));
            let temporary = path.with_file_name(hidden);
            // A leftover of a killed process with our number can be replaced, once it is locked.
            let (file, left) = match File::create_new(&temporary) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    (OpenOptions::new().write(true).open(&temporary), true)
                }
                new => (new, false),
            };
            let file = match file {
                Err(error) if left && error.kind() == io::ErrorKind::NotFound => continue,
                file => file.map_err(|error| Error::io(path, error))?,
            };
            // The lock shows `sweep` that the file is being written. If files cannot be locked, `sweep` removes
            // nothing.
            match file.try_lock() {
                // A process with our number, on another machine or in another container.
                Err(TryLockError::WouldBlock) => continue,
                // Swept before the lock was taken.
                Ok(()) if !temporary.exists() => continue,
                _ => {}
            }
            if left {
                file.set_len(0).map_err(|error| Error::io(path, error))?;
            }
            break (file, temporary);
        };
        Ok(Self { writer: Some(BufWriter::with_capacity(1 << 16, file)), temporary, path: path.to_owned() })
    }

    /// The final name.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Renames the file to its final name, and replaces an existing file.
    ///
    /// # Errors
    /// `Io` if the rest cannot be written or the file cannot be renamed; the temporary file is then removed.
    pub fn commit(self) -> Result<()> {
        self.finish(|_| Ok(()))
    }

    /// [`commit`](Self::commit), after which the file is whole even after a power failure. It waits for the disk.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); `Io` if it cannot be synced.
    pub fn commit_synced(self) -> Result<()> {
        let path = self.path.clone();
        self.finish(File::sync_all)?;
        crate::sync::folder(folder_of(&path))
    }

    fn finish(mut self, sync: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
        let mut writer = self.writer.take().expect("present until commit or drop");
        // Renamed while it is open, and thus locked: `sweep` must not remove it before it has its name.
        let renamed = writer
            .flush()
            .and_then(|()| sync(writer.get_ref()))
            .and_then(|()| replace(&self.temporary, &self.path));
        drop(writer);
        renamed.map_err(|error| {
            let _ = fs::remove_file(&self.temporary);
            Error::io(&self.path, error)
        })
    }

    fn writer(&mut self) -> &mut BufWriter<File> {
        self.writer.as_mut().expect("present until commit or drop")
    }
}

/// Renames a file, and replaces what has the name.
fn replace(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(windows)]
    {
        // Virus scanners and indexers hold a new file open for a moment, and Windows replaces none that is open.
        const IN_USE: [i32; 3] = [5, 32, 33];
        for pause in [1, 10, 50, 200, 700] {
            match fs::rename(from, to) {
                Err(error)
                    if error.raw_os_error().is_some_and(|code| IN_USE.contains(&code)) && !to.is_dir() =>
                {
                    std::thread::sleep(std::time::Duration::from_millis(pause));
                }
                done => return done,
            }
        }
    }
    fs::rename(from, to)
}

/// The prefix of temporary names.
fn prefix(stem: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(stem);
    prefix.push(".");
    prefix
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Removes the temporary files of `path` that killed processes left, and returns their number. Files that are being
/// written, and those that cannot be removed, stay.
pub fn sweep(path: impl AsRef<Path>) -> usize {
    let path = path.as_ref();
    let Some(name) = path.file_name() else { return 0 };
    let stem = temporary_stem(name);
    sweep_folder(folder_of(path), |found| *found == *stem).len()
}

/// [`sweep`] for all files of a folder whose [`temporary_stem`] is wanted. Returns what was removed.
pub fn sweep_folder(folder: &Path, wanted: impl Fn(&OsStr) -> bool) -> Vec<PathBuf> {
    let mut swept = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if !stem_of_temporary(&entry.file_name()).is_some_and(|stem| wanted(&stem)) {
            continue;
        }
        // The writer holds a lock, which ends with its process.
        let file = OpenOptions::new().write(true).open(entry.path());
        if file.is_ok_and(|file| file.try_lock().is_ok() && fs::remove_file(entry.path()).is_ok()) {
            swept.push(entry.path());
        }
    }
    swept
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer().flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.writer().seek(position)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            // Without flushing: the data are discarded.
            let _ = writer.into_parts();
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_appears_on_commit_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("name with space.json");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"{}").unwrap();
        assert!(!path.exists());
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"{}");

        let mut abandoned = AtomicFile::create(&path).unwrap();
        abandoned.write_all(b"other").unwrap();
        drop(abandoned);
        assert_eq!(fs::read(&path).unwrap(), b"{}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn devices_and_pipes_are_not_replaced() {
        use std::os::unix::net::UnixListener;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        for path in [path.as_path(), Path::new("/dev/null")] {
            let error = AtomicFile::create(path).unwrap_err().to_string();
            assert!(error.contains("device") && error.contains(path.to_str().unwrap()), "{error}");
            assert!(!fs::metadata(path).unwrap().is_file());
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn temporary_names_are_recognised() {
        let folder = tempfile::tempdir().unwrap();
        let file = AtomicFile::create(folder.path().join("a.mp3.embeddings.npy")).unwrap();
        let temporary = file.temporary.file_name().unwrap();
        assert_eq!(stem_of_temporary(temporary).unwrap(), "a.mp3.embeddings.npy");
        for other in [".a.npy.1-.tmp", ".a.npy.tmp", "a.npy.1-2.tmp", ".a.npy.1-2", ".a.x-2.tmp", "..1-2.tmp"]
        {
            assert_eq!(stem_of_temporary(OsStr::new(other)), None, "{other}");
        }
    }

    #[test]
    fn any_possible_name_can_be_written_and_swept() {
        let folder = tempfile::tempdir().unwrap();
        for length in [1, 200, 227, 228, 229, 255] {
            let name = "é".repeat(length / 2) + &"x".repeat(length % 2);
            let path = folder.path().join(&name);
            let mut file = AtomicFile::create(&path).unwrap();
            file.write_all(b"whole").unwrap();
            assert_eq!(sweep(&path), 0, "it is being written");
            let leftover = file.temporary.with_file_name({
                let mut name = prefix(&temporary_stem(OsStr::new(&name)));
                name.push("4294967295-4294967295.tmp");
                name
            });
            fs::write(&leftover, "half").unwrap();
            assert_eq!(sweep(&path), 1);
            file.commit_synced().unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"whole");
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);
    }

    #[test]
    fn leftovers_of_killed_processes_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let leftover = folder.path().join(".a.parquet.77-3.tmp");
        let others = [".a.parquet.tmp", ".b.parquet.1-1.tmp", ".a.parquet.x-1.tmp", "a.parquet"];
        for name in others {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        fs::write(&leftover, "half").unwrap();
        let mut writing = AtomicFile::create(&path).unwrap();
        assert_eq!(sweep(&path), 1);
        assert!(!leftover.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), others.len() + 1);
        writing.write_all(b"whole").unwrap();
        writing.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(sweep(folder.path().join("no/such")), 0);
    }

    #[test]
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such.json");
        assert!(AtomicFile::create(&missing).unwrap_err().to_string().contains("such.json"));
        // A folder with the file's name: the rename fails, and the temporary file is removed.
        let occupied = folder.path().join("folder");
        fs::create_dir(&occupied).unwrap();
        assert!(AtomicFile::create(&occupied).unwrap().commit().is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(AtomicFile::create("/").is_err());
    }
}
