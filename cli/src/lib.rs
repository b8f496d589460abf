//! The program `sleeve`, as a library, so that other hosts can offer the same commands. The entry point is [`run`].
#![deny(missing_docs)]

mod audio;
mod default_model;
mod devices;
mod extract;
mod inputs;
mod interrupt;
mod mel;
mod model_args;
mod models;
mod pages;
#[doc(hidden)]
#[allow(missing_docs)]
pub mod similar;
mod stream;
mod terminal;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use sleeve_files::names::escaped;

/// For the fuzz targets and tests of this workspace alone.
#[doc(hidden)]
#[allow(missing_docs)]
pub mod internal {
    pub use crate::inputs::playlist::{Entry, is_playlist, read as read_playlist};
}

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
    sleeve::internal::silence_contained_panics();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => return answer(&error),
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
    outcome.unwrap_or_else(|error| fail(&error))
}

/// The end of a run that failed.
fn fail(error: &anyhow::Error) -> ExitCode {
    if !terminal::is_closed_pipe(error) {
        terminal::error(error);
    }
    ExitCode::FAILURE
}

/// Prints what clap has to say: help and version, or what is wrong with the arguments.
fn answer(error: &clap::Error) -> ExitCode {
    let plain = error.render().to_string();
    if error.use_stderr() {
        // An argument may be the name of a file. Colours are kept where nothing needs to be escaped.
        let lines: Vec<String> = plain.lines().map(escaped).collect();
        if lines.join("\n") == plain.trim_end() {
            let _ = error.print();
        } else {
            lines.iter().for_each(terminal::note);
        }
    } else if let Err(error) = error.print().and_then(|()| std::io::stdout().flush()) {
        return fail(&anyhow::Error::from(error).context(terminal::STDOUT));
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

/// Logs to standard error: warnings, and more for each `-v`. The environment variable `SLEEVE_LOG` takes precedence.
fn log(verbose: u8) -> Result<()> {
    let level = ["warn", "info", "debug"][usize::from(verbose).min(2)];
    let environment = env_logger::Env::new().filter_or("SLEEVE_LOG", format!("sleeve={level}"));
    // A host with its own logger keeps it.
    let _ = env_logger::Builder::from_env(environment)
        .format(|out, record| {
            writeln!(out, "[{} {}] {}", record.level(), record.target(), escaped(&record.args().to_string()))
        })
        .try_init();
    Ok(())
}
