//! The options that say which files are read.

use std::path::PathBuf;

/// Inputs of `extract` and `similar index`.
#[derive(clap::Args, Debug)]
pub struct InputArgs {
    /// Audio files, playlists (M3U, PLS, XSPF), directories to search for audio files, or - for one audio file from
    /// standard input (extract only)
    #[arg(value_name = "PATH", required_unless_present = "from_file")]
    pub paths: Vec<PathBuf>,

    /// Read more inputs from a file, one per line or separated by NUL; - for standard input. Relative paths are those of
    /// the working directory. May be given several times
    #[arg(long, value_name = "LIST")]
    pub from_file: Vec<PathBuf>,

    /// Leave out folders and files found in directories, lists and playlists: by name (Podcasts, '*.part.mp3'), or with a
    /// slash by path, below the directory given ('*/Live') or as it exists (music/Podcasts). * and ? do not match a
    /// slash, ** does. May be given several times
    #[arg(long, value_name = "FOLDER-or-GLOB")]
    pub exclude: Vec<PathBuf>,
}
