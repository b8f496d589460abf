//! Finds recordings, and computes their spectrograms from audio or reads stored features.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::UNIX_EPOCH;

use half::f16;
use half::slice::HalfFloatSliceExt;
use ndarray::Array2;
use rayon::prelude::*;
use rustc_hash::FxHashMap;

use super::encoders::FrontEnd;
use crate::atomic;
use crate::error::{Error, Result};
use crate::features::{Content, Store};
use crate::hear::each_frames;
use crate::scan::audio_sha256;
use crate::threads::pool;

/// A recording that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    /// Its name in the data set, usually a path inside a folder.
    pub name: String,
    /// The SHA-256 of its audio, which identifies it wherever the file is and however it is tagged.
    pub content: Content,
    /// Its file; `None` if only its features exist.
    pub audio: Option<PathBuf>,
}

/// Where to look for recordings: a folder of audio, a folder of features, or both.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    audio: Option<PathBuf>,
    features: Option<(Store, FxHashMap<String, Content>)>,
}

impl Sources {
    /// Recordings in the folder `audio`, or those with spectrograms in `features` (made by `sleeve-train features`),
    /// under the paths that they had when they were scanned. Recordings with features are not decoded.
    ///
    /// # Errors
    /// If both are `None`, a folder is missing, or the tables of the features cannot be read.
    pub fn open(audio: Option<&Path>, features: Option<&Path>) -> Result<Self> {
        if audio.is_none() && features.is_none() {
            return Err(Error::InvalidArgument("recordings need a folder of audio or of features".into()));
        }
        if let Some(folder) = audio {
            std::fs::read_dir(folder).map_err(|error| Error::io(folder, error))?;
        }
        let features = match features {
            Some(folder) => {
                let store = Store::new(folder);
                let named = store.named()?;
                Some((store, named))
            }
            None => None,
        };
        Ok(Sources { audio: audio.map(Path::to_owned), features })
    }

    /// Finds recordings by their names, the first of each list that exists, or returns why it cannot be used. Files are
    /// read once for their SHA-256; `index` stores it for files that do not change.
    ///
    /// # Errors
    /// `Interrupted` once `stop` is set; if the index cannot be written.
    pub fn find(
        &self,
        names: &[Vec<String>],
        index: &Path,
        threads: usize,
        stop: &AtomicBool,
    ) -> Result<Vec<Result<Recording, String>>> {
        let mut known = Index::read(index);
        let one = |names: &Vec<String>| (!stop.load(Ordering::Relaxed)).then(|| self.one(names, &known));
        let found: Vec<_> = pool(threads)?.install(|| names.par_iter().filter_map(one).collect());
        let fresh = found.iter().filter_map(|one| one.as_ref().ok()?.1.clone());
        known.update(index, fresh.collect())?;
        if stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted("stopped while searching for recordings".into()));
        }
        Ok(found.into_iter().map(|one| one.map(|(recording, _)| recording)).collect())
    }

    fn one(&self, names: &[String], known: &Index) -> Result<(Recording, Option<(Stamp, Content)>), String> {
        if let Some((store, named)) = &self.features
            && let Some((name, content)) = names.iter().find_map(|name| Some((name, named.get(name)?)))
        {
            let audio = self.audio.as_ref().map(|folder| folder.join(name)).filter(|path| path.is_file());
            if audio.is_some() || store.path(*content).is_file() {
                return Ok((Recording { name: name.clone(), content: *content, audio }, None));
            }
        }
        let Some(folder) = &self.audio else { return Err("it has no features".into()) };
        let mut places = names.iter().map(|name| (name, folder.join(name)));
        let Some((name, path)) = places.find(|(_, path)| path.is_file()) else {
            return Err("no such file".into());
        };
        let stamp = Stamp::of(&path).map_err(|error| error.to_string())?;
        let recording = |content| Recording { name: name.clone(), content, audio: Some(path.clone()) };
        if let Some(content) = known.get(&stamp) {
            return Ok((recording(content), None));
        }
        let hash = audio_sha256(&path).map_err(|error| error.to_string())?;
        let content = Content::from_hex(&hash).ok_or("no SHA-256")?;
        Ok((recording(content), Some((stamp, content))))
    }

    /// A recording's spectrograms, `[frames, bands]`, each with at least one frame, in the order of `front_ends`; or
    /// why it cannot be read. MusiCNN's is rounded to half precision, like stored features, so that both give the same.
    ///
    /// # Errors
    /// If stored features are damaged.
    pub fn spectrograms(
        &self,
        recording: &Recording,
        front_ends: &[FrontEnd],
    ) -> Result<Result<Vec<Array2<f32>>, String>> {
        let stored = match &self.features {
            Some((store, _)) if store.path(recording.content).is_file() => Some(store),
            _ => None,
        };
        if let (Some(store), [FrontEnd::MusiCnn]) = (stored, front_ends) {
            let mut features = store.open(recording.content)?;
            let mut frames = Array2::zeros((features.frames() as usize, FrontEnd::MusiCnn.bands()));
            features.read(0, frames.as_slice_mut().expect("in rows"))?;
            return Ok(Ok(vec![frames]));
        }
        let Some(audio) = &recording.audio else {
            return Ok(Err("it has features but no audio, which another spectrogram needs".into()));
        };
        Ok(decode(audio, front_ends).map_err(|error| reason(audio, &error)))
    }
}

/// The error without the file's name, which is listed beside it.
fn reason(path: &Path, error: &Error) -> String {
    let said = error.to_string();
    said.strip_prefix(&format!("{}: ", path.display())).unwrap_or(&said).to_owned()
}

