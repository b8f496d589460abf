//! The input end of a stream.

use std::cell::Cell;
use std::marker::PhantomData;

use super::queue::{Event, Writer};
use crate::error::WriteError;

/// Takes samples. For one thread at a time, which may be a real-time one.
///
/// No call waits, locks, allocates memory or makes a system call, not even on errors: each is a bounded number of plain
/// loads and stores (atomic, and never a retry loop), and [`write`](Self::write) copies its samples. The heavy work is
/// the [`StreamReader`](super::StreamReader)'s. Memory is freed by whichever of the two handles is dropped last.
///
/// Dropping the writer without [`finish`](Self::finish) abandons the recording.
pub struct StreamWriter {
    queue: Writer,
    channels: usize,
    /// Whether any sample was written since the recording began.
    begun: bool,
    finished: bool,
    /// For one thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl StreamWriter {
    pub(super) fn new(queue: Writer, channels: u16) -> Self {
        StreamWriter {
            queue,
            channels: channels.into(),
            begun: false,
            finished: false,
            not_sync: PhantomData,
        }
    }

    /// Writes interleaved samples (full scale is 1) as far as the queue has room, in whole sample frames. Returns the
    /// number of sample frames written: fewer than given when the queue is full. Write the rest later, or drop it.
    ///
    /// NaN and infinite samples are accepted here; the reader reports them as an error.
    ///
    /// # Errors
    /// `PartialFrame`, `Closed` or `Finished`; then nothing is written.
    pub fn write(&mut self, samples: &[f32]) -> Result<usize, WriteError> {
        self.write_as(samples, |sample| sample)
    }

    /// [`write`](Self::write) for 16-bit samples (full scale is 32,768).
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_i16(&mut self, samples: &[i16]) -> Result<usize, WriteError> {
        self.write_as(samples, |sample| f32::from(sample) / 32_768.0)
    }

    fn write_as<T: Copy>(&mut self, samples: &[T], value: impl Fn(T) -> f32) -> Result<usize, WriteError> {
        if !samples.len().is_multiple_of(self.channels) {
            return Err(WriteError::PartialFrame { samples: samples.len(), channels: self.channels });
        }
        if self.queue.reader_dropped() {
            return Err(WriteError::Closed);
        }
        if self.finished {
            return Err(WriteError::Finished);
        }
        // The room is whole frames, as the capacity is and all that the reader takes.
        let written = samples.len().min(self.queue.room());
        self.queue.write(&samples[..written], value);
        self.begun |= written > 0;
        Ok(written / self.channels)
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Sample frames that can be written now. It grows as the reader goes on.
    pub fn available(&self) -> usize {
        self.queue.room() / self.channels
    }

    /// Marks the end of the recording, even when the queue is full. The reader processes all of it, then returns
    /// [`Finished`](super::State::Finished). A second call does nothing.
    pub fn finish(&mut self) {
        // There is room for this mark: `reset` reserves it.
        if !self.finished {
            self.finished = true;
            self.queue.mark(Event::Finish);
        }
    }

    /// Begins the next recording. One that was finished is still processed to its end. One that was not is abandoned:
    /// its remaining rows are discarded, and the reader returns [`Abandoned`](super::State::Abandoned). Does nothing if
    /// nothing was written since the last reset.
    ///
    /// # Errors
    /// `Closed`; `Busy` if about 64 recordings wait for the reader. Then nothing has changed.
    pub fn reset(&mut self) -> Result<(), WriteError> {
        if self.queue.reader_dropped() {
            return Err(WriteError::Closed);
        }
        if !self.begun && !self.finished {
            return Ok(());
        }
        // One for this event, one for the end of the recording that begins.
        if self.queue.room_for_marks() < 2 {
            return Err(WriteError::Busy);
        }
        self.queue.mark(Event::Reset);
        self.begun = false;
        self.finished = false;
        Ok(())
    }
}
