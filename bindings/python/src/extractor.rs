//! The extractor.

use std::path::PathBuf;

use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use sleeve::extractor::{Analysis, Extractor, Sink, Summary};
use sleeve::model::{Model, ModelOptions};

use crate::batch::Run;
use crate::errors::detached;
use crate::process::{Home, makes_engines};
use crate::results::{Output, Parts, describe, parts};
use crate::scale;
use crate::stream::Stream;
use crate::watch::{Watched, is_main};

/// The options of `sleeve.Extractor`, which documents them.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Options {
    heads: Vec<PathBuf>,
    head_input: Option<String>,
    any_embedding_model: bool,
    front_end: Option<String>,
    device: String,
    engine: String,
    precision: String,
    threads: usize,
    batch_size: Option<usize>,
    patch_hop: Option<usize>,
    last_patch: String,
    outputs: Vec<String>,
    resampler: String,
    level: String,
    normalise: bool,
    ffmpeg: PathBuf,
}

/// A larger number of threads is a mistake that could exhaust the system.
const MAX_THREADS: usize = 1024;

impl Options {
    fn open(&self, model: &PathBuf) -> sleeve::Result<Model> {
        let options = match &self.front_end {
            Some(name) => ModelOptions::new().front_end(name.parse()?),
            None => ModelOptions::new(),
        };
        Model::open_with(model, &options)
    }

    fn build(self, model: &PathBuf) -> sleeve::Result<Extractor> {
        let mut builder = Extractor::builder(self.open(model)?)
            .any_embedding_model(self.any_embedding_model)
            .device(self.device.parse()?)
            .engine(self.engine.parse()?)
            .precision(self.precision.parse()?)
            .threads(self.threads)
            .last_patch(self.last_patch.parse()?)
            .resampler(self.resampler.parse()?)
            .level(self.level.parse()?)
            .normalise(self.normalise)
            .ffmpeg(ffmpeg(&self.ffmpeg)?);
        for head in &self.heads {
            let head = Model::open(head)?;
            if !head.is_head() {
                let reason = "is not a head: it takes mel patches, not embeddings";
                return Err(sleeve::Error::model(head.name(), reason));
            }
            builder = builder.head(head);
        }
        if let Some(name) = self.head_input {
            builder = builder.head_input(name);
        }
        if let Some(rows) = self.batch_size {
            builder = builder.batch_size(rows);
        }
        if let Some(frames) = self.patch_hop {
            builder = builder.patch_hop(frames);
        }
        self.outputs.into_iter().fold(builder, |builder, name| builder.output(name)).build()
    }
}

/// A word, or the path of the program, which need not be UTF-8.
pub fn ffmpeg(value: &std::path::Path) -> sleeve::Result<sleeve::audio::Ffmpeg> {
    match value.to_str() {
        Some(text) => text.parse(),
        None => Ok(sleeve::audio::Ffmpeg::Path(value.to_owned())),
    }
}

/// A loaded model with its engine and heads, behind `sleeve.Extractor`.
#[pyclass(frozen, module = "sleeve._sleeve")]
pub struct Core {
    extractor: Extractor,
    threads: usize,
    home: Home,
}

impl Core {
    pub fn extractor(&self) -> &Extractor {
        &self.extractor
    }

    /// Runs a recording without the GIL.
    fn run<'py>(
        &self,
        py: Python<'py>,
        work: impl FnOnce(&mut dyn Sink) -> sleeve::Result<Summary> + Send,
    ) -> PyResult<Parts<'py>> {
        self.home.check(py, "extractor")?;
        let main = is_main(py)?;
        let mut raised = None;
        let outcome = detached(py, || {
            let mut analysis = Analysis::collect(&self.extractor);
            let mut watched = Watched::new(&mut analysis, main);
            let summary = work(&mut watched);
            raised = watched.raised();
            let summary = summary?;
            Ok((analysis.finish(summary.level, Vec::new()), summary))
        });
        if let Some(raised) = raised {
            return Err(raised);
        }
        let (analysis, summary) = outcome?;
        Ok(parts(py, &analysis, summary))
    }
}

#[pymethods]
impl Core {
    #[new]
    fn new(py: Python<'_>, model: PathBuf, options: Options) -> PyResult<Self> {
        let threads = options.threads;
        if threads > MAX_THREADS {
            return Err(PyValueError::new_err(format!("{threads} threads; at most {MAX_THREADS}")));
        }
        makes_engines(py)?;
        let extractor = detached(py, || options.build(&model))?;
        Ok(Core { extractor, threads, home: Home::here() })
    }

    fn extract_file<'py>(&self, py: Python<'py>, path: PathBuf) -> PyResult<Parts<'py>> {
        self.run(py, |sink| self.extractor.run_file(&path, sink))
    }

    fn extract_bytes<'py>(&self, py: Python<'py>, name: &str, bytes: &[u8]) -> PyResult<Parts<'py>> {
        // Copied: Python may free them before a decoder that is not done with them.
        self.run(py, |sink| self.extractor.run_bytes(name, bytes, sink))
    }

    /// Interleaved samples, contiguous.
    fn extract_samples<'py>(
        &self,
        py: Python<'py>,
        samples: PyReadonlyArray1<'py, f32>,
        channels: u16,
        sample_rate: u32,
    ) -> PyResult<Parts<'py>> {
        let samples = samples.as_slice()?;
        self.run(py, |sink| {
            scale::check(samples)?;
            self.extractor.run_interleaved(samples, channels, sample_rate, sink)
        })
    }

    /// A run of many recordings.
    fn batch(&self, py: Python<'_>, threads: Option<usize>) -> PyResult<Run> {
        self.home.check(py, "extractor")?;
        Run::start(py, self.extractor.clone(), threads.unwrap_or(self.threads))
    }

    fn stream(
        &self,
        py: Python<'_>,
        sample_rate: u32,
        channels: u16,
        capacity_seconds: f64,
    ) -> PyResult<Stream> {
        self.home.check(py, "extractor")?;
        Stream::open(py, &self.extractor, sample_rate, channels, capacity_seconds)
    }

    /// Refuses the extractor in a forked process.
    fn check(&self, py: Python<'_>) -> PyResult<()> {
        self.home.check(py, "extractor")
    }

    #[getter]
    fn outputs(&self) -> Vec<Output> {
        self.extractor.outputs().map(describe).collect()
    }

    #[getter]
    fn model(&self) -> &str {
        self.extractor.model().name()
    }

    #[getter]
    fn sha256(&self) -> &str {
        self.extractor.model().sha256()
    }

    /// The model's metadata as JSON.
    #[getter]
    fn metadata(&self) -> String {
        self.extractor.model().metadata().to_json()
    }

    /// The engine's short name, and what it runs on.
    #[getter]
    fn engine(&self) -> (&'static str, String) {
        let engine = self.extractor.engine();
        (engine.name(), engine.describe())
    }

    #[getter]
    fn front_end(&self) -> &'static str {
        self.extractor.front_end().name()
    }

    #[getter]
    fn sample_rate(&self) -> u32 {
        self.extractor.front_end().sample_rate()
    }

    #[getter]
    fn batch_size(&self) -> usize {
        self.extractor.batch_size()
    }

    /// Seconds of a patch, and from the start of one to that of the next.
    #[getter]
    fn patching(&self) -> (f64, f64) {
        let patching = self.extractor.patching();
        (patching.duration(), patching.time(1) - patching.time(0))
    }

    #[getter]
    fn warnings(&self) -> Vec<String> {
        self.extractor.warnings().to_vec()
    }
}
