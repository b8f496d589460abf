//! Everything but plain WAV: Symphonia takes containers apart and decodes what is in them; Opus packets go to
//! `opus`.

use std::ops::Range;

use symphonia::core::audio::{Audio, GenericAudioBufferRef};
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
use symphonia::core::formats::well_known::{FORMAT_ID_ISOMP4, FORMAT_ID_OGG};
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;

use super::AudioInfo;
use super::input::Input;
use super::opus;
use super::source::{Block, Decoded, Failure, Samples, Source, Warnings};

/// So many packets in a row without any audio end the recording. Ten thousand frames of MP3 are four minutes.
const MOST_FAILURES: usize = 10_000;
/// A claim that is missed by no more than this is not worth a word: encoders round to whole packets.
const CLAIM_SLACK: u64 = 8_192;

/// One audio track of a container.
pub(super) struct Container {
    format: Box<dyn FormatReader>,
    track: Chosen,
    decoder: Decoder,
    /// Samples of the last packet, where the decoder does not make f32 itself.
    converted: Vec<Vec<f32>>,
    /// The frames of the last packet that belong to the recording.
    kept: Range<usize>,
    rate: u32,
    written: u64,
    /// Packets in a row that gave no audio.
    failures: usize,
    /// Bytes that packets may still hold: no honest container hands out more than the file has.
    budget: u64,
    ended: bool,
}

/// What is remembered of the track that is played.
struct Chosen {
    id: u32,
    params: AudioCodecParameters,
    big_endian: bool,
    frames: Option<u64>,
    trim: Trim,
}

/// Which frames of the decoded audio are encoder delay or padding.
#[derive(Clone, Debug)]
enum Trim {
    /// The decoder has been told and does it.
    Decoder,
    /// MPEG audio: delay lies before time 0, padding in a known range. Not left to the decoder, which would cut
    /// whatever exceeds the length that the header claims or, without a header, that the bit rate suggests.
    Mpeg { padding: Range<i64> },
    /// Opus: so many frames from the start are still to be dropped; packets know about their end.
    Opus { pre_skip: u64 },
}

enum Decoder {
    Symphonia(Box<dyn AudioDecoder>),
    Opus(opus::Decoder),
}

pub(super) fn open(input: Input) -> Decoded<Container> {
    let len = input.len();
    let stream = MediaSourceStream::new(Box::new(input), MediaSourceStreamOptions::default());
    let format = symphonia::default::get_probe()
        .probe(&Hint::new(), stream, FormatOptions::default(), MetadataOptions::default())
        .map_err(|error| match error {
            SymphoniaError::Unsupported(reason) if reason.contains("no suitable format") => {
                Failure::Damage("is not in an audio format that is known here".to_owned())
            }
            error => failure(error),
        })?;
    let track = Chosen::from(format.as_ref())?;
    let decoder = Decoder::new(&track)?;
    let rate = track.params.sample_rate.unwrap_or(0);
    Ok(Container {
        format,
        track,
        decoder,
        converted: Vec::new(),
        kept: 0..0,
        rate,
        written: 0,
        failures: 0,
        budget: len.saturating_add(1 << 16),
        ended: false,
    })
}

impl Chosen {
    fn from(format: &dyn FormatReader) -> Decoded<Self> {
        let no_audio = || Failure::Damage("holds no audio track that is known here".to_owned());
        let track = format.default_track(TrackType::Audio).ok_or_else(no_audio)?;
        let Some(CodecParameters::Audio(params)) = &track.codec_params else { return Err(no_audio()) };
        if params.codec == CODEC_ID_NULL_AUDIO {
            return Err(no_audio());
        }
        let container = format.format_info().format;
        let big_endian = container == FORMAT_ID_ISOMP4;
        let trim = Trim::of(track, params, big_endian)?;
        let frames = match &trim {
            // Granule positions count the delay too.
            Trim::Opus { pre_skip } if container == FORMAT_ID_OGG => {
                track.num_frames.map(|frames| frames.saturating_sub(*pre_skip))
            }
            _ => track.num_frames,
        };
        Ok(Self { id: track.id, params: params.clone(), big_endian, frames, trim })
    }
}

impl Trim {
    fn of(track: &Track, params: &AudioCodecParameters, big_endian: bool) -> Decoded<Self> {
        Ok(match params.codec {
            CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3 => {
                let end = track.num_frames.and_then(|frames| i64::try_from(frames).ok());
                let padding = match (end, track.padding) {
                    (Some(end), Some(padding)) => end..end.saturating_add(i64::from(padding)),
                    _ => 0..0,
                };
                Trim::Mpeg { padding }
            }
            CODEC_ID_OPUS => {
                let head = opus_head(params, big_endian)?;
                Trim::Opus { pre_skip: u64::from(head.pre_skip) }
            }
            _ => Trim::Decoder,
        })
    }

    /// The part of `frames` decoded frames that is kept.
    fn keep(&mut self, packet: &Packet, frames: usize) -> Range<usize> {
        match self {
            Trim::Decoder => 0..frames,
            Trim::Mpeg { padding } => {
                let start = packet.pts.get();
                let clamp = |time: i64| usize::try_from(time.saturating_sub(start)).unwrap_or(0).min(frames);
                if padding.is_empty() || clamp(padding.start) == clamp(padding.end) {
                    return clamp(0)..frames;
                }
                // Frames after the padding (files pasted together) are kept from the next packet on.
                clamp(0)..clamp(padding.start).max(clamp(0))
            }
            Trim::Opus { pre_skip } => {
                let start = usize::try_from(*pre_skip).unwrap_or(usize::MAX).min(frames);
                *pre_skip -= start as u64;
                let end = frames.saturating_sub(usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX));
                start..end.max(start)
            }
        }
    }
}

