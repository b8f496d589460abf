//! Batches of patches with what teachers give for them.

use std::fmt;
use std::sync::Arc;

use super::ahead::{Ahead, Readers};
use super::augment::{Augmenter, Mixed, mix_rows};
use super::copies::Copies;
use super::crop::{Crop, around, stored_crops, stored_start};
use super::passes::{Making, Passes};
use super::tags::plan;
use super::{Dataset, PATCH, refusing, share};
use crate::config::{Config, Distil, EmbeddingLoss, TagLoss, TargetsOf};
use crate::error::{Error, Result};
use crate::network::architecture::{BANDS, FRAMES};
use crate::splits::Part;
use crate::targets::{TargetStore, Teacher};

/// Patches and the targets of each loss.
#[derive(Clone, PartialEq)]
pub struct DistilBatch {
    /// `[n, 128, 96]`.
    pub patches: Vec<f32>,
    /// `[n, width]` for each of the loader's [`terms`](DistilLoader::terms).
    pub targets: Vec<Vec<f32>>,
    /// The tracks, by their number in split.parquet.
    pub tracks: Vec<u32>,
}

/// Without the patches, which are too long to print.
impl fmt::Debug for DistilBatch {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        out.debug_struct("DistilBatch").field("tracks", &self.tracks).finish_non_exhaustive()
    }
}

/// What is learnt of a teacher: its tags or its embedding.
#[derive(Clone, Debug)]
pub struct TargetTerm {
    /// The teacher, by its place in the configuration.
    pub teacher: usize,
    /// Whether these are its tags.
    pub tags: bool,
    /// The columns of the teacher's targets.
    columns: std::ops::Range<usize>,
    /// What is taken from each value, and what it is then multiplied by.
    scale: Option<(Vec<f32>, Vec<f32>)>,
}

impl TargetTerm {
    /// Values of a target.
    pub fn width(&self) -> usize {
        self.columns.len()
    }
}

/// Makes batches of the tracks of a part with their teachers' targets. Its crops are those whose targets are stored, in
/// training a random one of each track for each pass, else the one in the middle of the recording.
pub struct DistilLoader {
    inner: Arc<Inner>,
    readers: Arc<Readers>,
}

struct Inner {
    dataset: Arc<Dataset>,
    part: Part,
    seed: u64,
    size: usize,
    crops: u32,
    least_steps: usize,
    tracks: Vec<u32>,
    without_features: usize,
    store: TargetStore,
    teachers: Vec<Teacher>,
    terms: Vec<TargetTerm>,
    heard: bool,
    augmenter: Option<Augmenter>,
    copies: Option<Copies>,
}

impl DistilLoader {
    /// A loader of the tracks in `part`, with targets in `store` and of `teachers`, which are those of `distil` in the
    /// same order.
    ///
    /// # Errors
    /// If there is no track, or the targets of one are missing.
    pub fn new(
        dataset: &Arc<Dataset>,
        config: &Config,
        distil: &Distil,
        (store, teachers): (&TargetStore, &[Teacher]),
        part: Part,
        readers: &Arc<Readers>,
    ) -> Result<Self> {
        let (tracks, without_features) = dataset.tracks(part)?;
        let learns = part == Part::Train;
        if tracks.is_empty() {
            let reason = format!("no tracks in {}, {without_features} could not be read", part.name());
            return Err(Error::Nothing { path: dataset.folder().to_owned(), reason });
        }
        // The same scales for every part.
        let training = if learns { tracks.clone() } else { dataset.tracks(Part::Train)?.0 };
        let mut terms = Vec::new();
        for (at, (own, teacher)) in distil.teachers.iter().zip(teachers).enumerate() {
            let [tags, embeddings] = teacher.columns();
            if own.embeddings != EmbeddingLoss::None {
                let scale = own.standardise.then(|| scale(dataset, store, teacher, &training)).transpose()?;
                terms.push(TargetTerm { teacher: at, tags: false, columns: embeddings, scale });
            }
            if own.tags != TagLoss::None {
                terms.push(TargetTerm { teacher: at, tags: true, columns: tags, scale: None });
            }
        }
        let folders: &[String] = if learns { &config.augment.copies } else { &[] };
        let copies = Copies::open(dataset, folders, &tracks)?;
        let inner = Inner {
            dataset: Arc::clone(dataset),
            part,
            seed: config.run.seed,
            size: distil.patches,
            crops: if learns { config.data.crops } else { 1 },
            least_steps: if learns { config.data.least_steps } else { 0 },
            tracks,
            without_features,
            store: store.clone(),
            teachers: teachers.to_vec(),
            terms,
            heard: learns && distil.targets == TargetsOf::Heard,
            augmenter: Augmenter::of(&config.augment).filter(|_| learns),
            copies,
        };
        for &track in &inner.tracks {
            inner.check(track)?;
        }
        Ok(DistilLoader { inner: Arc::new(inner), readers: Arc::clone(readers) })
    }

