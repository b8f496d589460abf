//! Altered copies of a recording, quieter or compressed by a codec: the music is the same.

use std::ffi::OsStr;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hound::{SampleFormat, WavSpec, WavWriter};
use sha2::{Digest, Sha256};
use sleeve::audio::AudioReader;
use sleeve::front_end::musicnn::SAMPLE_RATE;

use crate::error::{Error, Result};
use crate::features::Content;
use crate::hear::each_samples;

/// One kind of alteration.
#[derive(Clone, Debug, PartialEq)]
pub struct Alteration {
    /// Its name in results, such as `quieter_6_db` or `mp3_64_kbit`.
    pub name: &'static str,
    how: How,
}

#[derive(Clone, Debug, PartialEq)]
enum How {
    /// Decoded samples are multiplied by 10^(decibels / 20).
    Gain { decibels: f32 },
    /// An encoder program converts a 16-bit WAV file.
    Codec { program: PathBuf, arguments: &'static [&'static str], extension: &'static str },
}

/// A codec: its name in results, its file extension, and the programs for it with their arguments; `IN` and `OUT` stand
/// for files.
struct Codec {
    name: &'static str,
    extension: &'static str,
    programs: &'static [(&'static str, &'static [&'static str])],
}

const CODECS: [Codec; 3] = [
    Codec {
        name: "mp3_64_kbit",
        extension: "mp3",
        programs: &[
            ("lame", &["--quiet", "-b", "64", "IN", "OUT"]),
            (
                "ffmpeg",
                &["-nostdin", "-v", "error", "-y", "-i", "IN", "-c:a", "libmp3lame", "-b:a", "64k", "OUT"],
            ),
        ],
    },
    Codec {
        name: "vorbis_lowest",
        extension: "ogg",
        programs: &[
            ("oggenc", &["-Q", "-q", "-1", "-o", "OUT", "IN"]),
            (
                "ffmpeg",
                &["-nostdin", "-v", "error", "-y", "-i", "IN", "-c:a", "libvorbis", "-q:a", "-1", "OUT"],
            ),
        ],
    },
    Codec {
        name: "opus_32_kbit",
        extension: "opus",
        programs: &[
            ("opusenc", &["--quiet", "--bitrate", "32", "IN", "OUT"]),
            (
                "ffmpeg",
                &["-nostdin", "-v", "error", "-y", "-i", "IN", "-c:a", "libopus", "-b:a", "32k", "OUT"],
            ),
        ],
    },
];

