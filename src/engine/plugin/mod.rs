//! Engines in separate shared libraries, loaded when a model or a device needs one.
//!
//! The library itself does not link libtorch, so one installed copy works on machines with and without it. A plugin
//! implements the interface of the crate `sleeve-plugin-abi`. [`Library`] is a loaded plugin, [`PluginEngine`] an
//! engine of it with the trait [`Engine`](super::Engine).

mod code;
mod engine;
mod find;
mod library;

pub use engine::PluginEngine;
pub use library::Library;
