//! `sleeve-train match`.

use std::path::{Path, PathBuf};

use super::progress;
use crate::error::{Error, Result};
use crate::matching::own::{self, from_table, from_tags};
use crate::matching::{Options, Report, match_collection};

/// Gives the tracks of a collection the metadata of their releases: from a dump of Discogs, tags, or a table.
///
/// With a dump, a track is found by the Discogs id in its tags, or else by artist, title and duration. An id that title,
/// artist, album and duration all contradict is not believed. Differences of print do not matter: homonyms' numbers, name
/// variations, guests, several names in one field, punctuation, case, accents and remaster suffixes. Live versions,
/// remixes and other durations are other recordings. Common titles ("Intro", "Allegro") need the album as well. A track's
/// artists, labels, styles, genres and years are pooled over all its releases, all versions of their masters, and the
/// masters (section 4.1 of the paper). Various, Unknown Artist, No Artist and Not On Label count neither as artist nor as
/// label.
///
/// `--source tags` needs no dump: it takes artists, releases, labels and genres from the tags themselves. `--source table
/// FILE` takes them from a CSV or Parquet file with the columns path, artists, releases, labels and styles (lists are
/// separated by `|`). Both write the same tables, and all later commands work as with a dump.
///
/// What `split` and `pairs` have made of earlier matches in that folder is removed.
#[derive(clap::Args)]
pub struct Arguments {
    /// The table made by `scan`.
    #[arg(value_name = "COLLECTION.parquet")]
    collection: PathBuf,
    /// Where the metadata come from: `discogs`, `tags`, or `table` and a file.
    #[arg(long, value_names = ["SOURCE", "FILE"], num_args = 1..=2, default_value = "discogs")]
    source: Vec<String>,
    /// Folder of tables made by `discogs`.
    #[arg(long, value_name = "DIR")]
    discogs: Option<PathBuf>,
    /// A list of Discogs ids to use besides the tags: tab-separated, with the header `path discogs_release track_number
    /// title`.
    #[arg(long, value_name = "FILE.tsv", requires = "discogs")]
    ids: Option<PathBuf>,
    /// Artists are also found by their name variations (needs the dump of artists).
    #[arg(long, requires = "discogs")]
    variations: bool,
    /// Aliases count as one artist, and are found by each of their names (needs the dump of artists).
    #[arg(long, requires = "discogs")]
    aliases: bool,
    /// The label that a label belongs to counts as well (needs the dump of labels).
    #[arg(long, requires = "discogs")]
    parents: bool,
    /// Folder of the data set; gets matched.parquet, linked_styles.parquet and unmatched.parquet.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { collection, discogs, ids, out, .. } = arguments;
    let source: Vec<&str> = arguments.source.iter().map(String::as_str).collect();
    match (&source[..], discogs) {
        (["discogs"], Some(discogs)) => {
            let options = Options {
                ids: ids.clone(),
                variations: arguments.variations,
                aliases: arguments.aliases,
                parents: arguments.parents,
            };
            with_dump(collection, discogs, out, &options)
        }
        (["discogs"], None) => Err(Error::InvalidArgument(
            "--discogs DIR is missing: the tables of a dump; without a dump, use --source tags".into(),
        )),
        (["tags"], None) => print_own(&from_tags(collection, out)?, "tags"),
        (["table", file], None) => print_own(&from_table(collection, Path::new(file), out)?, "the table"),
        (["tags"] | ["table", _], Some(_)) => {
            Err(Error::InvalidArgument("--discogs goes with --source discogs only".into()))
        }
        _ => Err(Error::InvalidArgument("--source is `discogs`, `tags`, or `table FILE`".into())),
    }
}

fn with_dump(collection: &Path, discogs: &Path, out: &Path, options: &Options) -> Result<()> {
    let bar = progress::counted("match", "releases");
    let report = match_collection(collection, discogs, out, options, |done, all| {
        bar.set_length(all);
        bar.set_position(done);
    })?;
    bar.finish_and_clear();
    let Report { tracks, by_id, by_text, releases, on_several, missed, .. } = &report;
    let matched = by_id + by_text;
    println!("{matched} of {tracks} tracks matched: {by_id} by id, {by_text} by artist and title");
    print_releases(*releases, *on_several, matched);
    for (count, what) in [
        (report.contradicted, "tracks have an id that their other tags contradict; it was not believed"),
        (report.by_other_name, "tracks found only by another name of their artist"),
        (report.by_masters, "tracks have got something from the dump of masters"),
        (report.by_aliases, "tracks have other artists because of aliases"),
        (report.by_parents, "tracks have got the parent of a label"),
    ] {
        if count > 0 {
            println!("{count} {what}");
        }
    }
    print_missed(missed);
    Ok(())
}

fn print_own(report: &own::Report, source: &str) -> Result<()> {
    let own::Report { tracks, matched, releases, on_several, artists, missed, strangers } = report;
    println!("{matched} of {tracks} tracks have an artist or a release by {source}; {artists} artists");
    print_releases(*releases, *on_several, *matched);
    if *strangers > 0 {
        println!("{strangers} rows of the table are not of this collection");
    }
    print_missed(missed);
    Ok(())
}

fn print_releases(releases: u64, on_several: u64, matched: u64) {
    let per = |count: u64| count as f64 / matched.max(1) as f64;
    println!(
        "{:.1} releases a track, versions included (paper: about 5), {:.1} % on more than one (paper: 58.2 %)",
        per(releases),
        100.0 * per(on_several)
    );
}

fn print_missed(missed: &[(&'static str, u64)]) {
    for (reason, count) in missed {
        println!("not matched, {reason}: {count}");
    }
}
