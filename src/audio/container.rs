//! All formats but plain WAV: Symphonia demuxes containers and decodes most codecs; `opus` and `vorbis` do the rest.

use std::io::{ErrorKind, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::audio::{Audio, Channels, GenericAudioBufferRef};
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS,
    CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{
    AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions, CODEC_ID_NULL_AUDIO,
};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::{FORMAT_ID_FLAC, FORMAT_ID_ISOMP4, FORMAT_ID_OGG};
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::AudioInfo;
use super::edit_list::{self, Start};
use super::input::Input;
#[cfg(feature = "opus")]
use super::opus;
use super::source::{Block, Decoded, Failure, Samples, Source, Warnings};
#[cfg(feature = "vorbis")]
use super::vorbis;

/// The largest number of packets in a row without audio. Ten thousand MP3 frames are four minutes.
const MAX_FAILURES: usize = 10_000;
/// The largest difference from the stated length that is not reported: encoders round to whole packets.
const CLAIM_SLACK: u64 = 8_192;

/// One audio track of a container.
pub(super) struct Container {
    format: Box<dyn FormatReader>,
    track: Chosen,
    decoder: Decoder,
    /// The sample frames of the last packet that belong to the recording.
    kept: Range<usize>,
    rate: u32,
    written: u64,
    /// The expected start of the next FLAC packet: the demuxer skips damaged frames without an error.
    expected: Option<i64>,
    /// Packets in a row without audio.
    failures: usize,
    /// Bytes that packets may still have: a valid container gives no more than the file has.
    budget: u64,
    ended: bool,
}

/// The track that is decoded.
struct Chosen {
    id: u32,
    params: AudioCodecParameters,
    big_endian: bool,
    frames: Option<u64>,
    trim: Trim,
}

/// Which sample frames of the decoded audio are encoder delay or padding.
#[derive(Clone, Debug)]
enum Trim {
    /// The decoder removes them.
    Decoder,
    /// MPEG audio: delay is before time 0, padding in a known range. Not left to the decoder, which would remove
    /// everything after the length that the header states or, without a header, that the bit rate suggests.
    Mpeg { padding: Range<i64> },
    /// Sample frames still to be dropped at the start (Opus, and MP4 with an edit list); packets state their own end.
    Leading { left: u64 },
}

enum Decoder {
    Symphonia(Packets),
    #[cfg(feature = "opus")]
    Opus(opus::Decoder),
    #[cfg(feature = "vorbis")]
    Surround(Box<vorbis::Decoder>),
}

/// A Symphonia decoder, and its last packet if it had to be converted.
struct Packets {
    decoder: Box<dyn AudioDecoder>,
    /// MPEG audio is clipped at full scale, as by every decoder to 16 bits: values above it are codec noise on loud
    /// music, and models were trained without it.
    clip: bool,
    /// Samples that had to be converted to f32, or clipped.
    converted: Vec<Vec<f32>>,
    /// Whether the last packet is in `converted`, or in the decoder.
    is_converted: bool,
}

pub(super) fn open(mut input: Input) -> Decoded<Container> {
    let len = input.len();
    let starts = edit_list::starts(&mut input);
    let mut again = input.as_stream().map_err(Failure::from_io)?;
    input.seek(SeekFrom::Start(0)).map_err(Failure::from_io)?;
    let format = match probe(input) {
        Ok(format) => format,
        Err(SymphoniaError::Unsupported(reason)) if reason.contains("no suitable format") => {
            return Err(Failure::Damage("is not in a supported audio format".to_owned()));
        }
        // Some demuxers look at the end of a file first, and fail if it is not where the header says. A truncated file
        // may still play from its beginning.
        Err(error) => {
            again.seek(SeekFrom::Start(0)).map_err(Failure::from_io)?;
            probe(again).map_err(|_| failure(error))?
        }
    };
    let track = Chosen::from(format.as_ref(), &starts)?;
    let decoder = Decoder::new(&track)?;
    let rate = track.params.sample_rate.unwrap_or(0);
    Ok(Container {
        format,
        track,
        decoder,
        kept: 0..0,
        rate,
        written: 0,
        expected: None,
        failures: 0,
        budget: len.saturating_add(1 << 16),
        ended: false,
    })
}

/// Recognises the format by its content.
fn probe(input: Input) -> symphonia::core::errors::Result<Box<dyn FormatReader>> {
    let stream = MediaSourceStream::new(Box::new(input), MediaSourceStreamOptions::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata)
}

impl Chosen {
    fn from(format: &dyn FormatReader, starts: &[Start]) -> Decoded<Self> {
        let no_audio = || Failure::Damage("has no audio track in a supported format".to_owned());
        let track = format.default_track(TrackType::Audio).ok_or_else(no_audio)?;
        let Some(CodecParameters::Audio(params)) = &track.codec_params else { return Err(no_audio()) };
        if params.codec == CODEC_ID_NULL_AUDIO {
            return Err(no_audio());
        }
        let container = format.format_info().format;
        let big_endian = container == FORMAT_ID_ISOMP4;
        let start = starts.iter().find(|start| start.track == track.id);
        let trim = Trim::of(track, params, big_endian, start)?;
        // In Ogg and MP4 the length includes the delay.
        let delay = if let Trim::Leading { left } = &trim { *left } else { 0 };
        let frames = track.num_frames.map(|frames| frames.saturating_sub(delay));
        Ok(Self { id: track.id, params: params.clone(), big_endian, frames, trim })
    }
}

impl Trim {
    fn of(
        track: &Track,
        params: &AudioCodecParameters,
        big_endian: bool,
        start: Option<&Start>,
    ) -> Decoded<Self> {
        Ok(match params.codec {
            CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3 => {
                let end = track.num_frames.and_then(|frames| i64::try_from(frames).ok());
                let padding = match (end, track.padding) {
                    (Some(end), Some(padding)) => end..end.saturating_add(i64::from(padding)),
                    _ => 0..0,
                };
                Trim::Mpeg { padding }
            }
            #[cfg(feature = "opus")]
            CODEC_ID_OPUS => {
                let head = opus_head(params, big_endian)?;
                Trim::Leading { left: u64::from(head.pre_skip) }
            }
            // lewton does not trim.
            CODEC_ID_VORBIS if surround(params) => Trim::Leading { left: 0 },
            _ => match (start, track.time_base, params.sample_rate) {
                (Some(start), Some(base), Some(rate)) => {
                    let frames = u128::from(start.time) * u128::from(base.numer.get()) * u128::from(rate);
                    let frames = frames / u128::from(base.denom.get());
                    Trim::Leading { left: u64::try_from(frames).unwrap_or(u64::MAX) }
                }
                _ => Trim::Decoder,
            },
        })
    }

    /// The part of `frames` decoded sample frames that is kept.
    fn keep(&mut self, packet: &Packet, frames: usize) -> Range<usize> {
        match self {
            Trim::Decoder => 0..frames,
            Trim::Mpeg { padding } => {
                let start = packet.pts.get();
                let clamp = |time: i64| usize::try_from(time.saturating_sub(start)).unwrap_or(0).min(frames);
                if padding.is_empty() || clamp(padding.start) == clamp(padding.end) {
                    return clamp(0)..frames;
                }
                // Audio after the padding (concatenated files) is kept from the next packet on.
                clamp(0)..clamp(padding.start).max(clamp(0))
            }
            Trim::Leading { left } => {
                let start = usize::try_from(*left).unwrap_or(usize::MAX).min(frames);
                *left -= start as u64;
                let end = frames.saturating_sub(usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX));
                start..end.max(start)
            }
        }
    }
}

