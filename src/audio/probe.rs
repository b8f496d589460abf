//! Recognises the format of a recording: by the signature at the start of its container, and nowhere else.
//!
//! Compressed formats often carry a WAV header, and anything can carry two bytes that look like an MPEG frame. So a
//! signature counts where the container begins: at the start of the file, or after the tags there. Only MPEG audio and
//! ADTS, which have no container, are searched behind junk; see `elementary`.

use std::ops::Range;

use super::elementary::{self, Kind, Stream};
use super::input::Input;
use super::source::{Decoded, Failure};
use super::tags::{self, read_at};

/// Bytes at the start that signatures are in.
const HEAD: usize = 16 * 1024;

/// A recognised format.
pub(super) enum Found {
    /// A container that begins at the start of the range; its tags are outside of it.
    Container(Container, Input, Range<u64>),
    /// MPEG audio or ADTS.
    Elementary(Box<Stream>, Kind),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    Wav,
    Flac,
    Ogg,
    Mp4,
    Matroska,
    Aiff,
    Caf,
}

impl Container {
    /// Its usual name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Container::Wav => "WAV",
            Container::Flac => "FLAC",
            Container::Ogg => "Ogg",
            Container::Mp4 => "MP4",
            Container::Matroska => "Matroska",
            Container::Aiff => "AIFF",
            Container::Caf => "CAF",
        }
    }
}

/// Recognises the format of the input.
///
/// # Errors
/// [`Failure::NeedsFfmpeg`] for formats that only ffmpeg decodes here, [`Failure::Damage`] for what is no audio or in no
/// format that either of them decodes, by its name if it has one.
pub(super) fn recognise(mut input: Input) -> Decoded<Found> {
    let range = tags::without_tags(&mut input).map_err(Failure::from_io)?;
    let head: [u8; HEAD] = read_at(&mut input, range.start).map_err(Failure::from_io)?;
    let head = &head[..HEAD.min((range.end - range.start) as usize)];
    if let Some(container) = container(head) {
        return Ok(Found::Container(container, input, range));
    }
    if let Some((name, decoder)) = foreign(head) {
        return Err(match decoder {
            Decoder::Ffmpeg => Failure::NeedsFfmpeg(name.to_owned()),
            Decoder::None => Failure::Damage(format!("is {name}, which is not supported")),
            Decoder::NotAudio => Failure::Damage(format!("is not audio, but {name}")),
        });
    }
    elementary(input, range, head)
}

/// Searches MPEG audio and ADTS, first where tags end and then, if their length is wrong, from the file's start.
fn elementary(mut input: Input, range: Range<u64>, head: &[u8]) -> Decoded<Found> {
    for kind in [Kind::Mpeg, Kind::Adts] {
        if kind.header(head).is_some() {
            match Stream::find(input, kind, range.clone()).map_err(Failure::from_io)? {
                Ok(stream) if stream.position() == range.start => {
                    return Ok(Found::Elementary(Box::new(stream), kind));
                }
                Ok(stream) => input = stream.into_input(),
                Err(back) => input = back,
            }
        }
    }
    if elementary::is_free_format(head) {
        return Err(Failure::Damage("is MPEG audio in free format, which is not supported".to_owned()));
    }
    let mut first: Option<(Box<Stream>, Kind)> = None;
    for kind in [Kind::Mpeg, Kind::Adts] {
        let again = input.reopen().map_err(Failure::from_io)?;
        if let Ok(stream) = Stream::find(again, kind, 0..range.end).map_err(Failure::from_io)? {
            let is_earlier = first.as_ref().is_none_or(|(other, _)| stream.position() < other.position());
            if is_earlier {
                first = Some((Box::new(stream), kind));
            }
        }
    }
    match first {
        Some((stream, kind)) => Ok(Found::Elementary(stream, kind)),
        None => Err(Failure::Damage("is not in a supported audio format".to_owned())),
    }
}

