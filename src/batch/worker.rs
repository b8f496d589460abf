//! Threads that decode and, if the engine is concurrent, run batches.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, select};
use sleeve_plugin_abi::panic_message;

use super::Shared;
use super::assembler::{Assembler, Batch};
use super::input::{Input, Recording};
use crate::audio::AudioInfo;
use crate::extractor::{Frames, Summary};
use crate::front_end::musicnn::BANDS;
use crate::patches::Patcher;
use crate::{Error, Result};

/// How long a partial batch waits while no recording is being decoded: inputs that come in quick succession share
/// batches, and an input that comes alone is not delayed for long.
const FLUSH_DELAY: Duration = Duration::from_millis(50);

/// A recording for a worker.
pub(super) struct Job<'a> {
    pub recording: usize,
    pub input: Input<'a>,
    /// Set when the recording has failed, so that its rows are no longer needed.
    pub abandoned: Arc<AtomicBool>,
}

/// A message to the calling thread.
pub(super) enum Event {
    /// A recording was opened.
    Started(usize, AudioInfo),
    /// A batch was run.
    Ran(Batch),
    /// A recording is decoded to its end, or has failed. Its last rows may still be under way.
    Ended(usize, Result<Summary>),
}

/// A worker, with its ends of the channels.
pub(super) struct Worker<'r, 'a> {
    pub shared: &'r Shared<'r>,
    /// One for each extractor.
    pub assemblers: &'r [Assembler<'r>],
    pub jobs: Receiver<Job<'a>>,
    /// Full batches for idle workers.
    pub offers: Sender<Batch>,
    pub offered: Receiver<Batch>,
    /// The queue of the thread of each engine that serializes its calls.
    pub engines: Vec<Option<Sender<Batch>>>,
    pub events: Sender<Event>,
}

/// Runs the batches of an engine that serializes its calls.
pub(super) fn serve(shared: &Shared<'_>, waiting: &Receiver<Batch>, events: &Sender<Event>) {
    for batch in waiting {
        run(shared, batch, events);
    }
}

/// Runs one batch and sends it to the calling thread.
fn run(shared: &Shared<'_>, mut batch: Batch, events: &Sender<Event>) {
    let extractor = &shared.batch.lanes[batch.lane].extractor;
    let Batch { patches, rows, values, .. } = &mut batch;
    batch.outcome = if shared.stop.load(Ordering::Acquire) {
        Err(Error::Cancelled)
    } else {
        let compute = || values.compute(extractor, patches, *rows);
        // After a panic its buffers hold garbage, which is not read.
        catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|panic| {
            Err(Error::Engine { engine: extractor.engine().name(), reason: reason(&*panic) })
        })
    };
    // An error means that the run has ended.
    let _ = events.send(Event::Ran(batch));
}

/// The message of a panic.
fn reason(panic: &(dyn Any + Send)) -> String {
    format!("panicked: {}", panic_message(panic))
}

impl Worker<'_, '_> {
    pub fn work(self) {
        let mut front = Front::new(self.shared);
        loop {
            select! {
                recv(self.offered) -> batch => {
                    if let Ok(batch) = batch {
                        run(self.shared, batch, &self.events);
                    }
                }
                recv(self.jobs) -> job => match job {
                    Ok(job) => self.recording(&job, &mut front),
                    Err(_) => break,
                },
                default(FLUSH_DELAY) => self.flush_if_idle(),
            }
        }
        // No more recordings. The worker that had the last one flushes the partial batch; the others help.
        self.flush_if_idle();
        let Worker { shared, offers, offered, engines, events, .. } = self;
        drop((offers, engines));
        for batch in offered {
            run(shared, batch, &events);
        }
    }

    /// Decodes one recording and submits its patches.
    fn recording(&self, job: &Job<'_>, front: &mut Front) {
        self.shared.decoding.fetch_add(1, Ordering::AcqRel);
        let decode = || self.decode(job, front);
        let outcome = catch_unwind(AssertUnwindSafe(decode)).unwrap_or_else(|panic| {
            let path = match &job.input {
                Input::File(path) => path.clone(),
                _ => PathBuf::from("<samples>"),
            };
            Err(Error::Audio { path, reason: reason(&*panic) })
        });
        let _ = self.events.send(Event::Ended(job.recording, outcome));
        self.shared.decoding.fetch_sub(1, Ordering::AcqRel);
    }

