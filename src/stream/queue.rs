//! A bounded queue of samples from one thread to another, and the events between them.
//!
//! Two rings that are written by one thread and read by another: one of samples, one of marks. A mark is an event (a
//! recording ends, the next one begins) with the number of samples written before it, so that events keep their place
//! among the samples without taking any of their room. Every call is a bounded number of loads and stores; neither
//! thread waits for the other.
//!
//! Positions count samples since the queue was made and never wrap (64 bits are enough), a slot is the position modulo
//! the capacity. The slots are atomics too, read and written without order (`Relaxed`, plain moves on every CPU), so
//! that there is no `unsafe`; what orders them is `written` and `marked`, which the writer stores with `Release` after
//! the slots and the reader loads with `Acquire` before, and `read` and `marks_read` the other way around.
//!
//! This file names its atomics through its parent: the library gives it the standard ones, the model in
//! `tests/stream/loom_queue.rs` loom's, with slots that must never be touched by both threads at a time.

use std::collections::TryReserveError;

use super::atomics::{Arc, AtomicBool, AtomicU64, MarkSlot, Ordering, SampleSlot};

/// What happens between two samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The recording ends.
    Finish,
    /// The next recording begins; if the one before has not ended, it is abandoned.
    Reset,
}

struct Shared {
    samples: Box<[SampleSlot]>,
    /// `2 * position`, plus 1 for a reset.
    marks: Box<[MarkSlot]>,
    writer: Line<WriterSide>,
    reader: Line<ReaderSide>,
}

/// What the writer alone stores to.
struct WriterSide {
    written: AtomicU64,
    marked: AtomicU64,
    dropped: AtomicBool,
}

/// What the reader alone stores to.
struct ReaderSide {
    read: AtomicU64,
    marks_read: AtomicU64,
    dropped: AtomicBool,
}

/// Two cache lines of its own (processors fetch them in pairs), so that neither side slows the other down.
#[repr(align(128))]
struct Line<T>(T);

/// The writing end.
pub(super) struct Writer {
    shared: Arc<Shared>,
}

/// The reading end.
pub(super) struct Reader {
    shared: Arc<Shared>,
}

/// What is in the queue for the reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct View {
    /// Samples to be read before the next event, or all there are.
    pub(super) samples: usize,
    /// The next event, if it is known.
    pub(super) event: Option<Event>,
    /// Whether the writer was dropped; then nothing comes after these events and samples.
    pub(super) writer_dropped: bool,
}

/// A queue with room for this many samples and marks, at least one of each.
pub(super) fn queue(samples: usize, marks: usize) -> Result<(Writer, Reader), TryReserveError> {
    let mut slots = Vec::new();
    slots.try_reserve_exact(samples)?;
    // Not zero: writing it makes the system map the pages now, and not in a real-time thread.
    slots.extend((0..samples).map(|_| SampleSlot::new(f32::NAN.to_bits())));
    let number = || AtomicU64::new(0);
    let flag = || AtomicBool::new(false);
    let shared = Arc::new(Shared {
        samples: slots.into_boxed_slice(),
        marks: (0..marks).map(|_| MarkSlot::new(0)).collect(),
        writer: Line(WriterSide { written: number(), marked: number(), dropped: flag() }),
        reader: Line(ReaderSide { read: number(), marks_read: number(), dropped: flag() }),
    });
    Ok((Writer { shared: shared.clone() }, Reader { shared }))
}

impl Writer {
    /// Samples that fit now.
    pub(super) fn room(&self) -> usize {
        let Shared { samples, writer, reader, .. } = &*self.shared;
        // What has been read is free: its slots may be written from here on.
        let held = writer.0.written.load(Ordering::Relaxed) - reader.0.read.load(Ordering::Acquire);
        samples.len() - held as usize
    }

