//! All formats but plain WAV: Symphonia demuxes containers and decodes most codecs; `opus` and `vorbis` do the rest.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::ops::Range;

use symphonia::core::codecs::audio::well_known::{CODEC_ID_AAC, CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3};
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::well_known::{FORMAT_ID_FLAC, FORMAT_ID_MKV, FORMAT_ID_OGG};
use symphonia::core::formats::{FormatId, FormatInfo, FormatReader};
use symphonia::core::io::ReadBytes;
use symphonia::core::packet::Packet;

use super::AudioInfo;
use super::aac::{self, Sbr};
use super::decoder::{Decoder, format_name};
use super::demux::{Facts, Opened, failure};
use super::gaps::{Gaps, stated_seconds};
use super::layout::Layout;
use super::resume::Resume;
use super::source::{Block, Decoded, Failure, Lack, Samples, Source, Warnings};
use super::track::{Chosen, Trim, choose};

/// The largest number of packets in a row without audio. Ten thousand MP3 frames are four minutes.
const MAX_FAILURES: usize = 10_000;
/// The largest difference from the stated length that is not reported: encoders round to whole packets.
const CLAIM_SLACK: u64 = 8_192;

/// Sample frames by which a decoder of HE-AAC is later than its core, at the core's rate: the delay of its filter banks
/// and the look-ahead of SBR.
const SBR_DELAY: u64 = 481;
/// What the decoder of MPEG audio says where a stream changes from stereo to mono: it is for one of them.
const OTHER_LAYOUT: &str = "invalid audio buffer signal spec";

/// One audio track of a container.
pub(super) struct Container {
    /// `None` if it failed, and nothing can be read behind that.
    format: Option<Box<dyn FormatReader>>,
    /// The format's name, and what it is.
    name: &'static str,
    kind: FormatId,
    facts: Facts,
    resume: Option<Resume>,
    /// Why the demuxer failed, to be said once more if that was noticed when packets were read ahead.
    lost: Option<String>,
    track: Chosen,
    decoder: Decoder,
    /// Packets that were read ahead.
    ahead: VecDeque<Packet>,
    /// Whether the demuxer has no more packets.
    exhausted: bool,
    /// The sample frames of the last packet that belong to the recording.
    kept: Range<usize>,
    rate: u32,
    written: u64,
    /// Of those, the sample frames of files before the present one.
    part: u64,
    /// The expected start of the next packet of FLAC and Ogg.
    expected: Option<i64>,
    /// Whether there were other links of a chain of Ogg before.
    is_chained: bool,
    /// What is missing of Matroska, and how long it should be.
    gaps: Gaps,
    seconds: Option<f64>,
    /// Packets in a row without audio.
    failures: usize,
    /// Sample frames of silence to be given before the first packet, and that silence while it is the present block.
    silence: usize,
    zeros: Vec<f32>,
    /// Bytes that packets may still have: a valid container gives no more than the file has.
    budget: u64,
    ended: bool,
    /// Warnings about the start, reported with the first block.
    notes: Vec<String>,
}

impl Container {
    /// Chooses the track. `len` is the length of the file.
    pub(super) fn new(opened: Opened, len: u64) -> Decoded<Self> {
        let Opened { format, facts, note, resume } = opened;
        let (mut track, decoder) = choose(format.as_ref(), &facts)?;
        let notes = note.into_iter().chain(track.note.take()).collect();
        let rate = track.params.sample_rate.unwrap_or(0);
        let FormatInfo { format: kind, short_name: name, .. } = *format.format_info();
        let seconds = stated_seconds(format.as_ref());
        let mut container = Self {
            format: Some(format),
            name,
            kind,
            facts,
            resume,
            lost: None,
            track,
            decoder,
            ahead: VecDeque::new(),
            exhausted: false,
            kept: 0..0,
            rate,
            written: 0,
            part: 0,
            expected: None,
            is_chained: false,
            gaps: Gaps::default(),
            seconds,
            failures: 0,
            silence: 0,
            zeros: Vec::new(),
            budget: len.saturating_add(1 << 16),
            ended: false,
            notes,
        };
        match container.track.params.codec {
            CODEC_ID_AAC if !container.track.sbr => container.look_for_sbr(),
            CODEC_ID_MP3 if matches!(container.facts, Facts::Mp4(_)) => container.look_for_layer()?,
            _ => {}
        }
        container.delay_core();
        Ok(container)
    }

