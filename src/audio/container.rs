//! All formats but plain WAV: Symphonia demuxes containers and decodes most codecs; `opus` and `vorbis` do the rest.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::ops::Range;
use std::sync::atomic::Ordering;

use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::FormatReader;
use symphonia::core::formats::well_known::{FORMAT_ID_FLAC, FORMAT_ID_OGG};
use symphonia::core::packet::Packet;

use super::AudioInfo;
use super::aac::Sbr;
use super::decoder::{Decoder, format_name};
use super::demux::{Facts, Opened, failure};
use super::layout::Layout;
use super::source::{Block, Decoded, Failure, Lack, Source, Warnings};
use super::track::{Chosen, Trim, choose};

/// The largest number of packets in a row without audio. Ten thousand MP3 frames are four minutes.
const MAX_FAILURES: usize = 10_000;
/// The largest difference from the stated length that is not reported: encoders round to whole packets.
const CLAIM_SLACK: u64 = 8_192;

/// One audio track of a container.
pub(super) struct Container {
    format: Box<dyn FormatReader>,
    facts: Facts,
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
    /// The expected start of the next packet of FLAC and Ogg.
    expected: Option<i64>,
    /// Packets in a row without audio.
    failures: usize,
    /// Bytes that packets may still have: a valid container gives no more than the file has.
    budget: u64,
    ended: bool,
    /// Warnings about the start, reported with the first block.
    notes: Vec<String>,
}

impl Container {
    /// Chooses the track. `len` is the length of the file.
    pub(super) fn new(opened: Opened, len: u64) -> Decoded<Self> {
        let Opened { format, facts, note } = opened;
        let (mut track, decoder) = choose(format.as_ref(), &facts)?;
        let notes = note.into_iter().chain(track.note.take()).collect();
        let rate = track.params.sample_rate.unwrap_or(0);
        let mut container = Self {
            format,
            facts,
            track,
            decoder,
            ahead: VecDeque::new(),
            exhausted: false,
            kept: 0..0,
            rate,
            written: 0,
            expected: None,
            failures: 0,
            budget: len.saturating_add(1 << 16),
            ended: false,
            notes,
        };
        if container.track.params.codec == CODEC_ID_AAC && !container.track.sbr {
            container.look_for_sbr();
        }
        Ok(container)
    }

    /// Looks at the first packets of AAC, for most HE-AAC is not announced. They are decoded later.
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
    }

    /// The next packet of the track, and whether it is the last; `None` at the end.
    fn packet(&mut self, warnings: &mut Warnings) -> Decoded<Option<(Packet, bool)>> {
        // The last packet is only known as such where it has padding of its own.
        let wanted = if self.track.padding > 0 { 2 } else { 1 };
        while self.ahead.len() < wanted && !self.exhausted {
            match self.read_packet(warnings) {
                Ok(Some(packet)) => self.ahead.push_back(packet),
                Ok(None) => self.exhausted = true,
                Err(failure) if self.ahead.is_empty() => return Err(failure),
                Err(_) => break,
            }
        }
        let is_last = self.exhausted && self.ahead.len() == 1;
        Ok(self.ahead.pop_front().map(|packet| (packet, is_last)))
    }

    /// Reads the next packet of the track; `None` at the end.
    fn read_packet(&mut self, warnings: &mut Warnings) -> Decoded<Option<Packet>> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return Ok(None),
                Err(SymphoniaError::ResetRequired) => {
                    self.restart()?;
                    continue;
                }
                Err(SymphoniaError::IoError(error)) if error.kind() == ErrorKind::UnexpectedEof => {
                    // What was written to a pipe has no stated end.
                    let is_end =
                        matches!(&self.facts, Facts::Matroska(info) if info.is_unbounded && info.is_whole);
                    if !is_end {
                        warnings.push("truncated: the file ends in the middle");
                    }
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
        (self.track, self.decoder) = choose(self.format.as_ref(), &self.facts)?;
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
        // Some decoders keep the parameters of their first packet, and AAC those of a damaged one. Not after every packet
        // of MP3, whose frames need what the decoder has of those before.
        if self.failures == 2 || (self.failures > 2 && self.track.params.codec == CODEC_ID_AAC) {
            self.decoder = Decoder::new(&self.track)?;
        }
        Ok(())
    }

    /// Warns if audio is missing before this packet: the demuxers of FLAC and Ogg skip what is damaged without an error.
    fn note_gap(&mut self, packet: &Packet, warnings: &mut Warnings) {
        let warning = match self.format.format_info().format {
            FORMAT_ID_FLAC => "damaged frames were skipped",
            FORMAT_ID_OGG => "damaged or missing pages were skipped",
            _ => return,
        };
        let start = packet.pts.get();
        // Vorbis' first packet has no samples, and a time before the first one's.
        if self.expected.is_some_and(|expected| expected >= 0 && start > expected) {
            warnings.push(warning);
        }
        self.expected = start.checked_add_unsigned(packet.dur.get());
    }

    /// Ends the recording where an edit list ends it. Encoders round its length to milliseconds, and many leave out the
    /// padding of the last packet, which other decoders keep: that is not an end.
    fn end_at_edit(&mut self, rate: u32) {
        let Some(frames) = self.track.seconds.map(|seconds| (seconds * f64::from(rate)).round() as u64)
        else {
            return;
        };
        let is_well_before = self.track.frames.is_some_and(|all| all > frames.saturating_add(CLAIM_SLACK));
        if is_well_before && self.written + self.kept.len() as u64 >= frames {
            self.kept.end = self.kept.start + (frames - self.written.min(frames)) as usize;
            self.ended = true;
        }
    }

    fn end(&mut self, warnings: &mut Warnings) {
        self.ended = true;
        if let Facts::Elementary { between, .. } = &self.facts {
            let bytes = between.load(Ordering::Relaxed);
            if bytes > 0 {
                warnings.push(format!("{bytes} bytes between frames are not audio, and were skipped"));
            }
        }
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
        let channels = self.decoder.channels(&self.track.params);
        AudioInfo {
            format: format_name(self.track.params.codec, self.format.format_info().short_name),
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
        while !self.ended {
            let Some((packet, is_last)) = self.packet(warnings)? else {
                self.end(warnings);
                break;
            };
            match self.decoder.decode(&packet) {
                Ok((rate, frames)) => {
                    self.note_gap(&packet, warnings);
                    self.kept = self.track.trim.keep(&packet, frames);
                    if is_last {
                        let padding = u128::from(self.track.padding) * u128::from(rate) / 1_000_000_000;
                        let end =
                            self.kept.end.saturating_sub(usize::try_from(padding).unwrap_or(usize::MAX));
                        self.kept.end = end.max(self.kept.start);
                    }
                    self.end_at_edit(rate);
                    if !self.kept.is_empty() {
                        self.rate = rate;
                        self.written += self.kept.len() as u64;
                        self.failures = 0;
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
        let kept = self.kept.clone();
        Block { rate: self.rate, frames: kept.len(), samples: self.decoder.samples(kept) }
    }

    fn layout(&self) -> Layout {
        self.decoder.layout()
    }
}
