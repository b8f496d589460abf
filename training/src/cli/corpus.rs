//! `sleeve-train corpus`.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::corpus::{Subset, fetch};
use crate::error::Result;

/// Fetches a real collection with its catalogue: free-licensed music out of Debian's packages.
///
/// Packages are downloaded by name with apt, through a state folder of their own and without root, and
/// unpacked without installing. The catalogue becomes a dump in Discogs' schema, so that discogs, scan,
/// match, split and pairs run from end to end:
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
pub struct Arguments {
    /// Where the packages come from.
    #[arg(value_enum)]
    source: Source,
    /// small: 7 packages, 23 tracks, 19 MB; full: 87 packages, 755 tracks, 4 GB;
    /// free: those that anybody may sell, too, 719 tracks.
    #[arg(long, value_enum, default_value_t = Subset::Small)]
    subset: Subset,
    /// Folder for the recordings and their catalogue.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Source {
    /// Debian 12.
    Debian,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Source::Debian = arguments.source;
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("corpus [{bar:30}] {pos}/{len} packages {msg}")
            .expect("a valid template"),
    );
    let report = fetch(arguments.subset, &arguments.out, |done, all, package| {
        bar.set_length(all as u64);
        bar.set_position(done as u64);
        bar.set_message(package.to_owned());
    })?;
    bar.finish_and_clear();
    for (place, reason) in &report.skipped {
        eprintln!("skipped {place}: {reason}");
    }
    println!("{}: {} tracks, {} skipped", arguments.out.display(), report.tracks, report.skipped.len());
    Ok(())
}
