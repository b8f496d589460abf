//! The command that draws a library.

use std::path::PathBuf;

/// Write a page to explore a library: one HTML file that a browser opens
///
/// Every track is a point, and tracks that sound alike lie near each other. The page has everything in it: search,
/// colours by artist, album, year, genre, folder or activation, playing, neighbours, and playlists of what was
/// selected. It needs no server and no network. Paths are relative to the page, so keep it where it was written, or move
/// it together with the library.
///
/// The layout is t-SNE on the first 50 principal components of the vectors, compared by cosine. The same seed gives the
/// same map.
#[derive(clap::Args)]
pub struct Map {
    /// The library file that `similar index` wrote
    #[arg(value_name = "LIBRARY")]
    pub library: PathBuf,

    /// The page
    #[arg(short, long, value_name = "FILE.html")]
    pub out: PathBuf,

    /// The title of the page. Default: the name of the library file
    #[arg(long, value_name = "TEXT")]
    pub title: Option<String>,

    /// Neighbours listed for each track
    #[arg(long, default_value_t = 12, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=100))]
    pub neighbours: u16,

    /// Most tracks on the map; of a larger library, tracks that are evenly spread over it
    #[arg(long, default_value_t = 50_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=200_000))]
    pub limit: u32,

    /// Roughly how many neighbours of a track count for its place, from 2 to 200
    #[arg(long, default_value_t = 30.0, value_name = "N")]
    pub perplexity: f64,

    /// Steps of the layout, from 10 to 100000
    #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u32).range(10..=100_000))]
    pub steps: u32,

    /// Seed of the random choices
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// Do not say what is done
    #[arg(short, long)]
    pub quiet: bool,
}
