//! Streams: audio as it comes, in two handles around a bounded queue.

use super::boundary::{Failure, call_for_status, free, get, product, set, slice};
use super::extractor::sleeve_extractor;
use super::model::require_out;
use super::status::sleeve_status;
use sleeve::extractor::{Rows, Sink};
use sleeve::stream::{Capacity, StreamReader, WriteError, StreamWriter, State, Stream, StreamOptions};

/// The end of a stream that audio goes in at. For one thread, which may be a real-time one: no call of a writer waits,
/// takes a lock, allocates memory or enters the operating system, but that which frees it.
pub struct sleeve_stream_writer {
    writer: StreamWriter,
    channels: usize,
}

/// The end of a stream that results come out at. For one thread at a time: `sleeve_stream_reader_next` resamples, computes the
/// mel-spectrogram and runs the networks.
pub struct sleeve_stream_reader {
    reader: StreamReader,
    /// Rows that came of the last pull, and how many of them the caller has had.
    rows: Held,
}

/// Opens a stream of interleaved `channels` at `sample_rate` Hz: `writer` for the thread that has the audio, `reader`
/// for the one that wants the results. The queue between them holds `capacity` sample frames; 0 is ten seconds.
///
/// Rows are the same bits as `sleeve_extractor_run_samples` gives for the whole recording, however it is cut. Several
/// streams may share an extractor.
///
/// Errors: INVALID_ARGUMENT for a rate outside 1000 to 768000 Hz, no channel, a capacity that memory does not hold, or a
/// head's extractor.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_new(
    extractor: *const sleeve_extractor,
    sample_rate: u32,
    channels: u32,
    capacity: usize,
    writer: *mut *mut sleeve_stream_writer,
    reader: *mut *mut sleeve_stream_reader,
) -> sleeve_status {
    call_for_status(|| {
        let extractor = not_null!(extractor);
        require_out(writer, "writer")?;
        require_out(reader, "reader")?;
        let narrow = u16::try_from(channels)
            .map_err(|_| Failure::invalid(format!("{channels} channels; at most {}", u16::MAX)))?;
        let mut options = StreamOptions::new(sample_rate, narrow);
        if capacity > 0 {
            options = options.capacity(Capacity::Frames(capacity));
        }
        let extractor = extractor.audio()?;
        let (new_pusher, new_puller) = Stream::open(extractor, &options)?;
        let dims = extractor.outputs().map(|output| output.dim).collect();
        let new_pusher = sleeve_stream_writer { writer: new_pusher, channels: narrow.into() };
        let new_puller = sleeve_stream_reader { reader: new_puller, rows: Held::new(dims) };
        // SAFETY: the ABI's rules for out-parameters; both are there.
        unsafe {
            writer.write(Box::into_raw(Box::new(new_pusher)));
            reader.write(Box::into_raw(Box::new(new_puller)));
        }
        Ok(sleeve_status::SLEEVE_STATUS_OK)
    })
}

/// Pushes `frames` frames of interleaved samples, full scale being 1. `taken`, which is also set with WOULD_BLOCK, is how
/// many there was room for: push the rest again later, or decide what to leave out.
///
/// WOULD_BLOCK when not all were taken, CLOSED when the reader is gone. Errors: INVALID_ARGUMENT after
/// `sleeve_stream_writer_finish`. Samples that are not finite are the reader's error.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_write(
    writer: *mut sleeve_stream_writer,
    samples: *const f32,
    frames: usize,
    taken: *mut usize,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe { push(writer, samples, frames, taken, StreamWriter::push) }
}

/// The same for 16-bit samples, of which full scale is 32768.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_write_i16(
    writer: *mut sleeve_stream_writer,
    samples: *const i16,
    frames: usize,
    taken: *mut usize,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe { push(writer, samples, frames, taken, StreamWriter::push_i16) }
}

