//! Many recordings through one extractor: full batches, in memory that depends neither on how many there are nor on
//! how long they play.
//!
//! ```text
//! inputs ── jobs ──> workers: decode, mel, patches ──> assembler ──> engine ──> the caller's sink
//!    ^                                                    ^                            │
//!    └── pulled as workers come free                      └──── emptied batches ───────┘
//! ```
//!
//! Each worker takes the next recording and cuts it into patches, which an assembler gathers into full batches, whoever
//! they belong to. On a CPU the worker that fills a batch takes it through the network itself, unless another is
//! idle, so that all threads are busy whether decoding or the network is what takes long. An engine whose calls take
//! turns (a GPU) gets a thread of its own, and a full batch waiting while another runs.
//!
//! A fixed number of batches goes round. Whoever needs an empty one waits until the caller's sink has taken the rows of
//! a full one, so nothing piles up before a slow engine or behind a slow sink, nor does a long recording run ahead
//! while short ones wait: all fill the same batches, in turn.
//!
//! Rows are the same bits that [`Extractor::extract_file`] gives, whatever the workers and batches.
//!
//! **Threads.** Everything of the caller's is called on the thread that called [`BatchExtractor::run`], one call at a
//! time: the iterator of inputs and every method of the [`BatchSink`]. A slow one holds up the rest, never breaks it.
//!
//! ```no_run
//! use sleeve::batch::{BatchExtractor, BatchOptions, BatchSink, Input};
//! use sleeve::extractor::{Extractor, Rows, Summary};
//! use sleeve::model::Model;
//!
//! struct Print;
//!
//! impl BatchSink for Print {
//!     fn rows(&mut self, recording: usize, _extractor: usize, rows: &Rows<'_>) -> sleeve::Result<()> {
//!         println!("recording {recording}: {} rows from {} s on", rows.times.len(), rows.times[0]);
//!         Ok(())
//!     }
//!
//!     fn done(&mut self, recording: usize, outcome: sleeve::Result<Summary>) {
//!         match outcome {
//!             Ok(summary) => println!("recording {recording}: {} s in all", summary.seconds),
//!             Err(error) => println!("recording {recording}: {error}"),
//!         }
//!     }
//! }
//!
//! let extractor = Extractor::builder(Model::bundled("msd-musicnn-1")?).build()?;
//! let batch = BatchExtractor::new(&extractor, &BatchOptions::default())?;
//! let inputs = ["a.mp3", "b.flac"].map(Input::file);
//! let totals = batch.run(inputs, &mut Print)?;
//! println!("{} done, {} failed", totals.done, totals.failed);
//! # Ok::<(), sleeve::Error>(())
//! ```

mod assembler;
mod caller;
mod input;
mod sink;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::thread::{Builder, Scope};

use crossbeam_channel::{bounded, unbounded};

use crate::audio::Resampler;
use crate::extractor::{Extractor, shared_front};
use crate::{Error, Result};

use assembler::{Assembler, Batch, Gauge};
use caller::Caller;
use worker::Worker;

pub use input::Input;
pub use sink::{BatchSink, Progress, Totals};

/// More threads than any machine this could run on has cores.
const MAX_WORKERS: usize = 1024;

/// Patches that may be on their way at least, where nothing else is asked for: with batches of one patch, as many as
/// there are workers would make each wait for every row to be taken.
const LEAST_IN_FLIGHT: usize = 32;

/// How many recordings go through at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchOptions {
    /// Threads that decode, and that run the network where it runs on a CPU; 0 (the default) means every core the
    /// process may use.
    pub workers: usize,
    /// The most patches of each extractor that exist at a time, between decoder and sink, rounded up to whole batches.
    /// 0 (the default) means as many as keep every thread busy: on a CPU about one and a half batches a worker, with an
    /// engine whose calls take turns four.
    pub patches_in_flight: usize,
}

/// Takes many recordings through one or more extractors.
pub struct BatchExtractor {
    lanes: Vec<Lane>,
    workers: usize,
    rate: u32,
    resampler: Resampler,
}

/// One extractor's part.
struct Lane {
    extractor: Extractor,
    /// Whether every worker may run batches; else they take turns on a thread of their own.
    concurrent: bool,
    /// Batches that go round.
    batches: usize,
}

impl BatchExtractor {
    /// Prepares batches of `extractor`. Its own number of threads does not matter on a CPU: there every worker computes
    /// on one, with weights shared.
    ///
    /// # Errors
    /// `InvalidArgument` for more workers than any machine has.
    pub fn new(extractor: &Extractor, options: &BatchOptions) -> Result<Self> {
        Self::together(&[extractor], options)
    }

