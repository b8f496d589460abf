//! What teachers give for the crops that a network learns from (`kind = "distil"`).
//!
//! A [`Teacher`] is any model on MusiCNN's mel frames. It hears the same audio as the network: a crop has 128 frames, and
//! a teacher with longer patches hears the patch around it, with the same middle. [`make`] computes the targets of
//! evenly spaced crops of every recording once and stores them ([`store`]), because four teachers cost as much as a
//! step of training; a run then draws its crops among these.

pub mod make;
pub mod store;
mod teacher;

pub use store::TargetStore;
pub use teacher::Teacher;