/// Decodes a file once and computes its spectrograms, which are kept in memory: 1.4 MB per minute, 86 MB per hour.
///
/// # Errors
/// If it cannot be decoded, or contains no audio.
pub fn decode(audio: &Path, front_ends: &[FrontEnd]) -> Result<Vec<Array2<f32>>> {
    let whole = front_ends.contains(&FrontEnd::VggIsh);
    let (mut samples, mut frames) = (Vec::new(), Vec::new());
    let summary = each_frames(audio, |some, new| {
        if whole {
            samples.extend_from_slice(some);
        }
        frames.extend_from_slice(new);
        Ok::<(), Error>(())
    })??;
    if summary.seconds == 0.0 {
        return Err(Error::format(audio, "it contains no audio"));
    }
    let of = |front_end: &FrontEnd| {
        let values = match front_end {
            FrontEnd::MusiCnn => halved(&frames),
            FrontEnd::VggIsh => return front_end.of_samples(&samples),
        };
        let bands = front_end.bands();
        Array2::from_shape_vec((values.len() / bands, bands), values).expect("whole frames")
    };
    let spectrograms: Vec<Array2<f32>> = front_ends.iter().map(of).collect();
    match spectrograms.iter().any(|spectrogram| spectrogram.nrows() == 0) {
        true => Err(Error::format(audio, "it is shorter than a frame")),
        false => Ok(spectrograms),
    }
}

/// Rounded to half precision.
fn halved(values: &[f32]) -> Vec<f32> {
    let mut halves = vec![f16::ZERO; values.len()];
    halves.convert_from_f32_slice(values);
    halves.to_f32_vec()
}

/// Size and modification time of a file: if they are unchanged, so is its content.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Stamp {
    path: String,
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u128,
}

impl Stamp {
    fn of(path: &Path) -> std::io::Result<Self> {
        let metadata = path.metadata()?;
        let modified = metadata.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let path = path.canonicalize()?.display().to_string();
        Ok(Stamp { path, bytes: metadata.len(), modified })
    }
}

/// The SHA-256 of files that have not changed since they were read.
#[derive(Default)]
struct Index(FxHashMap<Stamp, Content>);

impl Index {
    /// If the index cannot be read, it counts as empty: files are read again.
    fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let row = |line: &str| {
            let mut cells = line.splitn(4, '\t');
            let content = Content::from_hex(cells.next()?)?;
            let (bytes, modified) = (cells.next()?.parse().ok()?, cells.next()?.parse().ok()?);
            Some((Stamp { bytes, modified, path: cells.next()?.to_owned() }, content))
        };
        Index(text.lines().filter_map(row).collect())
    }

    fn get(&self, stamp: &Stamp) -> Option<Content> {
        self.0.get(stamp).copied()
    }

    fn update(&mut self, path: &Path, fresh: Vec<(Stamp, Content)>) -> Result<()> {
        if fresh.is_empty() {
            return Ok(());
        }
        self.0.extend(fresh);
        let mut rows: Vec<_> = self.0.iter().collect();
        rows.sort_by(|a, b| (&a.0.path, a.0.modified).cmp(&(&b.0.path, b.0.modified)));
        let mut text = String::new();
        for (Stamp { path, bytes, modified }, content) in rows {
            // A name with a line break would be two rows; its file is read again every time.
            if !path.contains(['\n', '\r']) {
                writeln!(text, "{content}\t{bytes}\t{modified}\t{path}").expect("text has room");
            }
        }
        atomic::write(path, text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);

    #[test]
    fn files_are_known_by_their_content_and_read_again_only_when_they_change() {
        let folder = tempfile::tempdir().unwrap();
        let index = folder.path().join("contents.tsv");
        let audio = folder.path().join("audio");
        std::fs::create_dir(&audio).unwrap();
        std::fs::write(audio.join("a.wav"), "one").unwrap();
        std::fs::write(audio.join("b.low.mp3"), "one").unwrap();
        let sources = Sources::open(Some(&audio), None).unwrap();
        let names = [vec!["a.wav".into()], vec!["b.mp3".into(), "b.low.mp3".into()], vec!["c.wav".into()]];
        let found = sources.find(&names, &index, 2, &GO).unwrap();
        let [Ok(a), Ok(b), Err(c)] = &found[..] else { panic!("{found:?}") };
        assert_eq!((a.content, b.name.as_str(), c.as_str()), (b.content, "b.low.mp3", "no such file"));
        assert_eq!(std::fs::read_to_string(&index).unwrap().lines().count(), 2);

        // The index is trusted: the same stamp with another content.
        let text = std::fs::read_to_string(&index).unwrap().replace(&a.content.to_string(), &"7".repeat(64));
        std::fs::write(&index, text).unwrap();
        let again = sources.find(&names, &index, 1, &GO).unwrap();
        assert_eq!(again[0].as_ref().unwrap().content.to_string(), "7".repeat(64));
        // A changed file is read again.
        std::fs::write(audio.join("a.wav"), "another").unwrap();
        let changed = sources.find(&names, &index, 1, &GO).unwrap();
        assert!(changed[0].as_ref().unwrap().content != a.content);
        assert_eq!(
            changed[0].as_ref().unwrap().content.to_string(),
            audio_sha256(&audio.join("a.wav")).unwrap()
        );

        let stop = AtomicBool::new(true);
        assert!(matches!(sources.find(&names, &index, 1, &stop), Err(Error::Interrupted(_))));
    }

    #[test]
    fn folders_that_are_not_there_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = folder.path().join("nowhere");
        assert!(Sources::open(None, None).is_err());
        for (audio, features) in [(Some(&nowhere), None), (None, Some(&nowhere))] {
            let audio = audio.map(PathBuf::as_path);
            let error = Sources::open(audio, features.map(PathBuf::as_path)).unwrap_err().to_string();
            assert!(error.contains("nowhere"), "{error}");
        }
    }
}