    /// Looks at the first packets of AAC, for most HE-AAC is not announced, nor the delay of some encoders. They are decoded
    /// later.
    fn look_for_sbr(&mut self) {
        let (mut sbr, mut warnings) = (Sbr::default(), Warnings::default());
        while self.ahead.len() < Sbr::PACKETS as usize {
            // What fails here fails again when the packets are decoded.
            let Ok(Some(packet)) = self.read_packet(&mut warnings) else { break };
            sbr.add(&packet.data);
            self.ahead.push_back(packet);
        }
        self.notes.extend(warnings.as_slice().iter().cloned());
        self.track.sbr = sbr.is_present();
        let delay = self.ahead.front().map_or(0, |first| aac::encoder_delay(&first.data));
        if delay > 0 && !matches!(self.track.trim, Trim::Leading { left: 1.. }) {
            self.track.trim = Trim::Leading { left: delay };
        }
    }

    /// The next packet of the track, and whether it is the last; `None` at the end.
    fn packet(&mut self, warnings: &mut Warnings) -> Decoded<Option<(Packet, bool)>> {
        // The last packet is only known as such where it has padding of its own.
        loop {
            let wanted = if self.track.padding > 0 { 2 } else { 1 };
            while self.ahead.len() < wanted && !self.exhausted {
                match self.read_packet(warnings) {
                    Ok(Some(packet)) => self.ahead.push_back(packet),
                    Ok(None) => self.exhausted = true,
                    Err(failure) if self.ahead.is_empty() => return Err(failure),
                    Err(_) => break,
                }
            }
            // Packets that were read ahead are for the present decoder.
            if !self.ahead.is_empty() || !self.exhausted || !self.follow(warnings)? {
                break;
            }
        }
        let is_last = self.exhausted && self.ahead.len() == 1;
        Ok(self.ahead.pop_front().map(|packet| (packet, is_last)))
    }

