//! Where inputs become files, for doors that take paths.

use std::path::PathBuf;
use std::sync::OnceLock;

/// Writes an input under a name with this extension, in memory where there is such a folder.
pub fn put(extension: &str, bytes: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let memory = PathBuf::from("/dev/shm");
        if memory.is_dir() { memory } else { std::env::temp_dir() }
    });
    let path = folder.join(format!("sleeve-fuzz-{}.{extension}", std::process::id()));
    std::fs::write(&path, bytes).expect("the file can be written");
    path
}
