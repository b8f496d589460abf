//! What a model is worth: its embeddings judged by tags, genres and neighbours, as in section 4 of the paper.
//!
//! In the order in which data flows: [`encoders`] turn recordings into embeddings, whatever they are made with, and
//! [`results`] keeps the figures that come of them.

pub mod encoders;
pub mod map;
pub mod report;
pub mod results;
