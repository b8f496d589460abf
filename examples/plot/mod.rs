//! Pictures of recordings: a mel-spectrogram, and tags over time below one.
// Each example that includes this module uses a part of it.
#![allow(dead_code, unused_imports)]

mod axes;
mod canvas;
mod colour;
mod hear;
mod spectrogram;
mod tags;

pub use hear::each_frame;
pub use spectrogram::{Columns, draw as spectrogram};
pub use tags::{TagRows, draw as tags};
