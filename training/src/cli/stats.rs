//! `sleeve-train stats`.

use std::path::PathBuf;

use crate::error::Result;

/// Counts a data set and prints it beside the paper's numbers.
///
/// The columns of Table 1 of the paper (pairs by section 3, metadata by section 4.1): pairs of each association, and the numbers of distinct tracks, releases, artists
/// and labels in them.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the data set, made by `split` and `pairs`.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    println!("{}", crate::stats::stats(&arguments.folder)?);
    Ok(())
}
