//! Collects patches of many recordings into full batches.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crossbeam_channel::Receiver;

use crate::extractor::Values;
use crate::{Error, Result};

/// Patches and, once they were run, their outputs.
pub(super) struct Batch {
    /// The extractor it belongs to.
    pub lane: usize,
    /// Batches of one extractor are delivered in this order.
    pub number: u64,
    /// The patches, flat.
    pub patches: Vec<f32>,
    pub rows: usize,
    /// The recordings that the patches belong to, in order.
    pub segments: Vec<Segment>,
    pub values: Values,
    pub outcome: Result<()>,
}

/// Consecutive patches of one recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub recording: usize,
    /// The index of the first patch in its recording.
    pub first: u64,
    pub rows: usize,
}

impl Batch {
    /// An empty batch; its buffers grow as it is filled.
    pub fn new(lane: usize) -> Self {
        Batch {
            lane,
            number: 0,
            patches: Vec::new(),
            rows: 0,
            segments: Vec::new(),
            values: Values::default(),
            outcome: Ok(()),
        }
    }

    /// Empties it, and keeps its memory.
    pub fn clear(&mut self) {
        self.patches.clear();
        self.rows = 0;
        self.segments.clear();
        self.outcome = Ok(());
    }

    fn push(&mut self, recording: usize, index: u64, patch: &[f32]) {
        self.patches.extend_from_slice(patch);
        self.rows += 1;
        match self.segments.last_mut() {
            // A recording's patches come in order.
            Some(last) if last.recording == recording => last.rows += 1,
            _ => self.segments.push(Segment { recording, first: index, rows: 1 }),
        }
    }

    /// Moves the first `rows` patches, fewer than there are, to an empty batch.
    fn split_to(&mut self, rows: usize, other: &mut Batch) {
        let values = self.patches.len() / self.rows * rows;
        other.patches.extend(self.patches.drain(..values));
        other.rows = rows;
        self.rows -= rows;
        while other.segments.iter().map(|segment| segment.rows).sum::<usize>() < rows {
            let missing = rows - other.segments.iter().map(|segment| segment.rows).sum::<usize>();
            let first = &mut self.segments[0];
            let taken = first.rows.min(missing);
            other.segments.push(Segment { rows: taken, ..*first });
            first.rows -= taken;
            first.first += taken as u64;
            if first.rows == 0 {
                self.segments.remove(0);
            }
        }
    }
}

/// Counts the patches in all batches.
#[derive(Default)]
pub(super) struct Gauge {
    now: AtomicUsize,
    peak: AtomicUsize,
}

impl Gauge {
    fn add(&self) {
        let now = self.now.fetch_add(1, Ordering::AcqRel) + 1;
        self.peak.fetch_max(now, Ordering::AcqRel);
    }

    pub fn remove(&self, patches: usize) {
        self.now.fetch_sub(patches, Ordering::AcqRel);
    }

    /// The largest count so far.
    pub fn peak(&self) -> usize {
        self.peak.load(Ordering::Acquire)
    }
}

/// Fills one extractor's batches.
pub(super) struct Assembler<'r> {
    size: usize,
    gauge: &'r Gauge,
    /// Empty batches. The channel closes when the run is cancelled or has ended.
    free: Receiver<Batch>,
    filling: Mutex<Filling>,
}

#[derive(Default)]
struct Filling {
    batch: Option<Batch>,
    next: u64,
}

impl Filling {
    /// Takes the partial batch, with its place in the order.
    fn take(&mut self) -> Option<Batch> {
        let mut batch = self.batch.take()?;
        self.number(&mut batch);
        Some(batch)
    }

    fn number(&mut self, batch: &mut Batch) {
        batch.number = self.next;
        self.next += 1;
    }
}

impl<'r> Assembler<'r> {
    pub fn new(size: usize, gauge: &'r Gauge, free: Receiver<Batch>) -> Self {
        Assembler { size, gauge, free, filling: Mutex::default() }
    }

    /// Adds a patch and returns the batch if it is now full. Waits for an empty batch if one is needed.
    ///
    /// # Errors
    /// `Cancelled` if the run was cancelled or has ended.
    pub fn add(&self, recording: usize, index: u64, patch: &[f32]) -> Result<Option<Batch>> {
        let mut filling = self.lock();
        if filling.batch.is_none() {
            // With the lock held: every thread that waits for the lock needs an empty batch too, and those that empty
            // batches do not take this lock.
            filling.batch = Some(self.free.recv().map_err(|_| Error::Cancelled)?);
        }
        let batch = filling.batch.as_mut().expect("there is one now");
        batch.push(recording, index, patch);
        // Before another thread can take the batch.
        self.gauge.add();
        Ok(if batch.rows == self.size { filling.take() } else { None })
    }

    /// The partial batch, if there is one.
    pub fn flush(&self) -> Option<Batch> {
        self.lock().take()
    }

    /// `1 / share` of the partial batch, if it can be divided and an empty batch is free.
    pub fn part(&self, share: usize) -> Option<Batch> {
        let mut filling = self.lock();
        let rows = filling.batch.as_ref().map_or(0, |batch| batch.rows);
        let wanted = rows.div_ceil(share);
        if wanted == 0 || wanted == rows {
            return None;
        }
        let mut part = self.free.try_recv().ok()?;
        filling.batch.as_mut().expect("it has rows").split_to(wanted, &mut part);
        filling.number(&mut part);
        Some(part)
    }

    /// A panic with the lock held can only be an allocation failure, after which the state is still valid.
    fn lock(&self) -> MutexGuard<'_, Filling> {
        self.filling.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_divides_between_patches() {
        let (empty, free) = crossbeam_channel::bounded(2);
        for _ in 0..2 {
            empty.send(Batch::new(0)).unwrap();
        }
        let gauge = Gauge::default();
        let assembler = Assembler::new(8, &gauge, free);
        for (recording, index) in [(4, 7), (5, 0), (5, 1), (5, 2), (6, 0)] {
            assert!(assembler.add(recording, index, &[recording as f32, index as f32]).unwrap().is_none());
        }
        let segment = |recording, first, rows| Segment { recording, first, rows };
        let part = assembler.part(2).unwrap();
        assert_eq!(part.patches, [4., 7., 5., 0., 5., 1.]);
        assert_eq!((part.number, part.rows), (0, 3));
        assert_eq!(part.segments, [segment(4, 7, 1), segment(5, 0, 2)]);
        // No empty batch is left.
        assert!(assembler.part(2).is_none());
        let rest = assembler.flush().unwrap();
        assert_eq!(rest.patches, [5., 2., 6., 0.]);
        assert_eq!((rest.number, rest.rows), (1, 2));
        assert_eq!(rest.segments, [segment(5, 2, 1), segment(6, 0, 1)]);
        assert!(assembler.flush().is_none() && assembler.part(2).is_none());
        assert_eq!(gauge.peak(), 5);
        drop(empty);
        assert!(matches!(assembler.add(9, 0, &[0., 0.]), Err(Error::Cancelled)));
    }
}
