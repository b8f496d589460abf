//! The C ABI: its record, C and C++ programs against the library as it was built, and what is installed for them.

mod packages;
mod programs;
mod record;
