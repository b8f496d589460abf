//! `similar index`: creates or updates the library file of a music library.

use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use sleeve::similarity::{Library, LibraryWriter};
use sleeve_files::names::shown;

use super::embedder::{Embedder, Options};
use super::update::{Counts, update};
use super::walk::{self, Walk};
use super::{args, show, watch};
use crate::interrupt;
use crate::terminal::{note, print, warn};

pub fn run(args: &args::Index) -> Result<ExitCode> {
    if args.library.is_dir() {
        bail!("{}: a folder; first comes the library file, then the music", shown(&args.library));
    }
    let first = walk::walk(&args.inputs, &args.ffmpeg.ffmpeg)?;
    let old = match args.library.try_exists().with_context(|| shown(&args.library))? {
        true => Some(Library::open(&args.library)?),
        false => None,
    };
    if let Some(library) = old.as_ref().filter(|library| library.root() != first.root) {
        bail!(
            "{}: a library of {}, not of {}; use another library file",
            shown(&args.library),
            described(library.root()),
            described(&first.root)
        );
    }
    let origin = old.as_ref().map(Library::origin);
    let model = args.model.as_deref().or_else(|| origin.map(|origin| Path::new(&*origin.place)));
    let level = match (args.level, origin) {
        (Some(level), _) => level,
        (None, Some(origin)) => origin.level.parse()?,
        (None, None) => Default::default(),
    };
    let embedder = Embedder::open(model, level, &args.ffmpeg.ffmpeg)?;
    if let Some(library) = &old {
        library.check_origin(embedder.origin())?;
    }
    let is_new = old.is_none();
    drop(old);
    let stop = interrupt::watch()?;
    let watching = args.watch.then(|| watch::Watch::new(&args.inputs)).transpose()?;
    let mut walk = Some(first);
    let mut clean;
    loop {
        let walk = match walk.take() {
            Some(walk) => walk,
            None => walk::walk(&args.inputs, &args.ffmpeg.ffmpeg)?,
        };
        walk.complaints.iter().for_each(warn);
        let writer = match args.library.exists() {
            true => LibraryWriter::open(&args.library)?,
            false => LibraryWriter::create(&args.library, &walk.root, embedder.origin())?,
        };
        let options = Options { threads: args.threads, patches: args.patches };
        let counts = update(writer, &walk, &embedder, options, &stop, |files| progress_bar(args, files))?;
        if counts.interrupted {
            note(format_args!(
                "interrupted after {} of {} tracks; the same command continues from there",
                counts.tracks,
                walk.tracks.len()
            ));
            return Ok(ExitCode::from(interrupt::CODE));
        }
        if counts.tracks == 0 && is_new && watching.is_none() {
            // Nothing that anybody could use.
            let _ = std::fs::remove_file(&args.library);
            bail!("{}: none of its {} files could be processed", described(&walk.root), walk.tracks.len());
        }
        summary(args, &walk, &counts)?;
        clean = counts.failed == 0 && walk.complaints.is_empty();
        match &watching {
            Some(watching) if watching.wait(&stop)? => {}
            _ => break,
        }
    }
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn summary(args: &args::Index, walk: &Walk, counts: &Counts) -> Result<()> {
    if let Some(passed_over) = walk.passed_over.as_ref().filter(|_| !args.quiet) {
        note(passed_over);
    }
    if args.json {
        return show::json(&args.library, counts);
    }
    let Counts { tracks, processed, unchanged, moved, retagged, removed, failed, .. } = counts;
    print(&format!(
        "{}: {tracks} tracks: {processed} processed, {unchanged} unchanged, {moved} moved, {retagged} retagged, {removed} \
         removed, {failed} failed\n",
        shown(&args.library)
    ))
}

/// A library, which may have no folder of its own.
fn described(root: &Path) -> String {
    if root.as_os_str().is_empty() { "several folders or files".to_owned() } else { shown(root) }
}

/// A progress bar on a terminal, nothing elsewhere.
fn progress_bar(args: &args::Index, files: usize) -> ProgressBar {
    if args.quiet || files == 0 || !std::io::stderr().is_terminal() {
        return ProgressBar::with_draw_target(Some(files as u64), ProgressDrawTarget::hidden());
    }
    let template = "{bar:32} {pos}/{len} tracks, {elapsed} elapsed, {eta} left";
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    let bar = ProgressBar::new(files as u64).with_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
