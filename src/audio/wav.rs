//! WAV files: hound parses the format, and the samples are converted here.
//!
//! The lengths in headers are often wrong: recorders that lost power leave zeros, pipes leave `0xFFFFFFFF`, RF64 has
//! the real length elsewhere. So the chunks are parsed here, where the file's real length is known, and hound gets only
//! the `fmt ` chunk. Compressed audio is returned to the caller: ADPCM, with the lengths put right, and MP3 in WAV.

use std::io::{Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use hound::SampleFormat;

use super::AudioInfo;
use super::elementary::Kind;
use super::input::Input;
use super::layout::Layout;
use super::source::{Block, Decoded, Failure, Samples, Source, Warnings};
use super::tags::read_at;
use super::view::Repair;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;
/// The longest valid `fmt ` chunk.
const MAX_FORMAT: u32 = 4096;
/// Bytes of samples that are searched for the marks of compressed audio.
const MARKS_WITHIN: usize = 64 * 1024;
/// Bytes behind the last chunk that are not worth a warning.
const MAX_REST: u64 = 4096;
/// The largest number of chunks before the samples.
const MAX_CHUNKS: usize = 4096;

/// A WAV file with uncompressed samples.
pub(super) struct Wav {
    input: Input,
    encoding: Encoding,
    rate: u32,
    channels: usize,
    layout: Layout,
    /// Bytes of a sample frame, at most 65,535.
    frame_bytes: usize,
    /// The length that the header states, in sample frames.
    claimed: Option<u64>,
    /// Bytes left to read.
    left: u64,
    bytes: Vec<u8>,
    samples: Vec<f32>,
    /// Warnings about lengths, reported with the first block.
    notes: Vec<String>,
}

/// How one little-endian sample is stored.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Encoding {
    Unsigned8,
    Signed16,
    Signed24,
    Signed32,
    Float32,
    Float64,
    /// G.711, which hound does not know, nor 64-bit floats.
    ALaw,
    MuLaw,
}

/// What to do with a WAV file whose samples are not plain PCM.
pub(super) enum Other {
    /// MPEG audio or AAC frames in this range.
    Frames(Kind, Range<u64>),
    /// Samples that the demuxer may decode, with its header put right; and why they are not plain PCM, unless that is
    /// ADPCM.
    Demuxer(Repair, Option<Failure>),
    /// Neither.
    Refused(Failure),
}

/// Opens a WAV file with plain PCM samples that lies in `range`, or returns the input with what it is.
pub(super) fn open(mut input: Input, range: &Range<u64>) -> Result<Wav, (Input, Other)> {
    match parse(&mut input, range) {
        Ok(header) => Ok(Wav::new(input, header)),
        Err(other) => Err((input, other)),
    }
}

struct Header {
    encoding: Encoding,
    rate: u32,
    channels: usize,
    layout: Layout,
    frame_bytes: usize,
    claimed: Option<u64>,
    left: u64,
    notes: Vec<String>,
}

