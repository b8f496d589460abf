//! Embeddings that another program has computed, so that any encoder can stand in the tables.
//!
//! - `npy=DIR`: a NumPy array for each recording, `[patches, values]` or `[values]`, in single, double or half precision.
//!   Of the recording `a/b.mp3` it is `DIR/a/b.npy`, `DIR/a/b.mp3.npy`, or one of these with `.embeddings.npy`, as
//!   `sleeve extract` names them.
//! - `parquet=FILE`: a table with a column `path` and a column `embedding` or `embeddings` of lists of floats; several
//!   rows of one path are its patches in order. A path is the recording's, with or without its extension.
//!
//! The vector of a recording is the mean of its rows, and a head learns from one of them at a time.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::cast::AsArray;
use arrow_array::types::{Float16Type, Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use ndarray::{Array2, ArrayD, ArrayView3, Ix1, Ix2};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};
use sleeve_files::npy::{NpyReader, read_npy};

use super::{Encoder, FrontEnd};
use crate::error::{Error, Result};
use crate::evaluation::recordings::Recording;
use crate::scan::sha256_of;

/// The ends of the names of arrays.
const ENDS: [&str; 2] = [".npy", ".embeddings.npy"];

/// Embeddings in files.
#[derive(Clone)]
pub struct Given {
    name: String,
    identity: String,
    dimensions: usize,
    place: Place,
}

#[derive(Clone)]
enum Place {
    Folder(PathBuf),
    /// The rows of each path, one after the other.
    Table(PathBuf, std::sync::Arc<FxHashMap<String, Vec<f32>>>),
}

impl Given {
    /// The arrays in a folder, all of the same width. The encoder is named by the folder.
    ///
    /// # Errors
    /// If the folder cannot be read, has no arrays, or one is damaged or has another width.
    pub fn folder(folder: &Path) -> Result<Self> {
        let mut hash = Sha256::new();
        let mut width: Option<(usize, PathBuf)> = None;
        for entry in walkdir::WalkDir::new(folder).sort_by_file_name() {
            let entry = entry.map_err(|error| Error::format(folder, error))?;
            let path = entry.path();
            if !entry.file_type().is_file() || path.extension().is_none_or(|extension| extension != "npy") {
                continue;
            }
            let inside = path.strip_prefix(folder).unwrap_or(path);
            hash.update(inside.as_os_str().as_encoded_bytes());
            hash.update([0]);
            hash.update(sha256_of(path).map_err(|error| Error::io(path, error))?);
            let own = width_of(path)?;
            let (width, first) = width.get_or_insert_with(|| (own, path.to_owned()));
            if own != *width {
                let reason = format!("its rows have {own} values, and those of {} {width}", first.display());
                return Err(Error::format(path, reason));
            }
        }
        let Some((dimensions, _)) = width else {
            return Err(Error::Nothing {
                path: folder.to_owned(),
                reason: "it contains no .npy files".into(),
            });
        };
        let identity = format!("npy-{}", hexadecimal(&hash.finalize()));
        Ok(Given { name: named(folder), identity, dimensions, place: Place::Folder(folder.to_owned()) })
    }

    /// A table of embeddings, all of the same width. The encoder is named by the file.
    ///
    /// # Errors
    /// If it cannot be read, lacks a column, or its embeddings have different widths or are not finite.
    pub fn table(path: &Path) -> Result<Self> {
        let identity = format!("parquet-{}", sha256_of(path).map_err(|error| Error::io(path, error))?);
        let (rows, dimensions) = read_table(path)?;
        let place = Place::Table(path.to_owned(), std::sync::Arc::new(rows));
        Ok(Given { name: named(path), identity, dimensions, place })
    }

    fn values(&self, name: &str) -> Result<Result<Array2<f32>, String>> {
        let bare = Path::new(name).with_extension("");
        let stems = [name, bare.to_str().unwrap_or(name)];
        match &self.place {
            Place::Folder(folder) => {
                let paths = stems.iter().flat_map(|stem| ENDS.map(|end| folder.join(format!("{stem}{end}"))));
                match paths.into_iter().find(|path| path.is_file()) {
                    None => Ok(Err(format!("{} has no array for it", folder.display()))),
                    Some(path) => Ok(Ok(read_rows(&path)?)),
                }
            }
            Place::Table(path, rows) => match stems.iter().find_map(|stem| rows.get(*stem)) {
                None => Ok(Err(format!("{} has no row for it", path.display()))),
                Some(values) => {
                    let shape = (values.len() / self.dimensions, self.dimensions);
                    Ok(Ok(Array2::from_shape_vec(shape, values.clone()).expect("whole rows")))
                }
            },
        }
    }
}

impl Encoder for Given {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> String {
        self.identity.clone()
    }

    fn front_end(&self) -> FrontEnd {
        FrontEnd::MusiCnn
    }

