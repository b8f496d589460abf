//! `similar export` and `similar import`: a library file as a Parquet table, one row a track.

use std::process::ExitCode;

use anyhow::Result;

use super::args;

/// What was done, as it is printed with --json.
#[cfg(feature = "parquet")]
#[derive(serde::Serialize)]
struct Done {
    table: String,
    tracks: usize,
}

#[cfg(feature = "parquet")]
pub fn export(args: &args::Export) -> Result<ExitCode> {
    let library = super::open(&args.library)?;
    super::parquet_table::write(&library, &args.table)?;
    done(&args.library, &args.table, library.len(), args.json)
}

#[cfg(feature = "parquet")]
pub fn import(args: &args::Import) -> Result<ExitCode> {
    use sleeve_files::names::shown;
    if args.library.exists() {
        anyhow::bail!("{}: exists; a library file is not replaced by an import", shown(&args.library));
    }
    let tracks = super::parquet_table::read(&args.table, &args.library)?;
    done(&args.library, &args.table, tracks, args.json)
}

#[cfg(feature = "parquet")]
fn done(library: &std::path::Path, table: &std::path::Path, tracks: usize, json: bool) -> Result<ExitCode> {
    let done = Done { table: table.to_string_lossy().into_owned(), tracks };
    if json {
        super::show::json(library, &done)?;
    } else {
        crate::terminal::note(format_args!("{}: {tracks} tracks", sleeve_files::names::shown(table)));
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(not(feature = "parquet"))]
pub fn export(_args: &args::Export) -> Result<ExitCode> {
    anyhow::bail!(WITHOUT)
}

#[cfg(not(feature = "parquet"))]
pub fn import(_args: &args::Import) -> Result<ExitCode> {
    anyhow::bail!(WITHOUT)
}

#[cfg(not(feature = "parquet"))]
const WITHOUT: &str =
    "this build has no Parquet; build it with `cargo install --locked --path cli --features parquet`";
