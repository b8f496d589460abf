//! `sleeve-train split`.

use std::path::PathBuf;

use crate::error::Result;
use crate::splits::{Options, split};

/// Sets validation and test apart from training, with no artist in common.
///
/// The tracks of the most frequent styles are kept; of them, validation and test take so many that every
/// style is on at least so many releases in each, where the data allow (section 2.1 of the paper: 400
/// styles, 50,000 tracks each, 50 releases). A track whose artists ended in different parts is dropped,
/// and counted.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the data set, made by `match`; gets split.parquet and styles.parquet.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Styles to keep, the most frequent ones; 0 keeps every track, whatever its styles.
    #[arg(long, value_name = "N", default_value_t = Options::default().styles)]
    styles: usize,
    /// Tracks for validation.
    #[arg(long, value_name = "N", default_value_t = Options::default().validation)]
    validation: usize,
    /// Tracks for test.
    #[arg(long, value_name = "N", default_value_t = Options::default().test)]
    test: usize,
    /// Releases of every style in validation and in test.
    #[arg(long, value_name = "N", default_value_t = Options::default().releases)]
    releases: usize,
    /// Seed of the random choice.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let &Arguments { ref folder, styles, validation, test, releases, seed } = arguments;
    let report = split(folder, &Options { styles, validation, test, releases, seed })?;
    let [train, in_validation, in_test] = report.tracks;
    println!(
        "{train} training, {in_validation} validation and {in_test} test tracks, {} styles",
        report.styles
    );
    println!(
        "dropped: {} tracks without such a style, {} with artists in different parts, {} to keep to the sizes",
        report.without_style, report.torn, report.surplus
    );
    for (part, wanted, got) in [("validation", validation, in_validation), ("test", test, in_test)] {
        if got < wanted as u64 {
            println!(
                "{part} has {got} tracks, not {wanted}: there are no more whose artists it can have for itself"
            );
        }
    }
    for (part, poor) in [("validation", report.poor_in_validation), ("test", report.poor_in_test)] {
        if poor > 0 {
            println!(
                "{poor} styles are on fewer than {releases} releases in {part} (styles.parquet tells which)"
            );
        }
    }
    Ok(())
}
