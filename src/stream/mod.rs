//! Audio as it comes: samples pushed on one thread, embeddings and predictions pulled on another.
//!
//! A stream is two handles around a bounded queue. The [`StreamWriter`] takes interleaved samples, in chunks of any size, and
//! does nothing but put them into the queue: it may live in an audio callback. The [`StreamReader`] takes them out and does
//! all the work, and gives each patch's rows as soon as its last sample has arrived, the same bits as
//! [`Extractor::extract_samples`] gives for the whole recording. Neither ever waits for the other: a full queue takes
//! what fits and says so, and a reader that finds nothing says [`State::Waiting`].
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
//!         let taken = writer.push_i16(block).expect("the reader listens");
//!         assert_eq!(taken, 64, "ten seconds fit into the queue");
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
//!     match reader.pull(&mut print)?.state {
//!         State::More => {}
//!         State::Waiting => std::thread::sleep(Duration::from_millis(5)),
//!         State::Ended => break,
//!         State::Abandoned => unreachable!("the writer finishes"),
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
//! [`StreamWriter::finish`] ends a recording: the reader hears its tail exactly as that of a file (resampler, last frames,
//! [`LastPatch`](crate::patches::LastPatch)) and says [`State::Ended`]. [`StreamWriter::reset`] begins the next one in the
//! memory of the last; without `finish`, it abandons the current one. Both take their place among the samples, so the
//! reader notices by itself, in order, and the writer need not wait for it.
//!
//! Several streams may use one extractor at once: they share its networks and their threads.

mod options;
mod reader;
mod writer;
mod queue;
#[cfg(test)]
mod queue_tests;
mod single;

use crate::extractor::{Extractor, Pipeline};
use crate::{Error, Result};

pub use crate::error::WriteError;
pub use options::{Capacity, StreamOptions};
pub use reader::{Pulled, StreamReader, State};
pub use writer::StreamWriter;
pub use single::Stream;

/// The atomics that the queue is built of.
mod atomics {
    pub(super) use std::sync::Arc;
    pub(super) use std::sync::atomic::{
        AtomicBool, AtomicU32 as SampleSlot, AtomicU64, AtomicU64 as MarkSlot, Ordering,
    };
}

/// Recordings that may wait in a queue, finished and begun.
const MOST_RECORDINGS: usize = 64;

/// Both ends of a new stream.
fn open(extractor: &Extractor, options: &StreamOptions) -> Result<(StreamWriter, StreamReader)> {
    let StreamOptions { sample_rate, channels, .. } = *options;
    let pipeline = Pipeline::new(extractor, sample_rate, channels)?;
    let samples = options.capacity_frames()? * usize::from(channels);
    let (writer, reader) = queue::queue(samples, 2 * MOST_RECORDINGS)
        .map_err(|_| Error::InvalidArgument(format!("no memory for a queue of {samples} samples")))?;
    Ok((StreamWriter::new(writer, channels), StreamReader::new(reader, extractor, pipeline, channels)))
}
