//! Where a recording goes on: behind damage that its demuxer fails at, and in another file that was appended to it.

use std::ops::Range;
use std::sync::atomic::Ordering;

use symphonia::core::formats::FormatReader;

use super::demux::{self, Facts, Opened};
use super::elementary::Stream;
use super::input::Input;
use super::ogg;
use super::probe::Container;
use super::source::{Decoded, Failure};

/// The largest number of damaged places in a container: behind each, it is opened anew.
const MAX_TIMES: usize = 200;
/// The largest number of parts that follow each other.
const MAX_PARTS: usize = 10_000;

/// What it takes to open a container at another place.
pub(super) struct Resume {
    input: Input,
    /// Where the container begins, and where the input ends.
    range: Range<u64>,
    /// Where it went on behind damage the last time.
    last: u64,
    /// How often that was.
    times: usize,
    /// How many parts there were before.
    parts: usize,
}

impl Resume {
    pub(super) fn new(input: &Input, range: &Range<u64>) -> Decoded<Self> {
        let input = input.reopen().map_err(Failure::from_io)?;
        Ok(Self { input, range: range.clone(), last: range.start, times: 0, parts: 0 })
    }

    /// A demuxer of what follows the damage, if the one that failed had read up to `position` of its bytes. In Matroska,
    /// that is the next cluster; in Ogg, the link of a chain whose beginning is damaged.
    pub(super) fn behind(&mut self, facts: &Facts, position: u64) -> Decoded<Option<Opened>> {
        let position = position.saturating_add(self.range.start);
        let place = match facts {
            _ if self.times >= MAX_TIMES => None,
            Facts::Matroska(info) => info.cluster_after(&mut self.input, position),
            Facts::Ogg(_) => {
                ogg::link_of(&mut self.input, self.range.start, position).map_err(Failure::from_io)?
            }
            _ => None,
        };
        let Some(place) = place.filter(|place| *place > self.last) else { return Ok(None) };
        (self.last, self.times) = (place, self.times + 1);
        let input = self.input.reopen().map_err(Failure::from_io)?;
        let opened = match facts {
            Facts::Matroska(info) => {
                demux::open_matroska(info.view_from(input, self.range.clone(), place), info.clone())
            }
            _ => self.opened(Container::Ogg, place),
        };
        match opened {
            Ok(opened) => Ok(Some(opened)),
            Err(Failure::Io(error)) => Err(Failure::Io(error)),
            Err(_) => Ok(None),
        }
    }

    /// A demuxer of what follows the end: another file, another link of a chain that the demuxer does not know, or frames
    /// of another kind. The error is why that cannot be read.
    pub(super) fn next(
        &mut self,
        facts: &Facts,
        format: Option<&dyn FormatReader>,
    ) -> Decoded<Option<Opened>> {
        let (container, place) = match facts {
            Facts::Flac { next } => (Container::Flac, *next),
            Facts::Matroska(info) => (Container::Matroska, info.next),
            Facts::Ogg(info) => {
                let tracks = format.map_or(&[][..], |format| format.tracks());
                let known: Vec<u32> =
                    tracks.iter().map(|track| track.id).chain(info.serials.iter().copied()).collect();
                let unplayed = ogg::unplayed(&mut self.input, &self.range, &known);
                (Container::Ogg, unplayed.map_err(Failure::from_io)?)
            }
            Facts::Elementary { change, kind, .. } => {
                let place = change.load(Ordering::Relaxed);
                if place <= self.range.start {
                    return Ok(None);
                }
                let input = self.input.reopen().map_err(Failure::from_io)?;
                let found = Stream::find(input, *kind, place..self.range.end).map_err(Failure::from_io)?;
                let Ok(stream) = found else { return Ok(None) };
                self.count_part()?;
                let mut opened = demux::open_elementary(stream, *kind)?;
                self.hand_on(&mut opened, place);
                return Ok(Some(opened));
            }
            _ => return Ok(None),
        };
        match place.filter(|place| *place > self.range.start) {
            Some(place) => {
                self.count_part()?;
                self.opened(container, place).map(Some)
            }
            None => Ok(None),
        }
    }

    fn count_part(&mut self) -> Decoded<()> {
        self.parts += 1;
        match self.parts {
            1..=MAX_PARTS => Ok(()),
            _ => Err(Failure::Damage(format!("there are more than {MAX_PARTS} parts"))),
        }
    }

    fn opened(&mut self, container: Container, place: u64) -> Decoded<Opened> {
        let input = self.input.reopen().map_err(Failure::from_io)?;
        let mut opened = demux::open(container, input, place..self.range.end)?;
        self.hand_on(&mut opened, place);
        Ok(opened)
    }

    /// Counts for what is opened, too.
    fn hand_on(&mut self, opened: &mut Opened, place: u64) {
        if let Some(resume) = &mut opened.resume {
            (resume.times, resume.parts, resume.last) = (self.times, self.parts, place);
            resume.range = place..self.range.end;
        }
    }
}
