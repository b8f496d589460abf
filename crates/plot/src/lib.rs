//! Pictures of music: a [mel-spectrogram](spectrogram()), [tags over time](tags()) below one, and the [`canvas`] that
//! they are drawn on. Both pictures average their values over time as they arrive, so memory does not grow with the
//! recording.
#![deny(missing_docs)]

mod axes;
pub mod canvas;
mod colour;
mod spectrogram;
mod tags;

pub use spectrogram::{Columns, draw as spectrogram};
pub use tags::{TagRows, draw as tags};
