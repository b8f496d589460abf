//! The calling thread: it hands out recordings, gives the sink their rows in order, and notices when each is complete.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use super::assembler::{Batch, Segment};
use super::worker::{Event, Job};
use super::{BatchSink, Input, Progress, Shared, Totals};
use crate::Error;
use crate::extractor::{Rows, Summary};

/// The longest time between two progress and cancellation callbacks.
const TICK: Duration = Duration::from_millis(100);

/// The caller's side of a run.
pub(super) struct Caller<'r, 'a, I> {
    shared: &'r Shared<'r>,
    inputs: I,
    sink: &'r mut dyn BatchSink,
    /// `None` once all inputs are handed out.
    jobs: Option<Sender<Job<'a>>>,
    events: Receiver<Event>,
    lanes: Vec<Order>,
    /// Recordings that were handed out and are not done.
    open: BTreeMap<usize, Open>,
    /// The number of the next recording.
    next: usize,
    totals: Totals,
    reported: Instant,
}

/// Restores the order of one extractor's batches.
struct Order {
    next: u64,
    early: BTreeMap<u64, Batch>,
    /// Where empty batches are returned.
    empty: Sender<Batch>,
}

impl Order {
    fn next_in_order(&mut self) -> Option<Batch> {
        let batch = self.early.remove(&self.next)?;
        self.next += 1;
        Some(batch)
    }
}

/// A recording under way.
struct Open {
    /// Rows given to the sink, from each extractor.
    given: Vec<u64>,
    /// The summary, once the recording is decoded to its end.
    ended: Option<Summary>,
    abandoned: Arc<AtomicBool>,
}

impl<'r, 'a, I: Iterator<Item = Input<'a>>> Caller<'r, 'a, I> {
    pub fn new(
        shared: &'r Shared<'r>,
        inputs: I,
        sink: &'r mut dyn BatchSink,
        jobs: Sender<Job<'a>>,
        events: Receiver<Event>,
        empty: Vec<Sender<Batch>>,
    ) -> Self {
        let order = |empty| Order { next: 0, early: BTreeMap::new(), empty };
        Caller {
            shared,
            inputs,
            sink,
            jobs: Some(jobs),
            events,
            lanes: empty.into_iter().map(order).collect(),
            open: BTreeMap::new(),
            next: 0,
            totals: Totals::default(),
            reported: Instant::now(),
        }
    }

    /// Runs until all recordings are done, or the sink cancels.
    pub fn run(&mut self) -> Totals {
        loop {
            if self.sink.cancelled() {
                self.cancel();
                break;
            }
            self.hand_out();
            if self.jobs.is_none() && self.open.is_empty() {
                break;
            }
            match self.events.recv_timeout(TICK) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.give_up(),
            }
            if self.reported.elapsed() >= TICK {
                self.report();
            }
        }
        self.totals.peak_patches = self.shared.gauge.peak();
        self.totals
    }

    /// Keeps the workers' queue full.
    fn hand_out(&mut self) {
        while let Some(jobs) = &self.jobs
            && !jobs.is_full()
        {
            if !self.open.is_empty() && !self.sink.ready() {
                return;
            }
            let Some(input) = self.inputs.next() else {
                self.jobs = None;
                return;
            };
            let recording = self.next;
            self.next += 1;
            let abandoned = Arc::new(AtomicBool::new(false));
            let given = vec![0; self.lanes.len()];
            self.open.insert(recording, Open { given, ended: None, abandoned: Arc::clone(&abandoned) });
            // This thread is the only sender, so there is room; and the workers end after it.
            let _ = jobs.send(Job { recording, input, abandoned });
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Started(recording, audio) => {
                if self.open.contains_key(&recording) {
                    self.sink.started(recording, &audio);
                }
            }
            Event::Ended(recording, Ok(summary)) => {
                if let Some(open) = self.open.get_mut(&recording) {
                    open.ended = Some(summary);
                    self.close_if_complete(recording);
                }
            }
            Event::Ended(recording, Err(error)) => self.fail(recording, error),
            Event::Ran(batch) => {
                let lane = batch.lane;
                self.lanes[lane].early.insert(batch.number, batch);
                while let Some(batch) = self.lanes[lane].next_in_order() {
                    self.deliver(batch);
                }
            }
        }
    }

    /// Gives the rows of a batch to the sink, and returns the batch.
    fn deliver(&mut self, mut batch: Batch) {
        let outcome = std::mem::replace(&mut batch.outcome, Ok(()));
        let mut start = 0;
        for segment in &batch.segments {
            match &outcome {
                Ok(()) => self.give(segment, &batch, start),
                Err(error) => self.fail(segment.recording, error.clone()),
            }
            start += segment.rows;
        }
        self.shared.gauge.remove(batch.rows);
        batch.clear();
        let _ = self.lanes[batch.lane].empty.send(batch);
    }

    /// Gives one recording's rows to the sink; they start at `start` in the batch.
    fn give(&mut self, segment: &Segment, batch: &Batch, start: usize) {
        let Some(open) = self.open.get_mut(&segment.recording) else { return };
        open.given[batch.lane] += segment.rows as u64;
        let extractor = &self.shared.batch.lanes[batch.lane].extractor;
        let patches = segment.first..segment.first + segment.rows as u64;
        let times: Vec<f64> = patches.map(|patch| extractor.patching().time(patch)).collect();
        let outputs = batch.values.views(extractor, start..start + segment.rows);
        let rows = Rows { first: segment.first, times: &times, outputs: &outputs };
        match self.sink.rows(segment.recording, batch.lane, &rows) {
            Ok(()) => self.close_if_complete(segment.recording),
            Err(error) => self.fail(segment.recording, error),
        }
    }

    fn close_if_complete(&mut self, recording: usize) {
        let complete = |open: &Open| open.ended.as_ref().is_some_and(|summary| summary.patches == open.given);
        if self.open.get(&recording).is_some_and(complete)
            && let Some(Open { ended: Some(summary), .. }) = self.open.remove(&recording)
        {
            self.totals.done += 1;
            self.totals.seconds += summary.seconds;
            self.sink.done(recording, Ok(summary));
            self.report();
        }
    }

    /// Ends a recording with an error, unless it has ended before. Its rows that arrive later are dropped.
    fn fail(&mut self, recording: usize, error: Error) {
        if let Some(open) = self.open.remove(&recording) {
            open.abandoned.store(true, Ordering::Release);
            self.totals.failed += 1;
            self.sink.done(recording, Err(error));
            self.report();
        }
    }

    /// Every worker has ended, which should not happen while recordings are left: an error is better than a deadlock.
    fn give_up(&mut self) {
        for recording in std::mem::take(&mut self.open).into_keys() {
            self.totals.failed += 1;
            self.sink.done(recording, Err(Error::Unavailable("the worker thread has ended".into())));
        }
    }

    fn cancel(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.totals.cancelled = self.open.len();
        for recording in std::mem::take(&mut self.open).into_keys() {
            self.sink.done(recording, Err(Error::Cancelled));
        }
    }

    fn report(&mut self) {
        self.reported = Instant::now();
        let decoded = self.shared.decoded.load(Ordering::Relaxed);
        let seconds = decoded as f64 / f64::from(self.shared.batch.decodings[0].rate);
        self.sink.progress(&Progress { done: self.totals.done, failed: self.totals.failed, seconds });
    }
}

impl<I> Drop for Caller<'_, '_, I> {
    /// However the run ends, even by a panic of the caller, the threads must stop. Threads that wait are woken because
    /// the channels close.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}
