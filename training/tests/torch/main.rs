//! Tests that need libtorch: the network, its training, and the files and figures that come from it.

mod distil;
mod evaluation;
mod learning;
mod network;
mod objectives;
#[path = "../support/mod.rs"]
mod support;
mod torchscript;
mod training;
