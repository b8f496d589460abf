//! NumPy arrays, float32 `[patches, dim]`, one file per output.

use std::path::PathBuf;

use anyhow::Result;
use sleeve::extractor::{Rows, Sink};
use sleeve_files::npy::{Dtype, NpyWriter};

use super::{Target, Writer};

pub struct NpyFiles {
    files: Vec<(PathBuf, NpyWriter)>,
}

impl NpyFiles {
    pub fn create(target: &Target) -> Result<Self> {
        let mut files = Vec::new();
        for (label, output) in target.labels().iter().zip(&target.outputs) {
            let path = target.file(&format!("{label}.npy"));
            let writer = NpyWriter::create(&path, output.dim, Dtype::F32)?;
            files.push((path, writer));
        }
        Ok(NpyFiles { files })
    }
}

impl Sink for NpyFiles {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        for ((_, file), values) in self.files.iter_mut().zip(rows.outputs) {
            file.write_rows(values.as_slice().expect("rows are contiguous")).map_err(sleeve::Error::sink)?;
        }
        Ok(())
    }
}

impl Writer for NpyFiles {
    fn finish(self: Box<Self>) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for (path, file) in self.files {
            file.finish()?;
            paths.push(path);
        }
        Ok(paths)
    }
}
