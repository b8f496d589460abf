//! Opens the demuxer of a recognised container, with a view of the file that it can read.

use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::{FormatOptions, FormatReader};
use symphonia::core::io::{MediaSource, MediaSourceStream, MediaSourceStreamOptions};

use super::aac;
use super::elementary::{self, Kind, Skipped, Stream};
use super::input::Input;
use super::probe::Container;
use super::resume::Resume;
use super::source::{Decoded, Failure};
use super::tags::read_at;
use super::view::{Repair, View};
use super::{caf, flac, matroska, mp4, ogg};

/// A demuxer, and what is known beyond what it tells.
pub(super) struct Opened {
    pub format: Box<dyn FormatReader>,
    pub facts: Facts,
    /// What is worth a warning.
    pub note: Option<String>,
    /// How it goes on behind damage, if it can.
    pub resume: Option<Resume>,
}

/// What is known of a container beyond what its demuxer tells.
pub(super) enum Facts {
    Mp4(mp4::Info),
    Matroska(matroska::Info),
    Ogg(ogg::Info),
    /// FLAC, and where another file of it follows.
    Flac {
        next: Option<u64>,
    },
    /// MPEG audio or ADTS, with an estimated number of sample frames.
    Elementary {
        kind: Kind,
        frames: u64,
        /// Bytes that were not audio so far.
        skipped: Arc<Skipped>,
        /// Where frames of another kind begin, at which it ended.
        change: Arc<AtomicU64>,
    },
    Other {
        container: &'static str,
    },
}

