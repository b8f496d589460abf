//! A run: epochs of training and validation, a schedule, an average of the last weights, and files after every epoch.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::device;
use super::learner::{Average, Broken, Learner, Step};
use super::objective::{self, Figures, Loss};
use super::processes::{Place, Processes};
use super::progress::{Bar, Epoch, Scores, TermScores};
use super::schedule::Plateau;
use super::sources::{Data, Source};
use super::stage::Stage;
use super::start;
use super::state::{Best, Files, Progress, Saved, write_network, write_state};
use super::validation::Validation;
use crate::atomic;
use crate::batches::{Dataset, Readers};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::network::Description;
use crate::splits::Part;

/// The maximum number of tracks that a message names.
const NAMED: usize = 6;

/// The options of a run.
pub struct Options<'a> {
    /// The configuration.
    pub config: Config,
    /// Folder of the data set, with its pairs.
    pub data: &'a Path,
    /// Folder of the features.
    pub features: &'a Path,
    /// Folder of the teachers' targets, for a distillation.
    pub targets: Option<&'a Path>,
    /// Folder of the run.
    pub out: &'a Path,
    /// Whether to continue a run in that folder.
    pub resume: bool,
    /// Keeps the network every N epochs; 0 keeps none.
    pub keep: u32,
    /// Whether to show a progress bar.
    pub bar: bool,
    /// This process's position among several, from the launcher.
    pub place: Option<Place>,
    /// Set this to stop the run.
    pub stop: &'a AtomicBool,
}

/// Receives messages and progress.
pub trait Listener {
    /// A message of one line.
    fn note(&mut self, text: &str);
    /// An epoch has ended. Its state is not yet in the files, so after a crash the same epoch may be logged again.
    ///
    /// # Errors
    /// An error ends the run.
    fn ended(&mut self, epoch: &Epoch) -> Result<()>;
    /// The epoch's state is in the files.
    fn kept(&mut self, epoch: &Epoch);
    /// The scores of the averaged weights.
    ///
    /// # Errors
    /// An error ends the run.
    fn average(&mut self, epochs: u64, scores: Option<&Scores>) -> Result<()>;
}

/// A run in this process.
pub struct Run<'a> {
    options: Options<'a>,
    files: Files,
    processes: Processes,
    dataset: Arc<Dataset>,
    train: Source,
    validation: Validation,
    description: Description,
    learner: Learner,
    average: Average,
    progress: Progress,
    started: u32,
    /// Until the run is dropped, no other process may train in its folder.
    _lock: Option<Lock>,
}

