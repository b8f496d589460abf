//! What a model is worth: its embeddings judged by tags, genres and neighbours, as in section 4 of the paper.
//!
//! In the order in which data flows: [`recordings`] are found and become spectrograms, [`encoders`] turn those into
//! embeddings, whatever they are made with, and [`cache`] keeps them. [`datasets`] says what the recordings are called,
//! [`downstream`] how well a small network tells that, by the figures of [`metrics`]; [`retrieval`] looks for neighbours
//! among them, and [`results`] keeps the figures. [`report`] sets them beside the paper's, and [`map`] draws a collection.

pub mod cache;
pub mod datasets;
pub mod downstream;
pub mod encoders;
pub mod map;
pub mod metrics;
pub mod recordings;
pub mod report;
pub mod results;
pub mod retrieval;
