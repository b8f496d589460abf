//! `sleeve-train features`.

use std::path::PathBuf;

use super::scan::list;
use super::{progress, stop};
use crate::error::{Error, Result};
use crate::features::Work;

/// Makes the mel-spectrograms that models learn from, one file per recording.
///
/// As in the paper: 16 kHz mono, frames of 512 samples every 256, 96 mel bands, stored in half precision. `extract`
/// computes the same before the network. Each is a NumPy array, float16 [frames, 96], named by the SHA-256 of its
/// recording: `FEATURES/ab/cd/abcd....npy`. Existing files are kept, so a stopped run continues from there. A recording
/// that cannot be read is reported with the reason and left out; one that is cut or corrupt has features as far as it can
/// be decoded, and is reported as well. features.parquet lists all of them, those of other collections too: one folder
/// serves several. Files are known by their audio, so new tags cost nothing. With --shard, several machines share the
/// work and the folder.
#[derive(clap::Args)]
pub struct Arguments {
    /// The scanned folder of music.
    #[arg(value_name = "MUSIC_DIR")]
    music: PathBuf,
    /// Its recordings: the table of `scan`, or that of `match` or `split` for fewer.
    #[arg(long, value_name = "FILE.parquet")]
    collection: PathBuf,
    /// Folder for the features; `train` takes it with --features.
    #[arg(long, value_name = "FEATURES")]
    out: PathBuf,
    /// Take every n-th recording, starting with the i-th; i counts from 1.
    #[arg(long, value_name = "I/N", value_parser = shard)]
    shard: Option<(usize, usize)>,
    /// Threads; by default as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Print how much there is to do, and do nothing.
    #[arg(long)]
    dry_run: bool,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((index, count)) if (1..=count).contains(&index) => Ok((index, count)),
        _ => Err("a shard is i/n with i from 1 to n, such as 1/4".into()),
    }
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let Arguments { music, collection, out, shard, threads, dry_run } = arguments;
    if *threads == Some(0) {
        return Err(Error::InvalidArgument("--threads must be at least 1".into()));
    }
    let threads = threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let work = Work::list(music, collection, out, *shard)?;
    let estimate = work.estimate();
    println!(
        "{} recordings, {} of them done; to do: {:.1} hours of audio, about {}",
        estimate.recordings,
        estimate.present,
        estimate.seconds / 3600.0,
        size(estimate.bytes)
    );
    if *dry_run {
        return Ok(());
    }
    let bar = progress::bytes_and_files("features");
    let (mut bytes, mut files) = (0, 0);
    let all = (estimate.recordings - estimate.present) as u64;
    let report = work.run_until(threads, stop::watched()?, |done| {
        bytes += done.bytes;
        files += 1;
        progress::show(&bar, bytes, estimate.source_bytes, files, all);
    })?;
    bar.finish_and_clear();
    let table = report.table.display().to_string();
    list(&report.unreadable, &table);
    list(&report.damaged, &table);
    println!(
        "{table}: {} recordings ({} done before), {} frames, {} unreadable",
        report.recordings,
        report.present,
        report.frames,
        report.unreadable.len()
    );
    if !report.damaged.is_empty() {
        println!(
            "{} of them damaged: they have features as far as they can be decoded",
            report.damaged.len()
        );
    }
    match report.recordings {
        0 if !report.unreadable.is_empty() => Err(Error::format(
            music,
            "none of the recordings could be read; is this the folder that was scanned?",
        )),
        _ => Ok(()),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1000)),
        1_000_000..1_000_000_000 => format!("{:.0} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}
