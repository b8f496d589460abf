//! Runs all files through a batch extractor and writes the results.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use sleeve::audio::AudioInfo;
use sleeve::batch::{self, BatchExtractor, BatchOptions, BatchSink, Progress};
use sleeve::extractor::{Extractor, Rows, Sink, Summary};
use sleeve::model::Model;
use sleeve::patches::LastPatch;
use sleeve_files::Stamp;
use sleeve_files::names::shown;
use sleeve_files::walk::PassedOver;

use super::args::Args;
use super::entry::{Entry, LevelNote, Written};
use super::formats::{self, Target, Writer};
use super::index::{Index, ModelSettings, Settings};
use super::outputs::Names;
use super::summary::{self, Means};
use crate::inputs::Input;
use crate::terminal::{self, warn};
use crate::{default_model, interrupt};

/// The totals of a run.
#[derive(Default)]
pub struct Totals {
    pub done: usize,
    pub failed: usize,
    /// Files that were done before.
    pub skipped: usize,
    /// Seconds of audio processed.
    pub seconds: f64,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// One extractor per model. On a CPU the threads are those of the batch extractor's workers.
pub fn extractors(args: &Args) -> Result<Vec<Extractor>> {
    // A picture is for a single file, outside of the batch.
    let threads = if args.picture.is_some() { args.threads } else { 1 };
    let heads: Vec<Model> = args.heads.iter().map(Model::open).collect::<Result<_, _>>()?;
    let mut names: Vec<PathBuf> = args.models.iter().map(PathBuf::from).collect();
    let mut ours = None;
    if names.is_empty() {
        names.push(default_model::of_tags()?.into());
        // A head fits only one of the two: with a head, the caller must name the model.
        ours = default_model::of_embeddings().filter(|_| heads.is_empty()).map(PathBuf::from);
        names.extend(ours.clone());
    }
    let mut extractors: Vec<Extractor> = Vec::new();
    for name in names {
        let mut builder = args
            .audio
            .apply(Extractor::builder(args.model_args.open(&name)?))
            .engine(args.engine)
            .device(args.device.clone())
            .precision(args.precision)
            .threads(threads)
            .last_patch(args.last_patch);
        if let Some(rows) = args.batch_size {
            builder = builder.batch_size(rows);
        }
        if let Some(hop) = args.patch_hop {
            builder = builder.patch_hop(hop);
        }
        for output in &args.only {
            builder = builder.output(output);
        }
        if args.only.is_empty() && ours.as_ref() == Some(&name) {
            // It has the same tags as the first model.
            builder = builder.output("embeddings");
        }
        if let Some(input) = &args.head_input {
            builder = builder.head_input(input);
        }
        builder = builder.any_embedding_model(args.any_embedding_model);
        for head in &heads {
            builder = builder.head(head.clone());
        }
        let extractor = builder.build()?;
        if let Some(other) = extractors.iter().find(|other| other.model().name() == extractor.model().name())
        {
            bail!(
                "two models have the name {}, so their outputs would have the same names",
                other.model().name()
            );
        }
        extractors.push(extractor);
    }
    Ok(extractors)
}

/// The settings that determine the contents of the output files.
pub fn settings(args: &Args, extractors: &[Extractor]) -> Settings {
    let model = |extractor: &Extractor| ModelSettings {
        name: extractor.model().name().to_owned(),
        sha256: extractor.model().sha256().to_owned(),
        engine: extractor.engine().name().to_owned(),
        precision: args.precision.to_string(),
        sample_rate: extractor.front_end().sample_rate(),
        front_end: extractor.front_end().to_string(),
        front_end_overridden: extractor.model().is_overridden(),
        bands: extractor.front_end().bands(),
        patch_frames: extractor.patching().frames(),
        patch_hop: extractor.patching().hop(),
        hop_seconds: extractor.patching().time(1) - extractor.patching().time(0),
        heads: extractor.heads().map(|head| (head.name().to_owned(), head.sha256().to_owned())).collect(),
        head_input: args.head_input.clone(),
        any_embedding_model: args.any_embedding_model,
    };
    Settings {
        format: format!("{:?}", args.format).to_lowercase(),
        mean: args.mean,
        resampler: args.audio.resampler.to_string(),
        level: args.audio.level.to_string(),
        last_patch: args.last_patch.to_string(),
        only: args.only.clone(),
        models: extractors.iter().map(model).collect(),
    }
}

/// Analyses every input. A file that fails is reported with the reason, and the others continue.
pub fn run(
    args: &Args,
    inputs: &[Input],
    passed_over: &PassedOver,
    extractors: &[Extractor],
    bar: &ProgressBar,
) -> Result<Totals> {
    let names = Names::new(extractors, args.format);
    let stems: Vec<PathBuf> = inputs.iter().map(|input| names.stem(&input.name)).collect();
    let mut index = None;
    if let Some(directory) = &args.output {
        names.refuse_clashes(inputs, &stems, directory, |_, _| None)?;
        let opened = Index::open(directory, settings(args, extractors), args.shard, args.resume)?;
        if args.resume {
            // What is done stays: another input with the same name may not replace it.
            names.refuse_clashes(inputs, &stems, directory, |output, source| {
                opened.other_owner(output, source)
            })?;
            names.sweep(directory, &stems, &opened.file_names());
        }
        index = Some(opened);
    }
    let everything = extractors.iter().collect::<Vec<_>>();
    let options = BatchOptions::default().workers(args.threads);
    let batch = BatchExtractor::together(&everything, &options)?;
    let state = RefCell::new(State { index, taken: HashMap::new(), totals: Totals::default(), broken: None });
    let todo = inputs.iter().zip(&stems).filter(|(input, _)| {
        let mut state = state.borrow_mut();
        let skips = args.resume
            && !input.is_stdin()
            && state.index.as_mut().is_some_and(|index| index.is_done(&input.source));
        if skips {
            state.totals.skipped += 1;
            bar.inc(1);
        }
        !skips
    });
    let todo = todo.enumerate().map(|(recording, (input, stem))| {
        // Before it is read, so that a change during reading is noticed next time.
        let stamp = Stamp::read(&input.path).ok();
        let taken = Taken { input, stem, stamp, sinks: Vec::new(), error: None };
        state.borrow_mut().taken.insert(recording, taken);
        batch::Input::file(&input.path)
    });
    let mut sink =
        Files { args, extractors, bar, single: inputs.len() == 1, state: &state, stop: interrupt::watch()? };
    let totals = batch.run(todo, &mut sink)?;
    let stopped = sink.stop.load(Ordering::Acquire);
    let State { index, totals: mut ours, broken, .. } = state.into_inner();
    if let Some(error) = broken {
        return Err(error);
    }
    if let Some(index) = index {
        index.finish(passed_over)?;
    }
    // A signal after the last file has no effect.
    ours.interrupted = stopped && ours.done + ours.failed + ours.skipped < inputs.len();
    debug_assert!(ours.done + ours.failed == totals.done + totals.failed);
    Ok(ours)
}

/// State shared by the inputs and the sink.
struct State<'a> {
    index: Option<Index>,
    /// Recordings under way, by number.
    taken: HashMap<usize, Taken<'a>>,
    totals: Totals,
    /// Why the run cannot go on: standard output or the journal cannot be written.
    broken: Option<anyhow::Error>,
}

