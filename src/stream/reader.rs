//! The output end of a stream.

use std::cell::Cell;
use std::marker::PhantomData;

use super::queue::{Event, Reader};
use crate::extractor::{Extractor, Pipeline, Rows, Sink};
use crate::{Error, Result};

/// Sample frames taken from the queue at a time: enough to fill the mel kernels, few enough to notice events soon.
const CHUNK_FRAMES: usize = 4096;
/// Samples of a chunk, whatever the number of channels; at least one frame is taken.
const CHUNK_SAMPLES: usize = 1 << 16;

/// Returns rows. For one thread at a time: resampling, mel-spectrogram and networks run in [`read`](Self::read).
///
/// Dropping the reader closes the stream: the writer's calls return [`WriteError::Closed`](super::WriteError::Closed).
pub struct StreamReader {
    queue: Reader,
    extractor: Extractor,
    pipeline: Pipeline,
    channels: usize,
    /// Room for `chunk_frames` frames.
    chunk: Vec<f32>,
    chunk_frames: usize,
    /// Sample frames of this recording that passed through the pipeline.
    processed: u64,
    phase: Phase,
    /// For one thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

/// Where the reader is in a recording.
enum Phase {
    Processing,
    Finished,
    /// By this error, or by a panic if there is none, until the writer resets the stream. An error made in advance would
    /// allocate in every read.
    Failed(Option<Error>),
    /// The writer was dropped: permanent.
    Abandoned,
}

/// The result of one [`read`](StreamReader::read).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadOutcome {
    /// Rows given to the sink.
    pub rows: u64,
    /// The state of the stream.
    pub state: State,
}

/// The state of a stream after a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A batch was given, and there may be more to process at once: read again.
    More,
    /// Everything written so far is processed: wait for the writer.
    Waiting,
    /// The recording was finished and all its rows are given. Further reads return the same until the writer begins the
    /// next recording, whose rows are counted from 0 again.
    Finished,
    /// The recording was abandoned, by a reset or because the writer was dropped: it has no more rows. After a reset
    /// the next read begins the next recording; after a drop this state is permanent.
    Abandoned,
}

impl StreamReader {
    pub(super) fn new(queue: Reader, extractor: &Extractor, pipeline: Pipeline, channels: u16) -> Self {
        let channels = usize::from(channels);
        let chunk_frames = (CHUNK_SAMPLES / channels).clamp(1, CHUNK_FRAMES);
        StreamReader {
            queue,
            extractor: extractor.clone(),
            pipeline,
            channels,
            chunk: Vec::with_capacity(chunk_frames * channels),
            chunk_frames,
            processed: 0,
            phase: Phase::Processing,
            not_sync: PhantomData,
        }
    }

    /// The extractor of this stream; its [`outputs`](Extractor::outputs) are those of each row, in order.
    pub fn extractor(&self) -> &Extractor {
        &self.extractor
    }

    /// Whether the writer was dropped before the recording was finished, so that [`State::Abandoned`] is permanent.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Abandoned)
    }

    /// Processes what was written and gives `sink` the rows of every complete patch: one patch at a time as its last
    /// sample arrives, in batches of the extractor's size where many are complete. Returns after a batch, or when
    /// everything written so far is processed. Never waits for the writer.
    ///
    /// Rows have the same bits as those of [`Extractor::extract_samples`] for the whole recording, however it was cut
    /// into writes and reads. [`Sink::progress`] is not called.
    ///
    /// # Errors
    /// `NonFinite`, with the index of the sample frame in its recording, after the rows of all patches complete before
    /// it; `Engine` when the network fails; whatever the sink returns. The recording is then lost: further reads
    /// discard its samples and return the same error, until the writer resets the stream.
    pub fn read(&mut self, sink: &mut dyn Sink) -> Result<ReadOutcome> {
        let mut counted = Counted { sink, rows: 0 };
        let state = self.advance(&mut counted)?;
        Ok(ReadOutcome { rows: counted.rows, state })
    }

    fn advance(&mut self, sink: &mut Counted<'_>) -> Result<State> {
        loop {
            let view = self.queue.look();
            match &self.phase {
                Phase::Processing if view.event == Some(Event::Reset) => {
                    self.queue.skip(view.samples);
                    self.begin();
                    return Ok(State::Abandoned);
                }
                Phase::Processing if view.event.is_none() && view.writer_dropped => {
                    self.queue.skip(view.samples);
                    self.phase = Phase::Abandoned;
                }
                Phase::Processing if view.samples > 0 => {
                    self.chunk.clear();
                    self.queue.read(view.samples.min(self.chunk_frames * self.channels), &mut self.chunk);
                    self.attempt(sink, Self::process_chunk)?;
                    if sink.rows > 0 {
                        return Ok(State::More);
                    }
                }
                Phase::Processing if view.event == Some(Event::Finish) => {
                    self.attempt(sink, |reader, sink| reader.pipeline.finish(sink))?;
                    self.queue.consume_mark();
                    self.phase = Phase::Finished;
                    return Ok(State::Finished);
                }
                Phase::Processing => {
                    self.attempt(sink, |reader, sink| reader.pipeline.flush(sink))?;
                    return Ok(State::Waiting);
                }
                // Nothing is written between an end and the reset.
                Phase::Finished if view.event.is_none() => return Ok(State::Finished),
                Phase::Finished => self.begin(),
                Phase::Failed(failure) => {
                    self.queue.skip(view.samples);
                    match view.event {
                        Some(Event::Reset) => self.begin(),
                        Some(Event::Finish) => self.queue.consume_mark(),
                        None => return Err(failure.clone().unwrap_or_else(panicked)),
                    }
                }
                Phase::Abandoned => return Ok(State::Abandoned),
            }
        }
    }

    /// Consumes the reset that is next and begins the recording after it.
    fn begin(&mut self) {
        self.queue.consume_mark();
        self.pipeline.reset();
        self.processed = 0;
        self.phase = Phase::Processing;
    }

    /// Does some work on the recording; it is lost if that fails or panics.
    fn attempt(
        &mut self,
        sink: &mut dyn Sink,
        work: impl FnOnce(&mut Self, &mut dyn Sink) -> Result<()>,
    ) -> Result<()> {
        self.phase = Phase::Failed(None);
        let done = work(self, sink);
        self.phase = match &done {
            Ok(()) => Phase::Processing,
            Err(error) => Phase::Failed(Some(error.clone())),
        };
        done
    }

    fn process_chunk(&mut self, sink: &mut dyn Sink) -> Result<()> {
        match self.pipeline.push(&self.chunk, sink) {
            Err(error @ Error::NonFinite { index, .. }) => {
                // What comes before it is processed, wherever the chunks were cut.
                let finite = (index - self.processed) as usize * self.channels;
                self.pipeline.push(&self.chunk[..finite], sink)?;
                self.pipeline.flush(sink)?;
                return Err(error);
            }
            done => done?,
        }
        self.processed += (self.chunk.len() / self.channels) as u64;
        Ok(())
    }
}

/// The error of a read after one that panicked.
fn panicked() -> Error {
    Error::Panicked("the last read panicked: reset the stream to go on".to_owned())
}

/// Counts the rows passed on to a sink.
struct Counted<'s> {
    sink: &'s mut dyn Sink,
    rows: u64,
}

impl Sink for Counted<'_> {
    fn rows(&mut self, rows: &Rows<'_>) -> Result<()> {
        self.rows += rows.times.len() as u64;
        self.sink.rows(rows)
    }
}
