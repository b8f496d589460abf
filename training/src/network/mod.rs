//! The network: an EfficientNet-B0 over patches of 128 frames by 96 mel bands, and the heads on its embedding.
//!
//! [`architecture`] is its table of layers, [`description`] its heads, [`parameters`] its weights and their initial
//! values, [`masks`] its dropout in training, and [`plain`] a slow implementation in plain Rust. With the feature
//! `torch`, `model` computes the network and its gradients in libtorch, and `loss` has the objectives.

pub mod architecture;
pub mod description;
pub mod masks;
pub mod parameters;
pub mod plain;
pub(crate) mod random;

#[cfg(feature = "torch")]
pub mod loss;
#[cfg(feature = "torch")]
pub mod model;

pub use description::{Description, Head, HeadKind};
pub use parameters::{Tensor, Tensors};
