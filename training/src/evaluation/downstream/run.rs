//! Evaluates stacks of encoders on a data set: finds recordings, computes embeddings, trains and tests heads, saves
//! figures.
//!
//! Finished work is kept: embeddings in the cache, and the figures of each stack as soon as all its seeds are done.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use serde_json::json;
use sha2::{Digest, Sha256};

use super::super::cache::{Cache, Filling, Patches};
use super::super::datasets::{Dataset, Track};
use super::super::encoders::Encoder;
use super::super::metrics::Bootstrap;
use super::super::recordings::{Recording, Sources};
use super::super::results::{Results, SCHEMA, Task};
use super::learn::{Example, Examples, Learnt, check, learn};
use super::protocol::Protocol;
use super::stack::{Member, Stack};
use crate::atomic;
use crate::error::{Error, Result};
use crate::splits::Part;
use crate::threads::spread;

/// The maximum number of recordings that a message names.
const NAMED: usize = 5;

/// The options of an evaluation.
pub struct Evaluation<'a> {
    /// The data set.
    pub dataset: &'a Dataset,
    /// The source of its recordings.
    pub sources: &'a Sources,
    /// Where embeddings are kept.
    pub cache: &'a Cache,
    /// The settings.
    pub protocol: &'a Protocol,
    /// The bootstrap for intervals.
    pub bootstrap: Bootstrap,
    /// The minimum share of recordings that must exist.
    pub least_share: f64,
    /// The folder of results.
    pub out: &'a Path,
    /// Whether results with other settings are replaced; otherwise they are an error.
    pub replace: bool,
    /// Whether stacks are evaluated again that have results with the same settings.
    pub again: bool,
    /// Recordings and heads that are processed in parallel.
    pub threads: usize,
    /// Set this to stop.
    pub stop: &'a AtomicBool,
}

/// Receives messages and progress.
pub trait Listener {
    /// A message of one line.
    fn note(&mut self, text: &str);
    /// A progress bar with `steps` steps.
    fn bar(&mut self, what: &str, steps: usize) -> indicatif::ProgressBar;
}

/// The outcome of a stack.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its figures.
    pub results: Results,
    /// Their file.
    pub path: PathBuf,
    /// The run with the lowest validation loss; `None` if the results existed before.
    pub best: Option<Learnt>,
}

