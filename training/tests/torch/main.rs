//! What needs libtorch: the network, its training, and what is written or measured with it.

mod evaluation;
mod learning;
mod network;
mod objectives;
#[path = "../support/mod.rs"]
mod support;
mod torchscript;
mod training;
