//! `sleeve-train corpus`.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::atomic;
use crate::corpus::{By, Subset, credits, fetch, labelled, rows, subset};
use crate::error::{Error, Result};
use crate::splits::{Part, SPLIT};
use crate::table::TableReader;

/// Fetches a real collection with its catalogue: free-licensed music from Debian's packages.
///
/// `corpus debian --subset small --out C` fetches recordings and catalogue,
/// `corpus credits --subset free --out FILE` lists their authors and licences,
/// `corpus labels DATASET --by origin --out FILE.csv` lists their labels.
///
/// Subsets: small: 7 packages, 23 tracks, 19 MB; full: 87 packages, 755 tracks, 4 GB;
/// free: those of full that may also be sold, 719 tracks; extended: free with larger packages and
/// tracker modules, 148 packages, 1119 tracks, 52 hours, 9 GB to download; wide: what Debian 13 and later
/// have beside that, 124 tracks, 6 hours, 1.4 GB to download; fresh: the tracks of wide by artists that are not in
/// extended, 75 tracks, which no model may be trained or chosen on; trainable: extended and
/// the rest of wide.
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
    Labels(Labels),
}

/// Fetches the recordings of Debian and their catalogue.
///
/// Packages are downloaded by name with apt, with a state folder of their own and without root, and
/// unpacked without being installed. Those of wide come from the suites of Debian 13 and later, from the
/// mirror that the system has configured; the system's sources stay as they are. Every file is checked by
/// its SHA-256. Tracker modules are rendered once with libopenmpt's program and stored
/// as FLAC. The catalogue is written as a dump in Discogs' schema, so that discogs, scan, match, split and
/// pairs can be run on it:
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

/// Writes the labels of recordings as a data set that `evaluate --dataset csv` reads: path, split, labels.
///
/// The catalogue has few reliable labels: it is known of every recording whether it is played from a tracker module;
/// styles are known of a third, and most styles are on only one or two releases.
#[derive(clap::Args)]
struct Labels {
    /// Folder of the data set, made by `split`: it has the part of each recording.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// Which labels.
    #[arg(long, value_enum)]
    by: By,
    /// The table to write.
    #[arg(long, value_name = "FILE.csv")]
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
        Command::Labels(arguments) => labels(arguments),
    }
}

fn labels(arguments: &Labels) -> Result<()> {
    let mut parts = Vec::new();
    let table = SPLIT.path(&arguments.folder);
    for rows in TableReader::open(&table, &SPLIT, &["path", "part"])? {
        let rows = rows?;
        for row in 0..rows.len() {
            let part = rows.texts("part").value(row);
            let part =
                Part::from_name(part).ok_or_else(|| Error::format(&table, format!("not a part: {part}")))?;
            parts.push((rows.texts("path").value(row).to_owned(), part));
        }
    }
    let text = labelled(&rows(), &parts, arguments.by);
    let count = text.lines().count() - 1;
    if count == 0 {
        let reason = "no recording is in the catalogue and has a label".into();
        return Err(Error::Nothing { path: table, reason });
    }
    atomic::write(&arguments.out, text.as_bytes())?;
    println!("{}: {count} tracks", arguments.out.display());
    Ok(())
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
