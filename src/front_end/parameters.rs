//! What one front end differs in from another.

use super::FrontEnd;

/// How a signal is cut into frames, and what is computed of each.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parameters {
    /// The sample rate in Hz.
    pub(super) rate: u32,
    /// Samples per frame.
    pub(super) frame: usize,
    /// Samples from one frame to the next.
    pub(super) hop: usize,
    pub(super) framing: Framing,
    pub(super) values: Values,
}

/// Where frames are, and how many a signal of `N` samples has. Outside the signal there are zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Frame `k` is centred on sample `hop k`; the last is the first whose centre is at or after the end:
    /// `1 + ceil(N / hop)`.
    Covering,
    /// Centred in the same way, but only frames of which at least half is signal: `1 + floor(N / hop)`.
    HalfFilled,
    /// Frame `k` begins at sample `hop k`, and only complete frames count.
    Complete,
    /// Chunks that share no frame: chunk `k` is the samples from `chunk k - chunk / 2` on, zeros outside the signal,
    /// and has frames of its own, as `HalfFilled`. There is a chunk for each beginning before the signal's end.
    Chunks { chunk: usize },
}

/// The values of a frame.
#[derive(Clone, Copy, Debug)]
pub(super) enum Values {
    /// Its samples.
    Samples,
    /// Mel bands.
    Mel(Mel),
}

/// The analysis of a frame: window, Fourier transform, bands, compression.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mel {
    pub(super) window: Window,
    /// Points of the Fourier transform; the samples of a frame are followed by zeros.
    pub(super) points: usize,
    pub(super) spectrum: Spectrum,
    pub(super) bands: usize,
    /// The lowest and the highest edge of the bands in Hz.
    pub(super) range: (f32, f32),
    pub(super) scale: Scale,
    pub(super) height: Height,
    pub(super) compression: Compression,
    pub(super) precision: Precision,
}

/// The analysis window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Window {
    /// `0.5 - 0.5 cos(2 pi n / (size - 1))`, rounded to single precision.
    SymmetricHann,
    /// `0.5 - 0.5 cos(2 pi n / size)`, not rounded.
    PeriodicHann,
    /// `0.54 - 0.46 cos(2 pi n / size)`, rounded to single precision.
    PeriodicHamming,
}

/// What bands are sums of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spectrum {
    Power,
    Magnitude,
}

/// How the triangles are spaced, and along which axis their sides are straight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    /// Spaced on Slaney's scale, straight in Hz. In single precision, edges by summing, as in Essentia.
    Slaney,
    /// Spaced and straight on HTK's scale. In single precision, edges by summing, as in Essentia.
    Htk,
    /// Spaced and straight on HTK's scale, in double precision.
    ExactHtk,
}

/// The height of the triangles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Height {
    /// 1.
    One,
    /// Such that the area, over an axis in Hz, is 1.
    UnitArea,
}

/// What becomes of the sum of a band.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// Nothing.
    None,
    /// `log10(10000 x + 1)`.
    ShiftedLog10,
    /// `ln(x + 0.01)`.
    OffsetLn,
    /// `log10(max(x, 1e-30))`.
    FlooredLog10,
    /// `10 log10(max(x, 1e-10))`.
    Decibels,
}

/// The precision of window and transform. Bands and compression are in single precision always: their errors are
/// relative, while those of a transform are relative to the loudest bin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Precision {
    Single,
    /// Where a logarithm makes the rounding of a transform in single precision visible in quiet bands beside a loud
    /// tone, or where quiet patches are scaled up.
    Double,
}

/// As `TensorflowInputMusiCNN`.
const MUSICNN: Parameters = Parameters {
    rate: 16_000,
    frame: 512,
    hop: 256,
    framing: Framing::Covering,
    values: Values::Mel(Mel {
        window: Window::SymmetricHann,
        points: 512,
        spectrum: Spectrum::Power,
        bands: 96,
        range: (0.0, 8000.0),
        scale: Scale::Slaney,
        height: Height::UnitArea,
        compression: Compression::ShiftedLog10,
        precision: Precision::Single,
    }),
};

/// As `TensorflowInputVGGish`.
const VGGISH: Parameters = Parameters {
    rate: 16_000,
    frame: 400,
    hop: 160,
    framing: Framing::Covering,
    values: Values::Mel(Mel {
        window: Window::SymmetricHann,
        points: 512,
        spectrum: Spectrum::Magnitude,
        bands: 64,
        range: (125.0, 7500.0),
        scale: Scale::Htk,
        height: Height::One,
        compression: Compression::OffsetLn,
        precision: Precision::Double,
    }),
};

/// As Hershey et al., "CNN architectures for large-scale audio classification" (ICASSP 2017), in the code that the
/// authors published with the weights.
const VGGISH_ORIGINAL: Parameters = Parameters {
    rate: 16_000,
    frame: 400,
    hop: 160,
    framing: Framing::Complete,
    values: Values::Mel(Mel {
        window: Window::PeriodicHann,
        points: 512,
        spectrum: Spectrum::Magnitude,
        bands: 64,
        range: (125.0, 7500.0),
        scale: Scale::ExactHtk,
        height: Height::One,
        compression: Compression::OffsetLn,
        precision: Precision::Double,
    }),
};

/// As `TensorflowInputTempoCNN`.
const TEMPOCNN: Parameters = Parameters {
    rate: 11_025,
    frame: 1024,
    hop: 512,
    framing: Framing::Covering,
    values: Values::Mel(Mel {
        window: Window::SymmetricHann,
        points: 1024,
        spectrum: Spectrum::Magnitude,
        bands: 40,
        range: (20.0, 5000.0),
        scale: Scale::Slaney,
        height: Height::UnitArea,
        compression: Compression::None,
        precision: Precision::Double,
    }),
};

