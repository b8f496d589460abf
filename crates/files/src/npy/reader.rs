//! Reads arrays from untrusted files.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::Array2;

use super::Dtype;
use super::header::{Header, PREFIX};
use crate::{Error, Result};

/// An array on disk whose rows can be read in any order. Only its shape is kept in memory.
///
/// It supports two-dimensional arrays of `float32` or `float16` in C order, as
/// [`NpyWriter`](super::NpyWriter) and NumPy write them; half precision is widened.
#[derive(Debug)]
pub struct NpyReader {
    file: File,
    path: PathBuf,
    header: Header,
    data: u64,
    /// The position in the file, so that sequential reads need no seek.
    position: u64,
    bytes: Vec<u8>,
    halves: Vec<f16>,
}

impl NpyReader {
    /// Opens an array and checks that the file has the length that its header states.
    ///
    /// # Errors
    /// `Io` if the file cannot be read; `Array` if it is not such an array, shorter or longer.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let mut file = File::open(path).map_err(|error| Error::io(path, error))?;
        let metadata = file.metadata().map_err(|error| Error::io(path, error))?;
        if !metadata.is_file() {
            return Err(Error::array(path, "not a file"));
        }
        let refuse = |reason: String| Error::array(path, reason);
        let short = |error: io::Error| match error.kind() {
            io::ErrorKind::UnexpectedEof => Error::array(path, "it ends within its header"),
            _ => Error::io(path, error),
        };
        let mut prefix = [0; PREFIX];
        file.read_exact(&mut prefix).map_err(short)?;
        let (start, length) = Header::locate(&prefix).map_err(refuse)?;
        let mut text = vec![0; length];
        file.seek(SeekFrom::Start(start as u64)).map_err(|error| Error::io(path, error))?;
        file.read_exact(&mut text).map_err(short)?;
        let header = Header::parse(&text).map_err(refuse)?;
        let data = (start + length) as u64;
        let present = metadata.len().saturating_sub(data);
        // From here on no size is larger than the file.
        if header.data_length() != Some(present) {
            let Header { rows, cols, .. } = header;
            return Err(refuse(format!("it has {present} bytes of values, not {rows} x {cols} values")));
        }
        // Without values, the other length would not be bounded.
        if present == 0 && header.cols.max(header.rows) > MAX_EMPTY {
            return Err(refuse("it is empty, but its shape is too large".into()));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            header,
            data,
            position: data,
            bytes: Vec::new(),
            halves: Vec::new(),
        })
    }

    /// The number of rows.
    pub fn rows(&self) -> usize {
        self.header.rows as usize
    }

    /// Values per row.
    pub fn cols(&self) -> usize {
        self.header.cols as usize
    }

    /// The type of the values.
    pub fn dtype(&self) -> Dtype {
        self.header.dtype
    }

    /// Reads the rows from `first` on, as many as `values` holds.
    ///
    /// # Errors
    /// `InvalidArgument` if they are not all in the array or `values` ends within a row; `Io` if reading fails, also if
    /// the file was shortened meanwhile.
    pub fn read_rows(&mut self, first: usize, values: &mut [f32]) -> Result<()> {
        if values.is_empty() && first <= self.rows() {
            return Ok(());
        }
        let cols = self.cols();
        let end = (cols > 0 && values.len().is_multiple_of(cols))
            .then(|| first.checked_add(values.len() / cols))
            .flatten();
        if end.is_none_or(|end| end > self.rows()) {
            return Err(Error::InvalidArgument(format!(
                "{}: {} values from row {first} on are not rows of an array of {} x {cols}",
                self.path.display(),
                values.len(),
                self.rows()
            )));
        }
        self.read_values(first as u64 * cols as u64, values).map_err(|error| {
            // The position is unknown after an error.
            self.position = u64::MAX;
            Error::io(&self.path, error)
        })
    }

    fn read_values(&mut self, first: u64, values: &mut [f32]) -> io::Result<()> {
        let size = self.header.dtype.size();
        let offset = self.data + first * size as u64;
        if self.position != offset {
            self.file.seek(SeekFrom::Start(offset))?;
        }
        for piece in values.chunks_mut(1 << 16) {
            self.bytes.resize(piece.len() * size, 0);
            self.file.read_exact(&mut self.bytes)?;
            match self.header.dtype {
                Dtype::F32 => {
                    for (value, bytes) in piece.iter_mut().zip(self.bytes.as_chunks().0) {
                        *value = f32::from_le_bytes(*bytes);
                    }
                }
                Dtype::F16 => {
                    self.halves.clear();
                    self.halves
                        .extend(self.bytes.as_chunks().0.iter().map(|bytes| f16::from_le_bytes(*bytes)));
                    self.halves.convert_to_f32_slice(piece);
                }
            }
        }
        self.position = offset + (values.len() * size) as u64;
        Ok(())
    }
}

