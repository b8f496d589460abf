//! Pictures of music: a [mel-spectrogram](spectrogram()), [tags over time](tags()) below one, and the [`canvas`] that they are
//! drawn on. Both pictures take their values as they come and average what is more than a picture can show, so that ten
//! hours take the memory of a minute.
#![deny(missing_docs)]

mod axes;
pub mod canvas;
mod colour;
mod spectrogram;
mod tags;

pub use spectrogram::{Columns, draw as spectrogram};
pub use tags::{TagRows, draw as tags};
