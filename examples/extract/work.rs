//! Files in parallel: each worker has its own extractors and takes the next file when it is free.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, bail};
use indicatif::ProgressBar;
use sleeve::extractor::{Extractor, Rows, Sink, Summary, run_file_together};
use sleeve::model::Model;

use crate::args::Args;
use crate::formats::{self, Target, Writer};
use crate::index::{Entry, Index, ModelSettings, Settings, stamp};
use crate::inputs::Input;
use crate::summary::{self, Means};

/// What a run came to.
#[derive(Default)]
pub struct Totals {
    pub done: usize,
    pub failed: usize,
    /// Seconds of audio heard.
    pub seconds: f64,
}

/// One extractor a model, each with the given number of threads.
pub fn extractors(args: &Args, threads: usize) -> Result<Vec<Extractor>> {
    let heads: Vec<Model> = args.heads.iter().map(Model::open).collect::<Result<_, _>>()?;
    let mut names: Vec<&str> = args.models.iter().map(String::as_str).collect();
    if names.is_empty() {
        names.extend(Model::bundled_names().next());
    }
    if names.is_empty() {
        bail!("this build has no model inside: name one with --model");
    }
    let mut extractors: Vec<Extractor> = Vec::new();
    for name in names {
        let mut builder = Extractor::builder(Model::open(name)?)
            .engine(args.engine)
            .device(args.device.clone())
            .precision(args.precision)
            .threads(threads)
            .resampler(args.resampler)
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
        for head in &heads {
            builder = builder.head(head.clone());
        }
        let extractor = builder.build()?;
        if let Some(other) = extractors.iter().find(|other| other.model().name() == extractor.model().name())
        {
            bail!("two models are called {}: their outputs would have one name", other.model().name());
        }
        extractors.push(extractor);
    }
    Ok(extractors)
}

/// What decides the contents of the output files.
pub fn settings(args: &Args, extractors: &[Extractor]) -> Settings {
    let model = |extractor: &Extractor| ModelSettings {
        name: extractor.model().name().to_owned(),
        sha256: extractor.model().sha256().to_owned(),
        engine: extractor.engine().name().to_owned(),
        precision: args.precision.to_string(),
        sample_rate: extractor.model().sample_rate(),
        patch_frames: extractor.patching().frames(),
        patch_hop: extractor.patching().hop(),
        hop_seconds: extractor.patching().time(1),
        heads: extractor.heads().map(|head| (head.name().to_owned(), head.sha256().to_owned())).collect(),
    };
    Settings {
        format: format!("{:?}", args.format).to_lowercase(),
        mean: args.mean,
        resampler: args.resampler.to_string(),
        last_patch: args.last_patch.to_string(),
        only: args.only.clone(),
        models: extractors.iter().map(model).collect(),
    }
}

/// Analyses every input. A file that fails is named with its reason and the rest goes on.
pub fn run(args: &Args, inputs: &[Input], first: Vec<Extractor>, bar: &ProgressBar) -> Result<Totals> {
    let threads = available_threads(args.threads);
    let workers = threads.min(inputs.len()).max(1);
    let each = (threads / workers).max(1);
    let index = match &args.output {
        Some(directory) => Some(Index::open(directory, settings(args, &first), args.shard)?),
        None => None,
    };
    let shared = Shared {
        args,
        inputs,
        bar,
        next: AtomicUsize::new(0),
        index: Mutex::new(index),
        totals: Mutex::default(),
    };
    let mut sets = Vec::new();
    // The extractors made to check the command line serve the first worker, unless it gets more threads.
    for worker in 0..workers {
        sets.push(if worker > 0 || each != threads { extractors(args, each)? } else { Vec::new() });
    }
    if sets.first().is_some_and(Vec::is_empty) {
        sets[0] = first;
    }
    std::thread::scope(|scope| {
        for set in &sets {
            scope.spawn(|| shared.work(set));
        }
    });
    if let Some(index) = shared.index.into_inner().expect("no worker panicked") {
        index.finish()?;
    }
    Ok(shared.totals.into_inner().expect("no worker panicked"))
}

/// The threads to use, 0 meaning every core this process may use.
pub fn available_threads(asked: usize) -> usize {
    if asked > 0 { asked } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

struct Shared<'a> {
    args: &'a Args,
    inputs: &'a [Input],
    bar: &'a ProgressBar,
    next: AtomicUsize,
    index: Mutex<Option<Index>>,
    totals: Mutex<Totals>,
}

