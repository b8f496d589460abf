//! EfficientNet-B0, fused: the fastest way that this library has of running that one network on a CPU.
//!
//! [`Network`] is the network found in an ONNX file, whatever exporter wrote it; [`EffnetEngine`] runs it.

mod block;
mod buffer;
mod clock;
mod engine;
mod float_state;
mod forward;
mod kernel_set;
mod kernels;
pub(crate) mod network;
mod pack;
mod plan;
mod recognise;
#[cfg(test)]
mod reference;
mod simd;
pub(crate) mod tail;
mod team;
#[cfg(test)]
mod tests;
mod tiles;
mod workspace;

pub use clock::Stage;
pub use engine::{EffnetEngine, Network, Refusal};
pub use kernel_set::KernelSet;
pub use network::{HEAD_CHANNELS, STAGES, STEM_CHANNELS};
