//! One recording brought to the common level, or normalised: it is decoded once to measure it, and its samples follow with
//! the gain.
//!
//! Because the gain is linear, it can be applied to the mono samples at the model's rate. Those of a recording of usual
//! length fit into memory while the original is measured. What does not fit is decoded a second time.

use std::collections::VecDeque;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use super::input::Input;
use super::loudness::{Gain, Meter};
use super::mono::Mono;
use super::{AudioReader, Ffmpeg};
use crate::front_end::RecordingScale;
use crate::{Error, Result};

/// The mono samples that are kept while a recording is measured: 16 MiB, over four minutes at 16 kHz.
pub(super) const HELD: usize = (16 << 20) / size_of::<f32>();

/// The steps of a recording that is levelled.
pub(super) enum Leveller {
    /// Not measured yet.
    Unmeasured(Unmeasured),
    /// The samples, measured and kept.
    Held { gain: Gain, pieces: VecDeque<Box<[f32]>> },
    /// Measured; the recording is being decoded again, and should have as many sample frames as before.
    Again { gain: Gain, frames: u64 },
    /// Nothing more, after an error.
    Failed,
}

/// What has to be known of a whole recording.
#[derive(Clone, Copy)]
pub(super) struct Measures {
    /// Its loudness, for the gain.
    pub(super) loudness: bool,
    /// What its mono samples are normalised by.
    pub(super) scale: bool,
}

/// What a second decoding needs.
pub(super) struct Unmeasured {
    /// The same bytes.
    again: Input,
    path: PathBuf,
    ffmpeg: Ffmpeg,
    measures: Measures,
    /// How many samples may be kept.
    held: usize,
}

impl Leveller {
    /// To be made before `input` is given to a decoder.
    pub(super) fn new(
        path: PathBuf,
        input: &Input,
        ffmpeg: Ffmpeg,
        measures: Measures,
        held: usize,
    ) -> Result<Self> {
        let again = input.reopen().map_err(|error| Error::io(&path, error))?;
        Ok(Leveller::Unmeasured(Unmeasured { again, path, ffmpeg, measures, held }))
    }

    /// The gain, once it is known.
    pub(super) fn gain(&self) -> Option<&Gain> {
        match self {
            Leveller::Held { gain, .. } | Leveller::Again { gain, .. } => Some(gain),
            Leveller::Unmeasured(_) | Leveller::Failed => None,
        }
    }

    /// Measures the recording, unless it is done. `go_on` is asked after every block.
    pub(super) fn measure(&mut self, mono: &mut Mono, go_on: &mut dyn FnMut() -> bool) -> Result<()> {
        if !matches!(self, Leveller::Unmeasured(_)) {
            return Ok(());
        }
        if let Leveller::Unmeasured(unmeasured) = std::mem::replace(self, Leveller::Failed) {
            *self = unmeasured.measure(mono, go_on)?;
        }
        Ok(())
    }

    /// Appends the next samples with their gain; none at the end, and after an error.
    pub(super) fn read(&mut self, mono: &mut Mono, out: &mut Vec<f32>) -> Result<()> {
        let outcome = self.next(mono, out);
        if outcome.is_err() {
            *self = Leveller::Failed;
        }
        outcome
    }

    fn next(&mut self, mono: &mut Mono, out: &mut Vec<f32>) -> Result<()> {
        let start = out.len();
        match self {
            Leveller::Held { gain, pieces } => {
                out.extend_from_slice(&pieces.pop_front().unwrap_or_default());
                gain.apply(&mut out[start..]);
            }
            Leveller::Again { gain, frames } => {
                while out.len() == start && mono.next(out, None)? {}
                if mono.is_finished() && mono.frames() != *frames {
                    return Err(mono.changed());
                }
                gain.apply(&mut out[start..]);
            }
            Leveller::Unmeasured(_) | Leveller::Failed => {}
        }
        Ok(())
    }
}

impl Unmeasured {
    fn measure(self, mono: &mut Mono, go_on: &mut dyn FnMut() -> bool) -> Result<Leveller> {
        let mut meter = self.measures.loudness.then(Meter::default);
        let mut scale = RecordingScale::new();
        let pieces = self.hold(mono, &mut meter, &mut scale, go_on)?;
        let mut gain = meter.as_ref().map(Meter::gain).unwrap_or_default();
        if self.measures.scale {
            gain = gain.normalising(scale);
        }
        let warning = gain.warning.take();
        let leveller = match pieces {
            Some(pieces) => Leveller::Held { gain, pieces },
            None => {
                let frames = mono.frames();
                mono.restart(|| self.open_again())?;
                Leveller::Again { gain, frames }
            }
        };
        if let Some(warning) = warning {
            mono.warn(warning);
        }
        Ok(leveller)
    }

