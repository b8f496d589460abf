//! Which input a network was trained on: front end, patches, normalisation.
//!
//! `inference.algorithm` of the metadata names an algorithm of Essentia's, and that is binding: a network that is fed
//! anything else gives numbers that look right and are wrong.

use std::fmt;
use std::str::FromStr;

use crate::front_end::{FrontEnd, OPENL3_FRAMES};
use crate::patches::{Layout, Normalisation, Patching, Preparation};
use crate::{Error, Result};

/// What turns audio into the input of a family of networks, as Essentia's algorithm of that name does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// `TensorflowPredictMusiCNN`: patches of 187 frames, every 93.
    MusiCnn,
    /// `TensorflowPredictEffnetDiscogs`: patches of 128 frames, every 62.
    EffnetDiscogs,
    /// `TensorflowPredictMAEST`: patches of 5, 10, 20 or 30 seconds, without overlap, normalised.
    Maest,
    /// `TensorflowPredictVGGish`, for VGGish and YAMNet: patches of 96 frames, every 93.
    Vggish,
    /// VGGish as its authors published it: patches of 96 frames, without overlap.
    VggishOriginal,
    /// `TensorflowPredictTempoCNN`: patches of 256 frames, every 128, standardised.
    TempoCnn,
    /// `TensorflowPredictFSDSINet`: patches of 101 frames, every 50, of the normalised recording.
    FsdSinet,
    /// OpenL3, for which Essentia has no algorithm: a patch each second.
    OpenL3,
    /// `TensorflowPredictCREPE`: each frame of 1024 samples is a patch, standardised.
    Crepe,
    /// MusiCNN's mel frames in patches of any length, with a hop of half a patch: for networks that are not of
    /// Essentia's authors. Only by name.
    MusiCnnMel,
}

/// The names of each: for `--front-end`, and those in metadata.
const NAMES: [(Algorithm, &str, &[&str]); 10] = [
    (Algorithm::MusiCnn, "musicnn", &["TensorflowPredictMusiCNN"]),
    (Algorithm::EffnetDiscogs, "effnet-discogs", &["TensorflowPredictEffnetDiscogs"]),
    (Algorithm::Maest, "maest", &["TensorflowPredictMAEST"]),
    (Algorithm::Vggish, "vggish", &["TensorflowPredictVGGish"]),
    (Algorithm::VggishOriginal, "vggish-original", &["SleeveVGGishOriginal"]),
    (Algorithm::TempoCnn, "tempocnn", &["TensorflowPredictTempoCNN", "TempoCNN"]),
    (Algorithm::FsdSinet, "fsd-sinet", &["TensorflowPredictFSDSINet"]),
    (Algorithm::OpenL3, "openl3", &[]),
    (Algorithm::Crepe, "crepe", &["TensorflowPredictCREPE", "PitchCREPE"]),
    (Algorithm::MusiCnnMel, "musicnn-mel", &["SleeveMusiCNNMel"]),
];

/// The algorithms of heads, and the one that says nothing about its input.
const OF_HEADS: &str = "TensorflowPredict2D";
const OF_ANYTHING: &str = "TensorflowPredict";

/// What metadata say about a network's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Patches of this algorithm.
    Audio(Algorithm),
    /// The embeddings of another network.
    Head,
    /// Nothing.
    Nothing,
}

impl Algorithm {
    /// Every algorithm.
    pub fn all() -> impl ExactSizeIterator<Item = Algorithm> {
        NAMES.iter().map(|(algorithm, ..)| *algorithm)
    }

