//! The plugin for Essentia, compared with Essentia itself.

mod plugin;