fn parse(input: &mut Input, range: &Range<u64>) -> Result<Header, Other> {
    let damage = |reason: &str| Other::Refused(Failure::Damage(format!("WAV: {reason}")));
    let io = |error| Other::Refused(Failure::from_io(error));
    let start: [u8; 12] = read_at(input, range.start).map_err(io)?;
    let riff_len = u32::from_le_bytes([start[4], start[5], start[6], start[7]]);
    let (mut format, mut long_data, mut fact) = (None, None, None);
    let mut position = range.start + 12;
    for _ in 0..MAX_CHUNKS {
        if position + 8 > range.end {
            return Err(damage("has no data chunk"));
        }
        let head: [u8; 8] = read_at(input, position).map_err(io)?;
        position += 8;
        let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        match &head[..4] {
            b"fmt " if len <= MAX_FORMAT => {
                let mut bytes = vec![0; len as usize];
                input.read_exact(&mut bytes).map_err(|_| damage("ends in its fmt chunk"))?;
                format = Some(bytes);
            }
            b"fmt " => return Err(damage("has an invalid fmt chunk")),
            b"ds64" if len >= 16 => {
                let mut bytes = [0; 16];
                input.read_exact(&mut bytes).map_err(|_| damage("ends in its ds64 chunk"))?;
                long_data = Some(u64::from_le_bytes(bytes[8..].try_into().expect("eight bytes")));
            }
            b"fact" => fact = Some(position - 8),
            b"data" => {
                let format = format.ok_or_else(|| damage("has no fmt chunk before its data"))?;
                let there = range.end - position;
                let mut length = Length::of(len, long_data, riff_len, there, range.end - range.start);
                let data = position..position + length.left;
                other_codec(&format, data.clone())?;
                if let Some(ADPCM_MICROSOFT | ADPCM_IMA) = tag(&format) {
                    return Err(Other::Demuxer(length.repair(range, position, fact), None));
                }
                disguised(input, data.clone())?;
                if length.note.is_none() {
                    length.note = behind(input, data.end, range.end).map_err(io)?;
                }
                input.seek(SeekFrom::Start(position)).map_err(io)?;
                return header(format, &length, there)
                    .map_err(|reason| Other::Demuxer(length.repair(range, position, fact), Some(reason)));
            }
            _ => {}
        }
        // Chunks are padded to even lengths.
        position += u64::from(len) + u64::from(len & 1);
    }
    Err(damage("has no data chunk among its first chunks"))
}

/// What follows the samples and the chunks behind them, if it is another file or in no chunk.
fn behind(input: &mut Input, mut position: u64, end: u64) -> std::io::Result<Option<String>> {
    for _ in 0..MAX_CHUNKS {
        position += position & 1;
        if position + 12 > end {
            break;
        }
        let head: [u8; 12] = read_at(input, position)?;
        let rest = end - position;
        if matches!(&head[..4], b"RIFF" | b"RF64") && &head[8..] == b"WAVE" {
            return Ok(Some("another file follows, and is left out".to_owned()));
        }
        if !head[..4].iter().all(|byte| matches!(byte, b' '..=b'~')) {
            let is_other = rest > MAX_REST && head.iter().any(|byte| *byte != 0);
            return Ok(is_other
                .then(|| format!("{rest} bytes behind the samples are in no chunk, and are left out")));
        }
        position += 8 + u64::from(u32::from_le_bytes([head[4], head[5], head[6], head[7]]));
    }
    Ok(None)
}

/// The format tag of a `fmt ` chunk, which in its extensible form stands in its last part.
fn tag(format: &[u8]) -> Option<u16> {
    let at = |at: usize| Some(u16::from_le_bytes([*format.get(at)?, *format.get(at + 1)?]));
    match at(0)? {
        0xfffe => at(24),
        tag => Some(tag),
    }
}

const PCM_FLOAT: u16 = 0x03;
const A_LAW: u16 = 0x06;
const MU_LAW: u16 = 0x07;
const ADPCM_MICROSOFT: u16 = 0x02;
const ADPCM_IMA: u16 = 0x11;

/// Refuses, or passes on, samples that are compressed.
fn other_codec(format: &[u8], data: Range<u64>) -> Result<(), Other> {
    let name = match tag(format) {
        None | Some(0x01 | PCM_FLOAT | A_LAW | MU_LAW | ADPCM_MICROSOFT | ADPCM_IMA) => return Ok(()),
        Some(0x50 | 0x55) => return Err(Other::Frames(Kind::Mpeg, data)),
        Some(0x1600) => return Err(Other::Frames(Kind::Adts, data)),
        Some(0x10) => "OKI ADPCM".to_owned(),
        Some(0x20) => "Yamaha ADPCM".to_owned(),
        Some(0x22) => "TrueSpeech".to_owned(),
        Some(0x31 | 0x32) => "GSM 6.10".to_owned(),
        Some(0x14 | 0x40 | 0x45 | 0x64 | 0x65) => "G.72x".to_owned(),
        Some(0x61 | 0x62) => "Duck ADPCM".to_owned(),
        Some(0x69) => "Xbox ADPCM".to_owned(),
        Some(0xff | 0x1601 | 0x1602 | 0x1610) => "AAC".to_owned(),
        Some(0x0160..=0x0163) => "Windows Media Audio".to_owned(),
        Some(0x0270) => "ATRAC3".to_owned(),
        Some(0x0200) => "Creative ADPCM".to_owned(),
        Some(0x2000 | 0x92) => "AC-3".to_owned(),
        Some(0x2001) => "DTS".to_owned(),
        Some(0x5756) => "WavPack".to_owned(),
        Some(0x674f..=0x6771 | 0x566f) => "Vorbis".to_owned(),
        Some(0x704f) => "Opus".to_owned(),
        Some(0xf1ac) => "FLAC".to_owned(),
        Some(other) => format!("the codec {other:#06x}"),
    };
    Err(Other::Refused(Failure::NeedsFfmpeg(format!("{name} in WAV"))))
}

