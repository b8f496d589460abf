//! Sleeve's training: from Discogs' public editorial metadata and a folder of recordings to the data sets
//! that the models learn from, and from a trained network to a model, after Alonso-Jiménez, Serra and Bogdanov,
//! "Music Representation Learning Based on Editorial Metadata from Discogs" (ISMIR 2022).
//!
//! In the order in which data flows: [`discogs`] and [`scan`] make tables of a dump and of a collection,
//! [`matching`] joins them, [`splits`] sets validation and test apart, [`pairs`] draws which tracks are
//! learnt together, and [`stats`] counts. Each reads the tables of the one before and nothing else.
//! [`corpus`] fetches a real collection to try it all on.
//!
//! [`hear`] decodes, [`features`] makes the mel-spectrograms that are learnt from, [`batches`] what a training step sees of them, and
//! [`config`] says what a run does. [`network`] is what learns, `train` teaches it, [`runlog`] tells how, and [`plot`]
//! draws that. [`checkpoint`] keeps networks, and [`export`] makes the model that the library opens.
//! [`evaluation`] says what a model is worth, and [`adaptation`] makes one fit for a collection too small to train on.
//! What needs libtorch is built with the feature `torch`; everything else is not.

#![deny(missing_docs)]

pub mod adaptation;
pub mod atomic;
pub mod batches;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod corpus;
pub mod discogs;
mod error;
pub mod evaluation;
pub mod export;
pub mod features;
pub mod hear;
pub mod links;
pub mod matching;
#[cfg(feature = "torch")]
mod native;
pub mod network;
mod numerals;
pub mod pairs;
pub mod plot;
pub mod runlog;
pub mod scan;
pub mod splits;
pub mod stats;
pub mod table;
pub mod threads;
#[cfg(feature = "torch")]
pub mod train;

pub use error::{Error, Result};
