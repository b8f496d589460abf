//! The boundary between third-party decoders and the rest of the library.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::container::Container;
use super::elementary::Stream;
use super::input::Input;
use super::layout::Layout;
use super::peaks::Peaks;
use super::probe::{self, Found};
use super::source::{Block, Decoded, Failure, Lack, Source, Warnings};
use super::{AudioInfo, Ffmpeg, demux, ffmpeg, wav};
use crate::contained::contained;
use crate::{Error, Result};

/// Decodes one recording, chunk by chunk, at its own rate and with its own channels.
///
/// The format is recognised by content, never by the file's name. Defects that players tolerate (a truncated file,
/// damaged packets, a wrong length in the header) are [`warnings`](AudioReader::warnings). A file that cannot be played
/// is an error that names the file and the reason.
///
/// ```no_run
/// use sleeve::audio::AudioReader;
///
/// let mut reader = AudioReader::open("song.flac")?;
/// println!("{}, {} Hz, {} channels", reader.info().format, reader.info().sample_rate, reader.info().channels);
/// let mut samples = Vec::new();
/// while reader.read(&mut samples)? > 0 {}
/// # Ok::<(), sleeve::Error>(())
/// ```
pub struct AudioReader {
    path: PathBuf,
    /// `None` at the end.
    source: Option<Box<dyn Source>>,
    info: AudioInfo,
    warnings: Warnings,
    peaks: Peaks,
    /// Sample frames returned so far.
    frames: u64,
    /// Whether the first block, decoded when the file was opened, was not returned yet.
    waiting: bool,
}

