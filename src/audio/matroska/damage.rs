//! Damage between and inside of clusters: the parts that nobody can read are covered, and the next cluster is found.
//!
//! A demuxer believes identifiers and sizes. One that is wrong makes it skip the rest of the file, or fail. Here what
//! does not fit is covered by a `Void` element, which every reader passes over, up to the next cluster.

use std::ops::Range;

use super::{CHUNK, CLUSTER, EBML, HEAD, Walk, variable};

/// Elements that a segment has.
const PARTS: [u64; 10] = [
    CLUSTER,
    super::TRACKS,
    0x114d_9b74, // SeekHead
    0x1549_a966, // Info
    0x1c53_bb6b, // Cues
    0x1941_a469, // Attachments
    0x1043_a770, // Chapters
    0x1254_c367, // Tags
    VOID,
    CRC_32,
];
/// What a cluster may begin with.
const FIRST: [u64; 6] = [TIMESTAMP, CRC_32, VOID, PREVIOUS_SIZE, POSITION, 0x5854];
const TIMESTAMP: u64 = 0xe7;
const PREVIOUS_SIZE: u64 = 0xab;
const POSITION: u64 = 0xa7;
const VOID: u64 = 0xec;
const CRC_32: u64 = 0xbf;

/// Whether elements of a cluster have this identifier.
pub(super) fn is_of_cluster(id: u64) -> bool {
    FIRST.contains(&id) || matches!(id, super::SIMPLE_BLOCK | super::BLOCK_GROUP | 0xaf)
}

/// An element without contents that covers the range, as a patch.
pub(super) fn void(range: Range<u64>) -> Option<(u64, Vec<u8>)> {
    let len = range.end.checked_sub(range.start)?;
    let header = match len {
        0 | 1 => return None,
        2..=8 => vec![VOID as u8, 0x80 | (len - 2) as u8],
        _ => {
            let mut header = ((len - 9) | 1 << 56).to_be_bytes().to_vec();
            header.insert(0, VOID as u8);
            header
        }
    };
    Some((range.start, header))
}

impl Walk<'_> {
    /// Whether a part of the segment begins here, or another file, or it ends.
    pub(super) fn is_part(&mut self, position: u64, end: u64) -> bool {
        position == end
            || self.element(position).is_some_and(|element| PARTS.contains(&element.id) || element.id == EBML)
    }

    /// The position of the first cluster from this position on.
    pub(super) fn next_cluster(&mut self, from: u64, end: u64) -> Option<u64> {
        let mark = (CLUSTER as u32).to_be_bytes();
        let mut position = from;
        while position < end {
            let bytes = self.bytes(position, CHUNK)?;
            let len = bytes.len();
            match bytes.windows(4).position(|four| four == mark) {
                Some(at) if self.is_cluster(position + at as u64, end) => return Some(position + at as u64),
                Some(at) => position += at as u64 + 1,
                // The mark may continue in the next part.
                None if len > 3 => position += len as u64 - 3,
                None => return None,
            }
        }
        None
    }

    fn is_cluster(&mut self, position: u64, end: u64) -> bool {
        let Some(cluster) = self.element(position) else { return false };
        let Some(first) = self.element(cluster.start) else { return false };
        FIRST.contains(&first.id) && first.end.is_some_and(|first| first <= end)
    }

    /// Makes an element end here, if its size has enough digits.
    pub(super) fn resize(&mut self, element: u64, end: u64) {
        let patch = self.size_to(element, end);
        self.info.patches.extend(patch);
    }

    fn size_to(&mut self, element: u64, end: u64) -> Option<(u64, Vec<u8>)> {
        let head = self.bytes(element, HEAD)?;
        let (_, id_len) = variable(head, true)?;
        let (_, len_len) = variable(&head[id_len..], false)?;
        let start = element + (id_len + len_len) as u64;
        let (size, mark) = (end.checked_sub(start)?, 1_u64 << (7 * len_len));
        // All ones are an unknown size.
        (size < mark - 1)
            .then(|| (element + id_len as u64, (size | mark).to_be_bytes()[8 - len_len..].to_vec()))
    }

    /// Covers what cannot be read from here to the next cluster, and returns where that begins.
    pub(super) fn pass_over(&mut self, from: u64, end: u64) -> Option<u64> {
        let next = self.next_cluster(from + 1, end)?;
        self.info.patches.extend(void(from..next));
        Some(next)
    }
}
