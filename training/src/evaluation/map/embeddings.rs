//! Reads the output of `extract --output DIR`: NumPy arrays or Parquet tables, one per recording, and the indexes that
//! list them.

use std::fs::File;
use std::path::{Path, PathBuf};

use arrow_array::{Array, Float32Array, GenericListArray, RecordBatch};
use ndarray::Array2;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;
use sleeve_files::npy::NpyReader;

use crate::error::{Error, Result};

/// One vector per recording.
#[derive(Clone, Debug)]
pub struct Embeddings {
    /// The folder that they were read from.
    pub folder: PathBuf,
    /// The name of each recording: its path below the folder that was extracted.
    pub names: Vec<String>,
    /// The file of each recording.
    pub sources: Vec<PathBuf>,
    /// The means over patches, `[recordings, dimensions]`.
    pub values: Array2<f32>,
    /// Recordings too short for a patch.
    pub empty: usize,
}

#[derive(Deserialize)]
struct Index {
    settings: Settings,
    files: Vec<Entry>,
}

#[derive(Deserialize)]
struct Settings {
    format: String,
    models: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    name: String,
}

#[derive(Deserialize)]
struct Entry {
    source: PathBuf,
    files: Vec<PathBuf>,
}

/// Reads a folder of outputs. If it has outputs of several models, those of `model` are used.
///
/// # Errors
/// If there is no index, the outputs have another format, the model is not among them, or a file cannot be read or has
/// another width than the others.
pub fn read(folder: &Path, model: Option<&str>) -> Result<Embeddings> {
    let mut entries: Vec<(String, PathBuf, PathBuf)> = Vec::new();
    let mut parquet = false;
    for path in indexes(folder)? {
        let bytes = std::fs::read(&path).map_err(|error| Error::io(&path, error))?;
        let index: Index = serde_json::from_slice(&bytes).map_err(|error| Error::format(&path, error))?;
        parquet = match index.settings.format.as_str() {
            "npy" => false,
            "parquet" => true,
            other => {
                let reason = format!("its files are {other}; a map reads those of --format npy and parquet");
                return Err(Error::format(&path, reason));
            }
        };
        let suffix = suffix(&path, &index.settings, model, parquet)?;
        for entry in index.files {
            let name = entry
                .files
                .iter()
                .find_map(|file| Some((file.to_str()?.strip_suffix(&suffix)?.to_owned(), folder.join(file))));
            let Some((name, file)) = name else {
                let reason = format!("{} has no file that ends in {suffix}", entry.source.display());
                return Err(Error::format(&path, reason));
            };
            entries.push((name, entry.source, file));
        }
    }
    entries.sort();
    entries.dedup_by(|a, b| a.2 == b.2);
    let mut all = Embeddings {
        folder: folder.to_owned(),
        names: Vec::new(),
        sources: Vec::new(),
        values: Array2::zeros((0, 0)),
        empty: 0,
    };
    let mut values: Vec<f32> = Vec::new();
    let mut width = None;
    for (name, source, file) in entries {
        let mean = if parquet { parquet_mean(&file)? } else { npy_mean(&file)? };
        let Some(mean) = mean else {
            all.empty += 1;
            continue;
        };
        let wanted = *width.get_or_insert(mean.len());
        if mean.len() != wanted {
            let reason = format!("embeddings of {} values beside those of {wanted}", mean.len());
            return Err(Error::format(&file, reason));
        }
        values.extend(mean);
        all.names.push(name);
        all.sources.push(source);
    }
    let shape = (all.names.len(), width.unwrap_or_default());
    all.values = Array2::from_shape_vec(shape, values)
        .map_err(|error| Error::format(folder, format!("embeddings without values: {error}")))?;
    Ok(all)
}

/// The index files of a folder: one, or one for each shard.
fn indexes(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))? {
        let path = entry.map_err(|error| Error::io(folder, error))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let middle = name.strip_prefix("index.").and_then(|rest| rest.strip_suffix(".json"));
        if name == "index.json" || middle.is_some_and(|middle| middle.contains("-of-")) {
            found.push(path);
        }
    }
    found.sort();
    match found.is_empty() {
        true => {
            let reason = "it contains no index.json; `sleeve extract --output DIR` writes one".to_owned();
            Err(Error::Nothing { path: folder.to_owned(), reason })
        }
        false => Ok(found),
    }
}

/// The end of the file names of the chosen model's embeddings.
fn suffix(index: &Path, settings: &Settings, model: Option<&str>, parquet: bool) -> Result<String> {
    let names: Vec<&str> = settings.models.iter().map(|model| model.name.as_str()).collect();
    let chosen = match (model, names.as_slice()) {
        (Some(model), names) if names.contains(&model) => model,
        (None, [one]) => *one,
        (None, _) => {
            let reason =
                format!("it has outputs of several models ({}): choose one with --model", names.join(", "));
            return Err(Error::format(index, reason));
        }
        (Some(model), _) => {
            let reason = format!("it has outputs of {}, not of {model}", names.join(", "));
            return Err(Error::format(index, reason));
        }
    };
    let ending = if parquet { "parquet" } else { "embeddings.npy" };
    Ok(match names.len() {
        1 => format!(".{ending}"),
        _ => format!(".{chosen}.{ending}"),
    })
}

/// The mean over the rows of an array; `None` if it has none.
fn npy_mean(path: &Path) -> Result<Option<Vec<f32>>> {
    let mut reader = NpyReader::open(path)?;
    let mut mean = Mean::default();
    let mut row = vec![0.0; reader.cols()];
    for at in 0..reader.rows() {
        reader.read_rows(at, &mut row)?;
        mean.add(&row);
    }
    Ok(mean.finish())
}

/// The mean over the rows of a table's column `embeddings`; `None` if it has none.
fn parquet_mean(path: &Path) -> Result<Option<Vec<f32>>> {
    let fault = |reason: &dyn std::fmt::Display| Error::format(path, reason);
    let file = File::open(path).map_err(|error| Error::io(path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| fault(&error))?;
    let column = builder.schema().index_of("embeddings").map_err(|_| fault(&"no column `embeddings`"))?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), [column]);
    let reader = builder.with_projection(mask).build().map_err(|error| fault(&error))?;
    let mut mean = Mean::default();
    for batch in reader {
        let batch: RecordBatch = batch.map_err(|error| fault(&error))?;
        let list = batch.column(0).as_any().downcast_ref::<GenericListArray<i32>>();
        let list = list.ok_or_else(|| fault(&"`embeddings` is not a list"))?;
        for at in 0..list.len() {
            let values = list.value(at);
            let values = values.as_any().downcast_ref::<Float32Array>();
            let values = values.ok_or_else(|| fault(&"`embeddings` is not a list of 32-bit floats"))?;
            if !mean.add(values.values()) {
                return Err(fault(&"its embeddings are of different widths"));
            }
        }
    }
    Ok(mean.finish())
}

/// A mean of rows, summed in double precision.
#[derive(Default)]
struct Mean {
    sums: Vec<f64>,
    rows: usize,
}

impl Mean {
    /// Adds a row; returns false if its width differs from the rows before.
    fn add(&mut self, row: &[f32]) -> bool {
        if self.rows == 0 {
            self.sums = vec![0.0; row.len()];
        }
        self.rows += 1;
        self.sums.iter_mut().zip(row).for_each(|(sum, &value)| *sum += f64::from(value));
        self.sums.len() == row.len()
    }

    fn finish(self) -> Option<Vec<f32>> {
        let rows = self.rows as f64;
        (self.rows > 0).then(|| self.sums.into_iter().map(|sum| (sum / rows) as f32).collect())
    }
}
