//! Threads that decode and, where the engine lets them, run batches.

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
use crate::mel::BANDS;
use crate::patches::Patcher;
use crate::{Error, Result};

/// How long a batch that is not full waits while no recording is there to fill it: those handed out late do not each
/// cost a batch, and those handed out one at a time are not kept waiting.
const PATIENCE: Duration = Duration::from_millis(50);

/// A recording that waits for a worker, or has one.
pub(super) struct Job<'a> {
    pub recording: usize,
    pub input: Input<'a>,
    /// Set when nobody wants its rows any more.
    pub abandoned: Arc<AtomicBool>,
}

/// What the caller's thread is told.
pub(super) enum Event {
    /// A recording could be opened.
    Started(usize, AudioInfo),
    /// A batch has been through the networks.
    Ran(Batch),
    /// A recording has been heard to its end, or cannot be. Its last rows may still be on their way.
    Ended(usize, Result<Summary>),
}

/// One worker's ends of everything.
pub(super) struct Worker<'r, 'a> {
    pub shared: &'r Shared<'r>,
    /// One for each extractor.
    pub assemblers: &'r [Assembler<'r>],
    pub jobs: Receiver<Job<'a>>,
    /// Full batches for workers that have nothing else to do.
    pub offers: Sender<Batch>,
    pub offered: Receiver<Batch>,
    /// The way to the thread of each engine whose calls take turns.
    pub engines: Vec<Option<Sender<Batch>>>,
    pub events: Sender<Event>,
}

/// Runs the batches of an engine whose calls take turns.
pub(super) fn serve(shared: &Shared<'_>, waiting: &Receiver<Batch>, events: &Sender<Event>) {
    for batch in waiting {
        run(shared, batch, events);
    }
}

/// Takes one batch through the networks and tells the caller.
fn run(shared: &Shared<'_>, mut batch: Batch, events: &Sender<Event>) {
    let extractor = &shared.batch.lanes[batch.lane].extractor;
    let Batch { patches, rows, values, .. } = &mut batch;
    batch.outcome = if shared.stop.load(Ordering::Acquire) {
        Err(Error::Cancelled)
    } else {
        let compute = || values.compute(extractor, patches, *rows);
        // Its buffers hold garbage then, which nobody reads.
        catch_unwind(AssertUnwindSafe(compute)).unwrap_or_else(|panic| {
            Err(Error::Engine { engine: extractor.engine().name(), reason: reason(&*panic) })
        })
    };
    // An error only says that nobody listens any more.
    let _ = events.send(Event::Ran(batch));
}

/// What a panic said.
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
                default(PATIENCE) => self.flush_if_idle(),
            }
        }
        // No more recordings. The last to have had one leaves nothing behind; the others help.
        self.flush_if_idle();
        let Worker { shared, offers, offered, engines, events, .. } = self;
        drop((offers, engines));
        for batch in offered {
            run(shared, batch, &events);
        }
    }

    /// Takes one recording from its first sample to its last patch.
    fn recording(&self, job: &Job<'_>, front: &mut Front) {
        self.shared.decoding.fetch_add(1, Ordering::AcqRel);
        let hear = || self.hear(job, front);
        let outcome = catch_unwind(AssertUnwindSafe(hear)).unwrap_or_else(|panic| {
            let path = match &job.input {
                Input::File(path) => path.clone(),
                _ => PathBuf::from("<samples>"),
            };
            Err(Error::Audio { path, reason: reason(&*panic) })
        });
        let _ = self.events.send(Event::Ended(job.recording, outcome));
        self.shared.decoding.fetch_sub(1, Ordering::AcqRel);
    }

    fn hear(&self, job: &Job<'_>, front: &mut Front) -> Result<Summary> {
        let batch = self.shared.batch;
        let unwanted = || self.shared.stop.load(Ordering::Acquire) || job.abandoned.load(Ordering::Acquire);
        if unwanted() {
            return Err(Error::Cancelled);
        }
        let mut recording = Recording::open(&job.input, batch.rate, batch.resampler)?;
        let audio = recording.info().clone();
        let _ = self.events.send(Event::Started(job.recording, audio.clone()));
        front.reset();
        let read = |samples: &mut Vec<f32>| {
            let more = recording.read(samples)?;
            if more && unwanted() {
                return Err(Error::Cancelled);
            }
            self.shared.heard.fetch_add(samples.len() as u64, Ordering::Relaxed);
            Ok(more)
        };
        let Front { frames, patchers } = front;
        let heard = frames.run(read, |frames, _| self.cut(job.recording, frames, patchers))?;
        for (lane, (patcher, patches)) in patchers.iter_mut().enumerate() {
            if let Some(patch) = patcher.finish(batch.lanes[lane].extractor.last_patch()) {
                self.submit(lane, job.recording, *patches, patch)?;
                *patches += 1;
            }
        }
        Ok(Summary {
            audio,
            seconds: heard as f64 / f64::from(batch.rate),
            patches: patchers.iter().map(|(_, patches)| *patches).collect(),
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

    /// Has a batch run: by its engine's thread, by a worker that has nothing to do, or here.
    fn dispatch(&self, batch: Batch) {
        match &self.engines[batch.lane] {
            // There is room for every batch that exists.
            Some(engine) => drop(engine.send(batch)),
            None => match self.offers.try_send(batch) {
                Ok(()) => {}
                Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)) => {
                    run(self.shared, batch, &self.events);
                }
            },
        }
    }

    /// Has the batches run that are not full if nobody is about to fill them, shared among the workers that have
    /// nothing to do.
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
                        // Nobody is waiting.
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

/// From samples to patches, for one recording after another.
struct Front {
    frames: Frames,
    /// Each extractor's, with how many it has cut.
    patchers: Vec<(Patcher, u64)>,
}

impl Front {
    fn new(shared: &Shared<'_>) -> Self {
        let patcher = |lane: &super::Lane| (Patcher::new(lane.extractor.patching(), BANDS), 0);
        Front { frames: Frames::new(), patchers: shared.batch.lanes.iter().map(patcher).collect() }
    }

    /// Forgets a recording that was left in the middle.
    fn reset(&mut self) {
        for (patcher, patches) in &mut self.patchers {
            patcher.reset();
            *patches = 0;
        }
    }
}
