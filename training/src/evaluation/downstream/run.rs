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
use super::super::datasets::{Dataset, Labelling, Track};
use super::super::encoders::Encoder;
use super::super::metrics::ranking::table;
use super::super::metrics::{Bootstrap, Rankings, accuracy};
use super::super::recordings::{Recording, Sources};
use super::super::results::{Figure, Results, SCHEMA, Task};
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
            let (examples, missing) = self.examples(&mut used, listener)?;
            let chosen: Vec<(usize, Stack)> = todo
                .iter()
                .map(|&index| {
                    let members = stacks[index].iter().map(|&member| members[member].clone()).collect();
                    (index, Stack::new(self.cache.clone(), members))
                })
                .collect();
            self.learn(&chosen, &examples, missing, &mut outcomes, listener)?;
        }
        Ok(outcomes.into_iter().flatten().collect())
    }

    /// Results without figures.
    fn blank<'m>(&self, members: impl Iterator<Item = &'m Member>) -> Results {
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

    /// Finds the recordings and computes the embeddings. Also returns how many are missing.
    fn examples(
        &self,
        encoders: &mut [&mut Box<dyn Encoder>],
        listener: &mut dyn Listener,
    ) -> Result<(Examples, usize)> {
        let tracks = &self.dataset.tracks;
        let names: Vec<Vec<String>> = tracks.iter().map(|track| track.paths.clone()).collect();
        let found = self.sources.find(&names, &self.cache.contents(), self.threads, self.stop)?;
        let mut missing: Vec<(&str, String)> = Vec::new();
        let mut work: Vec<(&Track, (Recording, Vec<Patches>))> = Vec::new();
        for (track, found) in tracks.iter().zip(found) {
            match found {
                Ok(recording) => work.push((track, (recording, self.patches(track.part)))),
                Err(reason) => missing.push((&track.paths[0], reason)),
            }
        }
        self.check_share(&missing)?;
        let bar = listener.bar("embeddings", work.len());
        let filling = Filling { threads: self.threads, stop: self.stop, bar: &bar };
        let (tracks, work): (Vec<&Track>, Vec<_>) = work.into_iter().unzip();
        let reasons = self.cache.fill(encoders, self.sources, &work, &filling)?;
        bar.finish_and_clear();
        let labelling = self.dataset.labelling;
        let mut examples =
            Examples { parts: Default::default(), labelling, classes: self.dataset.classes.len() };
        for ((track, (recording, _)), reason) in tracks.into_iter().zip(work).zip(reasons) {
            match reason {
                Some(reason) => missing.push((&track.paths[0], reason)),
                None => {
                    let example = Example { content: recording.content, labels: track.labels.clone() };
                    examples.parts[track.part as usize].push(example);
                }
            }
        }
        self.check_share(&missing)?;
        self.list(&missing)?;
        for (part, examples) in Part::ALL.into_iter().zip(&examples.parts) {
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
        Ok((examples, missing.len()))
    }

    /// The patches of a track that are encoded.
    fn patches(&self, part: Part) -> Vec<Patches> {
        let mut patches = match part {
            Part::Train => self.protocol.all_seeds().map(|seed| self.protocol.training(seed)).collect(),
            Part::Validation | Part::Test => vec![Patches::Overlapped],
        };
        patches.dedup();
        patches
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
        examples: &Examples,
        missing: usize,
        outcomes: &mut [Option<Outcome>],
        listener: &mut dyn Listener,
    ) -> Result<()> {
        let seeds: Vec<u64> = self.protocol.all_seeds().collect();
        let jobs: Vec<(usize, u64)> =
            (0..stacks.len()).flat_map(|stack| seeds.iter().map(move |&seed| (stack, seed))).collect();
        let bar = listener.bar("heads", jobs.len());
        let mut learnt: Vec<Vec<Learnt>> = vec![Vec::new(); stacks.len()];
        let is_done = spread(
            jobs.len(),
            self.threads,
            self.stop,
            |job, _| {
                let (stack, seed) = jobs[job];
                learn(&stacks[stack].1, examples, self.protocol, seed, self.stop)
            },
            |job, one| {
                let (stack, _) = jobs[job];
                learnt[stack].push(one?);
                if learnt[stack].len() == seeds.len() {
                    let runs = std::mem::take(&mut learnt[stack]);
                    outcomes[stacks[stack].0] =
                        Some(self.judge(&stacks[stack].1, examples, missing, runs)?);
                }
                bar.inc(1);
                Ok(())
            },
        )?;
        bar.finish_and_clear();
        if is_done { Ok(()) } else { check(self.stop) }
    }

    /// Computes and saves the figures of a stack.
    fn judge(
        &self,
        stack: &Stack,
        examples: &Examples,
        missing: usize,
        mut runs: Vec<Learnt>,
    ) -> Result<Outcome> {
        runs.sort_unstable_by_key(|run| run.seed);
        let mut results = self.blank(stack.members().iter());
        let sizes = Part::ALL.into_iter().zip(&examples.parts);
        results.counts =
            sizes.map(|(part, examples)| (part.name().to_owned(), examples.len() as u64)).collect();
        results.counts.insert("missing".into(), missing as u64);
        results.counts.insert("classes".into(), examples.classes as u64);
        let test = &examples.parts[Part::Test as usize];
        match examples.labelling {
            Labelling::Multi => {
                let truth = table(test.iter().map(|example| &example.labels[..]), examples.classes);
                let rankings: Vec<Rankings> = runs
                    .iter()
                    .map(|run| Rankings::new(run.scores.view(), truth.view()))
                    .collect::<Result<_>>()?;
                let roc = |rankings: &Rankings, weights: Option<&[u32]>| rankings.roc_auc(weights).value;
                let precision =
                    |rankings: &Rankings, weights: Option<&[u32]>| rankings.average_precision(weights).value;
                self.figure(&mut results, "roc_auc", test.len(), &rankings, roc);
                self.figure(&mut results, "pr_auc", test.len(), &rankings, precision);
                let left = [rankings[0].roc_auc(None), rankings[0].average_precision(None)];
                for (name, mean) in ["roc_auc", "pr_auc"].into_iter().zip(left) {
                    results.counts.insert(format!("classes_without_{name}"), mean.left_out as u64);
                }
            }
            Labelling::Single => {
                let truth: Vec<u32> = test.iter().map(|example| example.labels[0]).collect();
                let right =
                    |run: &Learnt, weights: Option<&[u32]>| accuracy(run.scores.view(), &truth, weights);
                self.figure(&mut results, "accuracy", test.len(), &runs, right);
            }
        }
        if missing > 0 {
            results.remarks.push(format!("{missing} recordings of the data set are missing or unreadable"));
        }
        let path = results.save(self.out)?;
        let best = runs.into_iter().min_by(|a, b| a.validation_loss.total_cmp(&b.validation_loss));
        Ok(Outcome { results, path, best })
    }

    /// The mean over the seeds, and the interval of that mean over resampled tracks.
    fn figure<T: Sync>(
        &self,
        results: &mut Results,
        name: &str,
        tracks: usize,
        runs: &[T],
        of: impl Fn(&T, Option<&[u32]>) -> Option<f64> + Sync,
    ) {
        let mean = |weights: Option<&[u32]>| -> Option<f64> {
            let figures: Option<Vec<f64>> = runs.iter().map(|run| of(run, weights)).collect();
            figures.map(|figures| figures.iter().sum::<f64>() / figures.len() as f64)
        };
        let Some(value) = mean(None) else {
            results.remarks.push(format!("no class has a {name} among the test recordings"));
            return;
        };
        let interval = self.bootstrap.interval(tracks, |weights| mean(Some(weights)));
        let several = runs.len() > 1;
        let seeds = runs.iter().filter(|_| several).filter_map(|run| of(run, None)).collect();
        results.metrics.insert(name.to_owned(), Figure { value, interval, seeds });
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
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
