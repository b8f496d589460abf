//! Training: from a data set with its pairs and features to networks, as section 3 of the paper says.
//!
//! [`sources`] brings batches to the device; [`objective`] says what is learnt of them; [`learner`] takes optimizer
//! steps ([`adam`], over the vectors of [`flat`]) over several batches, here and in other [`processes`]; [`run`] goes
//! through the epochs, with the learning rate of [`schedule`], and keeps its [`state`] in files.

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
