//! The plain version of the front ends, the oracle of the fast one: double precision throughout, one frame after the
//! other, a recursive Fourier transform, a full matrix of weights.
//!
//! Only what the models were trained with in single precision is rounded: the window, and the positions of the bands'
//! edges (and with VGGish of the bins) on the scale of mel. What VGGish's authors compute is not rounded at all.

use std::f64::consts::TAU;

/// A front end by its parameters.
#[derive(Clone, Copy)]
pub struct Plain {
    pub rate: f64,
    pub size: usize,
    pub hop: usize,
    pub framing: Framing,
    /// `None` if a frame is its samples.
    pub mel: Option<Mel>,
}

/// Which frames there are.
#[derive(Clone, Copy, PartialEq)]
pub enum Framing {
    /// Centred, until one's centre is at or after the end.
    Covering,
    /// Centred, while the centre is not after the end.
    HalfFilled,
    /// From the first sample on, while they are complete.
    Complete,
    /// `HalfFilled` in each chunk of 48000 samples from the sample -24000 on.
    Chunks,
}

/// A frame's analysis.
#[derive(Clone, Copy)]
pub struct Mel {
    /// Mean and swing of the cosine, and whether its period is one sample less than the frame.
    pub window: (f64, f64, bool),
    pub points: usize,
    pub magnitude: bool,
    pub bands: usize,
    pub range: (f64, f64),
    pub scale: Scale,
    pub unit_area: bool,
    pub compress: fn(f64) -> f64,
}

/// Where the edges are.
#[derive(Clone, Copy, PartialEq)]
pub enum Scale {
    /// Slaney's, sides straight in Hz.
    Slaney,
    /// HTK's, sides straight in mel, positions rounded to single precision.
    Htk,
    /// HTK's, not rounded.
    ExactHtk,
}

const MUSICNN: Plain = Plain {
    rate: 16000.0,
    size: 512,
    hop: 256,
    framing: Framing::Covering,
    mel: Some(Mel {
        window: (0.5, 0.5, true),
        points: 512,
        magnitude: false,
        bands: 96,
        range: (0.0, 8000.0),
        scale: Scale::Slaney,
        unit_area: true,
        compress: |sum| (10000.0 * sum + 1.0).log10(),
    }),
};

const VGGISH: Plain = Plain {
    rate: 16000.0,
    size: 400,
    hop: 160,
    framing: Framing::Covering,
    mel: Some(Mel {
        window: (0.5, 0.5, true),
        points: 512,
        magnitude: true,
        bands: 64,
        range: (125.0, 7500.0),
        scale: Scale::Htk,
        unit_area: false,
        compress: |sum| (sum + 0.01).ln(),
    }),
};

const TEMPOCNN: Plain = Plain {
    rate: 11025.0,
    size: 1024,
    hop: 512,
    framing: Framing::Covering,
    mel: Some(Mel {
        window: (0.5, 0.5, true),
        points: 1024,
        magnitude: true,
        bands: 40,
        range: (20.0, 5000.0),
        scale: Scale::Slaney,
        unit_area: true,
        compress: |sum| sum,
    }),
};

const FSD_SINET: Plain = Plain {
    rate: 22050.0,
    size: 660,
    hop: 220,
    framing: Framing::Covering,
    mel: Some(Mel {
        window: (0.54, 0.46, false),
        points: 2048,
        magnitude: false,
        bands: 96,
        range: (50.0, 10500.0),
        scale: Scale::Slaney,
        unit_area: false,
        compress: |sum| sum.max(1e-30).log10(),
    }),
};

const OPENL3: Plain = Plain {
    rate: 48000.0,
    size: 2048,
    hop: 242,
    framing: Framing::Chunks,
    mel: Some(Mel {
        window: (0.5, 0.5, true),
        points: 2048,
        magnitude: true,
        bands: 128,
        range: (0.0, 24000.0),
        scale: Scale::Slaney,
        unit_area: true,
        compress: |sum| 10.0 * sum.max(1e-10).log10(),
    }),
};

