//! Batches of pairs for the contrastive objectives.

use std::sync::{Arc, Mutex, PoisonError};

use super::ahead::{Ahead, Readers};
use super::augment::Augmenter;
use super::copies::Copies;
use super::crop::Crop;
use super::passes::{Making, Passes, too_few};
use super::{Dataset, PATCH, PairBatch, explain, order, refusing, share};
use crate::config::{Config, Task};
use crate::error::{Error, Result};
use crate::links::shared;
use crate::pairs::tables::drawn_order;
use crate::pairs::{Association, ExcludedPairs, Order, TrackMetadata, generate};
use crate::splits::Part;

/// Makes the batches of one association in one part of the data set.
///
/// Training pairs have a new order and new crops every epoch. Those of validation and test have the order of their
/// table and the crops of epoch 0 in every epoch; `crops`, `redraw_pairs`, `artist_unique` and `least_steps` apply to
/// training only.
pub struct PairLoader {
    inner: Arc<Inner>,
    readers: Arc<Readers>,
    /// The last plan: all groups of a process use the same one.
    planned: Mutex<Option<Planned>>,
}

/// A plan, and its epoch, round and number of groups.
struct Planned {
    of: (u64, u32, usize),
    plan: Arc<Epoch>,
}

struct Inner {
    dataset: Arc<Dataset>,
    association: Association,
    part: Part,
    seed: u64,
    /// Pairs of a batch.
    size: usize,
    crops: u32,
    least_steps: usize,
    mask_related: bool,
    artist_unique: bool,
    source: Source,
    without_features: usize,
    augmenter: Option<Augmenter>,
    copies: Option<Copies>,
}

/// The source of an epoch's pairs.
enum Source {
    /// The table written by `pairs`.
    Drawn(Arc<Vec<(u32, u32)>>),
    /// Drawn again every epoch among these tracks, in the order that `pairs` had.
    Redrawn { tracks: Vec<u32>, metadata: Box<TrackMetadata>, excluded: Box<ExcludedPairs>, order: Order },
}

impl Source {
    /// The tracks that its pairs can be of.
    fn tracks(&self) -> Vec<u32> {
        let mut tracks = match self {
            Source::Drawn(pairs) => pairs.iter().flat_map(|&(a, b)| [a, b]).collect(),
            Source::Redrawn { tracks, .. } => tracks.clone(),
        };
        tracks.sort_unstable();
        tracks.dedup();
        tracks
    }
}

/// The content of an epoch's batches.
struct Epoch {
    pairs: Arc<Vec<(u32, u32)>>,
    passes: Passes,
}

impl PairLoader {
    /// A loader of the pairs of `task` in `part`.
    ///
    /// # Errors
    /// If there are no pairs, with counts that explain it; if a table cannot be read or tracks lack features.
    pub fn new(
        dataset: &Arc<Dataset>,
        config: &Config,
        task: &Task,
        part: Part,
        readers: &Arc<Readers>,
    ) -> Result<Self> {
        let association = task.name;
        let learns = part == Part::Train;
        let (source, without_features) = if learns && config.data.redraw_pairs {
            let (tracks, without) = dataset.tracks(part)?;
            let metadata = Box::new(dataset.split().metadata.select(&tracks));
            let excluded = Box::new(dataset.split().excluded.select(&tracks));
            let order = drawn_order(dataset.folder())?;
            (Source::Redrawn { tracks, metadata, excluded, order }, without)
        } else {
            let (pairs, without) = dataset.pairs(association, part)?;
            (Source::Drawn(Arc::new(pairs)), without)
        };
        let folders: &[String] = if learns { &config.augment.copies } else { &[] };
        let copies = Copies::open(dataset, folders, &source.tracks())?;
        let inner = Inner {
            dataset: Arc::clone(dataset),
            association,
            part,
            seed: config.run.seed,
            size: task.pairs,
            crops: if learns { config.data.crops } else { 1 },
            least_steps: if learns { config.data.least_steps } else { 0 },
            mask_related: config.data.mask_related,
            artist_unique: learns && config.data.artist_unique,
            source,
            without_features,
            augmenter: Augmenter::of(&config.augment).filter(|_| learns),
            copies,
        };
        if inner.pairs(0).is_empty() {
            return Err(explain::no_pairs(dataset, association, part, without_features));
        }
        Ok(PairLoader { inner: Arc::new(inner), readers: Arc::clone(readers), planned: Mutex::new(None) })
    }

