//! CAF: the length of its samples, which may not be stated, or be more than there is.

use std::io;
use std::ops::Range;

use super::input::Input;
use super::tags::read_at;
use super::view::Repair;

/// The largest number of chunks before the samples.
const MAX_CHUNKS: usize = 4096;

/// Reads the chunks of a file that lies in `range`. Returns what is wrong, and where the file ends: another that was
/// appended looks like a chunk.
///
/// A recorder that writes to a pipe, or is cut off, states -1: the samples then end with the file (Core Audio Format
/// Specification, "Audio Data Chunk").
pub(super) fn read(input: &mut Input, range: &Range<u64>) -> io::Result<(Repair, u64)> {
    let mut position = range.start + 8;
    let mut has_data = false;
    for _ in 0..MAX_CHUNKS {
        if position + 12 > range.end {
            break;
        }
        let head: [u8; 12] = read_at(input, position)?;
        let stated = i64::from_be_bytes(head[4..].try_into().expect("eight bytes"));
        let there = range.end - position - 12;
        if &head[..4] == b"caff" {
            let note = Some("another file follows, and is left out".to_owned());
            return Ok((Repair { patches: Vec::new(), note }, position));
        }
        let fits = u64::try_from(stated).ok().filter(|stated| *stated <= there);
        match fits {
            Some(len) => {
                has_data |= &head[..4] == b"data";
                position += 12 + len;
            }
            None if &head[..4] != b"data" => break,
            None => {
                let patch = (position + 4, there.to_be_bytes().to_vec());
                let note = (stated != -1).then(|| {
                    format!("truncated: the header states {stated} bytes of samples, the file has {there}")
                });
                return Ok((Repair { patches: vec![patch], note }, range.end));
            }
        }
    }
    // What is no chunk behind the samples does not matter to them.
    Ok((Repair::default(), if has_data { position.min(range.end) } else { range.end }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_is_missing_or_wrong_becomes_that_of_the_file() {
        let file = |len: i64| {
            let mut bytes = b"caff\0\x01\0\0desc\0\0\0\0\0\0\0\x02xxdata".to_vec();
            bytes.extend(len.to_be_bytes());
            bytes.extend([7; 20]);
            bytes
        };
        let repair = |len: i64| {
            let bytes = file(len);
            let range = 0..bytes.len() as u64;
            read(&mut Input::from_bytes(bytes.into()), &range).unwrap().0
        };
        let to_20 = vec![(26, 20_u64.to_be_bytes().to_vec())];
        assert_eq!(repair(20), Repair::default());
        assert_eq!(repair(-1), Repair { patches: to_20.clone(), note: None });
        let long = repair(1 << 40);
        assert_eq!(long.patches, to_20);
        assert!(long.note.unwrap().contains("truncated"));
        // Other chunks may lie too: the demuxer says what it thinks of them.
        let mut bytes = file(20);
        bytes[12..20].fill(0xff);
        let end = bytes.len() as u64;
        let (repair, _) = read(&mut Input::from_bytes(bytes.into()), &(0..end)).unwrap();
        assert_eq!(repair, Repair::default());
        let junk = [file(20).as_slice(), &[0xc8; 500]].concat();
        assert_eq!(
            read(&mut Input::from_bytes(junk.into()), &(0..end + 500)).unwrap(),
            (Repair::default(), end)
        );
        let both = [file(20), file(20)].concat();
        let (repair, end) = read(&mut Input::from_bytes(both.into()), &(0..2 * end)).unwrap();
        assert_eq!(end, file(20).len() as u64);
        assert!(repair.note.unwrap().contains("another file follows"));
    }
}
