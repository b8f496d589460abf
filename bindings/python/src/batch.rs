//! Many recordings: the library's batch on a thread of its own, which never touches Python. Inputs go to it and results
//! come from it through channels, and a call from Python waits for them without the GIL, and for Ctrl-C.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use numpy::PyReadonlyArray1;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use sleeve::batch::{BatchExtractor, BatchOptions, BatchSink, Input, Totals};
use sleeve::extractor::{Analysis, Extractor, Rows, Sink, Summary};
use sleeve::{Error, Result};

use crate::errors::{detached, exception};
use crate::process::Home;
use crate::results::{Parts, parts};
use crate::scale;

/// Inputs that wait for the library, and results that wait for Python, at most; the library takes some inputs more, four
/// a thread.
const MAX_WAITING: usize = 16;

/// How often a waiting call looks for signals, and a waiting run for its end.
const TICK: Duration = Duration::from_millis(50);

/// From the run to Python.
enum Event {
    /// The run could take another input.
    Hungry,
    /// The end of a recording, by its number.
    Done(usize, Result<Box<(Analysis, Summary)>>),
    /// The end of the run.
    End(Result<Totals>),
}

/// What both sides see.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    /// Results that Python has not taken.
    results: AtomicUsize,
    /// Whether the run has said that it is hungry since it was last fed.
    hungry: AtomicBool,
    /// Whether the last input was given.
    ended: AtomicBool,
}

/// A run of many recordings.
#[pyclass(frozen, module = "sleeve._sleeve")]
pub struct Run {
    /// `None` after the last input.
    feed: Mutex<Option<Sender<Input<'static>>>>,
    events: Receiver<Event>,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    home: Home,
}

impl Run {
    pub fn start(py: Python<'_>, extractor: Extractor, workers: usize) -> PyResult<Self> {
        let (feed, inputs) = bounded(MAX_WAITING);
        let (events, received) = unbounded();
        let shared = Arc::new(Shared::default());
        let run = Inside { inputs, events, shared: Arc::clone(&shared) };
        let batch = detached(py, || BatchExtractor::new(&extractor, &BatchOptions::new().workers(workers)))?;
        let work = move || {
            let events = run.events.clone();
            let mut sink = Collector { run: run.clone(), extractor, open: HashMap::new() };
            let totals = batch.run(run, &mut sink);
            let _ = events.send(Event::End(totals));
        };
        let thread = std::thread::Builder::new()
            .name("sleeve-batch".to_owned())
            .spawn(work)
            .map_err(|error| PyRuntimeError::new_err(format!("cannot start a thread: {error}")))?;
        Ok(Run {
            feed: Mutex::new(Some(feed)),
            events: received,
            shared,
            thread: Mutex::new(Some(thread)),
            home: Home::here(),
        })
    }

    fn give(&self, py: Python<'_>, input: Input<'static>) -> PyResult<()> {
        self.home.check(py, "run")?;
        let feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.shared.hungry.store(false, Ordering::Release);
        let closed = || PyRuntimeError::new_err("the run has ended");
        py.detach(|| feed?.send(input).ok()).ok_or_else(closed)
    }
}

#[pymethods]
impl Run {
    /// Whether an input can be given now without waiting.
    fn wants(&self) -> bool {
        let feed = self.feed.lock().unwrap_or_else(PoisonError::into_inner);
        feed.as_ref().is_some_and(|feed| !feed.is_full())
    }

    fn give_file(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.give(py, Input::file(path))
    }

    fn give_bytes(&self, py: Python<'_>, name: &str, bytes: &[u8]) -> PyResult<()> {
        self.give(py, Input::bytes(name, bytes))
    }

    fn give_samples(
        &self,
        py: Python<'_>,
        samples: PyReadonlyArray1<'_, f32>,
        channels: u16,
        sample_rate: u32,
    ) -> PyResult<()> {
        // Copied: they are used after this call.
        let samples = samples.as_slice()?.to_vec();
        let samples = detached(py, || scale::check(&samples).map(|()| samples))?;
        self.give(py, Input::Samples { samples: samples.into(), channels, sample_rate })
    }

    /// There are no more inputs.
    fn end(&self) {
        *self.feed.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.shared.ended.store(true, Ordering::Release);
    }

