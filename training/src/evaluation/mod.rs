//! What a model is worth: its embeddings judged by tags, genres and neighbours, as in section 4 of the paper.
//!
//! In the order in which data flows: [`recordings`] are found and become spectrograms, [`encoders`] turn those into
//! embeddings, whatever they are made with, [`cache`] keeps them, [`retrieval`] looks for neighbours
//! among them, and [`results`] keeps the figures that come of them.

pub mod cache;
pub mod encoders;
pub mod recordings;
pub mod results;
pub mod retrieval;