    fn frames(&self) -> usize {
        0
    }

    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn embed(&mut self, _patches: ArrayView3<f32>) -> Result<Array2<f32>> {
        Err(Error::InvalidArgument(format!(
            "{} has embeddings of recordings, not of spectrograms",
            self.name
        )))
    }

    fn sibling(&self) -> Option<Box<dyn Encoder>> {
        Some(Box::new(self.clone()))
    }

    fn gives_rows(&self) -> bool {
        true
    }

    fn is_stored(&self) -> bool {
        true
    }

    fn rows(&mut self, recording: &Recording) -> Result<Result<Array2<f32>, String>> {
        let rows = self.values(&recording.name)?;
        Ok(rows.and_then(|rows| match rows.nrows() {
            0 => Err(format!("{} has an array without rows for it", self.name)),
            _ if rows.ncols() != self.dimensions => {
                Err(format!("its array changed: {} values", rows.ncols()))
            }
            _ => Ok(rows),
        }))
    }
}

/// The last part of a path without its extension.
fn named(path: &Path) -> String {
    let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let name = if whole.is_dir() { whole.file_name() } else { whole.file_stem() };
    name.map_or_else(|| "given".into(), |name| name.to_string_lossy().into_owned())
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Values of a row of an array.
fn width_of(path: &Path) -> Result<usize> {
    match NpyReader::open(path) {
        Ok(reader) => Ok(reader.cols()),
        Err(_) => Ok(read_rows(path)?.ncols()),
    }
}

/// An array's rows; one vector is one row.
fn read_rows(path: &Path) -> Result<Array2<f32>> {
    if let Ok(rows) = read_npy(path) {
        return Ok(rows);
    }
    let wrong = |error: &dyn std::fmt::Display| Error::format(path, error);
    let single = ndarray_npy::read_npy::<_, ArrayD<f32>>(path);
    let values = single.or_else(|_| {
        ndarray_npy::read_npy::<_, ArrayD<f64>>(path).map(|values| values.mapv(|value| value as f32))
    });
    let values = values.map_err(|error| wrong(&error))?;
    match values.ndim() {
        1 => {
            let values = values.into_dimensionality::<Ix1>().map_err(|error| wrong(&error))?;
            Ok(values.insert_axis(ndarray::Axis(0)))
        }
        2 => values.into_dimensionality::<Ix2>().map_err(|error| wrong(&error)),
        other => Err(wrong(&format!("{other} dimensions; an array is [patches, values] or [values]"))),
    }
}

type Rows = FxHashMap<String, Vec<f32>>;

fn read_table(path: &Path) -> Result<(Rows, usize)> {
    let fault = |reason: &dyn std::fmt::Display| Error::format(path, reason);
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| fault(&error))?;
    let schema = builder.schema().clone();
    let names = schema.index_of("path").map_err(|_| fault(&"no column `path`"))?;
    let lists = schema.index_of("embedding").or_else(|_| schema.index_of("embeddings"));
    let lists = lists.map_err(|_| fault(&"no column `embedding` or `embeddings`"))?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), [names, lists]);
    let (mut rows, mut width) = (Rows::default(), None);
    for batch in builder.with_projection(mask).build().map_err(|error| fault(&error))? {
        let batch = batch.map_err(|error| fault(&error))?;
        let column = |name: &str| batch.column_by_name(name);
        let names = column("path").ok_or_else(|| fault(&"no column `path`"))?;
        let names = arrow_cast_text(names).ok_or_else(|| fault(&"`path` is not text"))?;
        let lists = column("embedding").or_else(|| column("embeddings"));
        let lists = lists.ok_or_else(|| fault(&"no embeddings"))?;
        for (at, name) in names.into_iter().enumerate() {
            let name = name.ok_or_else(|| fault(&"a row without a path"))?;
            let values = list(lists, at).ok_or_else(|| fault(&format!("{name}: no list of floats")))?;
            let wanted = *width.get_or_insert(values.len());
            if values.len() != wanted || values.is_empty() {
                let reason = format!("{name}: {} values beside rows of {wanted}", values.len());
                return Err(fault(&reason));
            }
            if let Some(value) = values.iter().find(|value| !value.is_finite()) {
                return Err(fault(&format!("{name}: it contains {value}")));
            }
            rows.entry(name).or_default().extend(values);
        }
    }
    match width {
        Some(width) => Ok((rows, width)),
        None => Err(Error::Nothing { path: path.to_owned(), reason: "it has no rows".into() }),
    }
}

fn arrow_cast_text(column: &ArrayRef) -> Option<Vec<Option<String>>> {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    match column.data_type() {
        DataType::Utf8 => Some(column.as_string::<i32>().iter().map(owned).collect()),
        DataType::LargeUtf8 => Some(column.as_string::<i64>().iter().map(owned).collect()),
        DataType::Utf8View => Some(column.as_string_view().iter().map(owned).collect()),
        _ => None,
    }
}

