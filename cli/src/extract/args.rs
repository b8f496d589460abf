//! The command line.

use std::path::PathBuf;

use clap::ValueEnum;
use sleeve::engine::{Device, EngineChoice, Precision};
use sleeve::patches::LastPatch;

use crate::audio::AudioArgs;
use crate::inputs::InputArgs;
use crate::model_args::ModelArgs;

/// Compute tags and embeddings of audio files
///
/// Without --output, prints a summary of each file. With --output, writes the values to files under DIR, and the
/// settings to DIR/index.json. Outputs are named after the inputs: a file by its name, the files of a directory by their
/// paths below it, those of a playlist or a list by their paths below the folder that is common to them, and standard
/// input `stdin`. Names that would be too long are cut and get a hash, and index.json says so.
///
/// In directories, files are found by their extensions. Passed over, and counted at the end and in index.json, are files
/// that only ffmpeg reads, files that begin with `._`, folders of the system (.Trash-1000, @eaDir), and what is excluded.
///
/// One run at a time writes to DIR, or one for each of the shards.
#[derive(clap::Args, Debug)]
pub struct Args {
    #[command(flatten)]
    pub inputs: InputArgs,

    /// Model: an .onnx file, its name without the extension, or a bundled model (see `sleeve models`). May be given
    /// several times. Default: msd-musicnn-1 (tags and embeddings) and sleeve-musicnn-1 (embeddings)
    #[arg(short, long = "model", value_name = "MODEL")]
    pub models: Vec<String>,

    #[command(flatten)]
    pub model_args: ModelArgs,

    /// Head: a model that takes the embeddings of the model. May be given several times
    #[arg(long = "head", value_name = "HEAD")]
    pub heads: Vec<String>,

    /// The output of the model that heads take, by purpose or by tensor name; by default the one they were trained on
    #[arg(long, value_name = "OUTPUT", requires = "heads")]
    pub head_input: Option<String>,

    /// Take heads of other models as well. Their values are wrong, unless it is the same network under another name
    #[arg(long, requires = "heads")]
    pub any_embedding_model: bool,

    /// Select an output of the models, by purpose (embeddings, predictions), by tensor name, or tempo or pitch where a
    /// model gives one. :cls, :dist, :mean, :stack or :tokens behind a name selects tokens of a transformer. May be given
    /// several times
    #[arg(long = "only", value_name = "OUTPUT")]
    pub only: Vec<String>,

    /// Engine that runs the network: auto, effnet, fused, onnx or torch
    #[arg(long, default_value = "auto")]
    pub engine: EngineChoice,

    /// Device: auto, cpu, cuda, cuda:1 or cuda:0,1 (see `sleeve devices`)
    #[arg(long, default_value = "auto")]
    pub device: Device,

    /// Floating-point arithmetic: auto, f32, bf16 or fp16
    #[arg(long, default_value = "auto")]
    pub precision: Precision,

    /// Number of threads; 0 means all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    /// Patches per batch; by default the engine chooses
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,

    #[command(flatten)]
    pub audio: AudioArgs,

    /// Policy for the audio after the last complete patch: discard it, or repeat it to fill a patch
    #[arg(long, default_value = "discard")]
    pub last_patch: LastPatch,

    /// Frames of the front end (of MusiCNN 16 ms) from one patch to the next; by default the model's own hop
    #[arg(long, value_name = "FRAMES")]
    pub patch_hop: Option<usize>,

    /// Write the values to files under this directory
    #[arg(short, long, value_name = "DIR")]
    pub output: Option<PathBuf>,

    /// File format
    #[arg(short, long, value_enum, default_value_t = Format::Npy)]
    pub format: Format,

    /// Write the mean over all patches instead of one row per patch
    #[arg(long)]
    pub mean: bool,

    /// Process only part I of N of the sorted files (I from 1), to divide the work between processes
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,

    /// Skip files that are done with the same settings and unchanged since, if all of their outputs are whole, and remove
    /// temporary files of a killed run
    #[arg(long, requires = "output")]
    pub resume: bool,

    /// Draw the mel-spectrogram and the strongest tags over time of one file
    #[arg(long, value_name = "FILE.png")]
    pub picture: Option<PathBuf>,

    /// Number of tags in the summary and the picture
    #[arg(long, default_value_t = 8, value_name = "N")]
    pub top: usize,

    /// Print warnings and errors only, without summary and progress bar
    #[arg(short, long)]
    pub quiet: bool,

    /// Log more, such as the choice of the engine; twice for debug messages
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,
}

/// The format of the output files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// NumPy arrays, float32 [patches, dim], one file per output
    Npy,
    /// One JSON file per input and model
    Json,
    /// One CSV file per input and model
    Csv,
    /// One Parquet file per input and model (needs a build with --features parquet)
    Parquet,
}

/// One of several processes that share the work: `i/n`, i from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// The index, from 1.
    pub index: usize,
    /// The number of shards.
    pub count: usize,
}

impl std::str::FromStr for Shard {
    type Err = sleeve::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
        match parsed {
            Some((index, count)) if (1..=count).contains(&index) => Ok(Shard { index, count }),
            _ => Err(sleeve::Error::InvalidArgument("a shard is I/N with I from 1 to N, such as 1/4".into())),
        }
    }
}
