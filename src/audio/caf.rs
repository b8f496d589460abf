//! CAF: the length of its samples, which may not be stated, or be more than there is.

use std::io;
use std::ops::Range;

use super::input::Input;
use super::tags::read_at;
use super::view::Repair;

/// The largest number of chunks before the samples.
const MAX_CHUNKS: usize = 4096;

/// Reads the chunks of a file that lies in `range`, up to its samples.
///
/// A recorder that writes to a pipe, or is cut off, states -1: the samples then end with the file (Core Audio Format
/// Specification, "Audio Data Chunk").
pub(super) fn read(input: &mut Input, range: &Range<u64>) -> io::Result<Repair> {
    let mut position = range.start + 8;
    for _ in 0..MAX_CHUNKS {
        if position + 12 > range.end {
            break;
        }
        let head: [u8; 12] = read_at(input, position)?;
        let stated = i64::from_be_bytes(head[4..].try_into().expect("eight bytes"));
        let there = range.end - position - 12;
        if &head[..4] != b"data" {
            let Ok(len) = u64::try_from(stated) else { break };
            position = position.saturating_add(12).saturating_add(len);
            continue;
        }
        let is_open = stated == -1;
        if !is_open && u64::try_from(stated).is_ok_and(|stated| stated <= there) {
            break;
        }
        let patch = (position + 4, there.to_be_bytes().to_vec());
        let note = (!is_open)
            .then(|| format!("truncated: the header states {stated} bytes of samples, the file has {there}"));
        return Ok(Repair { patches: vec![patch], note });
    }
    Ok(Repair::default())
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
            read(&mut Input::from_bytes(bytes.into()), &range).unwrap()
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
        assert_eq!(read(&mut Input::from_bytes(bytes.into()), &(0..end)).unwrap(), Repair::default());
    }
}
