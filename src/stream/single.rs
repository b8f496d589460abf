//! Both ends in one hand.

use super::{StreamReader, WriteError, StreamWriter, State, StreamOptions, open};
use crate::Result;
use crate::extractor::{Extractor, Sink};

/// A stream on one thread: what is pushed is heard at once. [`Stream::open`] gives the two handles for two threads.
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
    /// A stream into `extractor` for two threads, at the start of a recording. The reader shares the extractor's
    /// networks; the extractor itself need not be kept.
    ///
    /// # Errors
    /// `InvalidArgument` for a sample rate outside 1,000 to 768,000 Hz, no channels, or a capacity of less than a frame
    /// or more than 2^28 samples.
    pub fn open(extractor: &Extractor, options: &StreamOptions) -> Result<(StreamWriter, StreamReader)> {
        open(extractor, options)
    }

    /// A stream into `extractor` for one thread.
    ///
    /// # Errors
    /// As [`Stream::open`].
    pub fn new(extractor: &Extractor, options: &StreamOptions) -> Result<Self> {
        let (writer, reader) = open(extractor, options)?;
        Ok(Stream { writer, reader })
    }

    /// Takes whole frames of interleaved samples, any number, and gives the rows they complete.
    ///
    /// # Errors
    /// `Push` for a part of a frame, or after [`finish`](Self::finish), and nothing is taken; else as [`StreamReader::pull`],
    /// and the recording is lost: [`reset`](Self::reset) begins the next one.
    pub fn push(&mut self, samples: &[f32], sink: &mut dyn Sink) -> Result<()> {
        self.pass(samples, StreamWriter::push, sink)
    }

    /// The same for 16-bit samples.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_i16(&mut self, samples: &[i16], sink: &mut dyn Sink) -> Result<()> {
        self.pass(samples, StreamWriter::push_i16, sink)
    }

    fn pass<T>(
        &mut self,
        samples: &[T],
        push: impl Fn(&mut StreamWriter, &[T]) -> Result<usize, WriteError>,
        sink: &mut dyn Sink,
    ) -> Result<()> {
        let mut rest = samples;
        loop {
            let taken = push(&mut self.writer, rest)? * self.writer.channels();
            rest = &rest[taken..];
            self.drain(sink)?;
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Ends the recording and gives its last rows. A second call gives nothing.
    ///
    /// # Errors
    /// As [`StreamReader::pull`].
    pub fn finish(&mut self, sink: &mut dyn Sink) -> Result<()> {
        self.writer.finish();
        self.drain(sink)
    }

    /// Begins the next recording, in the memory of this one. One that is not finished gives no more rows.
    pub fn reset(&mut self) {
        // Everything was heard before, so there are at most an end and a reset in the queue, and no patch is complete.
        self.writer.reset().expect("the reader is here and has heard all recordings before");
        let mut nothing = |_: &crate::extractor::Rows<'_>| Ok(());
        // Passes the reset; a recording that failed fails no more.
        let _ = self.reader.pull(&mut nothing);
    }

    /// What the rows are: [`outputs`](Extractor::outputs) in the order in which rows hold them.
    pub fn extractor(&self) -> &Extractor {
        self.reader.extractor()
    }

    fn drain(&mut self, sink: &mut dyn Sink) -> Result<()> {
        while self.reader.pull(sink)?.state == State::More {}
        Ok(())
    }
}