/// Refuses compressed audio that says it is PCM, as for a receiver at a digital output: DTS, and AC-3 by IEC 61937.
/// Played as PCM, it is noise.
fn disguised(input: &mut Input, data: Range<u64>) -> Result<(), Other> {
    const MARKS: [(&[u8], &str); 5] = [
        (b"\x7f\xfe\x80\x01", "DTS"),
        (b"\xfe\x7f\x01\x80", "DTS"),
        (b"\x1f\xff\xe8\x00\x07", "DTS"),
        (b"\xff\x1f\x00\xe8", "DTS"),
        (b"\x72\xf8\x1f\x4e", "AC-3 or DTS (IEC 61937)"),
    ];
    let mut start = vec![0; MARKS_WITHIN.min((data.end - data.start) as usize)];
    input.seek(SeekFrom::Start(data.start)).map_err(|error| Other::Refused(Failure::from_io(error)))?;
    let count = input.read_up_to(&mut start).map_err(|error| Other::Refused(Failure::from_io(error)))?;
    for (mark, name) in MARKS {
        let mut places = start[..count].windows(mark.len()).enumerate().filter(|(_, bytes)| *bytes == mark);
        // Frames have one length: three marks at two equal distances.
        if let (Some((a, _)), Some((b, _)), Some((c, _))) = (places.next(), places.next(), places.next())
            && b - a == c - b
            && a.is_multiple_of(2)
        {
            return Err(Other::Refused(Failure::NeedsFfmpeg(format!("{name} in WAV"))));
        }
    }
    Ok(())
}

/// The usable length of the data chunk.
#[derive(Debug, PartialEq)]
struct Length {
    claimed: Option<u64>,
    left: u64,
    note: Option<String>,
}

impl Length {
    fn of(data_len: u32, long_data: Option<u64>, riff_len: u32, there: u64, file_len: u64) -> Self {
        let claimed = match (data_len, long_data) {
            (u32::MAX, Some(long)) => long,
            // The writer could not seek back to the header, as in a pipe.
            (u32::MAX, None) => return Length { claimed: None, left: there, note: None },
            // The length was never written, unless the outer length agrees that there are no samples.
            (0, _) if there > 0 && u64::from(riff_len) + 8 != file_len + (file_len & 1) => {
                let note = "the header has no length: decoded to the end of the file".to_owned();
                return Length { claimed: None, left: there, note: Some(note) };
            }
            // The length has 32 bits: of more than 4 GiB, it lost the upper ones.
            (len, _) if there - u64::from(len).min(there) >= 1 << 32 => {
                let lost = (there - u64::from(len)) >> 32 << 32;
                let left = u64::from(len) + lost;
                let note = format!(
                    "the header states {len} bytes of samples, the file has {left}: decoded to its end"
                );
                return Length { claimed: Some(left), left, note: Some(note) };
            }
            (len, _) => u64::from(len),
        };
        let note = (claimed > there).then(|| {
            format!("truncated: the header states {claimed} bytes of samples, the file has {there}")
        });
        Length { claimed: Some(claimed), left: claimed.min(there), note }
    }
}

