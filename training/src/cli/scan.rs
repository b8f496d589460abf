//! `sleeve-train scan`.

use std::path::{Path, PathBuf};

use super::progress;
use crate::error::Result;
use crate::scan::{Options, Report, scan};

/// Makes a table of a folder of music: tags, duration, format, ids and a hash of the audio.
///
/// The tags are needed to match the collection to Discogs (section 4.1 of the paper). Files are recognised by their
/// content. Ids are those that Picard, beets, Mp3tag and foobar2000 write into the tags. Scanning again reads only new
/// and changed files; a scan that is stopped or killed goes on where it was. A file that cannot be read, or that Sleeve
/// cannot decode, is reported with the reason, in `<out>.unreadable.tsv`, and the rest goes on. Files are known by their
/// audio, so new tags do not cost a new decoding.
#[derive(clap::Args)]
pub struct Arguments {
    /// Folder of audio files, searched recursively.
    #[arg(value_name = "MUSIC_DIR")]
    folder: PathBuf,
    /// The table to write; if it exists, it is updated.
    #[arg(long, value_name = "FILE.parquet")]
    out: PathBuf,
    /// Decodes every file to its end, once, and lists those that are cut or corrupt in `<out>.damaged.tsv`.
    #[arg(long)]
    verify: bool,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { folder, out, verify } = arguments;
    let report = scan_with_bar(folder, out, &Options { verify: *verify })?;
    list(&report.unreadable, &format!("{}.unreadable.tsv", out.display()));
    list(&report.damaged, &format!("{}.damaged.tsv", out.display()));
    println!(
        "{}: {} tracks ({} unchanged), {} unreadable",
        out.display(),
        report.tracks,
        report.unchanged,
        report.unreadable.len()
    );
    if *verify {
        println!("{} of them damaged", report.damaged.len());
    }
    Ok(())
}

/// Scans with a progress bar.
pub fn scan_with_bar(folder: &Path, out: &Path, options: &Options) -> Result<Report> {
    let bar = progress::bytes_and_files("scan");
    let report = scan(folder, out, options, |progress| {
        progress::show(&bar, progress.bytes, progress.all_bytes, progress.files, progress.all_files);
    })?;
    bar.finish_and_clear();
    Ok(report)
}

/// Prints the first files of a list, and where the rest is.
pub fn list(files: &[(String, String)], rest: &str) {
    for (path, reason) in files.iter().take(20) {
        eprintln!("{path}: {reason}");
    }
    if files.len() > 20 {
        eprintln!("... and {} more, in {rest}", files.len() - 20);
    }
}