impl Decoder {
    fn new(track: &Chosen) -> Decoded<Self> {
        if track.params.codec == CODEC_ID_OPUS {
            let head = opus_head(&track.params, track.big_endian)?;
            return opus::Decoder::new(&head).map(Decoder::Opus).map_err(Failure::Damage);
        }
        let gapless = matches!(track.trim, Trim::Decoder);
        let options = AudioDecoderOptions::default().gapless(gapless);
        match symphonia::default::get_codecs().make_audio_decoder(&track.params, &options) {
            Ok(decoder) => Ok(Decoder::Symphonia(decoder)),
            Err(SymphoniaError::Unsupported(reason)) => {
                Err(Failure::Damage(format!("its codec cannot be decoded here ({reason})")))
            }
            Err(error) => Err(failure(error)),
        }
    }

    /// Decodes a packet, and returns its sample rate and number of frames.
    fn decode(&mut self, packet: &Packet, converted: &mut Vec<Vec<f32>>) -> Result<(u32, usize), String> {
        match self {
            Decoder::Opus(decoder) => decoder.decode(&packet.data).map(|frames| (opus::RATE, frames)),
            Decoder::Symphonia(decoder) => {
                let buffer = decoder.decode(packet).map_err(|error| error.to_string())?;
                if !matches!(buffer, GenericAudioBufferRef::F32(_)) {
                    buffer.copy_to_vecs_planar(converted);
                }
                Ok((buffer.spec().rate(), if buffer.num_planes() == 0 { 0 } else { buffer.frames() }))
            }
        }
    }
}

fn opus_head(params: &AudioCodecParameters, big_endian: bool) -> Decoded<opus::Head> {
    let bytes = params.extra_data.as_deref().unwrap_or_default();
    opus::Head::parse(bytes, big_endian).map_err(Failure::Damage)
}

fn failure(error: SymphoniaError) -> Failure {
    match error {
        SymphoniaError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Failure::Damage("is cut off in its header".to_owned())
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
                Err(SymphoniaError::IoError(error)) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                    warnings.push("cut off: the file ends in the middle");
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

    /// A chained stream begins: its tracks are new ones.
    fn restart(&mut self) -> Decoded<()> {
        self.track = Chosen::from(self.format.as_ref())?;
        self.decoder = Decoder::new(&self.track)?;
        Ok(())
    }

    /// A packet gave nothing.
    fn fail(&mut self, reason: &str, warnings: &mut Warnings) -> Decoded<()> {
        self.failures += 1;
        if self.failures > MOST_FAILURES {
            return Err(Failure::Damage(format!("nothing but damage: {reason}")));
        }
        warnings.push(format!("damaged packets are left out ({reason})"));
        if self.failures == 2 {
            // Some decoders stay with the parameters of the first packet they saw.
            self.decoder = Decoder::new(&self.track)?;
        }
        Ok(())
    }

    fn end(&mut self, warnings: &mut Warnings) {
        self.ended = true;
        let container = self.format.format_info().format;
        // An MPEG stream without padding has only an estimate; chained Ogg streams claim for one link.
        let reliable = match &self.track.trim {
            Trim::Mpeg { padding } => !padding.is_empty(),
            _ => container != FORMAT_ID_OGG,
        };
        if let Some(claimed) = self.track.frames.filter(|_| reliable) {
            if claimed > self.written.saturating_add(CLAIM_SLACK) {
                let written = self.written;
                warnings.push(format!("cut off: the header promises {claimed} frames, {written} are there"));
            }
        }
    }
}

impl Source for Container {
    fn info(&self) -> AudioInfo {
        let channels = match &self.decoder {
            Decoder::Opus(decoder) => decoder.channels(),
            Decoder::Symphonia(_) => {
                self.track.params.channels.as_ref().map_or(0, |channels| channels.count())
            }
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
            match self.decoder.decode(&packet, &mut self.converted) {
                Ok((rate, frames)) => {
                    self.kept = self.track.trim.keep(&packet, frames);
                    if !self.kept.is_empty() {
                        self.rate = rate;
                        self.written += self.kept.len() as u64;
                        self.failures = 0;
                        return Ok(true);
                    }
                    // Delay and padding are no failure, unless they never end.
                    self.failures += 1;
                    if self.failures > MOST_FAILURES {
                        return Err(Failure::Damage("its packets hold no audio".to_owned()));
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
            Decoder::Opus(decoder) => {
                let channels = decoder.channels();
                let samples = &decoder.samples()[kept.start * channels..kept.end * channels];
                Samples::Interleaved { samples, channels }
            }
            Decoder::Symphonia(decoder) => match decoder.last_decoded() {
                GenericAudioBufferRef::F32(buffer) => {
                    Samples::Planar(buffer.iter_planes().map(|plane| &plane[kept.clone()]).collect())
                }
                _ => Samples::Planar(self.converted.iter().map(|plane| &plane[kept.clone()]).collect()),
            },
        };
        Block { rate: self.rate, frames, samples }
    }
}

/// What a person calls it.
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
        "mp1" | "mp2" | "mp3" | "flac" | "adts" => codec.to_owned(),
        container => format!("{codec} in {container}"),
    }
}
