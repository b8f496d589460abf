//! The wall between third-party decoders and everything else.

use std::fmt;
use std::io::{Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sleeve_plugin_abi::panic_message;

use super::input::Input;
use super::source::{Block, Decoded, Failure, Source, Warnings};
use super::{AudioInfo, container, wav};
use crate::{Error, Result};

/// Decodes one recording, chunk by chunk, at its own rate and with its own channels.
///
/// The format is recognised by content, never by a file's name. What every player would play is played, and
/// [`AudioReader::warnings`] says what was wrong with it: a file that is cut off, damaged packets, a length that
/// lies. What no player would play is an error that names the file and the reason.
pub struct AudioReader {
    path: PathBuf,
    /// `None` once there is nothing more to read.
    source: Option<Box<dyn Source>>,
    info: AudioInfo,
    warnings: Warnings,
    /// Frames of all blocks that were handed out.
    frames: u64,
    /// The first block was decoded when the file was opened, and waits.
    waiting: bool,
}

impl AudioReader {
    /// Opens a file and decodes its first packet.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Audio`] if it is not a regular file, not audio, in a
    /// format that is not known here, or holds no audio at all.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::new(path.to_owned(), Input::open(path)?)
    }

    /// The same for a file's bytes in memory; `name` stands in error messages, in angle brackets.
    ///
    /// # Errors
    /// As [`AudioReader::open`].
    pub fn from_bytes(name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        Self::new(PathBuf::from(format!("<{name}>")), Input::from_bytes(bytes.into()))
    }

    fn new(path: PathBuf, input: Input) -> Result<Self> {
        if input.len() == 0 {
            return Err(Error::audio(path, "is empty"));
        }
        let source = contain(|| open(input)).map_err(|failure| error(&path, failure))?;
        let info = source.info();
        let mut reader = Self {
            path,
            source: Some(source),
            info,
            warnings: Warnings::default(),
            frames: 0,
            waiting: false,
        };
        // What the header says is no more than a claim until a packet has been decoded.
        reader.waiting = reader.next_block()?.is_some();
        reader.frames = 0;
        Ok(reader)
    }

    /// What the recording says about itself. Rate and channels are those of the samples read last (before
    /// the first, of those to come): they can change within a chained stream.
    pub fn info(&self) -> &AudioInfo {
        &self.info
    }

    /// The file, or the name in angle brackets.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What was wrong with the recording so far, although it plays.
    pub fn warnings(&self) -> &[String] {
        self.warnings.as_slice()
    }

    /// Appends the next chunk to `out`, frame by frame (`frames * channels` samples, nominally in -1..1), and
    /// returns its number of frames: 0 at the end, and ever after. A chunk never mixes rates or channels.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Audio`] if nothing of it can be decoded;
    /// [`Error::NonFinite`] at a sample that is NaN or infinite. After an error there is nothing more to read.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<usize> {
        Ok(self.next_block()?.map_or(0, |block| {
            block.interleave(out);
            block.frames
        }))
    }

    /// The next block; `None` at the end, and ever after.
    pub(super) fn next_block(&mut self) -> Result<Option<Block<'_>>> {
        if !std::mem::take(&mut self.waiting) && !self.advance()? {
            self.source = None;
            return Ok(None);
        }
        let Some(source) = &self.source else { return Ok(None) };
        let block = source.block();
        self.frames += block.frames as u64;
        Ok(Some(block))
    }

    /// Decodes and checks the next block. `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        let Some(source) = &mut self.source else { return Ok(false) };
        match contain(|| source.advance(&mut self.warnings)) {
            Ok(true) => {}
            Ok(false) if self.frames == 0 => {
                let reason = self.warnings.as_slice().first().map_or(String::new(), |why| format!(": {why}"));
                self.source = None;
                return Err(Error::audio(&self.path, format!("holds no audio{reason}")));
            }
            Ok(false) => return Ok(false),
            Err(Failure::Damage(reason)) if self.frames > 0 => {
                self.warnings.push(format!("the rest cannot be decoded: {reason}"));
                return Ok(false);
            }
            Err(failure) => {
                self.source = None;
                return Err(error(&self.path, failure));
            }
        }
        let block = source.block();
        if let Some((frame, value)) = block.non_finite() {
            let (path, index) = (self.path.clone(), self.frames + frame as u64);
            self.source = None;
            return Err(Error::NonFinite { path, index, value });
        }
        let (rate, channels) = (block.rate, u16::try_from(block.channels()).unwrap_or(u16::MAX));
        let (old_rate, old_channels) = (self.info.sample_rate, self.info.channels);
        if self.frames > 0 && (rate, channels) != (old_rate, old_channels) {
            let frames = self.frames;
            self.warnings.push(format!(
                "after {frames} frames, {old_channels} channels at {old_rate} Hz become {channels} at {rate} Hz"
            ));
        }
        self.info.sample_rate = rate;
        self.info.channels = channels;
        Ok(true)
    }
}

