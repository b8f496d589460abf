//! A Parquet table with one row per patch: `time`, and a list column of floats per output.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use parquet::basic::Compression;
use parquet::data_type::{DoubleType, FloatType};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use sleeve::extractor::{Rows, Sink};
use sleeve_files::AtomicFile;
use sleeve_files::names::shown;

use super::{Target, Writer};

/// Maximum number of values in a row group: a few MB, so that memory is bounded.
const GROUP_VALUES: usize = 1 << 20;

pub struct ParquetFile {
    path: PathBuf,
    writer: SerializedFileWriter<AtomicFile>,
    times: Vec<f64>,
    values: Vec<(usize, Vec<f32>)>,
}

impl ParquetFile {
    pub fn create(target: &Target) -> Result<Self> {
        let mut fields = "required double time;".to_owned();
        let mut about = Vec::new();
        for (label, output) in target.labels().iter().zip(&target.outputs) {
            let name = super::plain(label);
            // The three-level list that Arrow, pandas, Polars and DuckDB read as a list of floats.
            fields += &format!(
                "required group {name} (LIST) {{ repeated group list {{ required float element; }} }}"
            );
            about.push(KeyValue::new(format!("{name}.classes"), serde_json::to_string(&output.classes)?));
            about.push(KeyValue::new(format!("{name}.model"), output.model.clone()));
            about.push(KeyValue::new(format!("{name}.values"), output.meaning.name().to_owned()));
        }
        about.push(KeyValue::new("input".to_owned(), target.input.to_string()));
        let schema = parse_message_type(&format!("message patches {{ {fields} }}"))?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_enabled(false)
            .set_key_value_metadata(Some(about))
            .build();
        let path = target.file("parquet");
        let writer =
            SerializedFileWriter::new(AtomicFile::create(&path)?, Arc::new(schema), Arc::new(properties))
                .with_context(|| format!("cannot write {}", shown(&path)))?;
        let values = target.outputs.iter().map(|output| (output.dim, Vec::new())).collect();
        Ok(ParquetFile { path, writer, times: Vec::new(), values })
    }

    fn write_group(&mut self) -> Result<()> {
        if self.times.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        let mut column = group.next_column()?.context("the schema has a time column")?;
        column.typed::<DoubleType>().write_batch(&self.times, None, None)?;
        column.close()?;
        for (dim, values) in &mut self.values {
            // Level 1 is "a value"; a list's first value repeats at level 0.
            let definition = vec![1_i16; values.len()];
            let repetition: Vec<i16> = (0..values.len()).map(|index| i16::from(index % *dim != 0)).collect();
            let mut column = group.next_column()?.context("the schema has a column per output")?;
            column.typed::<FloatType>().write_batch(values, Some(&definition), Some(&repetition))?;
            column.close()?;
            values.clear();
        }
        group.close()?;
        self.times.clear();
        Ok(())
    }
}

impl Sink for ParquetFile {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        self.times.extend_from_slice(rows.times);
        for ((_, values), more) in self.values.iter_mut().zip(rows.outputs) {
            values.extend(more.iter());
        }
        if self.values.iter().map(|(_, values)| values.len()).sum::<usize>() >= GROUP_VALUES {
            let written = self.write_group();
            written.map_err(|error| sleeve::Error::io(&self.path, std::io::Error::other(error)))?;
        }
        Ok(())
    }
}

impl Writer for ParquetFile {
    fn finish(mut self: Box<Self>) -> Result<Vec<PathBuf>> {
        self.write_group()?;
        self.writer.into_inner()?.commit()?;
        Ok(vec![self.path])
    }
}
