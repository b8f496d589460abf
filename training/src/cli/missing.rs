//! The commands that need libtorch, in a program that was built without it.

use std::ffi::OsString;

use crate::error::{Error, Result};

/// Needs libtorch, and this program was built without it.
///
/// In the sources of Sleeve, `cargo xtask libtorch` fetches it, and `cargo build --release --package sleeve-training
/// --features torch` builds the program with it.
#[derive(clap::Args)]
pub struct Arguments {
    #[arg(hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Says what to do.
///
/// # Errors
/// Always.
pub fn run(command: &str, _arguments: &Arguments) -> Result<()> {
    Err(Error::InvalidArgument(format!(
        "`sleeve-train {command}` needs libtorch, and this program was built without it: run `cargo xtask libtorch`, \
         then `cargo build --release --package sleeve-training --features torch`"
    )))
}
