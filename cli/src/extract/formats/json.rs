//! One JSON object: a description of the columns, then an array with one object per patch.

use std::io::{self, Write};
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
                "values": output.meaning.name(),
            });
            outputs.insert(label.clone(), about);
        }
        let about = serde_json::Value::Object(outputs);
        write!(file, "{{\"outputs\": {about}, \"input\": {},\n\"patches\": [", target.input)?;
        Ok(JsonFile { file, labels, any: false })
    }
}

impl JsonFile {
    /// One patch as an object. Values are written with as few digits as bring the same number back.
    fn write_patch(&mut self, time: f64, rows: &Rows<'_>, row: usize) -> io::Result<()> {
        let comma = if self.any { "," } else { "" };
        self.any = true;
        write!(self.file, "{comma}\n{{\"time\":")?;
        serde_json::to_writer(&mut self.file, &time)?;
        for (label, values) in self.labels.iter().zip(rows.outputs) {
            self.file.write_all(b",")?;
            serde_json::to_writer(&mut self.file, label)?;
            self.file.write_all(b":")?;
            // JSON has no NaN, so NaN and infinite values become null.
            serde_json::to_writer(&mut self.file, values.row(row).as_slice().unwrap_or_default())?;
        }
        self.file.write_all(b"}")
    }
}

impl Sink for JsonFile {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        for (row, &time) in rows.times.iter().enumerate() {
            self.write_patch(time, rows, row).map_err(|error| sleeve::Error::io(self.file.path(), error))?;
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
