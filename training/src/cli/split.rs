//! `sleeve-train split`.

use std::path::PathBuf;

use super::progress;
use crate::error::Result;
use crate::splits::{ALL, Apart, Fold, Options, split};

/// Separates training, validation and test, with no artist in common.
///
/// The tracks of the most frequent styles are kept. Of these, validation and test get enough tracks that every style
/// is on at least the given number of releases in each, if the data allow (section 4.1 of the paper: 400 styles, 50,000
/// tracks each, 50 releases). A track whose artists are in different parts is dropped and counted. Files with the same
/// audio are never in two parts. Pairs of an earlier split in the same folder are removed.
///
/// For small collections there are two deviations from the paper. `--apart releases` keeps releases together as well,
/// so that no two parts have a release in common. `--fold 1/3` tests with one third of the collection: with the same
/// seed, folds 1, 2 and 3 test every track once, each with models trained on the others. `--parts` takes a split that
/// was made before, or that others have published.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of the data set, made by `match`; split.parquet and styles.parquet are written to it.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Folder for split.parquet and styles.parquet, instead of DIR.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// What no two parts have in common.
    #[arg(long, value_enum, default_value_t = Kind::Artists)]
    apart: Kind,
    /// Makes the I-th of N folds of the collection the test part; I counts from 1.
    #[arg(long, value_name = "I/N", value_parser = fold, conflicts_with = "test")]
    fold: Option<Fold>,
    /// The number of styles to keep, the most frequent ones; 0 keeps every track, whatever its styles.
    #[arg(long, value_name = "N", default_value_t = Options::default().styles)]
    styles: usize,
    /// Validation tracks.
    #[arg(long, value_name = "N", default_value_t = Options::default().validation)]
    validation: usize,
    /// Test tracks; `all` makes a test set alone, of every track.
    #[arg(long, value_name = "N", default_value = "50000", value_parser = test)]
    test: usize,
    /// Minimum number of releases of every style in validation and in test.
    #[arg(long, value_name = "N", default_value_t = Options::default().releases)]
    releases: usize,
    /// Seed of the random choice.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Takes the parts from a CSV file instead: columns path and part (train, validation or test); with --fold, fold_I
    /// instead of part. Tracks that it lacks are dropped. What no two parts may have in common is checked.
    #[arg(long, value_name = "FILE.csv", conflicts_with_all = ["validation", "test", "seed"])]
    parts: Option<PathBuf>,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Kind {
    /// Artists, as in the paper.
    Artists,
    /// Artists and releases.
    Releases,
}

fn fold(text: &str) -> std::result::Result<Fold, String> {
    let parts =
        text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match parts {
        Some((index, count)) if count >= 2 && (1..=count).contains(&index) => Ok(Fold { index, count }),
        _ => Err("a fold is I/N, the I-th of N, from 1/N to N/N, of two or more".into()),
    }
}

fn test(text: &str) -> std::result::Result<usize, String> {
    match text {
        "all" => Ok(ALL),
        _ => text.parse().map_err(|_| "a number of tracks, or all".into()),
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let &Arguments { ref folder, ref out, apart, fold, styles, validation, test, releases, seed, ref parts } =
        arguments;
    let apart = match apart {
        Kind::Artists => Apart::Artists,
        Kind::Releases => Apart::Releases,
    };
    let options = Options { apart, fold, styles, validation, test, releases, seed, parts: parts.clone() };
    let bar = progress::counted("split", "tracks");
    let report = split(folder, out.as_deref().unwrap_or(folder), &options, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let [train, in_validation, in_test] = report.tracks;
    println!(
        "{train} training, {in_validation} validation and {in_test} test tracks, {} styles",
        report.styles
    );
    if let Some(table) = parts {
        println!("dropped: {} tracks that {} has no part for", report.not_given, table.display());
        return Ok(());
    }
    println!(
        "dropped: {} tracks without such a style, {} with artists in different parts, {} to keep to the sizes",
        report.without_style, report.torn, report.surplus
    );
    if test == ALL {
        return Ok(());
    }
    for (part, wanted, got) in [("validation", validation, in_validation), ("test", test, in_test)] {
        if got < wanted as u64 && (fold.is_none() || part == "validation") {
            println!("{part} has {got} tracks, not {wanted}: no more artists can be in this part alone");
        }
    }
    for (part, poor) in [("validation", report.poor_in_validation), ("test", report.poor_in_test)] {
        if poor > 0 {
            println!("{poor} styles are on fewer than {releases} releases in {part} (see styles.parquet)");
        }
    }
    Ok(())
}
