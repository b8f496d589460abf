//! GTZAN (Tzanetakis and Cook, 2002): ten genres of 100 excerpts, in the split without faults (Kereliuk, Sturm and Larsen,
//! 2015): 443 for training, 197 for validation and 290 for test, no artist in two parts, without repeated and distorted
//! excerpts (Sturm, 2013).
//!
//! The lists are `train_filtered.txt`, `valid_filtered.txt` and `test_filtered.txt`, each line a path such as
//! `blues/blues.00029.wav`, whose first folder is the genre. The audio may also be `.au`, or without the folders.

use std::path::Path;

use super::text::wrong;
use super::{Builder, Dataset, Known, Labelling};
use crate::error::{Error, Result};
use crate::splits::Part;

/// The lists of the parts.
const LISTS: [(Part, &str); 3] = [
    (Part::Train, "train_filtered.txt"),
    (Part::Validation, "valid_filtered.txt"),
    (Part::Test, "test_filtered.txt"),
];

/// Reads the three lists in a folder.
///
/// # Errors
/// If a list is missing or damaged; the error has the file, the line and the reason.
pub fn read(metadata: &Path) -> Result<Dataset> {
    let mut builder = Builder::new();
    for (part, name) in LISTS {
        let file = metadata.join(name);
        let text = std::fs::read_to_string(&file).map_err(|error| Error::io(&file, error))?;
        for (line, path) in (1..).zip(text.lines()) {
            let path = path.trim();
            if path.is_empty() {
                continue;
            }
            let Some((genre, excerpt)) = path.split_once('/').filter(|(_, excerpt)| !excerpt.contains('/'))
            else {
                return Err(wrong(&file, line, format!("{path:?} is not GENRE/EXCERPT.wav")));
            };
            let stem = path.rsplit_once('.').map_or(path, |(stem, _)| stem);
            let short = excerpt.rsplit_once('.').map_or(excerpt, |(stem, _)| stem);
            let paths = [path.to_owned(), format!("{stem}.wav"), format!("{stem}.au")];
            let mut paths: Vec<String> =
                paths.into_iter().chain([format!("{short}.wav"), format!("{short}.au")]).collect();
            paths.dedup();
            builder.add(&file, line, paths, part, vec![genre.to_owned()])?;
        }
    }
    let classes = builder.classes();
    builder.finish(Known::Gtzan.name(), metadata, Labelling::Single, classes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_lists_make_the_parts() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("train_filtered.txt", "blues/blues.00029.wav\njazz/jazz.00001.wav\r\n\n");
        write("valid_filtered.txt", "blues/blues.00000.wav\n");
        let said = read(folder.path()).unwrap_err().to_string();
        assert!(said.contains("test_filtered.txt"), "{said}");
        write("test_filtered.txt", "jazz/jazz.00002.wav");
        let dataset = read(folder.path()).unwrap();
        assert_eq!((dataset.labelling, dataset.sizes()), (Labelling::Single, [2, 1, 1]));
        assert_eq!(dataset.classes, ["blues", "jazz"]);
        let paths = ["jazz/jazz.00001.wav", "jazz/jazz.00001.au", "jazz.00001.wav", "jazz.00001.au"];
        assert_eq!(dataset.tracks[1].paths, paths);
        for (text, reason) in [
            ("jazz.00002.wav", "line 1: \"jazz.00002.wav\" is not GENRE/EXCERPT.wav"),
            ("polka/polka.00002.wav", "line 1: unknown label \"polka\""),
            ("blues/blues.00000.wav", "is already on line 1 of"),
        ] {
            write("test_filtered.txt", text);
            let said = read(folder.path()).unwrap_err().to_string();
            assert!(said.contains(reason), "{said}");
        }
    }
}