    /// Writes values, no more than there is [`room`](Self::room) for.
    pub(super) fn write<T: Copy>(&mut self, values: &[T], sample: impl Fn(T) -> f32) {
        assert!(values.len() <= self.room(), "the queue has no room for {} samples", values.len());
        let Shared { samples, writer, .. } = &*self.shared;
        let written = writer.0.written.load(Ordering::Relaxed);
        let first = (written % samples.len() as u64) as usize;
        let (before, after) = values.split_at(values.len().min(samples.len() - first));
        for (values, slots) in [(before, &samples[first..]), (after, &samples[..])] {
            for (&value, slot) in values.iter().zip(slots) {
                slot.store(sample(value).to_bits(), Ordering::Relaxed);
            }
        }
        writer.0.written.store(written + values.len() as u64, Ordering::Release);
    }

    /// Marks that fit now.
    pub(super) fn room_for_marks(&self) -> usize {
        let Shared { marks, writer, reader, .. } = &*self.shared;
        let held = writer.0.marked.load(Ordering::Relaxed) - reader.0.marks_read.load(Ordering::Acquire);
        marks.len() - held as usize
    }

    /// Marks an event behind all samples so far; there must be [room](Self::room_for_marks).
    pub(super) fn mark(&mut self, event: Event) {
        assert!(self.room_for_marks() > 0, "the queue has no room for another event");
        let Shared { marks, writer, .. } = &*self.shared;
        let marked = writer.0.marked.load(Ordering::Relaxed);
        let position = writer.0.written.load(Ordering::Relaxed);
        let slot = &marks[(marked % marks.len() as u64) as usize];
        slot.store(2 * position + u64::from(event == Event::Reset), Ordering::Relaxed);
        writer.0.marked.store(marked + 1, Ordering::Release);
    }

    /// Whether the reader was dropped.
    pub(super) fn reader_dropped(&self) -> bool {
        self.shared.reader.0.dropped.load(Ordering::Relaxed)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.writer.0.dropped.store(true, Ordering::Release);
    }
}

impl Reader {
    /// What is here to be read.
    pub(super) fn look(&self) -> View {
        let Shared { marks, writer, reader, .. } = &*self.shared;
        // In this order. If the writer is seen to be dropped, all that it wrote is seen; and if no mark is seen after
        // samples were, those samples stand before any mark yet to come. The other way around, the samples of the next
        // recording could be taken for this one's.
        let writer_dropped = writer.0.dropped.load(Ordering::Acquire);
        let written = writer.0.written.load(Ordering::Acquire);
        let marked = writer.0.marked.load(Ordering::Acquire);
        let marks_read = reader.0.marks_read.load(Ordering::Relaxed);
        let read = reader.0.read.load(Ordering::Relaxed);
        if marked == marks_read {
            return View { samples: (written - read) as usize, event: None, writer_dropped };
        }
        let mark = marks[(marks_read % marks.len() as u64) as usize].load(Ordering::Relaxed);
        let event = if mark % 2 == 0 { Event::Finish } else { Event::Reset };
        View { samples: (mark / 2 - read) as usize, event: Some(event), writer_dropped }
    }

    /// Appends the next `count` samples, no more than [`look`](Self::look) saw, to `out`.
    pub(super) fn read(&mut self, count: usize, out: &mut Vec<f32>) {
        let Shared { samples, reader, .. } = &*self.shared;
        let read = reader.0.read.load(Ordering::Relaxed);
        let first = (read % samples.len() as u64) as usize;
        let before = count.min(samples.len() - first);
        for slots in [&samples[first..first + before], &samples[..count - before]] {
            out.extend(slots.iter().map(|slot| f32::from_bits(slot.load(Ordering::Relaxed))));
        }
        self.skip(count);
    }

    /// Skips the next `count` samples, no more than [`look`](Self::look) saw.
    pub(super) fn skip(&mut self, count: usize) {
        let read = &self.shared.reader.0.read;
        read.store(read.load(Ordering::Relaxed) + count as u64, Ordering::Release);
    }

    /// Consumes the event that [`look`](Self::look) saw; the samples before it must have been read or skipped.
    pub(super) fn consume_mark(&mut self) {
        let marks_read = &self.shared.reader.0.marks_read;
        marks_read.store(marks_read.load(Ordering::Relaxed) + 1, Ordering::Release);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.reader.0.dropped.store(true, Ordering::Relaxed);
    }
}
