//! A user's list of Discogs ids for files.

use std::path::Path;

use rustc_hash::FxHashMap;

use crate::error::{Error, Result};

/// A list of files: tab-separated, with the header `path discogs_release track_number title`; empty cells are unknown.
/// It has priority over the tags.
#[derive(Default)]
pub struct Listed(FxHashMap<String, Entry>);

/// The entry of one file.
pub struct Entry {
    /// Release.
    pub release: Option<i64>,
    /// Number of the track on its medium.
    pub number: Option<i32>,
    /// Title of the track.
    pub title: Option<String>,
}

impl Listed {
    /// Reads the list.
    ///
    /// # Errors
    /// If it cannot be read, or a line is malformed.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::io(path, error))?;
        let mut lines = text.lines();
        if lines.next() != Some("path\tdiscogs_release\ttrack_number\ttitle") {
            return Err(Error::format(path, "its header is not path, discogs_release, track_number, title"));
        }
        let mut listed = FxHashMap::default();
        for (number, line) in lines.enumerate().filter(|(_, line)| !line.is_empty()) {
            let entry = entry(line).ok_or_else(|| {
                let reason = "is not a path, a release id, a track number and a title";
                Error::format(path, format!("line {} {reason}", number + 2))
            })?;
            listed.insert(entry.0, entry.1);
        }
        Ok(Listed(listed))
    }

    /// The entry of the file at `path` in the collection.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.0.get(path)
    }
}

fn entry(line: &str) -> Option<(String, Entry)> {
    let cells: Vec<&str> = line.split('\t').collect();
    let &[path, release, number, title] = cells.as_slice() else { return None };
    fn read<T: std::str::FromStr>(text: &str) -> Option<Option<T>> {
        if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) }
    }
    let entry = Entry {
        release: read(release)?.filter(|&id: &i64| id > 0),
        number: read(number)?,
        title: (!title.is_empty()).then(|| title.to_owned()),
    };
    (!path.is_empty()).then(|| (path.to_owned(), entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_checked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ids.tsv");
        let read = |rows: &str| {
            std::fs::write(&path, format!("path\tdiscogs_release\ttrack_number\ttitle\n{rows}")).unwrap();
            Listed::read(&path).map(|listed| listed.0.len()).map_err(|error| error.to_string())
        };
        assert_eq!(read("a.ogg\t5\t1\tSong\nb.ogg\t\t\t\n"), Ok(2));
        assert!(read("a.ogg\tfive\t1\tSong\n").unwrap_err().contains("line 2"));
        assert!(read("a.ogg\t5\n").unwrap_err().contains("line 2"));
        std::fs::write(&path, "a.ogg,5").unwrap();
        assert!(Listed::read(&path).is_err());
    }
}
