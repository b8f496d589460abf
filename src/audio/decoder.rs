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

use super::demux::failure;
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
                Ok(Decoder::Symphonia(Packets { decoder, clip, converted: Vec::new(), is_converted: false }))
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
