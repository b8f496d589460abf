//! The fused engine for convolutional networks.

mod engine;
mod ir;
mod kernels;
mod pack;
mod pass;
mod pass_copy;
mod pass_spread;
mod pass_winograd;
mod plan;
#[cfg(test)]
mod reference;
mod rewrite;
#[cfg(test)]
mod tests;
mod toom;
mod trace;

pub use engine::{FusedEngine, Network};
