//! What a run is judged by.

use super::host::HostBatch;
use super::sources::{Batches, Data, of_pairs, of_tags, of_teachers};
use crate::batches::{DistilLoader, PairLoader, TagLoader};
use crate::config::Objective;
use crate::error::{Error, Result};
use crate::splits::Part as Portion;

/// The pairs or tracks of the validation part.
pub struct Validation {
    /// The first term of each, and its batches.
    judged: Vec<(usize, Judged)>,
    terms: usize,
    /// Why associations have no validation pairs, with counts.
    pub missing: Vec<String>,
}

/// What is judged together.
enum Judged {
    Pairs(PairLoader),
    Tags(TagLoader),
    Distil(DistilLoader),
}

impl Judged {
    fn whole(&self, rank: usize, count: usize) -> Result<Batches> {
        Ok(match self {
            Judged::Pairs(loader) => {
                Box::new(loader.whole(rank, count)?.map(|batch| Ok(HostBatch::pairs(vec![batch?]))))
            }
            Judged::Tags(loader) => {
                Box::new(loader.whole(rank, count)?.map(|batch| Ok(HostBatch::tags(batch?))))
            }
            Judged::Distil(loader) => {
                Box::new(loader.whole(rank, count)?.map(|batch| Ok(HostBatch::targets(batch?))))
            }
        })
    }
}

impl Validation {
    /// The validation part of a data set, for an objective of `terms` terms. Associations without validation pairs are
    /// skipped, and `missing` says why.
    ///
    /// # Errors
    /// If a table cannot be read.
    pub fn open(data: &Data, terms: usize) -> Result<Self> {
        let part = Portion::Validation;
        let &Data { dataset, config, readers, .. } = data;
        let mut all = Validation { judged: Vec::new(), terms, missing: Vec::new() };
        let mut add = |first: usize, judged: Result<Judged>| {
            // A single pair or patch is not enough either.
            match judged.and_then(|judged| judged.whole(0, 1).map(|_| judged)) {
                Ok(judged) => {
                    all.judged.push((first, judged));
                    Ok(())
                }
                Err(error @ (Error::Nothing { .. } | Error::InvalidArgument(_))) => {
                    all.missing.push(error.to_string());
                    Ok(())
                }
                Err(error) => Err(error),
            }
        };
        if let Objective::Tags(tags) = &config.objective {
            add(0, TagLoader::new(dataset, config, tags, part, readers).map(Judged::Tags))?;
        }
        let tasks = config.objective.associations();
        for (first, task) in tasks.iter().enumerate() {
            add(first, PairLoader::new(dataset, config, task, part, readers).map(Judged::Pairs))?;
        }
        if let Objective::Distil(distil) = &config.objective {
            add(tasks.len(), data.distil(distil, part).map(Judged::Distil))?;
        }
        Ok(all)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.judged.is_empty()
    }

    /// A description for a log.
    pub fn describe(&self) -> String {
        let one = |(_, judged): &(usize, Judged)| match judged {
            Judged::Pairs(loader) => of_pairs(loader),
            Judged::Tags(loader) => of_tags(loader),
            Judged::Distil(loader) => of_teachers(loader),
        };
        let parts: Vec<String> = self.judged.iter().map(one).collect();
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }

    /// The batches for process `rank` of `count`: as large as in training if there are enough items, and the same for
    /// any number of processes and in every epoch.
    ///
    /// # Errors
    /// If there are too few items for a batch.
    pub fn batches(&self, rank: usize, count: usize) -> Result<impl Iterator<Item = Result<HostBatch>>> {
        let terms = self.terms;
        let mut all = Vec::new();
        for &(first, ref judged) in &self.judged {
            all.push(judged.whole(rank, count)?.map(move |batch| Ok(batch?.at(first, terms))));
        }
        Ok(all.into_iter().flatten())
    }
}