    /// Measures the whole recording and gives its samples; `None` if they are too many.
    fn hold(
        &self,
        mono: &mut Mono,
        meter: &mut Option<Meter>,
        scale: &mut RecordingScale,
        go_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<VecDeque<Box<[f32]>>>> {
        let (mut pieces, mut held, mut samples) = (Some(VecDeque::new()), 0, Vec::new());
        loop {
            // Without a scale and with too many samples, nothing needs the mono signal any more.
            let more = match (&pieces, self.measures.scale, meter.as_mut()) {
                (None, false, Some(meter)) => mono.only_measure(meter)?,
                (_, _, meter) => mono.next(&mut samples, meter)?,
            };
            if !more && samples.is_empty() {
                return Ok(pieces);
            }
            continues(go_on)?;
            held += samples.len();
            if held > self.held {
                pieces = None;
            }
            if !samples.is_empty() {
                if self.measures.scale {
                    scale.push(&samples);
                }
                if let Some(pieces) = &mut pieces {
                    pieces.push_back(samples.as_slice().into());
                }
                samples.clear();
            }
        }
    }

    /// Opens the same bytes once more. The first decoder, which shares its position in the file with it, is gone.
    fn open_again(self) -> Result<AudioReader> {
        let Unmeasured { mut again, path, ffmpeg, .. } = self;
        again.seek(SeekFrom::Start(0)).map_err(|error| Error::io(&path, error))?;
        AudioReader::new(path, again, &ffmpeg)
    }
}

fn continues(go_on: &mut dyn FnMut() -> bool) -> Result<()> {
    if go_on() { Ok(()) } else { Err(Error::Cancelled) }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::{AudioOptions, Level, MonoReader, Resampler};
    use super::*;

    /// A WAV file in memory: stereo noise of 3 s at 44.1 kHz.
    fn noise() -> Vec<u8> {
        let spec = hound::WavSpec {
            channels: 2,
            sample_rate: 44_100,
            bits_per_sample: 32,
            sample_format: hound::SampleFormat::Float,
        };
        let mut file = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut file, spec).unwrap();
        let mut state = 1_u32;
        for _ in 0..2 * 3 * 44_100 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            writer.write_sample((state >> 8) as f32 / (1 << 26) as f32 - 0.125).unwrap();
        }
        writer.finalize().unwrap();
        file.into_inner()
    }

    fn reader(input: Input, resampler: Resampler, level: Level, held: usize) -> MonoReader {
        let options = AudioOptions::new().resampler(resampler).level(level);
        MonoReader::of_input(PathBuf::from("<test>"), input, 16_000, options, held).unwrap()
    }

    fn read_all(reader: &mut MonoReader) -> Vec<f32> {
        let mut samples = Vec::new();
        while reader.read(&mut samples).unwrap() > 0 {}
        assert_eq!(reader.read(&mut samples).unwrap(), 0);
        samples
    }

    #[test]
    fn one_pass_and_two_passes_give_the_same_bits() {
        let bytes: std::sync::Arc<[u8]> = noise().into();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        for resampler in [Resampler::Linear, Resampler::Sinc] {
            let plain = read_all(&mut reader(Input::from_bytes(bytes.clone()), resampler, Level::None, HELD));
            assert!(plain.len().abs_diff(48_000) <= 1);
            // All that there are, one less, some, none.
            for held in [HELD, plain.len(), plain.len() - 1, 10_000, 0] {
                let sources = [Input::from_bytes(bytes.clone()), Input::open(file.path()).unwrap()];
                for input in sources {
                    let mut levelled = reader(input, resampler, Level::Track, held);
                    assert!(levelled.levelled().is_none());
                    let found = read_all(&mut levelled);
                    let twice = matches!(levelled_by(&levelled), Leveller::Again { .. });
                    assert_eq!(twice, held < plain.len(), "{held}");
                    let gain = levelled_by(&levelled).gain().unwrap();
                    let mut expected = plain.clone();
                    gain.apply(&mut expected);
                    assert!(levelled.levelled().unwrap().gain_db > 1.0);
                    let bits =
                        |samples: &[f32]| samples.iter().map(|sample| sample.to_bits()).collect::<Vec<_>>();
                    assert!(bits(&found) == bits(&expected), "{resampler}, {held}");
                    assert!(levelled.warnings().is_empty(), "{:?}", levelled.warnings());
                }
            }
        }
    }

    fn levelled_by(reader: &MonoReader) -> &Leveller {
        reader.leveller.as_ref().unwrap()
    }

    #[test]
    fn a_file_that_changes_between_its_passes_is_refused() {
        let bytes = noise();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &bytes).unwrap();
        let mut levelled = reader(Input::open(file.path()).unwrap(), Resampler::Linear, Level::Track, 0);
        levelled.measure(&mut || true).unwrap();
        file.as_file().set_len(bytes.len() as u64 / 2).unwrap();
        let mut samples = Vec::new();
        let error = loop {
            match levelled.read(&mut samples) {
                Ok(count) => assert!(count > 0, "the end is an error"),
                Err(error) => break error.to_string(),
            }
        };
        assert!(error.contains("<test>: changed while it was read"), "{error}");
        assert_eq!(levelled.read(&mut samples).unwrap(), 0);
    }

    #[test]
    fn measuring_can_be_cancelled() {
        for held in [HELD, 0] {
            let input = Input::from_bytes(noise().into());
            let mut levelled = reader(input, Resampler::Linear, Level::Track, held);
            let mut asked = 0;
            let outcome = levelled.measure(&mut || {
                asked += 1;
                asked < 3
            });
            assert!(matches!(outcome, Err(Error::Cancelled)) && asked == 3);
            assert_eq!(levelled.read(&mut Vec::new()).unwrap(), 0);
        }
    }

    #[test]
    fn damage_is_reported_before_any_sample() {
        let mut bytes = noise();
        let length = bytes.len();
        bytes[length - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
        let mut levelled = reader(Input::from_bytes(bytes.into()), Resampler::Linear, Level::Track, HELD);
        let mut samples = Vec::new();
        assert!(matches!(levelled.read(&mut samples), Err(Error::NonFinite { index: 132_299, .. })));
        assert!(samples.is_empty() && levelled.read(&mut samples).unwrap() == 0);
    }
}
