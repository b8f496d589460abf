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

/// Learns a model: track, release, artist, label, style tags or multi-task (section 3 of the paper).
///
/// CONFIG says everything that is learnt and how; `training/configs/` holds the paper's six models, every value
/// visible. RUN gets `config.toml`, `log.jsonl` and TensorBoard's event files, and after every epoch `last.safetensors`,
/// from which --resume goes on, and `best.safetensors`, the network of the lowest validation loss; at the end
/// `swa.safetensors`, the average of the last epochs' weights. `export` makes models of any of them.
///
/// Ctrl-C, or whatever else ends the program, loses the running epoch at most. On the CPU, a run that goes on gives the
/// same bits as one that was never interrupted.
///
/// Started by `torchrun` or any launcher of its convention (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT), the processes
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
    /// Folder of the run; it is made if need be.
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Changes a value of the configuration: `section.key=value`; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Goes on with the run in RUN after its last whole epoch; begins it if there is none.
    #[arg(long)]
    resume: bool,
    /// Keeps the network of every N-th epoch in RUN/epochs, from which a multi-task run can start; 0: of none.
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
    run.go(&mut Printer { log, config, last: (0, 0) })
}

/// Prints a line an epoch, and logs its figures.
struct Printer {
    log: Option<RunLog>,
    config: Config,
    /// Epoch and steps of the last entry.
    last: (u64, u64),
}

impl Printer {
    fn write(&mut self, entry: &Entry) -> Result<()> {
        self.log.as_mut().map_or(Ok(()), |log| log.write(entry))
    }

    /// The figures of a part under the names that the log's readers expect.
    fn scores(&self, mut entry: Entry, part: &str, scores: &Scores) -> Entry {
        for (head, loss, top1) in &scores.heads {
            entry = entry.with(&format!("{part}/{head}/loss"), *loss);
            if let Some(top1) = top1 {
                entry = entry.with(&format!("{part}/{head}/accuracy"), *top1);
            }
        }
        if let Objective::Multitask(_) = self.config.objective {
            entry = entry.with(&format!("{part}/multitask/loss"), scores.loss);
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
