//! The options of decoding, which several commands share.

use sleeve::audio::{AudioOptions, Ffmpeg, Level, Resampler};
use sleeve::extractor::ExtractorBuilder;

/// How recordings are read.
#[derive(clap::Args, Clone, Debug)]
pub struct AudioArgs {
    /// Resampling to the model's sample rate: linear, as published models expect, or sinc, which is band-limited
    #[arg(long, default_value = "linear")]
    pub resampler: Resampler,

    /// Level: none, as recorded, or track, which brings each recording to -14 LUFS (EBU R 128). Recordings of more than
    /// four minutes are decoded twice for it, and a stream cannot be levelled
    #[arg(long, default_value = "none")]
    pub level: Level,

    #[command(flatten)]
    pub ffmpeg: FfmpegArgs,
}

/// The use of FFmpeg.
#[derive(clap::Args, Clone, Debug)]
pub struct FfmpegArgs {
    /// FFmpeg, for formats that sleeve does not decode itself: auto uses it if it is installed, never does not, or the
    /// path of the program
    #[arg(long, default_value = "auto", value_name = "auto|never|PATH")]
    pub ffmpeg: Ffmpeg,
}

impl AudioArgs {
    pub fn options(&self) -> AudioOptions {
        AudioOptions::new().resampler(self.resampler).level(self.level).ffmpeg(self.ffmpeg.ffmpeg.clone())
    }

    /// Sets these options.
    pub fn apply(&self, builder: ExtractorBuilder) -> ExtractorBuilder {
        builder.resampler(self.resampler).level(self.level).ffmpeg(self.ffmpeg.ffmpeg.clone())
    }
}
