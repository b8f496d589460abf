//! The commands that ask a library something.

use std::path::PathBuf;

use clap::ValueEnum;

use crate::audio::FfmpegArgs;

/// List the tracks that are most similar to some tracks
///
/// A track may be in the library, or any other audio file. Each line has the cosine, the duration and the path.
#[derive(clap::Args)]
pub struct Find {
    /// The library file that `similar index` wrote
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    #[command(flatten)]
    pub seeds: SeedArgs,

    /// Number of tracks
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    pub count: usize,

    /// Near-duplicates, the same recording in another encoding or from another release: keep them, skip them, or list
    /// them beside the others
    #[arg(long, default_value = "keep")]
    pub duplicates: Duplicates,

    #[command(flatten)]
    pub search: SearchArgs,

    #[command(flatten)]
    pub list: ListArgs,
}

/// Make a playlist that goes on from track to track without jumps
///
/// It begins with the first track that is given, if that is in the library, and has no recording twice.
#[derive(clap::Args)]
pub struct Playlist {
    /// The library file that `similar index` wrote
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    #[command(flatten)]
    pub seeds: SeedArgs,

    /// Number of tracks
    #[arg(short = 'n', long, default_value_t = 25, value_name = "N")]
    pub count: usize,

    /// How far it goes away from the tracks that are given: from 0 (stays near them) to 1 (follows the track before)
    #[arg(long, default_value_t = 0.3, value_name = "0..1")]
    pub drift: f32,

    /// How much is left to chance: from 0 (nothing) to 1
    #[arg(long, default_value_t = 0.0, value_name = "0..1")]
    pub variety: f32,

    /// The same seed gives the same playlist; it matters with --variety
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,

    /// Tracks between two tracks of an artist, at least
    #[arg(long, default_value_t = 2, value_name = "N")]
    pub artist_gap: usize,

    #[command(flatten)]
    pub search: SearchArgs,

    #[command(flatten)]
    pub list: ListArgs,
}

/// Make a path from one track to another in small steps
#[derive(clap::Args)]
pub struct Path {
    /// The library file that `similar index` wrote
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    /// The track that it begins with, of the library
    #[arg(value_name = "FROM")]
    pub from: PathBuf,

    /// The track that it ends with, of the library
    #[arg(value_name = "TO")]
    pub to: PathBuf,

    /// Number of tracks, with both
    #[arg(short = 'n', long, default_value_t = 10, value_name = "N")]
    pub count: usize,

    #[command(flatten)]
    pub filter: FilterArgs,

    #[command(flatten)]
    pub rule: DuplicateArgs,

    /// Number of threads; 0 means all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    #[command(flatten)]
    pub list: ListArgs,
}

/// List a few tracks that cover the library
///
/// The first is chosen by chance, then always the track that is farthest from all before.
#[derive(clap::Args)]
pub struct Sample {
    /// The library file that `similar index` wrote
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    /// Number of tracks
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    pub count: usize,

    /// The same seed gives the same tracks
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub seed: u64,

    #[command(flatten)]
    pub filter: FilterArgs,

    /// Number of threads; 0 means all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    #[command(flatten)]
    pub list: ListArgs,
}

/// List groups of tracks that are the same recording
///
/// In another encoding or from another release. Groups are separated by empty lines.
#[derive(clap::Args)]
pub struct DuplicateGroups {
    /// The library file that `similar index` wrote
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    #[command(flatten)]
    pub rule: DuplicateArgs,

    /// Number of threads; 0 means all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What tracks are to be similar to.
#[derive(clap::Args)]
pub struct SeedArgs {
    /// Audio files, of the library or not
    #[arg(value_name = "TRACK", required_unless_present = "vector")]
    pub tracks: Vec<PathBuf>,

    /// A weight for each of the tracks, separated by commas
    #[arg(long, value_name = "W,...", value_delimiter = ',', allow_negative_numbers = true)]
    pub weights: Vec<f32>,

    /// A track that results are not to sound like. May be given several times
    #[arg(long, value_name = "TRACK")]
    pub unlike: Vec<PathBuf>,

    /// The weight of each --unlike
    #[arg(long, value_name = "W", default_value_t = 0.5)]
    pub unlike_weight: f32,

    /// A NumPy file of embeddings, as `sleeve extract` writes them; their mean is one more seed. May be given several
    /// times
    #[arg(long, value_name = "FILE.npy")]
    pub vector: Vec<PathBuf>,

    /// The model, if it was moved since the library was indexed
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<PathBuf>,

    #[command(flatten)]
    pub ffmpeg: FfmpegArgs,
}

/// Which tracks may be found.
#[derive(clap::Args, Default)]
pub struct FilterArgs {
    /// Only tracks in this folder. May be given several times, as all of these
    #[arg(long, value_name = "FOLDER", help_heading = "Filters")]
    pub folder: Vec<PathBuf>,

    /// Only tracks by this artist
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    pub artist: Vec<String>,

    /// Only tracks of this album
    #[arg(long, value_name = "TITLE", help_heading = "Filters")]
    pub album: Vec<String>,

    /// Only tracks on this label
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    pub label: Vec<String>,

    /// Only tracks of this genre
    #[arg(long, value_name = "NAME", help_heading = "Filters")]
    pub genre: Vec<String>,

    /// Only tracks of these years: 1970-1979, 1970-, -1979 or 1975
    #[arg(long, value_name = "FROM-TO", allow_hyphen_values = true, help_heading = "Filters")]
    pub years: Option<String>,

    /// Only tracks whose activation is above or below a value: 'ambient>0.3', 'rock<0.1'. May be given several times;
    /// then all must hold
    #[arg(long, value_name = "TAG>VALUE", help_heading = "Filters")]
    pub tag: Vec<String>,
}

/// What counts as a near-duplicate.
#[derive(clap::Args)]
pub struct DuplicateArgs {
    /// The least cosine of near-duplicates. Default: 0.9 for sleeve-musicnn-1, 0.97 for other models
    #[arg(long, value_name = "COSINE", allow_negative_numbers = true)]
    pub duplicate_cosine: Option<f32>,

    /// The largest difference of their durations. Default: 2
    #[arg(long, value_name = "SECONDS")]
    pub duplicate_seconds: Option<f64>,
}

/// How a search runs.
#[derive(clap::Args)]
pub struct SearchArgs {
    #[command(flatten)]
    pub filter: FilterArgs,

    /// At most so many tracks of an artist
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub per_artist: usize,

    /// At most so many tracks of an album
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub per_album: usize,

    #[command(flatten)]
    pub rule: DuplicateArgs,

    /// Number of threads; 0 means all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,
}

/// The policy for near-duplicates.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Duplicates {
    Keep,
    Skip,
    List,
}

/// How tracks are shown and written.
#[derive(clap::Args)]
pub struct ListArgs {
    /// Write a playlist (extended M3U in UTF-8)
    #[arg(long, value_name = "OUT.m3u8", help_heading = "Output")]
    pub m3u: Option<PathBuf>,

    /// Write a playlist (XSPF)
    #[arg(long, value_name = "OUT.xspf", help_heading = "Output")]
    pub xspf: Option<PathBuf>,

    /// Absolute paths in playlists. By default they are relative to the playlist, so that it can be moved together with
    /// the music
    #[arg(long, help_heading = "Output")]
    pub absolute: bool,

    /// Print JSON
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}