unsafe fn push<T>(
    writer: *mut sleeve_stream_writer,
    samples: *const T,
    frames: usize,
    taken: *mut usize,
    push: impl FnOnce(&mut StreamWriter, &[T]) -> Result<usize, WriteError>,
) -> sleeve_status {
    call_for_status(|| {
        let writer = not_null!(mut writer);
        require_out(taken, "taken")?;
        if samples.is_null() {
            return Err(Failure::null("samples"));
        }
        // SAFETY: the ABI's rules for arrays.
        let samples = unsafe { slice(samples, product(&[frames, writer.channels], "samples")?, "samples")? };
        match push(&mut writer.writer, samples) {
            Ok(count) => {
                // SAFETY: the ABI's rules for out-parameters.
                unsafe { set(taken, "taken", count)? };
                Ok(if count == frames {
                    sleeve_status::SLEEVE_STATUS_OK
                } else {
                    sleeve_status::SLEEVE_STATUS_WOULD_BLOCK
                })
            }
            Err(error) => refused(error),
        }
    })
}

/// What is no fault is a status without a message, which would need memory.
fn refused(error: WriteError) -> Result<sleeve_status, Failure> {
    match error {
        WriteError::Closed => Ok(sleeve_status::SLEEVE_STATUS_CLOSED),
        WriteError::Busy => Ok(sleeve_status::SLEEVE_STATUS_WOULD_BLOCK),
        error => Err(Failure::invalid(error.to_string())),
    }
}

/// Frames that a push would take now. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_available(writer: *const sleeve_stream_writer) -> usize {
    // SAFETY: the ABI's rules for handles.
    get(0, || unsafe { writer.as_ref() }.map_or(0, |writer| writer.writer.room()))
}

/// Marks the end of the recording, also when the queue is full. The reader hears all of it, its tail as that of a file,
/// and then says FINISHED. A second call changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_finish(writer: *mut sleeve_stream_writer) -> sleeve_status {
    call_for_status(|| {
        not_null!(mut writer).writer.finish();
        Ok(sleeve_status::SLEEVE_STATUS_OK)
    })
}

/// Begins the next recording, in the memory of the last. One that was finished is still heard to its end first; one that
/// was not is abandoned: the reader discards what is left of it and says CANCELLED once.
///
/// WOULD_BLOCK if some 64 recordings wait to be heard, CLOSED when the reader is gone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_reset(writer: *mut sleeve_stream_writer) -> sleeve_status {
    call_for_status(|| match not_null!(mut writer).writer.reset() {
        Ok(()) => Ok(sleeve_status::SLEEVE_STATUS_OK),
        Err(error) => refused(error),
    })
}

/// Frees a writer; a recording that was not finished is abandoned. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_free(writer: *mut sleeve_stream_writer) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(writer) };
}

/// Moves on to the next row, hearing what was pushed as far as needed. A row is there as soon as the last sample of its
/// patch was pushed; `sleeve_stream_reader_index`, `_time` and `_output` tell of it.
///
/// OK when there is a row; WOULD_BLOCK when everything pushed so far is heard; FINISHED when the recording is over, until
/// the writer begins the next one; CANCELLED, once, when the writer has abandoned the recording; CLOSED when it was freed
/// without finishing it. Errors: NON_FINITE, with the index of the frame, after the rows before it; ENGINE. The recording
/// is then lost, and the error returned again until the writer resets the stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_reader_next(reader: *mut sleeve_stream_reader) -> sleeve_status {
    call_for_status(|| {
        let reader = not_null!(mut reader);
        if reader.rows.advance() {
            return Ok(sleeve_status::SLEEVE_STATUS_OK);
        }
        loop {
            reader.rows.clear();
            let pulled = reader.reader.pull(&mut reader.rows);
            // Rows that come before an error or an end are had before it: both are said again by the next pull, but for
            // a recording that a reset abandons, whose rows are discarded.
            match pulled {
                Ok(pulled) if pulled.state == State::Abandoned => {
                    reader.rows.clear();
                    return Ok(if reader.reader.is_closed() {
                        sleeve_status::SLEEVE_STATUS_CLOSED
                    } else {
                        sleeve_status::SLEEVE_STATUS_CANCELLED
                    });
                }
                _ if reader.rows.advance() => return Ok(sleeve_status::SLEEVE_STATUS_OK),
                Ok(pulled) => match pulled.state {
                    State::More => {}
                    State::Ended => return Ok(sleeve_status::SLEEVE_STATUS_FINISHED),
                    _ => return Ok(sleeve_status::SLEEVE_STATUS_WOULD_BLOCK),
                },
                Err(error) => return Err(error.into()),
            }
        }
    })
}