    fn decode(&self, job: &Job<'_>, front: &mut Front) -> Result<Summary> {
        let batch = self.shared.batch;
        let stopped = || self.shared.stop.load(Ordering::Acquire) || job.abandoned.load(Ordering::Acquire);
        if stopped() {
            return Err(Error::Cancelled);
        }
        let mut recording = Recording::open(&job.input, batch.rate, &batch.audio)?;
        let audio = recording.info().clone();
        let _ = self.events.send(Event::Started(job.recording, audio.clone()));
        front.reset();
        recording.measure(&mut || !stopped())?;
        let read = |samples: &mut Vec<f32>| {
            let more = recording.read(samples)?;
            if more && stopped() {
                return Err(Error::Cancelled);
            }
            self.shared.decoded.fetch_add(samples.len() as u64, Ordering::Relaxed);
            Ok(more)
        };
        let Front { frames, patchers } = front;
        let decoded = frames.run(read, |_, frames| self.cut(job.recording, frames, patchers))?;
        for (lane, (patcher, patches)) in patchers.iter_mut().enumerate() {
            if let Some(patch) = patcher.finish(batch.lanes[lane].extractor.last_patch()) {
                self.submit(lane, job.recording, *patches, patch)?;
                *patches += 1;
            }
        }
        Ok(Summary {
            audio,
            seconds: decoded as f64 / f64::from(batch.rate),
            patches: patchers.iter().map(|(_, patches)| *patches).collect(),
            level: recording.levelled(),
            warnings: recording.warnings(),
        })
    }

    /// Submits the patches that the latest frames complete, of every extractor.
    fn cut(&self, recording: usize, frames: &[f32], patchers: &mut [(Patcher, u64)]) -> Result<()> {
        for (lane, (patcher, patches)) in patchers.iter_mut().enumerate() {
            let mut rest = frames;
            while let Some(patch) = patcher.next(&mut rest) {
                self.submit(lane, recording, *patches, patch)?;
                *patches += 1;
            }
        }
        Ok(())
    }

    fn submit(&self, lane: usize, recording: usize, index: u64, patch: &[f32]) -> Result<()> {
        if let Some(batch) = self.assemblers[lane].add(recording, index, patch)? {
            self.dispatch(batch);
        }
        Ok(())
    }

    /// Runs a batch on its engine's thread, on an idle worker, or here.
    fn dispatch(&self, batch: Batch) {
        match &self.engines[batch.lane] {
            // The queue has room for every batch.
            Some(engine) => drop(engine.send(batch)),
            None => match self.offers.try_send(batch) {
                Ok(()) => {}
                Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                    run(self.shared, batch, &self.events);
                }
            },
        }
    }

    /// Runs partial batches if no recording is being decoded that could fill them, divided among the idle workers.
    fn flush_if_idle(&self) {
        if self.shared.decoding.load(Ordering::Acquire) > 0 {
            return;
        }
        for (lane, assembler) in self.assemblers.iter().enumerate() {
            if self.engines[lane].is_none() {
                for left in (2..=self.shared.batch.workers).rev() {
                    let Some(part) = assembler.part(left) else { break };
                    if let Err(TrySendError::Full(part) | TrySendError::Disconnected(part)) =
                        self.offers.try_send(part)
                    {
                        // No worker is idle.
                        run(self.shared, part, &self.events);
                        break;
                    }
                }
            }
            if let Some(batch) = assembler.flush() {
                self.dispatch(batch);
            }
        }
    }
}

/// The front end of a worker: samples to patches, for one recording after another.
struct Front {
    frames: Frames,
    /// One for each extractor, with the number of patches it has cut.
    patchers: Vec<(Patcher, u64)>,
}

impl Front {
    fn new(shared: &Shared<'_>) -> Self {
        let patcher = |lane: &super::Lane| (Patcher::new(lane.extractor.patching(), BANDS), 0);
        Front { frames: Frames::new(), patchers: shared.batch.lanes.iter().map(patcher).collect() }
    }

    /// Discards the state of a recording that was abandoned.
    fn reset(&mut self) {
        for (patcher, patches) in &mut self.patchers {
            patcher.reset();
            *patches = 0;
        }
    }
}
