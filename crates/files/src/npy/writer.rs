//! Writes arrays whose number of rows is known only at the end.

use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::Dtype;
use super::header::Header;
use crate::atomic::AtomicFile;
use crate::{Error, Result};

/// Writes a two-dimensional array row by row, in constant memory.
///
/// The file is renamed to its final name by [`finish`](Self::finish). If the writer is dropped before that, no file is
/// left.
///
/// ```
/// # use sleeve_files::npy::{Dtype, NpyWriter, read_npy};
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("mel.npy");
/// let mut writer = NpyWriter::create(&path, 96, Dtype::F32)?;
/// writer.write_rows(&[0.0; 3 * 96])?;
/// writer.write_rows(&[1.0; 96])?;
/// assert_eq!(writer.finish()?, 4);
/// assert_eq!(read_npy(&path)?.dim(), (4, 96));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct NpyWriter {
    file: AtomicFile,
    header: Header,
    halves: Vec<f16>,
    bytes: Vec<u8>,
}

impl NpyWriter {
    /// Creates an array with `cols` values per row at `path`. The folder must exist.
    ///
    /// # Errors
    /// `InvalidArgument` if `cols` is 0; `Io` if the file cannot be created.
    pub fn create(path: impl AsRef<Path>, cols: usize, dtype: Dtype) -> Result<Self> {
        if cols == 0 {
            return Err(Error::InvalidArgument("an array's rows must have at least one value".into()));
        }
        let mut file = AtomicFile::create(path)?;
        let header = Header { dtype, rows: 0, cols: cols as u64 };
        // A placeholder: the number of rows is written at the end.
        file.write_all(&header.to_bytes()).map_err(|error| Error::io(file.path(), error))?;
        Ok(Self { file, header, halves: Vec::new(), bytes: Vec::new() })
    }

    /// Appends any number of whole rows. Half precision rounds to nearest, and values that are too large become
    /// infinite.
    ///
    /// # Errors
    /// `InvalidArgument` if `values` ends within a row; `Io` if it cannot be written.
    pub fn write_rows(&mut self, values: &[f32]) -> Result<()> {
        let cols = self.header.cols as usize;
        if !values.len().is_multiple_of(cols) {
            return Err(Error::InvalidArgument(format!(
                "{} values are not a whole number of rows of {cols}",
                values.len()
            )));
        }
        // In pieces, so that a large call does not need a second copy of all values.
        for piece in values.chunks(1 << 16) {
            self.bytes.clear();
            match self.header.dtype {
                Dtype::F32 => self.bytes.extend(piece.iter().flat_map(|value| value.to_le_bytes())),
                Dtype::F16 => {
                    self.halves.resize(piece.len(), f16::ZERO);
                    self.halves.convert_from_f32_slice(piece);
                    self.bytes.extend(self.halves.iter().flat_map(|value| value.to_le_bytes()));
                }
            }
            self.file.write_all(&self.bytes).map_err(|error| Error::io(self.file.path(), error))?;
        }
        self.header.rows += (values.len() / cols) as u64;
        Ok(())
    }

    /// Rows written so far.
    pub fn rows(&self) -> u64 {
        self.header.rows
    }

    /// Completes the header, renames the file to its final name, and returns the number of rows.
    ///
    /// # Errors
    /// `Io` if that fails; then no file is left.
    pub fn finish(mut self) -> Result<u64> {
        let header = self.header.to_bytes();
        let written = self.file.seek(SeekFrom::Start(0)).and_then(|_| self.file.write_all(&header));
        written.map_err(|error| Error::io(self.file.path(), error))?;
        self.file.commit()?;
        Ok(self.header.rows)
    }
}