const CREPE: Plain = Plain { rate: 16000.0, size: 1024, hop: 160, framing: Framing::HalfFilled, mel: None };

impl Plain {
    /// The front end of a name.
    pub fn of(name: &str) -> Self {
        let with = |plain: Plain, change: fn(&mut Mel)| {
            let mut mel = plain.mel.expect("it has bands");
            change(&mut mel);
            Plain { mel: Some(mel), ..plain }
        };
        match name {
            "musicnn" => MUSICNN,
            "vggish" => VGGISH,
            "vggish-original" => {
                let original = Plain { framing: Framing::Complete, ..VGGISH };
                with(original, |mel| (mel.window.2, mel.scale) = (false, Scale::ExactHtk))
            }
            "tempocnn" => TEMPOCNN,
            "fsd-sinet" => FSD_SINET,
            "openl3-mel128" => OPENL3,
            "openl3-mel256" => with(OPENL3, |mel| mel.bands = 256),
            "crepe" => CREPE,
            other => panic!("no plain version of {other}"),
        }
    }

    /// All frames of a signal.
    pub fn frames(&self, samples: &[f32]) -> Vec<Vec<f64>> {
        let signal: Vec<f64> = samples.iter().map(|&sample| sample.into()).collect();
        let weights = self.mel.map(|mel| mel.weights(self.rate));
        let mut frames = Vec::new();
        if signal.is_empty() {
            return frames;
        }
        if self.framing != Framing::Chunks {
            self.frames_of(&signal, weights.as_deref(), &mut frames);
            return frames;
        }
        let mut start = -24_000;
        while start < signal.len() as i64 {
            self.frames_of(&cut(&signal, start, 48_000), weights.as_deref(), &mut frames);
            start += 48_000;
        }
        frames
    }

    fn frames_of(&self, signal: &[f64], weights: Option<&[Vec<f64>]>, frames: &mut Vec<Vec<f64>>) {
        let (size, end) = (self.size as i64, signal.len() as i64);
        for start in (0..).map(|index| index * self.hop as i64) {
            let (begin, more) = match self.framing {
                Framing::Covering => (start - size / 2, start < end),
                Framing::HalfFilled | Framing::Chunks if start > end => return,
                Framing::HalfFilled | Framing::Chunks => (start - size / 2, true),
                Framing::Complete if start + size > end => return,
                Framing::Complete => (start, true),
            };
            let frame = cut(signal, begin, self.size);
            frames.push(match (&self.mel, weights) {
                (Some(mel), Some(weights)) => mel.frame(&frame, weights),
                _ => frame,
            });
            if !more {
                return;
            }
        }
    }
}

/// A part of a signal, zeros outside it.
fn cut(signal: &[f64], begin: i64, length: usize) -> Vec<f64> {
    let at = |position: i64| usize::try_from(position).ok().and_then(|at| signal.get(at));
    (0..length as i64).map(|offset| at(begin + offset).copied().unwrap_or(0.0)).collect()
}

impl Mel {
    fn frame(&self, samples: &[f64], weights: &[Vec<f64>]) -> Vec<f64> {
        let (mean, swing, symmetric) = self.window;
        let period = (samples.len() - usize::from(symmetric)) as f64;
        let exact = |n: usize| mean - swing * (TAU * n as f64 / period).cos();
        let rounded = self.scale != Scale::ExactHtk;
        let window = |n: usize| if rounded { f64::from(exact(n) as f32) } else { exact(n) };
        let mut padded: Vec<(f64, f64)> =
            samples.iter().enumerate().map(|(n, sample)| (sample * window(n), 0.0)).collect();
        padded.resize(self.points, (0.0, 0.0));
        let spectrum: Vec<f64> = transform(&padded)[..=self.points / 2]
            .iter()
            .map(|(re, im)| if self.magnitude { re.hypot(*im) } else { re * re + im * im })
            .collect();
        let sum = |row: &Vec<f64>| row.iter().zip(&spectrum).map(|(weight, bin)| weight * bin).sum();
        weights.iter().map(|row| (self.compress)(sum(row))).collect()
    }

