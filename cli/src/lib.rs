//! The program `sleeve`, as a library, so that other hosts can offer the same commands. The entry point is [`run`].
#![deny(missing_docs)]

mod audio;
mod default_model;
mod devices;
mod extract;
mod interrupt;
mod mel;
mod models;
mod pages;
#[doc(hidden)]
#[allow(missing_docs)]
pub mod similar;
mod stream;

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};

/// Music tags and embeddings: what recordings sound like, as names and as vectors.
#[derive(Parser)]
#[command(name = "sleeve", version, max_term_width = 100, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Extract(extract::Args),
    Mel(mel::Args),
    Similar(similar::Args),
    Stream(stream::Args),
    Models(models::Args),
    Devices(devices::Args),
    Completions(pages::Completions),
    Man(pages::Man),
}

/// Runs the program. The first argument is the program's name. Returns the exit code: 0; 1 if anything failed; 2 for
/// invalid arguments; 130 after Ctrl-C.
///
/// It installs a logger and a Ctrl-C handler: call it once per process.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version arrive here too. An error of printing is ignored.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let outcome = match &arguments.command {
        Command::Extract(args) => log(args.verbose).and_then(|()| extract::run(args)),
        Command::Mel(args) => log(0).and_then(|()| mel::run(args)),
        Command::Similar(args) => log(0).and_then(|()| similar::run(args)),
        Command::Stream(args) => log(0).and_then(|()| stream::run(args)),
        Command::Models(args) => log(0).and_then(|()| models::run(args)),
        Command::Devices(args) => log(2 * args.verbose).and_then(|()| devices::run(args)),
        Command::Completions(args) => pages::completions(args, Arguments::command()),
        Command::Man(args) => pages::man(args, Arguments::command()),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

/// Logs to standard error: warnings, and more for each `-v`. The environment variable `SLEEVE_LOG` takes precedence.
fn log(verbose: u8) -> Result<()> {
    let level = ["warn", "info", "debug"][usize::from(verbose).min(2)];
    let environment = env_logger::Env::new().filter_or("SLEEVE_LOG", format!("sleeve={level}"));
    // A host with its own logger keeps it.
    let _ = env_logger::Builder::from_env(environment).format_timestamp(None).try_init();
    Ok(())
}
