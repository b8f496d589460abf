//! An audio file from standard input.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sleeve_files::names::shown;
use tempfile::NamedTempFile;

/// What messages call it.
pub const NAME: &str = "standard input";

/// The bytes of standard input, in a temporary file that ends with the program: recognising a format takes going back
/// and forth, and a recording may be larger than memory.
#[derive(Debug)]
pub struct Spool {
    path: PathBuf,
    _file: Temporary,
}

/// Removed when it is dropped.
#[derive(Debug)]
enum Temporary {
    /// Without a name: nothing is left even of a killed program.
    Unnamed {
        _file: File,
    },
    Named {
        _file: NamedTempFile,
    },
}

impl Spool {
    /// Reads standard input to its end.
    pub fn read() -> Result<Self> {
        let input = io::stdin().lock();
        if input.is_terminal() {
            bail!("{NAME} is a terminal; pipe an audio file into the program");
        }
        Self::of(input).context(NAME)
    }

    fn of(mut input: impl io::Read) -> Result<Self> {
        let cannot = || format!("cannot write to {}", shown(std::env::temp_dir()));
        if let Some((mut file, path)) = unnamed() {
            io::copy(&mut input, &mut file).with_context(cannot)?;
            return Ok(Spool { path, _file: Temporary::Unnamed { _file: file } });
        }
        let mut file = NamedTempFile::new().with_context(cannot)?;
        io::copy(&mut input, &mut file).with_context(cannot)?;
        Ok(Spool { path: file.path().to_owned(), _file: Temporary::Named { _file: file } })
    }

    /// Where the bytes can be opened.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A file without a name, and a path by which this process and its children open it.
#[cfg(target_os = "linux")]
fn unnamed() -> Option<(File, PathBuf)> {
    use std::os::fd::AsRawFd;
    let file = tempfile::tempfile().ok()?;
    let path = PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd()));
    path.exists().then_some((file, path))
}

#[cfg(not(target_os = "linux"))]
fn unnamed() -> Option<(File, PathBuf)> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spool_can_be_opened_more_than_once() {
        let bytes: Vec<u8> = (0..100_000_u32).flat_map(u32::to_le_bytes).collect();
        let spool = Spool::of(bytes.as_slice()).unwrap();
        for _ in 0..2 {
            assert!(std::fs::read(spool.path()).unwrap() == bytes);
        }
        let path = spool.path().to_owned();
        drop(spool);
        assert!(!path.exists());
    }
}
