//! The source of a dump: a plain or gzip-compressed file, or standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::gzip::Members;
use crate::error::{Error, Result};

/// How much of a source has been read, in stored bytes (compressed ones for gzip). Shared between the reading thread
/// and the progress display.
#[derive(Clone, Debug, Default)]
pub struct Progress {
    read: Arc<AtomicU64>,
    ignored: Arc<AtomicU64>,
}

impl Progress {
    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes behind the gzip stream that were passed over: padding with zeros, and anything else that is not gzip.
    pub fn ignored(&self) -> u64 {
        self.ignored.load(Ordering::Relaxed)
    }
}

/// Counts the bytes that are read.
struct Counted<R> {
    inner: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// An open dump.
pub struct Source {
    /// Its text, decompressed.
    pub stream: Box<dyn Read + Send>,
    /// The stored size of a file in bytes.
    pub size: Option<u64>,
    /// Whether it is gzip, so that reading it takes a processor.
    pub is_packed: bool,
}

/// Opens `path` (`-` is standard input) and decompresses it if its first two bytes are those of gzip, whatever the
/// file's name.
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened or its first bytes cannot be read.
pub fn open(path: &Path, progress: &Progress) -> Result<Source> {
    if path == Path::new("-") {
        return unpack(std::io::stdin(), path, progress);
    }
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let size = file.metadata().map_err(|error| Error::io(path, error))?.len();
    Ok(Source { size: Some(size), ..unpack(file, path, progress)? })
}

/// The stream in `raw`, decompressed if it is gzip.
fn unpack(raw: impl Read + Send + 'static, path: &Path, progress: &Progress) -> Result<Source> {
    let counted = Counted { inner: raw, progress: progress.clone() };
    let mut buffered = BufReader::with_capacity(1 << 17, counted);
    let head = buffered.fill_buf().map_err(|error| Error::io(path, error))?;
    let is_packed = head.starts_with(&[0x1f, 0x8b]);
    let stream: Box<dyn Read + Send> = if is_packed {
        Box::new(Members::new(buffered, progress.ignored.clone()))
    } else {
        Box::new(buffered)
    };
    Ok(Source { stream, size: None, is_packed })
}
