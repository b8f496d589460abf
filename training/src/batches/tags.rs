//! Batches of patches and style tags.

use std::path::Path;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::ahead::{Ahead, Readers};
use super::augment::{Augmenter, mix_rows};
use super::copies::Copies;
use super::crop::Crop;
use super::passes::{Making, Passes, too_few};
use super::{Dataset, PATCH, TagBatch, refusing, share};
use crate::config::{Config, Tags};
use crate::error::{Error, Result};
use crate::links::Links;
use crate::splits::{Part, SPLIT, STYLES};
use crate::table::TableReader;

/// Makes batches of the tracks of a part with their styles. Training differs from the other parts as in
/// [`PairLoader`](super::PairLoader).
pub struct TagLoader {
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
    classes: Vec<String>,
    /// The classes of every track of the data set.
    styles: Links,
    augmenter: Option<Augmenter>,
    copies: Option<Copies>,
}

impl TagLoader {
    /// A loader of the tracks in `part`.
    ///
    /// # Errors
    /// If there is no track or no style; if a table cannot be read or tracks lack features.
    pub fn new(
        dataset: &Arc<Dataset>,
        config: &Config,
        tags: &Tags,
        part: Part,
        readers: &Arc<Readers>,
    ) -> Result<Self> {
        let classes = read_classes(dataset.folder(), tags.classes)?;
        let styles = read_styles(dataset.folder(), &classes)?;
        let (tracks, without_features) = dataset.tracks(part)?;
        let learns = part == Part::Train;
        if tracks.is_empty() {
            let reason = format!("no tracks in {}, {without_features} could not be read", part.name());
            return Err(Error::Nothing { path: dataset.folder().to_owned(), reason });
        }
        if styles.tracks() != dataset.split().metadata.tracks() {
            return Err(Error::format(SPLIT.path(dataset.folder()), "it changed while it was being read"));
        }
        let folders: &[String] = if learns { &config.augment.copies } else { &[] };
        let copies = Copies::open(dataset, folders, &tracks)?;
        let inner = Inner {
            dataset: Arc::clone(dataset),
            part,
            seed: config.run.seed,
            size: tags.patches,
            crops: if learns { config.data.crops } else { 1 },
            least_steps: if learns { config.data.least_steps } else { 0 },
            tracks,
            without_features,
            classes,
            styles,
            augmenter: Augmenter::of(&config.augment).filter(|_| learns),
            copies,
        };
        Ok(TagLoader { inner: Arc::new(inner), readers: Arc::clone(readers) })
    }

    /// The names of the classes, the most frequent style first.
    pub fn classes(&self) -> &[String] {
        &self.inner.classes
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
        Ok(self.inner.plan(epoch, groups)?.steps())
    }

    /// The batches of a group, one per step. `epoch` and `group` count from 0.
    pub fn epoch(&self, epoch: u64, group: usize, groups: usize) -> Ahead<TagBatch> {
        match self.inner.plan(epoch, groups) {
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
    pub fn whole(&self, rank: usize, count: usize) -> Result<Ahead<TagBatch>> {
        let (inner, passes) = (Arc::clone(&self.inner), self.inner.plan(0, 1)?);
        let own = share(passes.steps(), rank, count);
        Ok(self.readers.run(own.len(), move |at| inner.batch(0, &passes, own[at], 0)))
    }
}

/// The batches of a round of an epoch over `count` tracks.
pub(super) fn plan(making: &Making, count: usize, of: [u64; 2], groups: usize) -> Result<Passes> {
    if groups == 0 {
        return Err(Error::InvalidArgument("a step needs at least one group".into()));
    }
    let passes = making.passes(count, of, groups, |_| []);
    match passes.steps() {
        0 => Err(Error::InvalidArgument(too_few(count, "tracks", making.part, groups, ""))),
        _ => Ok(passes),
    }
}

impl Inner {
    fn plan(&self, epoch: u64, groups: usize) -> Result<Passes> {
        let &Inner { part, seed, size, crops, least_steps, .. } = self;
        plan(
            &Making { what: "tags", part, seed, size, crops, least_steps },
            self.tracks.len(),
            [epoch, 0],
            groups,
        )
    }

    fn batch(&self, epoch: u64, passes: &Passes, step: usize, group: usize) -> Result<TagBatch> {
        let (pass, items) = passes.batch(step, group);
        let tracks: Vec<u32> = items.iter().map(|&item| self.tracks[item as usize]).collect();
        let mut patches = vec![0.0; tracks.len() * PATCH];
        let mut tags = vec![0.0; tracks.len() * self.classes.len()];
        let epoch = if self.part == Part::Train { epoch } else { 0 };
        let crop = |&track: &u32| Crop { seed: self.seed, epoch, track, number: 2 * pass };
        let crops: Vec<Crop> = tracks.iter().map(crop).collect();
        for (at, (&crop, patch)) in crops.iter().zip(patches.chunks_exact_mut(PATCH)).enumerate() {
            self.dataset.patch(crop, None, self.copies.as_ref(), patch)?;
            let own = &mut tags[at * self.classes.len()..][..self.classes.len()];
            self.styles.of(crop.track).iter().for_each(|&class| own[class as usize] = 1.0);
        }
        if let Some(augmenter) = &self.augmenter {
            let mixed = augmenter.hear(&mut patches, &crops);
            augmenter.mask(&mut patches, &crops);
            mix_rows(&mut tags, self.classes.len(), &mixed);
        }
        Ok(TagBatch { patches, tags, tracks })
    }
}

fn read_classes(folder: &Path, most: usize) -> Result<Vec<String>> {
    let file = STYLES.path(folder);
    let mut classes = Vec::new();
    for rows in TableReader::open(&file, &STYLES, &["style"])? {
        classes.extend(rows?.texts("style").iter().map(|style| style.unwrap_or_default().to_owned()));
    }
    classes.truncate(most);
    match classes.len() {
        0 => Err(Error::format(&file, "there is no style to learn")),
        _ => Ok(classes),
    }
}

fn read_styles(folder: &Path, classes: &[String]) -> Result<Links> {
    let numbers: FxHashMap<&str, u32> = classes.iter().map(String::as_str).zip(0..).collect();
    let mut lists: Vec<Vec<u32>> = Vec::new();
    for rows in TableReader::open(&SPLIT.path(folder), &SPLIT, &["styles"])? {
        let rows = rows?;
        let of =
            |row| rows.word_list("styles", row).filter_map(|style| numbers.get(style).copied()).collect();
        lists.extend((0..rows.len()).map(of));
    }
    Ok(Links::from_lists(lists, classes.len() as u32))
}