impl Decoder {
    fn new(track: &Chosen) -> Decoded<Self> {
        if track.params.codec == CODEC_ID_OPUS {
            #[cfg(feature = "opus")]
            return opus::Decoder::new(&opus_head(&track.params, track.big_endian)?)
                .map(Decoder::Opus)
                .map_err(Failure::Damage);
            #[cfg(not(feature = "opus"))]
            return Err(Failure::Damage("its codec is Opus, which this build does not include".to_owned()));
        }
        #[cfg(feature = "vorbis")]
        if track.params.codec == CODEC_ID_VORBIS && surround(&track.params) {
            let headers = track.params.extra_data.as_deref().unwrap_or_default();
            return match vorbis::Decoder::new(headers) {
                Ok(decoder) => Ok(Decoder::Surround(Box::new(decoder))),
                Err(reason) => Err(Failure::Damage(reason)),
            };
        }
        let options = AudioDecoderOptions::default().gapless(matches!(track.trim, Trim::Decoder));
        match symphonia::default::get_codecs().make_audio_decoder(&track.params, &options) {
            Ok(decoder) => {
                let clip = matches!(track.trim, Trim::Mpeg { .. });
                Ok(Decoder::Symphonia(Packets { decoder, clip, converted: Vec::new(), is_converted: false }))
            }
            Err(SymphoniaError::Unsupported(reason)) => {
                Err(Failure::Damage(format!("its codec is not supported ({reason})")))
            }
            Err(error) => Err(failure(error)),
        }
    }

