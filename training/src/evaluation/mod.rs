//! Measures models: their embeddings are evaluated with tags, genres and neighbours, as in sections 4.3 to 4.6 of the paper.
//!
//! The modules, in the order in which data flows: [`recordings`] finds recordings and computes their spectrograms,
//! [`encoders`] turns these into embeddings, and [`cache`] stores them. [`datasets`] reads the labels of recordings,
//! [`downstream`] trains a small network to predict them, with the [`metrics`]; [`retrieval`] ranks neighbours, and
//! [`results`] stores the figures. [`report`] sets them beside the paper's.

pub mod cache;
pub mod datasets;
pub mod downstream;
pub mod encoders;
pub mod metrics;
pub mod recordings;
pub mod report;
pub mod results;
pub mod retrieval;
