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
use crate::extractor::{Completed, Decoding, Extractor, Frames, Summary};
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
                Input::Bytes { name, .. } => PathBuf::from(format!("<{name}>")),
                _ => PathBuf::from("<samples>"),
            };
            Err(Error::Audio { path, reason: reason(&*panic) })
        });
        let _ = self.events.send(Event::Ended(job.recording, outcome));
        self.shared.decoding.fetch_sub(1, Ordering::AcqRel);
    }

    /// Decodes it once for each sample rate.
    fn decode(&self, job: &Job<'_>, front: &mut Front) -> Result<Summary> {
        let batch = self.shared.batch;
        let stopped = || self.shared.stop.load(Ordering::Acquire) || job.abandoned.load(Ordering::Acquire);
        front.reset();
        let Front { frames, cutters } = front;
        let mut whole: Option<Summary> = None;
        for (Decoding { rate, options, members }, frames) in batch.decodings.iter().zip(frames) {
            if stopped() {
                return Err(Error::Cancelled);
            }
            let mut recording = Recording::open(&job.input, *rate, options)?;
            let audio = recording.info().clone();
            if whole.is_none() {
                let _ = self.events.send(Event::Started(job.recording, audio.clone()));
            }
            recording.measure(&mut || !stopped())?;
            let counts = whole.is_none();
            let read = |samples: &mut Vec<f32>| {
                let more = recording.read(samples)?;
                if more && stopped() {
                    return Err(Error::Cancelled);
                }
                if counts {
                    self.shared.decoded.fetch_add(samples.len() as u64, Ordering::Relaxed);
                }
                Ok(more)
            };
            let decoded = frames.run(read, |_, frames| self.cut(job.recording, frames, members, cutters))?;
            for &lane in members {
                let Cutter { patcher, patches, prepared } = &mut cutters[lane];
                if let Some(patch) = patcher.finish(batch.lanes[lane].extractor.last_patch()) {
                    self.submit(lane, job.recording, *patches, patch, prepared)?;
                    *patches += 1;
                }
            }
            whole.get_or_insert_with(|| Summary {
                audio,
                seconds: decoded as f64 / f64::from(*rate),
                patches: Vec::new(),
                level: recording.levelled(),
                warnings: recording.warnings(),
            });
        }
        let mut summary = whole.expect("there is a decoding for every extractor");
        summary.patches = cutters.iter().map(|cutter| cutter.patches).collect();
        Ok(summary)
    }

    /// Submits the patches that the latest frames complete, of the extractors `members`.
    fn cut(
        &self,
        recording: usize,
        frames: &Completed<'_>,
        members: &[usize],
        cutters: &mut [Cutter],
    ) -> Result<()> {
        for &lane in members {
            let Cutter { patcher, patches, prepared } = &mut cutters[lane];
            let mut rest = frames.of(patcher.patching().front_end());
            while let Some(patch) = patcher.next(&mut rest) {
                self.submit(lane, recording, *patches, patch, prepared)?;
                *patches += 1;
            }
        }
        Ok(())
    }

    /// Adds a patch to a batch, as the network takes it. `prepared` is memory for that.
    fn submit(
        &self,
        lane: usize,
        recording: usize,
        index: u64,
        patch: &[f32],
        prepared: &mut Vec<f32>,
    ) -> Result<()> {
        let extractor = &self.shared.batch.lanes[lane].extractor;
        let patch = if extractor.preparation().is_nothing() {
            patch
        } else {
            prepared.clear();
            extractor.prepare(patch, prepared);
            prepared
        };
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

/// The front ends of a worker: samples to patches, for one recording after another.
struct Front {
    /// One for each decoding.
    frames: Vec<Frames>,
    /// One for each extractor.
    cutters: Vec<Cutter>,
}

/// Cuts the patches of one extractor.
struct Cutter {
    patcher: Patcher,
    /// Those of this recording so far.
    patches: u64,
    /// Memory for one patch as the network takes it.
    prepared: Vec<f32>,
}

impl Front {
    fn new(shared: &Shared<'_>) -> Self {
        let extractors = || shared.batch.lanes.iter().map(|lane| &lane.extractor);
        let cutter = |extractor: &Extractor| {
            let patcher = Patcher::new(extractor.patching(), extractor.front_end().bands());
            Cutter { patcher, patches: 0, prepared: Vec::new() }
        };
        let frames = |decoding: &Decoding| {
            let lanes = &shared.batch.lanes;
            Frames::new(decoding.members.iter().map(|&lane| lanes[lane].extractor.front_end()))
        };
        Front {
            frames: shared.batch.decodings.iter().map(frames).collect(),
            cutters: extractors().map(cutter).collect(),
        }
    }

    /// Discards the state of a recording that was abandoned.
    fn reset(&mut self) {
        for Cutter { patcher, patches, .. } in &mut self.cutters {
            patcher.reset();
            *patches = 0;
        }
    }
}