    /// Reads the next packet of the track; `None` at the end.
    fn read_packet(&mut self, warnings: &mut Warnings) -> Decoded<Option<Packet>> {
        loop {
            let Some(format) = &mut self.format else {
                return self.lost.take().map_or(Ok(None), |reason| Err(Failure::Damage(reason)));
            };
            let packet = match format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                Err(SymphoniaError::ResetRequired) => {
                    self.restart()?;
                    continue;
                }
                // A block of Matroska that cannot be read costs only itself.
                Err(SymphoniaError::DecodeError(reason)) if reason.contains("block") => {
                    self.fail(reason, warnings)?;
                    continue;
                }
                // A failing disk is no damage.
                Err(SymphoniaError::IoError(error)) if error.raw_os_error().is_some() => {
                    return Err(Failure::Io(error));
                }
                Err(error) => {
                    if self.go_on()? {
                        warnings.push("damaged: a part that cannot be read was skipped");
                        continue;
                    }
                    let is_end = matches!(&error, SymphoniaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof);
                    if !is_end {
                        self.lost = Some(error.to_string());
                        return Err(failure(error));
                    }
                    // What was written to a pipe has no stated end.
                    let is_whole =
                        matches!(&self.facts, Facts::Matroska(info) if info.is_unbounded && info.is_whole);
                    if !is_whole {
                        warnings.push("truncated: the file ends in the middle");
                    }
                    return Ok(None);
                }
            };
            self.budget = match self.budget.checked_sub(packet.data.len() as u64) {
                Some(budget) => budget,
                None => return Err(Failure::Damage("the container repeats its own bytes".to_owned())),
            };
            if packet.track_id == self.track.id {
                if self.is_beyond_end(&packet) {
                    // Its length is that of the whole track.
                    self.track.frames = None;
                    return Ok(None);
                }
                return Ok(Some(packet));
            }
            if packet.data.is_empty() {
                self.fail("empty packets", warnings)?;
            }
        }
    }

    /// Opens the container behind the damage that its demuxer failed at. `false` if there is nothing.
    fn go_on(&mut self) -> Decoded<bool> {
        let (Facts::Matroska(_) | Facts::Ogg(_)) = &self.facts else { return Ok(false) };
        let Some(resume) = &mut self.resume else { return Ok(false) };
        let Some(format) = self.format.take() else { return Ok(false) };
        let position = format.into_inner().pos();
        let Some(opened) = resume.behind(&self.facts, position)? else { return Ok(false) };
        self.format = Some(opened.format);
        if self.kind == FORMAT_ID_OGG {
            (self.facts, self.resume) = (opened.facts, opened.resume);
            self.restart()?;
        }
        Ok(true)
    }

    /// Goes on with what follows the end, such as another file. `false` if there is nothing that can be read.
    fn follow(&mut self, warnings: &mut Warnings) -> Decoded<bool> {
        let Some(mut resume) = self.resume.take() else { return Ok(false) };
        let next = match resume.next(&self.facts, self.format.as_deref()) {
            Ok(None) => return Ok(false),
            Ok(Some(opened)) => choose(opened.format.as_ref(), &opened.facts).map(|chosen| (opened, chosen)),
            Err(failure) => Err(failure),
        };
        let (opened, (mut track, decoder)) = match next {
            Ok(next) => next,
            Err(Failure::Io(error)) => return Err(Failure::Io(error)),
            Err(Failure::Damage(reason) | Failure::Unreadable { reason, .. }) => {
                warnings.push(format!("what follows cannot be read, and is left out: {reason}"));
                return Ok(false);
            }
            Err(Failure::NeedsFfmpeg(format)) => {
                warnings.push(format!("what follows is left out: no embedded decoder reads {format}"));
                return Ok(false);
            }
        };
        self.end_part(warnings);
        opened.note.into_iter().chain(track.note.take()).for_each(|note| warnings.push(note));
        (self.track, self.decoder) = (track, decoder);
        self.seconds = stated_seconds(opened.format.as_ref());
        (self.format, self.facts, self.resume) = (Some(opened.format), opened.facts, opened.resume);
        (self.expected, self.exhausted, self.part) = (None, false, self.written);
        if self.track.params.codec == CODEC_ID_AAC && !self.track.sbr {
            self.look_for_sbr();
            self.notes.drain(..).for_each(|note| warnings.push(note));
        }
        self.delay_core();
        self.lacks().into_iter().for_each(|lack| warnings.push(lack.warning));
        Ok(true)
    }

    /// Begins the next link of a chained stream, with new tracks.
    fn restart(&mut self) -> Decoded<()> {
        let Some(format) = &self.format else { return Ok(()) };
        (self.track, self.decoder) = choose(format.as_ref(), &self.facts)?;
        // Links begin at 0: if not, their first page is missing.
        (self.expected, self.is_chained) = (Some(0), true);
        Ok(())
    }

    /// Counts a packet without audio.
    fn fail(&mut self, reason: &str, warnings: &mut Warnings) -> Decoded<()> {
        self.failures += 1;
        if self.failures > MAX_FAILURES {
            return Err(Failure::Damage(format!("every packet is damaged: {reason}")));
        }
        warnings.push(format!("damaged packets were skipped ({reason})"));
        // Some decoders keep the parameters of their first packet, and AAC those of a damaged one. Not after every packet
        // of MP3, whose frames need what the decoder has of those before.
        if self.failures == 2 || (self.failures > 2 && self.track.params.codec == CODEC_ID_AAC) {
            self.decoder = Decoder::new(&self.track)?;
        }
        Ok(())
    }

    /// Warns if audio is missing before this packet: the demuxers of FLAC, Ogg and Matroska skip what is damaged without an error.
    fn note_gap(&mut self, packet: &Packet, rate: u32, frames: usize, warnings: &mut Warnings) {
        let warning = match self.kind {
            FORMAT_ID_FLAC => "damaged frames were skipped",
            FORMAT_ID_OGG => "damaged or missing pages were skipped",
            FORMAT_ID_MKV => {
                if let Some(base) = self.track.time_base {
                    self.gaps.add(packet.pts.get(), base, frames as f64 / f64::from(rate.max(1)));
                }
                return;
            }
            _ => return,
        };
        let start = packet.pts.get();
        // Vorbis' first packet has no samples, and a time before the first one's.
        if self.expected.is_some_and(|expected| expected >= 0 && start > expected) {
            warnings.push(warning);
        }
        self.expected = start.checked_add_unsigned(packet.dur.get());
    }

    /// Whether an edit list ends the recording before this packet. One that begins before the end is played whole, as by
    /// ffmpeg: encoders round the length to milliseconds.
    fn is_beyond_end(&self, packet: &Packet) -> bool {
        self.track.end.is_some_and(|end| packet.pts.get() >= end)
    }

    /// The sample frames of a packet that is longer than what is left, of PCM.
    fn before_end(&self, packet: &Packet, frames: usize) -> usize {
        match self.track.end {
            Some(end) if self.track.ends_within => {
                usize::try_from(end.saturating_sub(packet.pts.get())).unwrap_or(0).min(frames)
            }
            _ => frames,
        }
    }

    /// Gives the core of HE-AAC the delay of the whole, by which its header states where the audio begins.
    fn delay_core(&mut self) {
        if !self.track.sbr {
            return;
        }
        let mut missing = SBR_DELAY;
        if let Trim::Leading { left } = &mut self.track.trim {
            let kept = missing.min(*left);
            (*left, missing) = (*left - kept, missing - kept);
        }
        self.silence = missing as usize;
        // The whole has as many more at its end.
        let rate = u64::from(self.track.params.sample_rate.unwrap_or(0).max(1));
        let behind = (SBR_DELAY * 1_000_000_000).div_ceil(rate);
        self.track.padding = self.track.padding.saturating_add(behind);
    }

    /// MP4 has one name for all layers of MPEG audio: the first packet tells.
    fn look_for_layer(&mut self) -> Decoded<()> {
        let mut warnings = Warnings::default();
        if let Ok(Some(packet)) = self.read_packet(&mut warnings) {
            let layer = match packet.data.get(1).map(|second| second >> 1 & 3) {
                Some(2) => CODEC_ID_MP2,
                Some(3) => CODEC_ID_MP1,
                _ => CODEC_ID_MP3,
            };
            self.ahead.push_back(packet);
            if layer != CODEC_ID_MP3 {
                self.track.params.codec = layer;
                self.decoder = Decoder::new(&self.track)?;
            }
        }
        self.notes.extend(warnings.as_slice().iter().cloned());
        Ok(())
    }

    /// Whether noise is music: it goes on in the next packet, or is the last one.
    fn is_music(&mut self, noise: &Packet, warnings: &mut Warnings) -> bool {
        if self.ahead.is_empty()
            && !self.exhausted
            && let Ok(next) = self.read_packet(warnings)
        {
            self.exhausted = next.is_none();
            self.ahead.extend(next);
        }
        let Some(next) = self.ahead.front() else { return true };
        self.decoder.accept_noise(noise, next).unwrap_or(false)
    }

    /// What is kept of the last packet.
    fn kept_block(&self) -> Block<'_> {
        let kept = self.kept.clone();
        Block { rate: self.rate, frames: kept.len(), samples: self.decoder.samples(kept) }
    }

    fn end(&mut self, warnings: &mut Warnings) {
        self.ended = true;
        self.end_part(warnings);
    }

    /// Says what was missing in a file, or in one of several that follow each other.
    fn end_part(&mut self, warnings: &mut Warnings) {
        let gaps = std::mem::take(&mut self.gaps);
        let said = [gaps.warning(), gaps.end(self.seconds)];
        said.into_iter().flatten().for_each(|warning| warnings.push(warning));
        if let Facts::Elementary { skipped, .. } = &self.facts {
            skipped.warning().into_iter().for_each(|warning| warnings.push(warning));
        }
        // The length of ADTS, and of an MPEG stream without padding, is an estimate; that of a chained Ogg stream is of one
        // link. The last page of Ogg states what all pages have.
        let reliable = match &self.track.trim {
            Trim::Mpeg { padding } => !padding.is_empty(),
            _ if matches!(self.facts, Facts::Elementary { .. }) => false,
            _ => self.kind != FORMAT_ID_OGG || !self.is_chained,
        };
        if let Some(claimed) = self.track.frames.filter(|_| reliable)
            && let written = self.written - self.part
            && claimed > written.saturating_add(CLAIM_SLACK)
        {
            let place = if self.kind == FORMAT_ID_OGG { "last page" } else { "header" };
            warnings.push(format!("truncated: the {place} states {claimed} frames, the file has {written}"));
        }
    }
}

