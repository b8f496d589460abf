//! Engines in shared libraries of their own, loaded when a model or a device asks for one.
//!
//! The library itself links nothing large: one installed copy serves machines with and without libtorch.
//! The crate `sleeve-plugin-abi` is what a plugin implements, `find` where it is looked for, `library` the loaded plugin, `engine` an
//! engine of it behind the trait [`Engine`](super::Engine).

mod engine;
mod find;
mod library;

pub use engine::PluginEngine;
pub use library::Library;