    /// `[bands, points / 2 + 1]`.
    fn weights(&self, rate: f64) -> Vec<Vec<f64>> {
        let edges = self.edges();
        let axis = |hz: f64| match self.scale {
            Scale::Slaney => hz,
            Scale::Htk => f64::from((2595.0 * (1.0 + hz / 700.0).log10()) as f32),
            Scale::ExactHtk => 2595.0 * (1.0 + hz / 700.0).log10(),
        };
        let row = |edges: &[f64]| {
            let [low, centre, high] = [axis(edges[0]), axis(edges[1]), axis(edges[2])];
            let height = if self.unit_area { 2.0 / (high - low) } else { 1.0 };
            let weight = |bin: usize| {
                let at = axis(bin as f64 * rate / self.points as f64);
                ((at - low) / (centre - low)).min((high - at) / (high - centre)).max(0.0) * height
            };
            (0..=self.points / 2).map(weight).collect()
        };
        edges.windows(3).map(row).collect()
    }

    /// The edges in Hz, accumulated on the scale of mel; in single precision but for `ExactHtk`.
    fn edges(&self) -> Vec<f64> {
        let log_step = (6.4f64.ln() / 27.0) as f32;
        let bands = self.bands;
        let (low, high) = (self.range.0 as f32, self.range.1 as f32);
        match self.scale {
            Scale::Slaney => {
                let mel =
                    |hz: f32| if hz < 1000.0 { hz * 0.015 } else { 15.0 + (hz / 1000.0).ln() / log_step };
                let hz = |mel: f32| {
                    if mel < 15.0 { mel / 0.015 } else { 1000.0 * ((mel - 15.0) * log_step).exp() }
                };
                accumulated(mel(low), mel(high), bands).map(|mel| hz(mel).into()).collect()
            }
            Scale::Htk => {
                let mel = |hz: f32| (2595.0 * (1.0 + f64::from(hz) / 700.0).log10()) as f32;
                let hz = |mel: f32| (700.0 * (10f64.powf(f64::from(mel) / 2595.0) - 1.0)) as f32;
                accumulated(mel(low), mel(high), bands).map(|mel| hz(mel).into()).collect()
            }
            Scale::ExactHtk => {
                let mel = |hz: f64| (1.0 + hz / 700.0).ln();
                let (low, high) = (mel(self.range.0), mel(self.range.1));
                let at = |edge: usize| low + (high - low) * edge as f64 / (bands + 1) as f64;
                (0..bands + 2).map(|edge| 700.0 * (at(edge).exp() - 1.0)).collect()
            }
        }
    }
}

/// `bands + 2` positions from `low` to about `high`, each the sum of the one before and the step.
fn accumulated(low: f32, high: f32, bands: usize) -> impl Iterator<Item = f32> {
    let step = (high - low) / (bands + 1) as f32;
    std::iter::successors(Some(low), move |position| Some(position + step)).take(bands + 2)
}

/// The Fourier transform of complex numbers, as many as a power of two: that of the even ones and that of the odd ones.
pub fn transform(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let turn = |bin: usize| (-TAU * bin as f64 / points.len() as f64).sin_cos();
    let turns: Vec<(f64, f64)> = (0..points.len()).map(turn).collect();
    every(points, 0, 1, &turns)
}

/// The transform of every `step`th point from `first` on; `turns` are the sines and cosines for all points.
fn every(points: &[(f64, f64)], first: usize, step: usize, turns: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let count = points.len() / step;
    if count == 1 {
        return vec![points[first]];
    }
    let even = every(points, first, 2 * step, turns);
    let odd = every(points, first + step, 2 * step, turns);
    let at = |bin: usize| {
        let (sin, cos) = turns[bin * step];
        let ((a, b), (re, im)) = (even[bin % (count / 2)], odd[bin % (count / 2)]);
        (a + re * cos - im * sin, b + re * sin + im * cos)
    };
    (0..count).map(at).collect()
}