    /// Its name, as in `--front-end`: `musicnn`, `effnet-discogs`, `maest`, `vggish`, `vggish-original`,
    /// `tempocnn`, `fsd-sinet`, `openl3`, `crepe`, `musicnn-mel`.
    pub fn name(self) -> &'static str {
        self.names().0
    }

    fn names(self) -> (&'static str, &'static [&'static str]) {
        let (_, name, essentia) =
            NAMES.iter().find(|(algorithm, ..)| *algorithm == self).expect("it is listed");
        (name, essentia)
    }

    /// The algorithm of this name in metadata (`inference.algorithm`).
    pub fn of_metadata(name: &str) -> Option<Self> {
        let known = NAMES.iter().find(|(_, _, names)| names.contains(&name));
        known.map(|(algorithm, ..)| *algorithm)
    }

    /// What a model's metadata say.
    ///
    /// # Errors
    /// For an algorithm that is not known, with those that are.
    pub(super) fn said(name: Option<&str>, has_embedding_model: bool) -> Result<Said, String> {
        match name {
            Some(OF_HEADS) => Ok(Said::Head),
            Some(OF_ANYTHING) | None if has_embedding_model => Ok(Said::Head),
            Some(OF_ANYTHING) | None => Ok(Said::Nothing),
            Some(name) => Self::of_metadata(name).map(Said::Audio).ok_or_else(|| {
                let known: Vec<&str> = NAMES.iter().flat_map(|(_, _, names)| names.iter().copied()).collect();
                format!(
                    "its metadata's algorithm is {name}, whose input is not known here (known: {}, {OF_HEADS}); if its input \
                     is one of another algorithm, --front-end says so",
                    known.join(", ")
                )
            }),
        }
    }

    /// The front ends that it has, one for each number of bands.
    pub fn front_ends(self) -> &'static [FrontEnd] {
        match self {
            Self::MusiCnn | Self::EffnetDiscogs | Self::Maest | Self::MusiCnnMel => &[FrontEnd::MusiCnn],
            Self::Vggish => &[FrontEnd::Vggish],
            Self::VggishOriginal => &[FrontEnd::VggishOriginal],
            Self::TempoCnn => &[FrontEnd::TempoCnn],
            Self::FsdSinet => &[FrontEnd::FsdSinet],
            Self::OpenL3 => &[FrontEnd::OpenL3Mel128, FrontEnd::OpenL3Mel256],
            Self::Crepe => &[FrontEnd::Crepe],
        }
    }

    /// The lengths of its patches in frames, each with its hop; empty if any length will do.
    pub fn patches(self) -> &'static [(usize, usize)] {
        match self {
            Self::MusiCnn => &[(187, 93)],
            Self::EffnetDiscogs => &[(128, 62)],
            Self::Maest => &[(316, 313), (626, 625), (1256, 1250), (1876, 1875)],
            Self::Vggish => &[(96, 93)],
            Self::VggishOriginal => &[(96, 96)],
            Self::TempoCnn => &[(256, 128)],
            Self::FsdSinet => &[(101, 50)],
            Self::OpenL3 => &[(OPENL3_FRAMES, OPENL3_FRAMES)],
            Self::Crepe => &[(1, 1)],
            Self::MusiCnnMel => &[],
        }
    }

    /// What is done to a patch before its network takes it.
    pub fn preparation(self) -> Preparation {
        let with = |normalisation, layout| Preparation { normalisation, layout };
        match self {
            Self::Maest => Preparation::MAEST,
            Self::TempoCnn => with(Normalisation::Standard, Layout::BandMajor),
            Self::OpenL3 => with(Normalisation::Decibels, Layout::BandMajor),
            Self::Crepe => with(Normalisation::Standard, Layout::TimeMajor),
            _ => Preparation::default(),
        }
    }

    /// The front end and patches of a network that takes `frames` frames of `bands` bands.
    ///
    /// # Errors
    /// If it has none such, with both sides.
    pub(super) fn patching(self, frames: usize, bands: usize) -> Result<Patching, String> {
        let front_end = self.front_ends().iter().copied().find(|front_end| front_end.bands() == bands);
        let front_end = front_end.ok_or_else(|| {
            let has = list(self.front_ends().iter().map(|front_end| front_end.bands()));
            format!("its graph takes frames of {bands} values, {self} gives frames of {has}")
        })?;
        let hop = match self.patches() {
            [] => (frames / 2).max(1),
            patches => match patches.iter().find(|(length, _)| *length == frames) {
                Some((_, hop)) => *hop,
                None => {
                    let has = list(patches.iter().map(|(length, _)| *length));
                    return Err(format!(
                        "its graph takes patches of {frames} frames, {self} gives patches of {has}"
                    ));
                }
            },
        };
        Patching::new(front_end, frames, hop).map_err(|error| error.to_string())
    }

    /// Whether it is the front end of the sample rate `rate`, in Hz, that metadata state.
    ///
    /// # Errors
    /// Both sides.
    pub(super) fn check_rate(self, rate: u32) -> Result<(), String> {
        let own = self.front_ends()[0].sample_rate();
        if rate == own {
            return Ok(());
        }
        Err(format!(
            "its metadata state a sample rate of {rate} Hz, {self} has {own} Hz; --front-end overrides the metadata"
        ))
    }

    /// The algorithm of a network whose metadata name none: by the shape of its input and the sample rate, if they leave
    /// no doubt about the front end.
    ///
    /// # Errors
    /// If they do.
    pub(super) fn assumed(frames: usize, bands: usize, rate: Option<u32>) -> Result<Self, String> {
        let open_l3 = FrontEnd::OpenL3Mel128;
        if rate == Some(open_l3.sample_rate()) && Self::OpenL3.patching(frames, bands).is_ok() {
            return Ok(Self::OpenL3);
        }
        let fitting: Vec<Self> = Self::all()
            .filter(|algorithm| *algorithm != Self::MusiCnnMel && algorithm.patching(frames, bands).is_ok())
            .collect();
        let mel = FrontEnd::MusiCnn;
        let is_mel = bands == mel.bands() && rate.is_none_or(|rate| rate == mel.sample_rate());
        match fitting[..] {
            [algorithm @ (Self::MusiCnn | Self::EffnetDiscogs)] if is_mel => Ok(algorithm),
            [] if is_mel => Ok(Self::MusiCnnMel),
            _ => {
                let names: Vec<&str> = match &fitting[..] {
                    [] => Self::all().map(Self::name).collect(),
                    some => some.iter().map(|algorithm| algorithm.name()).collect(),
                };
                let rate = rate.map_or_else(String::new, |rate| format!(" at {rate} Hz"));
                Err(format!(
                    "it takes patches of {frames} frames of {bands} values{rate}, and no metadata say what they are; \
                     --front-end does: {}",
                    names.join(", ")
                ))
            }
        }
    }
}

