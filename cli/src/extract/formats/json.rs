//! One JSON object: a description of the columns, then an array with one object per patch.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use sleeve::extractor::{Rows, Sink};
use sleeve_files::AtomicFile;

use super::{Target, Writer};

pub struct JsonFile {
    file: AtomicFile,
    labels: Vec<String>,
    any: bool,
}

impl JsonFile {
    pub fn create(target: &Target) -> Result<Self> {
        let mut file = AtomicFile::create(target.file("json"))?;
        let labels = target.labels();
        let mut outputs = serde_json::Map::new();
        for (label, output) in labels.iter().zip(&target.outputs) {
            let about = serde_json::json!({
                "model": output.model, "tensor": output.tensor, "dim": output.dim, "classes": output.classes,
            });
            outputs.insert(label.clone(), about);
        }
        let about = serde_json::Value::Object(outputs);
        write!(file, "{{\"outputs\": {about},\n\"patches\": [")?;
        Ok(JsonFile { file, labels, any: false })
    }
}

impl Sink for JsonFile {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        for (row, time) in rows.times.iter().enumerate() {
            let mut patch = serde_json::Map::new();
            patch.insert("time".into(), (*time).into());
            for (label, values) in self.labels.iter().zip(rows.outputs) {
                // JSON has no NaN, so NaN and infinite values become null.
                patch.insert(label.clone(), serde_json::json!(values.row(row).as_slice()));
            }
            let comma = if self.any { "," } else { "" };
            write!(self.file, "{comma}\n{}", serde_json::Value::Object(patch))
                .map_err(|error| sleeve::Error::io(self.file.path(), error))?;
            self.any = true;
        }
        Ok(())
    }
}

impl Writer for JsonFile {
    fn finish(mut self: Box<Self>) -> Result<Vec<PathBuf>> {
        self.file.write_all(b"\n]}\n")?;
        let path = self.file.path().to_owned();
        self.file.commit()?;
        Ok(vec![path])
    }
}