/// A file under way.
struct Taken<'a> {
    input: &'a Input,
    /// What its outputs begin with.
    stem: &'a Path,
    stamp: Option<Stamp>,
    /// One for each extractor, opened with its first rows, so that few files are open at a time.
    sinks: Vec<FileSink>,
    /// Why rows could not be written.
    error: Option<anyhow::Error>,
}

/// Passes an extractor's rows to the summary, and to files with --output.
struct FileSink {
    means: Means,
    writer: Option<Box<dyn Writer>>,
}

/// Writes the results of every file.
struct Files<'r, 'a> {
    args: &'r Args,
    extractors: &'r [Extractor],
    bar: &'r ProgressBar,
    /// Whether there is a single file, so that the bar shows seconds.
    single: bool,
    state: &'r RefCell<State<'a>>,
    stop: Arc<AtomicBool>,
}

impl Files<'_, '_> {
    fn open(&self, taken: &mut Taken<'_>) -> Result<()> {
        if !taken.sinks.is_empty() {
            return Ok(());
        }
        for extractor in self.extractors {
            let writer = match &self.args.output {
                Some(directory) => {
                    let several = self.extractors.len() > 1;
                    let target = Target::new(directory.join(taken.stem), extractor, several);
                    Some(formats::writer(self.args.format, self.args.mean, target)?)
                }
                None => None,
            };
            taken.sinks.push(FileSink { means: Means::of(extractor), writer });
        }
        Ok(())
    }

    fn take(&self, taken: &mut Taken<'_>, extractor: usize, rows: &Rows<'_>) -> Result<()> {
        self.open(taken)?;
        let sink = &mut taken.sinks[extractor];
        sink.means.rows(rows)?;
        if let Some(writer) = &mut sink.writer {
            writer.rows(rows)?;
        }
        Ok(())
    }