    /// Decodes a packet, and returns its sample rate and number of sample frames.
    fn decode(&mut self, packet: &Packet) -> Result<(u32, usize), String> {
        match self {
            #[cfg(feature = "opus")]
            Decoder::Opus(decoder) => decoder.decode(&packet.data).map(|frames| (opus::RATE, frames)),
            #[cfg(feature = "vorbis")]
            Decoder::Surround(decoder) => {
                let frames = decoder.decode(&packet.data)?;
                Ok((decoder.rate(), frames))
            }
            Decoder::Symphonia(packets) => packets.decode(packet),
        }
    }
}

impl Packets {
    fn decode(&mut self, packet: &Packet) -> Result<(u32, usize), String> {
        let buffer = self.decoder.decode(packet).map_err(|error| error.to_string())?;
        self.is_converted = match &buffer {
            GenericAudioBufferRef::F32(buffer) if self.clip => {
                let loud =
                    |plane: &[f32]| plane.iter().fold(false, |loud, sample| loud | (sample.abs() > 1.0));
                let loud = buffer.iter_planes().any(loud);
                if loud {
                    // In a copy: the decoder's own buffer is borrowed.
                    buffer.copy_to_vecs_planar(&mut self.converted);
                    let samples = self.converted.iter_mut().flatten();
                    samples.for_each(|sample| *sample = sample.clamp(-1.0, 1.0));
                }
                loud
            }
            GenericAudioBufferRef::F32(_) => false,
            buffer => {
                buffer.copy_to_vecs_planar(&mut self.converted);
                true
            }
        };
        Ok((buffer.spec().rate(), if buffer.num_planes() == 0 { 0 } else { buffer.frames() }))
    }

    fn planes(&self, kept: Range<usize>) -> Vec<&[f32]> {
        match self.decoder.last_decoded() {
            GenericAudioBufferRef::F32(buffer) if !self.is_converted => {
                buffer.iter_planes().map(|plane| &plane[kept.clone()]).collect()
            }
            _ => self.converted.iter().map(|plane| &plane[kept.clone()]).collect(),
        }
    }
}

/// Whether there are more than two channels.
fn surround(params: &AudioCodecParameters) -> bool {
    params.channels.as_ref().is_some_and(|channels| channels.count() > 2)
}

#[cfg(feature = "opus")]
fn opus_head(params: &AudioCodecParameters, big_endian: bool) -> Decoded<opus::Head> {
    let bytes = params.extra_data.as_deref().unwrap_or_default();
    opus::Head::parse(bytes, big_endian).map_err(Failure::Damage)
}

fn failure(error: SymphoniaError) -> Failure {
    match error {
        SymphoniaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Failure::Damage("is truncated in its header".to_owned())
        }
        SymphoniaError::IoError(error) => Failure::from_io(error),
        error => Failure::Damage(error.to_string()),
    }
}

impl Container {
    /// The next packet of the track; `None` at the end.
    fn packet(&mut self, warnings: &mut Warnings) -> Decoded<Option<Packet>> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                Err(SymphoniaError::ResetRequired) => {
                    self.restart()?;
                    continue;
                }
                Err(SymphoniaError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                    warnings.push("truncated: the file ends in the middle");
                    return Ok(None);
                }
                Err(error) => return Err(failure(error)),
            };
            self.budget = match self.budget.checked_sub(packet.data.len() as u64) {
                Some(budget) => budget,
                None => return Err(Failure::Damage("the container repeats its own bytes".to_owned())),
            };
            if packet.track_id == self.track.id {
                return Ok(Some(packet));
            }
            if packet.data.is_empty() {
                self.fail("empty packets", warnings)?;
            }
        }
    }

    /// Begins the next link of a chained stream, with new tracks.
    fn restart(&mut self) -> Decoded<()> {
        self.track = Chosen::from(self.format.as_ref(), &[])?;
        self.decoder = Decoder::new(&self.track)?;
        self.expected = None;
        Ok(())
    }

    /// Counts a packet without audio.
    fn fail(&mut self, reason: &str, warnings: &mut Warnings) -> Decoded<()> {
        self.failures += 1;
        if self.failures > MAX_FAILURES {
            return Err(Failure::Damage(format!("every packet is damaged: {reason}")));
        }
        warnings.push(format!("damaged packets were skipped ({reason})"));
        if self.failures == 2 {
            // Some decoders keep the parameters of their first packet.
            self.decoder = Decoder::new(&self.track)?;
        }
        Ok(())
    }

    /// Warns if frames are missing before this packet.
    fn note_gap(&mut self, packet: &Packet, warnings: &mut Warnings) {
        if self.format.format_info().format == FORMAT_ID_FLAC {
            let start = packet.pts.get();
            if self.expected.is_some_and(|expected| start > expected) {
                warnings.push("damaged frames were skipped");
            }
            self.expected = start.checked_add_unsigned(packet.dur.get());
        }
    }

    fn end(&mut self, warnings: &mut Warnings) {
        self.ended = true;
        let container = self.format.format_info().format;
        // The length of an MPEG stream without padding is an estimate; that of a chained Ogg stream is of one link.
        let reliable = match &self.track.trim {
            Trim::Mpeg { padding } => !padding.is_empty(),
            _ => container != FORMAT_ID_OGG,
        };
        if let Some(claimed) = self.track.frames.filter(|_| reliable)
            && claimed > self.written.saturating_add(CLAIM_SLACK)
        {
            let written = self.written;
            warnings.push(format!("truncated: the header states {claimed} frames, the file has {written}"));
        }
    }
}

