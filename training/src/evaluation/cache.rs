//! Embeddings on disk, so that each encoder encodes a recording only once.
//!
//! `CACHE/<identity>/ab/cd/abcd....<patches>.npy`, `[patches, dimensions]`: the folder is named by the encoder's
//! identity, the file by the recording's SHA-256. Values are in half precision unless that is too coarse. Files are
//! atomic, so an existing file is complete: filling an interrupted cache continues from there.

use std::borrow::BorrowMut;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard};

use half::f16;
use indicatif::ProgressBar;
use ndarray::{Array2, ArrayView2, ArrayView3, Axis};
use rand::Rng;
use sha2::{Digest, Sha256};
use sleeve_files::npy::{Dtype, NpyReader, NpyWriter};

use super::encoders::{Encoder, FrontEnd};
use super::recordings::{Recording, Sources};
use crate::error::{Error, Result};
use crate::features::Content;
use crate::network::random;
use crate::threads::spread;

/// Patches in a batch.
const BATCH: usize = 64;
/// The maximum relative error of half precision; beyond it, single precision is stored.
const LOSS: f64 = 1e-3;

/// Which patches of a recording are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Patches {
    /// All complete patches that begin at multiples of half a patch; all rows of an encoder that gives rows.
    Overlapped,
    /// `count` patches at random positions (or random rows), the same on every machine.
    Drawn {
        /// The seed.
        seed: u64,
        /// The number of patches.
        count: usize,
    },
}

impl Patches {
    /// The first frames of patches of `patch` frames in a recording of `frames` frames: at least one, because a
    /// recording shorter than a patch is repeated until it fills one.
    pub fn starts(self, content: Content, frames: usize, patch: usize) -> Vec<usize> {
        let places = frames.saturating_sub(patch) + 1;
        match self {
            Patches::Overlapped => (0..places).step_by((patch / 2).max(1)).collect(),
            Patches::Drawn { seed, count } => {
                let content = content.to_string();
                let names = [b"evaluation", content.as_bytes(), &seed.to_le_bytes()];
                let mut random = random::generator(&names);
                // The same relative position for encoders with other patch sizes.
                let among = |number: u64| ((u128::from(number) * places as u128) >> 64) as usize;
                (0..count).map(|_| among(random.next_u64())).collect()
            }
        }
    }

    fn suffix(self) -> String {
        match self {
            Patches::Overlapped => "overlapped".into(),
            Patches::Drawn { seed, count } => format!("drawn-{count}-{seed}"),
        }
    }
}

/// A folder of embeddings.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// The options for filling a cache.
pub struct Filling<'a> {
    /// Recordings that are decoded in parallel.
    pub threads: usize,
    /// Set this to stop.
    pub stop: &'a AtomicBool,
    /// A progress bar whose length is the number of recordings.
    pub bar: &'a ProgressBar,
}

