//! `sleeve similar`: what sounds alike in a music library.

mod ask;
mod embedder;
mod index;
mod lists;
mod map;
#[cfg(feature = "parquet")]
mod parquet_table;
mod show;
mod stats;
mod table;
mod tags;
mod update;
mod walk;
mod watch;

mod args;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use sleeve::similarity::Library;
use sleeve_files::names::shown;

pub use args::Args;
use args::Command;

pub fn run(args: &Args) -> Result<ExitCode> {
    match &args.command {
        Command::Index(args) => index::run(args),
        Command::Find(args) => ask::find(args),
        Command::Playlist(args) => ask::playlist(args),
        Command::Path(args) => ask::path(args),
        Command::Sample(args) => ask::sample(args),
        Command::Duplicates(args) => ask::duplicates(args),
        Command::Stats(args) => stats::run(args),
        Command::Export(args) => table::export(args),
        Command::Import(args) => table::import(args),
        Command::Map(args) => map::run(args),
    }
}

/// Opens a library file.
fn open(path: &Path) -> Result<Library> {
    if path.is_dir() {
        anyhow::bail!("{}: a folder; the library file comes first, see `sleeve similar --help`", shown(path));
    }
    if !path.try_exists().with_context(|| shown(path))? {
        anyhow::bail!("{}: no such library; create it with `sleeve similar index`", shown(path));
    }
    Ok(Library::open(path)?)
}
