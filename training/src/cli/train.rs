//! `sleeve-train train`.

use std::io::IsTerminal;
use std::path::PathBuf;

use super::stop;
use crate::config::{Config, Objective};
use crate::error::Result;
use crate::runlog::{Entry, RunLog};
use crate::train::processes::Place;
use crate::train::progress::{Epoch, Scores};
use crate::train::run::{Listener, Options, Run};

/// Trains a model: track, release, artist, label, style tags or multi-task (sections 4.2 and 4.6 of the paper), or one
/// that learns from other models.
///
/// CONFIG has every setting; `training/configs/` has the paper's six models, and `distil.toml`. RUN gets `config.toml`, `log.jsonl` and
/// TensorBoard's event files. After every epoch it gets `last.safetensors`, from which --resume continues, and, if the
/// validation loss is the lowest so far, `best.safetensors`. At the end it gets `swa.safetensors`, the average of the
/// last epochs' weights. `export` makes a model of any of them.
///
/// When the program ends early, by Ctrl-C or otherwise, at most the current epoch is lost. On the CPU, a resumed run
/// gives the same bits as one that was not interrupted.
///
/// Processes started by `torchrun` or a launcher with the same variables (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT)
/// share the batches of every step (run.groups), through NCCL on CUDA and Gloo on the CPU. Only the first writes files.
#[derive(clap::Args)]
pub struct Arguments {
    /// The configuration, a TOML file.
    #[arg(value_name = "CONFIG")]
    config: PathBuf,
    /// Folder of the data set, made by `split` and `pairs`.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Folder of the features, made by `features`.
    #[arg(long, value_name = "DIR")]
    features: PathBuf,
    /// Folder of the teachers' targets, made by `targets`; for `kind = "distil"` alone.
    #[arg(long, value_name = "TARGETS")]
    targets: Option<PathBuf>,
    /// Folder of the run; created if it does not exist.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Changes a value of the configuration: `section.key=value`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Continues the run in RUN after its last complete epoch; starts it if there is none.
    #[arg(long)]
    resume: bool,
    /// Keeps the network every N epochs in RUN/epochs, from which a multi-task run can start; 0 keeps none.
    #[arg(long, value_name = "N", default_value_t = 10)]
    keep: u32,
}

pub fn run(arguments: &Arguments) -> Result<()> {
    let config = Config::load_with(&arguments.config, &arguments.set)?;
    let stop = stop::watched()?;
    let run = Run::open(Options {
        config: config.clone(),
        data: &arguments.data,
        features: &arguments.features,
        targets: arguments.targets.as_deref(),
        out: &arguments.out,
        resume: arguments.resume,
        keep: arguments.keep,
        bar: std::io::stderr().is_terminal(),
        place: Place::from_environment()?,
        stop,
    })?;
    let log = match run.is_first() {
        true => Some(RunLog::open(&arguments.out, run.started().into(), run.steps())?),
        false => None,
    };
    // A run whose epochs are all there has only the average to log.
    let last = (run.started().into(), run.steps());
    run.go(&mut Printer { log, config, last })
}

/// Prints a line per epoch and logs its figures.
struct Printer {
    log: Option<RunLog>,
    config: Config,
    /// Epoch and step of the last entry.
    last: (u64, u64),
}

impl Printer {
    fn write(&mut self, entry: &Entry) -> Result<()> {
        self.log.as_mut().map_or(Ok(()), |log| log.write(entry))
    }

    /// The figures of a part under the names that readers of the log expect.
    fn scores(&self, mut entry: Entry, part: &str, scores: &Scores) -> Entry {
        for term in &scores.heads {
            let head = &term.name;
            entry = entry.with(&format!("{part}/{head}/loss"), term.loss);
            match term.top1 {
                Some(top1) => {
                    entry = entry.with(&format!("{part}/{head}/accuracy"), top1);
                    entry = entry.with(&format!("{part}/{head}/pairs"), term.items as f64);
                }
                None => entry = entry.with(&format!("{part}/{head}/patches"), term.items as f64),
            }
        }
        match self.config.objective {
            Objective::Multitask(_) => entry = entry.with(&format!("{part}/multitask/loss"), scores.loss),
            Objective::Distil(_) => entry = entry.with(&format!("{part}/distil/loss"), scores.loss),
            Objective::Contrastive(_) | Objective::Tags(_) => {}
        }
        entry
    }
}

impl Listener for Printer {
    fn note(&mut self, text: &str) {
        println!("{text}");
    }

    fn kept(&mut self, epoch: &Epoch) {
        println!("{}", epoch.line());
    }

    fn ended(&mut self, epoch: &Epoch) -> Result<()> {
        self.last = (epoch.number.into(), epoch.steps);
        let entry = Entry::new(epoch.number.into(), epoch.steps)
            .with("learning_rate", epoch.rate)
            .with("batches", epoch.batches as f64)
            .with("patches_per_second", epoch.patches_per_s)
            .with("waiting_share", epoch.waiting)
            .with("seconds", epoch.seconds);
        let mut entry = self.scores(entry, "train", &epoch.train);
        if let Some(validation) = &epoch.validation {
            entry = self.scores(entry, "validation", validation);
        }
        self.write(&entry)
    }

    fn average(&mut self, epochs: u64, scores: Option<&Scores>) -> Result<()> {
        let Some(scores) = scores else {
            println!("average of {epochs} epochs written");
            return Ok(());
        };
        println!("average of {epochs} epochs  validation {}", scores.short());
        let entry = Entry::new(self.config.run.epochs.into(), self.last.1);
        let entry = self.scores(entry, "average", scores);
        self.write(&entry)
    }
}