    /// What each batch has targets of: for each teacher its embedding and its tags, as far as they are learnt.
    pub fn terms(&self) -> &[TargetTerm] {
        &self.inner.terms
    }

    /// The teachers.
    pub fn teachers(&self) -> &[Teacher] {
        &self.inner.teachers
    }

    /// Number of tracks.
    pub fn tracks(&self) -> usize {
        self.inner.tracks.len()
    }

    /// Tracks that are left out because their recordings could not be read.
    pub fn without_features(&self) -> usize {
        self.inner.without_features
    }

    /// Optimizer steps of an epoch, each with one batch per group.
    ///
    /// # Errors
    /// If there are too few tracks for one step.
    pub fn steps(&self, epoch: u64, groups: usize) -> Result<usize> {
        Ok(self.inner.plan(epoch, 0, groups)?.steps())
    }

    /// The batches of a group in a round of an epoch, one per step. `epoch`, `round` and `group` count from 0.
    pub fn round(&self, epoch: u64, round: u32, group: usize, groups: usize) -> Ahead<DistilBatch> {
        match self.inner.plan(epoch, round, groups) {
            Ok(passes) if group < groups => {
                let inner = Arc::clone(&self.inner);
                self.readers.run(passes.steps(), move |step| inner.batch(epoch, &passes, step, group))
            }
            outcome => refusing(&self.readers, outcome.err(), group, groups),
        }
    }

    /// The batches of all tracks that process `rank` of `count` judges: whole ones if there are enough tracks, the
    /// same for any number of processes.
    ///
    /// # Errors
    /// If there are too few tracks for a batch.
    pub fn whole(&self, rank: usize, count: usize) -> Result<Ahead<DistilBatch>> {
        let (inner, passes) = (Arc::clone(&self.inner), self.inner.plan(0, 0, 1)?);
        let own = share(passes.steps(), rank, count);
        Ok(self.readers.run(own.len(), move |at| inner.batch(0, &passes, own[at], 0)))
    }
}

impl Inner {
    fn plan(&self, epoch: u64, round: u32, groups: usize) -> Result<Passes> {
        let &Inner { part, seed, size, crops, least_steps, .. } = self;
        let making = Making { what: "distil", part, seed, size, crops, least_steps };
        plan(&making, self.tracks.len(), [epoch, round.into()], groups)
    }

    /// Returns an error if the targets of a track are missing or of another size.
    fn check(&self, track: u32) -> Result<()> {
        let crops = stored_crops(self.dataset.recording(track)?.frames(), self.store.crops());
        for teacher in &self.teachers {
            self.store.targets(teacher, self.dataset.content(track), crops)?;
        }
        Ok(())
    }

    fn batch(&self, epoch: u64, passes: &Passes, step: usize, group: usize) -> Result<DistilBatch> {
        let (pass, items) = passes.batch(step, group);
        let tracks: Vec<u32> = items.iter().map(|&item| self.tracks[item as usize]).collect();
        let crops: Vec<Crop> =
            tracks.iter().map(|&track| Crop { seed: self.seed, epoch, track, number: 2 * pass }).collect();
        let widths: Vec<usize> = self.teachers.iter().map(Teacher::width).collect();
        let mut rows: Vec<Vec<f32>> = widths.iter().map(|width| vec![0.0; width * tracks.len()]).collect();
        // The teachers' patches reach beyond the network's only if they are heard now.
        let longest = self.teachers.iter().map(Teacher::frames).max().unwrap_or(0);
        let length = if self.heard { longest.max(FRAMES) } else { FRAMES };
        let mut windows = vec![0.0; tracks.len() * length * BANDS];
        let mut places = Vec::with_capacity(tracks.len());
        for (at, (&crop, window)) in crops.iter().zip(windows.chunks_exact_mut(length * BANDS)).enumerate() {
            let mut recording = self.dataset.recording(crop.track)?;
            let frames = recording.frames();
            let count = stored_crops(frames, self.store.crops());
            let index = match self.part {
                Part::Train => crop.among(count as u64) as usize,
                Part::Validation | Part::Test => count / 2,
            };
            let start = stored_start(frames, index, count);
            let first = around(start, length, frames);
            let copy = self.copies.as_ref().map(|copies| copies.draw(crop)).transpose()?.flatten();
            recording = copy.unwrap_or(recording);
            self.dataset.frames(crop.track, &mut recording, first, window)?;
            places.push(Place { start: (start - first) as usize, first, frames });
            if self.heard {
                continue;
            }
            for ((teacher, rows), width) in self.teachers.iter().zip(&mut rows).zip(&widths) {
                let mut targets = self.store.targets(teacher, self.dataset.content(crop.track), count)?;
                targets.read_rows(index, &mut rows[at * width..][..*width])?;
            }
        }
        let mut mixed = vec![None; tracks.len()];
        if let Some(augmenter) = &self.augmenter {
            mixed = augmenter.hear(&mut windows, &crops);
        }
        if self.heard {
            for (teacher, rows) in self.teachers.iter().zip(&mut rows) {
                *rows = teacher.targets(&heard(teacher.frames(), length, &windows, &places))?;
            }
            // What was heard is of the mix already.
            mixed.fill(None);
        }
        let mut patches = Vec::with_capacity(tracks.len() * PATCH);
        for (window, place) in windows.chunks_exact(length * BANDS).zip(&places) {
            patches.extend_from_slice(&window[place.start * BANDS..][..PATCH]);
        }
        if let Some(augmenter) = &self.augmenter {
            augmenter.mask(&mut patches, &crops);
        }
        let targets =
            self.terms.iter().map(|term| term.of(&rows[term.teacher], widths[term.teacher], &mixed));
        Ok(DistilBatch { targets: targets.collect(), patches, tracks })
    }
}

