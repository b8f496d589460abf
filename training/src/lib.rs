//! Sleeve's training: from Discogs' public editorial metadata and a folder of recordings to data sets for training, and
//! from a trained network to a model. The method is that of Alonso-Jiménez, Serra and Bogdanov, "Music Representation
//! Learning Based on Editorial Metadata from Discogs" (ISMIR 2022).
//!
//! The modules, in the order in which data flows:
//!
//! - [`discogs`] and [`scan`] make tables of a dump and of a collection, and [`matching`] joins them, or takes the metadata
//!   from tags.
//! - [`splits`] separates training, validation and test, [`pairs`] draws the pairs of tracks, and [`stats`] counts.
//!   Each reads only the tables of the step before, and
//!   removes those of later steps ([`stale`]).
//! - [`corpus`] fetches a real collection to try these on.
//! - [`hear`] decodes recordings, [`features`] stores their mel-spectrograms, and [`batches`] makes training batches of
//!   these.
//! - [`targets`] computes what other models give for these, for a network that learns from them.
//! - [`config`] is the configuration of a run, [`network`] the network, `train` the training loop, [`runlog`] the log
//!   of a run, and [`plot`] draws it.
//! - [`checkpoint`] stores networks, and [`export`] makes models that the library opens.
//! - [`evaluation`] measures models, and [`adaptation`] adapts a model to a collection that is too small to train on.
//!
//! Only what needs libtorch requires the feature `torch`.

#![deny(missing_docs)]

pub mod adaptation;
pub mod atomic;
pub mod batches;
pub mod checkpoint;
pub mod cli;
pub mod config;
pub mod corpus;
mod csv_file;
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
pub mod stale;
pub mod stats;
pub mod table;
pub mod targets;
pub mod threads;
#[cfg(feature = "torch")]
pub mod train;

pub use error::{Error, Result};
