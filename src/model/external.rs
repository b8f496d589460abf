//! External data of ONNX files: which files a model may read, and what identifies it then.

use std::path::{Component, Path};

use prost::bytes::Bytes;
use sha2::{Digest, Sha256};

use super::file::read_capped;
use crate::onnx::MAX_FILE_BYTES;

/// Reads the data files of one model. They lie in the model's own folder or in folders inside it.
pub(super) struct External<'a> {
    folder: Option<&'a Path>,
    /// Over the graph's bytes, then those of each data file in the order in which they are read.
    hash: Sha256,
}

impl<'a> External<'a> {
    /// For a graph of these bytes in this folder; `None` for a graph from memory.
    pub fn new(graph: &[u8], folder: Option<&'a Path>) -> Self {
        External { folder, hash: Sha256::new_with_prefix(graph) }
    }

    /// The bytes of a data file.
    ///
    /// # Errors
    /// The location is not inside the folder, also by way of links, or cannot be read.
    pub fn read(&mut self, location: &str) -> Result<Bytes, String> {
        let Some(folder) = self.folder else {
            return Err(format!(
                "they are kept in {location:?}, and a model from memory has no files beside it"
            ));
        };
        let outside = || format!("{location:?} is not a file inside the model's folder");
        let relative = Path::new(location);
        let mut parts = relative.components().peekable();
        if parts.peek().is_none()
            || !parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        {
            return Err(outside());
        }
        let path = folder.join(relative);
        let cannot = |error: std::io::Error| format!("{}: {error}", path.display());
        // Links are followed before the folders are compared.
        let real = path.canonicalize().map_err(cannot)?;
        if !real.starts_with(folder.canonicalize().map_err(cannot)?) {
            return Err(outside());
        }
        let bytes = read_capped(&real, MAX_FILE_BYTES).map_err(|error| error.to_string())?;
        self.hash.update(&bytes);
        Ok(bytes.into())
    }

    /// The SHA-256 of everything that was read, in hexadecimal.
    pub fn sha256(self) -> String {
        self.hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
