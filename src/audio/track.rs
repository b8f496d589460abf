//! The track of a container that is decoded, and which of its sample frames belong to the recording.

use std::ops::Range;

use symphonia::core::codecs::CodecParameters;
#[cfg(feature = "opus")]
use symphonia::core::codecs::audio::well_known::CODEC_ID_OPUS;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_ALAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3, CODEC_ID_PCM_ALAW,
    CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64BE, CODEC_ID_PCM_F64LE, CODEC_ID_PCM_MULAW,
    CODEC_ID_PCM_S24BE, CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S32BE, CODEC_ID_PCM_S32LE, CODEC_ID_VORBIS,
};
use symphonia::core::codecs::audio::{AudioCodecParameters, CODEC_ID_NULL_AUDIO};
use symphonia::core::formats::{FormatReader, Track};
use symphonia::core::packet::Packet;
use symphonia::core::units::TimeBase;

use super::aac;
use super::decoder::{Decoder, is_pcm, surround};
use super::demux::Facts;
#[cfg(feature = "opus")]
use super::layout::Layout;
#[cfg(feature = "opus")]
use super::opus;
use super::source::{Decoded, Failure};
use super::{matroska, mp4};

/// The track that is decoded.
pub(super) struct Chosen {
    pub id: u32,
    pub params: AudioCodecParameters,
    /// The usual name of its codec and container, for an error message.
    pub codec: String,
    /// The number of sample frames that the container states.
    pub frames: Option<u64>,
    pub trim: Trim,
    /// Nanoseconds of the last packet that are padding.
    pub padding: u64,
    /// Where an edit list ends the recording, in units of the time base.
    pub end: Option<i64>,
    /// Whether it may end within a packet: PCM has packets of any length.
    pub ends_within: bool,
    /// Whether an edit list has several parts, which are not obeyed.
    pub is_intricate: bool,
    /// Whether the container has FLAC whose checksums nobody compares.
    pub is_unchecked: bool,
    /// Whether there is SBR, the upper half of the bandwidth of HE-AAC.
    pub sbr: bool,
    /// What is worth a warning.
    pub note: Option<String>,
    /// Where the audio begins, in units of the time base, by an edit list or iTunSMPB.
    start: Option<u64>,
    pub time_base: Option<TimeBase>,
    /// Whether its numbers are big-endian in the header of Opus.
    #[cfg(feature = "opus")]
    big_endian: bool,
    /// Whether the channels of Opus have no places.
    #[cfg(feature = "opus")]
    is_discrete: bool,
}

/// Which sample frames of the decoded audio are encoder delay or padding.
#[derive(Clone, Debug)]
pub(super) enum Trim {
    /// The decoder removes them.
    Decoder,
    /// MPEG audio: delay is before time 0, padding in a known range. Not left to the decoder, which would remove
    /// everything after the length that the header states or, without a header, that the bit rate suggests.
    Mpeg { padding: Range<i64> },
    /// Sample frames still to be dropped at the start (Opus, and AAC in MP4); packets state their own end.
    Leading { left: u64 },
}

/// Chooses among the audio tracks of a container: the first one that it calls its default (MP4: enabled) and that can
/// be decoded, else the first one that can be.
pub(super) fn choose(format: &dyn FormatReader, facts: &Facts) -> Decoded<(Chosen, Decoder)> {
    let audio = format.tracks().iter().filter(|track| parameters(track, facts).is_some());
    let mut tracks: Vec<&Track> = audio.collect();
    tracks.sort_by_key(|track| !facts.is_preferred(track.id));
    let mut refused = None;
    for track in tracks {
        let chosen = Chosen::of(track, facts).and_then(|chosen| Ok((Decoder::new(&chosen)?, chosen)));
        match (chosen, &refused) {
            (Ok((decoder, mut chosen)), refused) => {
                if let Some(Failure::NeedsFfmpeg(codec)) = refused {
                    chosen.note = Some(format!(
                        "the first track is {codec}, which is not supported: another is decoded"
                    ));
                }
                return Ok((chosen, decoder));
            }
            (Err(Failure::Io(error)), _) => return Err(Failure::Io(error)),
            (Err(failure), None) => refused = Some(failure),
            (Err(_), Some(_)) => {}
        }
    }
    Err(refused.unwrap_or_else(|| facts.without_audio()))
}

/// What the decoder of an audio track needs. The demuxer does not know QuickTime's name of MPEG audio layer II.
fn parameters(track: &Track, facts: &Facts) -> Option<AudioCodecParameters> {
    match (&track.codec_params, facts) {
        (Some(CodecParameters::Audio(params)), _) => Some(params.clone()),
        (None, Facts::Mp4(info)) if info.track(track.id)?.entry == *b".mp2" => {
            let mut params = AudioCodecParameters::new();
            params.for_codec(CODEC_ID_MP2);
            // The time base of audio is its sample rate.
            params.with_sample_rate(track.time_base?.denom.get());
            Some(params)
        }
        _ => None,
    }
}