impl AudioReader {
    /// Opens a file and decodes its first packet.
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Audio`] if it is not a regular file, not in a supported audio
    /// format, or contains no audio.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &Ffmpeg::Never)
    }

    /// [`open`](Self::open), and what the library cannot decode is decoded by FFmpeg, if `ffmpeg` says so.
    ///
    /// # Errors
    /// As [`AudioReader::open`].
    pub fn open_with(path: impl AsRef<Path>, ffmpeg: &Ffmpeg) -> Result<Self> {
        let path = path.as_ref();
        Self::new(path.to_owned(), Input::open(path)?, ffmpeg)
    }

    /// [`open`](Self::open) for the bytes of a file in memory. Error messages contain `name` in angle brackets.
    ///
    /// # Errors
    /// As [`AudioReader::open`].
    pub fn from_bytes(name: &str, bytes: impl Into<Arc<[u8]>>) -> Result<Self> {
        Self::from_bytes_with(name, bytes, &Ffmpeg::Never)
    }

    /// [`from_bytes`](Self::from_bytes), and what the library cannot decode is decoded by FFmpeg, if `ffmpeg` says so.
    ///
    /// # Errors
    /// As [`AudioReader::open`].
    pub fn from_bytes_with(name: &str, bytes: impl Into<Arc<[u8]>>, ffmpeg: &Ffmpeg) -> Result<Self> {
        Self::new(PathBuf::from(format!("<{name}>")), Input::from_bytes(bytes.into()), ffmpeg)
    }

    pub(super) fn new(path: PathBuf, input: Input, ffmpeg: &Ffmpeg) -> Result<Self> {
        if input.len() == 0 {
            return Err(Error::audio(path, "is empty"));
        }
        let mut warnings = Warnings::default();
        let again = input.reopen().map_err(|error| Error::io(&path, error))?;
        let source = match contain(|| open(input)) {
            Ok(source) => match source.lacks() {
                Some(lack) => better(source, &lack, ffmpeg, &path, again, &mut warnings),
                None => Ok(source),
            },
            Err(Failure::NeedsFfmpeg(format)) => ffmpeg::open(ffmpeg, &format, &path, again),
            Err(Failure::Unreadable { format, reason }) if ffmpeg.is_available() => {
                // It has its own ways around damage. If it fails as well, the first reason is the helpful one.
                ffmpeg::open(ffmpeg, format, &path, again).map_err(|_| Failure::Damage(reason))
            }
            Err(failure) => Err(failure),
        };
        let source = source.map_err(|failure| error(&path, failure))?;
        let info = source.info();
        let mut reader = Self {
            path,
            source: Some(source),
            info,
            warnings,
            peaks: Peaks::default(),
            frames: 0,
            waiting: false,
        };
        // The header cannot be trusted until a packet has been decoded.
        reader.waiting = reader.next_block()?.is_some();
        reader.frames = 0;
        Ok(reader)
    }

    /// The format of the recording. Rate and channels are those of the last samples read (or of the first ones, before
    /// any read): they can change in a chained stream.
    pub fn info(&self) -> &AudioInfo {
        &self.info
    }

    /// The file, or the name in angle brackets.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Warnings so far: defects of the recording that did not stop decoding.
    pub fn warnings(&self) -> &[String] {
        self.warnings.as_slice()
    }

    /// Appends the next chunk to `out` as interleaved samples, nominally in -1..1, and returns its number of sample
    /// frames: 0 at the end, and for every call after it. Rate and channels do not change within a chunk. The channels
    /// of surround sound are in the order of their format: that of WAVE's channel mask (left, right, centre, low
    /// frequencies, left surround, right surround), or for Vorbis and Opus their own (left, centre, right, left surround,
    /// right surround, low frequencies).
    ///
    /// # Errors
    /// [`Error::Io`] if the file cannot be read; [`Error::Audio`] if nothing of it can be decoded;
    /// [`Error::NonFinite`] at a sample that is NaN, infinite or larger than 1e15. After an error, further calls return 0.
    pub fn read(&mut self, out: &mut Vec<f32>) -> Result<usize> {
        Ok(self.next_block()?.map_or(0, |(block, _)| {
            block.interleave(out);
            block.frames
        }))
    }

    /// Sample frames returned so far.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Drops the decoder: the recording ends here.
    pub(super) fn close(&mut self) {
        self.source = None;
    }

    /// Adds a warning of a later step.
    pub(super) fn warn(&mut self, warning: String) {
        self.warnings.push_first(warning);
    }

    /// The next block with the order of its channels; `None` at the end, and for every call after it.
    pub(super) fn next_block(&mut self) -> Result<Option<(Block<'_>, Layout)>> {
        if !std::mem::take(&mut self.waiting) && !self.advance()? {
            self.source = None;
            return Ok(None);
        }
        let Some(source) = &self.source else { return Ok(None) };
        let block = source.block();
        self.frames += block.frames as u64;
        Ok(Some((block, source.layout())))
    }

    /// Decodes and checks the next block. `false` at the end.
    fn advance(&mut self) -> Result<bool> {
        let Some(source) = &mut self.source else { return Ok(false) };
        match contain(|| source.advance(&mut self.warnings)) {
            Ok(true) => {}
            Ok(false) if self.frames == 0 => {
                let reason = self.warnings.as_slice().first().map_or(String::new(), |why| format!(": {why}"));
                self.source = None;
                return Err(Error::audio(&self.path, format!("contains no audio{reason}")));
            }
            Ok(false) => {
                self.peaks.warning().into_iter().for_each(|warning| self.warnings.push(warning));
                return Ok(false);
            }
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
        if let Err((frame, value)) = self.peaks.add(&block) {
            let (path, index) = (self.path.clone(), self.frames + frame as u64);
            self.source = None;
            return Err(Error::NonFinite { path, index, value });
        }
        let (rate, channels) = (block.rate, u16::try_from(block.channels()).unwrap_or(u16::MAX));
        let (old_rate, old_channels) = (self.info.sample_rate, self.info.channels);
        if self.frames > 0 && (rate, channels) != (old_rate, old_channels) {
            let frames = self.frames;
            self.warnings.push(format!(
                "after {frames} frames, the format changes from {old_channels} channels at {old_rate} Hz to {channels} at {rate} Hz"
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

/// Selects the decoder for the input.
pub(super) fn open(input: Input) -> Decoded<Box<dyn Source>> {
    let len = input.len();
    let opened = match probe::recognise(input)? {
        Found::Container(probe::Container::Wav, input, range) => match wav::open(input, &range) {
            Ok(wav) => return Ok(Box::new(wav)),
            Err((input, wav::Other::Frames(kind, data))) => match Stream::find(input, kind, data) {
                Ok(Ok(stream)) => demux::open_elementary(stream, kind).map_err(unreadable("WAV"))?,
                Ok(Err(_)) => return Err(Failure::Damage("WAV: has no frame of its codec".to_owned())),
                Err(error) => return Err(Failure::from_io(error)),
            },
            Err((input, wav::Other::Demuxer(repair, reason))) => {
                let opened = demux::open_wav(input, range, repair);
                return match opened.and_then(|opened| Container::new(opened, len)) {
                    Ok(container) => Ok(Box::new(container)),
                    Err(Failure::Io(error)) => Err(Failure::Io(error)),
                    // It is WAV, so the reason of the WAV reader is the helpful one.
                    Err(failure) => Err(unreadable("WAV")(reason.unwrap_or(failure))),
                };
            }
            Err((_, wav::Other::Refused(failure))) => return Err(failure),
        },
        Found::Container(container, input, range) => {
            demux::open(container, input, range).map_err(unreadable(container.name()))?
        }
        Found::Elementary(stream, kind) => {
            demux::open_elementary(*stream, kind).map_err(unreadable(kind.name()))?
        }
    };
    Ok(Box::new(Container::new(opened, len)?))
}

/// The failure of a demuxer to open a recognised format.
fn unreadable(format: &'static str) -> impl Fn(Failure) -> Failure {
    move |failure| match failure {
        Failure::Damage(reason) => Failure::Unreadable { format, reason },
        failure => failure,
    }
}

/// A recording of which the embedded decoder decodes a part: ffmpeg decodes it whole if it may, else there is a warning.
fn better(
    source: Box<dyn Source>,
    lack: &Lack,
    ffmpeg: &Ffmpeg,
    path: &Path,
    input: Input,
    warnings: &mut Warnings,
) -> Decoded<Box<dyn Source>> {
    if ffmpeg.is_available() {
        match ffmpeg::open(ffmpeg, &lack.format, path, input) {
            Ok(whole) => return Ok(whole),
            Err(Failure::Damage(reason)) => warnings.push(reason),
            Err(failure) => return Err(failure),
        }
    }
    warnings.push(&lack.warning);
    Ok(source)
}

/// Runs third-party code. A panic becomes an error, and the object that panicked is only dropped afterwards.
pub(super) fn contain<T>(work: impl FnOnce() -> Decoded<T>) -> Decoded<T> {
    contained(work).unwrap_or_else(|message| Err(Failure::Damage(format!("the decoder failed ({message})"))))
}

fn error(path: &Path, failure: Failure) -> Error {
    match failure {
        Failure::Io(source) => Error::io(path, source),
        Failure::Damage(reason) => Error::audio(path, reason),
        Failure::Unreadable { reason, .. } => Error::audio(path, reason),
        Failure::NeedsFfmpeg(format) => Error::audio(path, format!("is {format}, which is not supported")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::source::Samples;
    use super::*;

    /// Gives a few blocks of mono, then does what the test sets.
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
            peaks: Peaks::default(),
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
