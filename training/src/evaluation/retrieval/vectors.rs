//! One vector per recording.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use ndarray::{Array2, Axis};

use super::collection::Track;
use super::ranking::normalise;
use crate::error::{Error, Result};
use crate::evaluation::cache::{Cache, Filling, Patches};
use crate::evaluation::encoders::Encoder;
use crate::evaluation::recordings::{Recording, Sources};

/// The options for embedding recordings.
pub struct Listening<'a> {
    /// The source of the recordings.
    pub sources: &'a Sources,
    /// Where embeddings are kept.
    pub cache: &'a Cache,
    /// Recordings that are decoded in parallel.
    pub threads: usize,
    /// Set this to stop.
    pub stop: &'a AtomicBool,
    /// A progress bar of recordings.
    pub bar: &'a ProgressBar,
}

/// The vectors of some recordings.
pub struct Heard {
    /// For each encoder, `[recordings, dimensions]`, rows of length 1 or 0. Rows of failed recordings are 0.
    pub vectors: Vec<Array2<f32>>,
    /// Why each recording could not be embedded, if it could not.
    pub failures: Vec<Option<String>>,
}

impl Heard {
    /// The indices of the recordings without a failure.
    pub fn places(&self) -> Vec<u32> {
        (0..).zip(&self.failures).filter(|(_, failure)| failure.is_none()).map(|(place, _)| place).collect()
    }

    /// The vectors of some recordings only, in the given order.
    pub fn select(&self, places: &[u32]) -> Vec<Array2<f32>> {
        let places: Vec<usize> = places.iter().map(|&place| place as usize).collect();
        self.vectors.iter().map(|vectors| vectors.select(Axis(0), &places)).collect()
    }
}

/// Tracks as recordings, with their files in `music` if these exist.
pub fn recordings(tracks: &[Track], music: Option<&Path>) -> Vec<Recording> {
    let file = |track: &Track| music.map(|folder| folder.join(&track.path)).filter(|file| file.is_file());
    let recording =
        |track: &Track| Recording { name: track.path.clone(), content: track.content, audio: file(track) };
    tracks.iter().map(recording).collect()
}

/// Embeds recordings with every encoder: its vector for the whole recording, or else the mean of the embeddings of
/// half-overlapped patches, which are kept in the cache.
///
/// # Errors
/// `Interrupted` once `stop` is set; if an encoder fails or a file cannot be written.
pub fn hear(
    encoders: &mut Vec<Box<dyn Encoder>>,
    recordings: &[Recording],
    listening: &Listening,
) -> Result<Heard> {
    // Those for whole recordings are separated for a while.
    let (mut whole, mut patched) = (Vec::new(), Vec::new());
    let mut places = Vec::new();
    for mut encoder in encoders.drain(..) {
        let of = if takes_whole(encoder.as_mut()) { &mut whole } else { &mut patched };
        of.push(encoder);
        places.push((takes_whole(of.last_mut().expect("just pushed").as_mut()), of.len() - 1));
    }
    let heard = hear_both(&mut whole, &mut patched, recordings, listening);
    let (mut whole, mut patched) = (whole.into_iter(), patched.into_iter());
    encoders.extend(places.iter().map(|&(is_whole, _)| {
        if is_whole { whole.next() } else { patched.next() }.expect("as many as before")
    }));
    let (mut of_whole, mut of_patches, failures) = heard?;
    let mut vectors: Vec<Array2<f32>> = places
        .iter()
        .map(|&(is_whole, at)| std::mem::take(if is_whole { &mut of_whole[at] } else { &mut of_patches[at] }))
        .collect();
    vectors.iter_mut().for_each(normalise);
    Ok(Heard { vectors, failures })
}

/// Whether an encoder has a vector for a recording as a whole.
pub fn takes_whole(encoder: &mut dyn Encoder) -> bool {
    if encoder.gives_rows() {
        return false;
    }
    let silence = Array2::zeros((encoder.frames(), encoder.front_end().bands()));
    encoder.whole(silence.view()).is_some()
}

type Both = (Vec<Array2<f32>>, Vec<Array2<f32>>, Vec<Option<String>>);

fn hear_both(
    whole: &mut [Box<dyn Encoder>],
    patched: &mut [Box<dyn Encoder>],
    recordings: &[Recording],
    listening: &Listening,
) -> Result<Both> {
    let mut failures = vec![None; recordings.len()];
    if !patched.is_empty() {
        let work: Vec<(Recording, Vec<Patches>)> =
            recordings.iter().map(|one| (one.clone(), vec![Patches::Overlapped])).collect();
        let &Listening { threads, stop, bar, .. } = listening;
        failures =
            listening.cache.fill(patched, listening.sources, &work, &Filling { threads, stop, bar })?;
    }
    let mut of_whole = blank(whole, recordings.len());
    let mut of_patches = blank(patched, recordings.len());
    for (at, recording) in recordings.iter().enumerate() {
        if listening.stop.load(Ordering::Relaxed) {
            return Err(Error::Interrupted("stopped; the same command continues from there".into()));
        }
        if failures[at].is_some() {
            continue;
        }
        for (encoder, vectors) in patched.iter().zip(&mut of_patches) {
            let embeddings =
                listening.cache.read(encoder.as_ref(), recording.content, Patches::Overlapped)?;
            vectors.row_mut(at).assign(&mean(&embeddings));
        }
        if let Err(reason) = hear_whole(whole, &mut of_whole, at, recording, listening.sources)? {
            failures[at] = Some(reason);
        }
        if patched.is_empty() {
            listening.bar.inc(1);
        }
    }
    // A recording that failed for one encoder is left out for all.
    for at in (0..recordings.len()).filter(|&at| failures[at].is_some()) {
        of_whole.iter_mut().chain(&mut of_patches).for_each(|vectors| vectors.row_mut(at).fill(0.0));
    }
    Ok((of_whole, of_patches, failures))
}

fn hear_whole(
    encoders: &mut [Box<dyn Encoder>],
    vectors: &mut [Array2<f32>],
    at: usize,
    recording: &Recording,
    sources: &Sources,
) -> Result<Result<(), String>> {
    for (encoder, vectors) in encoders.iter_mut().zip(vectors) {
        let frames = match sources.spectrograms(recording, &[encoder.front_end()])? {
            Ok(mut spectrograms) => spectrograms.remove(0),
            Err(reason) => return Ok(Err(reason)),
        };
        let vector = encoder.whole(frames.view()).unwrap_or_default();
        if vector.len() != vectors.ncols() || vector.iter().any(|value| !value.is_finite()) {
            return Ok(Err(format!("its vector by {} is not finite", encoder.name())));
        }
        vectors.row_mut(at).iter_mut().zip(vector).for_each(|(value, other)| *value = other);
    }
    Ok(Ok(()))
}

/// Vectors of zeros, `[rows, dimensions]` for each encoder.
pub fn blank(encoders: &[Box<dyn Encoder>], rows: usize) -> Vec<Array2<f32>> {
    encoders.iter().map(|encoder| Array2::zeros((rows, encoder.dimensions()))).collect()
}

/// The mean of rows.
fn mean(rows: &Array2<f32>) -> ndarray::Array1<f32> {
    rows.mapv(f64::from)
        .mean_axis(Axis(0))
        .unwrap_or_else(|| ndarray::Array1::zeros(rows.ncols()))
        .mapv(|v| v as f32)
}
