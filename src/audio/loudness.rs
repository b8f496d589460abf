//! The loudness of a recording (EBU R 128, ITU-R BS.1770), and the gain that brings it to the common level.

use std::path::PathBuf;

use ebur128::{Channel, EbuR128, Mode};

use super::layout::{Layout, Place};
use super::mono::MonoStream;
use super::options::{AudioOptions, Level};
use super::peaks::{MAX_SAMPLE, usable_peak};
use super::source::{Block, Samples};
use crate::front_end::RecordingScale;
use crate::{Error, Result};

/// The common level in LUFS: that of most streaming services.
const TARGET: f64 = -14.0;
/// Below it, the filter that models the head is too near half the sample rate: at 4 kHz, a tone of 1 kHz reads 0.16 LU
/// less.
const LOWEST_RATE: u32 = 8_000;
/// What `ebur128` takes.
const MAX_CHANNELS: usize = 64;
/// The shortest signal that has a loudness, in seconds: one gating block.
const SHORTEST: f64 = 0.4;

/// The loudness of a recording, and the gain that was applied to it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Levelled {
    /// Integrated loudness of the recording as it is, in LUFS (EBU R 128), over all channels. A mono recording is
    /// measured as it is played, on two loudspeakers: 3 LU above what one loudspeaker gives.
    pub lufs: f32,
    /// The gain that was applied, in dB: what is missing to -14 LUFS.
    pub gain_db: f32,
}

/// What is done to the mono samples of a recording.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gain {
    levelled: Option<Levelled>,
    /// By which samples are multiplied, in double precision: the gain of very loud floating-point files is beyond f32.
    factor: Option<f64>,
    /// What follows, if the front end takes a normalised recording.
    scale: Option<RecordingScale>,
    /// To be shown to users.
    pub(crate) warning: Option<String>,
}

impl Gain {
    /// What was measured and applied; `None` if nothing was.
    pub(crate) fn levelled(&self) -> Option<Levelled> {
        self.levelled
    }

    pub(crate) fn apply(&self, samples: &mut [f32]) {
        if let Some(factor) = self.factor {
            // No sample gets larger than one may be, nor those that the measure does not hear: low frequencies, the last
            // 0.1 s.
            let largest = f64::from(MAX_SAMPLE);
            let levelled = |sample: f32| (f64::from(sample) * factor).clamp(-largest, largest) as f32;
            samples.iter_mut().for_each(|sample| *sample = levelled(*sample));
        }
        if let Some(scale) = &self.scale {
            scale.apply(samples);
        }
    }

    /// The same, and after it the normalisation of mono samples that were measured without the gain.
    pub(crate) fn normalising(self, scale: RecordingScale) -> Self {
        let scale = self.factor.map_or(scale, |factor| scale.amplified(factor as f32));
        Gain { scale: Some(scale), ..self }
    }
}

/// Measures one recording, block by block. The result has the same bits however the signal is cut.
///
/// Memory grows by 8 bytes for each 100 ms, the energy of a gating block: the relative gate is known only at the end.
#[derive(Default)]
pub(super) struct Meter {
    state: Option<(EbuR128, Layout)>,
    /// Sample frames since the last change of the format.
    frames: u64,
    /// The longest part of one format, in seconds.
    longest: f64,
    /// The number of channels whose places are unknown.
    unknown: Option<usize>,
}

impl Meter {
    /// Takes the next block, whose samples are finite. A block in another format continues the same recording: the
    /// energies of all parts count together. An error is a reason without a subject.
    pub(super) fn add(&mut self, block: &Block<'_>, layout: Layout) -> Result<(), String> {
        let channels = block.channels();
        let fits = |(state, before): &(EbuR128, Layout)| {
            (state.rate(), state.channels() as usize, *before) == (block.rate, channels, layout)
        };
        if !self.state.as_ref().is_some_and(fits) {
            self.change(block.rate, channels, layout)?;
        }
        let Some((state, _)) = &mut self.state else { return Ok(()) };
        let added = match &block.samples {
            Samples::Interleaved { samples, .. } => state.add_frames_f32(samples),
            Samples::Planar(planes) => state.add_frames_planar_f32(planes),
        };
        added.map_err(|error| format!("its loudness cannot be measured ({error})"))?;
        self.frames += block.frames as u64;
        self.longest = self.longest.max(self.frames as f64 / f64::from(block.rate));
        Ok(())
    }