/// Where a crop is.
struct Place {
    /// The first frame of the crop in its window.
    start: usize,
    /// The first frame of the window in the recording.
    first: u64,
    /// Frames of the recording.
    frames: u64,
}

/// The patches of `frames` frames that a teacher hears in windows of `length` frames.
fn heard(frames: usize, length: usize, windows: &[f32], places: &[Place]) -> Vec<f32> {
    let mut patches = Vec::with_capacity(places.len() * frames * BANDS);
    for (window, place) in windows.chunks_exact(length * BANDS).zip(places) {
        let first = around(place.first + place.start as u64, frames, place.frames) - place.first;
        patches.extend_from_slice(&window[first as usize * BANDS..][..frames * BANDS]);
    }
    patches
}

impl TargetTerm {
    /// Its targets, of a teacher's rows of `width` values.
    fn of(&self, rows: &[f32], width: usize, mixed: &[Mixed]) -> Vec<f32> {
        let own = rows.chunks_exact(width).flat_map(|row| &row[self.columns.clone()]);
        let mut own: Vec<f32> = own.copied().collect();
        mix_rows(&mut own, self.width(), mixed);
        if let Some((means, factors)) = &self.scale {
            for row in own.chunks_exact_mut(self.width()) {
                for ((value, mean), factor) in row.iter_mut().zip(means).zip(factors) {
                    *value = (*value - mean) * factor;
                }
            }
        }
        own
    }
}

/// The mean of each value of a teacher's embeddings over the stored crops of these tracks, and one divided by its
/// deviation, or 0 if it is always the same.
fn scale(
    dataset: &Dataset,
    store: &TargetStore,
    teacher: &Teacher,
    tracks: &[u32],
) -> Result<(Vec<f32>, Vec<f32>)> {
    let [_, columns] = teacher.columns();
    let (mut count, mut sums) = (0.0f64, vec![[0.0f64; 2]; columns.len()]);
    // Of the first target, which sums are taken relative to, so that the difference of large sums loses nothing.
    let mut origin: Option<Vec<f32>> = None;
    for &track in tracks {
        let crops = stored_crops(dataset.recording(track)?.frames(), store.crops());
        let mut values = vec![0.0; crops * teacher.width()];
        store.targets(teacher, dataset.content(track), crops)?.read_rows(0, &mut values)?;
        for row in values.chunks_exact(teacher.width()) {
            let row = &row[columns.clone()];
            let origin = origin.get_or_insert_with(|| row.to_vec());
            count += 1.0;
            for ((sums, &value), &origin) in sums.iter_mut().zip(row).zip(&*origin) {
                let difference = f64::from(value) - f64::from(origin);
                sums[0] += difference;
                sums[1] += difference * difference;
            }
        }
    }
    let origin = origin.unwrap_or_else(|| vec![0.0; columns.len()]);
    let scales = sums.iter().zip(&origin).map(|(&[sum, squares], &origin)| {
        let mean = sum / f64::max(count, 1.0);
        let deviation = (squares / f64::max(count, 1.0) - mean * mean).max(0.0).sqrt();
        let factor = if deviation > 1e-6 { 1.0 / deviation } else { 0.0 };
        ((f64::from(origin) + mean) as f32, factor as f32)
    });
    Ok(scales.unzip())
}
