//! Where a dump comes from: a plain or gzip-compressed file, or standard input.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::bufread::MultiGzDecoder;

use crate::error::{Error, Result};

/// How far the reading of a source has come, in bytes as stored (compressed ones for gzip).
/// Shared between the reading thread and whoever shows it.
#[derive(Clone, Debug, Default)]
pub struct Progress(Arc<AtomicU64>);

impl Progress {
    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Counts the bytes that pass.
struct Counted<R> {
    inner: R,
    progress: Progress,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.0.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Opens `path` (`-` is standard input), undoing gzip where the first two bytes say so, whatever
/// the file is called. Returns the stream and, for a file, its stored size in bytes.
///
/// # Errors
/// [`Error::Io`] if the file cannot be opened or its first bytes cannot be read.
pub fn open(path: &Path, progress: &Progress) -> Result<(Box<dyn Read + Send>, Option<u64>)> {
    if path == Path::new("-") {
        return Ok((unpack(std::io::stdin(), path, progress)?, None));
    }
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let size = file.metadata().map_err(|error| Error::io(path, error))?.len();
    Ok((unpack(file, path, progress)?, Some(size)))
}

/// The stream in `raw`, unpacked if it is gzip.
fn unpack(raw: impl Read + Send + 'static, path: &Path, progress: &Progress) -> Result<Box<dyn Read + Send>> {
    let counted = Counted { inner: raw, progress: progress.clone() };
    let mut buffered = BufReader::with_capacity(1 << 17, counted);
    let head = buffered.fill_buf().map_err(|error| Error::io(path, error))?;
    Ok(if head.starts_with(&[0x1f, 0x8b]) {
        // Discogs' files hold one member, but tools that compress in parallel write many.
        Box::new(MultiGzDecoder::new(buffered))
    } else {
        Box::new(buffered)
    })
}
