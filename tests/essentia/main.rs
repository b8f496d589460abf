//! The plugin for Essentia, beside Essentia itself.

mod plugin;
