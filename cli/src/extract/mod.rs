//! `sleeve extract`: tags and embeddings of audio files.

mod args;
mod entry;
mod formats;
mod index;
mod journal;
mod outputs;
mod picture;
mod summary;
mod whole;
mod work;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sleeve_files::names::shown;

pub use args::Args;
use args::{Format, Shard};

use crate::inputs::{self, Found};
use crate::{interrupt, terminal};

pub fn run(args: &Args) -> Result<ExitCode> {
    if args.format == Format::Parquet && !cfg!(feature = "parquet") {
        bail!("this build cannot write Parquet: it needs a build with --features parquet");
    }
    let mut found = inputs::find(&args.inputs, &args.audio.ffmpeg.ffmpeg)?;
    for complaint in &found.complaints {
        terminal::warn(complaint);
    }
    let any = !found.inputs.is_empty();
    if let Some(Shard { index, count }) = args.shard {
        found.inputs = found.inputs.into_iter().skip(index - 1).step_by(count).collect();
    }
    let Found { inputs, complaints, passed_over } = &found;
    if inputs.is_empty() {
        match args.shard {
            Some(_) if any => return Ok(code(complaints.len())),
            _ => {
                let line = found.everything_passed_over().map(|line| format!("; {line}"));
                bail!("no audio files found{}", line.unwrap_or_default());
            }
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
        picture::draw(inputs, &extractors, args.top, picture)?;
    }
    let bar = progress_bar(args, inputs.len());
    let started = Instant::now();
    let totals = work::run(args, inputs, passed_over, &extractors, &bar)?;
    bar.finish_and_clear();
    let elapsed = started.elapsed().as_secs_f64();
    if !args.quiet && (inputs.len() > 1 || args.output.is_some()) {
        terminal::note(closing_line(args, &totals, elapsed, &engines));
    }
    if let Some(line) = found.passed_over_line().filter(|_| !args.quiet) {
        terminal::note(line);
    }
    if totals.interrupted {
        let how = if args.output.is_some() { "; --resume continues from there" } else { "" };
        let done = totals.done + totals.skipped;
        terminal::note(format_args!("interrupted after {done} of {} files{how}", inputs.len()));
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
        line += &format!("; written to {}", shown(directory));
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