impl Shared<'_> {
    fn work(&self, extractors: &[Extractor]) {
        while let Some(input) = self.inputs.get(self.next.fetch_add(1, Ordering::Relaxed)) {
            let outcome =
                if self.skips(&input.path) { Ok(None) } else { self.one(input, extractors).map(Some) };
            let mut totals = self.totals.lock().expect("no worker panicked");
            match outcome {
                Ok(Some(summary)) => {
                    totals.done += 1;
                    totals.seconds += summary.seconds;
                }
                Ok(None) => {}
                Err(error) => {
                    totals.failed += 1;
                    self.bar.suspend(|| eprintln!("error: {error:#}"));
                }
            }
            self.bar.inc(1);
        }
    }

    fn skips(&self, source: &Path) -> bool {
        let index = self.index.lock().expect("no worker panicked");
        self.args.resume && index.as_ref().is_some_and(|index| index.is_done(source))
    }

    fn one(&self, input: &Input, extractors: &[Extractor]) -> Result<Summary> {
        // Taken before reading: a file that changes meanwhile counts as changed.
        let stamp = stamp(&input.path);
        let mut sinks: Vec<FileSink<'_>> = Vec::new();
        for extractor in extractors {
            let writer = match &self.args.output {
                Some(directory) => {
                    let target = Target::new(directory, &input.name, extractor, extractors.len() > 1);
                    Some(formats::writer(self.args.format, self.args.mean, target)?)
                }
                None => None,
            };
            let bar = (self.inputs.len() == 1).then_some(self.bar);
            sinks.push(FileSink { means: Means::of(extractor), writer, bar });
        }
        let mut lanes: Vec<(&Extractor, &mut dyn Sink)> = extractors
            .iter()
            .zip(&mut sinks)
            .map(|(extractor, sink)| (extractor, sink as &mut dyn Sink))
            .collect();
        let summary = run_file_together(&mut lanes, &input.path)?;
        drop(lanes);

        let mut text = summary::heading(&input.path.display().to_string(), &summary) + "\n";
        let mut files = Vec::new();
        for (extractor, sink) in extractors.iter().zip(sinks) {
            text += &sink.means.describe(self.args.top, extractor);
            if let Some(writer) = sink.writer {
                files.extend(writer.finish()?);
            }
        }
        self.bar.suspend(|| {
            for warning in &summary.warnings {
                eprintln!("warning: {}: {warning}", input.path.display());
            }
            if self.args.output.is_none() && !self.args.quiet {
                println!("{text}");
            }
        });
        self.note(input, &summary, files, stamp)?;
        Ok(summary)
    }

    fn note(
        &self,
        input: &Input,
        summary: &Summary,
        files: Vec<std::path::PathBuf>,
        stamp: Option<(u64, u64)>,
    ) -> Result<()> {
        let mut index = self.index.lock().expect("no worker panicked");
        let (Some(index), Some(directory)) = (index.as_mut(), &self.args.output) else { return Ok(()) };
        let (bytes, modified) = stamp.context("the file vanished while it was read")?;
        let files = files
            .into_iter()
            .map(|file| file.strip_prefix(directory).map(Path::to_owned).unwrap_or(file))
            .collect();
        index.add(Entry {
            source: input.path.clone(),
            bytes,
            modified,
            format: summary.audio.format.clone(),
            sample_rate: summary.audio.sample_rate,
            channels: summary.audio.channels,
            seconds: summary.seconds,
            patches: summary.patches.clone(),
            files,
            warnings: summary.warnings.clone(),
        })
    }
}

/// Rows to a summary, and to files if there is somewhere to write.
struct FileSink<'a> {
    means: Means,
    writer: Option<Box<dyn Writer>>,
    /// Where seconds are shown, when there is only one file.
    bar: Option<&'a ProgressBar>,
}

impl Sink for FileSink<'_> {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        self.means.rows(rows)?;
        match &mut self.writer {
            Some(writer) => writer.rows(rows),
            None => Ok(()),
        }
    }

    fn progress(&mut self, seconds: f64, claimed_total: Option<f64>) {
        if let (Some(bar), Some(total)) = (self.bar, claimed_total) {
            bar.set_length(total.ceil() as u64);
            bar.set_position((seconds as u64).min(total as u64));
        }
    }
}
