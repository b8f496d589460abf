//! The end of a stream that audio goes in at.

use std::cell::Cell;
use std::marker::PhantomData;

use super::queue::{Event, Writer};
use crate::error::WriteError;

/// Takes samples, for one thread, which may be a real-time one.
///
/// No call waits, takes a lock, allocates memory or enters the operating system, errors included: each is a bounded
/// number of plain loads and stores (atomic, never a loop that retries), and for `push` a move a sample. All heavy work
/// is the [`StreamReader`](super::StreamReader)'s. Only dropping whichever of the two handles goes last frees memory.
///
/// Dropped without [`finish`](Self::finish), it abandons the recording.
pub struct StreamWriter {
    writer: Writer,
    channels: usize,
    /// Whether anything was pushed since the recording began.
    begun: bool,
    finished: bool,
    /// For one thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

impl StreamWriter {
    pub(super) fn new(writer: Writer, channels: u16) -> Self {
        StreamWriter { writer, channels: channels.into(), begun: false, finished: false, not_sync: PhantomData }
    }

    /// Takes as many whole frames of interleaved samples, full scale being 1, as the queue has room for, and returns how
    /// many: fewer than given when it is full. The caller pushes the rest again later, or decides what to leave out.
    ///
    /// Samples that are NaN or infinite are taken: it is the reader that refuses them.
    ///
    /// # Errors
    /// `PartialFrame`, `Closed` or `Finished`; then nothing is taken.
    pub fn push(&mut self, samples: &[f32]) -> Result<usize, WriteError> {
        self.take(samples, |sample| sample)
    }

    /// The same for 16-bit samples, of which full scale is 32,768.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_i16(&mut self, samples: &[i16]) -> Result<usize, WriteError> {
        self.take(samples, |sample| f32::from(sample) / 32_768.0)
    }

    fn take<T: Copy>(&mut self, samples: &[T], value: impl Fn(T) -> f32) -> Result<usize, WriteError> {
        if !samples.len().is_multiple_of(self.channels) {
            return Err(WriteError::PartialFrame { samples: samples.len(), channels: self.channels });
        }
        if self.writer.reader_gone() {
            return Err(WriteError::Closed);
        }
        if self.finished {
            return Err(WriteError::Finished);
        }
        // Room is whole frames too: the capacity is, and the reader takes nothing else.
        let taken = samples.len().min(self.writer.room());
        self.writer.write(&samples[..taken], value);
        self.begun |= taken > 0;
        Ok(taken / self.channels)
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    /// Frames that a push would take now; more later, as the reader goes on.
    pub fn room(&self) -> usize {
        self.writer.room() / self.channels
    }

    /// Marks the end of the recording, even when the queue is full. The reader hears all of it, then says
    /// [`Ended`](super::State::Ended). A second call changes nothing.
    pub fn finish(&mut self) {
        // There is room for this mark: `reset` leaves it.
        if !self.finished {
            self.finished = true;
            self.writer.mark(Event::Finish);
        }
    }

    /// Begins the next recording. One that was finished is still heard to its end first; one that was not is abandoned:
    /// its results not yet pulled are discarded, and the reader says [`Abandoned`](super::State::Abandoned) when it gets
    /// there. Nothing happens if nothing was pushed since the last reset.
    ///
    /// # Errors
    /// `Closed`; `Busy` if some 64 recordings wait to be heard, then nothing has changed.
    pub fn reset(&mut self) -> Result<(), WriteError> {
        if self.writer.reader_gone() {
            return Err(WriteError::Closed);
        }
        if !self.begun && !self.finished {
            return Ok(());
        }
        // One for this event, one for the end of the recording that begins.
        if self.writer.room_for_marks() < 2 {
            return Err(WriteError::Busy);
        }
        self.writer.mark(Event::Reset);
        self.begun = false;
        self.finished = false;
        Ok(())
    }
}
