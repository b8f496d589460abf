//! Any audio file or buffer to mono samples at the rate a model expects.
