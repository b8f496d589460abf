//! The rows of `index.json`: finished inputs.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sleeve_files::{Stamp, names};

/// One finished input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct Entry {
    /// The file, absolute; `-` for standard input.
    pub source: PathBuf,
    /// The input's size and modification time, to notice changed files.
    pub stamp: Stamp,
    /// What it was called, where its outputs are named otherwise.
    pub name: Option<PathBuf>,
    pub format: String,
    pub sample_rate: u32,
    pub channels: u16,
    /// Seconds of audio processed.
    pub seconds: f64,
    /// The number of patches of each model.
    pub patches: Vec<u64>,
    /// What was measured and applied, if the level is not none.
    pub level: Option<LevelNote>,
    /// What was written.
    pub files: Vec<Written>,
    pub warnings: Vec<String>,
}

/// The loudness of an input, and the gain that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelNote {
    pub lufs: f32,
    pub gain_db: f32,
}

/// An output.
#[derive(Clone, Debug, PartialEq)]
pub struct Written {
    /// Its path, relative to the output directory.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
}

/// An entry as it is written. Paths that are not UTF-8 have their bytes beside them, in hexadecimal digits.
#[derive(Clone, Serialize, Deserialize)]
struct Row {
    source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source_bytes: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    bytes: u64,
    /// Milliseconds since 1970.
    modified: Option<i64>,
    format: String,
    sample_rate: u32,
    channels: u16,
    seconds: f64,
    patches: Vec<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    level: Option<LevelNote>,
    files: Vec<String>,
    /// For each file its path, or null where that is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    files_bytes: Option<Vec<Option<String>>>,
    /// The size of each file.
    #[serde(default)]
    file_sizes: Vec<u64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
}

/// A path as text, and as digits if the text is not all.
fn text(path: &Path) -> (String, Option<String>) {
    let digits = path.to_str().is_none().then(|| names::to_hex(&names::to_bytes(path)));
    (path.to_string_lossy().into_owned(), digits)
}

fn path(text: String, digits: Option<String>) -> PathBuf {
    match digits.and_then(|digits| names::from_hex(&digits)) {
        Some(bytes) => names::from_bytes(&bytes),
        None => text.into(),
    }
}

impl From<Entry> for Row {
    fn from(entry: Entry) -> Self {
        let (source, source_bytes) = text(&entry.source);
        let (files, digits): (Vec<_>, Vec<_>) = entry.files.iter().map(|file| text(&file.path)).unzip();
        Row {
            source,
            source_bytes,
            name: entry.name.map(|name| name.to_string_lossy().into_owned()),
            bytes: entry.stamp.bytes,
            modified: entry.stamp.modified,
            format: entry.format,
            sample_rate: entry.sample_rate,
            channels: entry.channels,
            seconds: entry.seconds,
            patches: entry.patches,
            level: entry.level,
            files,
            files_bytes: digits.iter().any(Option::is_some).then_some(digits),
            file_sizes: entry.files.iter().map(|file| file.bytes).collect(),
            warnings: entry.warnings,
        }
    }
}

impl From<Row> for Entry {
    fn from(row: Row) -> Self {
        let mut digits = row.files_bytes.unwrap_or_default().into_iter();
        let mut sizes = row.file_sizes.into_iter();
        // A size that is missing is that of no file.
        let mut written = |file| Written {
            path: path(file, digits.next().flatten()),
            bytes: sizes.next().unwrap_or(u64::MAX),
        };
        Entry {
            files: row.files.into_iter().map(&mut written).collect(),
            source: path(row.source, row.source_bytes),
            stamp: Stamp { bytes: row.bytes, modified: row.modified },
            name: row.name.map(PathBuf::from),
            format: row.format,
            sample_rate: row.sample_rate,
            channels: row.channels,
            seconds: row.seconds,
            patches: row.patches,
            level: row.level,
            warnings: row.warnings,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_whatever_their_names() {
        let of = |source: &[u8], file: &[u8], modified| Entry {
            source: names::from_bytes(source),
            stamp: Stamp { bytes: 7, modified },
            name: Some("x".into()),
            format: "Vorbis in Ogg".into(),
            sample_rate: 44_100,
            channels: 2,
            seconds: 1.5,
            patches: vec![1],
            level: Some(LevelNote { lufs: -9.5, gain_db: -4.5 }),
            files: vec![
                Written { path: "plain.npy".into(), bytes: 3 },
                Written { path: names::from_bytes(file), bytes: 4 },
            ],
            warnings: Vec::new(),
        };
        let mut entries = vec![of("/é/a\n.ogg".as_bytes(), b"a.ogg.npy", Some(-86_400_000))];
        if cfg!(unix) {
            entries.push(of(b"/caf\xe9.ogg", b"caf\xe9.ogg.npy", None));
        }
        for entry in entries {
            let text = serde_json::to_string(&entry).unwrap();
            assert_eq!(serde_json::from_str::<Entry>(&text).unwrap(), entry, "{text}");
            assert_eq!(text.contains("_bytes"), entry.source.to_str().is_none(), "{text}");
        }
    }
}
