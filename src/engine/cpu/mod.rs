//! What the engines for the CPU share: vectors of each instruction set, threads, aligned memory, the floating-point
//! state.

pub(in crate::engine) mod buffer;
pub(in crate::engine) mod float_state;
pub(in crate::engine) mod kernel_set;
pub(in crate::engine) mod simd;
pub(in crate::engine) mod team;

pub(in crate::engine) mod tiles;

pub use kernel_set::KernelSet;
