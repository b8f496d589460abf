//! The C ABI: its record, C and C++ programs that link the library, and what is installed for them.

mod hosts;
mod packages;
mod programs;
mod recipes;
mod record;
mod release;
mod windows;
mod zoo;
