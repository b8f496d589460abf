//! What sounds like this: the nearest tracks of a music library, as a list and as a playlist.

mod args;
mod find;
mod index;
#[path = "../extract/interrupt.rs"]
mod interrupt;
mod journal;
mod library;
mod nearest;
mod paths;
mod playlist;
#[path = "../shared/published.rs"]
mod published;
mod update;
mod vectors;

use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command};

fn main() -> ExitCode {
    // `| head` ends the program quietly.
    sigpipe::reset();
    let args = Args::parse();
    let environment = env_logger::Env::new().filter_or("SLEEVE_LOG", "sleeve=warn");
    env_logger::Builder::from_env(environment).format_timestamp(None).init();
    let outcome = match &args.command {
        Command::Index(args) => update::run(args),
        Command::Find(args) => find::run(args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}