type Opener = fn(MediaSourceStream<'static>) -> symphonia::core::errors::Result<Box<dyn FormatReader>>;

/// The function that opens a demuxer, or an error if this build does not include it.
macro_rules! opener {
    ($feature:literal, $reader:ident, $name:literal) => {{
        #[cfg(feature = $feature)]
        let opener: Opener = |stream| {
            Ok(Box::new(symphonia::default::formats::$reader::try_new(stream, FormatOptions::default())?))
        };
        #[cfg(not(feature = $feature))]
        let opener: Opener =
            |_| Err(SymphoniaError::Unsupported(concat!($name, " is not included in this build")));
        opener
    }};
}

/// Opens a container that begins at the start of `range`.
pub(super) fn open(container: Container, mut input: Input, range: Range<u64>) -> Decoded<Opened> {
    let note;
    let (facts, view, opener) = match container {
        Container::Flac => {
            let resume = Resume::new(&input, &range)?;
            let flac::Seen { view, next, note } = flac::view(input, range)?;
            let opened = open_view(Facts::Flac { next }, view, opener!("flac", FlacReader, "FLAC"), note)?;
            return Ok(Opened { resume: Some(resume), ..opened });
        }
        Container::Mp4 => {
            let info = mp4::read(&mut input, range.start);
            if !info.has_moov {
                return Err(Failure::Damage(
                    "MP4: has no index (moov): it was never finished, or is truncated".to_owned(),
                ));
            }
            let view = info.view(input, range.start);
            note = info.is_followed.then(|| "another file follows, and is left out".to_owned());
            // The demuxer expects that the size of the first box has been read.
            let opener: Opener = |mut stream| {
                stream.read_exact(&mut [0; 4])?;
                opener!("mp4", IsoMp4Reader, "MP4")(stream)
            };
            (Facts::Mp4(info), view, opener)
        }
        Container::Matroska => {
            let info = matroska::read(&mut input, range.start);
            let resume = Resume::new(&input, &range)?;
            let opened = open_matroska(info.view(input, range), info)?;
            return Ok(Opened { resume: Some(resume), ..opened });
        }
        Container::Ogg => {
            let info = ogg::read(&mut input, range.start).map_err(Failure::from_io)?;
            let resume = Resume::new(&input, &range)?;
            let view = View::patched(input, range, &info.patches);
            let note = info.is_damaged.then(|| "damaged pages at the beginning were skipped".to_owned());
            let opened = open_view(Facts::Ogg(info), view, opener!("ogg", OggReader, "Ogg"), note)?;
            return Ok(Opened { resume: Some(resume), ..opened });
        }
        Container::Aiff => {
            let head: [u8; 8] = read_at(&mut input, range.start).map_err(Failure::from_io)?;
            let len = u64::from(u32::from_be_bytes([head[4], head[5], head[6], head[7]]));
            let behind: [u8; 12] =
                read_at(&mut input, range.start + 8 + len + (len & 1)).map_err(Failure::from_io)?;
            note = (behind.starts_with(b"FORM") && behind[8..].starts_with(b"AIF"))
                .then(|| "another file follows, and is left out".to_owned());
            (Facts::Other { container: "AIFF" }, View::of(input, range), opener!("aiff", AiffReader, "AIFF"))
        }
        Container::Caf => {
            let (Repair { patches, note }, end) = caf::read(&mut input, &range).map_err(Failure::from_io)?;
            let view = View::patched(input, range.start..end, &patches);
            let facts = Facts::Other { container: "CAF" };
            return open_view(facts, view, opener!("caf", CafReader, "CAF"), note);
        }
        Container::Wav => return open_wav(input, range, Repair::default()),
    };
    open_view(facts, view, opener, note)
}

/// Opens Matroska of which the view shows what can be read.
pub(super) fn open_matroska(view: View, info: matroska::Info) -> Decoded<Opened> {
    let note =
        info.is_damaged().then(|| "damaged between clusters: what cannot be read was skipped".to_owned());
    open_view(Facts::Matroska(info), view, opener!("mkv", MkvReader, "Matroska"), note)
}

/// Opens a WAV file that is not plain PCM, with its header put right.
pub(super) fn open_wav(input: Input, range: Range<u64>, repair: Repair) -> Decoded<Opened> {
    let opener: Opener = |stream| {
        let options = FormatOptions::default();
        Ok(Box::new(symphonia::default::formats::WavReader::try_new(stream, options)?))
    };
    let view = View::patched(input, range, &repair.patches);
    open_view(Facts::Other { container: "WAV" }, view, opener, repair.note)
}

fn open_view(facts: Facts, view: View, opener: Opener, note: Option<String>) -> Decoded<Opened> {
    let mut again = view.as_stream().map_err(Failure::from_io)?;
    let format = match opener(stream(view)) {
        Ok(format) => format,
        Err(error) => {
            // Some demuxers look at the end of a file first, and fail if it is not where the header says. A truncated
            // file may still play from its beginning.
            again.seek(SeekFrom::Start(0)).map_err(Failure::from_io)?;
            opener(stream(again)).map_err(|_| facts.refusal(error))?
        }
    };
    Ok(Opened { format, facts, note, resume: None })
}

/// Opens a stream of frames.
pub(super) fn open_elementary(mut source: Stream, kind: Kind) -> Decoded<Opened> {
    let opener = match kind {
        Kind::Mpeg => opener!("mp3", MpaReader, "MPEG audio"),
        Kind::Adts => opener!("aac", AdtsReader, "AAC"),
    };
    if kind == Kind::Adts
        && let Some(profile) = aac::unsupported_adts(&source.first_bytes().map_err(Failure::from_io)?)
    {
        return Err(Failure::NeedsFfmpeg(profile));
    }
    if kind == Kind::Mpeg && elementary::is_excluded(&source.first_bytes().map_err(Failure::from_io)?) {
        return Err(Failure::NeedsFfmpeg("MP2 with a bit rate that its standard excludes".to_owned()));
    }
    let resume = Some(source.resume()?);
    let facts = Facts::Elementary {
        kind,
        frames: source.estimate().map_err(Failure::from_io)?,
        skipped: source.skipped(),
        change: source.change(),
    };
    let junk = source.junk();
    let note = (junk > 0).then(|| format!("the first {junk} bytes are not audio, and were skipped"));
    let format = opener(stream(source)).map_err(failure)?;
    Ok(Opened { format, facts, note, resume })
}

fn stream(source: impl MediaSource + 'static) -> MediaSourceStream<'static> {
    MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default())
}

impl Facts {
    /// Why a container cannot be opened.
    fn refusal(&self, error: SymphoniaError) -> Failure {
        match (self, error) {
            // Its demuxer reads to the end of the file for a codec that it knows.
            (Facts::Ogg(info), _)
                if !info.codecs.iter().any(|codec| ["Vorbis", "Opus", "FLAC"].contains(codec)) =>
            {
                self.without_audio()
            }
            (Facts::Other { container }, SymphoniaError::Unsupported(reason))
                if !reason.contains("build") =>
            {
                Failure::NeedsFfmpeg(format!("an unusual codec in {container}"))
            }
            (Facts::Flac { .. }, SymphoniaError::Unsupported(reason)) if !reason.contains("build") => {
                Failure::NeedsFfmpeg("an unusual kind of FLAC".to_owned())
            }
            // PCM with more than two channels, and whatever else its demuxer has no rule for.
            (Facts::Mp4(_), SymphoniaError::Unsupported(reason) | SymphoniaError::DecodeError(reason))
                if reason.contains("channels")
                    || reason.contains("unsupported")
                    || reason.contains("pcm") =>
            {
                match self.without_audio() {
                    Failure::NeedsFfmpeg(codec) => Failure::NeedsFfmpeg(format!("{codec} ({reason})")),
                    failure => failure,
                }
            }
            (_, error) => failure(error),
        }
    }
}

pub(super) fn failure(error: SymphoniaError) -> Failure {
    match error {
        SymphoniaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
            Failure::Damage("is truncated in its header".to_owned())
        }
        SymphoniaError::IoError(error) => Failure::from_io(error),
        error => Failure::Damage(error.to_string()),
    }
}
