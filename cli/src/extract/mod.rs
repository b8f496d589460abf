//! `sleeve extract`: tags and embeddings of audio files.

mod args;
mod formats;
mod index;
mod inputs;
mod leftovers;
mod picture;
mod summary;
mod work;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

pub use args::Args;
use args::Format;

use crate::interrupt;

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.format == Format::Parquet && !cfg!(feature = "parquet") {
        bail!("this build cannot write Parquet: it needs a build with --features parquet");
    }
    let (inputs, complaints) = inputs::find(&args.paths, args.shard)?;
    for complaint in &complaints {
        eprintln!("warning: {complaint}");
    }
    if inputs.is_empty() {
        match args.shard {
            Some(_) => return Ok(code(complaints.len())),
            None => bail!("no audio files found"),
        }
    }
    let extractors = work::extractors(args)?;
    let mut engines = Vec::new();
    for extractor in &extractors {
        let engine = extractor.engine();
        log::info!("{}: {}: {}", extractor.model().name(), engine.name(), engine.describe());
        engines.push(format!("{} ({})", engine.name(), engine.describe()));
    }
    engines.dedup();
    if let Some(picture) = &args.picture {
        picture::draw(&inputs, &extractors, args.top, picture)?;
    }
    let bar = progress_bar(args, inputs.len());
    let started = Instant::now();
    let totals = work::run(args, &inputs, &extractors, &bar)?;
    bar.finish_and_clear();
    let elapsed = started.elapsed().as_secs_f64();
    if !args.quiet && (inputs.len() > 1 || args.output.is_some()) {
        eprintln!("{}", closing_line(args, &totals, elapsed, &engines));
    }
    if totals.interrupted {
        let how = if args.output.is_some() { "; --resume continues from there" } else { "" };
        eprintln!("interrupted after {} of {} files{how}", totals.done + totals.skipped, inputs.len());
        return Ok(ExitCode::from(interrupt::CODE));
    }
    Ok(code(totals.failed + complaints.len()))
}

/// Whether anything failed.
fn code(failures: usize) -> ExitCode {
    if failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn closing_line(args: &Args, totals: &work::Totals, elapsed: f64, engines: &[String]) -> String {
    let mut line = format!(
        "{} files, {} of audio in {} ({:.0} x real time)",
        totals.done,
        summary::duration(totals.seconds),
        summary::duration(elapsed),
        totals.seconds / elapsed.max(1e-9)
    );
    // Always states which engine `auto` selected.
    line += &format!(" on {}", engines.join(" and "));
    if totals.skipped > 0 {
        line += &format!("; {} already done", totals.skipped);
    }
    if totals.failed > 0 {
        line += &format!("; {} failed", totals.failed);
    }
    if let Some(directory) = &args.output {
        line += &format!("; written to {}", directory.display());
    }
    line
}

/// A progress bar on a terminal, nothing elsewhere. It counts files, or the seconds of a single file.
fn progress_bar(args: &Args, files: usize) -> ProgressBar {
    if args.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::hidden());
    }
    let unit = if files == 1 { "s of audio" } else { "files" };
    let template = format!("{{bar:32}} {{pos}}/{{len}} {unit}, {{elapsed}} elapsed, {{eta}} left");
    let style = ProgressStyle::with_template(&template).expect("the template is valid");
    let bar = ProgressBar::new(files as u64).with_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    bar.enable_steady_tick(std::time::Duration::from_millis(250));
    bar
}