impl Cache {
    /// The embeddings in `folder`, which is created when the first file is written.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Cache { folder: folder.into() }
    }

    /// The file that stores the SHA-256 of recordings.
    pub fn contents(&self) -> PathBuf {
        self.folder.join("contents.tsv")
    }

    /// The path of a recording's embeddings.
    pub fn path(&self, identity: &str, content: Content, patches: Patches) -> PathBuf {
        let name = content.to_string();
        let place = self.folder.join(folder_of(identity)).join(&name[..2]).join(&name[2..4]);
        place.join(format!("{name}.{}.npy", patches.suffix()))
    }

    /// Opens the embeddings of a recording; any of its rows can be read.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn open(&self, encoder: &dyn Encoder, content: Content, patches: Patches) -> Result<NpyReader> {
        open(&self.path(&encoder.identity(), content, patches), encoder.dimensions(), patches)
    }

    /// As [`Cache::open`], but without the encoder: by its identity and the size of its embeddings.
    ///
    /// # Errors
    /// As [`Cache::open`].
    pub fn open_as(
        &self,
        identity: &str,
        dimensions: usize,
        content: Content,
        patches: Patches,
    ) -> Result<NpyReader> {
        open(&self.path(identity, content, patches), dimensions, patches)
    }

    /// All embeddings of a recording, `[patches, dimensions]`.
    ///
    /// # Errors
    /// As [`Cache::open`].
    pub fn read(&self, encoder: &dyn Encoder, content: Content, patches: Patches) -> Result<Array2<f32>> {
        read_all(&mut self.open(encoder, content, patches)?)
    }

    /// Computes what is missing: the embeddings of each recording's patches by each encoder. A recording is decoded
    /// once for all encoders. Returns, in the order of `work`, the reason if a recording cannot be read.
    ///
    /// # Errors
    /// `Interrupted` once `stop` is set; if an encoder fails or a file cannot be written. Finished files are kept.
    pub fn fill<E: BorrowMut<Box<dyn Encoder>>>(
        &self,
        encoders: &mut [E],
        sources: &Sources,
        work: &[(Recording, Vec<Patches>)],
        filling: &Filling,
    ) -> Result<Vec<Option<String>>> {
        let threads = filling.threads.clamp(1, work.len().max(1));
        let mut encoders: Vec<&mut (dyn Encoder + 'static)> =
            encoders.iter_mut().map(|encoder| &mut **encoder.borrow_mut()).collect();
        let identities: Vec<String> = encoders.iter().map(|encoder| encoder.identity()).collect();
        let sibling = |encoder: &dyn Encoder| (0..threads).map_while(|_| encoder.sibling()).collect();
        let mut siblings: Vec<Vec<Box<dyn Encoder>>> =
            encoders.iter().map(|encoder| sibling(&**encoder)).collect();
        // For each encoder one sibling per thread, or only the encoder itself, which the threads then share.
        let slots: Vec<Vec<Slot>> = encoders
            .iter_mut()
            .zip(&mut siblings)
            .map(|(alone, siblings)| match siblings.is_empty() {
                true => vec![Mutex::new(&mut **alone)],
                false => siblings.iter_mut().map(|encoder| Mutex::new(&mut **encoder)).collect(),
            })
            .collect();
        let mut outcomes: Vec<Option<String>> = vec![None; work.len()];
        let is_done = spread(
            work.len(),
            threads,
            filling.stop,
            |at, thread| {
                let (recording, patches) = &work[at];
                let job = Job { cache: self, sources, slots: &slots, identities: &identities, thread };
                job.make(recording, patches)
            },
            |at, outcome| {
                outcomes[at] = outcome?.err();
                filling.bar.inc(1);
                Ok(())
            },
        )?;
        match is_done {
            false => Err(Error::Interrupted("stopped; the same command continues from there".into())),
            true => Ok(outcomes),
        }
    }
}

/// An encoder that is used by one thread at a time.
type Slot<'a> = Mutex<&'a mut (dyn Encoder + 'static)>;

struct Job<'a, 'b> {
    cache: &'a Cache,
    sources: &'a Sources,
    slots: &'a [Vec<Slot<'b>>],
    identities: &'a [String],
    thread: usize,
}

