//! The program `sleeve`, as a library, so that other hosts can offer the same commands. [`run`] is all of it.
#![deny(missing_docs)]

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

/// What recordings sound like: tags and embeddings of audio files, with nothing to install.
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

/// Runs the program with its arguments, of which the first is its own name, and returns its exit code: 0; 1 if
/// anything failed; 2 for arguments that make no sense; 130 after Ctrl-C.
///
/// It installs a logger and a handler for Ctrl-C, as a program does; call it once in a process.
pub fn run(arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // A help text is no error; where nobody reads what is printed, nothing is left to say.
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

/// Says on standard error what the library logs: warnings, and more the more often `-v` is given. `SLEEVE_LOG` decides
/// instead where it is set.
fn log(verbose: u8) -> Result<()> {
    let level = ["warn", "info", "debug"][usize::from(verbose).min(2)];
    let environment = env_logger::Env::new().filter_or("SLEEVE_LOG", format!("sleeve={level}"));
    // A host that has a logger keeps it.
    let _ = env_logger::Builder::from_env(environment).format_timestamp(None).try_init();
    Ok(())
}
