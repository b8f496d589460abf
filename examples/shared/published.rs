//! The model that this project publishes in `models/` beside those inside the library.

use std::path::PathBuf;

/// Its file, from the repository's root.
const FILE: &str = "models/msd-musicnn-debian-1.onnx";

/// Where it is: in the folder that the program runs in, or in the repository that cargo runs it from.
pub fn published() -> Option<PathBuf> {
    let repository = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let folders = [Some(PathBuf::new()), repository];
    folders.into_iter().flatten().map(|folder| folder.join(FILE)).find(|file| file.is_file())
}
