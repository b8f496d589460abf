//! Runs the program `sleeve` as a user would.

mod extract;
mod similar;
mod stream;

use std::process::Command;

/// The program with a subcommand.
fn sleeve(subcommand: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sleeve"));
    command.arg(subcommand);
    command
}
