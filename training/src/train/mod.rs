//! Training: from a data set with its pairs and features to networks, as in section 3 of the paper.
//!
//! [`sources`] copies batches to the device; [`objective`] computes their losses; [`learner`] takes optimizer steps
//! ([`adam`], over the vectors of [`flat`]) over several batches, here and in other [`processes`]; [`run`] runs the
//! epochs, with the learning rate of [`schedule`], and stores its [`state`] in files.

pub mod adam;
pub mod device;
pub mod flat;
pub mod learner;
pub mod objective;
pub mod processes;
pub mod progress;
pub mod run;
pub mod schedule;
pub mod sources;
mod start;
pub mod state;