impl fmt::Debug for AudioReader {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AudioReader")
            .field("path", &self.path)
            .field("info", &self.info)
            .field("frames", &self.frames)
            .finish_non_exhaustive()
    }
}

/// Finds who can decode the input.
fn open(mut input: Input) -> Decoded<Box<dyn Source>> {
    let mut start = [0; 12];
    let got = input.read_up_to(&mut start).map_err(Failure::from_io)?;
    let rewind = |mut input: Input| input.seek(SeekFrom::Start(0)).map(|_| input).map_err(Failure::from_io);
    input = rewind(input)?;
    if !wav::sniff(&start[..got]) {
        return Ok(Box::new(container::open(input)?));
    }
    match wav::open(input) {
        Ok(wav) => Ok(Box::new(wav)),
        Err((_, Failure::Io(error))) => Err(Failure::Io(error)),
        Err((input, declined)) => match container::open(rewind(input)?) {
            Ok(container) => Ok(Box::new(container)),
            Err(Failure::Io(error)) => Err(Failure::Io(error)),
            // It is WAV, so what the WAV reader said is what helps.
            Err(Failure::Damage(_)) => Err(declined),
        },
    }
}

/// Runs third-party code. A panic in it becomes a reason; what panicked is never called again, only dropped.
fn contain<T>(work: impl FnOnce() -> Decoded<T>) -> Decoded<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        Err(Failure::Damage(format!("the decoder failed ({})", panic_message(&*panic))))
    })
}

fn error(path: &Path, failure: Failure) -> Error {
    match failure {
        Failure::Io(source) => Error::io(path, source),
        Failure::Damage(reason) => Error::audio(path, reason),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Samples;
    use super::*;

    /// Plays a few blocks of mono, then does what it was told.
    struct Fake {
        blocks: usize,
        rates: [u32; 2],
        then: fn() -> Decoded<bool>,
        samples: Vec<f32>,
    }

    impl Source for Fake {
        fn info(&self) -> AudioInfo {
            AudioInfo { format: "fake".to_owned(), sample_rate: self.rates[0], channels: 1, frames: None }
        }

        fn advance(&mut self, _: &mut Warnings) -> Decoded<bool> {
            if self.blocks == 0 {
                return (self.then)();
            }
            self.blocks -= 1;
            Ok(true)
        }

        fn block(&self) -> Block<'_> {
            let rate = self.rates[usize::from(self.blocks == 0)];
            let samples = Samples::Interleaved { samples: &self.samples, channels: 1 };
            Block { rate, frames: self.samples.len(), samples }
        }
    }

    fn reader(blocks: usize, rates: [u32; 2], then: fn() -> Decoded<bool>) -> AudioReader {
        let source = Fake { blocks, rates, then, samples: vec![0.5; 10] };
        AudioReader {
            path: PathBuf::from("<fake>"),
            info: source.info(),
            source: Some(Box::new(source)),
            warnings: Warnings::default(),
            frames: 0,
            waiting: false,
        }
    }

    #[test]
    fn a_panic_ends_the_recording_and_nothing_else() {
        let mut played = reader(3, [8000; 2], || panic!("index {} of {}", 9, 3));
        let mut samples = Vec::new();
        while played.read(&mut samples).unwrap() > 0 {}
        assert_eq!(samples.len(), 30);
        assert!(played.warnings()[0].contains("index 9 of 3"), "{:?}", played.warnings());

        let error = reader(0, [8000; 2], || panic!("at once")).read(&mut samples).unwrap_err();
        assert_eq!(error.to_string(), "<fake>: the decoder failed (at once)");
    }

    #[test]
    fn a_failing_disk_is_no_damage() {
        let mut samples = Vec::new();
        let mut reader = reader(1, [8000; 2], || Err(Failure::from_io(std::io::Error::from_raw_os_error(5))));
        assert_eq!(reader.read(&mut samples).unwrap(), 10);
        assert!(matches!(reader.read(&mut samples), Err(Error::Io { .. })));
        assert_eq!(reader.read(&mut samples).unwrap(), 0, "nothing more after an error");
    }

    #[test]
    fn a_change_of_rate_is_said() {
        let mut reader = reader(2, [8000, 11_025], || Ok(false));
        let mut samples = Vec::new();
        reader.read(&mut samples).unwrap();
        assert_eq!(reader.info().sample_rate, 8000);
        reader.read(&mut samples).unwrap();
        assert_eq!(reader.info().sample_rate, 11_025);
        assert!(reader.warnings()[0].contains("after 10 frames"), "{:?}", reader.warnings());
    }
}
