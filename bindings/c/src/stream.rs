//! Streams of audio in real time: two handles around a bounded queue.

use super::boundary::{Failure, call_for_status, free, get, product, set, slice};
use super::extractor::sleeve_extractor;
use super::model::require_out;
use super::status::sleeve_status;
use sleeve::extractor::{Rows, Sink};
use sleeve::stream::{Capacity, State, Stream, StreamOptions, StreamReader, StreamWriter, WriteError};

/// The input end of a stream. For one thread at a time, which may be a real-time one: except for `_free`, no call on a
/// writer waits, locks, allocates memory or makes a system call.
pub struct sleeve_stream_writer {
    writer: StreamWriter,
    channels: usize,
}

/// The output end of a stream. For one thread at a time: `sleeve_stream_reader_next` resamples, computes the
/// mel-spectrogram and runs the networks.
pub struct sleeve_stream_reader {
    reader: StreamReader,
    /// The rows of the last read, which the caller takes one by one.
    rows: Held,
}

/// Opens a stream of `channels` interleaved channels at `sample_rate` Hz: `writer` for the thread that has the audio,
/// `reader` for the thread that uses the results. The queue between them holds `capacity` audio frames; 0 means ten
/// seconds.
///
/// Rows have the same bits as those of `sleeve_extractor_run_samples` for the whole recording, however it is cut.
/// Several streams may share an extractor.
///
/// Errors: INVALID_ARGUMENT for a rate outside 1000 to 768000 Hz, 0 channels, a capacity too large for memory, or an
/// extractor of a head.
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
        let (new_writer, new_reader) = Stream::open(extractor, &options)?;
        let dims = extractor.outputs().map(|output| output.dim).collect();
        let new_writer = sleeve_stream_writer { writer: new_writer, channels: narrow.into() };
        let new_reader = sleeve_stream_reader { reader: new_reader, rows: Held::new(dims) };
        // SAFETY: the ABI's rules for out-parameters; both are there.
        unsafe {
            writer.write(Box::into_raw(Box::new(new_writer)));
            reader.write(Box::into_raw(Box::new(new_reader)));
        }
        Ok(sleeve_status::SLEEVE_STATUS_OK)
    })
}

/// Writes `frames` audio frames of interleaved samples (full scale is 1). `written`, also set with WOULD_BLOCK, is the
/// number of audio frames that the queue had room for: write the rest later, or drop it.
///
/// Returns WOULD_BLOCK if not everything was written, CLOSED if the reader was freed. Errors: INVALID_ARGUMENT after
/// `sleeve_stream_writer_finish`. NaN and infinite samples are reported by the reader.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_write(
    writer: *mut sleeve_stream_writer,
    samples: *const f32,
    frames: usize,
    written: *mut usize,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe { write(writer, samples, frames, written, StreamWriter::write) }
}

/// `sleeve_stream_writer_write` for 16-bit samples (full scale is 32768).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_write_i16(
    writer: *mut sleeve_stream_writer,
    samples: *const i16,
    frames: usize,
    written: *mut usize,
) -> sleeve_status {
    // SAFETY: the caller's promises are this function's.
    unsafe { write(writer, samples, frames, written, StreamWriter::write_i16) }
}

