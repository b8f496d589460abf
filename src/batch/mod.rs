//! Many recordings through one extractor, in full batches and in memory that depends neither on the number of
//! recordings nor on their length.
//!
//! ```text
//! inputs ── jobs ──> workers: decode, mel, patches ──> assembler ──> engine ──> the caller's sink
//!    ^                                                    ^                            │
//!    └── read as workers become idle                      └──── empty batches ─────────┘
//! ```
//!
//! Each worker decodes a recording and cuts it into patches. An assembler collects the patches of all workers into full
//! batches. On a CPU, a full batch is run by an idle worker, or else by the worker that filled it: all threads stay
//! busy, whether decoding or the network takes longer. An engine that serializes its calls (a GPU) has its own thread,
//! with the next batch ready while one runs.
//!
//! The number of batches is fixed. A worker that needs an empty one waits until the sink has received the rows of a
//! full one, so neither a slow engine nor a slow sink makes memory grow. All recordings fill the same batches in turn,
//! so a long one does not hold up short ones.
//!
//! Rows have the same bits as those of [`Extractor::extract_file`], whatever the number of workers and the batch size.
//!
//! **Threads.** The iterator of inputs and every method of the [`BatchSink`] are called on the thread that called
//! [`BatchExtractor::run`], one call at a time. A slow one delays the rest, and does no other harm.
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
//!             Ok(summary) => println!("recording {recording}: {} s of audio", summary.seconds),
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

use crate::extractor::{Decoding, Extractor, decodings};
use crate::{Error, Result};

use assembler::{Assembler, Batch, Gauge};
use caller::Caller;
use worker::Worker;

pub use input::Input;
pub use sink::{BatchSink, Progress, Totals};

/// More threads than any machine this could run on has cores.
const MAX_WORKERS: usize = 1024;

/// The smallest default of patches in flight: with batches of one patch, one batch per worker would make each wait
/// for the sink after every patch.
const MIN_IN_FLIGHT: usize = 32;

/// Options of a batch: threads and memory.
///
/// ```
/// use sleeve::batch::BatchOptions;
///
/// let options = BatchOptions::new().workers(8);
/// assert_eq!(options.patches_in_flight, 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BatchOptions {
    /// Threads that decode, and on a CPU also run the network; 0 (the default) means every core that the process may
    /// use.
    pub workers: usize,
    /// The maximum number of patches of each extractor between decoder and sink, rounded up to whole batches. 0 (the
    /// default) means enough to keep every thread busy: about one and a half batches per worker on a CPU, four batches
    /// for an engine that serializes its calls.
    pub patches_in_flight: usize,
}

impl BatchOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of threads.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// Sets the maximum number of patches between decoder and sink.
    pub fn patches_in_flight(mut self, patches: usize) -> Self {
        self.patches_in_flight = patches;
        self
    }
}

/// Runs many recordings through one or more extractors; see the [module](self) for an example.
pub struct BatchExtractor {
    lanes: Vec<Lane>,
    workers: usize,
    /// What a recording is decoded for: once for each sample rate.
    decodings: Vec<Decoding>,
}

/// One extractor of a run.
struct Lane {
    extractor: Extractor,
    /// Whether every worker may run batches; else the engine has its own thread.
    concurrent: bool,
    /// The number of batches.
    batches: usize,
}

impl BatchExtractor {
    /// Prepares batches of `extractor`. On a CPU, its number of threads is ignored: every worker computes on one
    /// thread, and all share the weights.
    ///
    /// # Errors
    /// `InvalidArgument` for more than 1,024 workers; `Unavailable` on WebAssembly without threads.
    pub fn new(extractor: &Extractor, options: &BatchOptions) -> Result<Self> {
        Self::together(&[extractor], options)
    }

    /// [`new`](Self::new) for several extractors: each recording is decoded once for all that take the same sample rate.
    ///
    /// # Errors
    /// As [`BatchExtractor::new`]; `InvalidArgument` if the list is empty, or audio options differ.
    pub fn together(extractors: &[&Extractor], options: &BatchOptions) -> Result<Self> {
        if cfg!(all(target_family = "wasm", not(target_feature = "atomics"))) {
            let why = "a batch needs threads, which this target does not have; extract one recording after the other";
            return Err(Error::Unavailable(why.into()));
        }
        let decodings = decodings(extractors.iter().copied())?;
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
                0 if concurrent => (workers + workers.div_ceil(2) + 2).max(MIN_IN_FLIGHT.div_ceil(size)),
                0 => 4.max(MIN_IN_FLIGHT.div_ceil(size)),
                patches => patches.div_ceil(size),
            };
            Lane { extractor, concurrent, batches }
        };
        let lanes = extractors.iter().map(|extractor| lane(extractor)).collect();
        Ok(Self { lanes, workers, decodings })
    }

    /// Runs every input through the extractors, until all are done or the sink cancels. Recordings are numbered from 0
    /// in the order of the iterator, which is read as workers become idle, up to four inputs per worker ahead. A batch
    /// that is not full is run when all inputs are done, or when none has come for 50 ms.
    ///
    /// # Errors
    /// `Unavailable` if threads cannot be started. The failure of a recording goes to [`BatchSink::done`].
    pub fn run<'a>(
        &self,
        inputs: impl IntoIterator<Item = Input<'a>>,
        sink: &mut dyn BatchSink,
    ) -> Result<Totals> {
        let shared = Shared {
            batch: self,
            stop: AtomicBool::new(false),
            decoding: AtomicUsize::new(0),
            decoded: AtomicU64::new(0),
            gauge: Gauge::default(),
        };
        // Bounded by the number of batches, and by two messages per recording under way.
        let (events, received) = unbounded();
        let (jobs, queue) = bounded(4 * self.workers);
        // Capacity 0: an offer is taken by a worker that is waiting, or returned at once.
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
            // When it is dropped, also by a panic, all threads notice and end.
            let mut caller = Caller::new(&shared, inputs.into_iter(), sink, jobs, received, returns);
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
            // From here on only the workers hold their ends of the channels.
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

/// What the threads of a run share.
struct Shared<'r> {
    batch: &'r BatchExtractor,
    /// The run was cancelled or has ended.
    stop: AtomicBool,
    /// Workers that are decoding a recording.
    decoding: AtomicUsize,
    /// Samples decoded, at the model's rate.
    decoded: AtomicU64,
    gauge: Gauge,
}
