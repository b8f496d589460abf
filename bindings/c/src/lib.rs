//! The C ABI: nothing but translation between `include/sleeve/sleeve.h` and the library.
//!
//! One file an object, in the order of the header, which cbindgen makes from them (`cargo xtask header`).
//! [`boundary`] holds what they share: the panic boundary, NULL checks, and slices and strings from C.
//! The rules that callers follow stand in the header's preamble (`src/preamble.txt`).

#![deny(missing_docs)]
#![allow(non_camel_case_types, reason = "these are C's names")]
#![allow(clippy::missing_safety_doc, reason = "the header's preamble states what every function expects")]

#[macro_use]
mod boundary;

mod analysis;
mod batch;
mod device;
mod error;
mod extractor;
mod log;
mod mel;
mod model;
mod options;
mod status;
mod stream;
mod version;
