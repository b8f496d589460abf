//! What tells that a file has changed.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// A file's size and modification time: if they are unchanged, so is its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// Size in bytes.
    pub bytes: u64,
    /// Modification time in milliseconds since 1970, negative before; `None` if the file system has none.
    pub modified: Option<i64>,
}

impl Stamp {
    /// The stamp of a file.
    ///
    /// # Errors
    /// If its metadata cannot be read.
    pub fn read(path: impl AsRef<Path>) -> io::Result<Self> {
        Ok(Self::of(&fs::metadata(path)?))
    }

    /// The stamp in a file's metadata.
    pub fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|time| match time.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).ok(),
            Err(before) => i64::try_from(before.duration().as_millis()).ok().map(|millis| -millis),
        });
        Stamp { bytes: metadata.len(), modified }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    #[test]
    fn times_before_1970_are_times() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("old.ogg");
        fs::write(&path, "four").unwrap();
        let times = [(UNIX_EPOCH - Duration::from_secs(86_400), -86_400_000), (UNIX_EPOCH, 0)];
        for (time, millis) in times {
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            assert_eq!(Stamp::read(&path).unwrap(), Stamp { bytes: 4, modified: Some(millis) });
        }
        assert!(Stamp::read(folder.path().join("none")).is_err());
    }
}
