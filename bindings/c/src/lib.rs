//! The C ABI: nothing but translation between `include/sleeve/sleeve.h` and the library.
//!
//! One file per object. cbindgen writes the header from them (`cargo xtask header`), with a section for each file.
//! [`boundary`] has what they share: the panic boundary, NULL checks, and slices and strings from C.
//! The rules for callers are in the header's preamble (`src/preamble.txt`).

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
mod library;
mod log;
mod mel;
mod model;
mod options;
mod query;
mod status;
mod stream;
mod track;
mod version;
mod writer;