impl Length {
    /// What a demuxer must see in the header, of which the samples begin at `data`, to decode all of them and no more.
    /// `fact` is the chunk with the number of sample frames, which is as wrong as the length.
    fn repair(&self, range: &Range<u64>, data: u64, fact: Option<u64>) -> Repair {
        if self.claimed == Some(self.left) && self.note.is_none() {
            return Repair::default();
        }
        let size = |bytes: u64| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        let mut patches = vec![(range.start + 4, size(data + self.left - range.start - 8))];
        patches.extend(fact.map(|fact| (fact, b"JUNK".to_vec())));
        patches.push((data - 4, size(self.left)));
        Repair { patches, note: self.note.clone() }
    }
}

/// The format of samples that hound does not know.
fn unknown_to_hound(format: &[u8]) -> Option<(Encoding, hound::WavSpec)> {
    let two = |at: usize| Some(u16::from_le_bytes([*format.get(at)?, *format.get(at + 1)?]));
    let (channels, block) = (two(2)?, two(12)?);
    let sample_rate = u32::from_le_bytes([format[4], format[5], format[6], format[7]]);
    let encoding = match (tag(format)?, block.checked_div(channels)?) {
        (A_LAW, 1) => Encoding::ALaw,
        (MU_LAW, 1) => Encoding::MuLaw,
        (PCM_FLOAT, 8) => Encoding::Float64,
        _ => return None,
    };
    // The number of bits is not used: A-law's 8 stand for 13.
    let spec =
        hound::WavSpec { channels, sample_rate, bits_per_sample: 0, sample_format: SampleFormat::Float };
    Some((encoding, spec))
}

fn header(mut format: Vec<u8>, length: &Length, there: u64) -> Decoded<Header> {
    // Samples fill whole bytes, whatever the number of bits: hound refuses 20 bits in three bytes.
    if format.len() >= 16 && format[..2] == [1, 0] && format[15] == 0 {
        format[14] = format[14].checked_next_multiple_of(8).unwrap_or(format[14]);
    }
    let (known, spec) = match unknown_to_hound(&format) {
        Some((encoding, spec)) => (Some(encoding), spec),
        None => (None, hound_spec(&format)?),
    };
    let frame_bytes = usize::from(u16::from_le_bytes([format[12], format[13]]));
    let channels = usize::from(spec.channels);
    // The sample's size in bytes decides, not the number of valid bits: those are its upper bits.
    let encoding = match (known, spec.sample_format, frame_bytes / channels) {
        (Some(encoding), ..) => encoding,
        (None, SampleFormat::Int, 1) => Encoding::Unsigned8,
        (None, SampleFormat::Int, 2) => Encoding::Signed16,
        (None, SampleFormat::Int, 3) => Encoding::Signed24,
        (None, SampleFormat::Int, 4) => Encoding::Signed32,
        (None, SampleFormat::Float, 4) => Encoding::Float32,
        (None, _, bytes) => {
            return Err(Failure::Damage(format!("WAV: samples of {bytes} bytes are not supported")));
        }
    };
    if spec.sample_rate == 0 {
        return Err(Failure::Damage("WAV: a sample rate of 0".to_owned()));
    }
    if frame_bytes % channels != 0 {
        return Err(Failure::Damage(format!(
            "WAV: frames of {frame_bytes} bytes do not fit {channels} channels"
        )));
    }
    let mut notes: Vec<String> = length.note.clone().into_iter().collect();
    if there > 0 && !length.left.is_multiple_of(frame_bytes as u64) && notes.is_empty() {
        notes.push("ends in the middle of a sample".to_owned());
    }
    Ok(Header {
        encoding,
        rate: spec.sample_rate,
        channels,
        layout: layout(&format),
        frame_bytes,
        claimed: length.claimed.map(|bytes| bytes / frame_bytes as u64),
        left: length.left,
        notes,
    })
}

fn hound_spec(format: &[u8]) -> Decoded<hound::WavSpec> {
    // hound's reader needs a whole file: this one has the format and no samples.
    let mut file = b"RIFF\0\0\0\0WAVEfmt ".to_vec();
    file.extend((format.len() as u32).to_le_bytes());
    file.extend(format);
    file.extend(b"data\0\0\0\0");
    let reader = hound::WavReader::new(Cursor::new(file));
    Ok(reader.map_err(|error| Failure::Damage(format!("WAV: {error}")))?.spec())
}

