//! Writes a zip archive with uncompressed entries, each at a multiple of 64 bytes, so that tensors can be
//! memory-mapped.
//!
//! The zip crate could write it too, but would add seven crates to the library even without features (typed-path,
//! getrandom, zeroize and others, for encryption and times that are not needed here). These lines need one crate, for
//! the checksum.

const ALIGNMENT: usize = 64;
const LOCAL: u32 = 0x0403_4b50;
const CENTRAL: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
/// The required version of a reader: uncompressed files.
const NEEDED: u16 = 10;

pub(super) struct Archive {
    folder: &'static str,
    bytes: Vec<u8>,
    /// The descriptions of the entries, which are written last.
    directory: Vec<u8>,
    entries: u16,
}

impl Archive {
    /// An archive with all entries in one folder.
    pub fn new(folder: &'static str) -> Self {
        Archive { folder, bytes: Vec::new(), directory: Vec::new(), entries: 0 }
    }

    pub fn add(&mut self, name: &str, content: &[u8]) {
        let name = format!("{}/{name}", self.folder);
        let start = self.bytes.len();
        // Padding is an extra field, which has a header of four bytes.
        let unpadded = start + 30 + name.len() + 4;
        let padding = unpadded.next_multiple_of(ALIGNMENT) - unpadded;

        let mut described = Vec::new();
        words16(&mut described, &[NEEDED, 0, 0, 0, 0x21]);
        words32(&mut described, &[crc32fast::hash(content), size(content.len()), size(content.len())]);
        words16(&mut described, &[name.len() as u16]);

        words32(&mut self.bytes, &[LOCAL]);
        self.bytes.extend(&described);
        words16(&mut self.bytes, &[4 + padding as u16]);
        self.bytes.extend(name.as_bytes());
        words16(&mut self.bytes, &[u16::from_le_bytes(*b"FB"), padding as u16]);
        self.bytes.resize(self.bytes.len() + padding, 0);
        self.bytes.extend(content);

        words32(&mut self.directory, &[CENTRAL]);
        words16(&mut self.directory, &[NEEDED]);
        self.directory.extend(&described);
        // No extra field, no comment, first disk, no attributes.
        words16(&mut self.directory, &[0, 0, 0, 0]);
        words32(&mut self.directory, &[0, size(start)]);
        self.directory.extend(name.as_bytes());
        self.entries += 1;
    }

    pub fn finish(mut self) -> Vec<u8> {
        let (start, length) = (size(self.bytes.len()), size(self.directory.len()));
        self.bytes.append(&mut self.directory);
        words32(&mut self.bytes, &[END]);
        words16(&mut self.bytes, &[0, 0, self.entries, self.entries]);
        words32(&mut self.bytes, &[length, start]);
        words16(&mut self.bytes, &[0]);
        self.bytes
    }
}

fn words16(bytes: &mut Vec<u8>, words: &[u16]) {
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn words32(bytes: &mut Vec<u8>, words: &[u32]) {
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
}

fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).expect("the network is smaller than 4 GiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_are_aligned() {
        let mut archive = Archive::new("x");
        archive.add("a", b"first");
        archive.add("b/c", b"second");
        let bytes = archive.finish();
        for content in [&b"first"[..], b"second"] {
            let at = bytes.windows(content.len()).position(|window| window == content).unwrap();
            assert_eq!(at % ALIGNMENT, 0);
        }
    }
}
