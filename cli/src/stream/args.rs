//! The command line.

use std::path::PathBuf;

use clap::ValueEnum;
use sleeve::patches::LastPatch;

use crate::audio::AudioArgs;
use crate::model_args::ModelArgs;

/// Show tags of audio in real time: of raw samples from standard input, or of a file as it plays
///
/// Prints a line when the strongest tags change, with the start of the patch and the tags.
///
/// From a microphone: arecord -q -t raw -f S16_LE -r 44100 -c 2 | sleeve stream --rate 44100 --channels 2
#[derive(clap::Args, Debug)]
pub struct Args {
    /// An audio file; by default, raw interleaved samples are read from standard input
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Sample rate of standard input in Hz
    #[arg(short, long, default_value_t = 44_100, value_name = "HZ", conflicts_with = "path")]
    pub rate: u32,

    /// Channels of standard input
    #[arg(short, long, default_value_t = 2, value_name = "N", conflicts_with = "path")]
    pub channels: u16,

    /// Sample format of standard input
    #[arg(short, long, value_enum, default_value_t = Format::S16, conflicts_with = "path")]
    pub format: Format,

    /// Process the file as fast as possible, not in real time
    #[arg(long, requires = "path")]
    pub fast: bool,

    /// Model: an .onnx file, its name without the extension, or a bundled model (see `sleeve models`)
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,

    #[command(flatten)]
    pub model_args: ModelArgs,

    /// Number of threads of the network; 0 means all cores
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    #[command(flatten)]
    pub audio: AudioArgs,

    /// Policy for the audio after the last complete patch: discard it, or repeat it to fill a patch
    #[arg(long, default_value = "discard")]
    pub last_patch: LastPatch,

    /// Frames of the front end (of MusiCNN 16 ms) from one patch to the next; by default the model's own hop
    #[arg(long, value_name = "FRAMES")]
    pub patch_hop: Option<usize>,

    /// Size of the queue between the two threads, in seconds of audio
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub capacity: f64,

    /// Number of tags per line
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub top: usize,

    /// Print a line for every patch, even if the strongest tags have not changed
    #[arg(short, long)]
    pub all: bool,
}

/// Raw samples, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// 32-bit floats; full scale is 1
    F32,
    /// 16-bit integers
    S16,
}

impl Format {
    /// Bytes of a sample.
    pub fn bytes(self) -> usize {
        match self {
            Format::F32 => 4,
            Format::S16 => 2,
        }
    }
}