/// The channel mask of WAVEFORMATEXTENSIBLE; other headers have none.
fn layout(format: &[u8]) -> Layout {
    match (format.get(..2), format.get(20..24)) {
        (Some([0xfe, 0xff]), Some(&[a, b, c, d])) => Layout::Mask(u32::from_le_bytes([a, b, c, d]).into()),
        _ => Layout::Unknown,
    }
}

impl Wav {
    /// `input` is at the first sample.
    fn new(input: Input, header: Header) -> Self {
        let Header { encoding, rate, channels, layout, frame_bytes, claimed, left, notes } = header;
        Self {
            input,
            encoding,
            rate,
            channels,
            layout,
            frame_bytes,
            claimed,
            left,
            bytes: Vec::new(),
            samples: Vec::new(),
            notes,
        }
    }
}

impl Source for Wav {
    fn info(&self) -> AudioInfo {
        AudioInfo {
            format: "WAV".to_owned(),
            sample_rate: self.rate,
            channels: self.channels as u16,
            frames: self.claimed,
        }
    }

    fn advance(&mut self, warnings: &mut Warnings) -> Decoded<bool> {
        self.notes.drain(..).for_each(|note| warnings.push(note));
        let frames = (CHUNK / self.frame_bytes).max(1);
        let wanted = self.left.min((frames * self.frame_bytes) as u64) as usize;
        self.bytes.resize(wanted, 0);
        let got = self.input.read_up_to(&mut self.bytes).map_err(Failure::from_io)?;
        if got < wanted {
            warnings.push("the file was shortened while it was read");
        }
        self.left = if got < wanted { 0 } else { self.left - got as u64 };
        // Drops an incomplete frame at the end.
        self.bytes.truncate(got - got % self.frame_bytes);
        self.samples.clear();
        self.encoding.decode(&self.bytes, &mut self.samples);
        Ok(!self.samples.is_empty())
    }

    fn block(&self) -> Block<'_> {
        Block {
            rate: self.rate,
            frames: self.samples.len() / self.channels,
            samples: Samples::Interleaved { samples: &self.samples, channels: self.channels },
        }
    }

    fn layout(&self) -> Layout {
        self.layout
    }
}