/// The container that begins with these bytes, if it is one that an embedded demuxer reads.
fn container(head: &[u8]) -> Option<Container> {
    let at =
        |start: usize, signature: &[u8]| head.get(start..).is_some_and(|head| head.starts_with(signature));
    Some(match head.get(..4)? {
        b"RIFF" | b"RF64" | b"BW64" if at(8, b"WAVE") => Container::Wav,
        b"fLaC" => Container::Flac,
        b"OggS" => Container::Ogg,
        b"FORM" if at(8, b"AIFF") || at(8, b"AIFC") => Container::Aiff,
        b"caff" => Container::Caf,
        [0x1a, 0x45, 0xdf, 0xa3] => Container::Matroska,
        _ if at(4, b"ftyp") => Container::Mp4,
        _ => return None,
    })
}

/// Who reads a format that no embedded decoder reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Decoder {
    Ffmpeg,
    /// Audio that ffmpeg does not decode either.
    None,
    NotAudio,
}

/// The name of another format that begins with these bytes.
fn foreign(head: &[u8]) -> Option<(&'static str, Decoder)> {
    use Decoder::{Ffmpeg, None as Nobody, NotAudio};
    /// Offset, signature, name and decoder.
    const KNOWN: &[(usize, &[u8], &str, Decoder)] = &[
        (0, b"wvpk", "WavPack", Ffmpeg),
        (0, b"MAC ", "Monkey's Audio", Ffmpeg),
        (0, b"MACF", "Monkey's Audio", Ffmpeg),
        (0, b"tBaK", "TAK", Ffmpeg),
        (0, b"ajkg", "Shorten", Ffmpeg),
        (0, b"OFR ", "OptimFROG", Nobody),
        (0, b"OFS ", "OptimFROG", Nobody),
        (0, b"LA02", "Lossless Audio", Nobody),
        (0, b"LA03", "Lossless Audio", Nobody),
        (0, b"LA04", "Lossless Audio", Nobody),
        (0, b"RKA", "RK Audio", Nobody),
        (0, b"LPAC", "LPAC", Nobody),
        (0, b"TTA1", "TTA", Ffmpeg),
        (0, b"TTA2", "TTA2", Nobody),
        (0, b"MP+", "Musepack", Ffmpeg),
        (0, b"MPCK", "Musepack", Ffmpeg),
        (0, b"DSD ", "DSD (DSF)", Ffmpeg),
        (0, b"FRM8", "DSD (DSDIFF)", Ffmpeg),
        (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media (ASF)", Ffmpeg),
        (0, b"\x0b\x77", "AC-3 or E-AC-3", Ffmpeg),
        (0, b"\x77\x0b", "AC-3 or E-AC-3", Ffmpeg),
        (4, b"\xf8\x72\x6f\xba", "TrueHD", Ffmpeg),
        (4, b"\xf8\x72\x6f\xbb", "MLP", Ffmpeg),
        (0, b"\x7f\xfe\x80\x01", "DTS", Ffmpeg),
        (0, b"\xfe\x7f\x01\x80", "DTS", Ffmpeg),
        (0, b"\x1f\xff\xe8\x00", "DTS", Ffmpeg),
        (0, b"\xff\x1f\x00\xe8", "DTS", Ffmpeg),
        (0, b"DTSHDHDR", "DTS-HD", Ffmpeg),
        (0, b"#!AMR", "AMR", Ffmpeg),
        (0, b"#!SILK", "SILK", Nobody),
        (1, b"#!SILK", "SILK", Nobody),
        (0, b".snd", "Sun audio (AU)", Ffmpeg),
        (0, b".RMF", "RealMedia", Ffmpeg),
        (0, b".ra\xfd", "RealAudio", Ffmpeg),
        (0, b"riff\x2e\x91\xcf\x11", "Wave64", Ffmpeg),
        (0, b"Creative Voice File", "Creative Voice", Ffmpeg),
        (0, b"\x64\xa3\x01\x00", "IRCAM", Ffmpeg),
        (0, b"\x64\xa3\x02\x00", "IRCAM", Ffmpeg),
        (0, b"NIST_1A", "NIST SPHERE", Ffmpeg),
        (0, b"RIFX", "WAV with big-endian samples (RIFX)", Ffmpeg),
        (0, b"FLV\x01", "Flash video", Ffmpeg),
        (0, b"\x00\x00\x01\xba", "an MPEG program stream", Ffmpeg),
        (0, b"\x00\x00\x01\xb3", "MPEG video", NotAudio),
        (0, b"TWIN", "TwinVQ", Ffmpeg),
        (0, b"ADIF", "AAC in ADIF", Ffmpeg),
        (8, b"AVI ", "AVI", Ffmpeg),
        (8, b"8SVX", "IFF 8SVX", Ffmpeg),
        (8, b"16SV", "IFF 16SV", Ffmpeg),
        (8, b"XWMA", "xWMA", Ffmpeg),
        (8, b"WEBP", "a WebP picture", NotAudio),
        (8, b"CDXA", "an XA video CD track", Ffmpeg),
        (8, b"RMID", "MIDI", Nobody),
        (4, b"moov", "QuickTime", Ffmpeg),
        (4, b"mdat", "QuickTime", Ffmpeg),
        (4, b"wide", "QuickTime", Ffmpeg),
        (4, b"pnot", "QuickTime", Ffmpeg),
        (4, b"free", "QuickTime", Ffmpeg),
        (4, b"skip", "QuickTime", Ffmpeg),
        (4, b"udta", "QuickTime", Ffmpeg),
        (4, b"styp", "a segment of an MP4 stream", Ffmpeg),
        (0, b"nut/multimedia container\0", "NUT", Ffmpeg),
        (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01\x0d\x01\x02", "MXF", Ffmpeg),
        (4, b"jP  \r\n\x87\n", "a JPEG 2000 picture", NotAudio),
        (0, b"MThd", "MIDI", Nobody),
        (0, b"IMPM", "an Impulse Tracker module", Nobody),
        (0, b"Extended Module: ", "a FastTracker module", Nobody),
        (44, b"SCRM", "a ScreamTracker module", Nobody),
        (0, b"PSID", "SID music", Nobody),
        (0, b"RSID", "SID music", Nobody),
        (0, b"NESM\x1a", "NES music", Nobody),
        (0, b"SNES-SPC700", "SPC music", Nobody),
        (0, b"Vgm ", "VGM music", Nobody),
        (0, b"\xff\xd8\xff", "a JPEG picture", NotAudio),
        (0, b"\x89PNG\r\n", "a PNG picture", NotAudio),
        (0, b"GIF8", "a GIF picture", NotAudio),
        (0, b"BM", "a BMP picture", NotAudio),
        (0, b"%PDF-", "a PDF document", NotAudio),
        (0, b"PK\x03\x04", "a ZIP archive", NotAudio),
        (0, b"PK\x05\x06", "a ZIP archive", NotAudio),
        (0, b"Rar!\x1a\x07", "a RAR archive", NotAudio),
        (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", NotAudio),
        (0, b"\x1f\x8b\x08", "a gzip archive", NotAudio),
        (0, b"BZh", "a bzip2 archive", NotAudio),
        (0, b"\xfd7zXZ\0", "an xz archive", NotAudio),
        (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive", NotAudio),
        (257, b"ustar", "a tar archive", NotAudio),
        (0, b"\x7fELF", "a program", NotAudio),
        (0, b"MZ", "a program", NotAudio),
        (0, b"SQLite format 3\0", "a database", NotAudio),
        (0, b"<?xml", "XML", NotAudio),
        (0, b"<!DOCTYPE", "HTML", NotAudio),
        (0, b"<!doctype", "HTML", NotAudio),
        (0, b"<html", "HTML", NotAudio),
        (0, b"#EXTM3U", "a playlist", NotAudio),
        (0, b"[playlist]", "a playlist", NotAudio),
        (0, b"CWS", "a Flash program", NotAudio),
        (0, b"FWS", "a Flash program", NotAudio),
    ];
    let known = KNOWN.iter().find(|(at, signature, ..)| {
        // Two letters are little evidence: the rest must look the part.
        let fits = match *signature {
            b"BM" => head.get(6..10) == Some(&[0; 4]),
            b"MZ" => head.get(60..64).is_some_and(|offset| offset[2..] == [0; 2]),
            // The version of the bit stream; up to 10 is AC-3, up to 16 is E-AC-3.
            b"\x0b\x77" => head.get(5).is_some_and(|version| version >> 3 <= 16),
            b"\x77\x0b" => head.get(4).is_some_and(|version| version >> 3 <= 16),
            _ => true,
        };
        fits && head.get(*at..).is_some_and(|head| head.starts_with(signature))
    });
    if let Some((_, _, name, decoder)) = known {
        return Some((name, *decoder));
    }
    // AAC in LOAS has frames with a mark of eleven bits and a length of thirteen.
    let loas = |at: usize| match head.get(at..at + 3) {
        Some(&[0x56, second, third]) if second & 0xe0 == 0xe0 => {
            Some(at + 3 + (usize::from(second & 0x1f) << 8 | usize::from(third)))
        }
        _ => None,
    };
    if loas(0).and_then(loas).and_then(loas).is_some() {
        return Some(("AAC in LOAS", Ffmpeg));
    }
    // MPEG transport streams have a mark every 188 bytes, or 192 behind a time stamp.
    let is_transport =
        |start: usize, len: usize| (0..5).all(|packet| head.get(start + packet * len) == Some(&0x47));
    (is_transport(0, 188) || is_transport(4, 192)).then_some(("an MPEG transport stream", Ffmpeg))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(bytes: &[u8]) -> String {
        match recognise(Input::from_bytes(bytes.to_vec().into())) {
            Ok(Found::Container(container, ..)) => format!("{container:?}"),
            Ok(Found::Elementary(_, kind)) => format!("{kind:?}"),
            Err(Failure::NeedsFfmpeg(name)) => format!("ffmpeg: {name}"),
            Err(Failure::Damage(reason) | Failure::Unreadable { reason, .. }) => reason,
            Err(Failure::Io(error)) => error.to_string(),
        }
    }

    #[test]
    fn a_signature_counts_at_the_start_alone() {
        let wav = b"RIFF\x24\x10\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".as_slice();
        assert_eq!(reason(wav), "Wav");
        let inside = |start: &[u8]| reason(&[start, &[0; 28], wav, &[7; 4000]].concat());
        assert_eq!(inside(b"wvpk"), "ffmpeg: WavPack");
        assert_eq!(inside(b"MAC \x96\x0f"), "ffmpeg: Monkey's Audio");
        assert_eq!(inside(b"tBaK"), "ffmpeg: TAK");
        assert_eq!(inside(b"ajkg\x02"), "ffmpeg: Shorten");
        assert!(inside(b"OFR ").contains("OptimFROG, which is not supported"));
        assert_eq!(inside(b"something"), "is not in a supported audio format");
        assert_eq!(inside(&[0; 4]), "is not in a supported audio format");
        let tagged = [b"ID3\x04\0\0\0\0\0\x04tags".as_slice(), wav].concat();
        assert_eq!(reason(&tagged), "Wav", "after a tag");
        let tagged = [b"ID3\x04\0\0\0\0\0\x04tags".as_slice(), b"wvpk", &[0; 100]].concat();
        assert_eq!(reason(&tagged), "ffmpeg: WavPack");
    }

    #[test]
    fn what_is_no_audio_is_called_by_its_name() {
        assert!(reason(b"\xff\xd8\xff\xe0\0\x10JFIF").contains("a JPEG picture"));
        assert!(reason(b"PK\x03\x04 and an MP3 in it").contains("a ZIP archive"));
        let loas = [b"\x56\xe0\x64".as_slice(), &[9; 100]].concat().repeat(5);
        assert_eq!(reason(&loas), "ffmpeg: AAC in LOAS");
        let transport: Vec<u8> = (0..188 * 8).map(|at| if at % 188 == 0 { 0x47 } else { 1 }).collect();
        assert_eq!(reason(&transport), "ffmpeg: an MPEG transport stream");
        assert_eq!(reason(b"BM is how this text begins"), "is not in a supported audio format");
        assert_eq!(reason(b""), "is not in a supported audio format");
    }
}