impl Evaluation<'_> {
    /// Evaluates stacks; each is a list of encoder indices.
    ///
    /// # Errors
    /// If too few recordings exist, results with other settings exist, an encoder fails, or files cannot be read or
    /// written; `Interrupted` once `stop` is set.
    pub fn run(
        &self,
        encoders: &mut [Box<dyn Encoder>],
        stacks: &[Vec<usize>],
        listener: &mut dyn Listener,
    ) -> Result<Vec<Outcome>> {
        let members: Vec<Member> = encoders.iter().map(|encoder| Member::of(&**encoder)).collect();
        let mut outcomes: Vec<Option<Outcome>> = Vec::with_capacity(stacks.len());
        for stack in stacks {
            let blank = self.blank(stack.iter().map(|&index| &members[index]));
            outcomes.push(self.there(&blank)?);
        }
        let todo: Vec<usize> = (0..stacks.len()).filter(|&index| outcomes[index].is_none()).collect();
        if stacks.len() > todo.len() {
            listener.note(&format!("{} of {} evaluated before", stacks.len() - todo.len(), stacks.len()));
        }
        if !todo.is_empty() {
            let mut needed: Vec<usize> =
                todo.iter().flat_map(|&index| stacks[index].iter().copied()).collect();
            needed.sort_unstable();
            needed.dedup();
            let numbers = encoders.iter_mut().enumerate();
            let mut used: Vec<&mut Box<dyn Encoder>> =
                numbers.filter(|(index, _)| needed.contains(index)).map(|(_, encoder)| encoder).collect();
            let (rounds, missing) = self.examples(&mut used, listener)?;
            let chosen: Vec<(usize, Stack)> = todo
                .iter()
                .map(|&index| {
                    let members = stacks[index].iter().map(|&member| members[member].clone()).collect();
                    (index, Stack::new(self.cache.clone(), members))
                })
                .collect();
            self.learn(&chosen, &rounds, missing, &mut outcomes, listener)?;
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Results without figures.
    pub(super) fn blank<'m>(&self, members: impl Iterator<Item = &'m Member>) -> Results {
        let members: Vec<&Member> = members.collect();
        let mut protocol = self.protocol.document(self.dataset.labelling);
        protocol.insert("labelling".into(), json!(self.dataset.labelling.name()));
        protocol.insert("labels_sha256".into(), json!(digest(self.dataset)));
        protocol.insert("patch_frames".into(), members.iter().map(|member| member.frames).collect());
        protocol.insert("bootstrap_resamples".into(), json!(self.bootstrap.resamples));
        protocol.insert("bootstrap_seed".into(), json!(self.bootstrap.seed));
        protocol.insert("interval".into(), json!(self.bootstrap.confidence));
        let given = members.iter().filter(|member| member.frames == 0).map(|member| {
            let name = &member.name;
            format!(
                "deviation from the paper: {name} has rows of its own; heads learn from random ones of these"
            )
        });
        Results {
            schema: SCHEMA,
            task: Task::Downstream,
            dataset: self.dataset.name.clone(),
            encoders: members.iter().map(|member| member.source()).collect(),
            protocol,
            counts: BTreeMap::new(),
            metrics: BTreeMap::new(),
            remarks: self.protocol.deviations().into_iter().chain(given).collect(),
        }
    }

    /// Existing results, if they have the same encoders and settings.
    fn there(&self, blank: &Results) -> Result<Option<Outcome>> {
        let path = self.out.join(blank.place());
        if !path.exists() || self.again {
            return Ok(None);
        }
        let results = Results::load(&path)?;
        if results.encoders == blank.encoders && results.protocol == blank.protocol {
            return Ok(Some(Outcome { results, path, best: None }));
        }
        if self.replace {
            return Ok(None);
        }
        let settings = results.protocol.iter().find(|(key, value)| blank.protocol.get(*key) != Some(value));
        let difference = match settings {
            Some((key, value)) => {
                let own = blank.protocol.get(key).map_or("unset".into(), ToString::to_string);
                format!("its {key} is {value}, not {own}")
            }
            None if results.encoders != blank.encoders => "it has other encoders with the same names".into(),
            None => "it lacks a setting".into(),
        };
        let reason =
            format!("results with other settings exist: {difference}; use --replace or another --out");
        Err(Error::format(path, reason))
    }

    /// Finds the recordings and computes the embeddings. Returns the examples of each round, and how many are missing.
    fn examples(
        &self,
        encoders: &mut [&mut Box<dyn Encoder>],
        listener: &mut dyn Listener,
    ) -> Result<(Vec<Examples>, usize)> {
        let tracks = &self.dataset.tracks;
        let names: Vec<Vec<String>> = tracks.iter().map(|track| track.paths.clone()).collect();
        let found = self.sources.find(&names, &self.cache.contents(), self.threads, self.stop)?;
        let mut missing: Vec<(&str, String)> = Vec::new();
        let mut work: Vec<(&Track, (Recording, Vec<Patches>))> = Vec::new();
        for (track, found) in tracks.iter().zip(found) {
            match found {
                Ok(recording) => work.push((track, (recording, self.patches(track)))),
                Err(reason) => missing.push((&track.paths[0], reason)),
            }
        }
        self.check_share(&missing)?;
        let bar = listener.bar("embeddings", work.len());
        let filling = Filling { threads: self.threads, stop: self.stop, bar: &bar };
        let (tracks, work): (Vec<&Track>, Vec<_>) = work.into_iter().unzip();
        let reasons = self.cache.fill(encoders, self.sources, &work, &filling)?;
        bar.finish_and_clear();
        let (labelling, classes) = (self.dataset.labelling, self.dataset.classes.len());
        let blank = || Examples { parts: Default::default(), labelling, classes };
        let mut rounds: Vec<Examples> = (0..self.dataset.rounds()).map(|_| blank()).collect();
        for ((track, (recording, _)), reason) in tracks.into_iter().zip(work).zip(reasons) {
            if let Some(reason) = reason {
                missing.push((&track.paths[0], reason));
                continue;
            }
            let Track { labels, unknown, values, .. } = track.clone();
            let example = Example { content: recording.content, labels, unknown, values };
            for (round, examples) in rounds.iter_mut().enumerate() {
                examples.parts[self.dataset.part_in(track, round) as usize].push(example.clone());
            }
        }
        self.check_share(&missing)?;
        self.list(&missing)?;
        let parts = rounds.iter().flat_map(|round| Part::ALL.into_iter().zip(&round.parts));
        for (part, examples) in parts {
            if examples.is_empty() {
                let reason = format!("{}: no recordings for {}", self.dataset.name, part.name());
                return Err(Error::InvalidArgument(reason));
            }
        }
        if !missing.is_empty() {
            listener.note(&format!(
                "{} of {} recordings are missing or unreadable: {}; all in {}",
                missing.len(),
                self.dataset.tracks.len(),
                named(&missing),
                self.missing().display()
            ));
        }
        Ok((rounds, missing.len()))
    }

    /// The patches of a track that are encoded.
    fn patches(&self, track: &Track) -> Vec<Patches> {
        let mut patches = Vec::new();
        for round in 0..self.dataset.rounds() {
            match self.dataset.part_in(track, round) {
                Part::Train => {
                    patches.extend(self.protocol.all_seeds().map(|seed| self.protocol.training(seed)));
                }
                Part::Validation | Part::Test => patches.push(Patches::Overlapped),
            }
        }
        let mut distinct: Vec<Patches> = Vec::new();
        for one in patches {
            if !distinct.contains(&one) {
                distinct.push(one);
            }
        }
        distinct
    }

    /// The file that lists missing recordings.
    fn missing(&self) -> PathBuf {
        let place = self.blank(std::iter::empty()).place();
        self.out.join(place.with_file_name("missing.tsv"))
    }

    fn check_share(&self, missing: &[(&str, String)]) -> Result<()> {
        let all = self.dataset.tracks.len();
        let share = (all - missing.len()) as f64 / all.max(1) as f64;
        if share >= self.least_share {
            return Ok(());
        }
        self.list(missing)?;
        let reason = format!(
            "only {} of {all} recordings exist and are readable, a share of {share:.3}, below --least-share {}: {}; \
             all in {}",
            all - missing.len(),
            self.least_share,
            named(missing),
            self.missing().display()
        );
        Err(Error::InvalidArgument(format!("{}: {reason}", self.dataset.name)))
    }

    fn list(&self, missing: &[(&str, String)]) -> Result<()> {
        let path = self.missing();
        if missing.is_empty() {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io(&path, error)),
                _ => Ok(()),
            };
        }
        let cell = |text: &str| text.replace(['\t', '\n', '\r'], " ");
        let rows = missing.iter().map(|(name, reason)| format!("{}\t{}\n", cell(name), cell(reason)));
        let text: String = std::iter::once("path\treason\n".to_owned()).chain(rows).collect();
        atomic::write(path, text.as_bytes())
    }

    /// Trains the heads of all stacks and seeds in parallel, and saves a stack's figures when all its seeds are done.
    fn learn(
        &self,
        stacks: &[(usize, Stack)],
        rounds: &[Examples],
        missing: usize,
        outcomes: &mut [Option<Outcome>],
        listener: &mut dyn Listener,
    ) -> Result<()> {
        let seeds: Vec<u64> = self.protocol.all_seeds().collect();
        let mut jobs: Vec<(usize, usize, u64)> = Vec::new();
        for stack in 0..stacks.len() {
            for round in 0..rounds.len() {
                jobs.extend(seeds.iter().map(|&seed| (stack, round, seed)));
            }
        }
        let bar = listener.bar("heads", jobs.len());
        let mut learnt: Vec<Vec<(usize, Learnt)>> = vec![Vec::new(); stacks.len()];
        let is_done = spread(
            jobs.len(),
            self.threads,
            self.stop,
            |job, _| {
                let (stack, round, seed) = jobs[job];
                learn(&stacks[stack].1, &rounds[round], self.protocol, seed, self.stop)
            },
            |job, one| {
                let (stack, round, _) = jobs[job];
                learnt[stack].push((round, one?));
                if learnt[stack].len() == seeds.len() * rounds.len() {
                    let runs = std::mem::take(&mut learnt[stack]);
                    outcomes[stacks[stack].0] = Some(self.judge(&stacks[stack].1, rounds, missing, runs)?);
                }
                bar.inc(1);
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        if is_done { Ok(()) } else { check(self.stop) }
    }
}

fn named(missing: &[(&str, String)]) -> String {
    let names = missing.iter().take(NAMED).map(|(name, reason)| format!("{name} ({reason})"));
    let mut text = names.collect::<Vec<_>>().join(", ");
    if missing.len() > NAMED {
        text.push_str(" and more");
    }
    text
}

/// A hash of a data set's tracks, parts and labels.
fn digest(dataset: &Dataset) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    dataset.classes.iter().for_each(|class| add(class));
    for track in &dataset.tracks {
        add(&track.paths[0]);
        add(track.part.name());
        add(&format!("{:?}", track.labels));
        // Only where there is something, so that digests of other data sets stay as they were.
        if !track.unknown.is_empty() || !track.values.is_empty() || track.fold.is_some() {
            add(&format!("{:?} {:?} {:?}", track.unknown, track.values, track.fold));
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