impl Encoding {
    /// Appends the samples; full scale is 1.0, as in ffmpeg (and so in Essentia).
    fn decode(self, bytes: &[u8], out: &mut Vec<f32>) {
        match self {
            Encoding::Unsigned8 => out.extend(bytes.iter().map(|byte| (f32::from(*byte) - 128.0) / 128.0)),
            Encoding::Signed16 => {
                let sample = |b: &[u8]| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32_768.0;
                out.extend(bytes.chunks_exact(2).map(sample));
            }
            Encoding::Signed24 => {
                // In the upper three bytes of four, so that the sign is right.
                let sample =
                    |b: &[u8]| (i32::from_le_bytes([0, b[0], b[1], b[2]]) as f64 / 2_147_483_648.0) as f32;
                out.extend(bytes.chunks_exact(3).map(sample));
            }
            Encoding::Signed32 => {
                let sample =
                    |b: &[u8]| (i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f64 / 2_147_483_648.0) as f32;
                out.extend(bytes.chunks_exact(4).map(sample));
            }
            Encoding::Float32 => {
                out.extend(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            }
            Encoding::Float64 => {
                let sample = |b: &[u8]| f64::from_le_bytes(b.try_into().expect("eight bytes")) as f32;
                out.extend(bytes.chunks_exact(8).map(sample));
            }
            Encoding::ALaw => out.extend(bytes.iter().map(|byte| f32::from(a_law(*byte)) / 32_768.0)),
            Encoding::MuLaw => out.extend(bytes.iter().map(|byte| f32::from(mu_law(*byte)) / 32_768.0)),
        }
    }
}

/// A sample of G.711's A-law, as 16 bits: a sign, a segment of three bits, each twice as steep as the one before, and
/// four bits of the step. Every other bit is inverted.
fn a_law(byte: u8) -> i16 {
    let bits = byte ^ 0x55;
    let (segment, step) = (i16::from(bits >> 4 & 7), i16::from(bits & 15));
    let size = match segment {
        0 => step << 4 | 8,
        _ => (step << 4 | 0x108) << (segment - 1),
    };
    if bits & 0x80 != 0 { size } else { -size }
}

/// A sample of G.711's mu-law, as 16 bits: all bits are inverted, and 132 is added before the logarithm.
fn mu_law(byte: u8) -> i16 {
    const BIAS: i16 = 132;
    let bits = !byte;
    let size = ((i16::from(bits & 15) << 3) + BIAS) << (bits >> 4 & 7);
    if bits & 0x80 != 0 { BIAS - size } else { size - BIAS }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_scale_is_one() {
        let decode = |encoding: Encoding, bytes: &[u8]| {
            let mut out = Vec::new();
            encoding.decode(bytes, &mut out);
            out
        };
        assert_eq!(decode(Encoding::Unsigned8, &[0, 128, 255]), [-1.0, 0.0, 127.0 / 128.0]);
        assert_eq!(decode(Encoding::Signed16, &[0, 128, 0, 0, 255, 127]), [-1.0, 0.0, 32_767.0 / 32_768.0]);
        assert_eq!(decode(Encoding::Signed24, &[0, 0, 128, 1, 0, 0]), [-1.0, 1.0 / 8_388_608.0]);
        assert_eq!(decode(Encoding::Signed32, &[0, 0, 0, 128, 0, 0, 0, 64]), [-1.0, 0.5]);
        assert_eq!(decode(Encoding::Float32, &2.5_f32.to_le_bytes()), [2.5]);
        assert_eq!(decode(Encoding::Float64, &(-0.25_f64).to_le_bytes()), [-0.25]);
    }

    /// The ends and the middle of the tables in ITU-T G.711, at 16 bits.
    #[test]
    fn companded_samples_are_those_of_the_standard() {
        assert_eq!([0x2a, 0xaa, 0x55, 0xd5].map(a_law), [-32_256, 32_256, -8, 8]);
        assert_eq!([0x00, 0x80, 0x7f, 0xff, 0xf0].map(mu_law), [-32_124, 32_124, 0, 0, 120]);
        let rises = |law: fn(u8) -> i16, order: fn(u8) -> u8| {
            let values: Vec<i16> = (0..128).map(|index| law(order(index))).collect();
            values.windows(2).all(|pair| pair[0] < pair[1])
        };
        assert!(rises(a_law, |index| (index | 0x80) ^ 0x55) && rises(mu_law, |index| !index | 0x80));
    }

    #[test]
    fn lengths_that_lie_are_seen_through() {
        let length = |data, long, riff, there| Length::of(data, long, riff, there, there + 44);
        assert_eq!(length(100, None, 136, 100).left, 100);
        assert_eq!(length(100, None, 136, 120), Length { claimed: Some(100), left: 100, note: None });
        assert!(length(100, None, 136, 60).note.unwrap().contains("truncated"));
        assert_eq!(length(u32::MAX, None, u32::MAX, 60), Length { claimed: None, left: 60, note: None });
        assert_eq!(length(u32::MAX, Some(48), u32::MAX, 60).left, 48);
        assert_eq!(length(u32::MAX, Some(u64::MAX), u32::MAX, 60).left, 60);
        assert!(length(0, None, 0, 60).note.is_some());
        // More than 4 GiB, whose length wrapped; a chunk of 90 bytes follows.
        let there = (1 << 32) + 5000 + 90;
        let wrapped = length(5000, None, 5036, there);
        assert_eq!((wrapped.left, wrapped.note.is_some()), ((1 << 32) + 5000, true));
        // A valid file without samples, and with a chunk after them.
        assert_eq!(length(0, None, 96, 60).left, 0);
    }
}