/// The largest length of an array without values.
const MAX_EMPTY: u64 = u32::MAX as u64;

/// Reads a whole array, widened to single precision: `[rows, cols]`.
///
/// # Errors
/// As [`NpyReader::open`] and [`NpyReader::read_rows`].
pub fn read_npy(path: impl AsRef<Path>) -> Result<Array2<f32>> {
    let mut reader = NpyReader::open(path)?;
    let shape = (reader.rows(), reader.cols());
    let mut values = vec![0.0; shape.0 * shape.1];
    reader.read_rows(0, &mut values)?;
    Ok(Array2::from_shape_vec(shape, values).expect("as many values as the shape has"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::npy::NpyWriter;

    #[test]
    fn rows_come_back_whatever_the_order_they_are_read_in() {
        let folder = tempfile::tempdir().unwrap();
        for dtype in [Dtype::F32, Dtype::F16] {
            let path = folder.path().join("rows.npy");
            let mut writer = NpyWriter::create(&path, 3, dtype).unwrap();
            for row in 0..100 {
                writer.write_rows(&[row as f32, 0.5, -1.0]).unwrap();
            }
            assert!(!path.exists(), "not before it is finished");
            assert_eq!(writer.finish().unwrap(), 100);
            let mut reader = NpyReader::open(&path).unwrap();
            assert_eq!((reader.rows(), reader.cols(), reader.dtype()), (100, 3, dtype));
            for row in [0, 1, 2, 99, 50, 0] {
                let mut values = [0.0; 3];
                reader.read_rows(row, &mut values).unwrap();
                assert_eq!(values, [row as f32, 0.5, -1.0]);
            }
            assert!(reader.read_rows(100, &mut [0.0; 3]).is_err());
            assert!(reader.read_rows(99, &mut [0.0; 6]).is_err());
            assert!(reader.read_rows(usize::MAX, &mut [0.0; 3]).is_err());
            assert!(reader.read_rows(0, &mut [0.0; 4]).is_err());
            assert_eq!(read_npy(&path).unwrap()[[7, 0]], 7.0);
            std::fs::remove_file(&path).unwrap();
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn an_array_may_have_no_rows() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("empty.npy");
        NpyWriter::create(&path, 96, Dtype::F16).unwrap().finish().unwrap();
        assert_eq!(read_npy(&path).unwrap().dim(), (0, 96));
        assert!(NpyReader::open(&path).unwrap().read_rows(0, &mut []).is_ok());
        assert!(NpyWriter::create(&path, 0, Dtype::F16).is_err());
    }

    #[test]
    fn a_part_of_a_row_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = NpyWriter::create(folder.path().join("a.npy"), 4, Dtype::F32).unwrap();
        assert!(writer.write_rows(&[0.0; 6]).is_err());
        writer.write_rows(&[]).unwrap();
        drop(writer);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn files_that_are_no_arrays_are_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wrong.npy");
        let header = |rows, cols| Header { dtype: Dtype::F32, rows, cols }.to_bytes();
        let with = |header: &[u8], values: usize| [header, &vec![0; values]].concat();
        let huge = [b"\x93NUMPY\x02\x00".as_slice(), &u32::MAX.to_le_bytes(), b"{"].concat();
        for (bytes, reason) in [
            (Vec::new(), "ends within its header"),
            (b"RIFF this is some audio".to_vec(), "does not begin as one"),
            (header(1, 1)[..60].to_vec(), "ends within its header"),
            (huge, "longer than"),
            (with(&header(2, 2), 15), "15 bytes of values"),
            (with(&header(2, 2), 17), "17 bytes of values"),
            (with(&header(u64::MAX, 2), 8), "bytes of values"),
            (with(&header(u64::MAX, u64::MAX), 4), "bytes of values"),
            (with(&header(u64::MAX, 0), 0), "too large"),
            (b"\x93NUMPY\x09\x00????????".to_vec(), "format 9"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            let error = read_npy(&path).unwrap_err().to_string();
            assert!(error.contains(reason) && error.contains("wrong.npy"), "{reason}: {error}");
        }
        assert!(read_npy(folder.path()).is_err());
        assert!(matches!(read_npy(folder.path().join("none.npy")), Err(Error::Io { .. })));
    }
}