/// The index of the row's patch in its recording, from 0. 0 without a row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_reader_index(reader: *const sleeve_stream_reader) -> u64 {
    // SAFETY: the ABI's rules for handles.
    unsafe { reader.as_ref() }.map_or(0, |reader| reader.rows.index())
}

/// Where the row's patch starts in its recording, in seconds. 0 without a row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_reader_time(reader: *const sleeve_stream_reader) -> f64 {
    // SAFETY: the ABI's rules for handles.
    unsafe { reader.as_ref() }.map_or(0.0, |reader| reader.rows.time())
}

/// The row's values of the output at `index`, in the extractor's order, and how many they are.
///
/// Valid until the next `sleeve_stream_reader_next`. Errors: NOT_FOUND for the index, or without a row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_reader_output(
    reader: *const sleeve_stream_reader,
    index: usize,
    values: *mut *const f32,
    dim: *mut usize,
) -> sleeve_status {
    call_for_status(|| {
        let reader = not_null!(reader);
        require_out(values, "values")?;
        require_out(dim, "dim")?;
        let row = reader.rows.values(index)?;
        // SAFETY: the ABI's rules for out-parameters.
        unsafe {
            set(values, "values", row.as_ptr())?;
            set(dim, "dim", row.len())?;
        }
        Ok(sleeve_status::SLEEVE_STATUS_OK)
    })
}

/// Frees a reader: pushes end in CLOSED from then on. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_reader_free(reader: *mut sleeve_stream_reader) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(reader) };
}

/// The rows that one pull gave, which a caller takes one by one.
struct Held {
    dims: Vec<usize>,
    first: u64,
    times: Vec<f64>,
    /// For each output, the rows one behind the other.
    values: Vec<Vec<f32>>,
    /// Rows that the caller has had; the last of them is the current one.
    had: usize,
}

impl Held {
    fn new(dims: Vec<usize>) -> Self {
        let values = vec![Vec::new(); dims.len()];
        Held { dims, first: 0, times: Vec::new(), values, had: 0 }
    }

    fn clear(&mut self) {
        self.times.clear();
        self.values.iter_mut().for_each(Vec::clear);
        self.had = 0;
    }

    /// Makes the next row the current one, if there is one; else there is none.
    fn advance(&mut self) -> bool {
        if self.had < self.times.len() {
            self.had += 1;
            return true;
        }
        false
    }

    fn current(&self) -> Option<usize> {
        self.had.checked_sub(1)
    }

    fn index(&self) -> u64 {
        self.current().map_or(0, |row| self.first + row as u64)
    }

    fn time(&self) -> f64 {
        self.current().map_or(0.0, |row| self.times[row])
    }

    fn values(&self, output: usize) -> Result<&[f32], Failure> {
        let Some(row) = self.current() else { return Err(Failure::not_found("there is no row")) };
        match (self.values.get(output), self.dims.get(output)) {
            (Some(values), Some(&dim)) => Ok(&values[row * dim..(row + 1) * dim]),
            _ => Err(Failure::not_found(format!("output {output} of a stream with {}", self.dims.len()))),
        }
    }
}

impl Sink for Held {
    fn rows(&mut self, rows: &Rows<'_>) -> sleeve::Result<()> {
        if self.times.is_empty() {
            self.first = rows.first;
        }
        self.times.extend_from_slice(rows.times);
        for (held, values) in self.values.iter_mut().zip(rows.outputs) {
            held.extend(values.iter());
        }
        Ok(())
    }
}
