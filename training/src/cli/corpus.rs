//! `sleeve-train corpus`.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::atomic;
use crate::corpus::{Subset, credits, fetch, subset};
use crate::error::Result;

/// Fetches a real collection with its catalogue: free-licensed music out of Debian's packages.
///
/// `corpus debian --subset small --out C` fetches recordings and catalogue,
/// `corpus credits --subset free --out FILE` says whom to thank for them.
///
/// Subsets: small: 7 packages, 23 tracks, 19 MB; full: 87 packages, 755 tracks, 4 GB;
/// free: those of full that anybody may sell, too, 719 tracks; extended: free with larger packages and
/// tracker modules, 148 packages, 1119 tracks, 52 hours, 9 GB to download.
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    Debian(Debian),
    Credits(Credits),
}

/// Fetches the recordings of Debian 12 and their catalogue.
///
/// Packages are downloaded by name with apt, through a state folder of their own and without root, and
/// unpacked without installing. Tracker modules are played by libopenmpt's program, once, and written as
/// FLAC. The catalogue becomes a dump in Discogs' schema, so that discogs, scan, match, split and pairs
/// run from end to end:
///
///   sleeve-train corpus debian --out C
///   sleeve-train discogs C/releases.xml.gz --out C/tables
///   sleeve-train scan C/audio --out C/collection.parquet
///   sleeve-train match C/collection.parquet --ids C/ids.tsv --discogs C/tables --out C/dataset
///   sleeve-train split C/dataset --styles 0 --validation 4 --test 4 --releases 1
///   sleeve-train pairs C/dataset --never C/never.tsv
///   sleeve-train stats C/dataset
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
struct Debian {
    /// Which packages.
    #[arg(long, value_enum, default_value_t = Subset::Small)]
    subset: Subset,
    /// Folder for the recordings and their catalogue.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Writes track, author, licence and source of every recording, tab-separated, without fetching anything.
#[derive(clap::Args)]
struct Credits {
    /// Which packages.
    #[arg(long, value_enum, default_value_t = Subset::Free)]
    subset: Subset,
    /// The table to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    match &arguments.command {
        Command::Debian(arguments) => debian(arguments),
        Command::Credits(arguments) => {
            let rows = subset(arguments.subset);
            atomic::write(&arguments.out, credits(&rows).as_bytes())?;
            println!("{}: {} tracks", arguments.out.display(), rows.len());
            Ok(())
        }
    }
}

fn debian(arguments: &Debian) -> Result<()> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("corpus [{bar:30}] {pos}/{len} {msg}").expect("a valid template"),
    );
    let report = fetch(arguments.subset, &arguments.out, |done, all, next| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        bar.set_message(next.to_owned());
    })?;
    bar.finish_and_clear();
    for (place, reason) in &report.skipped {
        eprintln!("skipped {place}: {reason}");
    }
    println!("{}: {} tracks, {} skipped", arguments.out.display(), report.tracks, report.skipped.len());
    Ok(())
}
