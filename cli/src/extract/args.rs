//! The command line.

use std::path::PathBuf;

use clap::ValueEnum;
use sleeve::audio::Resampler;
use sleeve::engine::{Device, EngineChoice, Precision};
use sleeve::patches::LastPatch;

/// Tags and embeddings of audio files
///
/// Without --output, a readable summary of each file; with it, files of numbers under DIR, named after
/// their inputs, and DIR/index.json that says how they were made.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Audio files, or directories to walk for them
    #[arg(required = true, value_name = "PATH")]
    pub paths: Vec<PathBuf>,

    /// A model: a file, a stem beside its .json, or a bundled name; may be given several times. Without it, the
    /// bundled msd-musicnn-1 (tags and embeddings) and msd-musicnn-debian-1 (embeddings)
    #[arg(short, long = "model", value_name = "MODEL")]
    pub models: Vec<String>,

    /// A head to chain behind the models' embeddings; may be given several times
    #[arg(long = "head", value_name = "HEAD")]
    pub heads: Vec<String>,

    /// Give only these outputs of the models, by purpose (embeddings, predictions) or tensor name
    #[arg(long = "only", value_name = "OUTPUT")]
    pub only: Vec<String>,

    /// What runs the network: auto, effnet, onnx or torch
    #[arg(long, default_value = "auto")]
    pub engine: EngineChoice,

    /// Where it runs: auto, cpu, cuda, cuda:1 or cuda:0,1
    #[arg(long, default_value = "auto")]
    pub device: Device,

    /// Its arithmetic: auto, f32, bf16 or fp16
    #[arg(long, default_value = "auto")]
    pub precision: Precision,

    /// Threads in all; 0 means every core this process may use
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    /// Patches a batch; the engine chooses by default
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,

    /// How audio at other rates is brought to the model's: linear, as published models expect, or sinc
    #[arg(long, default_value = "linear")]
    pub resampler: Resampler,

    /// What becomes of the frames after the last complete patch: discard or repeat
    #[arg(long, default_value = "discard")]
    pub last_patch: LastPatch,

    /// Frames from one patch to the next, in place of the model's own
    #[arg(long, value_name = "FRAMES")]
    pub patch_hop: Option<usize>,

    /// Write files of numbers under this directory
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// The files' format
    #[arg(short, long, value_enum, default_value_t = Format::Npy)]
    pub format: Format,

    /// Write the mean over all patches, one row, in place of a row a patch
    #[arg(long)]
    pub mean: bool,

    /// Take every n-th file of the sorted list, starting with the i-th; i counts from 1
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,

    /// Skip files that DIR's index shows done with the same settings and unchanged since, and remove what a killed
    /// run left of this one's outputs
    #[arg(long, requires = "output")]
    pub resume: bool,

    /// Draw one file's mel-spectrogram and its strongest tags over time
    #[arg(long, value_name = "FILE.png")]
    pub picture: Option<PathBuf>,

    /// How many tags the summary and the picture show
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub top: usize,

    /// No summary and no progress bar; warnings and errors only
    #[arg(short, long)]
    pub quiet: bool,

    /// Say more: which engine runs and why
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The format of the files written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// NumPy arrays, float32 [patches, dim], one file an output
    Npy,
    /// One JSON file an input and model
    Json,
    /// One CSV file an input and model
    Csv,
    /// One Parquet file an input and model (built with --features parquet)
    Parquet,
}

/// One of several processes that share the work: `i/n`, i from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one, from 1.
    pub index: usize,
    /// How many there are.
    pub count: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parsed {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index, count }),
            _ => Err("a shard is i/n with i from 1 to n, such as 1/4".into()),
        }
    }
}
