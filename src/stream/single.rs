//! A stream on one thread.

use super::{State, StreamOptions, StreamReader, StreamWriter, WriteError, open};
use crate::Result;
use crate::extractor::{Extractor, Sink};

/// A stream on one thread: samples are processed as they are pushed. [`Stream::open`] gives two handles for two
/// threads.
///
/// ```
/// # #[cfg(feature = "bundled-model")] {
/// use sleeve::extractor::{Extractor, Rows};
/// use sleeve::model::Model;
/// use sleeve::stream::{Stream, StreamOptions};
///
/// let extractor = Extractor::builder(Model::bundled("msd-musicnn-1")?).build()?;
/// let mut stream = Stream::new(&extractor, &StreamOptions::new(44_100, 1))?;
/// let mut times = Vec::new();
/// let mut sink = |rows: &Rows<'_>| {
///     times.extend_from_slice(rows.times);
///     Ok(())
/// };
/// for chunk in vec![0.25; 5 * 44_100].chunks(441) {
///     stream.push(chunk, &mut sink)?;
/// }
/// stream.finish(&mut sink)?;
/// assert_eq!(times, [0.0, 1.488]);
/// # }
/// # Ok::<(), sleeve::Error>(())
/// ```
pub struct Stream {
    writer: StreamWriter,
    reader: StreamReader,
}

impl Stream {
    /// A stream for two threads, at the start of a recording. The reader shares the extractor's networks; `extractor`
    /// itself need not be kept.
    ///
    /// # Errors
    /// `InvalidArgument` for a sample rate outside 1,000 to 768,000 Hz, no channels, or a capacity of less than one
    /// sample frame or more than 2^28 samples.
    pub fn open(extractor: &Extractor, options: &StreamOptions) -> Result<(StreamWriter, StreamReader)> {
        open(extractor, options)
    }

    /// A stream for one thread.
    ///
    /// # Errors
    /// As [`Stream::open`].
    pub fn new(extractor: &Extractor, options: &StreamOptions) -> Result<Self> {
        let (writer, reader) = open(extractor, options)?;
        Ok(Stream { writer, reader })
    }

    /// Takes interleaved samples, any number of whole sample frames, and gives the rows that they complete.
    ///
    /// # Errors
    /// `Stream` for a partial sample frame or after [`finish`](Self::finish), and nothing is taken. Otherwise as
    /// [`StreamReader::read`], and the recording is lost: [`reset`](Self::reset) begins the next one.
    pub fn push(&mut self, samples: &[f32], sink: &mut dyn Sink) -> Result<()> {
        self.pass(samples, StreamWriter::write, sink)
    }

    /// [`push`](Self::push) for 16-bit samples (full scale is 32,768).
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_i16(&mut self, samples: &[i16], sink: &mut dyn Sink) -> Result<()> {
        self.pass(samples, StreamWriter::write_i16, sink)
    }

    fn pass<T>(
        &mut self,
        samples: &[T],
        write: impl Fn(&mut StreamWriter, &[T]) -> Result<usize, WriteError>,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut rest = samples;
        loop {
            let written = write(&mut self.writer, rest)? * self.writer.channels();
            rest = &rest[written..];
            self.drain(sink)?;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ends the recording and gives its last rows. A second call does nothing.
    ///
    /// # Errors
    /// As [`StreamReader::read`].
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.writer.finish();
        self.drain(sink)
    }

    /// Begins the next recording, without a new allocation. One that is not finished gives no more rows.
    pub fn reset(&mut self) {
        // Everything was processed before, so there are at most an end and a reset in the queue, and no patch is
        // complete.
        self.writer.reset().expect("the reader is not dropped and has processed all recordings before");
        let mut nothing = |_: &crate::extractor::Rows<'_>| Ok(());
        // Consumes the reset, which also clears a failure.
        let _ = self.reader.read(&mut nothing);
    }

    /// The extractor of this stream; its [`outputs`](Extractor::outputs) are those of each row, in order.
    pub fn extractor(&self) -> &Extractor {
        self.reader.extractor()
    }

    fn drain(&mut self, sink: &mut dyn Sink) -> Result<()> {
        while self.reader.read(sink)?.state == State::More {}
        Ok(())
    }
}
