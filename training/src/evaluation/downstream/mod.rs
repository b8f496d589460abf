//! Tags and classes told by a small network on frozen embeddings, as in section 4 of the paper.
//!
//! [`protocol`] is every setting, [`stack`] one encoder or several side by side, read from the cache, [`head`] the network
//! as numbers and as a file. With the feature `torch`, `probe` is that network learning, `learn` takes it through the
//! epochs, and `run` evaluates stacks on a data set.

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
