//! How a recording is read: everything that a user can choose between a file and mono samples.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::Resampler;
use crate::front_end::FrontEnd;
use crate::{Error, Result};

/// How a recording is decoded and brought to the model's sample rate and level.
///
/// Where these options are taken, a [`Resampler`] alone is enough.
///
/// ```
/// use sleeve::audio::{AudioOptions, Level, Resampler};
///
/// let options = AudioOptions::new().resampler(Resampler::Sinc).level(Level::Track);
/// assert_eq!(AudioOptions::from(Resampler::Linear), AudioOptions::default());
/// assert_ne!(options, AudioOptions::default());
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AudioOptions {
    /// The method that converts audio to the model's sample rate.
    pub resampler: Resampler,
    /// Whether recordings are brought to the same loudness.
    pub level: Level,
    /// Whether FFmpeg decodes what the library cannot.
    pub ffmpeg: Ffmpeg,
    /// Whether the mean of a recording is removed and its largest sample scaled to about 1.
    pub(crate) normalise: bool,
}

impl AudioOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the resampler.
    pub fn resampler(mut self, resampler: Resampler) -> Self {
        self.resampler = resampler;
        self
    }

    /// Sets the levelling.
    pub fn level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// Whether recordings are read in the same way, but for what the front end needs.
    pub(crate) fn is_same_reading(&self, other: &Self) -> bool {
        AudioOptions { normalise: other.normalise, ..self.clone() } == *other
    }

    /// What this front end needs before its frames: FSD-SINet's normalises the whole recording.
    pub fn for_front_end(mut self, front_end: FrontEnd) -> Self {
        self.normalise = front_end.normalises_recording();
        self
    }

    /// Sets the use of FFmpeg.
    pub fn ffmpeg(mut self, ffmpeg: Ffmpeg) -> Self {
        self.ffmpeg = ffmpeg;
        self
    }
}

impl From<Resampler> for AudioOptions {
    fn from(resampler: Resampler) -> Self {
        Self::new().resampler(resampler)
    }
}

/// Whether recordings are brought to the same loudness before they are analysed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Level {
    /// As recorded. The default, because published models were trained on it.
    #[default]
    None,
    /// Each recording is measured as a whole (EBU R 128) and amplified or attenuated to -14 LUFS, by one gain and without
    /// a limiter. [`Levelled`](super::Levelled) says by how much. Streams are refused.
    ///
    /// A recording whose mono samples take more than 16 MiB (over four minutes at 16 kHz) is decoded twice. In a batch,
    /// every worker may keep as much.
    Track,
}

impl Level {
    /// Its name on the command line and in metadata: `none` or `track`.
    pub fn name(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Track => "track",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.name())
    }
}

impl FromStr for Level {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "none" => Ok(Level::None),
            "track" => Ok(Level::Track),
            _ => Err(Error::InvalidArgument(format!("unknown level `{name}`; known: none, track"))),
        }
    }
}

/// Whether the program FFmpeg decodes what the library cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ffmpeg {
    /// No other program is started. The library's default.
    #[default]
    Never,
    /// `ffmpeg` from the `PATH`, if it is there.
    Auto,
    /// This program.
    Path(PathBuf),
}

impl FromStr for Ffmpeg {
    type Err = Error;

    /// `never`, `auto` or the path of the program.
    fn from_str(text: &str) -> Result<Self> {
        match text {
            "never" => Ok(Ffmpeg::Never),
            "auto" => Ok(Ffmpeg::Auto),
            "" => Err(Error::InvalidArgument("ffmpeg: never, auto or the path of the program".to_owned())),
            path => Ok(Ffmpeg::Path(path.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip() {
        for level in [Level::None, Level::Track] {
            assert_eq!(level.to_string().parse::<Level>().unwrap(), level);
        }
        assert!("album".parse::<Level>().unwrap_err().to_string().contains("album"));
    }

    #[test]
    fn ffmpeg_is_a_word_or_a_path() {
        assert_eq!("never".parse::<Ffmpeg>().unwrap(), Ffmpeg::Never);
        assert_eq!("auto".parse::<Ffmpeg>().unwrap(), Ffmpeg::Auto);
        assert_eq!("./auto".parse::<Ffmpeg>().unwrap(), Ffmpeg::Path("./auto".into()));
        assert!("".parse::<Ffmpeg>().is_err());
    }
}
