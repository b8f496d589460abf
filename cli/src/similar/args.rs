//! The command line.

use std::path::PathBuf;

use clap::Subcommand;

/// What sounds like this: the nearest tracks of a music library
///
/// `index` listens to every track once and keeps what it heard; `find` names the tracks that sound most like one, and
/// writes a playlist of them. How near two tracks are is the cosine of their embeddings, each the mean over the track.
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

/// Listens to a library, or to what is new in it
///
/// Tracks that have changed are heard again, and those that are gone are dropped. A run that was stopped goes on where it
/// was. The index says which model it is made with, and is refused to any other.
#[derive(clap::Args)]
pub struct Index {
    /// The library: a folder that is walked for audio files
    #[arg(value_name = "LIBRARY_DIR")]
    pub library: PathBuf,

    /// Where the index is kept
    #[arg(short, long, value_name = "FILE")]
    pub index: PathBuf,

    /// The model: a file, a stem beside its .json, or a bundled name; by default the index's own, or
    /// the bundled msd-musicnn-debian-1
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Threads in all; 0 means every core this process may use
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    /// No progress bar
    #[arg(short, long)]
    pub quiet: bool,
}

/// Names the tracks that sound most like one
///
/// The track may be one of the library's or any other audio file. Each line has the cosine, the duration and the path.
#[derive(clap::Args)]
pub struct Find {
    /// An audio file
    #[arg(value_name = "TRACK")]
    pub track: PathBuf,

    /// The index that `similar index` has made
    #[arg(short, long, value_name = "FILE")]
    pub index: PathBuf,

    /// How many tracks
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    pub count: usize,

    /// Write the track, if it is of the library, and those that sound like it as a playlist
    #[arg(long, value_name = "OUT.m3u8")]
    pub m3u: Option<PathBuf>,

    /// Paths in the playlist are relative to where it lies, so that both can move together
    #[arg(long, requires = "m3u")]
    pub relative: bool,

    /// Compare with every track, where otherwise a large library is searched by its graph
    #[arg(long)]
    pub exact: bool,

    /// The model, if it is no longer where it was when the index was made
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    /// Threads in all, where the track has to be heard; 0 means every core this process may use
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
}