unsafe fn write<T>(
    writer: *mut sleeve_stream_writer,
    samples: *const T,
    frames: usize,
    written: *mut usize,
    write: impl FnOnce(&mut StreamWriter, &[T]) -> Result<usize, WriteError>,
) -> sleeve_status {
    call_for_status(|| {
        let writer = not_null!(mut writer);
        require_out(written, "written")?;
        if samples.is_null() {
            return Err(Failure::null("samples"));
        }
        // SAFETY: the ABI's rules for arrays.
        let samples = unsafe { slice(samples, product(&[frames, writer.channels], "samples")?, "samples")? };
        match write(&mut writer.writer, samples) {
            Ok(count) => {
                // SAFETY: the ABI's rules for out-parameters.
                unsafe { set(written, "written", count)? };
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

/// Expected outcomes are a status without a message, for a message would allocate memory.
fn refused(error: WriteError) -> Result<sleeve_status, Failure> {
    match error {
        WriteError::Closed => Ok(sleeve_status::SLEEVE_STATUS_CLOSED),
        WriteError::Busy => Ok(sleeve_status::SLEEVE_STATUS_WOULD_BLOCK),
        error => Err(Failure::invalid(error.to_string())),
    }
}

/// Audio frames that can be written now. 0 for NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_available(writer: *const sleeve_stream_writer) -> usize {
    // SAFETY: the ABI's rules for handles.
    get(0, || unsafe { writer.as_ref() }.map_or(0, |writer| writer.writer.available()))
}

/// Marks the end of the recording, even when the queue is full. The reader processes all of it, its end as that of a
/// file, and then returns FINISHED. A second call does nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_finish(writer: *mut sleeve_stream_writer) -> sleeve_status {
    call_for_status(|| {
        not_null!(mut writer).writer.finish();
        Ok(sleeve_status::SLEEVE_STATUS_OK)
    })
}

/// Begins the next recording, without a new allocation. One that was finished is still processed to its end. One that
/// was not is abandoned: the reader discards the rest of it and returns CANCELLED once.
///
/// Returns WOULD_BLOCK if about 64 recordings wait for the reader, CLOSED if the reader was freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_reset(writer: *mut sleeve_stream_writer) -> sleeve_status {
    call_for_status(|| match not_null!(mut writer).writer.reset() {
        Ok(()) => Ok(sleeve_status::SLEEVE_STATUS_OK),
        Err(error) => refused(error),
    })
}

/// Frees a writer. A recording that was not finished is abandoned. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_writer_free(writer: *mut sleeve_stream_writer) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(writer) };
}

/// Moves to the next row, and processes what was written as far as that takes. A row is ready as soon as the last
/// sample of its patch was written; `sleeve_stream_reader_index`, `_time` and `_output` describe it.
///
/// Returns OK for a row; WOULD_BLOCK when everything written so far is processed; FINISHED at the end of the recording,
/// until the writer begins the next one; CANCELLED, once, if the writer abandoned the recording; CLOSED if the writer
/// was freed without finishing it. Errors: NON_FINITE, with the index of the audio frame, after the rows before it;
/// ENGINE. The recording is then lost, and the error is returned again until the writer resets the stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_reader_next(reader: *mut sleeve_stream_reader) -> sleeve_status {
    call_for_status(|| {
        let reader = not_null!(mut reader);
        if reader.rows.advance() {
            return Ok(sleeve_status::SLEEVE_STATUS_OK);
        }
        loop {
            reader.rows.clear();
            let outcome = reader.reader.read(&mut reader.rows);
            // Rows come before the error or the end that follows them, which the next read returns again. Only the rows
            // of an abandoned recording are discarded.
            match outcome {
                Ok(outcome) if outcome.state == State::Abandoned => {
                    reader.rows.clear();
                    return Ok(if reader.reader.is_closed() {
                        sleeve_status::SLEEVE_STATUS_CLOSED
                    } else {
                        sleeve_status::SLEEVE_STATUS_CANCELLED
                    });
                }
                _ if reader.rows.advance() => return Ok(sleeve_status::SLEEVE_STATUS_OK),
                Ok(outcome) => match outcome.state {
                    State::More => {}
                    State::Finished => return Ok(sleeve_status::SLEEVE_STATUS_FINISHED),
                    _ => return Ok(sleeve_status::SLEEVE_STATUS_WOULD_BLOCK),
                },
                Err(error) => return Err(error.into()),
            }
        }
    })
}

/// The index of the current row's patch in its recording, from 0. 0 without a row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_reader_index(reader: *const sleeve_stream_reader) -> u64 {
    // SAFETY: the ABI's rules for handles.
    unsafe { reader.as_ref() }.map_or(0, |reader| reader.rows.index())
}

/// The start of the current row's patch in its recording, in seconds. 0 without a row.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_reader_time(reader: *const sleeve_stream_reader) -> f64 {
    // SAFETY: the ABI's rules for handles.
    unsafe { reader.as_ref() }.map_or(0.0, |reader| reader.rows.time())
}

/// The values of the output at `index` (in the extractor's order) in the current row, and how many there are.
///
/// Valid until the next call of `sleeve_stream_reader_next`. Errors: NOT_FOUND for the index, or without a row.
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

/// Frees a reader. The writer's calls return CLOSED from then on. NULL is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sleeve_stream_reader_free(reader: *mut sleeve_stream_reader) {
    // SAFETY: the ABI's rules for handles.
    unsafe { free(reader) };
}

/// The rows of one read, which the caller takes one by one.
struct Held {
    dims: Vec<usize>,
    first: u64,
    times: Vec<f64>,
    /// For each output, its rows in order.
    values: Vec<Vec<f32>>,
    /// Rows that the caller has taken; the last of them is the current one.
    taken: usize,
}

impl Held {
    fn new(dims: Vec<usize>) -> Self {
        let values = vec![Vec::new(); dims.len()];
        Held { dims, first: 0, times: Vec::new(), values, taken: 0 }
    }

    fn clear(&mut self) {
        self.times.clear();
        self.values.iter_mut().for_each(Vec::clear);
        self.taken = 0;
    }

    /// Moves to the next row, if there is one.
    fn advance(&mut self) -> bool {
        if self.taken < self.times.len() {
            self.taken += 1;
            return true;
        }
        false
    }

    fn current(&self) -> Option<usize> {
        self.taken.checked_sub(1)
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
