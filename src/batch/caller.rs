//! The thread that called: hands out recordings, gives each its rows in order, and knows when it is whole.

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

/// How often the sink hears of progress, and is asked whether to stop, at least.
const TICK: Duration = Duration::from_millis(100);

/// The caller's side of a run.
pub(super) struct Caller<'r, 'a, I> {
    shared: &'r Shared<'r>,
    inputs: I,
    sink: &'r mut dyn BatchSink,
    /// `None` when the inputs are at their end.
    jobs: Option<Sender<Job<'a>>>,
    news: Receiver<Event>,
    lanes: Vec<Order>,
    /// Recordings that were handed out and are not done.
    open: BTreeMap<usize, Open>,
    /// The number of the next recording.
    next: usize,
    totals: Totals,
    told: Instant,
}

/// Restores the order of one extractor's batches.
struct Order {
    next: u64,
    early: BTreeMap<u64, Batch>,
    /// Where emptied batches go.
    empty: Sender<Batch>,
}

impl Order {
    fn next_in_order(&mut self) -> Option<Batch> {
        let batch = self.early.remove(&self.next)?;
        self.next += 1;
        Some(batch)
    }
}

/// A recording on its way.
struct Open {
    /// Rows the sink has had, from each extractor.
    given: Vec<u64>,
    /// What the recording was, once it has been heard to its end.
    ended: Option<Summary>,
    abandoned: Arc<AtomicBool>,
}

impl<'r, 'a, I: Iterator<Item = Input<'a>>> Caller<'r, 'a, I> {
    pub fn new(
        shared: &'r Shared<'r>,
        inputs: I,
        sink: &'r mut dyn BatchSink,
        jobs: Sender<Job<'a>>,
        news: Receiver<Event>,
        empty: Vec<Sender<Batch>>,
    ) -> Self {
        let order = |empty| Order { next: 0, early: BTreeMap::new(), empty };
        Caller {
            shared,
            inputs,
            sink,
            jobs: Some(jobs),
            news,
            lanes: empty.into_iter().map(order).collect(),
            open: BTreeMap::new(),
            next: 0,
            totals: Totals::default(),
            told: Instant::now(),
        }
    }

    /// Goes on until all is done, or the sink has had enough.
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
            match self.news.recv_timeout(TICK) {
                Ok(event) => self.take(event),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => self.give_up(),
            }
            if self.told.elapsed() >= TICK {
                self.tell();
            }
        }
        self.totals.most_patches = self.shared.gauge.most();
        self.totals
    }

    /// Keeps the workers' queue full.
    fn hand_out(&mut self) {
        while let Some(jobs) = &self.jobs
            && !jobs.is_full()
        {
            let Some(input) = self.inputs.next() else {
                self.jobs = None;
                return;
            };
            let recording = self.next;
            self.next += 1;
            let abandoned = Arc::new(AtomicBool::new(false));
            let given = vec![0; self.lanes.len()];
            self.open.insert(recording, Open { given, ended: None, abandoned: Arc::clone(&abandoned) });
            // Nobody else sends, so there is room; and workers end after us.
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
                    self.close_if_whole(recording);
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

    /// Gives everyone their rows of a batch, and the batch back.
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

    /// Gives one recording its rows, which start at `start` in the batch.
    fn give(&mut self, segment: &Segment, batch: &Batch, start: usize) {
        let Some(open) = self.open.get_mut(&segment.recording) else { return };
        open.given[batch.lane] += segment.rows as u64;
        let extractor = &self.shared.batch.lanes[batch.lane].extractor;
        let patches = segment.first..segment.first + segment.rows as u64;
        let times: Vec<f64> = patches.map(|patch| extractor.patching().time(patch)).collect();
        let outputs = batch.values.views(extractor, start..start + segment.rows);
        let rows = Rows { first: segment.first, times: &times, outputs: &outputs };
        match self.sink.rows(segment.recording, batch.lane, &rows) {
            Ok(()) => self.close_if_whole(segment.recording),
            Err(error) => self.fail(segment.recording, error),
        }
    }

    fn close_if_whole(&mut self, recording: usize) {
        let whole = |open: &Open| open.ended.as_ref().is_some_and(|summary| summary.patches == open.given);
        if self.open.get(&recording).is_some_and(whole)
            && let Some(Open { ended: Some(summary), .. }) = self.open.remove(&recording)
        {
            self.totals.done += 1;
            self.totals.seconds += summary.seconds;
            self.sink.done(recording, Ok(summary));
            self.tell();
        }
    }

    /// A recording ends here, unless it has before; what is on its way is dropped when it comes.
    fn fail(&mut self, recording: usize, error: Error) {
        if let Some(open) = self.open.remove(&recording) {
            open.abandoned.store(true, Ordering::Release);
            self.totals.failed += 1;
            self.sink.done(recording, Err(error));
            self.tell();
        }
    }

    /// Every worker has ended, which none does while there is a recording: better an error than to wait for ever.
    fn give_up(&mut self) {
        for recording in std::mem::take(&mut self.open).into_keys() {
            self.totals.failed += 1;
            self.sink.done(recording, Err(Error::Unavailable("its worker has ended".into())));
        }
    }

    fn cancel(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        self.totals.cancelled = self.open.len();
        for recording in std::mem::take(&mut self.open).into_keys() {
            self.sink.done(recording, Err(Error::Cancelled));
        }
    }

    fn tell(&mut self) {
        self.told = Instant::now();
        let heard = self.shared.heard.load(Ordering::Relaxed);
        let seconds = heard as f64 / f64::from(self.shared.batch.rate);
        self.sink.progress(&Progress { done: self.totals.done, failed: self.totals.failed, seconds });
    }
}

impl<I> Drop for Caller<'_, '_, I> {
    /// However the run ends, a panic of the caller's included, the threads must not go on. Those that wait are woken by
    /// the channels, which close with their ends here.
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
    }
}
