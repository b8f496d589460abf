//! `sleeve similar`: similar tracks in a music library, as a list and as a playlist.

mod args;
mod find;
pub mod index;
pub mod journal;
mod library;
pub mod nearest;
mod playlist;
mod update;
mod vectors;

use std::process::ExitCode;

use anyhow::Result;

pub use args::Args;
use args::Command;

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Index(args) => update::run(args),
        Command::Find(args) => find::run(args),
    }
}
