//! `sleeve-train match`.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::error::Result;
use crate::matching::match_collection;

/// Finds the tracks of a collection in a dump and pools the metadata of their releases.
///
/// A track is found by the Discogs id in its tags, or else by artist, title and duration. Differences of print do not
/// matter: homonyms' numbers, name variations, guests, punctuation, case, diacritics and remaster suffixes. Live
/// versions, remixes and other durations are other recordings. A track's artists, labels, styles, genres and years are
/// pooled over all its releases and all versions of their masters (section 2.1 of the paper). Various, Unknown Artist,
/// No Artist and Not On Label count neither as artist nor as label.
#[derive(clap::Args)]
pub struct Arguments {
    /// The table made by `scan`.
    #[arg(value_name = "COLLECTION.parquet")]
    collection: PathBuf,
    /// Folder of tables made by `discogs`.
    #[arg(long, value_name = "DIR")]
    discogs: PathBuf,
    /// A list of Discogs ids to use besides the tags: tab-separated, with the header `path discogs_release track_number
    /// title`.
    #[arg(long, value_name = "FILE.tsv")]
    ids: Option<PathBuf>,
    /// Folder of the data set; gets matched.parquet, linked_styles.parquet and unmatched.parquet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let bar = ProgressBar::new(0).with_style(
        ProgressStyle::with_template("match [{bar:30}] {pos}/{len} releases {per_sec} {eta}")
            .expect("a valid template"),
    );
    let Arguments { collection, discogs, ids, out } = arguments;
    let report = match_collection(collection, ids.as_deref(), discogs, out, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let matched = report.by_id + report.by_text;
    let per = |count: u64, of: u64| count as f64 / of.max(1) as f64;
    println!(
        "{matched} of {} tracks matched: {} by id, {} by artist and title",
        report.tracks, report.by_id, report.by_text
    );
    println!(
        "{:.1} releases a track (paper: about 5), {:.1} % on more than one (paper: 58.2 %)",
        per(report.releases, matched),
        100.0 * per(report.on_several, matched)
    );
    for (reason, count) in &report.missed {
        println!("not matched, {reason}: {count}");
    }
    Ok(())
}