impl Source for Container {
    fn info(&self) -> AudioInfo {
        let channels = self.decoder.channels(&self.track.params);
        AudioInfo {
            format: format_name(self.track.params.codec, self.name),
            sample_rate: self.rate,
            channels: u16::try_from(channels).unwrap_or(u16::MAX),
            frames: self.track.frames,
        }
    }

    fn lacks(&self) -> Option<Lack> {
        if self.track.is_intricate {
            return Some(Lack {
                format: self.info().format,
                warning: "its edit list has several parts: the whole track is decoded; ffmpeg would obey it"
                    .to_owned(),
            });
        }
        self.track.sbr.then(|| {
            let bandwidth = self.track.params.sample_rate.unwrap_or(0) / 2;
            Lack {
                format: format!("HE-{}", self.info().format),
                warning: format!(
                    "HE-AAC is decoded up to {bandwidth} Hz only: the upper half of its bandwidth (SBR) needs ffmpeg"
                ),
            }
        })
    }

    fn advance(&mut self, warnings: &mut Warnings) -> Decoded<bool> {
        self.notes.drain(..).for_each(|note| warnings.push(note));
        if !std::mem::take(&mut self.zeros).is_empty() {
            // The packet that was decoded before the silence in front of it.
            return Ok(true);
        }
        while !self.ended {
            let Some((packet, is_last)) = self.packet(warnings)? else {
                self.end(warnings);
                break;
            };
            let mut decoded = self.decoder.decode(&packet);
            if decoded.as_ref().is_err_and(|reason| reason.contains(OTHER_LAYOUT)) {
                self.decoder = Decoder::new(&self.track)?;
                decoded = self.decoder.decode(&packet);
            }
            if decoded.is_ok() && self.decoder.is_noise() && !self.is_music(&packet, warnings) {
                decoded = Err("ALAC: noise at full scale in one packet alone".to_owned());
            }
            match decoded {
                Ok((rate, frames)) => {
                    self.note_gap(&packet, rate, frames, warnings);
                    self.kept = self.track.trim.keep(&packet, frames);
                    self.kept.end = self.kept.end.min(self.before_end(&packet, frames)).max(self.kept.start);
                    if is_last {
                        let padding =
                            (u128::from(self.track.padding) * u128::from(rate) + 500_000_000) / 1_000_000_000;
                        let end =
                            self.kept.end.saturating_sub(usize::try_from(padding).unwrap_or(usize::MAX));
                        self.kept.end = end.max(self.kept.start);
                    }
                    if !self.kept.is_empty() {
                        self.rate = rate;
                        self.written += self.kept.len() as u64;
                        self.failures = 0;
                        let silence = std::mem::take(&mut self.silence);
                        if silence > 0 {
                            self.written += silence as u64;
                            self.zeros.resize(silence * self.kept_block().channels(), 0.0);
                        }
                        return Ok(true);
                    }
                    // Delay and padding are not failures, unless they never end. What an edit list leaves out does.
                    if !matches!(self.track.trim, Trim::Leading { left: 1.. }) {
                        self.failures += 1;
                    }
                    if self.failures > MAX_FAILURES {
                        return Err(Failure::Damage("its packets have no audio".to_owned()));
                    }
                }
                Err(reason) => self.fail(&reason, warnings)?,
            }
        }
        Ok(false)
    }

    fn encoded(&mut self, out: &mut Vec<u8>, warnings: &mut Warnings) -> Decoded<bool> {
        out.clear();
        let Some((packet, _)) = self.packet(warnings)? else { return Ok(false) };
        out.extend_from_slice(&packet.data);
        Ok(true)
    }

    fn block(&self) -> Block<'_> {
        let block = self.kept_block();
        if self.zeros.is_empty() {
            return block;
        }
        let channels = block.channels();
        let samples = Samples::Interleaved { samples: &self.zeros, channels };
        Block { frames: self.zeros.len() / channels, samples, ..block }
    }

    fn layout(&self) -> Layout {
        self.decoder.layout()
    }
}
