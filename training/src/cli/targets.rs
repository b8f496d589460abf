//! `sleeve-train targets`.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use sleeve::engine::EngineOptions;

use super::stop;
use crate::batches::Dataset;
use crate::config::{Config, Objective};
use crate::error::{Error, Result};
use crate::numerals::thousands;
use crate::targets::{TargetStore, Teacher, make::make};

/// Computes what the teachers of a configuration give for many crops of every recording.
///
/// CONFIG has `kind = "distil"`. Each teacher hears the features of every track in training and validation at evenly
/// spaced places. TARGETS gets a NumPy array, float16 [crops, tags + embeddings], for each teacher and recording. Existing
/// files are kept, so a stopped command continues from there, and configurations with the same teachers share a folder.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration, a TOML file.
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
    /// Folder of the data set, made by `split`.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder of the features, made by `features`.
    #[arg(long, value_name = "FEATURES")]
    features: PathBuf,
    /// Folder for the targets; `train` takes it with --targets.
    #[arg(long, value_name = "TARGETS")]
    out: PathBuf,
    /// Crops of each recording, at most: short ones have fewer places.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    crops: u32,
    /// Threads; by default as many as there are cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Changes a value of the configuration: `section.key=value`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::load_with(&arguments.config, &arguments.set)?;
    let Objective::Distil(distil) = &config.objective else {
        return Err(Error::format(
            &arguments.config,
            "its objective.kind is not \"distil\": it has no teachers",
        ));
    };
    let options = EngineOptions::default().threads(1);
    let open = |teacher| Teacher::open(teacher, &options);
    let teachers: Vec<Teacher> = distil.teachers.iter().map(open).collect::<Result<_>>()?;
    let dataset = Dataset::open(&arguments.data, &arguments.features)?;
    let store = TargetStore::create(&arguments.out, arguments.crops as usize)?;
    let threads = arguments.threads.map(usize::from);
    let threads = threads.or_else(|| std::thread::available_parallelism().ok().map(usize::from)).unwrap_or(1);
    let template = "targets [{bar:30}] {pos}/{len} recordings, {elapsed} elapsed, {eta} left";
    let bar = ProgressBar::no_length()
        .with_style(ProgressStyle::with_template(template).expect("a valid template"));
    let start = std::time::Instant::now();
    let made = make(&dataset, &store, &teachers, threads, stop::watched()?, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
    })?;
    bar.finish_and_clear();
    println!(
        "{}: {} recordings, {} teachers; {} patches computed, {:.0} a second",
        arguments.out.display(),
        made.recordings,
        teachers.len(),
        thousands(made.patches),
        made.patches as f64 / start.elapsed().as_secs_f64()
    );
    Ok(())
}
