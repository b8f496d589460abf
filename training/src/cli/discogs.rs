//! `sleeve-train discogs`.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::discogs::{Kind, Options, Progress, ingest, kind_of};
use crate::error::{Error, Result};

/// Turns dumps of Discogs into Parquet tables.
///
/// Discogs publishes its whole catalogue every month (section 4.1 of the paper): releases with their artists, labels,
/// genres, styles, dates and tracklists, and the masters that group the versions of a release. Each dump is read as a
/// stream, in memory that hardly depends on its size. A damaged record is reported with its position and id, counted
/// and skipped. Of records with the same id the last counts; a dump that has any is read twice. A file that ends too
/// early is an error and leaves no table, and so are two dumps of the same kind.
#[derive(clap::Args)]
pub struct Arguments {
    /// Dumps of releases, masters, artists or labels, in any order: .xml, .xml.gz, or - for standard input. The kind is
    /// recognised by the content.
    #[arg(required = true, value_name = "DUMP")]
    dumps: Vec<PathBuf>,
    /// Folder for the tables; tables of the same name are replaced.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Threads; by default as many as there are cores.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let mut options = Options::default();
    if let Some(threads) = arguments.threads {
        if threads == 0 {
            return Err(Error::InvalidArgument("--threads must be at least 1".into()));
        }
        options.threads = Some(threads);
    }
    // Before hours of reading: two dumps of one kind would replace each other's tables.
    let mut kinds: Vec<(Kind, &Path)> = Vec::new();
    for dump in arguments.dumps.iter().filter(|dump| *dump != Path::new("-")) {
        let kind = kind_of(dump)?;
        if let Some((_, other)) = kinds.iter().find(|(other, _)| *other == kind) {
            let reason = format!(
                "a dump of {}, as {} is; one command reads one of each kind, for their tables have the same names",
                kind.root(),
                other.display()
            );
            return Err(Error::format(dump, reason));
        }
        kinds.push((kind, dump));
    }
    for dump in &arguments.dumps {
        options.taken = kinds.iter().filter(|(_, of)| of != dump).map(|(kind, _)| *kind).collect();
        let progress = Progress::default();
        let size = std::fs::metadata(dump).ok().filter(|data| data.is_file()).map(|data| data.len());
        let bar = progress_bar(size, &dump.display().to_string());
        let start = Instant::now();
        let report = std::thread::scope(|scope| {
            let (done, ticks) = std::sync::mpsc::channel::<()>();
            let (progress_shown, bar_shown) = (progress.clone(), bar.clone());
            // In its own thread, which updates the progress bar while the dump is read.
            scope.spawn(move || {
                while ticks.recv_timeout(Duration::from_millis(200))
                    == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
                {
                    bar_shown.set_position(progress_shown.bytes());
                }
            });
            let report = ingest(dump, &arguments.out, &options, &progress, &mut |damaged| {
                let id = damaged.id.map_or_else(|| "without id".into(), |id| format!("id {id}"));
                let text = format!(
                    "{}: skipped the record at byte {} ({id}): {}",
                    dump.display(),
                    damaged.offset,
                    damaged.reason
                );
                bar.suspend(|| eprintln!("{text}"));
            });
            drop(done);
            report
        })?;
        bar.finish_and_clear();
        let seconds = start.elapsed().as_secs_f64();
        if !kinds.iter().any(|(_, of)| of == dump) {
            kinds.push((report.kind, dump));
        }
        println!(
            "{}: {} {} ({} damaged), {:.1} MB of XML in {seconds:.1} s, {:.0} MB/s",
            dump.display(),
            report.records,
            report.kind.root(),
            report.damaged,
            report.bytes as f64 / 1e6,
            report.bytes as f64 / 1e6 / seconds,
        );
        if report.replaced > 0 {
            println!(
                "  {} records left out: a later one has the same id, and the last counts",
                report.replaced
            );
        }
        if progress.ignored() > 0 {
            println!("  {} bytes behind the gzip stream passed over", progress.ignored());
        }
        for (table, rows) in report.tables {
            println!("  {table}.parquet: {rows} rows");
        }
    }
    Ok(())
}

/// A progress bar over bytes; a counter if the size is unknown. Hidden if standard error is not a terminal.
pub fn progress_bar(size: Option<u64>, what: &str) -> ProgressBar {
    let bar = match size {
        Some(size) => ProgressBar::new(size).with_style(
            ProgressStyle::with_template("{msg} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")
                .expect("a valid template"),
        ),
        None => ProgressBar::new_spinner().with_style(
            ProgressStyle::with_template("{msg} {spinner} {bytes} {bytes_per_sec}")
                .expect("a valid template"),
        ),
    };
    bar.with_message(what.to_owned())
}