impl Chosen {
    fn of(track: &Track, facts: &Facts) -> Decoded<Self> {
        let Some(params) = parameters(track, facts) else { return Err(facts.without_audio()) };
        let mut chosen = Self {
            id: track.id,
            params,
            codec: facts.codec(track.id),
            frames: track.num_frames,
            trim: Trim::Decoder,
            padding: 0,
            end: None,
            ends_within: false,
            is_intricate: false,
            is_unchecked: matches!(facts, Facts::Matroska(_) | Facts::Mp4(_)),
            sbr: false,
            note: None,
            start: None,
            time_base: track.time_base,
            #[cfg(feature = "opus")]
            big_endian: matches!(facts, Facts::Mp4(_)),
            #[cfg(feature = "opus")]
            is_discrete: matches!(facts, Facts::Ogg(info) if info.is_discrete),
        };
        match facts {
            Facts::Mp4(info) => {
                if let Some(known) = info.track(track.id) {
                    chosen.apply_mp4(info, known)?;
                }
            }
            Facts::Matroska(info) => {
                let known = info.tracks.iter().find(|known| known.number == u64::from(track.id));
                if known.is_some_and(|known| known.is_encoded) {
                    return Err(Failure::NeedsFfmpeg(format!("{} with compressed packets", chosen.codec)));
                }
                chosen.padding = known.map_or(0, |known| known.padding);
            }
            _ => {}
        }
        if matches!(chosen.params.codec, CODEC_ID_PCM_ALAW | CODEC_ID_PCM_MULAW) {
            // CAF states the coded bits where the decoder expects the decoded ones; both follow from the codec.
            chosen.params.bits_per_sample = None;
            chosen.params.bits_per_coded_sample = None;
        }
        if chosen.params.codec == CODEC_ID_NULL_AUDIO {
            return Err(Failure::NeedsFfmpeg(chosen.codec));
        }
        if chosen.params.codec == CODEC_ID_AAC {
            chosen.apply_aac()?;
        }
        chosen.trim = chosen.trim(track)?;
        // In Ogg and MP4 the length includes the delay.
        let delay = if let Trim::Leading { left } = &chosen.trim { *left } else { 0 };
        let estimate = if let Facts::Elementary { frames, .. } = facts { Some(*frames) } else { None };
        chosen.frames = chosen.frames.map(|frames| frames.saturating_sub(delay)).or(estimate);
        Ok(chosen)
    }

    /// What the demuxer does not read.
    fn apply_mp4(&mut self, info: &mp4::Info, track: &mp4::Track) -> Decoded<()> {
        if matches!(&track.entry, b"drms" | b"enca" | b"drmi") {
            return Err(Failure::Damage("is protected by DRM".to_owned()));
        }
        if !track.is_little_endian {
            self.params.codec = match (&track.entry, self.params.codec) {
                (b"in24", CODEC_ID_PCM_S24LE) => CODEC_ID_PCM_S24BE,
                (b"in32", CODEC_ID_PCM_S32LE) => CODEC_ID_PCM_S32BE,
                (b"fl32", CODEC_ID_PCM_F32LE) => CODEC_ID_PCM_F32BE,
                (b"fl64", CODEC_ID_PCM_F64LE) => CODEC_ID_PCM_F64BE,
                (_, codec) => codec,
            };
        }
        if let (None, Some(cookie)) = (&self.params.extra_data, &track.cookie) {
            self.params.codec = CODEC_ID_ALAC;
            self.params.extra_data = Some(cookie.clone().into_boxed_slice());
        }
        self.is_intricate = track.is_intricate;
        self.end = track.seconds.zip(self.time_base).map(|(seconds, base)| {
            let units = seconds * f64::from(base.denom.get()) / f64::from(base.numer.get());
            (track.start.unwrap_or(0) as f64 + units.round()) as i64
        });
        self.ends_within = is_pcm(self.params.codec);
        if self.ends_within {
            // ffmpeg's packets have 1,024 sample frames, and the last one is played whole.
            self.end = self.end.map(|end| end.saturating_add(1023) / 1024 * 1024);
        }
        self.start = match (track.start, info.delay) {
            (Some(time @ 1..), _) => Some(time),
            (_, delay) if self.params.codec == CODEC_ID_AAC => delay,
            _ => None,
        };
        Ok(())
    }

    fn apply_aac(&mut self) -> Decoded<()> {
        let Some(config) = self.params.extra_data.as_deref().and_then(aac::Config::parse) else {
            return Ok(());
        };
        if let Some(kind) = config.unsupported() {
            return Err(Failure::NeedsFfmpeg(kind));
        }
        // Sample rates above 65,535 Hz do not fit their field in MP4.
        self.params.sample_rate = Some(config.rate);
        if config.sbr {
            self.sbr = true;
            self.params.extra_data = Some(config.of_core().into_boxed_slice());
        }
        Ok(())
    }