/// Every alteration that is possible on this machine, and a message about each codec without a program.
pub fn available() -> (Vec<Alteration>, Vec<String>) {
    let mut all = vec![
        Alteration { name: "quieter_6_db", how: How::Gain { decibels: -6.0 } },
        Alteration { name: "quieter_12_db", how: How::Gain { decibels: -12.0 } },
    ];
    let mut missing = Vec::new();
    for Codec { name, extension, programs } in CODECS {
        let found = programs.iter().find_map(|(program, arguments)| Some((find(program)?, *arguments)));
        match found {
            Some((program, arguments)) => {
                all.push(Alteration { name, how: How::Codec { program, arguments, extension } });
            }
            None => {
                let names: Vec<&str> = programs.iter().map(|one| one.0).collect();
                missing.push(format!(
                    "queries were not altered by {name}: {} is not installed",
                    names.join(" or ")
                ));
            }
        }
    }
    (all, missing)
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

impl Alteration {
    /// The key of an altered recording: a hash of the recording's hash and of the alteration.
    pub fn content(&self, of: Content) -> Content {
        let how = match &self.how {
            How::Gain { decibels } => format!("{decibels} dB"),
            How::Codec { program, arguments, .. } => {
                let name = program.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
                format!("{name} {}", arguments.join(" "))
            }
        };
        let digest = Sha256::digest(format!("{of} altered by {} ({how})", self.name));
        let text: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        Content::from_hex(&text).expect("64 digits")
    }

    /// Alters `audio`; the name of the copy in `folder` begins with `stem`.
    ///
    /// # Errors
    /// If it cannot be decoded, altered or written.
    pub fn make(&self, audio: &Path, folder: &Path, stem: &str) -> Result<PathBuf> {
        match &self.how {
            How::Gain { decibels } => {
                let copy = folder.join(format!("{stem}.wav"));
                let factor = 10f32.powf(decibels / 20.0);
                let mut wav = Wav::create(&copy, SAMPLE_RATE, 1, SampleFormat::Float)?;
                each_samples(audio, |some| some.iter().try_for_each(|&sample| wav.write(sample * factor)))??;
                wav.finish()?;
                Ok(copy)
            }
            How::Codec { program, arguments, extension } => {
                let plain = folder.join(format!("{stem}.plain.wav"));
                let copy = folder.join(format!("{stem}.{extension}"));
                write_plain(audio, &plain)?;
                let made = encode(program, arguments, &plain, &copy);
                let _ = std::fs::remove_file(&plain);
                made.map(|()| copy)
            }
        }
    }
}

fn encode(program: &Path, arguments: &[&str], plain: &Path, copy: &Path) -> Result<()> {
    let failed = |reason: String| Error::Program { program: program.display().to_string(), reason };
    let mut command = Command::new(program);
    for argument in arguments {
        match *argument {
            "IN" => command.arg(plain),
            "OUT" => command.arg(copy),
            other => command.arg(other),
        };
    }
    let output = command.stdin(Stdio::null()).output().map_err(|error| failed(error.to_string()))?;
    match output.status.success() && copy.is_file() {
        true => Ok(()),
        false => Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
    }
}

/// Decodes a recording to a 16-bit WAV file with the same sample rate and channels.
fn write_plain(audio: &Path, plain: &Path) -> Result<()> {
    let mut reader = AudioReader::open(audio)?;
    let (rate, channels) = (reader.info().sample_rate, reader.info().channels);
    let mut wav = Wav::create(plain, rate, channels, SampleFormat::Int)?;
    let mut samples = Vec::new();
    while reader.read(&mut samples)? > 0 {
        if (reader.info().sample_rate, reader.info().channels) != (rate, channels) {
            return Err(Error::format(
                audio,
                "its sample rate or number of channels changes, which WAV does not allow",
            ));
        }
        samples.drain(..).try_for_each(|sample| wav.write(sample))?;
    }
    wav.finish()
}

/// A WAV file of floats, or of 16-bit integers.
struct Wav {
    path: PathBuf,
    writer: WavWriter<BufWriter<File>>,
}

impl Wav {
    fn create(path: &Path, sample_rate: u32, channels: u16, sample_format: SampleFormat) -> Result<Self> {
        let bits_per_sample = if sample_format == SampleFormat::Float { 32 } else { 16 };
        let spec = WavSpec { channels, sample_rate, bits_per_sample, sample_format };
        let writer = WavWriter::create(path, spec).map_err(|error| Error::format(path, error))?;
        Ok(Wav { path: path.to_owned(), writer })
    }

    fn write(&mut self, sample: f32) -> Result<()> {
        let WavSpec { bits_per_sample, sample_format, .. } = self.writer.spec();
        // hound counts bytes in 32 bits without an overflow check.
        if self.writer.len() >= (u32::MAX - 100) / u32::from(bits_per_sample / 8) {
            return Err(Error::format(&self.path, "longer than a WAV file can be"));
        }
        let written = match sample_format {
            SampleFormat::Float => self.writer.write_sample(sample),
            SampleFormat::Int => self.writer.write_sample((sample.clamp(-1.0, 1.0) * 32767.0).round() as i16),
        };
        written.map_err(|error| Error::format(&self.path, error))
    }

    fn finish(self) -> Result<()> {
        self.writer.finalize().map_err(|error| Error::format(&self.path, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mono(path: &Path) -> Vec<f32> {
        let mut samples = Vec::new();
        each_samples(path, |some| {
            samples.extend_from_slice(some);
            Ok::<(), Error>(())
        })
        .unwrap()
        .unwrap();
        samples
    }

    fn write_wav(path: &Path, samples: &[f32]) {
        let mut wav = Wav::create(path, SAMPLE_RATE, 1, SampleFormat::Int).unwrap();
        samples.iter().for_each(|&sample| wav.write(sample).unwrap());
        wav.finish().unwrap();
    }

    #[test]
    fn quieter_copies_are_the_same_samples_times_a_factor() {
        let folder = tempfile::tempdir().unwrap();
        let original = folder.path().join("a.wav");
        let tone: Vec<f32> = (0..48_000).map(|at| (at as f32 * 0.05).sin() * 0.5).collect();
        write_wav(&original, &tone);
        let (all, _) = available();
        let quieter = all.iter().find(|one| one.name == "quieter_6_db").unwrap();
        let copy = quieter.make(&original, folder.path(), "copy").unwrap();
        let (before, after) = (mono(&original), mono(&copy));
        assert_eq!((before.len(), after.len()), (48_000, 48_000));
        let worst = before.iter().zip(&after).map(|(a, b)| (a * 0.501_187_2 - b).abs()).fold(0.0, f32::max);
        assert!(worst < 1e-6, "{worst}");
        // Samples beyond full scale are clipped in 16 bits; they do not wrap around.
        let loud: Vec<f32> = tone.iter().map(|value| value * 4.0).collect();
        write_wav(&original, &loud);
        assert!(mono(&original).iter().all(|value| value.abs() <= 1.0));
    }

    #[test]
    fn altered_recordings_are_told_apart() {
        let content = Content::from_hex(&"ab".repeat(32)).unwrap();
        let other = Content::from_hex(&"ac".repeat(32)).unwrap();
        let (all, _) = available();
        let mut contents: Vec<Content> =
            all.iter().flat_map(|one| [one.content(content), one.content(other)]).collect();
        contents.push(content);
        let count = contents.len();
        contents.sort_unstable();
        contents.dedup();
        assert_eq!(contents.len(), count);
        assert_eq!(all[0].content(content), all[0].content(content));
    }

    #[test]
    fn programs_that_fail_say_why() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("no-such-encoder");
        let error = encode(&missing, &["IN", "OUT"], folder.path(), &folder.path().join("x")).unwrap_err();
        assert!(error.to_string().contains("no-such-encoder"), "{error}");
        let nothing = Alteration { name: "x", how: How::Gain { decibels: 0.0 } };
        let error = nothing.make(&folder.path().join("none.ogg"), folder.path(), "x").unwrap_err();
        assert!(error.to_string().contains("none.ogg"), "{error}");
    }
}
