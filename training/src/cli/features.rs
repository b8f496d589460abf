//! `sleeve-train features`.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use super::stop;
use crate::error::{Error, Result};
use crate::features::Work;

/// Makes the mel-spectrograms that models learn from, one file per recording.
///
/// As in the paper: 16 kHz mono, frames of 512 samples every 256, 96 mel bands, stored in half precision. `extract`
/// computes the same before the network. Each is a NumPy array, float16 [frames, 96], named by the SHA-256 of its
/// recording: `FEATURES/ab/cd/abcd....npy`. Existing files are kept, so a stopped run continues from there. A recording
/// that cannot be read is reported with the reason and left out. features.parquet lists all of them. With --shard,
/// several machines share the work and the folder.
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
    let template = "features [{bar:30}] {percent}% of the audio, {elapsed} elapsed, {eta} left";
    let style = ProgressStyle::with_template(template).expect("a valid template");
    let bar = ProgressBar::new(estimate.seconds.ceil() as u64).with_style(style);
    let mut heard = 0.0;
    let report = work.run_until(threads, stop::watched()?, |seconds| {
        heard += seconds;
        bar.set_position(heard as u64);
    })?;
    bar.finish_and_clear();
    for (path, reason) in report.unreadable.iter().take(20) {
        eprintln!("{path}: {reason}");
    }
    if report.unreadable.len() > 20 {
        eprintln!("... and more, in {}", report.table.display());
    }
    println!(
        "{}: {} recordings ({} done before), {} frames, {} unreadable",
        report.table.display(),
        report.recordings,
        report.present,
        report.frames,
        report.unreadable.len()
    );
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