    fn change(&mut self, rate: u32, channels: usize, layout: Layout) -> Result<(), String> {
        if channels > MAX_CHANNELS {
            return Err(format!(
                "has {channels} channels: loudness can be measured of at most {MAX_CHANNELS}; use level none"
            ));
        }
        if rate < LOWEST_RATE {
            return Err(format!(
                "has a sample rate of {rate} Hz: loudness can be measured from {LOWEST_RATE} Hz on; use level none"
            ));
        }
        let refused = |error: ebur128::Error| format!("its loudness cannot be measured ({error})");
        let mut state = match self.state.take() {
            // Keeps the energies so far. The block that is under way is dropped, as at the end of a recording.
            Some((mut state, _)) => {
                state.change_parameters(channels as u32, rate).map_err(refused)?;
                state
            }
            None => EbuR128::new(channels as u32, rate, Mode::I).map_err(refused)?,
        };
        let places = layout.places(channels).unwrap_or_else(|| {
            self.unknown = Some(channels);
            vec![Place::Front; channels]
        });
        let channel = |place: &Place| match place {
            Place::Front if channels == 1 => Channel::DualMono,
            Place::Front => Channel::Center,
            Place::Surround => Channel::LeftSurround,
            Place::LowFrequency => Channel::Unused,
        };
        state.set_channel_map(&places.iter().map(channel).collect::<Vec<_>>()).map_err(refused)?;
        self.state = Some((state, layout));
        self.frames = 0;
        Ok(())
    }

    /// The gain that the recording so far needs.
    pub(super) fn gain(&self) -> Gain {
        // Minus infinity if nothing is above the absolute gate of -70 LUFS.
        let lufs = self.state.as_ref().and_then(|(state, _)| state.loudness_global().ok());
        let Some(lufs) = lufs.filter(|lufs| lufs.is_finite()) else {
            let warning = if self.longest < SHORTEST {
                "level track: shorter than 0.4 s, so it has no loudness; its level is left as it is"
            } else {
                "level track: silent, or below -70 LUFS everywhere; its level is left as it is"
            };
            return Gain { warning: Some(warning.to_owned()), ..Gain::default() };
        };
        let gain_db = TARGET - lufs;
        let warning = self.unknown.map(|channels| {
            format!("level track: the places of its {channels} channels are unknown, so all count as front channels")
        });
        Gain {
            levelled: Some(Levelled { lufs: lufs as f32, gain_db: gain_db as f32 }),
            factor: Some(10_f64.powf(gain_db / 20.0)),
            scale: None,
            warning,
        }
    }
}

/// What is done to the mono samples at `target_rate` Hz of a whole recording in memory. `go_on` is asked about once a
/// second of audio.
///
/// # Errors
/// `NonFinite` as that of [`MonoStream`](super::MonoStream); `InvalidArgument` if the loudness cannot be measured;
/// `Cancelled`.
pub(crate) fn gain_of_samples(
    samples: &[f32],
    channels: u16,
    rate: u32,
    target_rate: u32,
    options: &AudioOptions,
    mut go_on: impl FnMut() -> bool,
) -> Result<Gain> {
    let gain = match options.level {
        Level::None => Gain::default(),
        Level::Track => loudness_of_samples(samples, channels, rate, &mut go_on)?,
    };
    if !options.normalise {
        return Ok(gain);
    }
    let mut stream = MonoStream::new(rate, channels, target_rate, options.resampler)?;
    let (mut scale, mut mono) = (RecordingScale::new(), Vec::new());
    for chunk in samples.chunks(usize::from(channels).max(1) * rate.max(1) as usize) {
        if !go_on() {
            return Err(Error::Cancelled);
        }
        mono.clear();
        stream.push(chunk, &mut mono)?;
        scale.push(&mono);
    }
    mono.clear();
    stream.finish(&mut mono)?;
    scale.push(&mono);
    Ok(gain.normalising(scale))
}