    fn trim(&self, track: &Track) -> Decoded<Trim> {
        Ok(match self.params.codec {
            CODEC_ID_MP1 | CODEC_ID_MP2 | CODEC_ID_MP3 if self.start.is_none() => {
                let end = track.num_frames.and_then(|frames| i64::try_from(frames).ok());
                let padding = match (end, track.padding) {
                    (Some(end), Some(padding)) => end..end.saturating_add(i64::from(padding)),
                    _ => 0..0,
                };
                Trim::Mpeg { padding }
            }
            #[cfg(feature = "opus")]
            CODEC_ID_OPUS => {
                // An edit list includes the delay, if there is one.
                let delay = u64::from(self.opus_head()?.pre_skip);
                Trim::Leading { left: self.leading().unwrap_or(0).max(delay) }
            }
            // lewton does not trim.
            CODEC_ID_VORBIS if surround(&self.params) => Trim::Leading { left: 0 },
            _ => self.leading().map_or(Trim::Decoder, |left| Trim::Leading { left }),
        })
    }

    /// The sample frames before the start of an MP4 track.
    fn leading(&self) -> Option<u64> {
        let (time, base, rate) = (self.start?, self.time_base?, self.params.sample_rate?);
        let frames = u128::from(time) * u128::from(base.numer.get()) * u128::from(rate);
        Some(u64::try_from(frames / u128::from(base.denom.get())).unwrap_or(u64::MAX))
    }

    #[cfg(feature = "opus")]
    pub(super) fn opus_head(&self) -> Decoded<opus::Head> {
        let head = match (&self.params.extra_data, &self.params.channels) {
            // CAF has none.
            (None, Some(channels)) => opus::Head::plain(channels.count()),
            (bytes, _) => opus::Head::parse(bytes.as_deref().unwrap_or_default(), self.big_endian),
        };
        let mut head = head.map_err(Failure::Damage)?;
        if self.is_discrete {
            head.layout = Layout::Discrete;
        }
        Ok(head)
    }
}

impl Trim {
    /// The part of `frames` decoded sample frames that is kept.
    pub(super) fn keep(&mut self, packet: &Packet, frames: usize) -> Range<usize> {
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

impl Facts {
    /// Whether the container calls a track its default.
    fn is_preferred(&self, id: u32) -> bool {
        match self {
            Facts::Mp4(info) => info.track(id).is_none_or(|track| track.is_enabled),
            Facts::Matroska(info) => {
                let track = info.tracks.iter().find(|track| track.number == u64::from(id));
                track.is_none_or(|track| track.is_default)
            }
            _ => true,
        }
    }

    /// The usual name of a track's codec, for an error message.
    fn codec(&self, id: u32) -> String {
        match self {
            Facts::Mp4(info) => {
                let entry = info.track(id).map(|track| track.entry);
                format!("{} in MP4", entry.map_or_else(|| "an unknown codec".to_owned(), mp4::codec))
            }
            Facts::Matroska(info) => {
                let track = info.tracks.iter().find(|track| track.number == u64::from(id));
                let codec = track
                    .map_or_else(|| "an unknown codec".to_owned(), |track| matroska::codec(&track.codec));
                format!("{codec} in Matroska")
            }
            Facts::Ogg(info) => format!("{} in Ogg", info.codecs.first().unwrap_or(&"an unknown codec")),
            Facts::Elementary { .. } => "MPEG audio of an unusual kind".to_owned(),
            Facts::Flac { .. } => "FLAC of an unusual kind".to_owned(),
            Facts::Other { container } => format!("an unusual codec in {container}"),
        }
    }

    /// Why a container without a known audio track is refused.
    pub(super) fn without_audio(&self) -> Failure {
        let nothing = || Failure::Damage("has no audio track".to_owned());
        match self {
            Facts::Mp4(info) => match info.tracks.iter().find(|track| track.is_sound) {
                Some(track) if matches!(&track.entry, b"drms" | b"enca" | b"drmi") => {
                    Failure::Damage("is protected by DRM".to_owned())
                }
                Some(track) => Failure::NeedsFfmpeg(self.codec(track.id)),
                None => nothing(),
            },
            Facts::Matroska(info) => match info.tracks.iter().find(|track| track.is_audio) {
                Some(track) => {
                    Failure::NeedsFfmpeg(self.codec(u32::try_from(track.number).unwrap_or(u32::MAX)))
                }
                None => nothing(),
            },
            Facts::Ogg(info) => {
                const VIDEO: [&str; 6] = ["Theora", "Kate", "VP8", "Dirac", "Daala", "Skeleton"];
                match info.codecs.iter().find(|codec| !VIDEO.contains(codec)) {
                    Some(codec) => Failure::NeedsFfmpeg(format!("{codec} in Ogg")),
                    None => nothing(),
                }
            }
            _ => nothing(),
        }
    }
}
