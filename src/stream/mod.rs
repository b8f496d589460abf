//! Audio that arrives in real time: one thread writes samples, another reads embeddings and predictions.
//!
//! A stream is two handles around a bounded queue. The [`StreamWriter`] takes interleaved samples in chunks of any size
//! and only copies them into the queue, so it may run in an audio callback. The [`StreamReader`] takes them out and
//! does all the work. It returns a patch's rows as soon as the last sample of the patch has arrived, with the same bits
//! as [`Extractor::extract_samples`] gives for the whole recording. Neither handle blocks: when the queue is full, the
//! writer takes what fits and returns how much that was; when it is empty, the reader returns [`State::Waiting`].
//!
//! ```
//! # #[cfg(feature = "bundled-model")] {
//! use std::time::Duration;
//! use sleeve::extractor::{Extractor, Rows};
//! use sleeve::model::Model;
//! use sleeve::stream::{State, Stream, StreamOptions};
//!
//! let extractor = Extractor::builder(Model::bundled("msd-musicnn-1")?).build()?;
//! let (mut writer, mut reader) = Stream::open(&extractor, &StreamOptions::new(48_000, 2))?;
//! let audio = std::thread::spawn(move || {
//!     for block in vec![0_i16; 2 * 48_000 * 5].chunks(2 * 64) {
//!         let written = writer.write_i16(block).expect("the reader is not dropped");
//!         assert_eq!(written, 64, "the queue holds ten seconds");
//!     }
//!     writer.finish();
//! });
//! let mut patches = 0;
//! let mut print = |rows: &Rows<'_>| {
//!     for (row, time) in rows.times.iter().enumerate() {
//!         println!("{time:.2} s: {}", rows.outputs[0].row(row));
//!         patches += 1;
//!     }
//!     Ok(())
//! };
//! loop {
//!     match reader.read(&mut print)?.state {
//!         State::More => {}
//!         State::Waiting => std::thread::sleep(Duration::from_millis(5)),
//!         State::Finished => break,
//!         State::Abandoned => unreachable!("the writer finishes the recording"),
//!     }
//! }
//! audio.join().unwrap();
//! assert_eq!(patches, 2);
//! # }
//! # Ok::<(), sleeve::Error>(())
//! ```
//!
//! # Recordings
//!
//! [`StreamWriter::finish`] ends a recording: the reader processes its end exactly as that of a file (resampler, last
//! frames, [`LastPatch`](crate::patches::LastPatch)) and returns [`State::Finished`]. [`StreamWriter::reset`] begins
//! the next recording without a new allocation; without `finish` before it, the current recording is abandoned. Both
//! are queued in order with the samples, so the writer need not wait for the reader.
//!
//! Several streams may use one extractor at once: they share its networks and threads.

mod options;
mod queue;
#[cfg(test)]
mod queue_tests;
mod reader;
mod single;
mod writer;

use crate::audio::Level;
use crate::extractor::{Extractor, Pipeline};
use crate::{Error, Result};

pub use crate::error::WriteError;
pub use options::{Capacity, StreamOptions};
pub use reader::{ReadOutcome, State, StreamReader};
pub use single::Stream;
pub use writer::StreamWriter;

/// The atomics that the queue is built of.
mod atomics {
    pub(super) use std::sync::Arc;
    pub(super) use std::sync::atomic::{
        AtomicBool, AtomicU32 as SampleSlot, AtomicU64, AtomicU64 as MarkSlot, Ordering,
    };
}

/// Recordings that may wait in a queue, finished and begun.
const MAX_RECORDINGS: usize = 64;

/// Both ends of a new stream.
fn open(extractor: &Extractor, options: &StreamOptions) -> Result<(StreamWriter, StreamReader)> {
    let StreamOptions { sample_rate, channels, .. } = *options;
    if extractor.audio_options().level != Level::None {
        return Err(Error::InvalidArgument(
            "level track: a stream cannot be levelled, because its loudness is known only at its end"
                .to_owned(),
        ));
    }
    if extractor.audio_options().normalise {
        return Err(Error::InvalidArgument(format!(
            "{}: its front end {} normalises the whole recording, which a stream cannot know; without normalisation it runs",
            extractor.model().name(),
            extractor.front_end()
        )));
    }
    let pipeline = Pipeline::new(extractor, sample_rate, channels)?;
    let samples = options.capacity_frames()? * usize::from(channels);
    let (writer, reader) = queue::queue(samples, 2 * MAX_RECORDINGS)
        .map_err(|_| Error::InvalidArgument(format!("out of memory for a queue of {samples} samples")))?;
    Ok((StreamWriter::new(writer, channels), StreamReader::new(reader, extractor, pipeline, channels)))
}
