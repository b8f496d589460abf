//! `sleeve-train scan`.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Result;
use crate::scan::scan;

/// Makes a table of a folder of music: tags, duration, format, Discogs ids and content hash.
///
/// The tags are needed to match the collection to Discogs (section 2.1 of the paper). Files are recognised by their
/// content. Ids are those that Picard, beets, Mp3tag and foobar2000 write into the tags. Scanning again reads only new
/// and changed files. A file that cannot be read is reported with the reason, in `<out>.unreadable.tsv`, and the rest
/// goes on.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of audio files, searched recursively.
    #[arg(value_name = "MUSIC_DIR")]
    folder: PathBuf,
    /// The table to write; if it exists, it is updated.
    #[arg(long, value_name = "FILE.parquet")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("scan [{bar:30}] {pos}/{len} files {per_sec} {eta}")
            .expect("a valid template"),
    );
    let report = scan(&arguments.folder, &arguments.out, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    for (path, reason) in report.unreadable.iter().take(20) {
        eprintln!("{path}: {reason}");
    }
    if report.unreadable.len() > 20 {
        eprintln!("... and more, in {}.unreadable.tsv", arguments.out.display());
    }
    println!(
        "{}: {} tracks ({} unchanged), {} unreadable",
        arguments.out.display(),
        report.tracks,
        report.unchanged,
        report.unreadable.len()
    );
    Ok(())
}