impl Job<'_, '_> {
    /// Computes what is missing for one recording, or returns why it cannot be read.
    fn make(&self, recording: &Recording, patches: &[Patches]) -> Result<Result<(), String>> {
        let mut todo: Vec<(FrontEnd, usize, Patches, PathBuf)> = Vec::new();
        for (index, slots) in self.slots.iter().enumerate() {
            let mut encoder = self.lock(slots);
            let mut rows = None;
            for &patches in patches {
                let path = self.cache.path(&self.identities[index], recording.content, patches);
                if open(&path, encoder.dimensions(), patches).is_ok() {
                    continue;
                }
                if !encoder.gives_rows() {
                    todo.push((encoder.front_end(), index, patches, path));
                    continue;
                }
                if rows.is_none() {
                    match encoder.rows(recording)? {
                        Ok(own) => rows = Some(own),
                        Err(reason) => return Ok(Err(reason)),
                    }
                }
                let all = rows.as_ref().expect("just filled");
                let chosen = match patches {
                    Patches::Overlapped => all.clone(),
                    Patches::Drawn { .. } => {
                        all.select(Axis(0), &patches.starts(recording.content, all.nrows(), 1))
                    }
                };
                if let Some(reason) = not_finite(&chosen, &self.identities[index]) {
                    return Ok(Err(reason));
                }
                write(&path, &chosen)?;
            }
        }
        let mut front_ends: Vec<FrontEnd> = Vec::new();
        for (front_end, ..) in &todo {
            if !front_ends.contains(front_end) {
                front_ends.push(*front_end);
            }
        }
        if front_ends.is_empty() {
            return Ok(Ok(()));
        }
        let spectrograms = match self.sources.spectrograms(recording, &front_ends)? {
            Ok(spectrograms) => spectrograms,
            Err(reason) => return Ok(Err(reason)),
        };
        for (front_end, index, patches, path) in todo {
            let which = front_ends.iter().position(|other| *other == front_end).expect("in the list");
            let mut encoder = self.lock(&self.slots[index]);
            let frames = spectrograms[which].view();
            let starts = patches.starts(recording.content, frames.nrows(), encoder.frames());
            let embeddings = embed(&mut **encoder, frames, &starts)?;
            drop(encoder);
            if let Some(reason) = not_finite(&embeddings, &self.identities[index]) {
                return Ok(Err(reason));
            }
            write(&path, &embeddings)?;
        }
        Ok(Ok(()))
    }

