//! Training: from a data set with its pairs and features to networks, as in sections 4.2 and 4.6 of the paper.
//!
//! [`sources`] has the batches, [`host`] and [`stage`] bring them to the device, and [`validation`] those that a run is
//! judged by; [`objective`] computes their losses; [`learner`] takes optimizer steps
//! ([`adam`], over the vectors of [`flat`]) over several batches, here and in other [`processes`]; [`run`] runs the
//! epochs, with the learning rate of [`schedule`], and stores its [`state`] in files.

pub mod adam;
pub mod device;
pub mod flat;
pub mod host;
pub mod learner;
pub mod objective;
pub mod processes;
pub mod progress;
pub mod run;
pub mod schedule;
pub mod sources;
pub mod stage;
mod start;
pub mod state;
pub mod validation;