    /// The same for several extractors that share one decoding of each recording.
    ///
    /// # Errors
    /// As [`BatchExtractor::new`]; `InvalidArgument` if there is none, or they do not share sample rate and resampler.
    pub fn together(extractors: &[&Extractor], options: &BatchOptions) -> Result<Self> {
        let (rate, resampler) = shared_front(extractors.iter().copied())?;
        let workers = match options.workers {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            workers if workers <= MAX_WORKERS => workers,
            workers => {
                return Err(Error::InvalidArgument(format!("{workers} workers; at most {MAX_WORKERS}")));
            }
        };
        let lane = |extractor: &Extractor| {
            let (extractor, concurrent) = extractor.concurrent();
            let size = extractor.batch_size();
            let batches = match options.patches_in_flight {
                0 if concurrent => (workers + workers.div_ceil(2) + 2).max(LEAST_IN_FLIGHT.div_ceil(size)),
                0 => 4.max(LEAST_IN_FLIGHT.div_ceil(size)),
                patches => patches.div_ceil(size),
            };
            Lane { extractor, concurrent, batches }
        };
        let lanes = extractors.iter().map(|extractor| lane(extractor)).collect();
        Ok(Self { lanes, workers, rate, resampler })
    }

    /// Takes every input through the extractors and returns what it came to, when all are done or the sink has
    /// cancelled. Recordings are numbered from 0 in the order of the iterator, which is asked for the next one as
    /// workers come free, four for each of them ahead. A batch that is not full is run when all are done, or when no
    /// input has come for a twentieth of a second.
    ///
    /// # Errors
    /// `Unavailable` if threads cannot be started. What fails of a recording goes to [`BatchSink::done`].
    pub fn run<'a>(
        &self,
        inputs: impl IntoIterator<Item = Input<'a>>,
        sink: &mut dyn BatchSink,
    ) -> Result<Totals> {
        let shared = Shared {
            batch: self,
            stop: AtomicBool::new(false),
            decoding: AtomicUsize::new(0),
            heard: AtomicU64::new(0),
            gauge: Gauge::default(),
        };
        // Bounded by what goes round: batches, and two messages for each recording handed out.
        let (events, news) = unbounded();
        let (jobs, queue) = bounded(4 * self.workers);
        // Without room: an offer is taken by a worker that is waiting, or comes back.
        let (offers, offered) = bounded(0);
        let (mut assemblers, mut returns) = (Vec::new(), Vec::new());
        for (index, lane) in self.lanes.iter().enumerate() {
            let (empty, free) = bounded(lane.batches);
            for _ in 0..lane.batches {
                empty.send(Batch::new(index)).expect("room for each");
            }
            assemblers.push(Assembler::new(lane.extractor.batch_size(), &shared.gauge, free));
            returns.push(empty);
        }
        std::thread::scope(|scope| {
            // When it goes, for whatever reason, all threads find out and end.
            let mut caller = Caller::new(&shared, inputs.into_iter(), sink, jobs, news, returns);
            let mut engines = Vec::new();
            for (index, lane) in self.lanes.iter().enumerate() {
                let mut queue = None;
                if !lane.concurrent {
                    let (full, waiting) = bounded(lane.batches);
                    let (shared, events) = (&shared, events.clone());
                    start(scope, format!("engine-{index}"), move || {
                        worker::serve(shared, &waiting, &events)
                    })?;
                    queue = Some(full);
                }
                engines.push(queue);
            }
            for index in 0..self.workers {
                let worker = Worker {
                    shared: &shared,
                    assemblers: &assemblers,
                    jobs: queue.clone(),
                    offers: offers.clone(),
                    offered: offered.clone(),
                    engines: engines.clone(),
                    events: events.clone(),
                };
                start(scope, format!("worker-{index}"), move || worker.work())?;
            }
            // The workers' ends of every channel are theirs alone from here on.
            drop((engines, queue, offers, offered, events));
            Ok(caller.run())
        })
    }
}

fn start<'scope>(
    scope: &'scope Scope<'scope, '_>,
    name: String,
    work: impl FnOnce() + Send + 'scope,
) -> Result<()> {
    let builder = Builder::new().name(format!("sleeve-{name}"));
    match builder.spawn_scoped(scope, work) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Unavailable(format!("cannot start a thread: {error}"))),
    }
}

/// What all threads of a run see.
struct Shared<'r> {
    batch: &'r BatchExtractor,
    /// Nobody wants the results any more.
    stop: AtomicBool,
    /// Workers that have a recording.
    decoding: AtomicUsize,
    /// Samples heard, at the model's rate.
    heard: AtomicU64,
    gauge: Gauge,
}