/// The gain that levels a whole recording in memory.
fn loudness_of_samples(
    samples: &[f32],
    channels: u16,
    rate: u32,
    go_on: &mut dyn FnMut() -> bool,
) -> Result<Gain> {
    let channels = usize::from(channels).max(1);
    let mut meter = Meter::default();
    let mut start = 0;
    for chunk in samples.chunks(channels * rate.max(1) as usize) {
        if !go_on() {
            return Err(Error::Cancelled);
        }
        let frames = chunk.len() / channels;
        let block = Block {
            rate,
            frames,
            samples: Samples::Interleaved { samples: &chunk[..frames * channels], channels },
        };
        if let Err((frame, value)) = usable_peak(&block) {
            return Err(Error::NonFinite {
                path: PathBuf::from("<samples>"),
                index: start + frame as u64,
                value,
            });
        }
        let refused = |reason: String| Error::InvalidArgument(format!("<samples>: {reason}"));
        meter.add(&block, Layout::Unknown).map_err(refused)?;
        start += frames as u64;
    }
    Ok(meter.gain())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts of a signal, one after the other: seconds, and the level of each channel in dBFS.
    type Parts<'a> = &'a [(f64, &'a [f64])];

    /// A sine of 1 kHz.
    fn sine(rate: u32, parts: Parts<'_>) -> Vec<f32> {
        let mut samples = Vec::new();
        for (seconds, levels) in parts {
            for frame in 0..(f64::from(rate) * seconds) as usize {
                let phase = std::f64::consts::TAU * 1000.0 * frame as f64 / f64::from(rate);
                samples.extend(levels.iter().map(|level| (10_f64.powf(level / 20.0) * phase.sin()) as f32));
            }
        }
        samples
    }

    fn add(
        meter: &mut Meter,
        samples: &[f32],
        rate: u32,
        channels: usize,
        layout: Layout,
    ) -> Result<(), String> {
        let frames = samples.len() / channels;
        meter.add(&Block { rate, frames, samples: Samples::Interleaved { samples, channels } }, layout)
    }

    fn level_of_samples(
        samples: &[f32],
        channels: u16,
        rate: u32,
        go_on: impl FnMut() -> bool,
    ) -> Result<Gain> {
        gain_of_samples(samples, channels, rate, 16_000, &AudioOptions::new().level(Level::Track), go_on)
    }

    fn loudness(samples: &[f32], rate: u32, channels: usize, layout: Layout) -> f32 {
        let mut meter = Meter::default();
        add(&mut meter, samples, rate, channels, layout).unwrap();
        meter.gain().levelled().expect("it has a loudness").lufs
    }

    #[test]
    fn the_signals_of_ebu_tech_3341_have_their_loudness() {
        let stereo = |level: f64| [level, level];
        let [quiet, soft, plain] = [-72.0, -36.0, -23.0].map(stereo);
        let [low, high] = [-26.0, -20.0].map(stereo);
        // Its cases 1 to 6, each within 0.1 LU.
        let cases: [(Parts<'_>, Layout, f32); 7] = [
            (&[(20.0, &plain)], Layout::Unknown, -23.0),
            (&[(20.0, &[-33.0, -33.0])], Layout::Unknown, -33.0),
            (&[(10.0, &soft), (60.0, &plain), (10.0, &soft)], Layout::Unknown, -23.0),
            (
                &[(10.0, &quiet), (10.0, &soft), (60.0, &plain), (10.0, &soft), (10.0, &quiet)],
                Layout::Unknown,
                -23.0,
            ),
            (&[(20.0, &low), (20.1, &high), (20.0, &low)], Layout::Unknown, -23.0),
            (&[(20.0, &[-28.0, -28.0, -24.0, -30.0, -30.0])], Layout::Unknown, -23.0),
            // The same in the order of Vorbis.
            (&[(20.0, &[-28.0, -24.0, -28.0, -30.0, -30.0])], Layout::Vorbis, -23.0),
        ];
        for (parts, layout, expected) in cases {
            let found = loudness(&sine(48_000, parts), 48_000, parts[0].1.len(), layout);
            assert!((found - expected).abs() < 0.1, "{found} LUFS instead of {expected}");
        }
    }

    #[test]
    fn low_frequency_channels_do_not_count() {
        let loud = [-40.0, -40.0, -23.0, 0.0, -40.0, -40.0];
        let samples = sine(48_000, &[(2.0, &loud)]);
        let without = loudness(&samples, 48_000, 6, Layout::Unknown);
        // In the order of Vorbis the loud one is a surround channel.
        let with = loudness(&samples, 48_000, 6, Layout::Vorbis);
        assert!((without - -25.8).abs() < 0.3 && (with - -1.5).abs() < 0.3, "{without} {with}");
    }

    #[test]
    fn loudness_does_not_depend_on_the_rate() {
        for rate in [8_000, 11_025, 16_000, 22_050, 44_100, 96_000, 192_000, 768_000] {
            let found = loudness(&sine(rate, &[(3.0, &[-23.0, -23.0])]), rate, 2, Layout::Unknown);
            assert!((found - -23.0).abs() < 0.1, "{found} LUFS at {rate} Hz");
        }
    }

    #[test]
    fn mono_is_as_loud_as_the_same_in_stereo() {
        let mono = loudness(&sine(44_100, &[(3.0, &[-23.0])]), 44_100, 1, Layout::Unknown);
        let stereo = loudness(&sine(44_100, &[(3.0, &[-23.0, -23.0])]), 44_100, 2, Layout::Unknown);
        assert!((mono - stereo).abs() < 1e-5 && (mono - -23.0).abs() < 0.1, "{mono} {stereo}");
    }

    #[test]
    fn loudness_has_the_same_bits_however_the_signal_is_cut() {
        let samples = sine(44_100, &[(1.7, &[-20.0, -26.0]), (1.1, &[-9.0, -40.0])]);
        let whole = loudness(&samples, 44_100, 2, Layout::Unknown);
        for step in [1, 2, 441, 1152, 4410, 17_640, 50_001] {
            let (mut cut, mut planar) = (Meter::default(), Meter::default());
            for chunk in samples.chunks(2 * step) {
                add(&mut cut, chunk, 44_100, 2, Layout::Unknown).unwrap();
                let plane = |at: usize| chunk.iter().skip(at).step_by(2).copied().collect::<Vec<f32>>();
                let (left, right) = (plane(0), plane(1));
                let frames = left.len();
                let samples = Samples::Planar(vec![&left, &right]);
                planar.add(&Block { rate: 44_100, frames, samples }, Layout::Unknown).unwrap();
            }
            for meter in [cut, planar] {
                assert_eq!(meter.gain().levelled().unwrap().lufs.to_bits(), whole.to_bits(), "{step}");
            }
        }
    }

    #[test]
    fn parts_of_several_formats_count_together() {
        let mut meter = Meter::default();
        add(&mut meter, &sine(48_000, &[(20.0, &[-20.0, -20.0])]), 48_000, 2, Layout::Unknown).unwrap();
        add(&mut meter, &sine(22_050, &[(20.0, &[-26.0])]), 22_050, 1, Layout::Unknown).unwrap();
        let chained = meter.gain().levelled().unwrap().lufs;
        // The mean of 0.01 and 0.0025 in power.
        assert!((chained - -22.04).abs() < 0.1, "{chained}");
    }

    #[test]
    fn what_has_no_loudness_is_left_as_it_is() {
        let cases: [(Vec<f32>, &str); 4] = [
            (vec![0.0; 96_000], "silent"),
            (sine(48_000, &[(2.0, &[-80.0, -80.0])]), "-70 LUFS"),
            (sine(48_000, &[(0.399, &[-3.0, -3.0])]), "shorter than 0.4 s"),
            (Vec::new(), "shorter than 0.4 s"),
        ];
        for (samples, reason) in cases {
            let gain = level_of_samples(&samples, 2, 48_000, || true).unwrap();
            assert_eq!(gain.levelled(), None);
            assert!(gain.warning.as_ref().unwrap().contains(reason), "{:?}", gain.warning);
            let mut same = samples.clone();
            gain.apply(&mut same);
            assert_eq!(same, samples);
        }
        let just = sine(48_000, &[(0.4, &[-23.0, -23.0])]);
        assert!(level_of_samples(&just, 2, 48_000, || true).unwrap().levelled().is_some());
    }

    #[test]
    fn the_gain_is_what_is_missing() {
        let samples = sine(48_000, &[(1.0, &[-23.0, -23.0])]);
        let gain = level_of_samples(&samples, 2, 48_000, || true).unwrap();
        let Levelled { lufs, gain_db } = gain.levelled().unwrap();
        assert!((lufs + gain_db - -14.0).abs() < 1e-5 && gain.warning.is_none());
        let mut levelled = samples.clone();
        gain.apply(&mut levelled);
        let again = level_of_samples(&levelled, 2, 48_000, || true).unwrap().levelled().unwrap();
        assert!((again.lufs - -14.0).abs() < 1e-4, "{again:?}");
        // Far beyond full scale.
        let loud: Vec<f32> = samples.iter().map(|sample| sample * 1e15).collect();
        let gain = level_of_samples(&loud, 2, 48_000, || true).unwrap();
        let mut tamed = loud;
        gain.apply(&mut tamed);
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(tamed.iter().zip(&levelled).all(close), "{:?}", gain.levelled());
        // A peak after the last whole block, which is not measured.
        let mut peak = samples.clone();
        peak.extend([MAX_SAMPLE; 1_000]);
        let gain = level_of_samples(&peak, 2, 48_000, || true).unwrap();
        assert!(gain.levelled().unwrap().gain_db > 8.0);
        gain.apply(&mut peak);
        assert!(peak.iter().all(|sample| sample.abs() <= MAX_SAMPLE));
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let refusal = |channels: u16, rate: u32| {
            let samples = vec![0.1; usize::from(channels) * 10];
            level_of_samples(&samples, channels, rate, || true).unwrap_err().to_string()
        };
        assert!(refusal(65, 48_000).contains("65 channels"));
        assert!(refusal(1, 7_999).contains("7999 Hz"));
        let mut meter = Meter::default();
        add(&mut meter, &vec![0.1; 9 * 48_000], 48_000, 9, Layout::Unknown).unwrap();
        assert!(meter.gain().warning.unwrap().contains("9 channels"));
        assert!(matches!(level_of_samples(&[0.1; 10], 1, 8_000, || false), Err(Error::Cancelled)));
        let bad = [0.1, f32::NAN];
        let error = level_of_samples(&bad, 1, 8_000, || true).unwrap_err();
        assert!(matches!(error, Error::NonFinite { index: 1, .. }), "{error}");
    }
}
