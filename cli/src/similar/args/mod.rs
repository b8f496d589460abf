//! The command line.

mod asking;
mod keeping;
mod map;

pub use asking::{
    DuplicateArgs, Duplicates, FilterArgs, Find, ListArgs, Path, Playlist, Sample, SearchArgs, SeedArgs,
};
pub use keeping::{Export, Import, Index, Stats};
pub use map::Map;

use clap::Subcommand;

/// Find similar tracks in a music library
///
/// `index` writes a library file: an embedding of every track, the mean over its patches, with its tags. The other
/// commands read it. Similarity is the cosine of two embeddings, from -1 to 1.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    Index(Index),
    Find(Find),
    Playlist(Playlist),
    Path(Path),
    Sample(Sample),
    Duplicates(asking::DuplicateGroups),
    Map(Map),
    Stats(Stats),
    Export(Export),
    Import(Import),
}

pub use asking::DuplicateGroups;
