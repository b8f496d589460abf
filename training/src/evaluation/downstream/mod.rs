//! Tags and classes predicted by a small network from frozen embeddings, as in sections 4.3 to 4.5 of the paper.
//!
//! [`protocol`] has every setting, [`stack`] reads the embeddings of one or several encoders from the cache, [`head`]
//! has the network's values and its file. With the feature `torch`, `probe` computes the network and its gradients,
//! `learn` trains it, and `run` evaluates stacks on a data set.

#[cfg(feature = "torch")]
mod figures;
pub mod head;
#[cfg(feature = "torch")]
pub mod learn;
#[cfg(feature = "torch")]
pub mod probe;
pub mod protocol;
#[cfg(feature = "torch")]
pub mod run;
pub mod stack;

pub use protocol::{Crops, Protocol};
pub use stack::{Member, Stack};
