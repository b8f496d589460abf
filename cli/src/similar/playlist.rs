//! Playlists in extended M3U: a line `#EXTINF:SECONDS,NAME` before each path.

use std::io::Write;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result};
use sleeve_files::AtomicFile;
use sleeve_files::names::{self, shown};

/// A track of a playlist.
pub struct Entry {
    /// Its absolute path.
    pub path: PathBuf,
    pub seconds: f64,
}

/// Writes a playlist in one step, its paths absolute or relative to its own folder.
pub fn write(out: &Path, entries: &[Entry], relative: bool) -> Result<()> {
    let cannot = || format!("cannot write {}", shown(out));
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = folder.canonicalize().with_context(cannot)?;
    let mut file = AtomicFile::create(out)?;
    let mut lines = b"#EXTM3U\n".to_vec();
    for entry in entries {
        let path = if relative { from(&folder, &entry.path) } else { entry.path.clone() };
        let name = entry.path.file_stem().unwrap_or_default().to_string_lossy();
        let name: String =
            name.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect();
        lines.extend(format!("#EXTINF:{:.0},{name}\n", entry.seconds).into_bytes());
        lines.extend(line(&path, &entry.path));
        lines.push(b'\n');
    }
    file.write_all(&lines).with_context(cannot)?;
    file.commit()?;
    Ok(())
}

/// A path as a line. A path that cannot be a line of UTF-8 (it has line breaks or other bytes) becomes a `file://` URL
/// with percent-encoding.
fn line(path: &Path, absolute: &Path) -> Vec<u8> {
    match path.to_str() {
        Some(text) if !text.contains(char::is_control) => match text.starts_with('#') {
            // A line that begins with # is a comment.
            true => format!("./{text}").into_bytes(),
            false => text.to_owned().into_bytes(),
        },
        _ => {
            let mut address = b"file://".to_vec();
            for byte in names::to_bytes(absolute) {
                match byte {
                    b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'_' | b'.' | b'~' => {
                        address.push(byte)
                    }
                    other => address.extend(format!("%{other:02X}").into_bytes()),
                }
            }
            address
        }
    }
}

/// The relative path from a folder to a file, both absolute.
fn from(folder: &Path, file: &Path) -> PathBuf {
    let (ours, theirs): (Vec<Component>, Vec<Component>) =
        (folder.components().collect(), file.components().collect());
    let shared = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
    let up = ours[shared..].iter().map(|_| Component::ParentDir);
    up.chain(theirs[shared..].iter().copied()).collect()
}