    /// Waits for the next result, in the order in which they come: the number of the recording, and its parts or its
    /// error. `None` if the run could take another input meanwhile, or at once without `wait` if there is no result.
    #[allow(clippy::type_complexity)]
    fn next<'py>(
        &self,
        py: Python<'py>,
        wait: bool,
    ) -> PyResult<Option<(usize, Option<Parts<'py>>, Option<Bound<'py, PyAny>>)>> {
        loop {
            self.home.check(py, "run")?;
            let event = match self.events.try_recv() {
                Ok(event) => Ok(event),
                Err(_) if !wait => return Ok(None),
                Err(_) => py.detach(|| self.events.recv_timeout(TICK)),
            };
            match event {
                Ok(Event::Hungry) if wait => return Ok(None),
                Ok(Event::Hungry) => {}
                Ok(Event::Done(recording, outcome)) => {
                    self.shared.results.fetch_sub(1, Ordering::AcqRel);
                    return Ok(Some(match outcome {
                        Ok(done) => {
                            let (analysis, summary) = *done;
                            (recording, Some(parts(py, &analysis, summary)), None)
                        }
                        Err(error) => {
                            let error = exception(py, &error).into_value(py).into_bound(py).into_any();
                            (recording, None, Some(error))
                        }
                    }));
                }
                Ok(Event::End(Err(error))) => return Err(exception(py, &error)),
                Ok(Event::End(Ok(_))) => return Err(PyRuntimeError::new_err("the run has ended")),
                Err(RecvTimeoutError::Timeout) => py.check_signals()?,
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(PyRuntimeError::new_err("the run ended without a word"));
                }
            }
        }
    }

    /// Ends the run within the time of a batch, and waits for that.
    fn stop(&self, py: Python<'_>) {
        self.shared.stop.store(true, Ordering::Release);
        self.end();
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // In a forked process there is no such thread.
        if let Some(thread) = thread.filter(|_| self.home.is_here()) {
            py.detach(|| drop(thread.join()));
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The thread ends by itself.
        self.shared.stop.store(true, Ordering::Release);
    }
}

/// The run's ends of the channels; also its iterator of inputs.
#[derive(Clone)]
struct Inside {
    inputs: Receiver<Input<'static>>,
    events: Sender<Event>,
    shared: Arc<Shared>,
}

impl Inside {
    fn is_stopped(&self) -> bool {
        self.shared.stop.load(Ordering::Acquire)
    }

    /// Whether Python has as many results before it as it may.
    fn is_ahead(&self) -> bool {
        self.shared.results.load(Ordering::Acquire) >= MAX_WAITING
    }

    fn ask(&self) {
        if !self.shared.hungry.swap(true, Ordering::AcqRel) {
            let _ = self.events.send(Event::Hungry);
        }
    }
}

impl Iterator for Inside {
    type Item = Input<'static>;

    /// Waits for an input: it is asked when there is one, or when nothing is under way.
    fn next(&mut self) -> Option<Input<'static>> {
        while !self.is_stopped() {
            if self.is_ahead() {
                std::thread::sleep(TICK / 10);
                continue;
            }
            if self.inputs.is_empty() {
                self.ask();
            }
            match self.inputs.recv_timeout(TICK) {
                Ok(input) => return Some(input),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return None,
            }
        }
        None
    }
}

/// Collects each recording's rows until it is done.
struct Collector {
    run: Inside,
    extractor: Extractor,
    /// Recordings under way, a few more than there are workers.
    open: HashMap<usize, Analysis>,
}

impl BatchSink for Collector {
    fn rows(&mut self, recording: usize, _extractor: usize, rows: &Rows<'_>) -> Result<()> {
        let extractor = &self.extractor;
        self.open.entry(recording).or_insert_with(|| Analysis::collect(extractor)).rows(rows)
    }

    fn done(&mut self, recording: usize, outcome: Result<Summary>) {
        let analysis = self.open.remove(&recording).unwrap_or_else(|| Analysis::collect(&self.extractor));
        let outcome = outcome.map(|summary| Box::new((analysis.finish(summary.level, Vec::new()), summary)));
        // Those that were cancelled were not asked for any more.
        if !matches!(outcome, Err(Error::Cancelled)) {
            self.run.shared.results.fetch_add(1, Ordering::AcqRel);
            let _ = self.run.events.send(Event::Done(recording, outcome));
        }
    }

    fn ready(&mut self) -> bool {
        if self.run.is_ahead() {
            return false;
        }
        // After the last, the iterator is asked at once, so that the last batch need not wait for more.
        if self.run.inputs.is_empty() && !self.run.shared.ended.load(Ordering::Acquire) {
            self.run.ask();
            return false;
        }
        true
    }

    fn cancelled(&mut self) -> bool {
        self.run.is_stopped()
    }
}
