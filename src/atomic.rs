//! Files that appear whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// How temporary names end: `.NAME.PROCESS-NUMBER.tmp`.
const ENDING: &str = ".tmp";

/// The name that a file would have got, if `temporary` is the name under which an [`AtomicFile`] writes it. A process
/// that is killed leaves such files behind; whether one is left or being written by somebody else, its name does not
/// tell.
pub fn name_of_temporary(temporary: &str) -> Option<&str> {
    let (name, unique) = temporary.strip_prefix('.')?.strip_suffix(ENDING)?.rsplit_once('.')?;
    let (process, number) = unique.split_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (!name.is_empty() && digits(process) && digits(number)).then_some(name)
}

/// A file being written under a temporary name beside its own, which it takes on
/// [`commit`](Self::commit). Dropped before that, it leaves nothing behind and a file of that name that
/// was there before stays as it was.
///
/// Other processes, and a program that starts after this one was killed, never see half a file. No
/// promise is made about a power failure: nothing is forced to the disk.
#[derive(Debug)]
pub struct AtomicFile {
    /// `None` once committed or being dropped.
    writer: Option<BufWriter<File>>,
    temporary: PathBuf,
    path: PathBuf,
}

impl AtomicFile {
    /// Starts a file that is to be `path`. Its folder must exist.
    ///
    /// # Errors
    /// `Io` if the temporary file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.file_name().ok_or_else(|| {
            Error::io(path, io::Error::new(io::ErrorKind::InvalidInput, "not the name of a file"))
        })?;
        // Several writers of one file, in this process and others, must not share a temporary name.
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}-{unique}{ENDING}", std::process::id()));
        let temporary = path.with_file_name(hidden);
        // A leftover of a killed process with our id is ours to replace.
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(&temporary);
        let file = file.map_err(|error| Error::io(path, error))?;
        Ok(Self { writer: Some(BufWriter::with_capacity(1 << 16, file)), temporary, path: path.to_owned() })
    }

    /// The name that the file will have.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file its name, replacing a file that had it.
    ///
    /// # Errors
    /// `Io` if the rest cannot be written or the file not be renamed; nothing is left behind then.
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
            // Without a last flush: the bytes are not wanted.
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
    fn what_cannot_be_written_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no/such.json");
        assert!(AtomicFile::create(&missing).unwrap_err().to_string().contains("such.json"));
        // A folder in the file's place: the rename fails, and the temporary file goes.
        let occupied = folder.path().join("folder");
        fs::create_dir(&occupied).unwrap();
        assert!(AtomicFile::create(&occupied).unwrap().commit().is_err());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(AtomicFile::create("/").is_err());
    }
}
