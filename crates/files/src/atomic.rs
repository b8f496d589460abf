//! Files that are written atomically.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// The extension of temporary names, which are `.NAME.PROCESS-NUMBER.tmp`.
const ENDING: &str = ".tmp";

/// The final name of a file, if `temporary` is the temporary name of an [`AtomicFile`]. A killed process leaves such
/// files behind; the name does not show whether another process is still writing the file.
pub fn name_of_temporary(temporary: &str) -> Option<&str> {
    let (name, unique) = temporary.strip_prefix('.')?.strip_suffix(ENDING)?.rsplit_once('.')?;
    let (process, number) = unique.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (!name.is_empty() && digits(process) && digits(number)).then_some(name)
}

/// A file that is written under a temporary name in the same folder, and renamed by [`commit`](Self::commit). If it is
/// dropped before that, the temporary file is removed, and an existing file of the final name is unchanged.
///
/// Other processes, and programs that start after this one was killed, never see an incomplete file. There is no
/// guarantee after a power failure, because data are not synced to the disk.
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
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut hidden = prefix(name);
        hidden.push(format!("{}-{unique}{ENDING}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        let file = loop {
            // A leftover of a killed process with our process id can be replaced.
            let file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary);
            let file = file.map_err(|error| Error::io(path, error))?;
            // The lock shows `sweep` that the file is being written. If files cannot be locked, `sweep` removes
            // nothing; what it removed before the lock was taken is created again.
            if file.try_lock().is_err() || temporary.exists() {
                break file;
            }
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
    pub fn commit(mut self) -> Result<()> {
        let mut writer = self.writer.take().expect("present until commit or drop");
        let renamed = writer.flush().and_then(|()| {
            drop(writer);
            fs::rename(&self.temporary, &self.path)
        });
        renamed.map_err(|error| {
            let _ = fs::remove_file(&self.temporary);
            Error::io(&self.path, error)
        })
    }

    fn writer(&mut self) -> &mut BufWriter<File> {
        self.writer.as_mut().expect("present until commit or drop")
    }
}

/// The prefix of the temporary names of the file `name`.
fn prefix(name: &OsStr) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(".");
    prefix
}

/// Removes the temporary files of `path` that killed processes left, and returns their number. Files that are being
/// written, and those that cannot be removed, stay.
pub fn sweep(path: impl AsRef<Path>) -> usize {
    let path = path.as_ref();
    let Some(name) = path.file_name() else { return 0 };
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let prefix = prefix(name);
    let mut swept = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let found = entry.file_name();
        let own = found.as_encoded_bytes().strip_prefix(prefix.as_encoded_bytes());
        let own = own.and_then(|rest| std::str::from_utf8(rest).ok()?.strip_suffix(".tmp")?.split_once('-'));
        let Some((process, unique)) = own else { continue };
        if process.parse::<u32>().is_err() || unique.parse::<u64>().is_err() {
            continue;
        }
        // The writer holds a lock, which ends with its process.
        let file = OpenOptions::new().write(true).open(entry.path());
        if file.is_ok_and(|file| file.try_lock().is_ok() && fs::remove_file(entry.path()).is_ok()) {
            swept += 1;
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
        let temporary = file.temporary.file_name().unwrap().to_str().unwrap();
        assert_eq!(name_of_temporary(temporary), Some("a.mp3.embeddings.npy"));
        for other in [".a.npy.1-.tmp", ".a.npy.tmp", "a.npy.1-2.tmp", ".a.npy.1-2", ".a.x-2.tmp", "..1-2.tmp"]
        {
            assert_eq!(name_of_temporary(other), None, "{other}");
        }
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
