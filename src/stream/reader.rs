//! The end of a stream that rows come out at.

use std::cell::Cell;
use std::marker::PhantomData;

use super::queue::{Event, Reader};
use crate::extractor::{Extractor, Pipeline, Rows, Sink};
use crate::{Error, Result};

/// Frames taken from the queue at a time: enough to fill the mel kernels, little enough to notice events soon.
const CHUNK_FRAMES: usize = 4096;
/// Samples of a chunk, whatever the number of channels; at least one frame is taken.
const CHUNK_SAMPLES: usize = 1 << 16;

/// Gives rows, for one thread: resampling, mel and the networks run in [`pull`](Self::pull).
///
/// Dropped, it closes the stream: pushes are refused from then on.
pub struct StreamReader {
    reader: Reader,
    extractor: Extractor,
    pipeline: Pipeline,
    channels: usize,
    /// Room for `chunk_frames` frames.
    chunk: Vec<f32>,
    chunk_frames: usize,
    /// Frames of this recording that passed through the pipeline.
    heard: u64,
    phase: Phase,
    /// For one thread at a time.
    not_sync: PhantomData<Cell<()>>,
}

/// Where the reader stands in a recording.
enum Phase {
    Hearing,
    Ended,
    /// Until the writer resets the stream.
    Failed(Error),
    /// By a writer that is gone; for ever.
    Abandoned,
}

/// What one pull gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pulled {
    /// Rows that the sink had.
    pub rows: u64,
    /// How the stream stands.
    pub state: State,
}

/// How a stream stands after a pull.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A batch was given, and there may be more to hear at once: pull again.
    More,
    /// Everything pushed so far is heard; what comes next depends on the writer.
    Waiting,
    /// The recording was finished and all its rows are given. It stays so until the writer begins the next one, whose
    /// rows count from 0 again.
    Ended,
    /// The recording was abandoned by a reset, or by dropping the writer: it gives no more rows. After a reset the next
    /// pull hears the next recording; without a writer it stays so.
    Abandoned,
}

impl StreamReader {
    pub(super) fn new(reader: Reader, extractor: &Extractor, pipeline: Pipeline, channels: u16) -> Self {
        let channels = usize::from(channels);
        let chunk_frames = (CHUNK_SAMPLES / channels).clamp(1, CHUNK_FRAMES);
        StreamReader {
            reader,
            extractor: extractor.clone(),
            pipeline,
            channels,
            chunk: Vec::with_capacity(chunk_frames * channels),
            chunk_frames,
            heard: 0,
            phase: Phase::Hearing,
            not_sync: PhantomData,
        }
    }

    /// What the rows are: [`outputs`](Extractor::outputs) in the order in which rows hold them.
    pub fn extractor(&self) -> &Extractor {
        &self.extractor
    }

    /// Whether the writer was dropped before the recording ended, and [`State::Abandoned`] is for ever.
    pub fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Abandoned)
    }

    /// Hears what was pushed, and gives `sink` the rows of every patch that is complete: as soon as its last sample is
    /// here, alone; in batches of the extractor's size where so many are. Returns after a batch, or when everything
    /// pushed so far is heard; never waits for the writer.
    ///
    /// Rows are the same bits as [`Extractor::extract_samples`] gives for the whole recording, however it was pushed and
    /// pulled. [`Sink::progress`] is not called.
    ///
    /// # Errors
    /// `NonFinite`, with the index of the frame in its recording, after the rows of all patches complete before it;
    /// `Engine` when the network fails; whatever the sink returns. The recording is then lost: further pulls discard what
    /// is pushed of it and return the same error again, until the writer resets the stream.
    pub fn pull(&mut self, sink: &mut dyn Sink) -> Result<Pulled> {
        let mut counted = Counted { sink, rows: 0 };
        let state = self.advance(&mut counted)?;
        Ok(Pulled { rows: counted.rows, state })
    }

    fn advance(&mut self, sink: &mut Counted<'_>) -> Result<State> {
        loop {
            let view = self.reader.look();
            match &self.phase {
                Phase::Hearing if view.event == Some(Event::Reset) => {
                    self.reader.skip(view.samples);
                    self.begin();
                    return Ok(State::Abandoned);
                }
                Phase::Hearing if view.event.is_none() && view.writer_gone => {
                    self.reader.skip(view.samples);
                    self.phase = Phase::Abandoned;
                }
                Phase::Hearing if view.samples > 0 => {
                    self.chunk.clear();
                    self.reader.read(view.samples.min(self.chunk_frames * self.channels), &mut self.chunk);
                    self.attempt(sink, Self::hear_chunk)?;
                    if sink.rows > 0 {
                        return Ok(State::More);
                    }
                }
                Phase::Hearing if view.event == Some(Event::Finish) => {
                    self.attempt(sink, |reader, sink| reader.pipeline.finish(sink))?;
                    self.reader.heed();
                    self.phase = Phase::Ended;
                    return Ok(State::Ended);
                }
                Phase::Hearing => {
                    self.attempt(sink, |reader, sink| reader.pipeline.flush(sink))?;
                    return Ok(State::Waiting);
                }
                // Nothing is pushed between an end and the reset.
                Phase::Ended if view.event.is_none() => return Ok(State::Ended),
                Phase::Ended => self.begin(),
                Phase::Failed(failure) => {
                    self.reader.skip(view.samples);
                    match view.event {
                        Some(Event::Reset) => self.begin(),
                        Some(Event::Finish) => self.reader.heed(),
                        None => return Err(failure.clone()),
                    }
                }
                Phase::Abandoned => return Ok(State::Abandoned),
            }
        }
    }

    /// Leaves the reset behind that is next.
    fn begin(&mut self) {
        self.reader.heed();
        self.pipeline.reset();
        self.heard = 0;
        self.phase = Phase::Hearing;
    }

    /// Does some work on the recording, which is lost if that fails or panics.
    fn attempt(
        &mut self,
        sink: &mut dyn Sink,
        work: impl FnOnce(&mut Self, &mut dyn Sink) -> Result<()>,
    ) -> Result<()> {
        self.phase =
            Phase::Failed(Error::Panicked("the last pull panicked: reset the stream to go on".to_owned()));
        let done = work(self, sink);
        self.phase = match &done {
            Ok(()) => Phase::Hearing,
            Err(error) => Phase::Failed(error.clone()),
        };
        done
    }

    fn hear_chunk(&mut self, sink: &mut dyn Sink) -> Result<()> {
        match self.pipeline.push(&self.chunk, sink) {
            Err(error @ Error::NonFinite { index, .. }) => {
                // What comes before it was pushed in time and is heard, wherever the chunks were cut.
                let finite = (index - self.heard) as usize * self.channels;
                self.pipeline.push(&self.chunk[..finite], sink)?;
                self.pipeline.flush(sink)?;
                return Err(error);
            }
            done => done?,
        }
        self.heard += (self.chunk.len() / self.channels) as u64;
        Ok(())
    }
}

/// Counts what passes on to a sink.
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
