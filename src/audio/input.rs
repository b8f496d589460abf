//! The encoded bytes: a regular file or memory.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use crate::{Error, Result};

/// Seekable bytes of known length.
pub(super) struct Input {
    bytes: Bytes,
    len: u64,
}

enum Bytes {
    File(File),
    Memory(Cursor<Arc<[u8]>>),
}

impl Input {
    /// Opens a regular file. Anything else is refused before it is opened: opening a pipe without a writer would block,
    /// and recognising the format takes a seek.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let metadata = std::fs::metadata(path).map_err(|source| Error::io(path, source))?;
        if metadata.is_dir() {
            return Err(Error::audio(path, "is a directory"));
        }
        if !metadata.is_file() {
            return Err(Error::audio(path, "is not a regular file"));
        }
        let file = File::open(path).map_err(|source| Error::io(path, source))?;
        Ok(Self { bytes: Bytes::File(file), len: metadata.len() })
    }

    pub(super) fn from_bytes(bytes: Arc<[u8]>) -> Self {
        let len = bytes.len() as u64;
        Self { bytes: Bytes::Memory(Cursor::new(bytes)), len }
    }

    /// The same bytes once more. A file's handles share one position: each read must be preceded by a seek.
    pub(super) fn reopen(&self) -> io::Result<Self> {
        let bytes = match &self.bytes {
            Bytes::File(file) => Bytes::File(file.try_clone()?),
            Bytes::Memory(cursor) => Bytes::Memory(Cursor::new(Arc::clone(cursor.get_ref()))),
        };
        Ok(Self { bytes, len: self.len })
    }

    pub(super) fn is_in_memory(&self) -> bool {
        matches!(self.bytes, Bytes::Memory(_))
    }

    /// Length in bytes when it was opened.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads until `buffer` is full or the input ends, and returns the number of bytes.
    pub(super) fn read_up_to(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &mut self.bytes {
            Bytes::File(file) => file.read(buffer),
            Bytes::Memory(cursor) => cursor.read(buffer),
        }
    }
}

impl Seek for Input {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match &mut self.bytes {
            Bytes::File(file) => file.seek(position),
            Bytes::Memory(cursor) => cursor.seek(position),
        }
    }
}
