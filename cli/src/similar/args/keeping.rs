//! The commands that write library files, and that say what one has.

use std::path::PathBuf;

use sleeve::audio::Level;

use crate::audio::FfmpegArgs;
use crate::inputs::InputArgs;

/// Index a music library, or update its index
///
/// Only new and changed tracks are processed. A track that was moved or renamed keeps its embedding, as does one that got
/// other tags; tracks that are gone are dropped. The library file can be read meanwhile. An interrupted run continues
/// where it stopped. A library file belongs to one model and one level, and others are refused.
///
/// The library is a directory, or else everything that is given: directories, playlists, lists and files. A library that
/// is not one directory must be given in full each time, because tracks that are not in it are dropped.
#[derive(clap::Args)]
pub struct Index {
    /// The library file
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    #[command(flatten)]
    pub inputs: InputArgs,

    /// Model: an .onnx file, its name without the extension, or a bundled model. Default: the model of the library, or
    /// sleeve-musicnn-1
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Level: none, as recorded, or track, which brings each track to -14 LUFS (EBU R 128). Default: the level of the
    /// library, or none
    #[arg(long)]
    pub level: Option<Level>,

    #[command(flatten)]
    pub ffmpeg: FfmpegArgs,

    /// Keep the embedding of every patch, too: some hundred times the size
    #[arg(long)]
    pub patches: bool,

    /// Go on: follow the directories, and update the library whenever something in them has changed. Ctrl-C ends it
    #[arg(long)]
    pub watch: bool,

    /// Number of threads; 0 means all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    /// Do not show a progress bar
    #[arg(short, long)]
    pub quiet: bool,

    /// Print the summary as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Say what a library file has
#[derive(clap::Args)]
pub struct Stats {
    /// The library file
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    /// Print one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Write a library file as a Parquet table
///
/// One row a track: its path, tags, duration, embedding (a list of floats) and activations. DuckDB, LanceDB, pgvector,
/// Polars and pandas read it. `import` makes a library file of it again. Patches are not exported.
#[derive(clap::Args)]
pub struct Export {
    /// The library file
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    /// The table
    #[arg(value_name = "OUT.parquet")]
    pub table: PathBuf,

    /// Print the summary as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// Make a library file of a Parquet table
///
/// The table is one that `export` wrote, also if another program has removed, added or sorted rows since.
#[derive(clap::Args)]
pub struct Import {
    /// The library file. An existing one is not replaced
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    /// The table
    #[arg(value_name = "IN.parquet")]
    pub table: PathBuf,

    /// Print the summary as one line of JSON
    #[arg(long)]
    pub json: bool,
}