    /// Renames the outputs of a finished file to their final names, and prints its summary. The inner result is an error
    /// that ends the run.
    fn finish(
        &self,
        mut taken: Taken<'_>,
        summary: &Summary,
        index: Option<&mut Index>,
    ) -> Result<Result<()>> {
        self.open(&mut taken)?;
        let Taken { input, stem, stamp, sinks, .. } = taken;
        let name = input.shown();
        let mut text = summary::heading(&name, summary) + "\n";
        let mut files = Vec::new();
        let mut too_short = None;
        for (extractor, sink) in self.extractors.iter().zip(sinks) {
            text += &sink.means.describe(self.args.top, extractor, summary.seconds);
            if sink.means.is_empty() {
                too_short.get_or_insert_with(|| summary::too_short(extractor, summary.seconds));
            }
            if let Some(writer) = sink.writer {
                files.extend(writer.finish()?);
            }
        }
        let prints = self.args.output.is_none() && !self.args.quiet;
        let printed = self.bar.suspend(|| {
            for warning in &summary.warnings {
                warn(format_args!("{name}: {warning}"));
            }
            // The summary says it, too.
            if let Some(reason) = too_short.filter(|_| !prints && self.args.last_patch == LastPatch::Discard)
            {
                warn(format_args!("{name}: {reason}"));
            }
            if prints { terminal::print(&(text + "\n")) } else { Ok(()) }
        });
        if printed.is_err() {
            return Ok(printed);
        }
        let (Some(index), Some(directory)) = (index, &self.args.output) else { return Ok(Ok(())) };
        let stamp = stamp.with_context(|| format!("{name}: it was removed while it was read"))?;
        let written = |file: PathBuf| {
            let bytes = fs::metadata(&file).with_context(|| shown(&file))?.len();
            let path = file.strip_prefix(directory).map(Path::to_owned).unwrap_or(file);
            Ok(Written { path, bytes })
        };
        Ok(index.add(Entry {
            source: input.source.clone(),
            stamp,
            name: (input.name != stem).then(|| input.name.clone()),
            format: summary.audio.format.clone(),
            sample_rate: summary.audio.sample_rate,
            channels: summary.audio.channels,
            seconds: summary.seconds,
            patches: summary.patches.clone(),
            level: summary.level.map(|level| LevelNote { lufs: level.lufs, gain_db: level.gain_db }),
            files: files.into_iter().map(written).collect::<Result<_>>()?,
            warnings: summary.warnings.clone(),
        }))
    }
}

impl BatchSink for Files<'_, '_> {
    fn rows(&mut self, recording: usize, extractor: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
        let mut state = self.state.borrow_mut();
        let taken = state.taken.get_mut(&recording).expect("read from the inputs");
        self.take(taken, extractor, rows).map_err(|error| {
            taken.error = Some(error);
            sleeve::Error::Cancelled
        })
    }

    fn done(&mut self, recording: usize, outcome: sleeve::Result<Summary>) {
        let State { index, taken, totals, broken } = &mut *self.state.borrow_mut();
        let mut taken = taken.remove(&recording).expect("read from the inputs");
        let input = taken.input;
        let outcome = match (taken.error.take(), outcome) {
            (Some(error), _) => Err(error),
            // Its writers remove the temporary files.
            (None, Err(sleeve::Error::Cancelled)) => return,
            (None, Err(error)) => Err(error.into()),
            (None, Ok(summary)) => self.finish(taken, &summary, index.as_mut()).map(|ended| {
                if let Err(error) = ended {
                    broken.get_or_insert(error);
                    self.stop.store(true, Ordering::Release);
                }
                summary
            }),
        };
        match outcome {
            Ok(summary) => {
                totals.done += 1;
                totals.seconds += summary.seconds;
            }
            Err(error) => {
                totals.failed += 1;
                self.bar.suspend(|| terminal::note(format_args!("error: {}", input.message(&error))));
            }
        }
        if !self.single {
            self.bar.inc(1);
        }
    }

    fn started(&mut self, _recording: usize, audio: &AudioInfo) {
        if let (true, Some(frames)) = (self.single, audio.frames) {
            self.bar.set_length((frames as f64 / f64::from(audio.sample_rate)).ceil() as u64);
        }
    }

    fn progress(&mut self, progress: &Progress) {
        if self.single {
            self.bar.set_position((progress.seconds as u64).min(self.bar.length().unwrap_or(u64::MAX)));
        }
    }

    fn cancelled(&mut self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
