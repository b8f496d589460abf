//! A recording's bytes as a demuxer should see them: parts of the file, with some bytes replaced.
//!
//! Tags, junk and wrong sizes make demuxers fail although the audio is intact. What this library knows better than the
//! file is put right here, in memory; the file itself is not changed.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use symphonia::core::io::MediaSource;

use super::input::Input;

/// Parts of an input and of memory in sequence, read as one file.
pub(super) struct View {
    input: Input,
    /// The offset of the input's next byte; unknown after an error.
    input_position: Option<u64>,
    pieces: Vec<Piece>,
    position: u64,
    len: u64,
    /// Whether it reports itself seekable. Demuxers of what is not do not look at the end first.
    seekable: bool,
}

/// What is wrong in a header, for a demuxer that believes it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Repair {
    /// Offsets in the input, and what should be there.
    pub patches: Vec<(u64, Vec<u8>)>,
    pub note: Option<String>,
}

struct Piece {
    /// Where it begins in the view.
    start: u64,
    len: u64,
    bytes: PieceBytes,
}

enum PieceBytes {
    /// Bytes of the input from this offset on.
    Input(u64),
    Memory(Vec<u8>),
}

impl View {
    /// The given range of the input.
    pub(super) fn of(input: Input, range: Range<u64>) -> Self {
        let mut view =
            Self { input, input_position: None, pieces: Vec::new(), position: 0, len: 0, seekable: true };
        view.push(PieceBytes::Input(range.start), range.end.saturating_sub(range.start));
        view
    }

    /// Bytes before the given range of the input.
    pub(super) fn with_prefix(input: Input, prefix: Vec<u8>, range: Range<u64>) -> Self {
        let mut view = Self::of(input, 0..0);
        let len = prefix.len() as u64;
        view.push(PieceBytes::Memory(prefix), len);
        view.push(PieceBytes::Input(range.start), range.end.saturating_sub(range.start));
        view
    }

    /// The given range with some bytes replaced: `patches` are offsets in the input and bytes, in ascending order. One
    /// that does not lie in the range, or overlaps the one before, is left out.
    pub(super) fn patched(input: Input, range: Range<u64>, patches: &[(u64, Vec<u8>)]) -> Self {
        let mut view = Self::of(input, 0..0);
        let mut position = range.start;
        for (start, bytes) in patches {
            let len = bytes.len() as u64;
            if *start < position || start + len > range.end {
                continue;
            }
            view.push(PieceBytes::Input(position), start - position);
            view.push(PieceBytes::Memory(bytes.clone()), len);
            position = start + len;
        }
        view.push(PieceBytes::Input(position), range.end.saturating_sub(position));
        view
    }

    /// The same bytes, as a stream that reports itself not seekable.
    pub(super) fn as_stream(&self) -> io::Result<Self> {
        let pieces = self.pieces.iter().map(|piece| Piece {
            start: piece.start,
            len: piece.len,
            bytes: match &piece.bytes {
                PieceBytes::Input(from) => PieceBytes::Input(*from),
                PieceBytes::Memory(bytes) => PieceBytes::Memory(bytes.clone()),
            },
        });
        Ok(Self {
            input: self.input.reopen()?,
            input_position: None,
            pieces: pieces.collect(),
            position: 0,
            len: self.len,
            seekable: false,
        })
    }

    fn push(&mut self, bytes: PieceBytes, len: u64) {
        if len > 0 {
            self.pieces.push(Piece { start: self.len, len, bytes });
            self.len += len;
        }
    }
}

impl Read for View {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let position = self.position;
        let holds = |piece: &&Piece| piece.start <= position && position < piece.start + piece.len;
        let Some(piece) = self.pieces.iter().find(holds) else { return Ok(0) };
        let inside = position - piece.start;
        let wanted = buffer.len().min(usize::try_from(piece.len - inside).unwrap_or(usize::MAX));
        let count = match &piece.bytes {
            PieceBytes::Memory(bytes) => {
                let start = inside as usize;
                buffer[..wanted].copy_from_slice(&bytes[start..start + wanted]);
                wanted
            }
            PieceBytes::Input(from) => {
                let at = from + inside;
                // Every handle of a reopened input shares one position.
                if self.input_position != Some(at) {
                    self.input.seek(SeekFrom::Start(at))?;
                }
                self.input_position = None;
                let count = self.input.read(&mut buffer[..wanted])?;
                self.input_position = Some(at + count as u64);
                count
            }
        };
        self.position += count as u64;
        Ok(count)
    }
}

impl Seek for View {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let target = match position {
            SeekFrom::Start(start) => Some(start),
            SeekFrom::End(offset) => self.len.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

impl MediaSource for View {
    fn is_seekable(&self) -> bool {
        self.seekable
    }

    fn byte_len(&self) -> Option<u64> {
        self.seekable.then_some(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input() -> Input {
        Input::from_bytes((0..100_u8).collect::<Vec<_>>().into())
    }

    fn all(mut view: View) -> Vec<u8> {
        let mut bytes = Vec::new();
        view.read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn pieces_are_read_as_one_file() {
        assert_eq!(all(View::of(input(), 10..13)), [10, 11, 12]);
        assert_eq!(all(View::with_prefix(input(), vec![7, 8], 98..100)), [7, 8, 98, 99]);
        let patched = all(View::patched(input(), 0..100, &[(0, vec![200]), (50, vec![201, 202])]));
        assert_eq!(patched.len(), 100);
        assert_eq!([patched[0], patched[1], patched[49], patched[50], patched[51]], [200, 1, 49, 201, 202]);
    }

    #[test]
    fn patches_outside_the_input_are_left_out() {
        assert_eq!(all(View::patched(input(), 0..100, &[(99, vec![1, 2])])), (0..100).collect::<Vec<u8>>());
    }

    #[test]
    fn it_can_be_read_from_anywhere() {
        let mut view = View::with_prefix(input(), vec![7, 8], 0..100);
        for (from, expected) in
            [(SeekFrom::Start(1), 8), (SeekFrom::End(-1), 99), (SeekFrom::Current(-2), 98)]
        {
            view.seek(from).unwrap();
            let mut byte = [0];
            view.read_exact(&mut byte).unwrap();
            assert_eq!(byte[0], expected);
        }
        assert!(view.seek(SeekFrom::Current(-1000)).is_err());
        view.seek(SeekFrom::Start(1000)).unwrap();
        assert_eq!(view.read(&mut [0; 4]).unwrap(), 0);
    }
}
