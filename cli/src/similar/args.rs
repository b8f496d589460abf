//! The command line.

use std::path::PathBuf;

use clap::Subcommand;
use sleeve::audio::Level;

use crate::audio::FfmpegArgs;

use crate::inputs::InputArgs;

/// Find similar tracks in a music library
///
/// `index` computes an embedding of every track, the mean over its patches. `find` lists the tracks that are most
/// similar to a track, and writes a playlist of them. Similarity is the cosine of two embeddings.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Index(Index),
    Find(Find),
}

/// Index a library, or update its index
///
/// Only new and changed tracks are processed, and removed tracks are dropped. An interrupted run continues where it
/// stopped. An index belongs to one model and one level, and others are refused.
///
/// The library is a directory, or else everything that is given: directories, playlists, lists and files. A library that
/// is not one directory must be given in full each time, because tracks that are not in it are dropped.
#[derive(clap::Args)]
pub struct Index {
    #[command(flatten)]
    pub library: InputArgs,

    /// The index file
    #[arg(short, long, value_name = "FILE")]
    pub index: PathBuf,

    /// Model: an .onnx file, its name without the extension, or a bundled model. Default: the model of the index, or
    /// msd-musicnn-debian-1
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Level: none, as recorded, or track, which brings each track to -14 LUFS (EBU R 128). Default: the level of the
    /// index, or none
    #[arg(long)]
    pub level: Option<Level>,

    #[command(flatten)]
    pub ffmpeg: FfmpegArgs,

    /// Number of threads; 0 means all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    /// Do not show a progress bar
    #[arg(short, long)]
    pub quiet: bool,
}

/// List the tracks that are most similar to a track
///
/// The track may be in the library, or any other audio file. Each line has the cosine, the duration and the path.
#[derive(clap::Args)]
pub struct Find {
    /// An audio file
    #[arg(value_name = "TRACK")]
    pub track: PathBuf,

    /// The index file that `similar index` wrote
    #[arg(short, long, value_name = "FILE")]
    pub index: PathBuf,

    /// Number of tracks
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    pub count: usize,

    /// Write a playlist of the track, if it is in the library, and of the similar tracks
    #[arg(long, value_name = "OUT.m3u8")]
    pub m3u: Option<PathBuf>,

    /// Write paths relative to the playlist, so that it can be moved together with the library
    #[arg(long, requires = "m3u")]
    pub relative: bool,

    /// Compare with every track; by default large libraries are searched approximately, by a graph
    #[arg(long)]
    pub exact: bool,

    /// The model, if it was moved since the index was made
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Level: none or track. It must be that of the index, which is the default
    #[arg(long)]
    pub level: Option<Level>,

    #[command(flatten)]
    pub ffmpeg: FfmpegArgs,

    /// Number of threads to process a track that is not in the index; 0 means all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
}