/// `187`, or `316, 626 or 1256`.
fn list(values: impl Iterator<Item = usize>) -> String {
    let values: Vec<String> = values.map(|value| value.to_string()).collect();
    match values.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => values.concat(),
    }
}

impl FromStr for Algorithm {
    type Err = Error;

    /// One of [`Algorithm::name`], or a name from metadata.
    fn from_str(text: &str) -> Result<Self> {
        let known = Self::all().find(|algorithm| algorithm.name() == text);
        known.or_else(|| Self::of_metadata(text)).ok_or_else(|| {
            let names: Vec<&str> = Self::all().map(Self::name).collect();
            Error::InvalidArgument(format!("unknown front end `{text}`; known: {}", names.join(", ")))
        })
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names() {
            (_, [essentia, ..]) if !essentia.starts_with("Sleeve") => f.write_str(essentia),
            (name, _) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_binding() {
        assert_eq!(Algorithm::said(Some("TensorflowPredictMAEST"), false), Ok(Said::Audio(Algorithm::Maest)));
        assert_eq!(Algorithm::said(Some("TensorflowPredict2D"), false), Ok(Said::Head));
        assert_eq!(Algorithm::said(Some("TensorflowPredict"), true), Ok(Said::Head));
        assert_eq!(Algorithm::said(Some("TensorflowPredict"), false), Ok(Said::Nothing));
        assert_eq!(Algorithm::said(None, false), Ok(Said::Nothing));
        let unknown = Algorithm::said(Some("TensorflowPredictWav2Vec"), false).unwrap_err();
        assert!(unknown.contains("TensorflowPredictWav2Vec") && unknown.contains("TensorflowPredictVGGish"));
    }

    #[test]
    fn patches_that_it_does_not_give_are_refused_with_both_sides() {
        let patching = Algorithm::Maest.patching(316, 96).unwrap();
        assert_eq!((patching.frames(), patching.hop(), patching.front_end()), (316, 313, FrontEnd::MusiCnn));
        let frames = Algorithm::Maest.patching(300, 96).unwrap_err();
        assert_eq!(
            frames,
            "its graph takes patches of 300 frames, TensorflowPredictMAEST gives patches of 316, 626, 1256 or 1876"
        );
        let bands = Algorithm::OpenL3.patching(199, 64).unwrap_err();
        assert_eq!(bands, "its graph takes frames of 64 values, openl3 gives frames of 128 or 256");
        let rate = Algorithm::TempoCnn.check_rate(16_000).unwrap_err();
        assert!(rate.contains("16000 Hz") && rate.contains("11025 Hz"), "{rate}");
        assert_eq!(Algorithm::MusiCnnMel.patching(64, 96).unwrap().hop(), 32);
        assert_eq!(Algorithm::MusiCnnMel.patching(1, 96).unwrap().hop(), 1);
    }

    #[test]
    fn without_metadata_only_what_is_beyond_doubt_is_assumed() {
        for (frames, bands, rate, expected) in [
            (187, 96, None, Algorithm::MusiCnn),
            (128, 96, Some(16_000), Algorithm::EffnetDiscogs),
            (64, 96, None, Algorithm::MusiCnnMel),
            (199, 256, Some(48_000), Algorithm::OpenL3),
        ] {
            assert_eq!(Algorithm::assumed(frames, bands, rate), Ok(expected), "{frames} {bands}");
        }
        // FSD-SINet's or MusiCNN's frames; MAEST's, normalised or not; another rate; other bands.
        for (frames, bands, rate) in [
            (101, 96, None),
            (316, 96, None),
            (187, 96, Some(22_050)),
            (96, 64, None),
            (199, 128, None),
            (3, 7, None),
        ] {
            let reason = Algorithm::assumed(frames, bands, rate).unwrap_err();
            assert!(reason.contains("--front-end"), "{reason}");
        }
    }

    #[test]
    fn every_name_is_read_back() {
        for algorithm in Algorithm::all() {
            assert_eq!(algorithm.name().parse::<Algorithm>().unwrap(), algorithm);
            assert_eq!(algorithm.to_string().parse::<Algorithm>().unwrap(), algorithm);
        }
        assert!("mel".parse::<Algorithm>().unwrap_err().to_string().contains("effnet-discogs"));
    }
}