    /// The association.
    pub fn association(&self) -> Association {
        self.inner.association
    }

    /// Number of pairs; if they are drawn again every epoch, that of epoch 0.
    pub fn pairs(&self) -> usize {
        self.inner.pairs(0).len()
    }

    /// Pairs that are left out because a recording could not be read; if pairs are drawn again every epoch, tracks.
    pub fn without_features(&self) -> usize {
        self.inner.without_features
    }

    /// Optimizer steps of an epoch, each with one batch per group.
    ///
    /// # Errors
    /// If there are too few pairs for one step.
    pub fn steps(&self, epoch: u64, groups: usize) -> Result<usize> {
        self.steps_of_round(epoch, 0, groups)
    }

    /// The batches of a group, one per step. `epoch` and `group` count from 0.
    pub fn epoch(&self, epoch: u64, group: usize, groups: usize) -> Ahead<PairBatch> {
        self.round(epoch, 0, group, groups)
    }

    pub(super) fn steps_of_round(&self, epoch: u64, round: u32, groups: usize) -> Result<usize> {
        Ok(self.plan(epoch, round, groups)?.steps())
    }

    /// The batches of one round of an epoch; each round has its own order and crops.
    pub(super) fn round(&self, epoch: u64, round: u32, group: usize, groups: usize) -> Ahead<PairBatch> {
        match self.plan(epoch, round, groups) {
            Ok(plan) if group < groups => {
                let inner = Arc::clone(&self.inner);
                self.readers.run(plan.steps(), move |step| inner.batch(epoch, &plan, step, group))
            }
            outcome => refusing(&self.readers, outcome.err(), group, groups),
        }
    }

    /// The batches of all pairs that process `rank` of `count` judges: whole ones if there are enough pairs, the same
    /// for any number of processes.
    ///
    /// # Errors
    /// If there are too few pairs for a batch.
    pub fn whole(&self, rank: usize, count: usize) -> Result<Ahead<PairBatch>> {
        let (inner, plan) = (Arc::clone(&self.inner), self.plan(0, 0, 1)?);
        let own = share(plan.steps(), rank, count);
        Ok(self.readers.run(own.len(), move |at| inner.batch(0, &plan, own[at], 0)))
    }

    fn plan(&self, epoch: u64, round: u32, groups: usize) -> Result<Arc<Epoch>> {
        let mut planned = self.planned.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (epoch, round, groups);
        if let Some(planned) = planned.as_ref().filter(|planned| planned.of == of) {
            return Ok(Arc::clone(&planned.plan));
        }
        let plan = Arc::new(self.inner.plan(epoch, round, groups)?);
        *planned = Some(Planned { of, plan: Arc::clone(&plan) });
        Ok(plan)
    }
}

impl Inner {
    /// The pairs of an epoch.
    fn pairs(&self, epoch: u64) -> Arc<Vec<(u32, u32)>> {
        match &self.source {
            Source::Drawn(pairs) => Arc::clone(pairs),
            Source::Redrawn { tracks, metadata, excluded, order } => {
                let seed = order::seed("pairs", self.seed, epoch);
                let drawn = generate(self.association, metadata, excluded, *order, seed);
                let number = |track: u32| tracks[track as usize];
                let drawn = drawn.into_iter().map(|(a, b)| (number(a), number(b)));
                Arc::new(drawn.filter(|&pair| self.dataset.differs(pair)).collect())
            }
        }
    }

