//! The names of output files, and temporary files that a killed run left of them.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use sleeve::extractor::Extractor;
use sleeve_files::atomic::{sweep_folder, temporary_stem};
use sleeve_files::names::{self, shown};

use super::args::Format;
use super::formats::Target;
use super::index::is_reserved;
use crate::inputs::Input;

/// How the outputs of an input are named: its own name, and one of these behind it.
pub struct Names {
    suffixes: Vec<String>,
}

impl Names {
    pub fn new(extractors: &[Extractor], format: Format) -> Self {
        let several = extractors.len() > 1;
        let suffixes = |extractor| Target::new(PathBuf::new(), extractor, several).suffixes(format);
        Names { suffixes: extractors.iter().flat_map(suffixes).collect() }
    }

    /// What the outputs of `name` begin with: the name, unless it would be too long with a suffix, or that of an index.
    pub fn stem(&self, name: &Path) -> PathBuf {
        let longest = self.suffixes.iter().map(String::len).max().unwrap_or_default();
        let limit = names::MAX_NAME.saturating_sub(longest);
        let file = names::shortened(name.file_name().unwrap_or_default(), limit);
        let mut parts = name
            .with_file_name(file)
            .components()
            .map(|part| part.as_os_str().to_owned())
            .collect::<Vec<_>>();
        // Indexes are at the top.
        let text = parts.first().map(|first| first.to_string_lossy().into_owned()).unwrap_or_default();
        let reserved = match parts.len() {
            1 => self.suffixes.iter().any(|suffix| is_reserved(&(text.clone() + suffix))),
            _ => is_reserved(&text),
        };
        if let Some(first) = parts.first_mut().filter(|_| reserved) {
            *first = names::hashed(first, limit);
        }
        parts.into_iter().collect()
    }

    /// The outputs of a stem.
    fn files<'a>(&'a self, stem: &'a Path) -> impl Iterator<Item = PathBuf> + 'a {
        self.suffixes.iter().map(|suffix| {
            let mut name = stem.file_name().unwrap_or_default().to_owned();
            name.push(suffix);
            stem.with_file_name(name)
        })
    }

    /// Two inputs with the same outputs are an error, before any file is read. So is an input that would take the place
    /// of another's outputs, according to `owner`.
    pub fn refuse_clashes<'a>(
        &self,
        inputs: &'a [Input],
        stems: &[PathBuf],
        directory: &Path,
        owner: impl Fn(&Path, &Path) -> Option<&'a Path>,
    ) -> Result<()> {
        let mut seen: HashMap<PathBuf, &Input> = HashMap::new();
        for (input, stem) in inputs.iter().zip(stems) {
            for file in self.files(stem) {
                if let Some(other) = owner(&file, &input.source) {
                    bail!(
                        "{}: made from {}, which {} would replace; run it into another directory",
                        shown(directory.join(&file)),
                        shown(other),
                        input.shown()
                    );
                }
                let Some(other) = seen.insert(file.clone(), input) else { continue };
                bail!(
                    "{} and {} would both write {}; run them into different directories, or name the directory \
                     above them both",
                    other.shown(),
                    input.shown(),
                    shown(&file)
                );
            }
        }
        Ok(())
    }

    /// Removes temporary files of these outputs and of `others` that a killed run left. Those of other shards stay, and
    /// those that are being written.
    pub fn sweep(&self, directory: &Path, stems: &[PathBuf], others: &[String]) {
        let mut folders: HashMap<PathBuf, HashSet<OsString>> = HashMap::new();
        for file in stems.iter().flat_map(|stem| self.files(stem)).chain(others.iter().map(PathBuf::from)) {
            let stem = temporary_stem(file.file_name().unwrap_or_default());
            folders.entry(file.parent().unwrap_or(Path::new("")).to_owned()).or_default().insert(stem);
        }
        for (folder, stems) in folders {
            // A folder that cannot be listed does not exist yet, or writing to it will fail with the reason.
            for removed in sweep_folder(&directory.join(folder), |stem| stems.contains(stem)) {
                log::info!("removed {}, left by a run that was killed", shown(removed));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(suffixes: &[&str]) -> Names {
        Names { suffixes: suffixes.iter().map(|&suffix| suffix.to_owned()).collect() }
    }

    #[test]
    fn every_output_has_a_possible_name() {
        let names = names(&[".msd-musicnn-1.predictions.npy", ".msd-musicnn-1.embeddings.npy"]);
        for length in [10, 200, 225, 226, 250, 255] {
            let name = format!("deeper/{}.ogg", "y".repeat(length - 4));
            let stem = names.stem(Path::new(&name));
            assert!(stem.starts_with("deeper") && stem.extension().unwrap() == "ogg");
            assert_eq!(stem == Path::new(&name), length <= 225, "{length}");
            for file in names.files(&stem) {
                assert!(file.file_name().unwrap().len() <= 255, "{}", file.display());
            }
        }
    }

    #[test]
    fn no_output_takes_the_place_of_an_index() {
        let (json, npy) = (names(&[".json"]), names(&[".embeddings.npy"]));
        for name in ["index", "Index", "index.1-of-2", "index.json/a.ogg"] {
            let stem = json.stem(Path::new(name));
            assert_ne!(stem, Path::new(name));
            assert!(stem.to_str().unwrap().to_lowercase().starts_with("index"), "{}", stem.display());
        }
        for (names, name) in
            [(&npy, "index"), (&json, "a/index"), (&json, "index.ogg"), (&json, "a/index.json")]
        {
            assert_eq!(names.stem(Path::new(name)), Path::new(name));
        }
    }
}
