//! `sleeve-train pairs`.

use std::path::PathBuf;

use super::progress;
use crate::error::{Error, Result};
use crate::pairs::tables::{Split, draw_pairs};
use crate::pairs::{Association, Order};

/// Draws pairs of tracks that belong together.
///
/// All tracks of a part start in a pool. Each in turn draws one partner among the remaining ones that meet the
/// condition, and both leave the pool (section 3 of the paper). `track`: the track itself. `release`: a release in
/// common. `artist`: an artist in common and no release. `label`: a label in common and no artist. Partners are drawn
/// uniformly, however many releases, artists or labels they share. Training, validation and test draw separately. The
/// same seed gives the same pairs. Files with the same audio are never a pair. Tables of an earlier run with another list
/// of recordings not to be paired, or another order, are removed, for pairs of both do not belong together.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the data set, made by `split`; gets `pairs_<association>_<part>.parquet`, and `pairs.json`, which says
    /// how they were drawn.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The association; may be repeated. By default all four.
    #[arg(long = "association", value_enum, value_name = "NAME")]
    associations: Vec<Association>,
    /// Takes anchors in rounds, in each of which every artist offers one of its tracks, instead of uniformly over all
    /// tracks. All tracks without an artist together count as one artist.
    #[arg(long, value_enum, value_name = "BY")]
    balanced: Option<Balance>,
    /// With --balanced, at most this many rounds, and so at most this many anchors that an artist offers.
    #[arg(long, value_name = "N", requires = "balanced")]
    rounds: Option<u32>,
    /// Recordings that must not be paired: a tab-separated file with a header, two paths per line. A copy is stored
    /// with the pairs as never.tsv.
    #[arg(long, value_name = "FILE.tsv")]
    never: Option<PathBuf>,
    /// Seed of the random draws.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Balance {
    Artist,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut associations = arguments.associations.clone();
    associations.dedup();
    if associations.is_empty() {
        associations = Association::ALL.to_vec();
    }
    let order = match arguments.balanced {
        None => Order::Uniform,
        Some(Balance::Artist) if arguments.rounds == Some(0) => {
            return Err(Error::InvalidArgument("--rounds must be at least 1".into()));
        }
        Some(Balance::Artist) => Order::ByArtist { rounds: arguments.rounds },
    };
    let split = Split::read(&arguments.folder, arguments.never.as_deref())?;
    let bar = progress::counted("pairs", "tables");
    let never = arguments.never.as_deref();
    let show = |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    };
    let counts = draw_pairs(&split, &associations, order, arguments.seed, never, &arguments.folder, show)?;
    bar.finish_and_clear();
    for (association, part, count) in counts {
        println!("{:<8} {:<10} {count} pairs", association.name(), part.name());
    }
    Ok(())
}