    fn plan(&self, epoch: u64, round: u32, groups: usize) -> Result<Epoch> {
        if groups == 0 {
            return Err(Error::InvalidArgument("a step needs at least one group".into()));
        }
        let pairs = self.pairs(epoch);
        let artists = &self.dataset.split().metadata.artists;
        let owners = |pair: u32| {
            let (a, b) = pairs[pair as usize];
            let owners = self.artist_unique.then(|| artists.of(a).iter().chain(artists.of(b)).copied());
            owners.into_iter().flatten()
        };
        let &Inner { part, seed, size, crops, least_steps, .. } = self;
        let what = self.association.name();
        let making = Making { what, part, seed, size, crops, least_steps };
        let passes = making.passes(pairs.len(), [epoch, round.into()], groups, owners);
        if passes.steps() == 0 {
            let with = if self.artist_unique { " whose artists all differ" } else { "" };
            let what = format!("{what} pairs");
            return Err(Error::InvalidArgument(too_few(pairs.len(), &what, part, groups, with)));
        }
        Ok(Epoch { pairs: Arc::clone(&pairs), passes })
    }

    fn batch(&self, epoch: u64, plan: &Epoch, step: usize, group: usize) -> Result<PairBatch> {
        let (pass, items) = plan.batch(step, group);
        let (anchor_tracks, positive_tracks): (Vec<u32>, Vec<u32>) =
            items.iter().map(|&pair| plan.pairs[pair as usize]).unzip();
        let mut anchors = vec![0.0; items.len() * PATCH];
        let mut positives = vec![0.0; items.len() * PATCH];
        let rows = anchors.chunks_exact_mut(PATCH).zip(positives.chunks_exact_mut(PATCH));
        let epoch = if self.part == Part::Train { epoch } else { 0 };
        let crop = |track, number| Crop { seed: self.seed, epoch, track, number };
        let crops = |tracks: &[u32], number| -> Vec<Crop> {
            tracks.iter().map(|&track| crop(track, number)).collect()
        };
        let (first, second) = (crops(&anchor_tracks, 2 * pass), crops(&positive_tracks, 2 * pass + 1));
        for ((&one, &other), (anchor, positive)) in first.iter().zip(&second).zip(rows) {
            let copies = self.copies.as_ref();
            let start = self.dataset.patch(one, None, copies, anchor)?;
            self.dataset.patch(other, (one.track == other.track).then_some(start), copies, positive)?;
        }
        if let Some(augmenter) = &self.augmenter {
            for (patches, crops) in [(&mut anchors, &first), (&mut positives, &second)] {
                augmenter.hear(patches, crops);
                augmenter.mask(patches, crops);
            }
        }
        let allowed = self.mask_related.then(|| {
            let one = |(row, &a): (usize, &u32)| {
                let related = move |(column, &b): (usize, &u32)| row == column || !self.related(a, b);
                positive_tracks.iter().enumerate().map(related).collect::<Vec<_>>()
            };
            anchor_tracks.iter().enumerate().flat_map(one).collect()
        });
        Ok(PairBatch { anchors, positives, anchor_tracks, positive_tracks, allowed })
    }

    /// Whether two tracks would be a pair or are the same recording, which cannot be a negative either.
    fn related(&self, a: u32, b: u32) -> bool {
        let split = self.dataset.split();
        if a == b || split.excluded.forbids(a, b) {
            return true;
        }
        let condition = self.association.condition(&split.metadata, &split.excluded);
        condition.is_some_and(|condition| {
            let none = |links: &crate::links::Links| shared(links.of(a), links.of(b)) == 0;
            !none(condition.same) && condition.different.is_none_or(none)
        })
    }
}

impl Epoch {
    fn steps(&self) -> usize {
        self.passes.steps()
    }

    /// The pass of a step, and the pairs of a group's batch.
    fn batch(&self, step: usize, group: usize) -> (u32, &[u32]) {
        self.passes.batch(step, group)
    }
}
