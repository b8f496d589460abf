//! NumPy arrays on disk, written row by row.
