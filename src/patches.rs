//! Frames to overlapping patches.
