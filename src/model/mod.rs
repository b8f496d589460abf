//! Models: metadata, opening, choosing an engine.