impl Source for Container {
    fn info(&self) -> AudioInfo {
        let channels = match &self.decoder {
            #[cfg(feature = "opus")]
            Decoder::Opus(decoder) => decoder.channels(),
            _ => self.track.params.channels.as_ref().map_or(0, Channels::count),
        };
        AudioInfo {
            format: format_name(self.track.params.codec, self.format.format_info().short_name),
            sample_rate: self.rate,
            channels: u16::try_from(channels).unwrap_or(u16::MAX),
            frames: self.track.frames,
        }
    }

    fn advance(&mut self, warnings: &mut Warnings) -> Decoded<bool> {
        while !self.ended {
            let Some(packet) = self.packet(warnings)? else {
                self.end(warnings);
                break;
            };
            match self.decoder.decode(&packet) {
                Ok((rate, frames)) => {
                    self.note_gap(&packet, warnings);
                    self.kept = self.track.trim.keep(&packet, frames);
                    if !self.kept.is_empty() {
                        self.rate = rate;
                        self.written += self.kept.len() as u64;
                        self.failures = 0;
                        return Ok(true);
                    }
                    // Delay and padding are not failures, unless they never end.
                    self.failures += 1;
                    if self.failures > MAX_FAILURES {
                        return Err(Failure::Damage("its packets have no audio".to_owned()));
                    }
                }
                Err(reason) => self.fail(&reason, warnings)?,
            }
        }
        Ok(false)
    }

    fn block(&self) -> Block<'_> {
        let kept = self.kept.clone();
        let frames = kept.len();
        let samples = match &self.decoder {
            #[cfg(feature = "opus")]
            Decoder::Opus(decoder) => {
                let channels = decoder.channels();
                let samples = &decoder.samples()[kept.start * channels..kept.end * channels];
                Samples::Interleaved { samples, channels }
            }
            #[cfg(feature = "vorbis")]
            Decoder::Surround(decoder) => {
                Samples::Planar(decoder.planes().iter().map(|plane| &plane[kept.clone()]).collect())
            }
            Decoder::Symphonia(packets) => Samples::Planar(packets.planes(kept)),
        };
        Block { rate: self.rate, frames, samples }
    }
}

/// The format's usual name.
fn format_name(codec: AudioCodecId, container: &str) -> String {
    let codec = match codec {
        CODEC_ID_MP1 => "MP1",
        CODEC_ID_MP2 => "MP2",
        CODEC_ID_MP3 => "MP3",
        CODEC_ID_FLAC => "FLAC",
        CODEC_ID_VORBIS => "Vorbis",
        CODEC_ID_OPUS => "Opus",
        CODEC_ID_AAC => "AAC",
        CODEC_ID_ALAC => "ALAC",
        codec => match symphonia::default::get_codecs().get_audio_decoder(codec) {
            Some(known) => known.codec.info.short_name,
            None => "audio",
        },
    };
    let container = match container {
        "isomp4" => "MP4",
        "matroska" | "mkv" => "Matroska",
        "ogg" => "Ogg",
        "wave" => "WAV",
        "aiff" => "AIFF",
        "caf" => "CAF",
        other => other,
    };
    match container {
        "mp1" | "mp2" | "mp3" | "flac" | "aac" => codec.to_owned(),
        container if codec.starts_with("pcm_") => container.to_owned(),
        container => format!("{codec} in {container}"),
    }
}