/// As `TensorflowInputFSDSINet`. Essentia puts the 660 samples in the middle of the 2048; their place does not change
/// the power of a bin.
const FSD_SINET: Parameters = Parameters {
    rate: 22_050,
    frame: 660,
    hop: 220,
    framing: Framing::Covering,
    values: Values::Mel(Mel {
        window: Window::PeriodicHamming,
        points: 2048,
        spectrum: Spectrum::Power,
        bands: 96,
        range: (50.0, 10_500.0),
        scale: Scale::Slaney,
        height: Height::One,
        compression: Compression::FlooredLog10,
        precision: Precision::Double,
    }),
};

/// As MTG's script for OpenL3, with Essentia's algorithms.
const fn openl3(bands: usize) -> Parameters {
    Parameters {
        rate: 48_000,
        frame: 2048,
        hop: 242,
        framing: Framing::Chunks { chunk: 48_000 },
        values: Values::Mel(Mel {
            window: Window::SymmetricHann,
            points: 2048,
            spectrum: Spectrum::Magnitude,
            bands,
            range: (0.0, 24_000.0),
            scale: Scale::Slaney,
            height: Height::UnitArea,
            compression: Compression::Decibels,
            precision: Precision::Double,
        }),
    }
}

const OPENL3_MEL128: Parameters = openl3(128);
const OPENL3_MEL256: Parameters = openl3(256);

/// As `TensorflowPredictCREPE`, without its normalisation of each frame.
const CREPE: Parameters =
    Parameters { rate: 16_000, frame: 1024, hop: 160, framing: Framing::HalfFilled, values: Values::Samples };

impl Parameters {
    pub(super) const fn of(front_end: FrontEnd) -> &'static Self {
        match front_end {
            FrontEnd::MusiCnn => &MUSICNN,
            FrontEnd::Vggish => &VGGISH,
            FrontEnd::VggishOriginal => &VGGISH_ORIGINAL,
            FrontEnd::TempoCnn => &TEMPOCNN,
            FrontEnd::FsdSinet => &FSD_SINET,
            FrontEnd::OpenL3Mel128 => &OPENL3_MEL128,
            FrontEnd::OpenL3Mel256 => &OPENL3_MEL256,
            FrontEnd::Crepe => &CREPE,
        }
    }

    /// Values per frame.
    pub(super) const fn width(&self) -> usize {
        match self.values {
            Values::Samples => self.frame,
            Values::Mel(Mel { bands, .. }) => bands,
        }
    }

    /// Zeros before the first sample: of the signal, or of each chunk.
    pub(super) const fn before(&self) -> usize {
        match self.framing {
            Framing::Complete => 0,
            Framing::Covering | Framing::HalfFilled | Framing::Chunks { .. } => self.frame / 2,
        }
    }

    /// The number of frames of a signal.
    pub(super) const fn count(&self, samples: u64) -> u64 {
        if samples == 0 {
            return 0;
        }
        let (frame, hop) = (self.frame as u64, self.hop as u64);
        match self.framing {
            Framing::Covering => 1 + samples.div_ceil(hop),
            Framing::HalfFilled => 1 + samples / hop,
            Framing::Complete if samples < frame => 0,
            Framing::Complete => 1 + (samples - frame) / hop,
            Framing::Chunks { chunk } => {
                let chunk = chunk as u64;
                // As `ceil((samples + chunk / 2) / chunk)`, without overflow.
                let chunks = samples / chunk + (samples % chunk + chunk / 2).div_ceil(chunk);
                chunks * self.per_chunk() as u64
            }
        }
    }

    /// Frames of a chunk; 0 where there are no chunks.
    pub(super) const fn per_chunk(&self) -> usize {
        match self.framing {
            Framing::Chunks { chunk } => 1 + chunk / self.hop,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_of_frames() {
        let cases: [(FrontEnd, &[(u64, u64)]); 5] = [
            (FrontEnd::MusiCnn, &[(0, 0), (1, 2), (256, 2), (257, 3)]),
            (FrontEnd::VggishOriginal, &[(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16_000, 98)]),
            (FrontEnd::Crepe, &[(0, 0), (1, 1), (159, 1), (160, 2)]),
            // As Essentia's FrameGenerator gives chunks.
            (
                FrontEnd::OpenL3Mel128,
                &[(0, 0), (1, 199), (24_000, 199), (24_001, 398), (72_000, 398), (72_001, 597)],
            ),
            (FrontEnd::OpenL3Mel256, &[(96_000, 597), (120_000, 597), (120_001, 796)]),
        ];
        for (front_end, cases) in cases {
            for &(samples, frames) in cases {
                assert_eq!(front_end.frame_count(samples), frames, "{front_end}, {samples} samples");
            }
            // No length overflows.
            assert!(front_end.frame_count(u64::MAX - 1) > 0);
        }
    }

    #[test]
    fn what_kernels_rely_on() {
        for front_end in FrontEnd::ALL {
            let parameters = Parameters::of(front_end);
            // Pairs of samples become complex numbers; frames reach no further than the centre of the next but one.
            assert!(parameters.frame.is_multiple_of(2) && parameters.hop <= parameters.frame);
            if let Values::Mel(mel) = parameters.values {
                assert!(matches!(mel.points, 512 | 1024 | 2048) && parameters.frame <= mel.points);
                // Bands are transposed in blocks as wide as the widest vector.
                assert!(mel.bands.is_multiple_of(8) && mel.bands <= 256);
                assert!(mel.precision == Precision::Double || mel.bands.is_multiple_of(16));
                assert!(mel.range.1 <= parameters.rate as f32 / 2.0);
            }
        }
    }
}