    fn lock<'s, 'b>(&self, slots: &'s [Slot<'b>]) -> MutexGuard<'s, &'b mut (dyn Encoder + 'static)> {
        slots[self.thread % slots.len()].lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// Why embeddings cannot be used, if they are not all finite.
fn not_finite(embeddings: &Array2<f32>, identity: &str) -> Option<String> {
    let value = embeddings.iter().find(|value| !value.is_finite())?;
    Some(format!("its embeddings by {identity} hold {value}"))
}

/// The embeddings of the patches that begin at `starts`, `[starts, dimensions]`, from `frames` `[frames, bands]`. A
/// recording shorter than a patch is repeated from its beginning until it fills one.
///
/// # Errors
/// If the encoder fails.
pub fn embed(encoder: &mut dyn Encoder, frames: ArrayView2<f32>, starts: &[usize]) -> Result<Array2<f32>> {
    let (patch, bands, there) = (encoder.frames(), frames.ncols(), frames.nrows());
    let mut embeddings = Array2::zeros((starts.len(), encoder.dimensions()));
    let mut values = Vec::with_capacity(BATCH.min(starts.len()) * patch * bands);
    for (batch, starts) in starts.chunks(BATCH).enumerate() {
        values.clear();
        for &start in starts {
            for at in start..start + patch {
                values.extend(frames.row(at % there));
            }
        }
        let shape = (starts.len(), patch, bands);
        let patches = ArrayView3::from_shape(shape, &values).expect("as many values as patches have");
        let rows = encoder.embed(patches)?;
        let first = batch * BATCH;
        embeddings.slice_mut(ndarray::s![first..first + starts.len(), ..]).assign(&rows);
    }
    Ok(embeddings)
}

/// Reads all rows of an array.
///
/// # Errors
/// If they cannot be read.
pub fn read_all(reader: &mut NpyReader) -> Result<Array2<f32>> {
    let mut values = Array2::zeros((reader.rows(), reader.cols()));
    reader.read_rows(0, values.as_slice_mut().expect("in rows"))?;
    Ok(values)
}

fn open(path: &Path, dimensions: usize, patches: Patches) -> Result<NpyReader> {
    let reader = NpyReader::open(path)?;
    let rows = match patches {
        Patches::Overlapped => reader.rows().max(1),
        Patches::Drawn { count, .. } => count,
    };
    match (reader.rows(), reader.cols()) == (rows, dimensions) {
        true => Ok(reader),
        false => {
            let (found, cols) = (reader.rows(), reader.cols());
            Err(Error::format(path, format!("it is {found} x {cols}, not {rows} x {dimensions}")))
        }
    }
}

fn write(path: &Path, embeddings: &Array2<f32>) -> Result<()> {
    let folder = path.parent().expect("inside the cache");
    std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    sleeve_files::atomic::sweep(path);
    let dtype = if halves_hold(embeddings) { Dtype::F16 } else { Dtype::F32 };
    let mut writer = NpyWriter::create(path, embeddings.ncols(), dtype)?;
    writer.write_rows(embeddings.as_slice().expect("in rows"))?;
    writer.finish()?;
    Ok(())
}

/// Whether half precision is precise enough: the values of an untrained network can be too small for it.
fn halves_hold(embeddings: &Array2<f32>) -> bool {
    let (mut lost, mut all) = (0.0, 0.0);
    for &value in embeddings {
        let difference = f64::from(f16::from_f32(value).to_f32() - value);
        lost += difference * difference;
        all += f64::from(value) * f64::from(value);
    }
    lost.is_finite() && lost.sqrt() <= LOSS * all.sqrt()
}

/// A folder name for an identity, which may be any string.
fn folder_of(identity: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    if (1..=100).contains(&identity.len()) && identity.chars().all(plain) && !identity.starts_with('.') {
        return identity.to_owned();
    }
    let digest = Sha256::digest(identity.as_bytes());
    digest.iter().fold("identity-".to_owned(), |name, byte| format!("{name}{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use proptest::prelude::*;

    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);

    /// An encoder of two values: the mean of a patch times its scale, and the number of calls.
    struct Mean {
        scale: f32,
        asked: std::sync::Arc<AtomicUsize>,
    }

    impl Encoder for Mean {
        fn name(&self) -> &str {
            "mean"
        }
        fn identity(&self) -> String {
            format!("mean/{}", self.scale)
        }
        fn front_end(&self) -> FrontEnd {
            FrontEnd::MusiCnn
        }
        fn frames(&self) -> usize {
            8
        }
        fn dimensions(&self) -> usize {
            2
        }
        fn embed(&mut self, patches: ArrayView3<f32>) -> Result<Array2<f32>> {
            self.asked.fetch_add(patches.dim().0, Ordering::Relaxed);
            let mean = |row: usize| patches.index_axis(ndarray::Axis(0), row).mean().unwrap() * self.scale;
            Ok(Array2::from_shape_fn((patches.dim().0, 2), |(row, col)| mean(row) * (col + 1) as f32))
        }
        fn sibling(&self) -> Option<Box<dyn Encoder>> {
            // The encoder with scale 1 has siblings; the other is shared.
            (self.scale == 1.0)
                .then(|| Box::new(Mean { scale: 1.0, asked: self.asked.clone() }) as Box<dyn Encoder>)
        }
    }

    /// A tone as 16-bit mono WAV at 16 kHz.
    fn tone(path: &Path, seconds: f32, pitch: f32) {
        let value = |at: usize| (at as f32 * pitch / 16000.0 * std::f32::consts::TAU).sin() * 16000.0;
        let samples = (0..(seconds * 16000.0) as usize).map(value);
        let data: Vec<u8> = samples.flat_map(|sample| (sample as i16).to_le_bytes()).collect();
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((36 + data.len() as u32).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
        bytes.extend(16000u32.to_le_bytes());
        bytes.extend(32000u32.to_le_bytes());
        bytes.extend(b"\x02\0\x10\0data");
        bytes.extend((data.len() as u32).to_le_bytes());
        bytes.extend(data);
        std::fs::write(path, bytes).unwrap();
    }

    fn filling<'a>(threads: usize, stop: &'a AtomicBool, bar: &'a ProgressBar) -> Filling<'a> {
        Filling { threads, stop, bar }
    }

    #[test]
    fn a_cache_is_filled_once_and_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        tone(&folder.path().join("long.wav"), 1.0, 440.0);
        // Five frames, fewer than a patch.
        tone(&folder.path().join("short.wav"), 0.06, 200.0);
        std::fs::write(folder.path().join("broken.wav"), "no audio").unwrap();
        let sources = Sources::open(Some(folder.path()), None).unwrap();
        let cache = Cache::new(folder.path().join("cache"));
        let names = ["long.wav", "short.wav", "broken.wav"].map(|name| vec![name.to_owned()]);
        let found = sources.find(&names, &cache.contents(), 2, &GO).unwrap();
        let drawn = Patches::Drawn { seed: 1, count: 5 };
        let work: Vec<_> =
            found.into_iter().map(|one| (one.unwrap(), vec![Patches::Overlapped, drawn])).collect();
        let asked = std::sync::Arc::new(AtomicUsize::new(0));
        // Values too small for half precision.
        let mut encoders: Vec<Box<dyn Encoder>> = [1.0, 1e-9]
            .map(|scale| Box::new(Mean { scale, asked: asked.clone() }) as Box<dyn Encoder>)
            .into();
        let bar = ProgressBar::hidden();
        let outcomes = cache.fill(&mut encoders, &sources, &work, &filling(2, &GO, &bar)).unwrap();
        assert_eq!(outcomes[..2], [None, None]);
        assert!(outcomes[2].as_ref().unwrap().contains("audio format"), "{outcomes:?}");
        // For each encoder, 64 frames give 15 overlapped patches of 8 frames, 4 apart, and the short recording one;
        // then 5 drawn patches of each.
        assert_eq!(asked.load(Ordering::Relaxed), 2 * (15 + 1 + 5 + 5));
        let frames = &sources.spectrograms(&work[0].0, &[FrontEnd::MusiCnn]).unwrap().unwrap()[0];
        for (encoder, dtype) in encoders.iter().zip([Dtype::F16, Dtype::F32]) {
            let long = work[0].0.content;
            assert_eq!(cache.open(&**encoder, long, Patches::Overlapped).unwrap().dtype(), dtype);
            let rows = cache.read(&**encoder, long, Patches::Overlapped).unwrap();
            let scale: f32 = encoder.identity()[5..].parse().unwrap();
            for (patch, row) in rows.rows().into_iter().enumerate() {
                let mean = frames.slice(ndarray::s![patch * 4..patch * 4 + 8, ..]).mean().unwrap() * scale;
                assert!((row[0] / mean - 1.0).abs() < 1e-3, "{patch}: {} {mean}", row[0]);
            }
            assert_eq!(cache.read(&**encoder, work[1].0.content, drawn).unwrap().dim(), (5, 2));
        }

        // Only missing and damaged files are computed again.
        let path = cache.path(&encoders[0].identity(), work[0].0.content, drawn);
        let before = std::fs::read(&path).unwrap();
        std::fs::write(&path, &before[..before.len() - 1]).unwrap();
        asked.store(0, Ordering::Relaxed);
        cache.fill(&mut encoders, &sources, &work[..2], &filling(1, &GO, &bar)).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 5);
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let stop = AtomicBool::new(true);
        let stopped = cache.fill(&mut encoders, &sources, &work, &filling(1, &stop, &bar));
        assert!(matches!(stopped, Err(Error::Interrupted(_))));
    }

    #[test]
    fn any_identity_has_a_folder_of_its_own() {
        assert_eq!(folder_of("mel-statistics-1"), "mel-statistics-1");
        for odd in ["", "..", ".hidden", "a/b", "a b", &"x".repeat(101)] {
            assert!(folder_of(odd).starts_with("identity-"), "{odd}");
        }
        assert!(folder_of("a/b") != folder_of("a_b"));
    }

    proptest! {
        #[test]
        fn patches_lie_inside_a_recording(frames in 1usize..5000, patch in 1usize..300, seed: u64, digit in 0u8..16) {
            let content = Content::from_hex(&format!("{digit:x}").repeat(64)).unwrap();
            let overlapped = Patches::Overlapped.starts(content, frames, patch);
            prop_assert_eq!(overlapped[0], 0);
            let drawn = Patches::Drawn { seed, count: 20 }.starts(content, frames, patch);
            prop_assert_eq!(drawn.len(), 20);
            for start in overlapped.iter().chain(&drawn) {
                prop_assert!(start + patch <= frames || *start == 0);
            }
            prop_assert!(overlapped.windows(2).all(|pair| pair[1] - pair[0] == (patch / 2).max(1)));
            // No other patch would fit.
            prop_assert!(overlapped.last().unwrap() + (patch / 2).max(1) + patch > frames);
        }
    }
}
