//! The names of output files, and temporary files that a killed run left of them.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
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
    rules: Rules,
}

/// What a system makes of file names.
#[derive(Clone, Copy)]
struct Rules {
    /// `A.npy` and `a.npy` are one file.
    ignores_case: bool,
    /// Some names are devices, whatever is behind their first dot.
    has_devices: bool,
}

impl Rules {
    /// Those of the system that this runs on, as its file systems usually are.
    const HERE: Rules =
        Rules { ignores_case: cfg!(any(windows, target_vendor = "apple")), has_devices: cfg!(windows) };
}

/// Whether Windows takes a name for a device: `aux.mp3`, `COM1`.
fn is_device(name: &str) -> bool {
    let name = name.split('.').next().unwrap_or_default().trim_end().to_uppercase();
    let is_port = |digit: &str| matches!(digit, "0" | "1" | "2" | "3" | "4" | "5" | "6" | "7" | "8" | "9");
    let port = name.strip_prefix("COM").or_else(|| name.strip_prefix("LPT"));
    matches!(name.as_str(), "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$")
        || port.is_some_and(|rest| is_port(rest) || matches!(rest, "¹" | "²" | "³"))
}

/// A name in place of a device's, different for different names.
fn beside_device(name: &OsStr, limit: usize) -> OsString {
    let mut beside = OsString::from("_");
    beside.push(names::hashed(name, limit.saturating_sub(1)));
    beside
}

impl Names {
    pub fn new(extractors: &[Extractor], format: Format) -> Self {
        let several = extractors.len() > 1;
        let suffixes = |extractor| Target::new(PathBuf::new(), extractor, several).suffixes(format);
        Names { suffixes: extractors.iter().flat_map(suffixes).collect(), rules: Rules::HERE }
    }

    /// What the outputs of `name` begin with: the name, unless it would be too long with a suffix, that of an index, or
    /// that of a device.
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
        for part in
            parts.iter_mut().filter(|part| self.rules.has_devices && is_device(&part.to_string_lossy()))
        {
            *part = beside_device(part, limit);
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
                // What differs by case alone is one file to some systems.
                let folded = self.rules.ignores_case.then(|| file.to_string_lossy().to_lowercase().into());
                let Some(other) = seen.insert(folded.unwrap_or_else(|| file.clone()), input) else {
                    continue;
                };
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
        let rules = Rules { ignores_case: false, has_devices: false };
        Names { suffixes: suffixes.iter().map(|&suffix| suffix.to_owned()).collect(), rules }
    }

    #[test]
    fn no_output_is_a_device() {
        let mut names = names(&[".embeddings.npy"]);
        for device in ["aux.mp3", "CON", "nul.tar.gz", "Com1.ogg", "lpt9", "prn .wav", "com².flac"] {
            let path = Path::new("a").join(device);
            assert_eq!(names.stem(&path), path);
            names.rules.has_devices = true;
            for name in [path.clone(), Path::new(device).join("b.ogg")] {
                let stem = names.stem(&name);
                assert!(
                    stem != name && stem.iter().all(|part| !is_device(part.to_str().unwrap())),
                    "{stem:?}"
                );
            }
            names.rules.has_devices = false;
        }
        names.rules.has_devices = true;
        for name in ["auxiliary.mp3", "COM.ogg", "com10.ogg", "null", "a aux.mp3", ".nul"] {
            assert_eq!(names.stem(Path::new(name)), Path::new(name));
        }
    }

    #[test]
    fn outputs_that_differ_by_case_clash_where_case_is_ignored() {
        let mut names = names(&[".npy"]);
        let inputs = ["/a/Song.ogg", "/b/song.OGG"].map(|path| Input::named(path.as_ref()));
        let stems = ["Song.ogg", "song.OGG"].map(PathBuf::from);
        let clash = |names: &Names| names.refuse_clashes(&inputs, &stems, Path::new("out"), |_, _| None);
        assert!(clash(&names).is_ok());
        names.rules.ignores_case = true;
        let error = clash(&names).unwrap_err().to_string();
        assert!(error.contains("Song.ogg") && error.contains("song.OGG"), "{error}");
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