/// One list of floats.
fn list(column: &ArrayRef, at: usize) -> Option<Vec<f32>> {
    if column.is_null(at) {
        return None;
    }
    let values = match column.data_type() {
        DataType::List(_) => column.as_list::<i32>().value(at),
        DataType::LargeList(_) => column.as_list::<i64>().value(at),
        DataType::FixedSizeList(..) => column.as_fixed_size_list().value(at),
        _ => return None,
    };
    if values.null_count() > 0 {
        return None;
    }
    match values.data_type() {
        DataType::Float32 => Some(values.as_primitive::<Float32Type>().values().to_vec()),
        DataType::Float64 => {
            Some(values.as_primitive::<Float64Type>().values().iter().map(|&value| value as f32).collect())
        }
        DataType::Float16 => {
            Some(values.as_primitive::<Float16Type>().values().iter().map(|value| value.to_f32()).collect())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::builder::{FixedSizeListBuilder, Float64Builder};
    use arrow_array::{RecordBatch, StringArray};
    use ndarray::array;
    use parquet::arrow::ArrowWriter;

    use super::*;
    use crate::features::Content;

    fn recording(name: &str) -> Recording {
        let content = Content::from_hex(&"0".repeat(64)).unwrap();
        Recording { name: name.into(), content, audio: None }
    }

    #[test]
    fn arrays_of_any_kind_are_found_by_the_recording_s_name() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("mert/a");
        std::fs::create_dir_all(&inside).unwrap();
        ndarray_npy::write_npy(inside.join("1.npy"), &array![[1.0f32, 2.0], [3.0, 4.0]]).unwrap();
        ndarray_npy::write_npy(inside.join("2.mp3.npy"), &array![5.0f64, 6.0]).unwrap();
        ndarray_npy::write_npy(inside.join("3.embeddings.npy"), &array![7.0f32, 8.0]).unwrap();
        let mut given = Given::folder(&folder.path().join("mert")).unwrap();
        assert_eq!((given.name(), given.dimensions(), given.gives_rows()), ("mert", 2, true));
        let mut rows = |name: &str| given.rows(&recording(name)).unwrap();
        assert_eq!(rows("a/1.mp3").unwrap(), array![[1.0, 2.0], [3.0, 4.0]]);
        assert_eq!(rows("a/2.mp3").unwrap(), array![[5.0, 6.0]]);
        assert_eq!(rows("a/3.flac").unwrap(), array![[7.0, 8.0]]);
        assert!(rows("a/4.mp3").unwrap_err().contains("no array for it"));
        // The identity is that of the values.
        let before = given.identity();
        ndarray_npy::write_npy(inside.join("2.mp3.npy"), &array![5.0f64, 6.5]).unwrap();
        assert!(Given::folder(&folder.path().join("mert")).unwrap().identity() != before);
        ndarray_npy::write_npy(inside.join("4.npy"), &array![1.0f32]).unwrap();
        let said = Given::folder(&folder.path().join("mert")).err().unwrap().to_string();
        assert!(said.contains("4.npy") && said.contains("1 values"), "{said}");
        assert!(
            Given::folder(tempfile::tempdir().unwrap().path()).err().unwrap().to_string().contains("no .npy")
        );
    }

    #[test]
    fn rows_of_a_table_are_patches_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("clap.parquet");
        let write = |rows: &[(&str, [f64; 2])], column: &str| {
            let mut lists = FixedSizeListBuilder::new(Float64Builder::new(), 2);
            for (_, values) in rows {
                lists.values().append_slice(values);
                lists.append(true);
            }
            let names = StringArray::from_iter_values(rows.iter().map(|(name, _)| *name));
            let batch = RecordBatch::try_from_iter([
                ("path", Arc::new(names) as ArrayRef),
                (column, Arc::new(lists.finish()) as ArrayRef),
            ]);
            let batch = batch.unwrap();
            let file = File::create(&path).unwrap();
            let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
            writer.write(&batch).unwrap();
            writer.close().unwrap();
        };
        write(&[("a.mp3", [1.0, 2.0]), ("b", [3.0, 4.0]), ("a.mp3", [5.0, 6.0])], "embedding");
        let mut given = Given::table(&path).unwrap();
        assert_eq!((given.name(), given.dimensions()), ("clap", 2));
        assert_eq!(given.rows(&recording("a.mp3")).unwrap().unwrap(), array![[1.0, 2.0], [5.0, 6.0]]);
        assert_eq!(given.rows(&recording("b.ogg")).unwrap().unwrap(), array![[3.0, 4.0]]);
        assert!(given.rows(&recording("c.ogg")).unwrap().unwrap_err().contains("no row for it"));
        write(&[("a", [1.0, f64::NAN])], "embeddings");
        assert!(Given::table(&path).err().unwrap().to_string().contains("a: it contains NaN"));
        write(&[("a", [1.0, 2.0])], "vector");
        assert!(Given::table(&path).err().unwrap().to_string().contains("no column `embedding`"));
        std::fs::write(&path, "nothing").unwrap();
        assert!(Given::table(&path).err().unwrap().to_string().contains("clap.parquet"));
    }
}