/// A lock on a run's folder. The file is removed with it; it stays behind a process that was killed, and locks nothing.
struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    fn new(files: &Files) -> Result<Self> {
        let folder = files.folder();
        std::fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
        let path = files.lock();
        match sleeve_files::lock::open(&path)? {
            Some(file) => Ok(Lock { path, _file: file }),
            None => Err(Error::format(folder, "another process is training in this folder")),
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is locked.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl<'a> Run<'a> {
    /// Prepares a run, or reads the state of the one to continue; connects to the other processes.
    ///
    /// # Errors
    /// If data, features, folder or device cannot be used, or the other processes cannot be reached.
    pub fn open(options: Options<'a>) -> Result<Self> {
        let config = options.config.clone();
        let files = Files::new(options.out);
        let count = options.place.as_ref().map_or(1, |place| place.count);
        if !config.run.groups.is_multiple_of(count) {
            return Err(Error::InvalidArgument(format!(
                "run.groups is {}, which {count} processes cannot share evenly",
                config.run.groups
            )));
        }
        let computation = device::choose(&config.run, options.place.as_ref())?;
        let dataset = Dataset::open(options.data, options.features)?;
        let readers = Readers::new(config.data.loader_threads, config.data.ahead);
        let teachers = start::teachers(&config, options.targets)?;
        let data =
            Data { dataset: &dataset, config: &config, teachers: teachers.as_ref(), readers: &readers };
        let train = Source::open(&data, Part::Train)?;
        train.steps(0, config.run.groups)?;
        let (description, terms) = objective::plan(&config.objective, &train.learnt())?;
        let validation = Validation::open(&data, terms.len())?;

        let processes = match &options.place {
            Some(place) => Processes::meet(place, computation.device)?,
            None => Processes::alone(),
        };
        let lock = processes.is_first().then(|| Lock::new(&files)).transpose()?;
        let saved = match processes.is_first() {
            true => start::state(&files, &config, options.resume)?,
            false => None,
        };
        let (description, checkpoint) = start::network(&config, description, saved.as_ref())?;
        let mut learner = Learner::new(&checkpoint, &terms, &config.optimizer, computation)?;
        if saved.is_none() && processes.is_first() && start::is_folded(&config) {
            start::calibrate(&mut learner, &train, &config)?;
        }
        let mut average = Average::new(learner.flat());
        let progress = match &saved {
            Some(saved) => {
                saved.restore(&mut learner, &mut average)?;
                // Device, precision and loader options may differ from before.
                Progress { config: config.clone(), ..saved.progress.clone() }
            }
            None => Progress {
                plateau: Plateau::new(&config.schedule, config.optimizer.learning_rate),
                config: config.clone(),
                epochs: 0,
                steps: 0,
                best: None,
                averaged: 0,
            },
        };
        let mut run = Run {
            started: progress.epochs,
            options,
            files,
            processes,
            dataset,
            train,
            validation,
            description,
            learner,
            average,
            progress,
            _lock: lock,
        };
        run.agree()?;
        if run.processes.is_first() {
            atomic::write(run.files.config(), run.progress.config.to_toml()?.as_bytes())?;
        }
        Ok(run)
    }

    /// Sets the state of every process to that of the first.
    fn agree(&mut self) -> Result<()> {
        if self.processes.count() == 1 {
            return Ok(());
        }
        let fault = |error: serde_json::Error| Error::Process(format!("the first process's state: {error}"));
        let own = serde_json::to_string(&self.progress).map_err(fault)?;
        let first: Progress = serde_json::from_str(&self.processes.tell("progress", own)?).map_err(fault)?;
        if let Some(difference) = start::difference(&first.config, &self.progress.config) {
            return Err(Error::Process(format!(
                "process {} has another configuration than process 0: {difference}",
                self.processes.rank()
            )));
        }
        self.progress = first;
        self.started = self.progress.epochs;
        self.learner.share(&self.processes)?;
        self.processes.broadcast(&self.average.values)?;
        self.average.count = self.progress.averaged;
        self.learner.adam.steps = self.progress.steps;
        Ok(())
    }

    /// The number of complete epochs when this run was opened.
    pub fn started(&self) -> u32 {
        self.started
    }

    /// The number of optimizer steps at that time.
    pub fn steps(&self) -> u64 {
        self.progress.steps
    }

    /// Whether this is the process that writes files and messages.
    pub fn is_first(&self) -> bool {
        self.processes.is_first()
    }

    /// The run's folder.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Trains until the last epoch.
    ///
    /// # Errors
    /// `Interrupted` if it was stopped; `Training` if a loss is not finite; `Process` if another process has ended;
    /// errors of reading and writing. Files of earlier epochs stay.
    pub fn go(mut self, listener: &mut dyn Listener) -> Result<()> {
        self.introduce(listener);
        let config = self.progress.config.clone();
        while self.progress.epochs < config.run.epochs {
            self.epoch(&config, listener)?;
        }
        if config.swa.epochs > 0 && self.average.count > 0 {
            self.finish_average(listener)?;
        }
        self.processes.part();
        Ok(())
    }

    fn introduce(&self, listener: &mut dyn Listener) {
        if !self.is_first() {
            return;
        }
        let config = &self.progress.config;
        listener.note(&format!("{}, training: {}", config.model.name, self.train.describe()));
        listener.note(&format!("validation: {}", self.validation.describe()));
        for reason in &self.validation.missing {
            listener.note(&format!("warning: {reason}"));
        }
        if self.validation.is_empty() {
            listener.note(
                "warning: without validation, the training loss determines the schedule and the best epoch",
            );
        }
        let (processes, groups) = (self.processes.count(), config.run.groups);
        let several = match processes {
            1 => String::new(),
            count => format!(", {count} processes over {}", self.processes.transport()),
        };
        let device = device::describe(self.learner.computation());
        listener.note(&format!("{device}{several}, {groups} batches per step"));
        if self.started > 0 {
            listener.note(&format!("continuing after epoch {}", self.started));
        }
    }

    fn check_stop(&self) -> Result<()> {
        if !self.options.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        let epoch = self.progress.epochs + 1;
        Err(Error::Interrupted(format!("stopped in epoch {epoch}; --resume continues at its beginning")))
    }

    /// The groups whose batches this process computes.
    fn own_groups(&self) -> Vec<usize> {
        let groups = self.progress.config.run.groups / self.processes.count();
        (self.processes.rank() * groups..(self.processes.rank() + 1) * groups).collect()
    }

    fn epoch(&mut self, config: &Config, listener: &mut dyn Listener) -> Result<()> {
        let start = Instant::now();
        let index = self.progress.epochs;
        let averages = index + config.swa.epochs >= config.run.epochs;
        let rate = if averages { config.swa.learning_rate } else { self.progress.plateau.rate };
        let steps = self.train.steps(index.into(), config.run.groups)?;
        let shown = self.options.bar && self.is_first();
        let bar = Bar::new(index + 1, config.run.epochs, steps, shown);
        let (figures, pace, waiting) = self.learn(config, index.into(), steps, rate, &bar)?;
        if averages {
            self.average.add(self.learner.flat().values());
        }
        bar.say("validating");
        let validation = self.validate()?;
        bar.finish();

        let train = self.scores(&figures);
        let loss = validation.as_ref().unwrap_or(&train).loss;
        if !averages {
            self.progress.plateau.step(loss);
        }
        let progress = &mut self.progress;
        progress.epochs += 1;
        progress.averaged = self.average.count;
        let is_best = progress.best.is_none_or(|best| loss < best.loss);
        if is_best {
            progress.best = Some(Best { epoch: progress.epochs, loss });
        }
        if self.is_first() {
            let epoch = Epoch {
                number: self.progress.epochs,
                of: config.run.epochs,
                steps: self.progress.steps,
                rate,
                train,
                validation,
                batches: (steps * config.run.groups) as u64,
                patches_per_s: pace,
                waiting,
                seconds: start.elapsed().as_secs_f64(),
            };
            listener.ended(&epoch)?;
            self.save(is_best)?;
            listener.kept(&epoch);
        }
        Ok(())
    }

    /// The steps of an epoch. Returns the figures, patches per second over all processes, and the share of waiting.
    fn learn(
        &mut self,
        config: &Config,
        epoch: u64,
        steps: usize,
        rate: f64,
        bar: &Bar,
    ) -> Result<(Figures, f64, f64)> {
        let own = self.own_groups();
        let device = self.learner.computation().device;
        let first = self.progress.steps;
        let mut stage = Stage::start(&self.train, config, epoch, (first, steps), &own, device);
        // The figures of an asynchronous device are read one step later, so that it never waits.
        let behind = usize::from(device.is_cuda());
        let mut unread: VecDeque<(usize, Step, Vec<Vec<u32>>)> = VecDeque::new();
        let (mut all, mut patches) = (Figures::default(), 0);
        let start = Instant::now();
        for step in 0..steps {
            self.check_stop()?;
            let mut tracks = Vec::with_capacity(own.len());
            let batches = stage.step().map(|staged| {
                let staged = staged?;
                let on_device = staged.on(device);
                tracks.push(staged.host.tracks);
                Ok(on_device)
            });
            let outcome = self.learner.step(batches, config.run.groups, rate, &self.processes)?;
            self.progress.steps += 1;
            patches += tracks.iter().map(Vec::len).sum::<usize>();
            unread.push_back((step, outcome, tracks));
            while unread.len() > behind || (step + 1 == steps && !unread.is_empty()) {
                let (step, outcome, tracks) = unread.pop_front().expect("it is not empty");
                match outcome.read() {
                    Ok(figures) => all.add(&figures),
                    Err(broken) => return Err(self.broken(epoch, step, broken, &own, &tracks)),
                }
            }
            let pace = (patches * self.processes.count()) as f64 / start.elapsed().as_secs_f64();
            bar.step(all.loss(self.learner.terms()), all.top1(self.learner.terms()), pace);
        }
        if let Some(extra) = stage.next() {
            return Err(extra.err().unwrap_or_else(|| Error::Training("more batches than steps".into())));
        }
        let seconds = start.elapsed().as_secs_f64();
        let pace = (patches * self.processes.count()) as f64 / seconds;
        Ok((all, pace, stage.waited.as_secs_f64() / seconds))
    }

    /// The error of a batch with NaN or infinity: it names some of its tracks, and all are listed in a file.
    fn broken(&self, epoch: u64, step: usize, broken: Broken, own: &[usize], tracks: &[Vec<u32>]) -> Error {
        let place = format!("epoch {}, step {}", epoch + 1, step + 1);
        let what = "is not finite";
        let (subject, tracks): (String, Vec<u32>) = match broken {
            Broken::Loss(batch) => (format!("the loss of batch {}", own[batch]), tracks[batch].clone()),
            Broken::Gradient => ("the gradient".into(), tracks.concat()),
            Broken::Elsewhere => {
                return Error::Training(format!("{place}: a loss or gradient of another process {what}"));
            }
        };
        let names = match self.dataset.names(&tracks) {
            Ok(names) => names,
            Err(error) => vec![format!("(their names cannot be read: {error})")],
        };
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        let named = distinct[..distinct.len().min(NAMED)].join(", ");
        let more = distinct.len().saturating_sub(NAMED);
        let file = self.files.broken();
        let listed = match atomic::write(&file, (distinct.join("\n") + "\n").as_bytes()) {
            Ok(()) => format!("; all in {}", file.display()),
            Err(_) => String::new(),
        };
        let more = if more > 0 { format!(" and {more} more{listed}") } else { listed };
        Error::Training(format!("{place}: {subject} {what}; its tracks are {named}{more}"))
    }

    /// The scores of the validation part; `None` if it is empty.
    fn validate(&self) -> Result<Option<Scores>> {
        if self.validation.is_empty() {
            return Ok(None);
        }
        let device = self.learner.computation().device;
        let mut sum = self.learner.flat().figures().zeros_like();
        for batch in self.validation.batches(self.processes.rank(), self.processes.count())? {
            self.check_stop()?;
            sum += self.learner.evaluate(&batch?.upload(device))?;
        }
        self.processes.sum(&sum)?;
        Ok(Some(self.scores(&Figures::read(&sum))))
    }

    fn scores(&self, figures: &Figures) -> Scores {
        let terms = self.learner.terms();
        let mut scores = Scores { loss: figures.loss(terms), top1: figures.top1(terms), heads: Vec::new() };
        for (term, own) in terms.iter().zip(&figures.terms) {
            if own.count > 0.0 {
                let top1 = (term.loss == Loss::Pairs).then(|| own.correct / own.count);
                let (name, loss) = (term.name.clone(), own.loss / own.count);
                scores.heads.push(TermScores { name, loss, top1, items: own.count as u64 });
            }
        }
        scores
    }

    /// Writes the files of the epoch that has just ended, and last the state to resume from.
    fn save(&self, is_best: bool) -> Result<()> {
        let progress = &self.progress;
        let mut networks: Vec<PathBuf> = Vec::new();
        if is_best {
            networks.push(self.files.best());
        }
        if self.options.keep > 0 && progress.epochs.is_multiple_of(self.options.keep) {
            networks.push(self.files.epoch(progress.epochs));
        }
        for path in networks {
            write_network(&path, &self.learner, &self.described("after epoch", progress.epochs), progress)?;
        }
        let description = self.described("after epoch", progress.epochs);
        write_state(&self.files.last(), &self.learner, &self.average, &description, progress)
    }

    /// The description with a sentence about the source of the weights.
    fn described(&self, when: &str, number: u32) -> Description {
        let mut description = self.description.clone();
        let name = &self.progress.config.model.name;
        let text = format!("EfficientNet-B0 trained on {name}, {when} {number}");
        description.metadata.entry("description").or_insert_with(|| text.into());
        description
    }

    /// Sets the network to the average, and recomputes batch norm's statistics for it.
    fn finish_average(&mut self, listener: &mut dyn Listener) -> Result<()> {
        let mut weights = self.learner.flat().values().shallow_clone();
        tch::no_grad(|| weights.copy_(&self.average.values));
        let config = self.progress.config.clone();
        let device = self.learner.computation().device;
        let epoch = config.run.epochs.into();
        let steps = self.train.steps(epoch, config.run.groups)?;
        let of = (self.progress.steps, steps);
        let stage = Stage::start(&self.train, &config, epoch, of, &self.own_groups(), device);
        let stop = self.options.stop;
        let patches = stage.map(|staged| match stop.load(Ordering::Relaxed) {
            false => Ok(staged?.patches(device)),
            true => {
                Err(Error::Interrupted("stopped after the last epoch; --resume completes the run".into()))
            }
        });
        self.learner.recompute_statistics(patches, &self.processes)?;
        let scores = self.validate()?;
        if self.is_first() {
            let description = self.described("average of the last epochs:", config.swa.epochs);
            write_network(&self.files.average(), &self.learner, &description, &self.progress)?;
            listener.average(self.average.count, scores.as_ref())?;
        }
        Ok(())
    }
}

/// Reads the state of a run in a folder, without continuing it.
///
/// # Errors
/// As [`Saved::read`].
pub fn read_state(folder: &Path) -> Result<Saved> {
    Saved::read(&Files::new(folder).last())
}
