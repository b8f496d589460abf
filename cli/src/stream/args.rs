//! The command line.

use std::path::PathBuf;

use clap::ValueEnum;
use sleeve::audio::Resampler;
use sleeve::patches::LastPatch;

/// Tags of audio while it plays: raw samples from standard input, or a file at its own pace
///
/// A line whenever the strongest tags change: where the patch starts, and the tags.
///
/// From a microphone: arecord -q -t raw -f S16_LE -r 44100 -c 2 | sleeve stream --rate 44100 --channels 2
#[derive(clap::Args, Debug)]
pub struct Args {
    /// An audio file; without one, raw interleaved samples come from standard input
    #[arg(value_name = "PATH")]
    pub path: Option<PathBuf>,

    /// Sample rate of standard input in Hz
    #[arg(short, long, default_value_t = 44_100, value_name = "HZ", conflicts_with = "path")]
    pub rate: u32,

    /// Channels of standard input
    #[arg(short, long, default_value_t = 2, value_name = "N", conflicts_with = "path")]
    pub channels: u16,

    /// What a sample of standard input is
    #[arg(short, long, value_enum, default_value_t = Format::S16, conflicts_with = "path")]
    pub format: Format,

    /// Push a file as fast as the model hears it, not as fast as it plays
    #[arg(long, requires = "path")]
    pub fast: bool,

    /// A model: a file, a stem beside its .json, or a bundled name
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Threads of the network; 0 means every core this process may use
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub threads: usize,

    /// How audio at other rates is brought to the model's: linear, as published models expect, or sinc
    #[arg(long, default_value = "linear")]
    pub resampler: Resampler,

    /// What becomes of the frames after the last complete patch: discard or repeat
    #[arg(long, default_value = "discard")]
    pub last_patch: LastPatch,

    /// Frames from one patch to the next, in place of the model's own
    #[arg(long, value_name = "FRAMES")]
    pub patch_hop: Option<usize>,

    /// Seconds of audio that the queue between the two threads holds
    #[arg(long, default_value_t = 10.0, value_name = "SECONDS")]
    pub capacity: f64,

    /// How many tags a line shows
    #[arg(long, default_value_t = 3, value_name = "N")]
    pub top: usize,

    /// A line for every patch, whether its strongest tags have changed or not
    #[arg(short, long)]
    pub all: bool,
}

/// Raw samples, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// 32-bit floats, full scale being 1
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
