//! Decoders of packets: Symphonia's, and our own choice where Symphonia has none or a wrong one.

use std::ops::Range;

use symphonia::core::audio::{Audio, Channels, GenericAudioBufferRef};
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_FLAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_OPUS,
    CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::packet::Packet;

use super::alac::{Check, Verdict, mean_step};
use super::demux::failure;
use super::flac;
use super::layout::Layout;
#[cfg(feature = "opus")]
use super::opus;
use super::source::{Decoded, Failure, Samples};
use super::track::{Chosen, Trim};
#[cfg(feature = "vorbis")]
use super::vorbis;

/// The decoder of one track.
pub(super) enum Decoder {
    Symphonia(Packets),
    #[cfg(feature = "opus")]
    Opus(opus::Decoder),
    #[cfg(feature = "vorbis")]
    Surround(Box<vorbis::Decoder>),
}

/// A Symphonia decoder, and its last packet if it had to be converted.
pub(super) struct Packets {
    decoder: Box<dyn AudioDecoder>,
    /// MPEG audio is clipped at full scale, as by every decoder to 16 bits: values above it are codec noise on loud
    /// music, and models were trained without it.
    clip: bool,
    /// Samples that had to be converted to f32, or clipped.
    converted: Vec<Vec<f32>>,
    /// Whether the last packet is in `converted`, or in the decoder.
    is_converted: bool,
    /// For ALAC, which has no checksum.
    alac: Option<Check>,
    is_noise: bool,
    /// For FLAC in containers whose demuxers do not compare its checksums.
    checksum: bool,
}

impl Decoder {
    pub(super) fn new(track: &Chosen) -> Decoded<Self> {
        if track.params.codec == CODEC_ID_OPUS {
            #[cfg(feature = "opus")]
            return opus::Decoder::new(&track.opus_head()?).map(Decoder::Opus).map_err(Failure::Damage);
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
                let clip = matches!(track.params.codec, CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3);
                Ok(Decoder::Symphonia(Packets {
                    decoder,
                    clip,
                    converted: Vec::new(),
                    is_converted: false,
                    alac: (track.params.codec == CODEC_ID_ALAC).then(Check::default),
                    is_noise: false,
                    checksum: track.params.codec == CODEC_ID_FLAC && track.is_unchecked,
                }))
            }
            Err(SymphoniaError::Unsupported(_)) => Err(Failure::NeedsFfmpeg(track.codec.clone())),
            Err(error) => Err(failure(error)),
        }
    }

    /// Decodes a packet, and returns its sample rate and number of sample frames.
    pub(super) fn decode(&mut self, packet: &Packet) -> Result<(u32, usize), String> {
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

    /// Whether the last packet is noise unlike what was before it.
    pub(super) fn is_noise(&self) -> bool {
        matches!(self, Decoder::Symphonia(packets) if packets.is_noise)
    }

    /// Whether such noise is music, by the packet that follows it.
    pub(super) fn accept_noise(&mut self, noise: &Packet, next: &Packet) -> Result<bool, String> {
        match self {
            Decoder::Symphonia(packets) => packets.accept_noise(noise, next),
            #[cfg(any(feature = "opus", feature = "vorbis"))]
            _ => Ok(true),
        }
    }

    /// The number of channels, if it is known before the first packet.
    pub(super) fn channels(&self, params: &AudioCodecParameters) -> usize {
        match self {
            #[cfg(feature = "opus")]
            Decoder::Opus(decoder) => decoder.channels(),
            _ => params.channels.as_ref().map_or(0, Channels::count),
        }
    }

    /// Which channel is which in the last packet.
    pub(super) fn layout(&self) -> Layout {
        match self {
            #[cfg(feature = "opus")]
            Decoder::Opus(decoder) => decoder.layout(),
            #[cfg(feature = "vorbis")]
            Decoder::Surround(_) => Layout::Vorbis,
            Decoder::Symphonia(packets) => packets.layout(),
        }
    }

    /// Some sample frames of the last packet.
    pub(super) fn samples(&self, kept: Range<usize>) -> Samples<'_> {
        match self {
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
        }
    }
}

impl Packets {
    fn decode(&mut self, packet: &Packet) -> Result<(u32, usize), String> {
        if self.checksum && !flac::is_intact(&packet.data) {
            return Err("FLAC: the checksum of a frame is wrong".to_owned());
        }
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
        let decoded = (buffer.spec().rate(), if buffer.num_planes() == 0 { 0 } else { buffer.frames() });
        if let Some(check) = &mut self.alac {
            let decode = |part: &[u8]| {
                let part = Packet::new(packet.track_id, packet.pts, packet.dur, part.to_vec());
                self.decoder.decode(&part).is_ok_and(|buffer| buffer.frames() > 0)
            };
            let verdict = check.judge(&packet.data, &self.converted, decode);
            self.is_noise = verdict == Verdict::Noise;
            if verdict == Verdict::Damaged {
                return Err("ALAC: a packet does not end with its samples".to_owned());
            }
        }
        Ok(decoded)
    }

    /// Decides about noise, by the packet that follows it. The noise is decoded once more if it goes on.
    fn accept_noise(&mut self, noise: &Packet, next: &Packet) -> Result<bool, String> {
        let Some(check) = &mut self.alac else { return Ok(true) };
        // What cannot be decoded says nothing.
        if let Ok(buffer) = self.decoder.decode(next) {
            buffer.copy_to_vecs_planar(&mut self.converted);
            if !check.is_unlike(mean_step(&self.converted)) {
                return Ok(false);
            }
        }
        let buffer = self.decoder.decode(noise).map_err(|error| error.to_string())?;
        buffer.copy_to_vecs_planar(&mut self.converted);
        check.accept(mean_step(&self.converted));
        Ok(true)
    }

    fn layout(&self) -> Layout {
        match self.decoder.last_decoded().spec().channels() {
            Channels::Positioned(positions) => Layout::Mask(positions.bits()),
            _ => Layout::Discrete,
        }
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
pub(super) fn surround(params: &AudioCodecParameters) -> bool {
    params.channels.as_ref().is_some_and(|channels| channels.count() > 2)
}

/// Whether samples are stored as they are.
pub(super) fn is_pcm(codec: AudioCodecId) -> bool {
    let known = symphonia::default::get_codecs().get_audio_decoder(codec);
    known.is_some_and(|known| known.codec.info.short_name.starts_with("pcm_"))
}

/// The format's usual name.
pub(super) fn format_name(codec: AudioCodecId, container: &str) -> String {
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
