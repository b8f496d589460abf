//! `sleeve-train scan`.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Result;
use crate::scan::scan;

/// Makes a table of a folder of music: tags, duration, format, Discogs ids and content hash.
///
/// The paper's audio collection is matched to Discogs through its tags (section 2.1). Files are told by
/// their content; ids are those that Picard, beets, Mp3tag and foobar2000 leave in the tags. Scanning
/// again reads only files that are new or have changed. A file that cannot be read is named with the
/// reason, in `<out>.unreadable.tsv`, and the rest goes on.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of audio files, walked to its depths.
    #[arg(value_name = "MUSIC_DIR")]
    folder: PathBuf,
    /// Where the table goes; if it exists it is brought up to date.
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
