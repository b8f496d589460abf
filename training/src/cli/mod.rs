//! The command line of `sleeve-train`: it only translates between arguments and the library.

mod adapt;
mod corpus;
mod discogs;
#[cfg(feature = "torch")]
mod evaluate;
mod export;
mod features;
mod matching;
#[cfg(not(feature = "torch"))]
mod missing;
mod pairs;
mod plot;
mod progress;
mod report;
mod retrieve;
mod scan;
mod split;
mod stats;
mod stop;
mod targets;
#[cfg(feature = "torch")]
mod train;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::{Error, Result};

/// From public editorial metadata and a folder of recordings to models of music embeddings.
///
/// The method is that of Alonso-Jiménez, Serra and Bogdanov, "Music Representation Learning Based on Editorial Metadata
/// from Discogs" (ISMIR 2022): two recordings belong together if their editorial metadata have a release, an artist or
/// a label in common (section 3). The commands, in order: `discogs` and `scan` make tables of a dump and of a
/// collection, `match` joins them or takes the metadata from the tags, `split` separates training, validation and test,
/// `pairs` draws the pairs, `stats` counts; `corpus` fetches a collection to try it on. `features` makes
/// mel-spectrograms, `targets` computes what other models give for these, `train` trains (with the feature `torch`),
/// `plot` draws the curves of runs, `export` makes a model of a trained network, and `evaluate` (with `torch`) and
/// `retrieve` measure it, by tags and by neighbours. `adapt` adapts a trained model to a folder of music, in one command.
/// `report` sets results beside the paper's. GUIDE.md leads from a dump and a folder of music to a model. Every table is
/// Parquet, which DuckDB, Polars and pandas open; TABLES.md describes the columns.
#[derive(Parser)]
#[command(name = "sleeve-train", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Discogs(discogs::Arguments),
    Scan(scan::Arguments),
    Match(matching::Arguments),
    Split(split::Arguments),
    Pairs(pairs::Arguments),
    Stats(stats::Arguments),
    Features(features::Arguments),
    Targets(targets::Arguments),
    Plot(plot::Arguments),
    Corpus(corpus::Arguments),
    #[cfg(feature = "torch")]
    Train(train::Arguments),
    #[cfg(not(feature = "torch"))]
    Train(missing::Arguments),
    Export(export::Arguments),
    #[cfg(feature = "torch")]
    Evaluate(evaluate::Arguments),
    #[cfg(not(feature = "torch"))]
    Evaluate(missing::Arguments),
    Retrieve(retrieve::Arguments),
    Adapt(adapt::Arguments),
    Report(report::Arguments),
}

/// Runs the program: 0 on success, 1 on failure, 2 on wrong arguments, 130 if it was interrupted.
pub fn main() -> ExitCode {
    sleeve::internal::silence_contained_panics();
    let command = Arguments::parse().command;
    // Restores SIGPIPE's default so that `| head` ends the program quietly. Not for training: a closed socket would end
    // it without a message.
    #[cfg(feature = "torch")]
    let is_training = matches!(command, Command::Train(_));
    #[cfg(not(feature = "torch"))]
    let is_training = false;
    if !is_training {
        sigpipe::reset();
    }
    let result: Result<()> = match command {
        Command::Discogs(arguments) => discogs::run(&arguments),
        Command::Scan(arguments) => scan::run(&arguments),
        Command::Match(arguments) => matching::run(&arguments),
        Command::Split(arguments) => split::run(&arguments),
        Command::Pairs(arguments) => pairs::run(&arguments),
        Command::Stats(arguments) => stats::run(&arguments),
        Command::Features(arguments) => features::run(&arguments),
        Command::Targets(arguments) => targets::run(&arguments),
        Command::Plot(arguments) => plot::run(&arguments),
        Command::Corpus(arguments) => corpus::run(&arguments),
        #[cfg(feature = "torch")]
        Command::Train(arguments) => train::run(&arguments),
        #[cfg(not(feature = "torch"))]
        Command::Train(arguments) => missing::run("train", &arguments),
        Command::Export(arguments) => export::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        #[cfg(feature = "torch")]
        Command::Evaluate(arguments) => evaluate::run(&arguments),
        #[cfg(not(feature = "torch"))]
        Command::Evaluate(arguments) => missing::run("evaluate", &arguments),
        Command::Retrieve(arguments) => retrieve::run(&arguments),
        Command::Adapt(arguments) => adapt::run(&arguments),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(Error::Interrupted(text)) => {
            eprintln!("{text}");
            // The exit status that a shell reports after Ctrl-C.
            ExitCode::from(130)
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
